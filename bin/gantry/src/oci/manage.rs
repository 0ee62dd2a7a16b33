//! `start`, `kill` and `delete`.

use clap::Args;
use runtime::lifecycle::Runtime;

use super::{DONE, signals, warn};
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(super) struct One {
    /// The container.
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct Kill {
    /// The container.
    id: String,
    /// Name or number of the signal.
    #[arg(default_value = "SIGTERM", value_parser = signals::parse)]
    signal: i32,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The container.
    id: String,
    /// Kill it first if it runs; no error if there is none.
    #[arg(short, long)]
    force: bool,
}

pub(super) fn start(runtime: &Runtime, options: &One) -> Outcome {
    warn(&runtime.start(&options.id)?);
    DONE
}

pub(super) fn kill(runtime: &Runtime, options: &Kill) -> Outcome {
    runtime.kill(&options.id, options.signal)?;
    DONE
}

pub(super) fn delete(runtime: &Runtime, options: &Delete) -> Outcome {
    warn(&runtime.delete(&options.id, options.force)?);
    DONE
}
