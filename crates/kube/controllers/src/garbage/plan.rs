//! What is to become of an object, judged by its owners.

use std::sync::Arc;

use client::{DeleteOptions, Preconditions, Propagation};
use schema::object::{Meta, Obj, OwnerReference};
use serde_json::{Value, json};

use super::index::Place;
use super::{FOREGROUND, ORPHAN};
use crate::act::Action;
use crate::object::{drop_finalizer, has_finalizer, target};
use crate::world::{Table, Tracked};

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// An owner that is there and stays.
    Solid,
    /// Nothing.
    Absent,
    /// An owner that waits for its dependents to go.
    Waiting,
    /// A kind that is not served: nobody can say.
    Unknown,
    /// A namespaced kind, named by an object of the cluster: never valid, and never acted on.
    Impossible,
}

/// What is to be done with an object.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// Nothing until the kind of an owner is served.
    Unknown,
    /// This.
    Act(Vec<Action>),
}

/// What each reference of an object leads to.
pub(super) fn owners(table: &Table, meta: &Meta) -> Vec<Owner> {
    meta.owner_references
        .iter()
        .map(|reference| owner(table, meta, reference))
        .collect()
}

fn owner(table: &Table, meta: &Meta, reference: &OwnerReference) -> Owner {
    let Some(tracked) = table.by_kind(&reference.api_version, &reference.kind) else {
        return Owner::Unknown;
    };
    if tracked.resource().namespaced && meta.namespace.is_empty() {
        return Owner::Impossible;
    }
    let found = find(tracked, &meta.namespace, &reference.name);
    match found.filter(|owner| owner.meta.uid == reference.uid) {
        None if !tracked.informer.synced() => Owner::Unknown,
        None => Owner::Absent,
        Some(owner) if owner.meta.deletion_timestamp.is_some() && has_finalizer(&owner.meta, FOREGROUND) => {
            Owner::Waiting
        }
        Some(_) => Owner::Solid,
    }
}

fn find(tracked: &Tracked, namespace: &str, name: &str) -> Option<Arc<Obj>> {
    let snapshot = tracked.informer.snapshot();
    match tracked.resource().namespaced {
        true => snapshot.get(&format!("{namespace}/{name}")).cloned(),
        false => snapshot.get(name).cloned(),
    }
}

/// Judges a living object.
pub(super) fn plan(place: &Place, object: &Obj, owners: &[Owner], dependents: &[Place]) -> Verdict {
    let any = |kind: Owner| owners.contains(&kind);
    if owners.is_empty() || any(Owner::Impossible) {
        return Verdict::Keep;
    }
    if any(Owner::Unknown) {
        return Verdict::Unknown;
    }
    if any(Owner::Solid) {
        return cut(place, &object.meta, owners);
    }
    if any(Owner::Waiting) && !dependents.is_empty() {
        let circle = dependents.iter().any(waits);
        let unblock = circle.then(|| unblock(place, &object.meta)).flatten();
        // What unblocks changes the version, so the deletion is planned when that is seen.
        return Verdict::Act(vec![
            unblock.unwrap_or_else(|| delete(place, object, Propagation::Foreground)),
        ]);
    }
    let propagation = match &object.meta {
        meta if has_finalizer(meta, ORPHAN) => Propagation::Orphan,
        meta if has_finalizer(meta, FOREGROUND) => Propagation::Foreground,
        _ => Propagation::Background,
    };
    Verdict::Act(vec![delete(place, object, propagation)])
}

fn waits(place: &Place) -> bool {
    place.object().is_some_and(|object| {
        object.meta.deletion_timestamp.is_some() && has_finalizer(&object.meta, FOREGROUND)
    })
}

/// Takes the references off that lead nowhere, or to an owner that waits: another owner keeps the object.
fn cut(place: &Place, meta: &Meta, owners: &[Owner]) -> Verdict {
    let loose: Vec<usize> = (0..owners.len())
        .filter(|at| owners[*at] != Owner::Solid)
        .collect();
    if loose.is_empty() {
        return Verdict::Keep;
    }
    Verdict::Act(vec![remove_references(place, meta, &loose)])
}

/// Takes references off by a patch that tests that they are the ones.
pub(super) fn remove_references(place: &Place, meta: &Meta, which: &[usize]) -> Action {
    let mut patch = vec![json!({"op": "test", "path": "/metadata/uid", "value": meta.uid})];
    // From the end: what is removed moves what is behind it.
    for at in which.iter().rev() {
        let path = format!("/metadata/ownerReferences/{at}");
        let uid = &meta.owner_references[*at].uid;
        patch.push(json!({"op": "test", "path": format!("{path}/uid"), "value": uid}));
        patch.push(json!({"op": "remove", "path": path}));
    }
    Action::Patch {
        target: target(place.resource(), meta),
        patch: Value::Array(patch),
    }
}

/// Makes references that block into ones that do not, so that a circle of owners can end.
fn unblock(place: &Place, meta: &Meta) -> Option<Action> {
    let mut patch = vec![json!({"op": "test", "path": "/metadata/uid", "value": meta.uid})];
    for (at, reference) in meta.owner_references.iter().enumerate() {
        if reference.block_owner_deletion {
            let path = format!("/metadata/ownerReferences/{at}");
            patch.push(json!({"op": "test", "path": format!("{path}/uid"), "value": reference.uid}));
            patch
                .push(json!({"op": "replace", "path": format!("{path}/blockOwnerDeletion"), "value": false}));
        }
    }
    (patch.len() > 1).then(|| Action::Patch {
        target: target(place.resource(), meta),
        patch: Value::Array(patch),
    })
}

/// Deletes the object as it was judged, and not as somebody has changed it meanwhile.
fn delete(place: &Place, object: &Obj, propagation: Propagation) -> Action {
    Action::Delete {
        target: target(place.resource(), &object.meta),
        options: DeleteOptions {
            preconditions: Some(Preconditions {
                uid: Some(object.meta.uid.to_string()),
                resource_version: Some(object.rev.0.to_string()),
            }),
            propagation_policy: Some(propagation),
            ..DeleteOptions::default()
        },
    }
}

/// Takes a finalizer of ours off.
pub(super) fn let_go(place: &Place, meta: &Meta, finalizer: &str) -> Option<Action> {
    drop_finalizer(place.resource(), meta, finalizer)
}

/// References to owners that do exist, but in another namespace: people have to hear of that.
pub(super) fn elsewhere(table: &Table, meta: &Meta, owners: &[Owner]) -> Vec<String> {
    let absent = meta
        .owner_references
        .iter()
        .zip(owners)
        .filter(|(_, owner)| **owner == Owner::Absent);
    let moved = absent.filter(|(reference, _)| {
        let tracked = table.by_kind(&reference.api_version, &reference.kind);
        tracked.is_some_and(|tracked| {
            tracked.resource().namespaced
                && tracked
                    .informer
                    .snapshot()
                    .iter()
                    .any(|object| object.meta.uid == reference.uid)
        })
    });
    moved
        .map(|(reference, _)| describe(reference, &meta.namespace))
        .collect()
}

/// Upstream's words for a reference and the namespace it is looked for in.
fn describe(reference: &OwnerReference, namespace: &str) -> String {
    let OwnerReference {
        api_version,
        kind,
        name,
        uid,
        ..
    } = reference;
    format!("[{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}]")
}
