//! `gantry get`: objects as the server's tables, or as JSON, YAML and names.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use client::{Entry, ListOptions, Object, Selectors};
use serde_json::{Value, json};

use super::apply::shown;
use super::{Server, Session, table, wanted};
use crate::client::block_on;
use crate::failure::{Failure, Outcome};

/// Show objects.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// TYPE, TYPE NAME..., or TYPE/NAME...; types may be joined by commas.
    #[arg(required = true)]
    words: Vec<String>,
    /// How: a table (default), a wide one, or objects.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Those with these labels.
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: String,
    /// Those with these fields: status.phase=Running.
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    field_selector: String,
    /// Of all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// A table without its head.
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Wide,
    Name,
    Json,
    Yaml,
}

pub(crate) fn run(options: Options) -> Outcome {
    block_on(async {
        let session = options.server.connect().await?;
        match options.output {
            None | Some(Output::Wide) => tables(&session, &options).await?,
            Some(output) => objects(&session, &options, output).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What is asked of one resource.
fn asked(options: &Options, name: Option<&str>) -> ListOptions {
    let named = name.map(|name| format!("metadata.name={name}"));
    let fields = [options.field_selector.clone(), named.unwrap_or_default()];
    let fields: Vec<String> = fields.into_iter().filter(|part| !part.is_empty()).collect();
    ListOptions {
        selectors: Selectors {
            labels: options.selector.clone(),
            fields: fields.join(","),
        },
        ..ListOptions::default()
    }
}

fn namespace<'a>(session: &'a Session, options: &Options) -> &'a str {
    if options.all_namespaces {
        ""
    } else {
        &session.namespace
    }
}

async fn tables(session: &Session, options: &Options) -> Result<(), Failure> {
    let mut shown_any = false;
    for (kind, name) in wanted(&options.words)? {
        let entries = session.resources(kind)?;
        let several = entries.len() > 1;
        for entry in entries {
            let text = table_of(session, options, entry, name, several).await?;
            if text.is_empty() {
                continue;
            }
            let gap = if shown_any && several { "\n" } else { "" };
            write!(io::stdout(), "{gap}{text}")?;
            shown_any = true;
        }
    }
    if !shown_any {
        let place = match namespace(session, options) {
            "" => String::new(),
            namespace => format!(" in {namespace} namespace"),
        };
        writeln!(io::stderr(), "No resources found{place}.")?;
    }
    Ok(())
}

/// The table of one resource's objects; nothing if there are none.
async fn table_of(
    session: &Session,
    options: &Options,
    entry: &Entry,
    name: Option<&str>,
    prefixed: bool,
) -> Result<String, Failure> {
    let place = entry.resource.within(namespace(session, options));
    let answer = match name {
        Some(name) => {
            session
                .client
                .raw(&place.named(name).path(), table::ACCEPT)
                .await?
        }
        None => {
            session
                .client
                .list_as(place, &asked(options, None), table::ACCEPT)
                .await?
        }
    };
    let style = table::Style {
        wide: options.output == Some(Output::Wide),
        head: !options.no_headers,
        namespaces: options.all_namespaces && entry.resource.namespaced,
        prefix: if prefixed {
            shown(entry, "")
        } else {
            Default::default()
        },
    };
    table::print(&answer, &style)
}

async fn objects(session: &Session, options: &Options, output: Output) -> Result<(), Failure> {
    let mut found = Vec::new();
    let words = wanted(&options.words)?;
    let single = words.len() == 1 && words[0].1.is_some();
    for (kind, name) in words {
        for entry in session.resources(kind)? {
            for object in of_entry(session, options, entry, name).await? {
                found.push((entry, object));
            }
        }
    }
    match output {
        Output::Name => {
            for (entry, object) in &found {
                writeln!(io::stdout(), "{}", shown(entry, &object.name()))?;
            }
            Ok(())
        }
        _ => print_all(&found, single, output),
    }
}

async fn of_entry(
    session: &Session,
    options: &Options,
    entry: &Entry,
    name: Option<&str>,
) -> Result<Vec<Object>, Failure> {
    let place = entry.resource.within(namespace(session, options));
    Ok(match name {
        Some(name) => vec![session.client.get(place.named(name)).await?],
        None => session.client.list_all(place, &asked(options, None)).await?.items,
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
    let mut out = io::stdout();
    match output {
        Output::Yaml => write!(out, "{}", table::yaml(&value)?)?,
        _ => writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?,
    }
    Ok(())
}

/// The object with its type, which items of lists leave out.
fn whole(entry: &Entry, object: &Object) -> Result<Value, Failure> {
    let mut value: Value = object.read()?;
    value["apiVersion"] = entry.resource.api_version().into();
    value["kind"] = entry.resource.kind.to_string().into();
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(value)
}
