//! What a container has mounted: upstream's `ValidateVolumeMounts` and `ValidateVolumeDevices`.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use super::volumes::Volumes;
use crate::Place;
use crate::rules::paths::descending;
use crate::rules::value::one_of;

/// The mounts of a container. Upstream's errors about paths below the volume do not name the mount.
pub(super) fn mounts(container: &Place<'_, '_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let (list, devices) = (container.child("volumeMounts"), container.at("volumeDevices"));
    let privileged = container.at("securityContext").at("privileged").bool();
    let mut paths = BTreeSet::new();
    for mount in list.each() {
        place(&mount, volumes, devices, &mut paths, errors);
        let at = list.holding(mount.value());
        below(&mount, &at, errors);
        propagation(&at.child("mountPropagation"), privileged, errors);
        recursive(&at, errors);
    }
}

fn place<'a>(
    mount: &Place<'_, 'a>,
    volumes: &Volumes<'_>,
    devices: Ref<'_>,
    paths: &mut BTreeSet<&'a str>,
    errors: &mut Errors,
) {
    let (name, path) = (mount.child("name"), mount.child("mountPath"));
    name.require(errors, "");
    if !volumes.contains_key(name.str()) {
        name.not_found(errors);
    }
    path.require(errors, "");
    if !paths.insert(path.str()) {
        path.invalid(errors, "must be unique");
    }
    let has = |member: &str, text: &str| devices.items().any(|device| device.at(member).str() == text);
    if has("name", name.str()) {
        name.invalid(errors, "must not already exist in volumeDevices");
    }
    if has("devicePath", path.str()) {
        path.invalid(errors, "must not already exist as a path in volumeDevices");
    }
}

fn below(mount: &Place<'_, '_>, list: &Place<'_, '_>, errors: &mut Errors) {
    let given = ["subPath", "subPathExpr"]
        .into_iter()
        .filter(|name| !mount.at(name).is_empty());
    for name in given {
        if name == "subPathExpr" && !mount.at("subPath").is_empty() {
            mount
                .child(name)
                .invalid(errors, "subPathExpr and subPath are mutually exclusive");
        }
        descending(&list.child(name), errors);
    }
}

fn propagation(mode: &Place<'_, '_>, privileged: bool, errors: &mut Errors) {
    if !mode.exists() {
        return;
    }
    one_of(mode, errors, &["Bidirectional", "HostToContainer", "None"]);
    if mode.str() == "Bidirectional" && !privileged {
        mode.forbidden(
            errors,
            "Bidirectional mount propagation is available only to privileged containers",
        );
    }
}

fn recursive(mount: &Place<'_, '_>, errors: &mut Errors) {
    let mode = mount.child("recursiveReadOnly");
    match mode.text() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !mount.at("readOnly").bool() {
                mode.forbidden(errors, "may only be specified when readOnly is true");
            }
            if !matches!(mount.at("mountPropagation").str(), "" | "None") {
                mode.forbidden(
                    errors,
                    "may only be specified when mountPropagation is None or not specified",
                );
            }
        }
        Some(_) => mode.not_supported(errors, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// The block devices of a container.
pub(super) fn devices(container: &Place<'_, '_>, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mounts = container.at("volumeMounts");
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for device in container.child("volumeDevices").each() {
        let (name, path) = (device.child("name"), device.child("devicePath"));
        device_name(&name, volumes, &names, errors);
        device_path(&path, &mut paths, errors);
        let has = |member: &str, text: &str| mounts.items().any(|mount| mount.at(member).str() == text);
        if has("name", name.str()) {
            name.invalid(errors, "must not already exist in volumeMounts");
        }
        if has("mountPath", path.str()) {
            path.invalid(errors, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.insert(name.str());
        }
    }
}

fn device_name(name: &Place<'_, '_>, volumes: &Volumes<'_>, names: &BTreeSet<&str>, errors: &mut Errors) {
    name.require(errors, "");
    if names.contains(name.str()) {
        name.invalid(errors, "must be unique");
    }
    let claims =
        |volume: &Ref<'_>| volume.at("persistentVolumeClaim").exists() || volume.at("ephemeral").exists();
    match volumes.get(name.str()) {
        None => name.not_found(errors),
        Some(volume) if claims(volume) => {}
        Some(_) => name.invalid(
            errors,
            "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
        ),
    }
}

fn device_path<'a>(path: &Place<'_, 'a>, paths: &mut BTreeSet<&'a str>, errors: &mut Errors) {
    path.require(errors, "");
    if paths.contains(path.str()) {
        path.invalid(errors, "must be unique");
    }
    if path.str().split('/').any(|part| part == "..") {
        path.invalid(errors, "can not contain backsteps ('..')");
    } else {
        paths.insert(path.str());
    }
}
