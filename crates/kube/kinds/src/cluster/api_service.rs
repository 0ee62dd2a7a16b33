//! `APIService`: kube-aggregator's `pkg/apis/apiregistration/validation`.

use jiff::Timestamp;
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::tree::{Struct, Value};

use crate::rules::names::{dns1035_label, dns1123_subdomain, path_segment};
use crate::rules::table::Rule::{Of, Required, Text};
use crate::rules::table::{Rules, check};
use crate::rules::text::between;
use crate::rules::value::one_of;
use crate::{Context, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, service| {
        if Ref::new(types, service).path("spec.service").exists() {
            cursor::set_default(types, service, "spec.service.port", Value::Int(443));
        }
    },
    prepare_create,
    validate_create: |_, service, errors| validate(service, errors),
    validate_update: |_, service, _, errors| validate(service, errors),
    validate_status: |_, service, _, errors| {
        let root = Place::root(service);
        let status = root.child("status");
        for condition in status.child("conditions").each() {
            one_of(&condition.child("status"), errors, &["True", "False", "Unknown"]);
        }
    },
    name: |name, _| path_segment(name),
    unconditional_update: false,
    ..PLAIN
};

/// What needs no other server is there from the start; whether another one is there has to be seen.
fn prepare_create(context: &Context<'_>, service: &mut Struct) {
    let types = context.types;
    cursor::remove(types, service, "status");
    if Ref::new(types, service).path("spec.service").exists() {
        return;
    }
    let Some(ty) = types.find("apiregistration/v1", "APIServiceCondition") else {
        return;
    };
    let seconds = Timestamp::try_from(context.now).unwrap_or_default().as_second();
    let now = Timestamp::from_second(seconds).unwrap_or_default().to_string();
    let mut condition = Struct::new(ty);
    for (member, text) in [
        ("type", "Available"),
        ("status", "True"),
        ("lastTransitionTime", &now),
        ("reason", "Local"),
        ("message", "Local APIServices are always available"),
    ] {
        cursor::set(types, &mut condition, member, Value::str(text));
    }
    let conditions = Value::List(vec![Value::Struct(Box::new(condition))]);
    cursor::set(types, service, "status.conditions", conditions);
}

const SPEC: Rules = &[
    ("group", Text(dns1123_subdomain)),
    (
        "version",
        Of(|version, errors| version.check(errors, dns1035_label)),
    ),
    (
        "groupPriorityMinimum",
        Of(|place, errors| priority(place, 20_000, errors)),
    ),
    (
        "versionPriority",
        Of(|place, errors| priority(place, 1000, errors)),
    ),
];

fn priority(place: &Place<'_, '_>, most: i64, errors: &mut Errors) {
    if !(1..=most).contains(&place.int()) {
        let text = format!("must be positive and less than {most}");
        place.invalid_value(errors, place.int(), text);
    }
}

fn validate(service: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(service);
    let (metadata, spec) = (root.child("metadata"), root.child("spec"));
    let (group, version) = (spec.child("group"), spec.at("version").str());
    let (name, wanted) = (metadata.child("name"), format!("{version}.{}", group.str()));
    if path_segment(name.str()).is_empty() && name.str() != wanted {
        name.invalid(
            errors,
            format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"),
        );
    }
    if group.is_empty() && version != "v1" {
        group.required(
            errors,
            "only v1 may have an empty group and it better be legacy kube",
        );
    }
    check(&spec, SPEC, errors);
    let (bundle, insecure) = (spec.child("caBundle"), spec.child("insecureSkipTLSVerify"));
    let target = spec.child("service");
    if !target.exists() {
        if !bundle.is_empty() {
            let size = format!("{} bytes", bundle.len());
            bundle.invalid_value(errors, size, "local APIServices may not have a caBundle");
        }
        if insecure.bool() {
            insecure.invalid(errors, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    }
    Required.check(&target.child("namespace"), errors);
    Required.check(&target.child("name"), errors);
    let port = target.child("port");
    if !(1..=65_535).contains(&port.int()) {
        let text = format!("port is not valid: {}", between(1, 65_535));
        port.invalid_value(errors, port.int(), text);
    }
    if insecure.bool() && !bundle.is_empty() {
        insecure.invalid(errors, "may not be true if caBundle is present");
    }
}
