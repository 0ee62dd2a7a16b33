//! The beginning of a definition's end (`registry/customresourcedefinition/etcd.go`).

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};
use structural::definition::CLEANUP;

use super::conditions::{self, Condition};

/// Gives a definition that is deleted for the first time the finalizer that keeps it until its objects are gone, and
/// says so in its conditions. `now` is RFC 3339.
pub(crate) fn begin(types: &Types, definition: &mut Struct, now: &str) {
    let object = Ref::new(types, definition);
    if object.path("metadata.deletionTimestamp").exists() {
        return;
    }
    let held: Vec<Value> = object
        .path("metadata.finalizers")
        .strings()
        .map(Value::str)
        .collect();
    if !held.iter().any(|finalizer| finalizer.as_str() == Some(CLEANUP)) {
        let all = held.into_iter().chain([Value::str(CLEANUP)]).collect();
        cursor::set(types, definition, "metadata.finalizers", Value::List(all));
    }
    let why = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    let condition = Condition::new("Terminating", "True", "InstanceDeletionPending", why);
    conditions::set(types, definition, &condition, now);
}
