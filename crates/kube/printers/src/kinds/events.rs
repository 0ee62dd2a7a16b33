//! Events.

use schema::cursor::Ref;

use crate::{Cells, Column, Row};

pub(super) const EVENT: &[Column] = &[
    Column::text("Last Seen", "The time since it last happened."),
    Column::text("Type", "Whether it is usual."),
    Column::text("Reason", "What happened, in a word."),
    Column::text("Object", "What it happened to."),
    Column::wide("Subobject", "The part of the object."),
    Column::wide("Source", "Who says so."),
    Column::text("Message", "What happened."),
    Column::wide("First Seen", "The time since it first happened."),
    Column::wide("Count", "How often it happened."),
    Column::new("Name", "string", "name", 1, "The object's name."),
];

pub(super) fn event(row: &Row<'_>, cells: &mut Cells<'_>) {
    let object = row.at("involvedObject");
    let (last, first) = seen(row);
    cells
        .text(&last)
        .text(row.at("type").str())
        .text(row.at("reason").str())
        .text(&target(object))
        .text(object.at("fieldPath").str())
        .text(&source(row))
        .text(row.at("message").str().trim())
        .text(&first)
        .int(count(row))
        .name(row);
}

/// When it was seen last and first: events of the new API have one time, and a series for more.
fn seen(row: &Row<'_>) -> (String, String) {
    let since = |path: &str| row.at(path).exists().then(|| row.since(path));
    let first = since("firstTimestamp").unwrap_or_else(|| row.since("eventTime"));
    let last = since("lastTimestamp").unwrap_or_else(|| first.clone());
    match row.at("series").exists() {
        true => (row.since("series.lastObservedTime"), first),
        false => (last, first),
    }
}

fn count(row: &Row<'_>) -> i64 {
    match (row.at("series").exists(), row.at("count").int()) {
        (true, _) => row.at("series.count").int(),
        (false, 0) => 1,
        (false, count) => count,
    }
}

fn target(object: Ref<'_>) -> String {
    let kind = object.at("kind").str().to_lowercase();
    match object.at("name").str() {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(row: &Row<'_>) -> String {
    let either = |one: &str, other: &str| match row.at(one).str() {
        "" => row.at(other).str().to_owned(),
        text => text.to_owned(),
    };
    let component = either("source.component", "reportingComponent");
    match either("source.host", "reportingInstance") {
        host if host.is_empty() => component,
        host => format!("{component}, {host}"),
    }
}
