//! Disks of SAN protocols and clouds.

use regex_lite::Regex;
use schema::field::Errors;

use crate::Place;
use crate::rules::text::between;

/// What an iSCSI name may look like: three spellings, by their first three letters.
const NAMES: [(&str, &str); 3] = [
    ("iqn", r"iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$"),
    ("eui", "^eui.[[:alnum:]]{16}$"),
    ("naa", "^naa.[[:alnum:]]{32}$"),
];

fn matches(name: &str, expression: &str) -> bool {
    Regex::new(expression).is_ok_and(|regex| regex.is_match(name))
}

/// An iSCSI name; `start` is what is said of one that starts with no known letters.
fn iscsi_name(place: &Place<'_, '_>, start: &str, errors: &mut Errors) {
    match NAMES.iter().find(|(prefix, _)| place.str().starts_with(prefix)) {
        None => place.invalid(errors, start),
        Some((_, expression)) if !matches(place.str(), expression) => {
            place.invalid(errors, "must be valid format");
        }
        Some(_) => {}
    }
}

fn iscsi_of(place: &Place<'_, '_>, start: &str, errors: &mut Errors) {
    let name = place.child("iqn");
    if name.require(errors, "") {
        iscsi_name(&name, start, errors);
    }
    lun(&place.child("lun"), errors);
    if place.at("chapAuthDiscovery").bool() || place.at("chapAuthSession").bool() {
        let secret = place.child("secretRef");
        if !secret.exists() {
            secret.required(errors, "");
        }
    }
}

fn initiator(place: &Place<'_, '_>, start: &str, errors: &mut Errors) {
    let name = place.named("initiatorname", place.at("initiatorName"));
    if name.exists() {
        iscsi_name(&name, start, errors);
    }
}

const START: &str = "must be valid format starting with iqn, eui, or naa";

/// `ISCSIVolumeSource`
pub(super) fn iscsi(place: &Place<'_, '_>, errors: &mut Errors) {
    iscsi_of(place, START, errors);
    initiator(place, START, errors);
}

/// `ISCSIPersistentVolumeSource`
pub(super) fn persistent_iscsi(place: &Place<'_, '_>, errors: &mut Errors) {
    iscsi_of(place, "must be valid format", errors);
    let secret = place.child("secretRef");
    if secret.exists() {
        secret.child("name").require(errors, "");
    }
    initiator(place, "must be valid format", errors);
}

fn lun(place: &Place<'_, '_>, errors: &mut Errors) {
    if !(0..=255).contains(&place.int()) {
        place.invalid(errors, between(0, 255));
    }
}

/// `FCVolumeSource`
pub(super) fn fibre_channel(place: &Place<'_, '_>, errors: &mut Errors) {
    let (names, ids) = (place.child("targetWWNs"), place.child("wwids"));
    match (names.is_empty(), ids.is_empty()) {
        (true, true) => names.required(errors, "must specify either targetWWNs or wwids, but not both"),
        (false, false) => names.invalid(errors, "targetWWNs and wwids can not be specified simultaneously"),
        _ => {}
    }
    if names.is_empty() {
        return;
    }
    match place.child("lun") {
        number if number.exists() => lun(&number, errors),
        number => number.required(errors, "lun is required if targetWWNs is specified"),
    }
}

/// A partition of a cloud's disk.
pub(super) fn partition(place: &Place<'_, '_>, errors: &mut Errors) {
    if !(0..=255).contains(&place.int()) {
        place.invalid(errors, between(1, 255));
    }
}

const MANAGED: &str =
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";

/// A managed disk is named by its resource, any other by its URL.
pub(super) fn azure_uri(place: &Place<'_, '_>, errors: &mut Errors) {
    let (kind, uri) = (place.at("kind"), place.child("diskURI"));
    let (prefix, form) = match kind.str() {
        "Managed" => ("/subscriptions/", MANAGED),
        _ => ("https://", BLOB),
    };
    if kind.exists() && !uri.str().starts_with(prefix) {
        uri.not_supported(errors, &[form]);
    }
}
