//! What an update may change of a job.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::Struct;

use super::job::selected_spec;
use super::status;
use crate::Place;
use crate::rules::value::{IMMUTABLE, immutable};

const FIXED: [&str; 5] = [
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
];

/// Validates an update.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let (spec, was) = (root.child("spec"), old.at("spec"));
    selected_spec(&spec, Some(was), errors);
    completions(&spec, was, errors);
    immutable(&spec.child("selector"), was.at("selector"), errors);
    template_update(&spec, old, errors);
    for name in FIXED {
        immutable(&spec.child(name), was.at(name), errors);
    }
}

/// An indexed job grows and shrinks, with its parallelism.
fn completions(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let completions = spec.child("completions");
    if spec.at("completionMode").str() != "Indexed" {
        return immutable(&completions, old.at("completions"), errors);
    }
    let changed = completions.value() != old.at("completions");
    if changed && completions.exists() && completions.int() != spec.at("parallelism").int() {
        let text = "can only be modified in tandem with spec.parallelism";
        completions.invalid(errors, text);
    }
}

/// What a suspended job without pods may change of its template: where they go.
const DIRECTIVES: [&str; 6] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.nodeSelector",
    "spec.tolerations",
    "spec.schedulingGates",
    "spec.affinity.nodeAffinity",
];

/// A suspended job whose pods are gone, or have never been: where its pods will go, and what they ask for, may still
/// change.
fn is_at_rest(job: Ref<'_>) -> bool {
    let is_true = |kind: &str| status::is_true(job.at("status"), kind);
    let began = job.path("status.startTime").exists();
    let idle = job.path("status.active").int() == 0;
    job.path("spec.suspend").bool() && idle && (!began || is_true("Suspended"))
}

fn template_update(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let (new, was) = (spec.child("template"), old.path("spec.template"));
    if !is_at_rest(old) {
        return immutable(&new, was, errors);
    }
    let changed = movable(new.value(), new.value()) != movable(was, new.value());
    if changed {
        new.child("spec").invalid(errors, IMMUTABLE);
    }
}

/// A template's spec without where its pods go, and with what another's containers of the same names ask for.
fn movable(template: Ref<'_>, other: Ref<'_>) -> Option<Struct> {
    let types = template.types();
    let mut template = template.object()?.clone();
    for path in DIRECTIVES {
        cursor::remove(types, &mut template, path);
    }
    for path in ["metadata", "spec.affinity"] {
        if Ref::new(types, &template).path(path).is_empty() {
            cursor::remove(types, &mut template, path);
        }
    }
    for list in ["spec.containers", "spec.initContainers"] {
        lend_resources(types, &mut template, list, other.path(list));
    }
    Some(template)
}

fn lend_resources(types: &Types, template: &mut Struct, list: &str, from: Ref<'_>) {
    if Ref::new(types, template).path(list).len() != from.len() {
        return;
    }
    let mut others = from.items();
    cursor::each_mut(types, template, list, |container| {
        let Some(other) = others.next() else { return };
        if Ref::new(types, container).at("name").str() != other.at("name").str() {
            return;
        }
        match other.at("resources").cloned() {
            Some(resources) => cursor::set(types, container, "resources", resources),
            None => drop(cursor::remove(types, container, "resources")),
        }
    });
}
