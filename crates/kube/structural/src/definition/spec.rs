//! `spec`: group, scope, names, versions.

use std::collections::BTreeSet;

use kinds::Place;
use kinds::rules::{names as rules, value};
use schema::cursor::Ref;
use schema::field::Errors;

use super::layout::{COLUMNS, FIELDS, SCHEMA, SUBRESOURCES};
use super::{conversion, names, schema as schemas, version};

/// Checks a definition's `spec`; `old` is the whole old definition.
pub(super) fn validate(spec: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    group(&spec.child("group"), errors);
    value::required_one_of(&spec.child("scope"), errors, &["Cluster", "Namespaced"]);
    let versions = spec.child("versions");
    for each in versions
        .each()
        .filter(|each| !each.at("schema").at("openAPIV3Schema").exists())
    {
        each.child("schema").child("openAPIV3Schema").required(errors, "");
    }
    for each in versions.each() {
        version::validate(spec, &each, errors);
    }
    numbers(&versions, errors);
    required_names(&spec.child("names"), errors);
    names::validate(&spec.child("names"), errors);
    shared(spec, errors);
    let conversion = spec.child("conversion");
    if spec.at("preserveUnknownFields").bool() && conversion.at("strategy").str() != "None" {
        let why = "must be None if spec.preserveUnknownFields is true";
        conversion.child("strategy").invalid(errors, why);
    }
    conversion::validate(&conversion, errors);
    if let Some(old) = old {
        immutable(spec, old, errors);
    }
}

fn group(group: &Place<'_, '_>, errors: &mut Errors) {
    if !group.require(errors, "") {
        return;
    }
    let wrong = rules::dns1123_subdomain(group.str());
    if !wrong.is_empty() {
        group.invalid(errors, wrong.join(","));
    } else if !group.str().contains('.') {
        group.invalid(errors, "should be a domain with at least one dot");
    }
}

/// Names are unique, and one version is the storage version.
fn numbers(versions: &Place<'_, '_>, errors: &mut Errors) {
    let names: BTreeSet<&str> = versions.items().map(|version| version.at("name").str()).collect();
    if names.len() != versions.len() {
        versions.invalid(errors, "must contain unique version names");
    }
    if versions
        .items()
        .filter(|version| version.at("storage").bool())
        .count()
        != 1
    {
        versions.invalid(errors, "must have exactly one version marked as storage version");
    }
}

fn required_names(names: &Place<'_, '_>, errors: &mut Errors) {
    for name in ["plural", "singular", "kind", "listKind"] {
        names.child(name).require(errors, "");
    }
}

/// What all versions share.
fn shared(spec: &Place<'_, '_>, errors: &mut Errors) {
    let status = |version: Ref<'_>| version.path("subresources.status").exists();
    let any_status = spec.at("versions").items().any(status);
    schemas::validate(&SCHEMA.of_all(spec), any_status, errors);
    version::subresources(&SUBRESOURCES.of_all(spec), errors);
    version::columns(&COLUMNS.of_all(spec), errors);
    version::selectable(
        &FIELDS.of_all(spec),
        SCHEMA.of_all(spec).at("openAPIV3Schema"),
        errors,
    );
}

/// What the place of stored objects depends on.
fn immutable(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let mut conditions = old.path("status.conditions").items();
    let established =
        conditions.any(|it| it.at("type").str() == "Established" && it.at("status").str() == "True");
    if established {
        value::immutable(&spec.child("scope"), old.path("spec.scope"), errors);
        value::immutable(
            &spec.child("names").child("kind"),
            old.path("spec.names.kind"),
            errors,
        );
    }
    value::immutable(&spec.child("group"), old.path("spec.group"), errors);
    value::immutable(
        &spec.child("names").child("plural"),
        old.path("spec.names.plural"),
        errors,
    );
}
