//! The ordered plugins that change and check objects before they are stored.
//!
//! Of upstream's there is `NamespaceLifecycle` so far: nothing is made in a namespace that does not exist or that is on
//! its way out, and the namespaces that a cluster cannot do without stay.

mod namespace_lifecycle;

use schema::cursor::Ref;

use crate::Answer;
use crate::registry::Op;

/// Judges a new object.
///
/// # Errors
/// The first plugin's that objects.
pub(crate) fn create(op: &Op<'_>, _: Ref<'_>) -> Answer<()> {
    namespace_lifecycle::create(op)
}

/// Judges an update, or a creation by way of one.
///
/// # Errors
/// The first plugin's that objects.
pub(crate) fn update(op: &Op<'_>, object: Ref<'_>, old: Option<Ref<'_>>) -> Answer<()> {
    if old.is_none() { create(op, object) } else { Ok(()) }
}

/// Judges a deletion.
///
/// # Errors
/// The first plugin's that objects.
pub(crate) fn delete(op: &Op<'_>, _: Ref<'_>) -> Answer<()> {
    namespace_lifecycle::delete(op)
}
