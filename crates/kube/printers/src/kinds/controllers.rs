//! What makes pods from templates.

use super::{AGE, CONTAINERS, IMAGES, NAME, SELECTOR};
use crate::text::{containers, labels, scalar, selector, selector_text};
use crate::{Cells, Column, Row};

pub(super) const POD_TEMPLATE: &[Column] = &[
    NAME,
    Column::text("Containers", "Names of each container in the template."),
    Column::text("Images", "Images referenced by each container in the template."),
    Column::text("Pod Labels", "The labels for the pod template."),
];

pub(super) fn pod_template(row: &Row<'_>, cells: &mut Cells<'_>) {
    let (names, images) = containers(row.at("template.spec"));
    cells
        .name(row)
        .text(&names)
        .text(&images)
        .text(&labels(row.at("template.metadata.labels")));
}

pub(super) const REPLICA_SET: &[Column] = &[
    NAME,
    Column::int("Desired", "How many pods are wanted."),
    Column::int("Current", "How many pods there are."),
    Column::int("Ready", "How many pods are ready."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn replication_controller(row: &Row<'_>, cells: &mut Cells<'_>) {
    replicas(row, cells);
    template(row, cells);
    cells.text(&labels(row.at("spec.selector")));
}

pub(super) fn replica_set(row: &Row<'_>, cells: &mut Cells<'_>) {
    replicas(row, cells);
    template(row, cells);
    cells.text(&selector(row.at("spec.selector")));
}

fn replicas(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .int(row.at("spec.replicas").int())
        .int(row.at("status.replicas").int())
        .int(row.at("status.readyReplicas").int())
        .age(row);
}

/// Names and images of the containers that the object's pods have.
fn template(row: &Row<'_>, cells: &mut Cells<'_>) {
    let (names, images) = containers(row.at("spec.template.spec"));
    cells.text(&names).text(&images);
}

pub(super) const DAEMON_SET: &[Column] = &[
    NAME,
    Column::int("Desired", "How many nodes shall run a pod."),
    Column::int("Current", "How many of them do."),
    Column::int("Ready", "How many of the pods are ready."),
    Column::int("Up-to-date", "How many of the pods are of the newest template."),
    Column::int("Available", "How many of the pods have been ready long enough."),
    Column::text("Node Selector", "Which nodes the pods run on."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn daemon_set(row: &Row<'_>, cells: &mut Cells<'_>) {
    let count = |member: &str| row.at("status").at(member).int();
    cells
        .name(row)
        .int(count("desiredNumberScheduled"))
        .int(count("currentNumberScheduled"))
        .int(count("numberReady"))
        .int(count("updatedNumberScheduled"))
        .int(count("numberAvailable"))
        .text(&labels(row.at("spec.template.spec.nodeSelector")))
        .age(row);
    template(row, cells);
    cells.text(&selector(row.at("spec.selector")));
}

const READY: Column = Column::text("Ready", "How many pods are ready, of how many that are wanted.");

pub(super) const STATEFUL_SET: &[Column] = &[NAME, READY, AGE, CONTAINERS, IMAGES];

pub(super) fn stateful_set(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text(&ready(row)).age(row);
    template(row, cells);
}

fn ready(row: &Row<'_>) -> String {
    let (ready, wanted) = (row.at("status.readyReplicas"), row.at("spec.replicas"));
    format!("{}/{}", ready.int(), wanted.int())
}

pub(super) const DEPLOYMENT: &[Column] = &[
    NAME,
    READY,
    Column::text("Up-to-date", "How many of the pods are of the newest template."),
    Column::text("Available", "How many of the pods have been ready long enough."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn deployment(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(&ready(row))
        .int(row.at("status.updatedReplicas").int())
        .int(row.at("status.availableReplicas").int())
        .age(row);
    template(row, cells);
    let selector = selector_text(row.at("spec.selector"));
    cells.text(selector.as_deref().unwrap_or("<invalid>"));
}

pub(super) const REVISION: &[Column] = &[
    NAME,
    Column::text("Controller", "Whose revision it is."),
    Column::text("Revision", "Its number."),
    AGE,
];

pub(super) fn revision(row: &Row<'_>, cells: &mut Cells<'_>) {
    let owners = row.at("metadata.ownerReferences");
    let controller = owners.items().find(|it| it.at("controller").bool());
    let name = controller.map(|it| {
        let (group, _) = it.at("apiVersion").str().rsplit_once('/').unwrap_or_default();
        let dot = if group.is_empty() { "" } else { "." };
        let kind = format!("{}{dot}{group}", it.at("kind").str()).to_lowercase();
        format!("{kind}/{}", it.at("name").str())
    });
    cells
        .name(row)
        .text(name.as_deref().unwrap_or("<none>"))
        .int(row.at("revision").int())
        .age(row);
}

pub(super) const DISRUPTION_BUDGET: &[Column] = &[
    NAME,
    Column::text(
        "Min Available",
        "The minimum number of pods that must be available.",
    ),
    Column::text(
        "Max Unavailable",
        "The maximum number of pods that may be unavailable.",
    ),
    Column::int(
        "Allowed Disruptions",
        "How many pods may be disrupted at this time.",
    ),
    AGE,
];

pub(super) fn disruption_budget(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row);
    for member in ["minAvailable", "maxUnavailable"] {
        let at = row.at("spec").at(member);
        let text = if at.exists() { scalar(at) } else { "N/A".to_owned() };
        cells.text(&text);
    }
    cells.int(row.at("status.disruptionsAllowed").int()).age(row);
}
