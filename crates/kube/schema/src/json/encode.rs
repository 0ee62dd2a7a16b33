//! Tree → JSON: upstream's member order and emission rules, byte for byte.

use super::text;
use crate::row::{Emit, Form, Kind, Shape, TypeId, Types};
use crate::scalar;
use crate::tree::{Map, Struct, Value};

/// Appends the object as JSON, as upstream's server would print it.
pub fn encode(types: &Types, object: &Struct, out: &mut Vec<u8>) {
    Encoder { types, out }.object(object.ty, Some(object), Part::Inner);
}

/// Appends a value without rows as JSON, maps sorted by key.
///
/// Meant for what [`super::parse`] made: an object with rows prints as `null` here.
pub fn encode_untyped(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Map(map) => {
            let entry = |out: &mut Vec<u8>, value: &Value| encode_untyped(value, out);
            entries(out, map, entry);
        }
        Value::List(items) => list(out, items, |out, item| encode_untyped(item, out)),
        other => plain(other, out),
    }
}

/// Appends any part of an object as JSON: what stands in a slot, or an item of it.
pub fn encode_value(types: &Types, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Struct(object) => encode(types, object, out),
        Value::Map(map) => entries(out, map, |out, value| encode_value(types, value, out)),
        Value::List(items) => list(out, items, |out, item| encode_value(types, item, out)),
        other => plain(other, out),
    }
}

/// The object as stored: without `kind`, `apiVersion` and `metadata.resourceVersion`.
pub(crate) fn encode_body(types: &Types, object: &Struct) -> Vec<u8> {
    let mut json = Vec::new();
    Encoder {
        types,
        out: &mut json,
    }
    .object(object.ty, Some(object), Part::Root);
    json
}

/// Which part of a stored body is being printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The object itself: type and version are left out, `metadata` is special.
    Root,
    /// Its metadata: `resourceVersion` is left out.
    Metadata,
    /// Everything else.
    Inner,
}

impl Part {
    /// Whether a stored body lacks this member.
    fn leaves_out(self, name: &str) -> bool {
        match self {
            Self::Root => name == "kind" || name == "apiVersion",
            Self::Metadata => name == "resourceVersion",
            Self::Inner => false,
        }
    }
}

struct Encoder<'a> {
    types: &'a Types,
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    /// Prints a struct; nothing stands for Go's zero of it.
    fn object(&mut self, ty: TypeId, object: Option<&Struct>, part: Part) {
        let types = self.types;
        let mut present = object.map_or(&[][..], Struct::fields);
        let mut rest = self.rest(ty, object);
        let leads = |name: &str| types.marks(ty).embedded && matches!(name, "apiVersion" | "kind");
        self.out.push(b'{');
        let start = self.out.len();
        for (slot, field) in types.fields(ty).iter().enumerate() {
            let value = match present {
                [(at, value), rest @ ..] if usize::from(*at) == slot => {
                    present = rest;
                    Some(value)
                }
                _ => None,
            };
            let name = types.name(field.json);
            let form = types.form(field);
            if part.leaves_out(name) || is_omitted(form, value) {
                continue;
            }
            // Type and version lead; all else is sorted where there is something to sort in.
            let before = |key: &str| key < name && !leads(name);
            self.entries_while(&mut rest, start, before);
            self.name(name, start);
            self.field(form, field.ty, value, part == Part::Root && name == "metadata");
        }
        self.entries_while(&mut rest, start, |_| true);
        self.out.push(b'}');
    }

    /// A member's name, after a comma unless it is the first of an object that begins at `start`.
    fn name(&mut self, name: &str, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
        text::string(self.out, name);
        self.out.push(b':');
    }

    /// The members of an open type that have no row.
    fn rest<'o>(&self, ty: TypeId, object: Option<&'o Struct>) -> &'o [(Box<str>, Value)] {
        let rest = self.types.rest(ty).and_then(|slot| object?.get(slot));
        match rest {
            Some(Value::Map(map)) => map.entries(),
            _ => &[],
        }
    }

    /// Prints those of them that come next.
    fn entries_while(&mut self, rest: &mut &[(Box<str>, Value)], start: usize, next: impl Fn(&str) -> bool) {
        while let [(key, value), tail @ ..] = *rest {
            if !next(key) {
                break;
            }
            self.name(key, start);
            encode_untyped(value, self.out);
            *rest = tail;
        }
    }

    fn field(&mut self, form: &Form, ty: TypeId, value: Option<&Value>, metadata: bool) {
        match (form.shape, value) {
            (Shape::List, Some(Value::List(items))) => {
                let types = self.types;
                list(self.out, items, |out, item| {
                    Encoder { types, out }.one(form.kind, ty, Some(item));
                });
            }
            (Shape::Map, Some(Value::Map(map))) => {
                let types = self.types;
                entries(self.out, map, |out, item| {
                    Encoder { types, out }.one(form.kind, ty, Some(item));
                });
            }
            (Shape::Value, Some(Value::Struct(object))) if metadata => {
                self.object(ty, Some(object), Part::Metadata);
            }
            (Shape::Value, None) if metadata => self.object(ty, None, Part::Metadata),
            (Shape::Ptr | Shape::List | Shape::Map, None) => self.out.extend_from_slice(b"null"),
            (_, value) => self.one(form.kind, ty, value),
        }
    }

    /// One value, or Go's zero of the kind.
    fn one(&mut self, kind: Kind, ty: TypeId, value: Option<&Value>) {
        match (kind, value) {
            (_, Some(Value::Struct(object))) => self.object(object.ty, Some(object), Part::Inner),
            (Kind::Struct, None) => self.object(ty, None, Part::Inner),
            (Kind::Nested, value) => match self.types.nested(ty) {
                Some((field, form)) => self.field(form, field.ty, value, false),
                None => encode_untyped(value.unwrap_or(&Value::Null), self.out),
            },
            (Kind::Any, Some(value)) => encode_untyped(value, self.out),
            (_, Some(value @ Value::Map(_))) => encode_untyped(value, self.out),
            (Kind::SchemaOrArray, Some(Value::List(items))) if items.is_empty() => {
                self.out.extend_from_slice(b"null");
            }
            (_, Some(Value::List(items))) => {
                let types = self.types;
                list(self.out, items, |out, item| {
                    Encoder { types, out }.one(Kind::String, ty, Some(item));
                });
            }
            (_, Some(value)) => plain(value, self.out),
            (kind, None) => plain(&super::decode::zero(kind, ty), self.out),
        }
    }
}

fn is_omitted(form: &Form, value: Option<&Value>) -> bool {
    match form.emit {
        Emit::Always => false,
        Emit::NonEmpty => value.is_none_or(|value| form.shape != Shape::Ptr && value.is_empty()),
        Emit::Present | Emit::Nullable => value.is_none(),
    }
}

fn plain(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) => text::int(out, *int),
        Value::Float(float) => text::float(out, *float),
        Value::Str(s) => text::string(out, s),
        Value::Bytes(bytes) => {
            out.push(b'"');
            scalar::base64::encode(bytes, out);
            out.push(b'"');
        }
        Value::Raw(raw) => out.extend_from_slice(raw.as_str().as_bytes()),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Struct(_) => out.extend_from_slice(b"null"),
    }
}

fn list(out: &mut Vec<u8>, items: &[Value], mut item: impl FnMut(&mut Vec<u8>, &Value)) {
    out.push(b'[');
    for (index, value) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

fn entries(out: &mut Vec<u8>, map: &Map, mut item: impl FnMut(&mut Vec<u8>, &Value)) {
    out.push(b'{');
    for (index, (key, value)) in map.entries().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text::string(out, key);
        out.push(b':');
        item(out, value);
    }
    out.push(b'}');
}
