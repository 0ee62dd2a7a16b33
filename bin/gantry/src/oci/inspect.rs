//! `state`, `list`, `ps`, `features` and `spec`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use runtime::lifecycle::{Record, Runtime};
use runtime::spec::State;
use serde_json::{Value, json};

use super::DONE;
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(super) struct List {
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print ids only.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Example {
    /// The directory to write to.
    #[arg(short, long, default_value = ".")]
    bundle: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Ps {
    /// The container.
    id: String,
    /// How to print the process ids.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn ps(runtime: &Runtime, options: &Ps) -> Outcome {
    let pids = runtime.processes(&options.id)?;
    match options.format {
        Format::Json => print(&serde_json::to_string(&pids)?),
        Format::Table => {
            let lines = pids.iter().map(ToString::to_string);
            print(
                &std::iter::once("PID".to_owned())
                    .chain(lines)
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        }
    }
}

pub(super) fn state(runtime: &Runtime, id: &str) -> Outcome {
    let mut document = document(&runtime.record(id)?, &runtime.state(id)?)?;
    // Not a status of the specification, but one that runc's callers know.
    if document["status"] == "running" && runtime.is_paused(id)? {
        document["status"] = json!("paused");
    }
    print(&serde_json::to_string_pretty(&document)?)
}

pub(super) fn list(runtime: &Runtime, options: &List) -> Outcome {
    let containers = runtime.list()?;
    if options.quiet {
        let ids: Vec<&str> = containers.iter().map(|(record, _)| record.id.as_str()).collect();
        return if ids.is_empty() {
            DONE
        } else {
            print(&ids.join("\n"))
        };
    }
    match options.format {
        Format::Json => {
            let documents: Result<Vec<_>, _> = containers
                .iter()
                .map(|(record, state)| document(record, state))
                .collect();
            print(&serde_json::to_string(&documents?)?)
        }
        Format::Table => print(&table(&containers)),
    }
}

/// The specification's state with what runc adds to it.
fn document(record: &Record, state: &State) -> serde_json::Result<Value> {
    let mut document = serde_json::to_value(state)?;
    if let Value::Object(fields) = &mut document {
        fields.insert("rootfs".to_owned(), json!(record.rootfs));
        fields.insert("created".to_owned(), json!(record.created));
        fields.entry("pid").or_insert(json!(0));
    }
    Ok(document)
}

fn table(containers: &[(Record, State)]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED"].map(str::to_owned);
    let rows = containers.iter().map(|(record, state)| {
        let pid = state.pid.unwrap_or(0).to_string();
        [
            record.id.clone(),
            pid,
            state.status.to_string(),
            state.bundle.clone(),
            record.created.clone(),
        ]
    });
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = widths
            .iter()
            .zip(row)
            .map(|(width, cell)| format!("{cell:<width$}   "));
        cells.chain([row[4].clone()]).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The form that engines read from a runtime: its name, `version`, and the specification's.
pub(super) fn version() -> Outcome {
    print(&format!(
        "gantry version {}\nspec: {}",
        crate::version::VERSION,
        runtime::spec::OCI_VERSION
    ))
}

pub(super) fn features() -> Outcome {
    print(&serde_json::to_string_pretty(&runtime::features::document())?)
}

pub(super) fn example(options: &Example) -> Outcome {
    let path = options.bundle.join("config.json");
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(serde_json::to_string_pretty(&runtime::example::spec())?.as_bytes())?;
    DONE
}

fn print(text: &str) -> Outcome {
    writeln!(std::io::stdout().lock(), "{text}")?;
    DONE
}
