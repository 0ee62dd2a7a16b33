//! `gantry reset`: the node as if it had never been.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use cluster::Config;

use super::settings::NodePlace;
use super::{down, exit, features};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Yes: every image, container and volume of this node shall be gone.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    node: NodePlace,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.resolve()?;
    if !options.yes {
        return Err(Failure::usage(format!(
            "this deletes every image, container and volume in {}: say --yes",
            config.data_dir.display()
        )));
    }
    features::require_root()?;
    match down::stop(&config, false, down::DEFAULT_TIMEOUT) {
        Err(failure) if failure.code() != exit::NOT_RUNNING => return Err(failure),
        _ => {}
    }
    remove_data(&config)?;
    remove(&config.run_dir)?;
    Ok(ExitCode::SUCCESS)
}

/// A directory without our stamp is somebody else's.
fn remove_data(config: &Config) -> Result<(), Failure> {
    if !config.data_dir.exists() {
        return Ok(());
    }
    if !config.paths().version().exists() {
        return Err(Failure::with_code(
            1,
            format!(
                "{} has no VERSION, so it is no data of gantry",
                config.data_dir.display()
            ),
        ));
    }
    Ok(remove(&config.data_dir)?)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
