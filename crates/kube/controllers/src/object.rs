//! Objects as controllers edit them: the whole JSON, so that nothing they do not know is lost.

use client::Resource;
use schema::json::pick;
use schema::object::{Meta, Obj, Order, Prefix};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::act::{Action, Target};
use crate::driver::Failed;

/// A text, number or boolean of an object; empty if there is none.
pub(crate) fn text(object: &Obj, path: &[&str]) -> String {
    pick(object.body(), path)
        .map(|text| text.into_owned())
        .unwrap_or_default()
}

/// The object read into a type that says what one controller looks at.
///
/// # Errors
/// [`Failed::Unread`]
pub(crate) fn read<T: DeserializeOwned>(object: &Obj) -> Result<T, Failed> {
    serde_json::from_slice(object.body()).map_err(|error| Failed::Unread(error.to_string()))
}

/// The object as the server shows it, to be changed and sent back.
///
/// # Errors
/// [`Failed::Unread`]
pub(crate) fn editable(resource: &Resource, object: &Obj) -> Result<Value, Failed> {
    let prefix = Prefix::new(&resource.api_version(), &resource.kind, Order::Declared);
    serde_json::from_slice(&object.served(&prefix)).map_err(|error| Failed::Unread(error.to_string()))
}

/// Where an object is.
pub(crate) fn target(resource: &Resource, meta: &Meta) -> Target {
    Target::new(resource, &meta.namespace, &meta.name)
}

/// Whether the object holds a finalizer.
pub(crate) fn has_finalizer(meta: &Meta, finalizer: &str) -> bool {
    meta.finalizers.iter().any(|own| **own == *finalizer)
}

/// Takes a finalizer off an object by a patch that fails if somebody else has moved it.
pub(crate) fn drop_finalizer(resource: &Resource, meta: &Meta, finalizer: &str) -> Option<Action> {
    let at = meta.finalizers.iter().position(|own| **own == *finalizer)?;
    let path = format!("/metadata/finalizers/{at}");
    Some(Action::Patch {
        target: target(resource, meta),
        patch: json!([
            {"op": "test", "path": "/metadata/uid", "value": meta.uid},
            {"op": "test", "path": path, "value": finalizer},
            {"op": "remove", "path": path},
        ]),
    })
}

/// The same by an update, for those whose rights end there.
///
/// # Errors
/// [`Failed::Unread`]
pub(crate) fn update_without(resource: &Resource, object: &Obj, finalizer: &str) -> Result<Action, Failed> {
    let mut value = editable(resource, object)?;
    if let Some(Value::Array(finalizers)) = value.pointer_mut("/metadata/finalizers") {
        finalizers.retain(|own| own.as_str() != Some(finalizer));
    }
    Ok(Action::Update {
        target: target(resource, &object.meta),
        object: value,
    })
}

/// Writes a status, if it is another than it was. Both are the controller's own reading, which holds all of it.
///
/// # Errors
/// [`Failed::Unread`]
pub(crate) fn status_update<S: PartialEq + Serialize>(
    resource: &Resource,
    object: &Obj,
    (old, new): (&S, &S),
) -> Result<Option<Action>, Failed> {
    (old != new)
        .then(|| status_write(resource, object, new))
        .transpose()
}

/// Writes a status.
///
/// # Errors
/// [`Failed::Unread`]
pub(crate) fn status_write(
    resource: &Resource,
    object: &Obj,
    status: &impl Serialize,
) -> Result<Action, Failed> {
    let mut value = editable(resource, object)?;
    value["status"] = serde_json::to_value(status).map_err(|error| Failed::Unread(error.to_string()))?;
    Ok(Action::Update {
        target: target(resource, &object.meta).below("status"),
        object: value,
    })
}

/// `namespace` and `name` of a key of the informers.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}
