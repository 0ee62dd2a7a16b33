//! `start`, `kill`, `delete`, `pause`, `resume`, `ps` and `update`.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use runtime::lifecycle::Runtime;

use super::{DONE, warn};
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
    #[arg(default_value = "SIGTERM", value_parser = signal)]
    signal: i32,
    /// Send it to every process of the container.
    #[arg(short, long)]
    all: bool,
}

fn signal(text: &str) -> Result<i32, String> {
    runtime::signal::parse(text).ok_or_else(|| format!("unknown signal {text:?}"))
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The container.
    id: String,
    /// Kill it first if it runs; no error if there is none.
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// The container.
    id: String,
    /// A file with the new `linux.resources` as JSON; `-` is standard input.
    #[arg(short, long)]
    resources: PathBuf,
}

pub(super) fn start(runtime: &Runtime, options: &One) -> Outcome {
    warn(&runtime.start(&options.id)?);
    DONE
}

pub(super) fn kill(runtime: &Runtime, options: &Kill) -> Outcome {
    if options.all {
        runtime.kill_all(&options.id, options.signal)?;
    } else {
        runtime.kill(&options.id, options.signal)?;
    }
    DONE
}

pub(super) fn pause(runtime: &Runtime, options: &One) -> Outcome {
    runtime.pause(&options.id)?;
    DONE
}

pub(super) fn resume(runtime: &Runtime, options: &One) -> Outcome {
    runtime.resume(&options.id)?;
    DONE
}

pub(super) fn update(runtime: &Runtime, options: &Update) -> Outcome {
    let json = match options.resources.to_str() {
        Some("-") => io::read_to_string(io::stdin())?,
        _ => fs::read_to_string(&options.resources)?,
    };
    runtime.update(&options.id, &runtime::spec::parse(json.as_bytes())?)?;
    DONE
}

pub(super) fn delete(runtime: &Runtime, options: &Delete) -> Outcome {
    warn(&runtime.delete(&options.id, options.force)?);
    DONE
}
