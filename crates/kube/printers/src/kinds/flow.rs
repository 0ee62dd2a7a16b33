//! Priority and fairness.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::text::condition;
use crate::{Cells, Column, Row};

pub(super) const SCHEMA: &[Column] = &[
    NAME,
    Column::text("PriorityLevel", "The level of its requests."),
    Column::text("MatchingPrecedence", "Which schema comes first."),
    Column::text("DistinguisherMethod", "How its flows are told apart."),
    AGE,
    Column::text("MissingPL", "Whether the level does not exist."),
];

pub(super) fn schema(row: &Row<'_>, cells: &mut Cells<'_>) {
    let method = row.at("spec.distinguisherMethod");
    let dangling = condition(row.at("status.conditions"), "Dangling");
    cells
        .name(row)
        .text(row.at("spec.priorityLevelConfiguration.name").str())
        .int(row.at("spec.matchingPrecedence").int())
        .text(if method.exists() {
            method.at("type").str()
        } else {
            "<none>"
        })
        .age(row)
        .text(dangling.map_or("?", |it| it.at("status").str()));
}

pub(super) const PRIORITY_LEVEL: &[Column] = &[
    NAME,
    Column::text("Type", "Whether requests are limited."),
    Column::text("NominalConcurrencyShares", "The share of the server's seats."),
    Column::text("Queues", "How many queues it has."),
    Column::text("HandSize", "How many queues a flow may use."),
    Column::text("QueueLengthLimit", "How many requests a queue holds."),
    AGE,
];

pub(super) fn priority_level(row: &Row<'_>, cells: &mut Cells<'_>) {
    let limited = row.at("spec.limited");
    let queuing = limited.path("limitResponse.queuing");
    cells.name(row).text(row.at("spec.type").str());
    number(limited, "nominalConcurrencyShares", cells);
    for member in ["queues", "handSize", "queueLengthLimit"] {
        number(queuing, member, cells);
    }
    cells.age(row);
}

fn number(of: Ref<'_>, member: &str, cells: &mut Cells<'_>) {
    match of.exists() {
        true => cells.int(of.at(member).int()),
        false => cells.text("<none>"),
    };
}
