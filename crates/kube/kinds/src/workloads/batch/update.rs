//! What an update may change of a job.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::tree::Struct;

use super::job::selected_spec;
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
    selected_spec(&spec, errors);
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

/// What a suspended job that has no pods yet may change of its template: where they go.
const DIRECTIVES: [&str; 6] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.nodeSelector",
    "spec.tolerations",
    "spec.schedulingGates",
    "spec.affinity.nodeAffinity",
];

fn template_update(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let (new, was) = (spec.child("template"), old.path("spec.template"));
    let suspended = old.path("spec.suspend").bool();
    let never_started = !old.path("status.startTime").exists();
    let same = match suspended && never_started {
        true => without_directives(new.value()) == without_directives(was),
        false => new.value() == was,
    };
    if !same {
        new.invalid(errors, IMMUTABLE);
    }
}

fn without_directives(template: Ref<'_>) -> Option<Struct> {
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
    Some(template)
}
