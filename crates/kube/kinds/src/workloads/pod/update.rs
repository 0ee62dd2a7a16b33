//! What an update may change of a pod: upstream's `ValidatePodUpdate`.

use schema::cursor::{self, Ref};
use schema::field::{BadValue, Error, Errors};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::container::trimmed_image;
use super::{annotations, spec};
use crate::Place;
use crate::internal::difference;
use crate::rules::text::between;

const TEXT: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                    existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                    previously negative)";

/// An update of the pod itself.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    annotations::validate_update(&root.child("metadata"), old.at("metadata"), errors);
    let (place, was) = (root.child("spec"), old.at("spec"));
    for list in ["containers", "initContainers"] {
        if !containers(&place.child(list), was.at(list), errors) {
            return;
        }
    }
    if !deadline(
        &place.child("activeDeadlineSeconds"),
        was.at("activeDeadlineSeconds"),
        errors,
    ) {
        return;
    }
    tolerations(&place.child("tolerations"), was.at("tolerations"), errors);
    scheduling_gates(&place.child("schedulingGates"), was.at("schedulingGates"), errors);
    if place.value() != was {
        closed(&place, was, errors);
    }
}

/// Whether there are as many containers as there were.
fn containers(list: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) -> bool {
    if list.len() != old.len() {
        list.forbidden(errors, "pod updates may not add or remove containers");
        return false;
    }
    for container in list.each() {
        container.child("image").require(errors, "");
        trimmed_image(&container, errors);
    }
    true
}

/// A deadline may be set, and come nearer. Whether it is worth looking further.
fn deadline(new: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) -> bool {
    match (new.integer(), old.integer()) {
        (Some(now), _) if !(0..=i64::from(i32::MAX)).contains(&now) => {
            new.invalid(errors, between(0, i32::MAX.into()));
            return false;
        }
        (Some(now), Some(was)) if was < now => {
            new.invalid(errors, "must be less than or equal to previous value");
            return false;
        }
        (None, Some(_)) => {
            let text = "must not update from a positive integer to nil value";
            errors.push(Error::invalid(&new.path(), BadValue::json("null"), text));
        }
        _ => {}
    }
    true
}

/// Tolerations are only added; how long one lasts may change.
fn tolerations(new: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    const MEMBERS: [&str; 4] = ["key", "operator", "value", "effect"];
    let same = |one: Ref<'_>, other: Ref<'_>| MEMBERS.iter().all(|name| one.at(name) == other.at(name));
    let kept = |toleration: Ref<'_>| new.items().any(|one| same(one, toleration));
    if !old.items().all(kept) {
        return new.forbidden(
            errors,
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
    let compares = |one: Ref<'_>| matches!(one.at("operator").str(), "Lt" | "Gt");
    spec::tolerations(new, old.items().any(compares), errors);
}

/// Gates are only taken away.
fn scheduling_gates(new: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let was = |gate: &Place<'_, '_>| old.items().any(|old| old.at("name") == gate.at("name"));
    for gate in new.each().filter(|gate| !was(gate)) {
        let name = gate.child("name");
        let text = format!(
            "only deletion is allowed, but found new scheduling gate '{}'",
            name.str()
        );
        name.forbidden(errors, text);
    }
}

/// All else is as it was; a pod that is held back by gates may still be told where to go.
fn closed(place: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let (Some(new), Some(was)) = (place.object(), old.object()) else {
        return;
    };
    let types = place.types();
    let mut new = open_members(types, new, was);
    if !old.at("schedulingGates").is_empty() {
        gated(place, old, errors);
        keep(types, &mut new, old, "nodeSelector");
        let affinity = Ref::new(types, &new).at("affinity").is_empty() || !old.at("affinity").exists();
        keep(types, &mut new, old, "affinity.nodeAffinity");
        if affinity && Ref::new(types, &new).at("affinity").is_empty() {
            keep(types, &mut new, old, "affinity");
        }
    }
    let new = Ref::new(types, &new);
    if new != old {
        place.forbidden(errors, format!("{TEXT}\n{}", difference(old, new)));
    }
}

/// The new spec with the old values of what an update may change.
fn open_members(types: &Types, new: &Struct, old: &Struct) -> Struct {
    let (mut new, old) = (new.clone(), Ref::new(types, old));
    for list in ["containers", "initContainers"] {
        let mut images = old
            .at(list)
            .items()
            .map(|container| container.at("image").value().cloned());
        cursor::each_mut(types, &mut new, list, |container| {
            put(types, container, "image", images.next().flatten());
        });
    }
    for name in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        keep(types, &mut new, old, name);
    }
    let grace = "terminationGracePeriodSeconds";
    if old.at(grace).int() < 0 && Ref::new(types, &new).at(grace).integer() == Some(1) {
        keep(types, &mut new, old, grace);
    }
    new
}

fn put(types: &Types, object: &mut Struct, path: &str, value: Option<Value>) {
    match value {
        Some(value) => cursor::set(types, object, path, value),
        None => drop(cursor::remove(types, object, path)),
    }
}

/// Takes over what stands at a path of the old object.
pub(super) fn keep(types: &Types, new: &mut Struct, old: Ref<'_>, path: &str) {
    put(types, new, path, old.path(path).cloned());
}

/// Selectors of a gated pod only grow stricter.
fn gated(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let (selector, was) = (spec.child("nodeSelector"), old.at("nodeSelector"));
    if !was.entries().all(|(key, value)| selector.at(key) == value) {
        let text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        selector.invalid(errors, text);
    }
    let path = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let (terms, was) = (spec.child(path), old.path(path));
    if !was.is_empty() && was.len() != terms.len() {
        let text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return terms.invalid(errors, text);
    }
    for (term, _) in terms
        .each()
        .zip(was.items())
        .filter(|(term, old)| !grows(term.value(), *old))
    {
        term.invalid(errors, "only additions are allowed (no mutations or deletions)");
    }
}

fn grows(new: Ref<'_>, old: Ref<'_>) -> bool {
    let lists = ["matchExpressions", "matchFields"];
    let empty = |term: Ref<'_>| lists.iter().all(|list| term.at(list).is_empty());
    let starts = |list: &&str| {
        let (new, old) = (new.at(list), old.at(list));
        new.len() >= old.len() && old.items().zip(new.items()).all(|(old, new)| old == new)
    };
    (!empty(old) || empty(new)) && lists.iter().all(starts)
}
