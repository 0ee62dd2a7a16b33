//! Reading the trees of objects as values.
//!
//! A value of a declared type is read as declared: a string of format `date-time` is a timestamp. Where
//! nothing is declared it is what its JSON would be: a time and bytes in base64 are text.

use schema::cursor::Ref;
use schema::json;
use schema::row::{Emit, Field, Form, Kind, Shape, Types};
use schema::tree;

use super::map::Source;
use super::{List, Map, Value, time};
use crate::types::{Decl, DeclForm, Type};

/// What is known of where a list or map lies: the table of its rows, and its declaration.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub(crate) types: &'a Types,
    pub(crate) decl: Option<&'a Decl>,
}

impl<'a> Place<'a> {
    /// In an object of these types, of which nothing is declared.
    pub fn new(types: &'a Types) -> Self {
        Self { types, decl: None }
    }

    /// The same as declared.
    #[must_use]
    pub fn declared(self, decl: &'a Decl) -> Self {
        Self {
            decl: Some(decl),
            ..self
        }
    }

    pub(super) fn with(self, decl: Option<&'a Decl>) -> Self {
        Self { decl, ..self }
    }

    /// A tree as a value.
    pub fn value(self, value: &'a tree::Value) -> Value<'a> {
        match value {
            tree::Value::Null => Value::Null,
            tree::Value::Bool(value) => Value::Bool(*value),
            tree::Value::Int(value) => self.int(*value),
            tree::Value::Float(value) => Value::Double(*value),
            tree::Value::Str(text) => self.text(text),
            tree::Value::Bytes(bytes) => self.bytes(bytes),
            tree::Value::Raw(raw) => owned_json(raw.as_str()),
            tree::Value::List(items) => Value::List(List::Tree(items, self)),
            tree::Value::Map(map) => Value::Map(Map::new(Source::Tree(map), self)),
            tree::Value::Struct(object) => self.object(object),
        }
    }

    /// An object as a value.
    pub fn object(self, object: &'a tree::Struct) -> Value<'a> {
        Value::Map(Map::new(Source::Row(object), self))
    }

    /// What a cursor is at, as a value.
    pub fn reference(self, at: Ref<'a>) -> Value<'a> {
        match (at.object(), at.value()) {
            (Some(object), _) => self.object(object),
            (None, Some(value)) => self.value(value),
            (None, None) => Value::Null,
        }
    }

    fn plain(self) -> Option<&'a Type> {
        match &self.decl?.form {
            DeclForm::Plain(ty) => Some(ty),
            _ => None,
        }
    }

    /// A number without a fraction may be a double all the same.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a declared double is as precise as doubles are"
    )]
    fn int(self, value: i64) -> Value<'a> {
        match self.plain() {
            Some(Type::Double) => Value::Double(value as f64),
            _ => Value::Int(value),
        }
    }

    /// What is not of its declared form is text: validation of the schema has complained about it.
    fn text(self, text: &'a str) -> Value<'a> {
        let read = match self.plain() {
            Some(Type::Timestamp) => time::timestamp_or_date(text).map(Value::Timestamp),
            Some(Type::Duration) => time::parse_duration(text).map(Value::Duration),
            Some(Type::Bytes) => crate::library::base64_decode(text).map(Value::blob),
            _ => None,
        };
        read.unwrap_or(Value::str(text))
    }

    fn bytes(self, bytes: &'a [u8]) -> Value<'a> {
        match self.plain() {
            Some(Type::Bytes) => Value::Bytes(super::Blob::Borrowed(bytes)),
            _ => Value::owned(crate::library::base64_encode(bytes)),
        }
    }

    /// What a member that is absent from the tree is in JSON, if JSON shows it.
    pub(super) fn absent(self, field: &'a Field, form: &Form) -> Option<Value<'a>> {
        if form.emit != Emit::Always {
            return None;
        }
        Some(match (form.shape, form.kind) {
            (Shape::Ptr | Shape::List | Shape::Map, _) => Value::Null,
            (_, Kind::Bool) => Value::Bool(false),
            (_, Kind::Int32 | Kind::Int64 | Kind::IntOrString) => Value::Int(0),
            (_, Kind::Float64) => Value::Double(0.0),
            (_, Kind::String) => Value::str(""),
            (_, Kind::Duration) => Value::str("0s"),
            (_, Kind::Quantity) => Value::str("0"),
            (_, Kind::Struct) => Value::Map(Map::new(Source::Absent(field.ty), self.with(None))),
            _ => Value::Null,
        })
    }
}

/// JSON text as a value of its own.
pub(super) fn owned_json<'v>(text: &str) -> Value<'v> {
    json::parse(text.as_bytes()).map_or(Value::Null, |tree| owned(&tree))
}

/// A tree without rows as a value of its own.
pub(crate) fn owned<'v>(tree: &tree::Value) -> Value<'v> {
    match tree {
        tree::Value::Bool(value) => Value::Bool(*value),
        tree::Value::Int(value) => Value::Int(*value),
        tree::Value::Float(value) => Value::Double(*value),
        tree::Value::Str(text) => Value::owned(&**text),
        tree::Value::List(items) => Value::list(items.iter().map(owned).collect()),
        tree::Value::Map(map) => {
            let entries = map.entries().iter().map(|(key, value)| (&**key, owned(value)));
            Value::Map(Map::of_texts(entries))
        }
        _ => Value::Null,
    }
}
