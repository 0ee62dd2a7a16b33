//! The seam between deciding and doing. The driver decides which steps there are and what the
//! cache has; an [`Executor`] carries out the rest. In a node that is `node::NodeExecutor` over
//! images and containers; in tests of the driver, memory.

use std::future::Future;
use std::sync::Arc;

use image::{Digest, HistoryRow, ImageConfig};

use crate::BuildError;
use crate::copy::CopyPlan;
use crate::output::Output;
use crate::tree::Tree;

/// An image to start from.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) id: Digest,
    pub(crate) config: ImageConfig,
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
}

/// What a step does to the files.
#[derive(Debug)]
pub(crate) enum Work {
    /// Nothing.
    Nothing,
    /// Makes sure of a directory (`WORKDIR`), absolute and clean.
    Directory(String),
    /// Copies files.
    Copy(CopyPlan),
    /// Runs a command.
    Run(RunPlan),
}

/// A command to be run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunPlan {
    pub(crate) args: Vec<String>,
    /// The environment, build arguments included.
    pub(crate) env: Vec<String>,
    pub(crate) user: String,
    pub(crate) cwd: String,
    /// A program of a here-document: its name in `/dev/pipes`, and its text.
    pub(crate) script: Option<(String, String)>,
}

/// Carries out steps.
pub(crate) trait Executor: Send + Sync {
    /// The image that a reference names; `None` if it is not here.
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError>;

    /// The image with an id, kept from being removed while the build lasts; `None` if it is gone.
    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError>;

    /// The files of an image. Called on a blocking thread.
    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError>;

    /// Carries out a step and gives the image it made. If it is cancelled or fails, nothing of it
    /// is left.
    fn carry_out(&self, step: Step, output: &Output)
    -> impl Future<Output = Result<Base, BuildError>> + Send;
}
