//! `gantry status`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::settings::NodePlace;
use super::{Format, NOT_RUNNING, exit, processes, report};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodePlace,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.resolve()?;
    if let Some(status) = processes::status(&config)? {
        report::print(&status, options.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.output == Format::Json {
        let supervisor =
            processes::supervisor_of(&config).and_then(|_| cluster::pid_in(&config.paths().supervisor_pid()));
        let stopped = json!({"state": "stopped", "supervisor_pid": supervisor});
        writeln!(io::stdout(), "{stopped}")?;
    }
    Err(Failure::with_code(exit::NOT_RUNNING, NOT_RUNNING))
}
