//! Updates through `pods/resize`: upstream's `ValidatePodResize`.

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::kept::Kept;
use super::subresources::{is_mirror, keep_all_but, refuse};
use super::{off, quality, update};
use crate::{Context, Place};

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Takes resources and the policies of resizing from the new pod, all else from the old. Containers that were
/// moved or renamed are left for validation to refuse.
pub(super) fn prepare(context: &Context<'_>, new: &mut Struct, old: &Struct) {
    let types = context.types;
    let before = Ref::new(types, old).at("spec");
    let after = Ref::new(types, new).at("spec");
    if LISTS
        .iter()
        .any(|list| before.at(list).len() != after.at(list).len())
    {
        return;
    }
    let lists = LISTS.map(|list| (list, resized(types, after.at(list), before.at(list))));
    keep_all_but(types, new, old, &["resources"]);
    for (list, containers) in lists {
        if let Some(containers) = containers {
            cursor::set(types, new, &format!("spec.{list}"), containers);
        }
    }
    if let Some(Value::Struct(spec)) = cursor::get_mut(types, new, "spec") {
        off::drop_disabled(types, spec, Some(before));
    }
}

fn resized(types: &Types, new: Ref<'_>, old: Ref<'_>) -> Option<Value> {
    let mut containers = old.cloned()?;
    let moved = new
        .items()
        .zip(old.items())
        .any(|(new, old)| new.at("name") != old.at("name"));
    if moved {
        return new.cloned();
    }
    let Value::List(items) = &mut containers else {
        return None;
    };
    for (container, given) in items.iter_mut().filter_map(Value::as_struct_mut).zip(new.items()) {
        for name in ["resources", "resizePolicy"] {
            update::keep(types, container, given, name);
        }
    }
    Some(containers)
}

/// What may be asked of a pod that runs: other amounts of cpu and memory.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    super::validate(new, &Kept::of(Some(old)), errors);
    if is_mirror(old) {
        return refuse(errors, "static pods cannot be resized");
    }
    if old.path("spec.os.name").str() == "windows" {
        return refuse(errors, "windows pods cannot be resized");
    }
    let root = Place::root(new);
    let (spec, was) = (root.child("spec"), old.at("spec"));
    as_a_whole(&spec, old, errors);
    pod_level(&spec, was.at("resources"), errors);
    let before = errors.len();
    LISTS
        .iter()
        .for_each(|list| ordering(&spec, list, was.at(list), errors));
    if errors.len() > before {
        return;
    }
    for list in ["initContainers", "containers"] {
        let list_place = spec.child(list);
        for (container, was) in list_place.each().zip(was.at(list).items()) {
            none_removed(
                &container.child("resources"),
                was.at("resources"),
                CONTAINER,
                errors,
            );
        }
    }
    containers(&spec, was.at("containers"), errors);
    init_containers(&spec.child("initContainers"), was.at("initContainers"), errors);
    if errors.is_empty() && without_amounts(spec.value()) != without_amounts(was) {
        spec.forbidden(errors, "only cpu and memory resources are mutable");
    }
}

/// What depends on the pod and where it runs.
fn as_a_whole(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let class = match old.path("status.qosClass").str() {
        "" => quality::class(old.at("spec")),
        class => class,
    };
    if class != quality::class(spec.value()) {
        // The status of the new one is the old one's.
        let told = old.path("status.qosClass").str();
        spec.invalid_value(
            errors,
            told,
            "Pod QOS Class may not change as a result of resizing",
        );
    }
    if !node_resizes(old) {
        spec.forbidden(errors, "Pod running on node without support for resize");
    }
}

/// A node that reports what its containers have can change it.
fn node_resizes(pod: Ref<'_>) -> bool {
    let mut running = pod.path("status.containerStatuses").items();
    let running = running.find(|status| status.path("state.running").exists());
    running.is_none_or(|status| status.at("resources").exists())
}

/// Resources of the pod as a whole.
fn pod_level(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let new = spec.child("resources");
    let set = |resources: Ref<'_>| LISTS_OF_AMOUNTS.iter().any(|list| !resources.at(list).is_empty());
    if !set(new.value()) && !set(old) {
        return;
    }
    if old.exists() && !new.exists() {
        return new.forbidden(errors, "pod-level resources cannot be removed");
    }
    none_removed(&new, old, POD_LEVEL, errors);
    if amounts_dropped(new.value()) != amounts_dropped(old) {
        spec.forbidden(errors, "only cpu and memory resources are mutable at pod-level");
    }
}

/// Containers are the same in the same order.
fn ordering(spec: &Place<'_, '_>, list: &str, old: Ref<'_>, errors: &mut Errors) {
    let new = spec.child(list);
    if new.len() != old.len() {
        return new.forbidden(errors, format!("{list} may not be added or removed on resize"));
    }
    for (container, old) in new.each().zip(old.items()) {
        if container.at("name") != old.at("name") {
            let text = format!("{list} may not be renamed or reordered on resize");
            container.child("name").forbidden(errors, text);
        }
    }
}

const LISTS_OF_AMOUNTS: [&str; 2] = ["requests", "limits"];
const CONTAINER: &str = "resource";
const POD_LEVEL: &str = "pod-level resource";

/// What was asked for stays asked for.
fn none_removed(resources: &Place<'_, '_>, old: Ref<'_>, what: &str, errors: &mut Errors) {
    for list in LISTS_OF_AMOUNTS {
        let gone = |(name, _): (&str, Ref<'_>)| !resources.at(list).at(name).exists();
        if old.at(list).entries().any(gone) {
            let text = format!("{what} {list} cannot be removed");
            resources.child(list).forbidden(errors, text);
        }
    }
}

fn containers(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    for (container, was) in spec.at("containers").items().zip(old.items()) {
        if resources_reset(container) != resources_reset(was) {
            spec.forbidden(errors, "only cpu and memory resources are mutable");
        }
    }
}

fn init_containers(list: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    for (container, was) in list.each().zip(old.items()) {
        if resources_reset(container.value()) != resources_reset(was) {
            let text = "only cpu and memory resources for init or sidecar containers are mutable";
            container.forbidden(errors, text);
        }
        if container.at("restartPolicy").str() == "Always" || container.value() == was {
            continue;
        }
        let policies = container.at("resizePolicy").items();
        let restarts = |policy: &Ref<'_>| policy.at("restartPolicy").str() == "RestartContainer";
        for _ in policies.filter(restarts) {
            let text =
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            container.forbidden(errors, text);
        }
    }
}

/// The spec as it would be without amounts of cpu and memory.
fn without_amounts(spec: Ref<'_>) -> Option<Struct> {
    let types = spec.types();
    let mut spec = spec.object()?.clone();
    strip(types, &mut spec, "resources");
    for list in LISTS {
        cursor::each_mut(types, &mut spec, list, |container| {
            strip(types, container, "resources");
        });
    }
    Some(spec)
}

fn resources_reset(container: Ref<'_>) -> Option<Struct> {
    let mut object = container.object()?.clone();
    strip(container.types(), &mut object, "resources");
    Some(object)
}

/// The resources of a pod without these amounts.
fn amounts_dropped(resources: Ref<'_>) -> Option<Struct> {
    let mut object = resources.object()?.clone();
    drop_amounts(resources.types(), &mut object, "");
    (!object.is_empty()).then_some(object)
}

fn strip(types: &Types, object: &mut Struct, path: &str) {
    drop_amounts(types, object, &format!("{path}."));
    if Ref::new(types, object).path(path).is_empty() {
        cursor::remove(types, object, path);
    }
}

fn drop_amounts(types: &Types, object: &mut Struct, prefix: &str) {
    for list in LISTS_OF_AMOUNTS {
        let path = format!("{prefix}{list}");
        if let Some(Value::Map(map)) = cursor::get_mut(types, object, &path) {
            map.retain(|name, _| !matches!(name, "cpu" | "memory"));
            if map.entries().is_empty() {
                cursor::remove(types, object, &path);
            }
        }
    }
}
