//! `DeviceClass`, `ResourceClaim` and `ResourceClaimTemplate`.

use std::collections::BTreeSet;

use schema::cursor::{Ref, each_mut, set_default};
use schema::field::{Error, Errors};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{config, request};
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::table::Rule::RequiredText;
use crate::rules::value::immutable;
use crate::volume::driver_name;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const CLASS: Strategy = Strategy {
    validate_create: |_, class, errors| validate_class(class, errors),
    validate_update: |_, class, _, errors| validate_class(class, errors),
    generation: Generation::Spec,
    resets: &[],
    ..PLAIN
};

pub(super) const CLAIM: Strategy = Strategy {
    default: |types, claim| defaults(types, claim, "spec"),
    validate_create: |_, claim, errors| {
        let root = Place::root(claim);
        spec(&root.child("spec"), errors);
    },
    validate_update: |_, new, old, errors| fixed(new, old, errors),
    validate_status: |_, new, old, errors| status(new, old, errors),
    ..PLAIN
};

pub(super) const TEMPLATE: Strategy = Strategy {
    default: |types, template| defaults(types, template, "spec.spec"),
    validate_create: |_, template, errors| {
        let root = Place::root(template);
        let place = root.child("spec");
        spec(&place.child("spec"), errors);
    },
    validate_update: |_, new, old, errors| fixed(new, old, errors),
    resets: &[],
    ..PLAIN
};

fn fixed(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    immutable(&root.child("spec"), old.at("spec"), errors);
}

fn defaults(types: &Types, object: &mut Struct, spec: &str) {
    each_mut(types, object, &format!("{spec}.devices.requests"), |request| {
        if Ref::new(types, request).at("exactly").exists() {
            count_defaults(types, request, "exactly.");
        }
        each_mut(types, request, "firstAvailable", |choice| {
            count_defaults(types, choice, "");
        });
    });
}

/// One device, unless all are asked for.
fn count_defaults(types: &Types, request: &mut Struct, at: &str) {
    let mode = format!("{at}allocationMode");
    set_default(types, request, &mode, Value::str("ExactCount"));
    if Ref::new(types, request).path(&mode).str() == "ExactCount" {
        set_default(types, request, &format!("{at}count"), Value::Int(1));
    }
    each_mut(types, request, &format!("{at}tolerations"), |toleration| {
        set_default(types, toleration, "operator", Value::str("Equal"));
    });
}

/// Most items of any list of a claim or a class.
pub(super) const MAX_ITEMS: usize = 32;

/// A list that is not too long.
pub(super) fn bounded(list: &Place<'_, '_>, max: usize, errors: &mut Errors) {
    if list.len() > max {
        list.too_many(errors, max);
    }
}

/// Items whose keys differ.
pub(super) fn distinct<'a>(list: &Place<'_, 'a>, key: impl Fn(Ref<'a>) -> &'a str, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for item in list.each() {
        let key = key(item.value());
        if !seen.insert(key) {
            errors.push(Error::duplicate(&item.path(), key));
        }
    }
}

fn validate_class(class: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(class);
    let spec = root.child("spec");
    request::selectors(&spec.child("selectors"), errors);
    let list = spec.child("config");
    bounded(&list, MAX_ITEMS, errors);
    list.each().for_each(|each| config::opaque(&each, errors));
    let name = spec.child("extendedResourceName");
    if name.exists() && !crate::rules::quantity::is_extended(name.str()) {
        name.invalid(errors, "must be a valid extended resource name");
    }
}

/// The names that a claim's requests have: `request`, and `request/choice`.
fn names(devices: Ref<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for request in devices.at("requests").items() {
        let name = request.at("name").str();
        names.insert(name.to_owned());
        let choices = request.at("firstAvailable").items();
        names.extend(choices.map(|choice| format!("{name}/{}", choice.at("name").str())));
    }
    names
}

fn spec(spec: &Place<'_, '_>, errors: &mut Errors) {
    let devices = spec.child("devices");
    let names = names(devices.value());
    let requests = devices.child("requests");
    bounded(&requests, MAX_ITEMS, errors);
    requests.each().for_each(|each| request::validate(&each, errors));
    distinct(&requests, |request| request.at("name").str(), errors);
    let constraints = devices.child("constraints");
    bounded(&constraints, MAX_ITEMS, errors);
    constraints
        .each()
        .for_each(|each| constraint(&each, &names, errors));
    let list = devices.child("config");
    bounded(&list, MAX_ITEMS, errors);
    for item in list.each() {
        known(&item.child("requests"), &names, errors);
        config::opaque(&item, errors);
    }
}

/// References to requests: known ones, each once.
fn known(references: &Place<'_, '_>, names: &BTreeSet<String>, errors: &mut Errors) {
    bounded(references, MAX_ITEMS, errors);
    for reference in references.each() {
        reference.str().split('/').for_each(|part| {
            let wrong = dns1123_label(part).into_iter();
            wrong.for_each(|text| reference.invalid_value(errors, part, text));
        });
        if !names.contains(reference.str()) {
            let text = "must be the name of a request in the claim or the name of a request and a subrequest separated \
                        by '/'";
            reference.invalid(errors, text);
        }
    }
    distinct(references, Ref::str, errors);
}

fn constraint(constraint: &Place<'_, '_>, names: &BTreeSet<String>, errors: &mut Errors) {
    known(&constraint.child("requests"), names, errors);
    let (same, distinct) = (
        constraint.child("matchAttribute"),
        constraint.child("distinctAttribute"),
    );
    match (same.exists(), distinct.exists()) {
        (false, false) => same.required(errors, ""),
        (true, _) => config::attribute(&same, true, errors),
        (false, true) => config::attribute(&distinct, true, errors),
    }
}

const MAX_CONSUMERS: usize = 256;

/// What was allocated stays as it was until it is given back.
fn status(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let status = root.child("status");
    let reserved = status.child("reservedFor");
    bounded(&reserved, MAX_CONSUMERS, errors);
    for consumer in reserved.each() {
        for name in ["resource", "name", "uid"] {
            consumer.child(name).require(errors, "");
        }
    }
    distinct(&reserved, |consumer| consumer.at("uid").str(), errors);
    let (allocation, was) = (status.child("allocation"), old.path("status.allocation"));
    if !reserved.is_empty() {
        if !allocation.exists() {
            reserved.forbidden(errors, "may not be specified when `allocated` is not set");
        } else if new.path("metadata.deletionTimestamp").exists() && grows(reserved.value(), old) {
            reserved.forbidden(
                errors,
                "new entries may not be added while `deallocationRequested` or \
                                        `deletionTimestamp` are set",
            );
        }
    }
    if was.exists() && allocation.exists() {
        immutable(&allocation, was, errors);
    }
    let results = allocation.child("devices");
    for result in results.child("results").each() {
        allocated(&result, errors);
    }
}

fn grows(reserved: Ref<'_>, old: Ref<'_>) -> bool {
    let before: BTreeSet<&str> = old
        .path("status.reservedFor")
        .items()
        .map(|consumer| consumer.at("uid").str())
        .collect();
    reserved
        .items()
        .any(|consumer| !before.contains(consumer.at("uid").str()))
}

fn allocated(result: &Place<'_, '_>, errors: &mut Errors) {
    result.child("request").require(errors, "");
    driver_name(&result.child("driver"), errors);
    config::pool_name(&result.child("pool"), errors);
    RequiredText(dns1123_label).check(&result.child("device"), errors);
}

/// The name of a class.
pub(super) fn class_name(place: &Place<'_, '_>, errors: &mut Errors) {
    RequiredText(dns1123_subdomain).check(place, errors);
}
