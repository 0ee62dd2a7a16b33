//! What a build may ask of whoever asked for it, and what it may do that others may not.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use image::{Digest, Platform};
use tokio::sync::mpsc::Sender;

use crate::BuildContext;
use crate::source::{Fetch, Sent};
use crate::watch::Watch;

/// The client's secrets (`RUN --mount=type=secret`).
pub trait Secrets: Send + Sync {
    /// The secret of this name; `None` if there is none.
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>>;
}

/// The client's agents (`RUN --mount=type=ssh`).
pub trait Ssh: Send + Sync {
    /// A socket on this machine behind which the agent of this name answers until the build is over;
    /// `None` if there is none.
    fn agent(&self, id: &str) -> Sent<Result<Option<PathBuf>, String>>;
}

/// Brings images that are not here.
pub trait Pull: Send + Sync {
    /// Brings an image, or finds that what is here is what is asked for. What there is to tell goes to `tell`, a line at a
    /// time.
    fn pull(&self, wish: &Wish, tell: Sender<String>) -> Sent<Result<Digest, String>>;
}

/// An image that a build begins with, or copies from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Its name, as written.
    pub reference: String,
    /// What it is for; this machine's where nothing is said.
    pub platform: Option<Platform>,
    /// The name stands for another image here, and is to go on standing for it.
    pub apart: bool,
}

/// Decides which sources a build may have.
pub trait Policy: Send + Sync {
    /// Judges a source, by BuildKit's identifier of it and its attributes; both may become others.
    ///
    /// # Errors
    /// It is denied.
    fn judge(&self, identifier: &mut String, attributes: &mut BTreeMap<String, String>)
    -> Result<(), String>;
}

/// Steps that were carried out elsewhere, and whoever notes those of a build.
pub trait StepCache: Send + Sync {
    /// Brings the image that the step of this key made; `None` if nobody has it.
    fn step(&self, key: &Digest) -> Sent<Option<Digest>>;
    /// The step of this key made this image, or the cache had it.
    fn made(&self, key: &Digest, image: &Digest);

    /// A step, carried out or not, mounts the cache of this key (`RUN --mount=type=cache`), which the build calls so.
    fn mounts(&self, _key: &Digest, _id: &str) {}

    /// What the cache of this key is to hold that this node does not have yet: an archive, compressed or not; `None` if nobody
    /// has it. Asked only for a step that is carried out, after it was told of ([`Self::mounts`]).
    ///
    /// # Errors
    /// It was not to be had, in a sentence: it begins without.
    fn mount(&self, _key: &Digest) -> Sent<Result<Option<File>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// Carries out definitions that are files of what another one has made (`BuildOp` of LLB).
pub trait Nested: Send + Sync {
    /// What a definition makes. It is foreign input.
    fn solve(&self, definition: Vec<u8>) -> Sent<Result<Solved, String>>;
}

/// An image that a definition has made.
pub struct Solved {
    /// The image.
    pub image: Digest,
    /// It stays for as long as this does.
    pub keeps: Box<dyn Any + Send>,
}

impl fmt::Debug for Solved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.image.fmt(f)
    }
}

/// Who asks for what lies elsewhere.
#[derive(Clone, Default)]
pub struct Asker {
    /// A socket behind which the client's keys answer, for what is asked for by SSH.
    pub agent: Option<PathBuf>,
    /// What the client knows of servers.
    pub secrets: Option<Arc<dyn Secrets>>,
}

/// What a door offers to a build. The classic door has no session, so it offers nothing.
#[derive(Clone, Default)]
pub struct Services {
    /// Secrets.
    pub secrets: Option<Arc<dyn Secrets>>,
    /// Agents.
    pub ssh: Option<Arc<dyn Ssh>>,
    /// Images; without one a build begins with what is here.
    pub pull: Option<Arc<dyn Pull>>,
    /// Addresses; without one the builder's own is asked ([`crate::Builder::with_fetch`]).
    pub fetch: Option<Arc<dyn Fetch>>,
    /// Whoever hears of steps.
    pub watch: Option<Arc<dyn Watch>>,
    /// Steps of others.
    pub steps: Option<Arc<dyn StepCache>>,
    /// Which sources it may have; all of them without one.
    pub policy: Option<Arc<dyn Policy>>,
    /// Definitions within definitions.
    pub nested: Option<Arc<dyn Nested>>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("secrets", &self.secrets.is_some())
            .field("ssh", &self.ssh.is_some())
            .field("pull", &self.pull.is_some())
            .field("fetch", &self.fetch.is_some())
            .field("watch", &self.watch.is_some())
            .field("steps", &self.steps.is_some())
            .field("policy", &self.policy.is_some())
            .field("nested", &self.nested.is_some())
            .finish()
    }
}

/// What the request allows its steps (`--allow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entitlements {
    /// `RUN --network=host`.
    pub network_host: bool,
    /// `RUN --security=insecure`.
    pub security_insecure: bool,
}

/// A named context (`--build-context`): it stands where a stage or an image of its name would.
#[derive(Debug)]
pub enum NamedContext {
    /// Files.
    Files(BuildContext),
    /// An image that is here.
    Image(String),
    /// What another build has made, by its id: its sources were judged there.
    Result(Digest),
}

/// Named contexts by their names.
pub type NamedContexts = BTreeMap<String, NamedContext>;
