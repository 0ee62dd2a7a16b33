//! `PersistentVolume`: `ValidatePersistentVolumeSpec`, `…Update`.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{access_modes, known_modes, positive};
use crate::internal::difference_of;
use crate::rules::{names, node_selector, value};
use crate::volume::{PERSISTENT, check_source};
use crate::{PLAIN, Place, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, volume| {
        let now =
            jiff::Timestamp::try_from(context.now).map(|now| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        cursor::set(context.types, volume, "status.phase", Value::str("Pending"));
        if let Ok(now) = now {
            cursor::set(
                context.types,
                volume,
                "status.lastPhaseTransitionTime",
                Value::str(&now),
            );
        }
    },
    validate_create: |_, volume, errors| validate(volume, None, errors),
    validate_update: |_, volume, old, errors| {
        validate(volume, Some(old), errors);
        update(volume, old, errors);
    },
    fields: &[SelectableField {
        name: "name",
        path: "metadata.name",
        absent: "",
    }],
    ..PLAIN
};

fn default(types: &Types, volume: &mut Struct) {
    for (path, text) in [
        ("status.phase", "Pending"),
        ("spec.persistentVolumeReclaimPolicy", "Retain"),
    ] {
        if Ref::new(types, volume).path(path).is_empty() {
            cursor::set(types, volume, path, Value::str(text));
        }
    }
    cursor::set_default(types, volume, "spec.volumeMode", Value::str("Filesystem"));
    if Ref::new(types, volume).path("spec.hostPath").exists() {
        cursor::set_default(types, volume, "spec.hostPath.type", Value::str(""));
    }
}

fn validate(volume: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let place = Place::root(volume);
    let spec = place.child("spec");
    let modes = spec.child("accessModes");
    access_modes(&modes, "", errors);
    known_modes(&modes, errors);
    capacity(&spec.child("capacity"), errors);
    let policy = spec.child("persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        value::one_of(&policy, errors, &["Delete", "Recycle", "Retain"]);
    }
    affinity(&spec, old, errors);
    sources(&spec, errors);
    if is_root(spec.value().path("hostPath.path").str()) && policy.str() == "Recycle" {
        policy.forbidden(errors, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.child("storageClassName");
    if !class.is_empty() {
        class.check(errors, names::dns1123_subdomain);
    }
    value::optional_one_of(&spec.child("volumeMode"), errors, &["Block", "Filesystem"]);
    attributes(&spec, errors);
}

/// Whether a path means the root, in whatever way.
fn is_root(path: &str) -> bool {
    let mut depth = 0_u32;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn capacity(capacity: &Place<'_, '_>, errors: &mut Errors) {
    capacity.require(errors, "");
    if !capacity.at("storage").exists() || capacity.len() > 1 {
        capacity.not_supported(errors, &["storage"]);
    }
    for (_, size) in capacity.each_entry() {
        positive(&size, errors);
    }
}

fn affinity(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let affinity = spec.child("nodeAffinity");
    if !affinity.exists() {
        return;
    }
    let required = affinity.child("required");
    if !required.exists() {
        return required.required(errors, "must specify required node constraints");
    }
    let wrong_before = old.is_some_and(|old| {
        let mut found = Errors::new();
        let was = old.path("spec.nodeAffinity.required");
        node_selector::values(&required.holding(was), &mut found);
        !found.is_empty()
    });
    node_selector::required(&required, !wrong_before, errors);
}

fn sources(spec: &Place<'_, '_>, errors: &mut Errors) {
    let source = check_source(spec, PERSISTENT, errors);
    if source == Some("local") && !spec.at("nodeAffinity").exists() {
        spec.child("nodeAffinity")
            .required(errors, "Local volume requires node affinity");
    }
}

fn attributes(spec: &Place<'_, '_>, errors: &mut Errors) {
    let class = spec.child("volumeAttributesClassName");
    match class.text() {
        None => return,
        Some("") => class.required(errors, "an empty string is disallowed"),
        Some(_) => class.check(errors, names::dns1123_subdomain),
    }
    if !spec.at("csi").exists() {
        spec.child("csi")
            .required(errors, "has to be specified when using volumeAttributesClassName");
    }
}

/// A volume's source is for life; its other fields may be set once.
fn update(volume: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    source_kept(volume.at("spec"), old.at("spec"), errors);
    let place = Place::root(volume);
    let mode = place.named("volumeMode", volume.path("spec.volumeMode"));
    value::immutable(&mode, old.path("spec.volumeMode"), errors);
    let (affinity, was) = (volume.path("spec.nodeAffinity"), old.path("spec.nodeAffinity"));
    if was.exists() && renamed(affinity) != renamed(was) {
        let detail = format!("{}, except for updating from beta label to GA", value::IMMUTABLE);
        place.named("nodeAffinity", affinity).invalid(errors, detail);
    }
    let class = place.child("spec.volumeAttributesClassName");
    if old.path("spec.volumeAttributesClassName").exists() && !class.exists() {
        class.forbidden(errors, "update from non-nil value to nil is forbidden");
    }
}

/// Labels of nodes that were renamed: a volume may be moved to the new name.
const RENAMED: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    (
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
    ),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/region",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/zone",
    ),
];

/// The affinity with the new names.
fn renamed(affinity: Ref<'_>) -> Option<Struct> {
    let types = affinity.types();
    let mut object = affinity.object()?.clone();
    cursor::each_mut(types, &mut object, "required.nodeSelectorTerms", |term| {
        cursor::each_mut(types, term, "matchExpressions", |expression| {
            let key = Ref::new(types, expression).at("key").str();
            if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == key) {
                cursor::set(types, expression, "key", Value::str(new));
            }
        });
    });
    Some(object)
}

/// The members that upstream has in a struct of their own.
const SOURCES: [&str; 22] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "hostPath",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "flexVolume",
    "cinder",
    "cephfs",
    "fc",
    "flocker",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

/// The source does not change; a CSI volume may get the secret for its growth later.
fn source_kept(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    const LATER: &str = "csi.controllerExpandSecretRef";
    let Some(mut spec) = new.object().cloned() else {
        return;
    };
    if old.at("csi").exists() && !old.path(LATER).exists() {
        cursor::remove(new.types(), &mut spec, LATER);
    }
    let new = Ref::new(new.types(), &spec);
    if SOURCES.iter().any(|member| new.at(member) != old.at(member)) {
        let changes = difference_of(&SOURCES, old, new);
        let text = format!("spec.persistentvolumesource is immutable after creation\n{changes}");
        let path = Path::new("spec").child("persistentvolumesource");
        errors.push(Error::forbidden(&path, text));
    }
}
