//! The seam between deciding and doing. The driver decides which steps there are and what the
//! cache has; an [`Executor`] carries out the rest. In a node that is `node::NodeExecutor` over
//! images and containers; in tests of the driver, memory.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use image::archive::Wanted;
use image::{Digest, HistoryRow, ImageConfig, Platform};

use crate::BuildError;
use crate::acts::Act;
use crate::copy::CopyPlan;
use crate::dockerfile::{RunNetwork, Sharing};
use crate::output::Output;
use crate::tree::Tree;

/// An image to start from.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) id: Digest,
    pub(crate) config: ImageConfig,
    /// What it was built upon here.
    pub(crate) parent: Option<Digest>,
    /// It was made here, so there is nowhere to pull it from.
    pub(crate) made_here: bool,
}

/// A step that the cache does not have.
#[derive(Debug)]
pub(crate) struct Step {
    /// The image below; `None` for an empty one.
    pub(crate) parent: Option<Digest>,
    /// The configuration of the result, without layers and history.
    pub(crate) config: ImageConfig,
    /// What the history says of it.
    pub(crate) history: HistoryRow,
    pub(crate) work: Work,
    /// Whether clients do not see the image unless it is named ([`image::Step`]).
    pub(crate) hidden: bool,
    /// No file that the step makes is younger: `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub(crate) epoch: Option<i64>,
    /// For how long it is.
    pub(crate) wanted: Wanted,
}

/// What a step does to the files.
#[derive(Debug)]
pub(crate) enum Work {
    /// Nothing.
    Nothing,
    /// Makes sure of a directory (`WORKDIR`), absolute and clean; what has to be made is this user's, or root's.
    Directory(String, String),
    /// Copies files.
    Copy(CopyPlan),
    /// Runs a command.
    Run(Box<RunPlan>),
    /// Puts the one layer of an image upon the parent (`COPY --link`).
    Stack(Digest),
    /// Changes files, one act after the other.
    Acts(Vec<Act>),
    /// Puts all layers of images upon the parent, one image after the other.
    Merge(Vec<Digest>),
    /// Makes a layer upon nothing: what the second image has that the first has not.
    Diff(Option<Digest>, Digest),
    /// Nothing, and the result tells this history and platform instead of the parent's and its own.
    Retell(Vec<HistoryRow>, Platform),
}

/// A command to be run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunPlan {
    pub(crate) args: Vec<String>,
    /// The environment, build arguments included.
    pub(crate) env: Vec<String>,
    /// The same without secrets, for whoever is told of the command.
    pub(crate) told_env: Vec<String>,
    pub(crate) user: String,
    pub(crate) cwd: String,
    /// What is written to these directories is thrown away.
    pub(crate) volumes: Vec<String>,
    /// A program of a here-document: its name in `/dev/pipes`, and its text.
    pub(crate) script: Option<(String, String)>,
    pub(crate) mounts: Vec<RunMount>,
    pub(crate) network: RunNetwork,
    /// Everything is allowed.
    pub(crate) insecure: bool,
    /// Empty for the container's own.
    pub(crate) hostname: String,
    /// `NAME:ADDRESS` lines besides the request's.
    pub(crate) hosts: Vec<String>,
    /// Name, soft, hard; in place of the request's.
    pub(crate) ulimits: Vec<(String, i64, i64)>,
    /// Empty for the request's.
    pub(crate) cgroup_parent: String,
    /// Codes that are no failure; 0 if none is said.
    pub(crate) valid_codes: Vec<i32>,
    /// Nothing can be written to the root.
    pub(crate) read_only: bool,
    /// What it may use of the machine, in place of the request's.
    pub(crate) limits: Option<llb::pb::LinuxResources>,
}

impl RunPlan {
    /// Whether a program that ends with this code has not failed.
    pub(crate) fn accepts(&self, code: i32) -> bool {
        match &self.valid_codes[..] {
            [] => code == 0,
            codes => codes.contains(&code),
        }
    }
}

/// A mount whose changes become an image of their own.
#[derive(Debug, Default)]
pub(crate) struct KeptMount {
    /// What is below.
    pub(crate) image: Option<Digest>,
    /// What of it is mounted.
    pub(crate) path: PathBuf,
    /// What it became, once the command is done.
    pub(crate) made: OnceLock<Digest>,
}

/// A mount of a command.
#[derive(Clone, Debug)]
pub(crate) struct RunMount {
    /// Absolute and clean.
    pub(crate) target: String,
    pub(crate) read_only: bool,
    pub(crate) source: MountSource,
}

/// What is mounted.
#[derive(Clone)]
pub(crate) enum MountSource {
    /// Files of a context; `hash` says which.
    Files {
        tree: Arc<dyn Tree>,
        path: PathBuf,
        hash: String,
    },
    /// A path of an image.
    Image { image: Option<Digest>, path: PathBuf },
    /// A directory that lasts.
    Cache(CacheMount),
    /// Memory; 0 for no limit of its own.
    Tmpfs { size: u64 },
    /// A file that nobody else sees.
    Secret {
        content: Vec<u8>,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A socket of this machine.
    Socket(PathBuf),
    /// Files whose changes stay.
    Kept(Arc<KeptMount>),
}

impl fmt::Debug for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files { .. } => "files",
            Self::Image { .. } => "an image",
            Self::Cache(_) => "a cache",
            Self::Tmpfs { .. } => "memory",
            Self::Secret { .. } => "a secret",
            Self::Socket(_) => "a socket",
            Self::Kept(_) => "files that stay",
        })
    }
}

/// A cache that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheMount {
    pub(crate) id: String,
    pub(crate) sharing: Sharing,
    /// What a new one holds: a path of an image. Nothing, if there is none.
    pub(crate) from: Option<(Digest, PathBuf)>,
    /// What of it is mounted: a path below; empty for all of it.
    pub(crate) below: PathBuf,
    /// What an earlier build has left in it is forgotten.
    pub(crate) fresh: bool,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Where it goes first, and who asks: what lists show.
    pub(crate) description: String,
}

/// Carries out steps.
pub(crate) trait Executor: Send + Sync {
    /// The image that a reference names; `None` if it is not here.
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError>;

    /// The image for a platform, where the name stands for several that are here.
    fn variant(
        &self,
        _reference: &str,
        _wanted: &Platform,
    ) -> impl Future<Output = Result<Option<Digest>, BuildError>> + Send {
        async { Ok(None) }
    }

    /// The image with an id, kept from being removed while the build lasts; `None` if it is gone.
    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError>;

    /// Makes an image of the beginning of another, `of`, which has all its layers; it is kept as [`Self::hold`] keeps it.
    fn restore(
        &self,
        of: Digest,
        config: ImageConfig,
        parent: Option<Digest>,
    ) -> impl Future<Output = Result<Base, BuildError>> + Send;

    /// The files of an image. Called on a blocking thread.
    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError>;

    /// Carries out a step and gives the image it made. If it is cancelled or fails, nothing of it
    /// is left.
    fn carry_out(&self, step: Step, output: &Output)
    -> impl Future<Output = Result<Base, BuildError>> + Send;
}
