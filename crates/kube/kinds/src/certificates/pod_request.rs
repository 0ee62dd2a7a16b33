//! `PodCertificateRequest`: a kubelet asks for the certificate of a pod.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::names::dns1123_subdomain;
use crate::rules::table::Rule::{Of, Required, RequiredText};
use crate::rules::table::{Rules, check};
use crate::rules::value::immutable;
use crate::{PLAIN, Place, SelectableField, Strategy, signer};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, request, errors| {
        let root = Place::root(request);
        check(&root.child("spec"), SPEC, errors);
    },
    validate_update: |_, new, old, errors| {
        let root = Place::root(new);
        immutable(&root.child("spec"), old.at("spec"), errors);
    },
    validate_status: |_, new, old, errors| status(new, old, errors),
    fields: &[
        SelectableField::text("spec.signerName"),
        SelectableField::text("spec.podName"),
        SelectableField::text("spec.nodeName"),
    ],
    ..PLAIN
};

const SPEC: Rules = &[
    ("signerName", Of(signer::name)),
    ("podName", RequiredText(dns1123_subdomain)),
    ("podUID", Required),
    ("serviceAccountName", RequiredText(dns1123_subdomain)),
    ("serviceAccountUID", Required),
    ("nodeName", RequiredText(dns1123_subdomain)),
    ("nodeUID", Required),
    ("maxExpirationSeconds", Of(lifetime)),
];

/// An hour and 91 days.
const LIFETIMES: std::ops::RangeInclusive<i64> = 3600..=91 * 86_400;

fn lifetime(place: &Place<'_, '_>, errors: &mut Errors) {
    if !place.exists() {
        return place.required(errors, "must be set");
    }
    if !LIFETIMES.contains(&place.int()) {
        let text = format!(
            "must be in the range [{}, {}]",
            LIFETIMES.start(),
            LIFETIMES.end()
        );
        place.invalid(errors, text);
    }
}

const KINDS: &[&str] = &["Denied", "Failed", "Issued"];

/// A request is issued, denied or has failed, once and for all.
fn status(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    let mut ends = BTreeSet::new();
    for condition in status.child("conditions").each() {
        let (kind, state) = (condition.child("type"), condition.child("status"));
        if !KINDS.contains(&kind.str()) {
            kind.not_supported(errors, KINDS);
        } else if state.str() != "True" {
            state.not_supported(errors, &["True"]);
        } else if !ends.insert(kind.str()) {
            kind.duplicate(errors);
        }
        condition.child("reason").require(errors, "must be set");
    }
    if ends.len() > 1 {
        let conditions = status.child("conditions");
        conditions.invalid(
            errors,
            "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"",
        );
    }
    let was = old.at("status");
    if was.at("conditions").is_empty() {
        return;
    }
    immutable(&status, was, errors);
}
