//! What is in a namespace.

use std::sync::Arc;

use schema::object::Obj;

use super::conditions::Findings;
use crate::world::Tracked;

/// The objects of a resource that nobody has begun to delete.
pub(super) fn undeleted(tracked: &Tracked, namespace: &str) -> Vec<Arc<Obj>> {
    let below = format!("{namespace}/");
    let snapshot = tracked.informer.snapshot();
    let living = snapshot
        .range(&below, "")
        .filter(|object| object.meta.deletion_timestamp.is_none());
    living.cloned().collect()
}

/// Counts what remains of a resource, and by which finalizers.
pub(super) fn count(tracked: &Tracked, namespace: &str, findings: &mut Findings) {
    let below = format!("{namespace}/");
    let snapshot = tracked.informer.snapshot();
    let resource = tracked.resource();
    for object in snapshot.range(&below, "") {
        findings.remains(
            resource,
            object.meta.finalizers.iter().map(|finalizer| &**finalizer),
        );
    }
}
