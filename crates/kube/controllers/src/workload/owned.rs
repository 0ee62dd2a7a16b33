//! Whose object is whose: an index from controllers to what they own, and taking in and letting go by labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apiserver::cache::Snapshot;
use client::{Change, Resource};
use schema::object::{Meta, Obj, OwnerReference};
use serde_json::{Value, json};

use super::template::{controller, stem};
use crate::act::Action;
use crate::object::{has_finalizer, split, target};
use crate::selector::LabelSelector;

/// The reference to the controller of an object.
pub(crate) fn controller_of(meta: &Meta) -> Option<&OwnerReference> {
    meta.owner_references
        .iter()
        .find(|reference| reference.controller)
}

/// The keys of the owners of one kind that a change concerns: the one it has, and the one it had.
pub(crate) fn owners<'a>(kind: &Resource, change: &'a Change) -> impl Iterator<Item = Box<str>> + use<'a> {
    let (name, group) = (kind.kind.clone(), kind.group.clone());
    let sides = [change.object.as_deref(), change.previous.as_deref()];
    let mut found: Vec<Box<str>> = Vec::new();
    for meta in sides.into_iter().flatten().map(|object| &object.meta) {
        let owner = controller_of(meta).filter(|owner| {
            let of_group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
            *owner.kind == *name && of_group == group
        });
        found.extend(owner.map(|owner| format!("{}/{}", meta.namespace, owner.name).into()));
    }
    found.dedup();
    found.into_iter()
}

/// Whether a change may give an object without a controller a new one: it is new, was let go, or has other labels.
pub(crate) fn may_be_adopted(change: &Change) -> bool {
    let Some(new) = change.object.as_deref() else {
        return false;
    };
    let free = controller_of(&new.meta).is_none() && new.meta.deletion_timestamp.is_none();
    let same = |old: &Arc<Obj>| {
        controller_of(&old.meta).is_none()
            && old.meta.uid == new.meta.uid
            && old.meta.labels == new.meta.labels
    };
    free && !change.previous.as_ref().is_some_and(same)
}

/// Keys of objects by something.
type Keys = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

#[derive(Default)]
struct Index {
    /// By the uid of their controller.
    owned: Keys,
    /// Of those without one, by namespace.
    orphans: Keys,
}

impl Index {
    fn place(&mut self, meta: &Meta) -> (&mut Keys, Box<str>) {
        match controller_of(meta) {
            Some(owner) => (&mut self.owned, owner.uid.clone()),
            None => (&mut self.orphans, meta.namespace.clone()),
        }
    }

    fn add(&mut self, object: &Obj) {
        let (map, key) = self.place(&object.meta);
        map.entry(key).or_default().insert(object.key.clone());
    }

    fn remove(&mut self, object: &Obj) {
        let (map, key) = self.place(&object.meta);
        if let Some(keys) = map.get_mut(&key) {
            keys.remove(&object.key);
            if keys.is_empty() {
                map.remove(&key);
            }
        }
    }
}

/// The objects of one resource by their controllers. A feed keeps it, which may be behind the informers by what was
/// written last; so what it says is looked up again in a snapshot, and what controllers make themselves is found by the
/// names that they give.
#[derive(Default)]
pub(crate) struct Owned(Mutex<Index>);

impl Owned {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of a change.
    pub(crate) fn record(&self, change: &Change) {
        let mut index = self.index();
        if let Some(old) = &change.previous {
            index.remove(old);
        }
        if let Some(new) = &change.object {
            index.add(new);
        }
    }

    /// Hears how things stand, at once: nobody sees half of it.
    pub(crate) fn retell(&self, snapshot: &Snapshot) {
        let mut index = Index::default();
        snapshot.iter().for_each(|object| index.add(object));
        *self.index() = index;
    }

    /// What an owner has or might take in: objects of its namespace whose controller it is, or that have none.
    pub(crate) fn candidates(&self, snapshot: &Snapshot, owner: &Meta) -> Vec<Arc<Obj>> {
        let mut keys: BTreeSet<Box<str>> = BTreeSet::new();
        {
            let index = self.index();
            let known = [index.owned.get(&owner.uid), index.orphans.get(&owner.namespace)];
            keys.extend(known.into_iter().flatten().flatten().cloned());
        }
        let own = format!("{}/{}", owner.namespace, stem(&owner.name));
        keys.extend(snapshot.range(&own, "").map(|object| object.key.clone()));
        let there = keys.iter().filter_map(|key| snapshot.get(key));
        let concerned = |object: &&Arc<Obj>| {
            controller_of(&object.meta).is_none_or(|controller| controller.uid == owner.uid)
        };
        there.filter(concerned).cloned().collect()
    }
}

/// What is whose.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    /// What the owner has, and its selector selects.
    pub(crate) mine: Vec<Arc<Obj>>,
    /// What takes in and lets go. After these, all is looked at again.
    pub(crate) actions: Vec<Action>,
}

/// Who claims objects.
pub(crate) struct Claimant<'a> {
    pub(crate) kind: &'a Resource,
    pub(crate) meta: &'a Meta,
    pub(crate) selector: &'a LabelSelector,
    /// What those that are taken in get, so that they do not go unseen.
    pub(crate) finalizer: Option<&'static str>,
}

impl Claimant<'_> {
    /// Sorts candidates. Orphans that are selected are taken in, unless they or the owner are being deleted; what is not
    /// selected any more is let go.
    pub(crate) fn claim(&self, resource: &Resource, candidates: Vec<Arc<Obj>>) -> Claim {
        let mut claim = Claim::default();
        let living = self.meta.deletion_timestamp.is_none();
        for object in candidates {
            let owned = controller_of(&object.meta).is_some();
            match (owned, self.selector.matches(&object.meta)) {
                (true, true) => claim.mine.push(object),
                (true, false) if living => claim.actions.push(self.let_go(resource, &object)),
                (false, true) if living && object.meta.deletion_timestamp.is_none() => {
                    claim.actions.push(self.take_in(resource, &object));
                }
                _ => {}
            }
        }
        claim
    }

    fn take_in(&self, resource: &Resource, object: &Obj) -> Action {
        let mut references: Vec<Value> = object.meta.owner_references.iter().map(reference).collect();
        references.push(controller(self.kind, self.meta));
        let mut changes =
            vec![json!({"op": "add", "path": "/metadata/ownerReferences", "value": references})];
        let missing = self
            .finalizer
            .filter(|finalizer| !has_finalizer(&object.meta, finalizer));
        if let Some(finalizer) = missing {
            let finalizers: Vec<&str> = object
                .meta
                .finalizers
                .iter()
                .map(|own| &**own)
                .chain([finalizer])
                .collect();
            changes.push(json!({"op": "add", "path": "/metadata/finalizers", "value": finalizers}));
        }
        unchanged(resource, object, changes)
    }

    fn let_go(&self, resource: &Resource, object: &Obj) -> Action {
        let others = object.meta.owner_references.iter();
        let others = others.filter(|reference| reference.uid != self.meta.uid);
        let references: Vec<Value> = others.map(reference).collect();
        let change = json!({"op": "add", "path": "/metadata/ownerReferences", "value": references});
        unchanged(resource, object, vec![change])
    }
}

/// As the object was when this was decided, and never otherwise.
fn unchanged(resource: &Resource, object: &Obj, changes: Vec<Value>) -> Action {
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": object.meta.uid}),
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": object.rev.0.to_string()}),
    ];
    patch.extend(changes);
    Action::Patch {
        target: target(resource, &object.meta),
        patch: patch.into(),
    }
}

fn reference(reference: &OwnerReference) -> Value {
    let mut value = json!({
        "apiVersion": reference.api_version, "kind": reference.kind, "name": reference.name, "uid": reference.uid,
    });
    for (member, set) in [
        ("controller", reference.controller),
        ("blockOwnerDeletion", reference.block_owner_deletion),
    ] {
        if set {
            value[member] = true.into();
        }
    }
    value
}

/// The keys of the objects of one resource in a namespace whose selectors select an object. `selector` reads one.
pub(crate) fn selecting<'a>(
    snapshot: &'a Snapshot,
    object: &'a Obj,
    selector: impl Fn(&Obj) -> Option<LabelSelector> + 'a,
) -> Vec<Box<str>> {
    let below = format!("{}/", split(&object.key).0);
    let selects = |owner: &&Arc<Obj>| selector(owner).is_some_and(|selector| selector.matches(&object.meta));
    let found = snapshot.range(&below, "").filter(selects);
    found.map(|owner| owner.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schema::object::{Order, Revision};

    use super::*;
    use crate::resources::{PODS, REPLICA_SETS};

    fn object(name: &str, uid: &str, labels: Value, owner: &str) -> Arc<Obj> {
        let mut body = json!({"metadata": {"name": name, "namespace": "x", "uid": uid, "labels": labels}});
        if !owner.is_empty() {
            let reference = json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": owner, "controller": true,
            });
            body["metadata"]["ownerReferences"] = json!([reference]);
        }
        let bytes = Bytes::from(body.to_string());
        Arc::new(Obj::new(&format!("x/{name}"), Revision(7), bytes, Order::Declared).unwrap())
    }

    fn names(objects: &[Arc<Obj>]) -> Vec<&str> {
        objects.iter().map(|object| &*object.meta.name).collect()
    }

    fn created(object: &Arc<Obj>) -> Change {
        Change {
            object: Some(object.clone()),
            previous: None,
        }
    }

    #[test]
    fn what_is_owned_is_found_by_the_index_and_what_is_new_by_its_name() {
        let (owned, mut snapshot) = (Owned::default(), Snapshot::default());
        let owner = object("web", "u", json!({}), "");
        let known = object("adopted", "1", json!({}), "u");
        let orphan = object("orphan", "2", json!({}), "");
        let other = object("other", "3", json!({}), "v");
        for object in [&known, &orphan, &other] {
            owned.record(&created(object));
            snapshot.insert(object.clone());
        }
        // The feed has not come to these.
        snapshot.insert(object("web-new", "4", json!({}), "u"));
        snapshot.insert(object("web-else", "5", json!({}), "v"));
        assert_eq!(
            names(&owned.candidates(&snapshot, &owner.meta)),
            ["adopted", "orphan", "web-new"]
        );
        snapshot.remove("x/adopted");
        assert_eq!(
            names(&owned.candidates(&snapshot, &owner.meta)),
            ["orphan", "web-new"]
        );
        let gone = Change {
            object: None,
            previous: Some(orphan),
        };
        owned.record(&gone);
        assert_eq!(names(&owned.candidates(&snapshot, &owner.meta)), ["web-new"]);
        snapshot.remove("x/web-new");
        owned.retell(&snapshot);
        assert_eq!(
            names(&owned.candidates(&snapshot, &owner.meta)),
            ["orphan"],
            "as the snapshot says"
        );
    }

    #[test]
    fn orphans_are_taken_in_and_strangers_let_go() {
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap();
        let owner = object("web", "u", json!({}), "");
        let candidates = vec![
            object("mine", "1", json!({"app": "web"}), "u"),
            object("stranger", "2", json!({"app": "x"}), "u"),
            object("orphan", "3", json!({"app": "web"}), ""),
            object("nobody", "4", json!({"app": "x"}), ""),
        ];
        let claimant = |meta| Claimant {
            kind: &REPLICA_SETS,
            meta,
            selector: &selector,
            finalizer: None,
        };
        let claimed = claimant(&owner.meta).claim(&PODS, candidates.clone());
        assert_eq!(names(&claimed.mine), ["mine"]);
        let patched: Vec<(String, Value)> = claimed
            .actions
            .iter()
            .map(|action| match action {
                Action::Patch { target, patch } => (target.name.clone(), patch[2]["value"].clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        let taken = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": true,
            "blockOwnerDeletion": true,
        }]);
        assert_eq!(
            patched,
            [("stranger".to_owned(), json!([])), ("orphan".to_owned(), taken)]
        );
        let mut dying = owner.meta.clone();
        dying.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
        let claimed = claimant(&dying).claim(&PODS, candidates);
        assert!(claimed.actions.is_empty());
        assert_eq!(names(&claimed.mine), ["mine"]);
    }

    #[test]
    fn only_what_is_new_or_relabelled_may_be_adopted() {
        let orphan = object("a", "1", json!({"app": "web"}), "");
        let relabelled = object("a", "1", json!({"app": "x"}), "");
        let owned = object("a", "1", json!({"app": "web"}), "u");
        let change = |new: &Arc<Obj>, old: Option<&Arc<Obj>>| Change {
            object: Some(new.clone()),
            previous: old.cloned(),
        };
        assert!(may_be_adopted(&change(&orphan, None)));
        assert!(may_be_adopted(&change(&orphan, Some(&relabelled))));
        assert!(may_be_adopted(&change(&orphan, Some(&owned))));
        assert!(!may_be_adopted(&change(&orphan, Some(&orphan))));
        assert!(!may_be_adopted(&change(&owned, None)));
        assert_eq!(
            owners(&REPLICA_SETS, &change(&owned, Some(&orphan))).collect::<Vec<_>>(),
            ["x/web".into()]
        );
        assert_eq!(owners(&PODS, &change(&owned, None)).count(), 0);
    }
}
