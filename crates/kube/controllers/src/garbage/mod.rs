//! The garbage collector (upstream's `garbagecollector`): objects go with their owners.
//!
//! What is kept beside the objects is one index, from owners' uids to their dependents; whether an owner exists is asked
//! of the informers, which are exact in this process. An object needs a look when one of its owners is not, or not for
//! long, there; when it waits for its dependents; and when it is to let go of them. Everything else costs a few
//! comparisons when it changes.

mod index;
mod orphan;
mod plan;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apiserver::cache::Snapshot;
use client::{Change, Level, Resource, Subject};
use schema::object::{Meta, Obj};

use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::has_finalizer;
use crate::world::{Tracked, World};
use index::Index;
pub(crate) use index::Place;
use plan::{Owner, Verdict};

/// The finalizer of an object that goes after its dependents.
const FOREGROUND: &str = "foregroundDeletion";

/// The finalizer of an object whose dependents stay.
const ORPHAN: &str = "orphan";

/// Owners and their dependents.
#[derive(Default)]
pub(crate) struct Garbage {
    index: Mutex<Index>,
}

impl Controller for Garbage {
    type Key = Place;
    const ACCOUNT: &'static str = "generic-garbage-collector";
    const WORKERS: usize = 20;

    /// Events own nothing and are owned by nothing.
    fn follows(&self, resource: &Resource) -> bool {
        resource.plural != "events" || !matches!(&*resource.group, "" | "events.k8s.io")
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        let (new, old) = (change.object.as_deref(), change.previous.as_deref());
        let replaced = new
            .zip(old)
            .is_some_and(|(new, old)| new.meta.uid != old.meta.uid);
        if is_plain(new) && is_plain(old) && new.is_some() && !replaced {
            return;
        }
        let Some(place) = new.or(old).map(|object| Place::new(of, object)) else {
            return;
        };
        let freed = self.index().record(&place, new, old);
        touched.now.extend(freed);
        if let Some(gone) = old.filter(|_| new.is_none() || replaced) {
            touched.now.extend(self.index().dependents(&gone.meta.uid));
        }
        if let Some(object) = new {
            self.look(world, &place, object, old, touched);
        }
    }

    /// Dependents that went unseen are forgotten; whoever waited for them is looked at.
    fn retell(&self, _: &World, of: &Arc<Tracked>, snapshot: &Snapshot, touched: &mut Touched<Self::Key>) {
        touched.now.extend(self.index().retell(of, snapshot));
    }

    fn rediscover(&self, _: &World, touched: &mut Touched<Self::Key>) {
        touched.now.extend(self.index().take_unknown());
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        // Whoever is absent after this was absent when it was asked.
        cx.world.settle().await;
        let Some(object) = key.object() else {
            return Ok(Next::Done);
        };
        let meta = &object.meta;
        if meta.deletion_timestamp.is_some() {
            if has_finalizer(meta, ORPHAN) {
                orphan::release(cx, key, &object).await?;
            } else if has_finalizer(meta, FOREGROUND) && !self.index().is_blocked(&meta.uid) {
                cx.perform(plan::let_go(key, meta, FOREGROUND)).await?;
            }
            return Ok(Next::Done);
        }
        self.judge(cx, key, &object).await
    }
}

/// An object that neither has owners nor waits for dependents. Most are.
fn is_plain(object: Option<&Obj>) -> bool {
    object.is_none_or(|object| object.meta.owner_references.is_empty() && !is_waiting(&object.meta))
}

/// Whether an object on its way out waits for the collector.
fn is_waiting(meta: &Meta) -> bool {
    meta.deletion_timestamp.is_some() && (has_finalizer(meta, FOREGROUND) || has_finalizer(meta, ORPHAN))
}

impl Garbage {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a new or changed object makes necessary.
    fn look(&self, world: &World, place: &Place, new: &Obj, old: Option<&Obj>, touched: &mut Touched<Place>) {
        let meta = &new.meta;
        if is_waiting(meta) {
            if old.is_none_or(|old| !is_waiting(&old.meta)) && has_finalizer(meta, FOREGROUND) {
                touched.now.extend(self.index().dependents(&meta.uid));
            }
            touched.now.push(place.clone());
            return;
        }
        let same = old.is_some_and(|old| old.meta.owner_references == meta.owner_references);
        if same || meta.owner_references.is_empty() || meta.deletion_timestamp.is_some() {
            return;
        }
        let owners = plan::owners(&world.table(), meta);
        if !owners.iter().all(|owner| matches!(owner, Owner::Solid)) {
            self.index().remember_new(place);
            touched.now.push(place.clone());
        }
    }

    /// Judges a living object by its owners.
    async fn judge(&self, cx: &Cx, key: &Place, object: &Obj) -> Result<Next, Failed> {
        let table = cx.world.table();
        let owners = plan::owners(&table, &object.meta);
        let dependents = self.index().dependents(&object.meta.uid);
        match plan::plan(key, object, &owners, &dependents) {
            Verdict::Keep => {}
            Verdict::Unknown => self.index().remember_unknown(key),
            Verdict::Act(actions) => cx.perform(actions).await?,
        }
        // Only now: what is there in another namespace is looked for once, and not for all dependents of what went.
        if self.index().take_new(key) {
            for reference in plan::elsewhere(&table, &object.meta, &owners) {
                report(cx, key, object, &reference);
            }
        }
        Ok(Next::Done)
    }
}

/// Tells people that an owner is in another namespace.
fn report(cx: &Cx, key: &Place, object: &Obj, reference: &str) {
    let namespace = &object.meta.namespace;
    let message = format!("ownerRef {reference} does not exist in namespace {namespace:?}");
    let subject = Subject::of(key.resource(), object);
    cx.recorder
        .event(&subject, Level::Warning, "OwnerRefInvalidNamespace", message);
}
