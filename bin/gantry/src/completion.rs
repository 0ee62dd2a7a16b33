//! `gantry completion SHELL`.

use std::io::Write;
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
    // The generator panics where a reader has had enough; writing what it made does not.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "gantry", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
