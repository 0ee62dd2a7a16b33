//! What Go cannot tell from nothing, and what it puts where nothing was given.

use crate::row::{Emit, Form, Kind, Shape, TypeId};
use crate::tree::{Struct, Value};

/// Kinds that Go decodes with an `UnmarshalJSON`, whose errors end the decoding.
pub(super) fn has_unmarshaler(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Time | Kind::MicroTime | Kind::Duration | Kind::Quantity | Kind::IntOrString
    )
}

/// Kinds that `null` resets even where Go holds them by value.
pub(super) fn is_slice_or_unmarshaler(kind: Kind) -> bool {
    has_unmarshaler(kind) || matches!(kind, Kind::Bytes | Kind::Strings | Kind::Raw)
}

/// Whether a canonical tree leaves the value out: Go could not tell it from an absent one.
pub(crate) fn vanishes(form: &Form, value: &Value) -> bool {
    match form.shape {
        _ if matches!(form.emit, Emit::Present | Emit::Nullable) => false,
        Shape::Ptr => false,
        Shape::Value => value.is_zero(form.kind) || (form.emit == Emit::NonEmpty && value.is_empty()),
        Shape::List | Shape::Map => form.emit == Emit::NonEmpty && value.is_empty(),
    }
}

/// What Go puts into a list or map for `null`.
pub(crate) fn zero(kind: Kind, ty: TypeId) -> Value {
    match kind {
        Kind::Bool | Kind::SchemaOrBool => Value::Bool(false),
        Kind::Int32 | Kind::Int64 | Kind::IntOrString => Value::Int(0),
        Kind::Float64 => Value::Float(0.0),
        Kind::String => Value::str(""),
        Kind::Struct => Value::Struct(Box::new(Struct::new(ty))),
        Kind::Quantity => Value::str("0"),
        Kind::Duration => Value::str("0s"),
        Kind::Bytes | Kind::Strings | Kind::Time | Kind::MicroTime | Kind::Raw => Value::Null,
        Kind::SchemaOrArray | Kind::SchemaOrStrings | Kind::Any | Kind::Nested => Value::Null,
    }
}
