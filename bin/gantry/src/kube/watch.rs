//! `gantry get --watch`: objects as they change, one resource at a time.

use std::io::{self, Write};

use client::{Event, Object, Watch, WatchOptions};
use serde::Deserialize;

use super::Session;
use super::apply::shown;
use super::get::{Options, Output, print, table_of, whole};
use super::table::{self, Table};
use super::which::Target;
use crate::failure::Failure;

/// What asks for objects themselves.
const OBJECTS: &str = "application/json";

/// Shows a resource's objects, or one of them, as they are and as they change.
pub(super) async fn show(
    session: &Session,
    options: &Options,
    targets: &[Target<'_>],
) -> Result<(), Failure> {
    let [target] = targets else {
        return Err(Failure::usage(
            "only one resource can be watched: a TYPE, or one TYPE NAME",
        ));
    };
    match options.as_objects() {
        None => tables(session, options, *target).await,
        Some(output) => objects(session, options, *target, output).await,
    }
}

/// Of a Table, where a watch goes on from.
#[derive(Deserialize)]
struct Versioned {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

async fn tables(session: &Session, options: &Options, target: Target<'_>) -> Result<(), Failure> {
    let answer = table_of(session, options, target).await?;
    let from: Versioned = serde_json::from_slice(&answer)?;
    let mut table = options.table(target.entry, false);
    if !options.watch_only {
        say(&mut table, &answer)?;
    }
    let version = from.metadata.resource_version;
    let mut watch = watch(session, options, target, version, table::ACCEPT).await?;
    while let Some(rows) = next(&mut watch).await? {
        say(&mut table, rows.json())?;
    }
    Ok(())
}

fn say(table: &mut Table, answer: &[u8]) -> Result<(), Failure> {
    let text = table.text(answer)?;
    Ok(write!(io::stdout(), "{text}").and_then(|()| io::stdout().flush())?)
}

async fn objects(
    session: &Session,
    options: &Options,
    target: Target<'_>,
    output: Output,
) -> Result<(), Failure> {
    let mut printer = Printer {
        target,
        output,
        printed: false,
    };
    let place = options.which.place(session, target);
    let (objects, version) = match target.name {
        Some(name) => {
            let object = session.client.get(place.named(name)).await?;
            let version = object.resource_version();
            (vec![object], version)
        }
        None => {
            let list = session.client.list_all(place, &options.which.listing()).await?;
            (list.items, list.resource_version)
        }
    };
    for object in objects.iter().filter(|_| !options.watch_only) {
        printer.print(object)?;
    }
    let mut watch = watch(session, options, target, version, OBJECTS).await?;
    while let Some(object) = next(&mut watch).await? {
        printer.print(&object)?;
    }
    Ok(())
}

/// Prints objects one by one.
struct Printer<'a> {
    target: Target<'a>,
    output: Output,
    printed: bool,
}

impl Printer<'_> {
    fn print(&mut self, object: &Object) -> Result<(), Failure> {
        let entry = self.target.entry;
        if self.output == Output::Name {
            writeln!(io::stdout(), "{}", shown(entry, &object.name()))?;
        } else {
            if self.printed && self.output == Output::Yaml {
                writeln!(io::stdout(), "---")?;
            }
            print(&whole(entry, object)?, self.output)?;
        }
        self.printed = true;
        Ok(io::stdout().flush()?)
    }
}

async fn watch(
    session: &Session,
    options: &Options,
    target: Target<'_>,
    resource_version: String,
    accept: &str,
) -> Result<Watch, Failure> {
    let following = WatchOptions {
        selectors: options.which.selectors(target.name),
        resource_version,
        ..WatchOptions::default()
    };
    let place = options.which.place(session, target);
    Ok(session.client.watch_as(place, &following, accept).await?)
}

/// The next object that is told of; none when the server ends the watch.
async fn next(watch: &mut Watch) -> Result<Option<Object>, Failure> {
    loop {
        match watch.next().await? {
            None => return Ok(None),
            Some(Event::Bookmark(_)) => {}
            Some(Event::Added(object) | Event::Modified(object) | Event::Deleted(object)) => {
                return Ok(Some(object));
            }
        }
    }
}
