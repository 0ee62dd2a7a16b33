//! Updates through `pods/resize` and `pods/ephemeralcontainers`.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::annotations::MIRROR;
use super::{quality, update};
use crate::{Context, Place, Subresource};

/// The ways to a pod beside itself and its status.
pub(super) const SUBRESOURCES: &[Subresource] = &[
    Subresource {
        name: "ephemeralcontainers",
        prepare: |context, new, old| {
            keep_all_but(context.types, new, old, &["ephemeralContainers"]);
        },
        validate: ephemeral,
    },
    Subresource {
        name: "resize",
        prepare: prepare_resize,
        validate: resize,
    },
];

/// Of the old pod everything but these members of its spec.
fn keep_all_but(types: &Types, new: &mut Struct, old: &Struct, members: &[&str]) {
    let old = Ref::new(types, old);
    let own = Ref::new(types, new).at("spec");
    let given: Vec<_> = members
        .iter()
        .map(|name| (*name, own.at(name).cloned()))
        .collect();
    for path in ["spec", "status"] {
        update::keep(types, new, old, path);
    }
    for (name, value) in given {
        let path = format!("spec.{name}");
        match value {
            Some(value) => cursor::set(types, new, &path, value),
            None => drop(cursor::remove(types, new, &path)),
        }
    }
}

fn is_mirror(pod: Ref<'_>) -> bool {
    pod.path("metadata.annotations").at(MIRROR).exists()
}

/// An error that no field is named in.
fn refuse(errors: &mut Errors, text: &str) {
    errors.clear();
    errors.push(Error::forbidden(&Path::root(), text));
}

fn ephemeral(context: &Context<'_>, new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    super::validate(context, new, errors);
    if is_mirror(old) {
        return refuse(errors, "static pods do not support ephemeral containers");
    }
    let root = Place::root(new);
    let spec = root.child("spec");
    let list = spec.child("ephemeralContainers");
    for was in old.path("spec.ephemeralContainers").items() {
        let name = was.at("name").str();
        let now = list.items().find(|container| container.at("name").str() == name);
        match now {
            None => list.forbidden(
                errors,
                format!("existing ephemeral containers {name:?} may not be removed\n"),
            ),
            Some(now) if now != was => {
                let changes = update::difference(now, was);
                let text = format!("existing ephemeral containers {name:?} may not be changed\n{changes}");
                list.forbidden(errors, text);
            }
            Some(_) => {}
        }
    }
}

const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Takes resources and the policies of resizing from the new pod, all else from the old. Containers that were
/// moved or renamed are left for validation to refuse.
fn prepare_resize(context: &Context<'_>, new: &mut Struct, old: &Struct) {
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

fn resize(context: &Context<'_>, new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    super::validate(context, new, errors);
    if is_mirror(old) {
        return refuse(errors, "static pods cannot be resized");
    }
    if old.path("spec.os.name").str() == "windows" {
        return refuse(errors, "windows pods cannot be resized");
    }
    let root = Place::root(new);
    let spec = root.child("spec");
    let class = old.path("status.qosClass").str();
    if class != quality::class(spec.value()) {
        let text = "Pod QOS Class may not change as a result of resizing";
        spec.invalid_value(errors, new.path("status.qosClass").str(), text);
    }
    if !node_resizes(old) {
        spec.forbidden(errors, "Pod running on node without support for resize");
    }
    for list in ["initContainers", "containers"] {
        containers(&spec, list, old.at("spec"), errors);
    }
    if errors.is_empty() && without_amounts(spec.value()) != without_amounts(old.at("spec")) {
        spec.forbidden(errors, "only cpu and memory resources are mutable");
    }
}

/// A node that reports what its containers have can change it.
fn node_resizes(pod: Ref<'_>) -> bool {
    let mut running = pod.path("status.containerStatuses").items();
    let running = running.find(|status| status.path("state.running").exists());
    running.is_none_or(|status| status.at("resources").exists())
}

fn containers(spec: &Place<'_, '_>, list: &str, old: Ref<'_>, errors: &mut Errors) {
    let places = spec.child(list);
    for (new, old) in places.each().zip(old.at(list).items()) {
        let sidecar = old.at("restartPolicy").str() == "Always";
        if list == "containers" || sidecar {
            amounts(
                &new.child("resources"),
                old.at("resources"),
                new.at("resizePolicy"),
                errors,
            );
            let what = if sidecar { " for sidecar containers" } else { "" };
            if container_without_amounts(new.value()) != container_without_amounts(old) {
                spec.forbidden(errors, format!("only cpu and memory resources{what} are mutable"));
            }
        } else if new.value() != old {
            spec.forbidden(errors, "resources for non-sidecar init containers are immutable");
        }
    }
}

/// What was asked for stays asked for; memory is taken away only by a restart.
fn amounts(resources: &Place<'_, '_>, old: Ref<'_>, policies: Ref<'_>, errors: &mut Errors) {
    for (list, what) in [("requests", "requests"), ("limits", "limits")] {
        let gone = |(name, _): (&str, Ref<'_>)| !resources.at(list).at(name).exists();
        if old.at(list).entries().any(gone) {
            let text = format!("resource {what} cannot be removed");
            resources.child(list).forbidden(errors, text);
        }
    }
    let mut memory = policies
        .items()
        .filter(|policy| policy.at("resourceName").str() == "memory");
    if memory
        .next()
        .is_some_and(|policy| policy.at("restartPolicy").str() == "RestartContainer")
    {
        return;
    }
    let limits = resources.child("limits");
    let (now, was) = (limits.key("memory"), old.at("limits").at("memory"));
    let verb = match (now.exists(), was.exists()) {
        // Kubelets lower a limit where the container uses less (1.34); they cannot add one.
        (true, false) => "added",
        _ => return,
    };
    now.forbidden(
        errors,
        format!("memory limits cannot be {verb} unless resizePolicy is RestartContainer"),
    );
}

/// The spec as it would be without amounts of cpu and memory.
fn without_amounts(spec: Ref<'_>) -> Option<Struct> {
    let types = spec.types();
    let mut spec = spec.object()?.clone();
    strip(types, &mut spec, "resources");
    for list in LISTS {
        cursor::each_mut(types, &mut spec, list, |container| {
            strip(types, container, "resources");
            cursor::remove(types, container, "resizePolicy");
        });
    }
    Some(spec)
}

fn container_without_amounts(container: Ref<'_>) -> Option<Struct> {
    let mut object = container.object()?.clone();
    strip(container.types(), &mut object, "resources");
    cursor::remove(container.types(), &mut object, "resizePolicy");
    Some(object)
}

fn strip(types: &Types, object: &mut Struct, path: &str) {
    for list in ["requests", "limits"] {
        let path = format!("{path}.{list}");
        if let Some(Value::Map(map)) = cursor::get_mut(types, object, &path) {
            map.retain(|name, _| !matches!(name, "cpu" | "memory"));
            if map.entries().is_empty() {
                cursor::remove(types, object, &path);
            }
        }
    }
    if Ref::new(types, object).path(path).is_empty() {
        cursor::remove(types, object, path);
    }
}
