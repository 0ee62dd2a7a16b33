//! `status.containerStatuses` and its two siblings.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::conditions::is_ready;
use super::phase::{has_begun, shown};
use super::timestamp;
use crate::container::{Ended, How, ImageFound, RunsAs};
use crate::pod::{Container, ContainerKind, Limits, VolumeMount};
use crate::worker::{Dead, Hooked, Life, State, Worker};

/// Puts all three lists. Init containers stand as in the spec, the others by name.
pub(super) fn of(worker: &Worker, put: &mut impl FnMut(&str, Value)) {
    let all: Vec<(&Container, Value)> = worker
        .pod
        .spec
        .all
        .iter()
        .zip(&worker.states)
        .map(|(container, state)| (container, status(worker, container, state)))
        .collect();
    let list = |wanted: &dyn Fn(ContainerKind) -> bool, sorted: bool| -> Option<Value> {
        let mut some: Vec<_> = all
            .iter()
            .filter(|(container, _)| wanted(container.kind))
            .collect();
        if sorted {
            some.sort_by_key(|(container, _)| &container.name);
        }
        (!some.is_empty()).then(|| some.into_iter().map(|(_, status)| status.clone()).collect())
    };
    let lists = [
        ("initContainerStatuses", list(&ContainerKind::is_init, false)),
        (
            "containerStatuses",
            list(&|kind| kind == ContainerKind::Regular, true),
        ),
        (
            "ephemeralContainerStatuses",
            list(&|kind| kind == ContainerKind::Ephemeral, true),
        ),
    ];
    for (name, list) in lists {
        if let Some(list) = list {
            put(name, list);
        }
    }
}

fn status(worker: &Worker, container: &Container, state: &State) -> Value {
    let (now, last) = states(worker, container, state);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("name", json!(container.name));
    put("state", now);
    put("lastState", last);
    put("ready", json!(is_ready(container.kind, state)));
    put("restartCount", json!(state.attempt.unwrap_or(0)));
    let image = image(state);
    let shown = image.map_or(&*container.image, |image| &*image.image);
    put("image", json!(shown));
    put("imageID", json!(image.map_or("", |image| &*image.id)));
    if let Some(id) = id(state) {
        put("containerID", json!(format!("gantry://{id}")));
    }
    if container.kind != ContainerKind::Ephemeral {
        put("started", json!(state.has_started()));
    }
    let in_force = state.in_force.as_ref().unwrap_or(&container.resources);
    let kept = if worker.resizing.is_allocated() {
        &container.resources
    } else {
        in_force
    };
    if !kept.requests.is_empty() {
        put("allocatedResources", json!(kept.requests));
    }
    put("resources", resources(in_force));
    if !container.volume_mounts.is_empty() {
        put(
            "volumeMounts",
            container.volume_mounts.iter().map(mount).collect(),
        );
    }
    if let Some(user) = user(state) {
        put("user", runs_as(user));
    }
    Value::Object(body)
}

/// `state` and `lastState`.
fn states(worker: &Worker, container: &Container, state: &State) -> (Value, Value) {
    let ended = |dead: &Option<Dead>| dead.as_ref().map_or_else(|| json!({}), terminated);
    if let Some(up) = state.up().filter(|up| up.post_start == Hooked::Done) {
        return (
            json!({"running": {"startedAt": timestamp(up.at)}}),
            ended(&state.last),
        );
    }
    if let Some(fault) = shown(worker, container, state) {
        let waiting = json!({"waiting": {"reason": fault.reason, "message": fault.message}});
        let last = if state.dead.is_some() {
            &state.dead
        } else {
            &state.last
        };
        return (waiting, ended(last));
    }
    if state.dead.is_some() {
        return (ended(&state.dead), ended(&state.last));
    }
    let over = matches!(worker.life, Life::TearingDown(_) | Life::Finished(_));
    // Before its init containers were done it never could have run.
    let could = container.kind == ContainerKind::Regular && has_begun(worker);
    if over && could {
        return (unlocated(), ended(&state.last));
    }
    (
        json!({"waiting": {"reason": waits(worker, container)}}),
        ended(&state.last),
    )
}

/// Why a container that nobody has tried to start yet waits.
fn waits(worker: &Worker, container: &Container) -> &'static str {
    let has_init = worker
        .pod
        .spec
        .all
        .iter()
        .any(|container| container.kind.is_init());
    let first = container.kind == ContainerKind::Ephemeral || !has_init;
    if first {
        "ContainerCreating"
    } else {
        "PodInitializing"
    }
}

/// A container of a pod that is over, and was never there.
fn unlocated() -> Value {
    json!({"terminated": {
        "exitCode": 137, "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
        "startedAt": null, "finishedAt": null,
    }})
}

fn terminated(dead: &Dead) -> Value {
    let ended = &dead.ended;
    let started = ended.started.unwrap_or(SystemTime::UNIX_EPOCH);
    let mut body = json!({
        "exitCode": ended.code, "reason": reason(ended),
        "startedAt": timestamp(started), "finishedAt": timestamp(ended.finished),
    });
    if !ended.message.is_empty() {
        body["message"] = json!(ended.message);
    }
    if let Some(id) = &dead.id {
        body["containerID"] = json!(format!("gantry://{id}"));
    }
    json!({"terminated": body})
}

fn reason(ended: &Ended) -> &'static str {
    match (ended.how, ended.code) {
        (How::Exited, 0) => "Completed",
        (How::Exited, _) => "Error",
        (How::OutOfMemory, _) => "OOMKilled",
        (How::NotStarted, _) => "StartError",
        (How::Unknown, _) => "ContainerStatusUnknown",
    }
}

/// Of the newest container that was made.
fn image(state: &State) -> Option<&ImageFound> {
    let up = state.up().map(|up| &up.image);
    let dead = state.dead.as_ref().or(state.last.as_ref());
    up.or_else(|| dead.and_then(|dead| dead.image.as_ref()))
}

fn id(state: &State) -> Option<&crate::container::ContainerId> {
    let up = state.up().map(|up| &up.id);
    let dead = state.dead.as_ref().or(state.last.as_ref());
    up.or_else(|| dead.and_then(|dead| dead.id.as_ref()))
}

fn user(state: &State) -> Option<&RunsAs> {
    let up = state.up().and_then(|up| up.user.as_ref());
    let dead = state.dead.as_ref().or(state.last.as_ref());
    up.or_else(|| dead.and_then(|dead| dead.user.as_ref()))
}

fn resources(in_force: &Limits) -> Value {
    let mut body = Map::new();
    for (name, list) in [("limits", &in_force.limits), ("requests", &in_force.requests)] {
        if !list.is_empty() {
            body.insert(name.to_owned(), json!(list));
        }
    }
    Value::Object(body)
}

fn mount(mount: &VolumeMount) -> Value {
    let mut body = json!({"name": mount.name, "mountPath": mount.mount_path});
    if mount.read_only {
        body["readOnly"] = json!(true);
        body["recursiveReadOnly"] = json!(mount.recursive_read_only.as_deref().unwrap_or("Disabled"));
    }
    body
}

fn runs_as(user: &RunsAs) -> Value {
    json!({"linux": {"uid": user.uid, "gid": user.gid, "supplementalGroups": user.supplemental_groups}})
}
