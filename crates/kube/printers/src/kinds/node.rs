//! Nodes and runtime classes.

use std::collections::BTreeSet;

use super::{AGE, NAME};
use crate::text::{condition, join};
use crate::{Cells, Column, Row};

pub(super) const NODE: &[Column] = &[
    NAME,
    Column::text("Status", "The status of the node"),
    Column::text("Roles", "The roles of the node"),
    AGE,
    Column::text("Version", "The version of the node's kubelet."),
    Column::wide("Internal-IP", "The first address inside the cluster's network."),
    Column::wide("External-IP", "The first address that is reached from outside."),
    Column::wide("OS-Image", "The node's operating system."),
    Column::wide("Kernel-Version", "The node's kernel."),
    Column::wide("Container-Runtime", "The runtime and its version."),
];

pub(super) fn node(row: &Row<'_>, cells: &mut Cells<'_>) {
    let info = row.at("status.nodeInfo");
    cells
        .name(row)
        .text(&status(row))
        .text_or(&roles(row), "<none>")
        .age(row)
        .text(info.at("kubeletVersion").str())
        .text(address(row, "InternalIP"))
        .text(address(row, "ExternalIP"));
    for member in ["osImage", "kernelVersion", "containerRuntimeVersion"] {
        cells.text_or(info.at(member).str(), "<unknown>");
    }
}

fn status(row: &Row<'_>) -> String {
    let ready = condition(row.at("status.conditions"), "Ready");
    let word = match ready.map(|it| it.at("status").str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    match row.at("spec.unschedulable").bool() {
        true => format!("{word},SchedulingDisabled"),
        false => word.to_owned(),
    }
}

/// Labels `node-role.kubernetes.io/ROLE` and `kubernetes.io/role=ROLE`.
fn roles(row: &Row<'_>) -> String {
    let role = |(key, value): (&'_ str, &'_ str)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => role.to_owned(),
        None if key == "kubernetes.io/role" => value.to_owned(),
        None => String::new(),
    };
    let labels = row.at("metadata.labels");
    let roles: BTreeSet<String> = labels
        .entries()
        .map(|(key, value)| role((key, value.str())))
        .filter(|role| !role.is_empty())
        .collect();
    join(roles, ",")
}

fn address<'a>(row: &Row<'a>, kind: &str) -> &'a str {
    let mut addresses = row.at("status.addresses").items();
    addresses
        .find(|it| it.at("type").str() == kind)
        .map_or("<none>", |it| it.at("address").str())
}

pub(super) const RUNTIME_CLASS: &[Column] = &[
    NAME,
    Column::text("Handler", "How the node's runtime is told of it."),
    AGE,
];

pub(super) fn runtime_class(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text(row.at("handler").str()).age(row);
}
