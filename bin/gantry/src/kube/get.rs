//! `gantry get`: objects as the server's tables, or as JSON, YAML and names.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use client::{Entry, Object};
use serde_json::{Value, json};

use super::apply::shown;
use super::table::{self, Style, Table};
use super::which::{Target, Which};
use super::{Server, Session, watch};
use crate::client::block_on;
use crate::failure::{Failure, Outcome};

/// Show objects.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) which: Which,
    /// How: a table (default), a wide one, or objects.
    #[arg(short, long, value_enum)]
    pub(super) output: Option<Output>,
    /// Show what changes, too, until the server or the user ends it.
    #[arg(short, long)]
    pub(super) watch: bool,
    /// Show only what changes.
    #[arg(long, conflicts_with = "watch")]
    pub(super) watch_only: bool,
    /// A table without its head.
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Wide,
    Name,
    Json,
    Yaml,
}

impl Options {
    /// How objects are shown, where not as a table.
    pub(super) fn as_objects(&self) -> Option<Output> {
        self.output.filter(|output| *output != Output::Wide)
    }

    /// A table of one resource; several stand apart by what is before their names.
    pub(super) fn table(&self, entry: &Entry, several: bool) -> Table {
        let prefix = if several { shown(entry, "") } else { String::new() };
        Table::new(Style {
            wide: self.output == Some(Output::Wide),
            head: !self.no_headers,
            namespaces: self.which.all_namespaces && entry.resource.namespaced,
            prefix,
        })
    }
}

pub(crate) fn run(options: Options) -> Outcome {
    block_on(async {
        let session = options.server.connect().await?;
        let targets = options.which.targets(&session)?;
        match options.as_objects() {
            _ if options.watch || options.watch_only => watch::show(&session, &options, &targets).await?,
            None => tables(&session, &options, &targets).await?,
            Some(output) => objects(&session, &options, &targets, output).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn tables(session: &Session, options: &Options, targets: &[Target<'_>]) -> Result<(), Failure> {
    let several = targets.iter().any(|target| target.entry != targets[0].entry);
    let (mut gap, mut last): (&str, Option<(&Entry, Table)>) = ("", None);
    for target in targets {
        let answer = table_of(session, options, *target).await?;
        let mut table = match last.take() {
            // Several objects of one resource are one table.
            Some((entry, table)) if entry == target.entry => table,
            _ => options.table(target.entry, several),
        };
        let begins = !table.has_begun();
        let text = table.text(&answer)?;
        if !text.is_empty() {
            write!(io::stdout(), "{}{text}", if begins { gap } else { "" })?;
            gap = "\n";
        }
        last = Some((target.entry, table));
    }
    if gap.is_empty() {
        let place = match options.which.namespace(session) {
            "" => String::new(),
            namespace => format!(" in {namespace} namespace"),
        };
        writeln!(io::stderr(), "No resources found{place}.")?;
    }
    Ok(())
}

/// A target's objects as the server's Table.
pub(super) async fn table_of(
    session: &Session,
    options: &Options,
    target: Target<'_>,
) -> Result<Vec<u8>, Failure> {
    let place = options.which.place(session, target);
    let answer = match target.name {
        Some(name) => session.client.raw(&place.named(name).path(), table::ACCEPT).await,
        None => {
            let listing = options.which.listing();
            session.client.list_as(place, &listing, table::ACCEPT).await
        }
    };
    Ok(answer?.to_vec())
}

async fn objects(
    session: &Session,
    options: &Options,
    targets: &[Target<'_>],
    output: Output,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    for target in targets {
        for object in of_target(session, options, *target).await? {
            found.push((target.entry, object));
        }
    }
    if output == Output::Name {
        for (entry, object) in &found {
            writeln!(io::stdout(), "{}", shown(entry, &object.name()))?;
        }
        return Ok(());
    }
    let single = targets.len() == 1 && targets[0].name.is_some();
    print_all(&found, single, output)
}

async fn of_target(session: &Session, options: &Options, target: Target<'_>) -> Result<Vec<Object>, Failure> {
    let place = options.which.place(session, target);
    Ok(match target.name {
        Some(name) => vec![session.client.get(place.named(name)).await?],
        None => {
            session
                .client
                .list_all(place, &options.which.listing())
                .await?
                .items
        }
    })
}

/// One object as itself, several as a List.
fn print_all(found: &[(&Entry, Object)], single: bool, output: Output) -> Result<(), Failure> {
    let mut values = Vec::new();
    for (entry, object) in found {
        values.push(whole(entry, object)?);
    }
    let value = match values.pop() {
        Some(only) if single => only,
        last => {
            values.extend(last);
            json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": values})
        }
    };
    print(&value, output)
}

/// A value as JSON or YAML.
pub(super) fn print(value: &Value, output: Output) -> Result<(), Failure> {
    let mut out = io::stdout();
    match output {
        Output::Yaml => write!(out, "{}", table::yaml(value)?)?,
        _ => writeln!(out, "{}", serde_json::to_string_pretty(value)?)?,
    }
    Ok(())
}

/// The object with its type, which items of lists leave out.
pub(super) fn whole(entry: &Entry, object: &Object) -> Result<Value, Failure> {
    let mut value: Value = object.read()?;
    value["apiVersion"] = entry.resource.api_version().into();
    value["kind"] = entry.resource.kind.to_string().into();
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(value)
}
