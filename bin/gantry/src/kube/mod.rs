//! `gantry apply`, `get` and `delete`: thin clients of the Kubernetes API, in the manner of kubectl.
//!
//! They know nothing that another client of the port could not know, and no kind: which resource a word means, the
//! server's discovery says, and how objects look in a table, the server's Table.

mod apply;
mod delete;
mod get;
mod gone;
mod manifest;
mod table;
mod watch;
mod which;

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use client::{Client, Context, Discovery, Entry};
use cluster::remote;

pub(crate) use apply::{Options as Apply, run as apply};
pub(crate) use delete::{Options as Delete, run as delete};
pub(crate) use get::{Options as Get, run as get};
pub(crate) use table::yaml;

use crate::failure::Failure;
use crate::node::NodePlace;

/// What these clients call themselves; the field manager of what they apply.
const AGENT: &str = "gantry";

/// Which server, as whom, and where.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The kubeconfig to use instead of this node's own.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, instead of its current one.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    context: String,
    /// The namespace, instead of the context's.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// The file with the node's options.
    #[arg(long, env = "GANTRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the node keeps its kubeconfig [default: /var/lib/gantry].
    #[arg(long, env = "GANTRY_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// A server that can be asked.
struct Session {
    client: Client,
    discovery: Discovery,
    /// The namespace of what names none.
    namespace: String,
}

impl Server {
    async fn connect(&self) -> Result<Session, Failure> {
        let path = match &self.kubeconfig {
            Some(path) => path.clone(),
            None => {
                let node = NodePlace::stored_at(self.config.clone(), self.data_dir.clone());
                node.resolve()?.paths().kubeconfig()
            }
        };
        let yaml = fs::read(&path).map_err(|error| unreadable(&path, &error, self.kubeconfig.is_none()))?;
        let read = |file: &str| fs::read(path.parent().unwrap_or(&path).join(file));
        let context = Context::parse(&yaml, &self.context, read)?;
        let client = remote::client(&context, AGENT)?;
        let discovery = Discovery::read(&client).await?;
        let own = Some(context.namespace).filter(|own| !own.is_empty());
        let namespace = self
            .namespace
            .clone()
            .or(own)
            .unwrap_or_else(|| "default".to_owned());
        Ok(Session {
            client,
            discovery,
            namespace,
        })
    }
}

/// A node without a kubeconfig has never run.
fn unreadable(path: &std::path::Path, error: &io::Error, own: bool) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound if own => {
            Failure::with_code(crate::node::exit::NOT_RUNNING, crate::node::NOT_RUNNING)
        }
        _ => Failure::with_code(1, format!("{}: {error}", path.display())),
    }
}

impl Session {
    /// The resource that a word means.
    fn resource(&self, word: &str) -> Result<&Entry, Failure> {
        let unknown = || Failure::with_code(1, format!("the server doesn't have a resource type {word:?}"));
        self.discovery.find(word).ok_or_else(unknown)
    }

    /// The resources of a list of words, such as `pods,svc` or `all`.
    fn resources(&self, words: &str) -> Result<Vec<&Entry>, Failure> {
        let mut found = Vec::new();
        for word in words.split(',') {
            match self.discovery.category(word) {
                category if !category.is_empty() => found.extend(category),
                _ => found.push(self.resource(word)?),
            }
        }
        Ok(found)
    }
}
