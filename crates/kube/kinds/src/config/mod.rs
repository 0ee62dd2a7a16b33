//! What workloads are configured with: `ConfigMap`, `Secret`, `ServiceAccount`.

mod config_map;
mod secret;
mod service_account;

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::text;
use crate::{Place, Row};

pub(crate) const ROWS: &[Row] = &[
    ("", "configmaps", &config_map::STRATEGY),
    ("", "secrets", &secret::STRATEGY),
    ("", "serviceaccounts", &service_account::STRATEGY),
];

/// What the values of a `ConfigMap` or `Secret` may be in all, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The keys of a map, and the bytes of its values.
fn keys(map: &Place<'_, '_>, errors: &mut Errors) -> usize {
    for (key, entry) in map.each_entry() {
        for text in text::config_map_key(key) {
            entry.invalid_value(errors, key, text);
        }
    }
    map.entries().map(|(_, value)| value.len()).sum()
}

/// An object that says so may not change, nor unsay it.
fn immutable(object: Ref<'_>, old: Ref<'_>, members: &[&str], errors: &mut Errors) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !old.at("immutable").bool() {
        return;
    }
    let place = Place::root(object);
    if !object.at("immutable").bool() {
        place.child("immutable").forbidden(errors, DETAIL);
    }
    for member in members
        .iter()
        .filter(|member| object.at(member) != old.at(member))
    {
        place.child(member).forbidden(errors, DETAIL);
    }
}
