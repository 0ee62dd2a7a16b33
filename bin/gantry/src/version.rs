//! `gantry version`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Text for people, JSON for programs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(options: &Options) -> Outcome {
    let mut out = std::io::stdout().lock();
    match options.output {
        Format::Text => writeln!(out, "gantry {VERSION}")?,
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::json!({
                "version": VERSION,
                "ociVersion": runtime::spec::OCI_VERSION,
                "os": std::env::consts::OS,
                "arch": std::env::consts::ARCH,
            })
        )?,
    }
    Ok(ExitCode::SUCCESS)
}
