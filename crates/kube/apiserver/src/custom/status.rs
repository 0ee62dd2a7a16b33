//! What the server itself writes about a definition.

use schema::BUILTIN;
use schema::cursor;
use schema::object::Obj;
use schema::tree::{Struct, Value};

use super::names::Accepted;
use super::{GROUP, PREFIX, own};
use crate::Answer;
use crate::registry::rfc3339;
use crate::server::State;

const DEFINITIONS: own::Kind = own::Kind {
    group: GROUP,
    api_version: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    prefix: PREFIX,
};

/// The tree of a stored definition.
pub(super) fn read(object: &Obj) -> Option<Struct> {
    DEFINITIONS.read(object)
}

/// Now, as objects show it.
pub(super) fn now(state: &State) -> String {
    rfc3339(state.env.wall())
}

/// Writes a definition whose status has changed; false if somebody else was first, whose change will be seen too.
///
/// # Errors
/// The store's.
pub(super) async fn write(state: &State, object: &Obj, old: &Struct, new: Struct) -> Answer<bool> {
    DEFINITIONS.write(state, object, old, new).await
}

/// Sets `status.acceptedNames`.
pub(super) fn set_names(definition: &mut Struct, names: &Accepted) {
    let mut set = |name: &str, text: &str| {
        let path = format!("status.acceptedNames.{name}");
        match text {
            "" => drop(cursor::remove(&BUILTIN, definition, &path)),
            text => cursor::set(&BUILTIN, definition, &path, Value::str(text)),
        }
    };
    set("plural", &names.plural);
    set("singular", &names.singular);
    set("kind", &names.kind);
    set("listKind", &names.list_kind);
    for (name, texts) in [
        ("shortNames", &names.short_names),
        ("categories", &names.categories),
    ] {
        let path = format!("status.acceptedNames.{name}");
        let list: Vec<Value> = texts.iter().map(|text| Value::str(text)).collect();
        match list.is_empty() {
            true => drop(cursor::remove(&BUILTIN, definition, &path)),
            false => cursor::set(&BUILTIN, definition, &path, Value::List(list)),
        }
    }
}
