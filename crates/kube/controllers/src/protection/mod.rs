//! What is in use stays: finalizers on volumes, claims and classes that are being deleted are taken off only when nobody
//! uses them any more (upstream's `pvcprotection`, `pvprotection`, `vacprotection`). Admission puts them on.

mod claim;
mod class;
mod volume;

pub(crate) use claim::Claims;
pub(crate) use class::Classes;
pub(crate) use volume::Volumes;

use schema::object::Obj;

use crate::object::has_finalizer;

/// Whether an object is on its way out and held by this finalizer.
fn is_held(object: &Obj, finalizer: &str) -> bool {
    object.meta.deletion_timestamp.is_some() && has_finalizer(&object.meta, finalizer)
}
