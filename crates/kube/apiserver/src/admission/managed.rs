//! That admission leaves managers that can be read (upstream's `NewManagedFieldsValidatingAdmissionController`).

use patch::managed;
use schema::cursor::{self, Ref};
use schema::tree::{Struct, Value};

use super::Request;

const MANAGED: &str = "metadata.managedFields";

/// The managers before policies and webhooks, if any may run.
pub(super) fn remember(request: &Request<'_>, object: Option<&Struct>) -> Option<Value> {
    let foreign = super::policy::mutates(request) || super::webhook::mutates(request);
    let object = object.filter(|_| foreign)?;
    Ref::new(request.types, object).path(MANAGED).value().cloned()
}

/// Puts the managers back if those that were left cannot be read, and warns.
pub(super) fn restore(request: &Request<'_>, object: Option<&mut Struct>, before: Option<Value>) {
    let (Some(object), Some(before)) = (object, before) else {
        return;
    };
    let Err(error) = managed::decode(request.types, object).map(drop) else {
        return;
    };
    let why = format!(
        ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: {error}"
    );
    request.op.call.warnings.add(why);
    cursor::set(request.types, object, MANAGED, before);
}
