//! The objects that mutating admission policies make: `Object{spec: Object.spec{…}}` and `JSONPatch{…}`.

use std::sync::Arc;

use crate::types::{Decl, Fields, Object, Type};

/// The fields of an operation of a JSON patch.
const PATCH: &[(&str, Type)] = &[
    ("op", Type::String),
    ("path", Type::String),
    ("from", Type::String),
    ("value", Type::Dyn),
];

/// The type of this name, which is one of them.
pub(crate) fn object_type(name: &str) -> Arc<Object> {
    if name == "JSONPatch" {
        let fields = PATCH.iter().map(|(name, ty)| (*name, Decl::of(ty.clone())));
        return Object::listed(name, fields);
    }
    Arc::new(Object {
        name: name.into(),
        fields: Fields::Any,
    })
}
