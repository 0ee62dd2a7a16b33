//! Configuration, and what limits and ranks pods.

use super::{AGE, NAME};
use crate::text::quantity;
use crate::{Cells, Column, Row};

const DATA: Column = Column::text("Data", "How many entries it has.");

pub(super) const CONFIG_MAP: &[Column] = &[NAME, DATA, AGE];

pub(super) fn config_map(row: &Row<'_>, cells: &mut Cells<'_>) {
    let entries = row.at("data").len() + row.at("binaryData").len();
    cells.name(row).count(entries).age(row);
}

pub(super) const SECRET: &[Column] = &[NAME, Column::text("Type", "What the entries are for."), DATA, AGE];

pub(super) fn secret(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(row.at("type").str())
        .count(row.at("data").len())
        .age(row);
}

pub(super) const SERVICE_ACCOUNT: &[Column] = &[
    NAME,
    Column::text("Secrets", "How many secrets its pods may mount."),
    AGE,
];

pub(super) fn service_account(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).count(row.at("secrets").len()).age(row);
}

pub(super) const RESOURCE_QUOTA: &[Column] = &[
    NAME,
    Column::text(
        "Request",
        "What is used and what may be, of requests and of objects.",
    ),
    Column::text("Limit", "What is used and what may be, of limits."),
    AGE,
];

pub(super) fn resource_quota(row: &Row<'_>, cells: &mut Cells<'_>) {
    let used = row.at("status.used");
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in row.at("status.hard").entries() {
        let column = if resource.starts_with("limits.") {
            &mut limits
        } else {
            &mut requests
        };
        column.push(format!(
            "{resource}: {}/{}",
            quantity(used.at(resource)),
            quantity(hard)
        ));
    }
    cells
        .name(row)
        .text(&requests.join(", "))
        .text(&limits.join(", "))
        .age(row);
}

pub(super) const PRIORITY_CLASS: &[Column] = &[
    NAME,
    Column::int("Value", "The priority of the class's pods."),
    Column::bool(
        "Global-Default",
        "Whether it is the class of pods that name none.",
    ),
    AGE,
    Column::text(
        "PreemptionPolicy",
        "Whether its pods may take the place of others.",
    ),
];

pub(super) fn priority_class(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .int(row.at("value").int())
        .bool(row.at("globalDefault").bool())
        .age(row)
        .text(row.at("preemptionPolicy").str());
}
