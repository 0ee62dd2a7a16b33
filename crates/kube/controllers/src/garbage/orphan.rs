//! An owner that goes and leaves its dependents.

use std::sync::Arc;

use schema::object::Obj;

use super::index::Place;
use super::{ORPHAN, plan};
use crate::act::Action;
use crate::driver::{Cx, Failed};
use crate::world::Tracked;

/// Takes the owner off all dependents, and then its finalizer off the owner.
///
/// The dependents are asked of the informers, not of the index, which may be a moment behind: one that was left out
/// would be collected when the owner is gone.
pub(super) async fn release(cx: &Cx, key: &Place, owner: &Obj) -> Result<(), Failed> {
    let table = cx.world.table();
    let actions: Vec<Action> = table.all().flat_map(|tracked| releases(tracked, owner)).collect();
    cx.perform_all(actions).await?;
    cx.perform(plan::let_go(key, &owner.meta, ORPHAN)).await
}

/// What takes the owner off the objects of one resource.
fn releases(tracked: &Arc<Tracked>, owner: &Obj) -> Vec<Action> {
    let snapshot = tracked.informer.snapshot();
    let below = match &*owner.meta.namespace {
        "" => String::new(),
        namespace => format!("{namespace}/"),
    };
    let release = |object: &Arc<Obj>| {
        let references = object.meta.owner_references.iter().enumerate();
        let own = references.filter(|(_, reference)| reference.uid == owner.meta.uid);
        let which: Vec<usize> = own.map(|(at, _)| at).collect();
        let place = Place::new(tracked, object);
        (!which.is_empty()).then(|| plan::remove_references(&place, &object.meta, &which))
    };
    snapshot.range(&below, "").filter_map(release).collect()
}
