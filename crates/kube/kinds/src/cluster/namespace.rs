//! `Namespace`: `pkg/registry/core/namespace/strategy.go`.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::{names, text};
use crate::{Context, PLAIN, Place, SelectableField, Strategy, Subresource};

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The finalizer that keeps a namespace until its contents are gone.
const KUBERNETES: &str = "kubernetes";
const STANDARD: &[&str] = &[KUBERNETES, "foregroundDeletion", "orphan"];

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create,
    prepare_update: |context, namespace, old| {
        keep(context.types, namespace, old, "spec.finalizers");
        label(context.types, namespace);
    },
    validate_create: |_, namespace, errors| finalizers(namespace, false, errors),
    validate_status: |_, namespace, _, errors| phase(namespace, errors),
    name: names::dns_label,
    fields: &[
        SelectableField::text("status.phase"),
        SelectableField {
            name: "name",
            path: "metadata.name",
            absent: "",
        },
    ],
    subresources: &[Subresource {
        name: "finalize",
        prepare: |context, namespace, old| keep(context.types, namespace, old, "status"),
        validate: |_, namespace, _, errors| finalizers(namespace, true, errors),
    }],
    resets: &[
        ("", &["status"]),
        ("status", &["spec"]),
        ("finalize", &["status"]),
    ],
    ..PLAIN
};

fn default(types: &Types, namespace: &mut Struct) {
    label(types, namespace);
    if Ref::new(types, namespace).path("status.phase").is_empty() {
        cursor::set(types, namespace, "status.phase", Value::str("Active"));
    }
}

/// Selectors find a namespace by its name.
fn label(types: &Types, namespace: &mut Struct) {
    let name = Ref::new(types, namespace).path("metadata.name").str().to_owned();
    if let Some(labels) = cursor::map_mut(types, namespace, "metadata.labels").filter(|_| !name.is_empty()) {
        labels.insert(NAME_LABEL, Value::str(&name));
    }
}

fn prepare_create(context: &Context<'_>, namespace: &mut Struct) {
    let types = context.types;
    cursor::remove(types, namespace, "status");
    cursor::set(types, namespace, "status.phase", Value::str("Active"));
    label(types, namespace);
    let given = Ref::new(types, namespace).path("spec.finalizers").strings();
    let mut finalizers: Vec<Value> = given.map(Value::str).collect();
    if !finalizers
        .iter()
        .any(|finalizer| finalizer.as_str() == Some(KUBERNETES))
    {
        finalizers.push(Value::str(KUBERNETES));
    }
    cursor::set(types, namespace, "spec.finalizers", Value::List(finalizers));
}

fn keep(types: &Types, new: &mut Struct, old: &Struct, path: &str) {
    match Ref::new(types, old).path(path).cloned() {
        Some(value) => cursor::set(types, new, path, value),
        None => drop(cursor::remove(types, new, path)),
    }
}

fn finalizers(namespace: Ref<'_>, by_index: bool, errors: &mut Errors) {
    let place = Place::root(namespace);
    let list = place.child("spec.finalizers");
    for finalizer in list.each() {
        let at = if by_index {
            finalizer
        } else {
            list.holding(finalizer.value())
        };
        at.check(errors, text::qualified_name);
        if !at.str().contains('/') && !STANDARD.contains(&at.str()) {
            at.invalid(
                errors,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
    }
}

fn phase(namespace: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(namespace);
    let status = place.child("status");
    let phase = status.named("Phase", namespace.path("status.phase"));
    let (expected, state) = match namespace.path("metadata.deletionTimestamp").exists() {
        true => ("Terminating", "not empty"),
        false => ("Active", "empty"),
    };
    if phase.str() != expected {
        phase.invalid_value(
            errors,
            phase.str(),
            format!("may only be '{expected}' if `deletionTimestamp` is {state}"),
        );
    }
}
