//! What a build fetches that is in no context: files of web servers, and repositories.
//!
//! [`Sources`] is the builder's seam [`builder::Fetch`] carried out: files over the client that registries are asked with, so
//! connections, proxies and authorities are the same; repositories by the host's own `git`, as upstream has it, which sees
//! nothing of the host's configuration and asks nobody for anything. What was fetched is kept for the next build, bounded and
//! until the daemon ends: whether it is still the same is asked each time.

#![forbid(unsafe_code)]

mod git;
mod program;
mod web;

use std::path::PathBuf;
use std::sync::Arc;

use builder::{Authorization, Fetch, Fetched, GitSource, Repository, Sent};
use distribution::Client;

/// At most so many bytes are fetched of one address, or checked out of one repository.
const MOST: u64 = builder::MAX_CONTEXT;

/// Files of web servers and repositories, for all builds of a node. Clones are the same.
#[derive(Clone)]
pub struct Sources(Arc<Inner>);

struct Inner {
    web: web::Web,
    git: git::Git,
}

impl Sources {
    /// Fetches with this client and keeps what it fetches below a directory, which is its own: what is in it is removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(client: Client, directory: PathBuf) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&directory)?,
        }
        let git = git::Git::new(client.clone(), directory.join("git"));
        let web = web::Web::new(client, directory);
        Ok(Self(Arc::new(Inner { web, git })))
    }
}

impl Fetch for Sources {
    fn http(&self, url: &str, who: &Authorization) -> Sent<Result<Fetched, String>> {
        let (sources, url, who) = (self.clone(), url.to_owned(), who.clone());
        Box::pin(async move {
            let file = sources.0.web.file(&url, &who.0).await;
            file.map_err(|error| error.to_string())
        })
    }

    fn git(&self, source: &GitSource, agent: Option<PathBuf>) -> Sent<Result<Repository, String>> {
        let (sources, source) = (self.clone(), source.clone());
        Box::pin(async move { sources.0.git.checkout(source, agent).await })
    }

    fn prune(&self) -> Sent<u64> {
        let sources = self.clone();
        Box::pin(async move { sources.0.web.clear() + sources.0.git.clear().await })
    }
}
