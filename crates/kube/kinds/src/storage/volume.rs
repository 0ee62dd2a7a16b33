//! `PersistentVolume`: `ValidatePersistentVolumeSpec`, `…Update`.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{access_modes, known_modes, positive};
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
    validate_create: |_, volume, errors| validate(volume, errors),
    validate_update: |_, volume, old, errors| {
        validate(volume, errors);
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

fn validate(volume: Ref<'_>, errors: &mut Errors) {
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
    affinity(&spec, errors);
    sources(&spec, errors);
    if spec.value().path("hostPath.path").str() == "/" && policy.str() == "Recycle" {
        policy.forbidden(errors, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = spec.child("storageClassName");
    if !class.is_empty() {
        class.check(errors, names::dns1123_subdomain);
    }
    value::optional_one_of(&spec.child("volumeMode"), errors, &["Block", "Filesystem"]);
    attributes(&spec, errors);
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

fn affinity(spec: &Place<'_, '_>, errors: &mut Errors) {
    let affinity = spec.child("nodeAffinity");
    if !affinity.exists() {
        return;
    }
    let required = affinity.child("required");
    if !required.exists() {
        return required.required(errors, "must specify required node constraints");
    }
    node_selector::required(&required, true, errors);
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
    let (spec, was) = (volume.at("spec"), old.at("spec"));
    if PERSISTENT
        .iter()
        .any(|source| source_changed(spec.at(source.member), was.at(source.member)))
    {
        let path = Path::new("spec").child("persistentvolumesource");
        errors.push(Error::forbidden(
            &path,
            "spec.persistentvolumesource is immutable after creation",
        ));
    }
    let place = Place::root(volume);
    let mode = place.named("volumeMode", volume.path("spec.volumeMode"));
    value::immutable(&mode, old.path("spec.volumeMode"), errors);
    let (affinity, was) = (volume.path("spec.nodeAffinity"), old.path("spec.nodeAffinity"));
    if was.exists() && affinity != was {
        let detail = format!("{}, except for updating from beta label to GA", value::IMMUTABLE);
        place.named("nodeAffinity", affinity).invalid(errors, detail);
    }
    let class = place.child("spec.volumeAttributesClassName");
    if old.path("spec.volumeAttributesClassName").exists() && !class.exists() {
        class.forbidden(errors, "update from non-nil value to nil is forbidden");
    }
}

/// A CSI volume may get the secret for its growth later.
fn source_changed(new: Ref<'_>, old: Ref<'_>) -> bool {
    const LATER: &str = "controllerExpandSecretRef";
    if !old.at(LATER).exists() && new.at(LATER).exists() && old.exists() {
        let mut without = new.object().cloned();
        if let Some(new) = &mut without {
            cursor::remove(old.types(), new, LATER);
        }
        return without.as_ref().map(|new| Ref::new(old.types(), new)) != Some(old);
    }
    new != old
}
