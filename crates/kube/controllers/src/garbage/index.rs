//! From owners to dependents: the only thing that the collector keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use apiserver::cache::Snapshot;
use client::Resource;
use schema::object::Obj;

use crate::world::Tracked;

/// Where an object is: its resource, and its key there.
#[derive(Clone)]
pub(crate) struct Place {
    of: Arc<Tracked>,
    key: Arc<str>,
}

impl Place {
    pub(super) fn new(of: &Arc<Tracked>, object: &Obj) -> Self {
        Self {
            of: of.clone(),
            key: (&*object.key).into(),
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        self.of.resource()
    }

    /// The object that is there now.
    pub(super) fn object(&self) -> Option<Arc<Obj>> {
        self.of.informer.snapshot().get(&self.key).cloned()
    }

    fn parts(&self) -> (&str, &str, &str) {
        let resource = self.resource();
        (&resource.group, &resource.plural, &self.key)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource().group_resource(), self.key)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// Who depends on one owner.
#[derive(Debug, Default)]
struct Dependents {
    /// With whether the owner's foreground deletion waits for it.
    places: BTreeMap<Place, bool>,
    blocking: usize,
    /// The owner itself, once it waits for its dependents.
    waiting: Option<Place>,
}

impl Dependents {
    fn insert(&mut self, place: &Place, blocks: bool) {
        let before = self.places.insert(place.clone(), blocks);
        self.blocking += usize::from(blocks);
        self.blocking -= usize::from(before == Some(true));
    }

    fn remove(&mut self, place: &Place) {
        if self.places.remove(place) == Some(true) {
            self.blocking -= 1;
        }
    }

    fn is_unused(&self) -> bool {
        self.places.is_empty() && self.waiting.is_none()
    }
}

/// Owners' uids and their dependents. As large as there are references, whatever the number of objects.
#[derive(Debug, Default)]
pub(super) struct Index {
    owners: BTreeMap<Box<str>, Dependents>,
    /// Objects with an owner of a kind that is not served.
    unknown: BTreeSet<Place>,
    /// Objects that came with an owner who is not there.
    new: BTreeSet<Place>,
    /// Resources whose objects were told once, by group and plural.
    told: BTreeSet<(String, String)>,
}

impl Index {
    /// Takes in a change; answers owners who waited for the last of those that block them.
    pub(super) fn record(&mut self, place: &Place, new: Option<&Obj>, old: Option<&Obj>) -> Vec<Place> {
        let mut freed = Vec::new();
        let still: BTreeSet<&str> = new.into_iter().flat_map(uids).collect();
        for uid in old.into_iter().flat_map(uids).filter(|uid| !still.contains(uid)) {
            self.remove(uid, place, &mut freed);
        }
        if let Some(object) = new {
            for reference in &object.meta.owner_references {
                let dependents = self.owners.entry(reference.uid.clone()).or_default();
                dependents.insert(place, reference.block_owner_deletion);
                freed.extend(dependents.waiting.clone().filter(|_| dependents.blocking == 0));
            }
        }
        self.record_waiting(place, new, old);
        freed
    }

    fn record_waiting(&mut self, place: &Place, new: Option<&Obj>, old: Option<&Obj>) {
        let gone = |old: &&Obj| new.is_none_or(|new| new.meta.uid != old.meta.uid);
        if let Some(old) = old.filter(gone)
            && let Some(dependents) = self.owners.get_mut(&old.meta.uid)
        {
            dependents.waiting = None;
            if dependents.is_unused() {
                self.owners.remove(&old.meta.uid);
            }
        }
        if let Some(new) = new.filter(|new| super::is_waiting(&new.meta)) {
            self.owners.entry(new.meta.uid.clone()).or_default().waiting = Some(place.clone());
        }
    }

    fn remove(&mut self, uid: &str, place: &Place, freed: &mut Vec<Place>) {
        let Some(dependents) = self.owners.get_mut(uid) else {
            return;
        };
        dependents.remove(place);
        freed.extend(dependents.waiting.clone().filter(|_| dependents.blocking == 0));
        if dependents.is_unused() {
            self.owners.remove(uid);
        }
    }

    /// All objects of a resource are told anew. Forgets dependents that are not there any more; answers owners as
    /// [`Self::record`] does. After the first time owners may have gone unseen: then all dependents are answered.
    pub(super) fn retell(&mut self, of: &Arc<Tracked>, snapshot: &Snapshot) -> Vec<Place> {
        let resource = of.resource();
        let name = (resource.group.to_string(), resource.plural.to_string());
        if self.told.insert(name) {
            return Vec::new();
        }
        let mut touched = self.forget_absent(of, snapshot);
        let dependents = self
            .owners
            .values()
            .flat_map(|dependents| dependents.places.keys());
        touched.extend(dependents.cloned());
        touched
    }

    fn forget_absent(&mut self, of: &Arc<Tracked>, snapshot: &Snapshot) -> Vec<Place> {
        let mut freed = Vec::new();
        let absent = |place: &Place| place.resource() == of.resource() && snapshot.get(&place.key).is_none();
        for dependents in self.owners.values_mut() {
            let gone: Vec<Place> = dependents
                .places
                .keys()
                .filter(|place| absent(place))
                .cloned()
                .collect();
            gone.iter().for_each(|place| dependents.remove(place));
            dependents.waiting.take_if(|owner| absent(owner));
            freed.extend(dependents.waiting.clone().filter(|_| dependents.blocking == 0));
        }
        self.owners.retain(|_, dependents| !dependents.is_unused());
        freed
    }

    /// Who depends on an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Place> {
        let found = self.owners.get(uid).into_iter();
        found
            .flat_map(|dependents| dependents.places.keys().cloned())
            .collect()
    }

    /// Whether anybody blocks the foreground deletion of an owner.
    pub(super) fn is_blocked(&self, uid: &str) -> bool {
        self.owners
            .get(uid)
            .is_some_and(|dependents| dependents.blocking > 0)
    }

    /// Keeps an object for when more is served.
    pub(super) fn remember_unknown(&mut self, place: &Place) {
        self.unknown.insert(place.clone());
    }

    /// Keeps an object in mind that came with an owner who is not there, until it is judged.
    pub(super) fn remember_new(&mut self, place: &Place) {
        self.new.insert(place.clone());
    }

    pub(super) fn take_new(&mut self, place: &Place) -> bool {
        self.new.remove(place)
    }

    #[expect(
        clippy::mutable_key_type,
        reason = "places are ordered by names alone, which do not change"
    )]
    pub(super) fn take_unknown(&mut self) -> BTreeSet<Place> {
        std::mem::take(&mut self.unknown)
    }
}

fn uids(object: &Obj) -> impl Iterator<Item = &str> {
    object
        .meta
        .owner_references
        .iter()
        .map(|reference| &*reference.uid)
}
