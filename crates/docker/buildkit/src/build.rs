//! What a build is to this door, in its own words; whoever has a builder implements [`Builds`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::filesync::Archive;
use crate::grpc::{Boxed, Status};
use crate::progress::Progress;
use crate::session::Session;

/// A Dockerfile, and the files around it.
#[derive(Debug)]
pub struct BuildRequest {
    /// The main context, a plain tar archive; read it by position, since it is shared. The Dockerfile lies in it
    /// at `dockerfile`; where the client's files do not have it, it was added, and hidden by a `.dockerignore`.
    pub context: File,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// The Dockerfile itself; `None` where the context was sent as an archive, which has it.
    pub text: Option<Vec<u8>>,
    /// Named contexts.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// The stage to stop after.
    pub target: Option<String>,
    /// `linux/amd64`; `None` for this machine's.
    pub platform: Option<String>,
    /// Whether every step is carried out.
    pub no_cache: bool,
    /// Whether bases are pulled although they are here.
    pub pull: bool,
    /// `--network`: empty, `default`, `none` or `host`.
    pub network: String,
    /// `NAME:ADDRESS` lines.
    pub extra_hosts: Vec<String>,
    /// `/dev/shm` in bytes; 0 for the default.
    pub shm_size: u64,
    /// Where steps' groups are; empty for the default.
    pub cgroup_parent: String,
    /// Images whose steps may be used.
    pub cache_from: Vec<String>,
    /// What steps may do: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
    /// Whoever asked: secrets, agents, credentials.
    pub session: Arc<Session>,
}

/// A named context (`--build-context`).
#[derive(Clone, Debug)]
pub enum NamedContext {
    /// Files of the client.
    Files(Arc<Archive>),
    /// An image.
    Image(String),
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The image's id (`sha256:…`).
    pub image: String,
    /// Its configuration, as it is.
    pub config: Vec<u8>,
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its full name.
    pub reference: String,
    /// Its id or digest.
    pub digest: String,
    /// Its configuration.
    pub config: Vec<u8>,
}

/// A record of the build cache.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Its id.
    pub id: String,
    /// The record it was made upon.
    pub parents: Vec<String>,
    /// What it is.
    pub description: String,
    /// Bytes.
    pub size: u64,
    /// When it was made.
    pub created: SystemTime,
    /// When it was used last.
    pub last_used: SystemTime,
    /// How often.
    pub uses: u64,
    /// Whether an image needs it.
    pub in_use: bool,
}

/// Which records go.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// Also those that images need.
    pub all: bool,
    /// Only those that were not used since.
    pub unused_since: Option<SystemTime>,
    /// Bytes that stay.
    pub reserved: u64,
    /// Bytes that stay at most; 0 if nothing is said.
    pub max_used: u64,
    /// Bytes of the disk that shall be free; 0 if nothing is said.
    pub min_free: u64,
}

/// A builder behind this door. Futures that are dropped are builds that nobody waits for.
pub trait Builds: Send + Sync + 'static {
    /// Builds.
    fn build(&self, request: BuildRequest, progress: Arc<Progress>) -> Boxed<'static, Result<Built, Status>>;

    /// Gives a result names (exporter `moby`); gives them as they are shown.
    fn name(&self, built: &Built, names: Vec<String>) -> Boxed<'static, Result<Vec<String>, Status>>;

    /// All files of a result, as a plain tar archive in a file without a name: sorted, with numeric owners.
    fn files(&self, built: &Built) -> Boxed<'static, Result<File, Status>>;

    /// The image of a reference, if it is here.
    fn find(&self, reference: &str) -> Boxed<'static, Result<Option<Found>, Status>>;

    /// A file without a name, for what a client sends.
    ///
    /// # Errors
    /// The disk's.
    fn spool(&self) -> io::Result<File>;

    /// The build cache.
    fn usage(&self) -> Boxed<'static, Result<Vec<Usage>, Status>>;

    /// Removes records, and tells which.
    fn prune(&self, prune: Prune) -> Boxed<'static, Result<Vec<Usage>, Status>>;

    /// This machine's platform: operating system and architecture as OCI names them.
    fn platform(&self) -> (String, String);
}
