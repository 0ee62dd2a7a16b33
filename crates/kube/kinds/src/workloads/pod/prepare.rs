//! What a new pod is given: its state, and the selectors that follow from its labels.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{off, quality};
use crate::Context;

/// Upstream's `PrepareForCreate`.
pub(super) fn create(context: &Context<'_>, pod: &mut Struct) {
    let types = context.types;
    let class = quality::class(Ref::new(types, pod).at("spec"));
    cursor::remove(types, pod, "status");
    cursor::set(types, pod, "status.phase", Value::str("Pending"));
    cursor::set(types, pod, "status.qosClass", Value::str(class));
    drop_disabled(types, pod, None);
    gated(types, pod);
    let labels = Ref::new(types, pod).path("metadata.labels").cloned();
    let Some(labels) = labels else { return };
    let labels = Ref::of(types, &labels);
    for name in ["podAffinity", "podAntiAffinity"] {
        let path = format!("spec.affinity.{name}");
        terms(types, pod, &path, labels);
    }
    cursor::each_mut(types, pod, "spec.topologySpreadConstraints", |constraint| {
        select(types, constraint, labels, &[("matchLabelKeys", "In")]);
    });
}

/// Upstream's `PrepareForUpdate`.
pub(super) fn update(context: &Context<'_>, new: &mut Struct, old: &Struct) {
    drop_disabled(context.types, new, Some(Ref::new(context.types, old)));
}

fn drop_disabled(types: &Types, pod: &mut Struct, old: Option<Ref<'_>>) {
    if let Some(Value::Struct(spec)) = cursor::get_mut(types, pod, "spec") {
        off::drop_disabled(types, spec, old.map(|old| old.at("spec")));
    }
}

/// A pod that is held back says so from the beginning.
fn gated(types: &Types, pod: &mut Struct) {
    if Ref::new(types, pod).path("spec.schedulingGates").is_empty() {
        return;
    }
    let Some(ty) = types.find("core/v1", "PodCondition") else {
        return;
    };
    let mut condition = Struct::new(ty);
    for (name, text) in [
        ("type", "PodScheduled"),
        ("status", "False"),
        ("reason", "SchedulingGated"),
        (
            "message",
            "Scheduling is blocked due to non-empty scheduling gates",
        ),
    ] {
        cursor::set(types, &mut condition, name, Value::str(text));
    }
    let conditions = Value::List(vec![Value::Struct(Box::new(condition))]);
    cursor::set(types, pod, "status.conditions", conditions);
}

const KEYS: [(&str, &str); 2] = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")];

fn terms(types: &Types, pod: &mut Struct, path: &str, labels: Ref<'_>) {
    let required = format!("{path}.requiredDuringSchedulingIgnoredDuringExecution");
    cursor::each_mut(types, pod, &required, |term| select(types, term, labels, &KEYS));
    let preferred = format!("{path}.preferredDuringSchedulingIgnoredDuringExecution");
    cursor::each_mut(types, pod, &preferred, |preference| {
        if let Some(Value::Struct(term)) = cursor::get_mut(types, preference, "podAffinityTerm") {
            select(types, term, labels, &KEYS);
        }
    });
}

/// Adds what the pod's own labels say under these keys to a selector that there is.
fn select(types: &Types, term: &mut Struct, labels: Ref<'_>, keys: &[(&str, &str)]) {
    if !Ref::new(types, term).at("labelSelector").exists() {
        return;
    }
    for (list, operator) in keys {
        let names: Vec<String> = Ref::new(types, term)
            .at(list)
            .strings()
            .map(str::to_owned)
            .collect();
        for name in names {
            if let Some(value) = labels.at(&name).text() {
                require(types, term, &name, operator, value);
            }
        }
    }
}

fn require(types: &Types, term: &mut Struct, key: &str, operator: &str, value: &str) {
    let Some(ty) = types.find("meta/v1", "LabelSelectorRequirement") else {
        return;
    };
    let mut requirement = Struct::new(ty);
    cursor::set(types, &mut requirement, "key", Value::str(key));
    cursor::set(types, &mut requirement, "operator", Value::str(operator));
    let values = Value::List(vec![Value::str(value)]);
    cursor::set(types, &mut requirement, "values", values);
    let path = "labelSelector.matchExpressions";
    let requirement = Value::Struct(Box::new(requirement));
    match cursor::get_mut(types, term, path) {
        Some(Value::List(list)) => list.push(requirement),
        _ => cursor::set(types, term, path, Value::List(vec![requirement])),
    }
}
