//! Projected volumes: several sources whose files share a directory.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::files;
use crate::Place;
use crate::rules::paths::non_reserved;
use crate::rules::value::label_selector;
use crate::signer;

/// The files that there are already.
type Files<'a> = BTreeSet<&'a str>;

/// The sources; their files' paths are all different.
pub(super) fn sources(volume: &Place<'_, '_>, errors: &mut Errors) {
    let mut files = Files::new();
    for source in volume.child("sources").each() {
        source_of(volume, &source, &mut files, errors);
    }
}

fn source_of<'a>(volume: &Place<'_, 'a>, source: &Place<'_, 'a>, files: &mut Files<'a>, errors: &mut Errors) {
    for name in ["secret", "configMap"] {
        keys(volume, &source.child(name), files, errors);
    }
    downward(volume, &source.child("downwardAPI"), files, errors);
    token(volume, &source.child("serviceAccountToken"), errors);
    bundle(volume, &source.child("clusterTrustBundle"), files, errors);
    certificate(volume, &source.child("podCertificate"), files, errors);
    let all = [
        "secret",
        "configMap",
        "downwardAPI",
        "serviceAccountToken",
        "clusterTrustBundle",
        "podCertificate",
    ];
    if all.iter().filter(|name| source.at(name).exists()).count() > 1 {
        source.forbidden(errors, "may not specify more than 1 volume type per source");
    }
}

/// Notes a file. The error of a second one names the volume, and shows `value`.
fn note<'a>(volume: &Place<'_, '_>, path: &'a str, value: &str, files: &mut Files<'a>, errors: &mut Errors) {
    if !path.is_empty() && !files.insert(path) {
        volume.invalid_value(errors, value, "conflicting duplicate paths");
    }
}

fn keys<'a>(volume: &Place<'_, 'a>, source: &Place<'_, 'a>, files: &mut Files<'a>, errors: &mut Errors) {
    if !source.exists() {
        return;
    }
    source.child("name").require(errors, "");
    for item in source.child("items").each() {
        files::key_to_path(&item, errors);
        let name = source.at("name").str();
        note(volume, item.at("path").str(), name, files, errors);
    }
}

fn downward<'a>(volume: &Place<'_, 'a>, source: &Place<'_, 'a>, files: &mut Files<'a>, errors: &mut Errors) {
    for item in source.at("items").items() {
        files::downward_file(&source.holding(item), errors);
        let path = item.at("path").str();
        note(volume, path, path, files, errors);
    }
}

const TEN_MINUTES: i64 = 600;
const LONGEST: i64 = 1 << 32;

/// Upstream's errors about the path name the volume.
fn token(volume: &Place<'_, '_>, token: &Place<'_, '_>, errors: &mut Errors) {
    if !token.exists() {
        return;
    }
    let seconds = token.child("expirationSeconds");
    if seconds.int() < TEN_MINUTES {
        let text = "may not specify a duration less than 10 minutes";
        seconds.invalid_value(errors, seconds.int(), text);
    }
    if seconds.int() > LONGEST {
        seconds.invalid(errors, "may not specify a duration larger than 2^32 seconds");
    }
    let path = volume.named("path", token.at("path"));
    if path.require(errors, "") {
        non_reserved(&path, errors);
    }
}

fn bundle<'a>(volume: &Place<'_, 'a>, bundle: &Place<'_, 'a>, files: &mut Files<'a>, errors: &mut Errors) {
    if !bundle.exists() {
        return;
    }
    let (name, by) = (bundle.child("name"), bundle.child("signerName"));
    match (name.exists(), by.exists()) {
        (true, true) => bundle.invalid(errors, "only one of name and signerName may be used"),
        (true, false) => bundle_by_name(bundle, &name, errors),
        (false, true) => {
            by.require(errors, "must be a valid signer name");
            signer::name(&by, errors);
            label_selector(&bundle.child("labelSelector"), errors);
        }
        (false, false) => bundle.required(errors, "either name or signerName must be specified"),
    }
    let path = bundle.child("path");
    path.require(errors, "");
    non_reserved(&path, errors);
    note(volume, path.str(), path.str(), files, errors);
}

fn bundle_by_name(bundle: &Place<'_, '_>, name: &Place<'_, '_>, errors: &mut Errors) {
    name.require(errors, "must be a valid object name");
    for text in signer::bundle_name(name.str()) {
        name.invalid(errors, format!("not a valid clustertrustbundlename: {text}"));
    }
    let selector = bundle.child("labelSelector");
    if selector.exists() {
        selector.invalid(errors, "labelSelector must be unset if name is specified");
    }
}

const KEY_TYPES: &[&str] = &[
    "ECDSAP256",
    "ECDSAP384",
    "ECDSAP521",
    "ED25519",
    "RSA3072",
    "RSA4096",
];

/// An hour and 91 days: what a pod's certificate may live.
const LIFETIMES: std::ops::RangeInclusive<i64> = 3600..=91 * 86_400;

fn certificate<'a>(
    volume: &Place<'_, 'a>,
    certificate: &Place<'_, 'a>,
    files: &mut Files<'a>,
    errors: &mut Errors,
) {
    if !certificate.exists() {
        return;
    }
    signer::name(&certificate.child("signerName"), errors);
    let kind = certificate.child("keyType");
    if !KEY_TYPES.contains(&kind.str()) {
        kind.not_supported(errors, KEY_TYPES);
    }
    let lifetime = certificate.child("maxExpirationSeconds");
    if lifetime.exists() && lifetime.int() < *LIFETIMES.start() {
        lifetime.invalid(errors, "if provided, maxExpirationSeconds must be >= 3600");
    } else if lifetime.exists() && lifetime.int() > *LIFETIMES.end() {
        lifetime.invalid(errors, "if provided, maxExpirationSeconds must be <= 7862400");
    }
    let members = ["credentialBundlePath", "keyPath", "certificateChainPath"];
    let places = members.map(|name| certificate.child(name));
    let given: Vec<_> = places.iter().filter(|path| !path.is_empty()).collect();
    if given.is_empty() {
        let text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        certificate.required(errors, text);
    }
    for path in given {
        non_reserved(path, errors);
        note(volume, path.str(), path.str(), files, errors);
    }
}
