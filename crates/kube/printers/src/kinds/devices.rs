//! Dynamic resource allocation.

use super::{AGE, NAME};
use crate::{Cells, Column, Row};

pub(super) const NAME_AND_AGE: &[Column] = &[NAME, AGE];

pub(super) fn name_and_age(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).age(row);
}

pub(super) const CLAIM: &[Column] = &[
    NAME,
    Column::text(
        "State",
        "A summary of the current state (allocated, pending, reserved, etc.).",
    ),
    AGE,
];

pub(super) fn claim(row: &Row<'_>, cells: &mut Cells<'_>) {
    let allocated = row.at("status.allocation").exists();
    let reserved = !row.at("status.reservedFor").is_empty();
    let states = [
        (row.deleted(), "deleted"),
        (!allocated && !row.deleted(), "pending"),
        (allocated, "allocated"),
        (allocated && reserved, "reserved"),
    ];
    let states: Vec<&str> = states
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| *word)
        .collect();
    cells.name(row).text(&states.join(",")).age(row);
}

pub(super) const SLICE: &[Column] = &[
    NAME,
    Column::text("Node", "The node that has the devices."),
    Column::text("Driver", "The driver that offers them."),
    Column::text("Pool", "The pool they belong to."),
    AGE,
];

pub(super) fn slice(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row);
    for path in ["spec.nodeName", "spec.driver", "spec.pool.name"] {
        cells.text(row.at(path).str());
    }
    cells.age(row);
}

pub(super) const TAINT_RULE: &[Column] = &[
    NAME,
    Column::text("Key", "The taint's key."),
    Column::text("Value", "The taint's value."),
    Column::text("Effect", "What it does to pods."),
    Column::text("TimeAdded", "The time since it took effect."),
    AGE,
];

pub(super) fn taint_rule(row: &Row<'_>, cells: &mut Cells<'_>) {
    let taint = row.at("spec.taint");
    let added = "spec.taint.timeAdded";
    let since = row.at(added).exists().then(|| row.since(added));
    cells.name(row);
    for member in ["key", "value", "effect"] {
        cells.text(taint.at(member).str());
    }
    cells.text(&since.unwrap_or_default()).age(row);
}
