//! `gantry check`: what this host has of what a node needs.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::features::{FEATURES, Feature};
use super::{Format, exit};
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let found: Vec<Found> = FEATURES.iter().map(|row| (row, (row.probe)())).collect();
    let mut out = io::stdout().lock();
    match options.output {
        Format::Text => found.iter().try_for_each(|row| text(row, &mut out))?,
        Format::Json => {
            let rows: Vec<_> = found.iter().map(json).collect();
            writeln!(out, "{}", json!(rows))?;
        }
    }
    let lacking = found
        .iter()
        .any(|(feature, found)| feature.required && found.is_err());
    Ok(if lacking {
        ExitCode::from(exit::CANNOT)
    } else {
        ExitCode::SUCCESS
    })
}

type Found = (&'static Feature, Result<String, String>);

fn state((feature, found): &Found) -> &'static str {
    match found {
        Ok(_) => "ok",
        Err(_) if feature.required => "missing",
        Err(_) => "absent",
    }
}

fn text(row: &Found, out: &mut dyn Write) -> io::Result<()> {
    let (feature, found) = row;
    let detail = match found {
        Ok(detail) => detail.clone(),
        Err(missing) => format!("{missing} (needed for {})", feature.serves),
    };
    writeln!(out, "{:<8} {:<17} {detail}", state(row), feature.name)
}

fn json(row: &Found) -> serde_json::Value {
    let (feature, found) = row;
    json!({
        "name": feature.name,
        "state": state(row),
        "required": feature.required,
        "serves": feature.serves,
        "detail": found.as_ref().map_or_else(Clone::clone, Clone::clone),
    })
}
