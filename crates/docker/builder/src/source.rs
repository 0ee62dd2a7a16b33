//! Where `ADD` gets files from that are in no context: addresses, what they name, and the seam over
//! which they are fetched.

mod checksum;
mod git;
mod kept;
mod single;

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

pub(crate) use checksum::Checksum;
pub use git::{Authorization, GitSource};
pub(crate) use kept::Kept;
pub(crate) use single::Single;

/// A future that is sent.
pub type Sent<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Fetches what `ADD` names. A door or the node gives it; without one `ADD` of an address is refused.
pub trait Fetch: Send + Sync {
    /// The body of an address (`http` or `https`), in a file that nobody else changes; its server is told who asks.
    fn http(&self, url: &str, who: &Authorization) -> Sent<Result<Fetched, String>>;

    /// A directory with a repository's files, and with `.git` if the source asks for it. An `agent` is a socket behind which
    /// a client's keys answer.
    fn git(&self, source: &GitSource, agent: Option<PathBuf>) -> Sent<Result<Repository, String>>;

    /// Forgets what is kept for the next build; how many bytes that were.
    fn prune(&self) -> Sent<u64>;
}

/// The files of a commit. Clones are the same files.
#[derive(Clone)]
pub struct Repository {
    /// Where they are.
    pub directory: PathBuf,
    /// Which commit.
    pub commit: String,
    /// When it was made, in seconds since 1970.
    pub time: i64,
    /// What it was called when it was asked for; nothing, if it was asked for by itself.
    pub reference: Option<String>,
    /// They stay for as long as this does.
    pub keeps: Arc<dyn Any + Send + Sync>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.commit, self.directory.display())
    }
}

/// How old files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Age {
    /// Nobody says: a client's own.
    #[default]
    Unknown,
    /// In seconds since 1970.
    At(i64),
    /// As old as the youngest of them.
    Newest,
}

/// What was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// The body.
    pub file: File,
    /// `Last-Modified`, in seconds since 1970; 0 if nobody said.
    pub modified: i64,
    /// What the server calls it, if it says so.
    pub name: Option<String>,
    /// `Content-Type`; empty if nobody said.
    pub media_type: String,
}

/// What a source of `ADD` or `COPY` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A path.
    Path,
    /// A file.
    Http,
    /// A repository.
    Git(Box<GitSource>),
}

/// Reads a source.
///
/// # Errors
/// A repository's address with a query that makes no sense.
pub(crate) fn named(source: &str) -> Result<Named, String> {
    if let Some(git) = GitSource::parse(source)? {
        return Ok(Named::Git(Box::new(git)));
    }
    let http = source.starts_with("http://") || source.starts_with("https://");
    Ok(if http { Named::Http } else { Named::Path })
}

/// What a repository's files are for the cache: a commit, and what comes of it. With `.git` also what it was called.
pub(crate) fn identity(source: &GitSource, found: &Repository) -> String {
    let GitSource {
        remote: _,
        reference: _,
        checksum: _,
        directory,
        keep_git_dir,
        submodules,
        commit_times,
        fetch_by_commit: _,
        authorization: _,
    } = source;
    let git = keep_git_dir.unwrap_or(false).then(|| found.reference.clone());
    format!(
        "{} {directory:?} {git:?} {submodules:?} {commit_times}",
        found.commit
    )
}

/// What a file is called whose address has no name.
pub(crate) const UNNAMED: &str = "__unnamed__";

/// What the file of an address is called: the last name of its path.
pub(crate) fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = match path.trim_end_matches('/').rsplit_once('/') {
        Some((_, name)) if !name.is_empty() => git::unescape(name),
        _ => String::new(),
    };
    if name.is_empty() || name.contains('/') || matches!(name.as_str(), "." | "..") {
        UNNAMED.to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_the_last_name() {
        for (url, name) in [
            ("https://h/a/b.tar?x=/y#/z", "b.tar"),
            ("https://h/a/", "a"),
            ("https://h/", "__unnamed__"),
            ("https://h", "__unnamed__"),
            ("https://h/a%20b", "a b"),
            ("https://h/a%2Fb", "__unnamed__"),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
    }

    #[test]
    fn sources_say_what_they_are() {
        assert_eq!(named("a/b").unwrap(), Named::Path);
        assert_eq!(named("https://h/a.tar").unwrap(), Named::Http);
        assert!(matches!(named("https://h/a.git#v1").unwrap(), Named::Git(_)));
    }
}
