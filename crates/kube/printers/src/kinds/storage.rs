//! Volumes, claims, classes and what CSI drivers report.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::text::{join, quantity};
use crate::{Cells, Column, Row};

const MODES: Column = Column::text("Access Modes", "How the volume may be mounted.");
const ATTRIBUTES_CLASS: Column =
    Column::text("VolumeAttributesClass", "The class of its changeable attributes.");
const VOLUME_MODE: Column = Column::wide("VolumeMode", "A file system or a block device.");

pub(super) const VOLUME: &[Column] = &[
    NAME,
    Column::text("Capacity", "Its size."),
    MODES,
    Column::text("Reclaim Policy", "What becomes of it when its claim is gone."),
    Column::text("Status", "Whether it is bound."),
    Column::text("Claim", "The claim it is bound to."),
    Column::text("StorageClass", "StorageClass of the pv"),
    ATTRIBUTES_CLASS,
    Column::text("Reason", "Why it is in this status."),
    AGE,
    VOLUME_MODE,
];

pub(super) fn volume(row: &Row<'_>, cells: &mut Cells<'_>) {
    let claim = row.at("spec.claimRef");
    let bound = claim
        .exists()
        .then(|| format!("{}/{}", claim.at("namespace").str(), claim.at("name").str()));
    cells
        .name(row)
        .text(quantity(row.at("spec.capacity.storage")))
        .text(&modes(row.at("spec.accessModes")))
        .text(row.at("spec.persistentVolumeReclaimPolicy").str())
        .text(phase(row))
        .text(&bound.unwrap_or_default())
        .text(class_of(row))
        .present_or(row.at("spec.volumeAttributesClassName"), "<unset>")
        .text(row.at("status.reason").str())
        .age(row)
        .present_or(row.at("spec.volumeMode"), "<unset>");
}

pub(super) const CLAIM: &[Column] = &[
    NAME,
    Column::text("Status", "Whether it is bound."),
    Column::text("Volume", "The volume it is bound to."),
    Column::text("Capacity", "The volume's size."),
    MODES,
    Column::text("StorageClass", "StorageClass of the pvc"),
    ATTRIBUTES_CLASS,
    AGE,
    VOLUME_MODE,
];

pub(super) fn claim(row: &Row<'_>, cells: &mut Cells<'_>) {
    let volume = row.at("spec.volumeName").str();
    let (capacity, modes) = match volume {
        "" => ("", String::new()),
        _ => (
            quantity(row.at("status.capacity.storage")),
            modes(row.at("status.accessModes")),
        ),
    };
    cells
        .name(row)
        .text(phase(row))
        .text(volume)
        .text(capacity)
        .text(&modes)
        .text(class_of(row))
        .present_or(row.at("spec.volumeAttributesClassName"), "<unset>")
        .age(row)
        .present_or(row.at("spec.volumeMode"), "<unset>");
}

fn phase<'a>(row: &Row<'a>) -> &'a str {
    match row.deleted() {
        true => "Terminating",
        false => row.at("status.phase").str(),
    }
}

/// The class, which an annotation said before there was a member for it.
fn class_of<'a>(row: &Row<'a>) -> &'a str {
    let old = row
        .at("metadata.annotations")
        .at("volume.beta.kubernetes.io/storage-class");
    old.text()
        .unwrap_or_else(|| row.at("spec.storageClassName").str())
}

/// Abbreviated, each once, in this order.
fn modes(modes: Ref<'_>) -> String {
    const SHORT: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let given = |mode: &str| modes.strings().any(|it| it == mode);
    let short = SHORT.iter().filter(|(mode, _)| given(mode));
    join(short.map(|(_, short)| *short), ",")
}

pub(super) const CLASS: &[Column] = &[
    NAME,
    Column::text("Provisioner", "Who makes its volumes."),
    Column::text(
        "ReclaimPolicy",
        "What becomes of its volumes when their claims are gone.",
    ),
    Column::text("VolumeBindingMode", "When its volumes are made."),
    Column::text("AllowVolumeExpansion", "Whether its volumes can grow."),
    AGE,
];

pub(super) fn class(row: &Row<'_>, cells: &mut Cells<'_>) {
    const DEFAULT: [&str; 2] = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let annotations = row.at("metadata.annotations");
    let default = DEFAULT.iter().any(|key| annotations.at(key).str() == "true");
    let mark = if default { " (default)" } else { "" };
    cells
        .text(&format!("{}{mark}", row.name()))
        .text(row.at("provisioner").str())
        .present_or(row.at("reclaimPolicy"), "Delete")
        .present_or(row.at("volumeBindingMode"), "Immediate")
        .bool(row.at("allowVolumeExpansion").bool())
        .age(row);
}

pub(super) const ATTRIBUTES: &[Column] = &[
    NAME,
    Column::text("DriverName", "Whose attributes they are."),
    AGE,
];

pub(super) fn attributes(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).text(row.at("driverName").str()).age(row);
}

pub(super) const ATTACHMENT: &[Column] = &[
    NAME,
    Column::new("Attacher", "string", "name", 0, "Who attaches the volume."),
    Column::text("PV", "The volume."),
    Column::text("Node", "The node it is attached to."),
    Column::bool("Attached", "Whether it is attached."),
    AGE,
];

pub(super) fn attachment(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(row.at("spec.attacher").str())
        .text(row.at("spec.source.persistentVolumeName").str())
        .text(row.at("spec.nodeName").str())
        .bool(row.at("status.attached").bool())
        .age(row);
}

pub(super) const CSI_NODE: &[Column] = &[
    NAME,
    Column::int("Drivers", "How many drivers the node has."),
    AGE,
];

pub(super) fn csi_node(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells.name(row).count(row.at("spec.drivers").len()).age(row);
}

pub(super) const DRIVER: &[Column] = &[
    NAME,
    Column::bool(
        "AttachRequired",
        "Whether its volumes are attached before they are mounted.",
    ),
    Column::bool("PodInfoOnMount", "Whether it is told of the pod."),
    Column::bool("StorageCapacity", "Whether it reports how much room there is."),
    Column::text("TokenRequests", "The audiences of the tokens it gets."),
    Column::bool(
        "RequiresRepublish",
        "Whether its volumes are published again and again.",
    ),
    Column::text("Modes", "How long its volumes live."),
    AGE,
];

pub(super) fn driver(row: &Row<'_>, cells: &mut Cells<'_>) {
    let spec = row.at("spec");
    let tokens = spec.at("tokenRequests");
    let audiences = tokens
        .exists()
        .then(|| join(tokens.items().map(|it| it.at("audience").str()), ","));
    cells
        .name(row)
        .bool(spec.at("attachRequired").boolean().unwrap_or(true))
        .bool(spec.at("podInfoOnMount").bool())
        .bool(spec.at("storageCapacity").bool())
        .text(audiences.as_deref().unwrap_or("<unset>"))
        .bool(spec.at("requiresRepublish").bool())
        .text_or(&join(spec.at("volumeLifecycleModes").strings(), ","), "<none>")
        .age(row);
}

pub(super) const CAPACITY: &[Column] = &[
    NAME,
    Column::text("StorageClassName", "The class whose volumes it is about."),
    Column::text("Capacity", "How much room there is."),
];

pub(super) fn capacity(row: &Row<'_>, cells: &mut Cells<'_>) {
    cells
        .name(row)
        .text(row.at("storageClassName").str())
        .present_or(row.at("capacity"), "<unset>");
}
