//! `gantry completion SHELL`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell to complete for.
    shell: Shell,
}

pub(crate) fn run(options: &Options) -> Outcome {
    clap_complete::generate(
        options.shell,
        &mut Cli::command(),
        "gantry",
        &mut std::io::stdout().lock(),
    );
    Ok(ExitCode::SUCCESS)
}
