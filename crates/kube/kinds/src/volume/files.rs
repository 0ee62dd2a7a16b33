//! Volumes of files that Kubernetes writes: secrets, config maps, the downward API, the host's own.

use schema::field::Errors;

use crate::Place;
use crate::rules::paths::{descending, mode, no_backsteps, non_reserved};
use crate::rules::table::{Rule, Rules, check};
use crate::workloads::downward;

const HOST_PATHS: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// `HostPathVolumeSource`
pub(super) fn host_path(place: &Place<'_, '_>, errors: &mut Errors) {
    let path = place.child("path");
    if path.require(errors, "") {
        no_backsteps(&path, errors);
        Rule::Word(HOST_PATHS).check(&place.child("type"), errors);
    }
}

/// `LocalVolumeSource`
pub(super) fn local(place: &Place<'_, '_>, errors: &mut Errors) {
    let path = place.child("path");
    if path.require(errors, "") {
        no_backsteps(&path, errors);
    }
}

/// The directory that a git volume is cloned into.
pub(super) fn git_directory(place: &Place<'_, '_>, errors: &mut Errors) {
    descending(place, errors);
}

/// A size limit that is not negative.
pub(super) fn size_limit(place: &Place<'_, '_>, errors: &mut Errors) {
    if place.str().starts_with('-') {
        place.forbidden(errors, "SizeLimit field must be a valid resource quantity");
    }
}

const KEY_TO_PATH: Rules = &[
    ("key", Rule::Required),
    ("path", Rule::Required),
    ("path", Rule::Of(non_reserved)),
    ("mode", Rule::If(mode)),
];

/// A key of a secret or config map, and the file that it becomes.
pub(super) fn key_to_path(item: &Place<'_, '_>, errors: &mut Errors) {
    check(item, KEY_TO_PATH, errors);
}

/// Several of them.
pub(super) fn items(items: &Place<'_, '_>, errors: &mut Errors) {
    items.each().for_each(|item| key_to_path(&item, errors));
}

/// The files of a downward API volume. Upstream's errors do not name the item.
pub(super) fn downward_items(volume: &Place<'_, '_>, errors: &mut Errors) {
    for item in volume.at("items").items() {
        downward_file(&volume.holding(item), errors);
    }
}

/// One of them.
pub(super) fn downward_file(file: &Place<'_, '_>, errors: &mut Errors) {
    file.child("path").require(errors, "");
    non_reserved(&file.child("path"), errors);
    let (field, resource) = (file.child("fieldRef"), file.child("resourceFieldRef"));
    match (field.exists(), resource.exists()) {
        (true, both) => {
            downward::field(&field, downward::VOLUME_FIELDS, errors);
            if both {
                let text = "fieldRef and resourceFieldRef can not be specified simultaneously";
                file.invalid_value(errors, "resource", text);
            }
        }
        (false, true) => downward::resource(&resource, true, errors),
        (false, false) => file.required(errors, "one of fieldRef and resourceFieldRef is required"),
    }
    Rule::If(mode).check(&file.child("mode"), errors);
}
