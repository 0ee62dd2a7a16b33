//! Tree → protobuf: fields in number order, members held by value always, maps sorted.

use super::wire::{put_bytes, put_int, put_message, put_tag};
use crate::row::{Field, Form, Kind, Shape, TypeId, Types};
use crate::scalar;
use crate::tree::{Struct, Value};

/// Appends the object as a message of its type. `kind` and `apiVersion` are not part of it; see
/// [`super::seal`] for the envelope that has them.
///
/// Text that is not canonical (a tree built by hand) is written as it is where the wire has text,
/// and as the zero time or duration where it has numbers.
pub fn encode(types: &Types, object: &Struct, out: &mut Vec<u8>) {
    Encoder { types, out }.message(object.ty, Some(object), 0);
}

struct Encoder<'a> {
    types: &'a Types,
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    /// The fields of a message whose members start at slot `base` of the object.
    fn message(&mut self, ty: TypeId, object: Option<&Struct>, base: usize) {
        let types = self.types;
        for wire in types.wires(ty) {
            let slot = usize::from(wire.slot);
            if let Some(inline) = wire.inline() {
                put_message(self.out, wire.number, |out| {
                    Encoder { types, out }.message(inline, object, base + slot);
                });
            } else {
                let field = &types.fields(ty)[slot];
                self.field(wire.number, field, object.and_then(|o| o.get(base + slot)));
            }
        }
    }

    fn field(&mut self, number: u16, field: &Field, value: Option<&Value>) {
        let form: &Form = self.types.form(field);
        match (form.shape, value) {
            (Shape::List, Some(Value::List(items))) => {
                for item in items {
                    self.one(number, form.kind, field.ty, Some(item));
                }
            }
            (Shape::Map, Some(Value::Map(map))) => {
                for (key, item) in map.entries() {
                    self.entry(number, form.kind, field.ty, key, item);
                }
            }
            (Shape::Ptr, Some(value)) => self.one(number, form.kind, field.ty, Some(value)),
            (Shape::Value, None | Some(Value::Null)) if matches!(form.kind, Kind::Bytes | Kind::Strings) => {}
            (Shape::Value, value) => self.one(number, form.kind, field.ty, value),
            _ => {}
        }
    }

    fn entry(&mut self, number: u16, kind: Kind, ty: TypeId, key: &str, item: &Value) {
        let types = self.types;
        put_message(self.out, number, |out| {
            put_bytes(out, 1, key.as_bytes());
            if (kind, item) != (Kind::Bytes, &Value::Null) {
                Encoder { types, out }.one(2, kind, ty, Some(item));
            }
        });
    }

    /// One value, or the zero of its kind.
    fn one(&mut self, number: u16, kind: Kind, ty: TypeId, value: Option<&Value>) {
        match kind {
            Kind::Bool => put_int(self.out, number, i64::from(value == Some(&Value::Bool(true)))),
            Kind::Int32 | Kind::Int64 => {
                put_int(self.out, number, value.and_then(Value::as_int).unwrap_or(0));
            }
            Kind::Float64 => self.float(number, value),
            Kind::String => put_bytes(self.out, number, text(value).as_bytes()),
            Kind::Bytes => put_bytes(
                self.out,
                number,
                match value {
                    Some(Value::Bytes(bytes)) => bytes,
                    _ => b"",
                },
            ),
            _ => {
                let types = self.types;
                put_message(self.out, number, |out| {
                    Encoder { types, out }.nested(kind, ty, value);
                });
            }
        }
    }

    fn float(&mut self, number: u16, value: Option<&Value>) {
        put_tag(self.out, number, 1);
        let float = match value {
            Some(Value::Float(float)) => *float,
            _ => 0.0,
        };
        self.out.extend_from_slice(&float.to_le_bytes());
    }

    /// The inside of a kind that is a message.
    fn nested(&mut self, kind: Kind, ty: TypeId, value: Option<&Value>) {
        match kind {
            Kind::Strings => self.strings(1, value),
            Kind::Time | Kind::MicroTime => self.time(kind, value),
            Kind::Duration => put_int(self.out, 1, scalar::duration::parse(text(value)).unwrap_or(0)),
            Kind::Quantity => put_bytes(
                self.out,
                1,
                value.and_then(Value::as_str).unwrap_or("0").as_bytes(),
            ),
            Kind::IntOrString => self.int_or_string(value),
            Kind::Raw => {
                if let Some(Value::Raw(raw)) = value {
                    put_bytes(self.out, 1, raw.as_str().as_bytes());
                }
            }
            Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings => {
                self.schema_or(kind, ty, value);
            }
            _ => self.message(ty, value.and_then(Value::as_struct), 0),
        }
    }

    fn strings(&mut self, number: u16, value: Option<&Value>) {
        if let Some(Value::List(items)) = value {
            for item in items {
                put_bytes(self.out, number, text(Some(item)).as_bytes());
            }
        }
    }

    /// The zero time is an empty message.
    fn time(&mut self, kind: Kind, value: Option<&Value>) {
        if let Some(Ok(moment)) = value
            .and_then(Value::as_str)
            .map(|text| scalar::time::parse(kind, text))
        {
            put_int(self.out, 1, moment.seconds);
            put_int(self.out, 2, i64::from(moment.micros) * 1000);
        }
    }

    fn int_or_string(&mut self, value: Option<&Value>) {
        let string = matches!(value, Some(Value::Str(_)));
        put_int(self.out, 1, i64::from(string));
        put_int(self.out, 2, value.and_then(Value::as_int).unwrap_or(0));
        put_bytes(self.out, 3, text(value).as_bytes());
    }

    fn schema_or(&mut self, kind: Kind, ty: TypeId, value: Option<&Value>) {
        let schema = value.and_then(Value::as_struct);
        if kind == Kind::SchemaOrBool {
            put_int(
                self.out,
                1,
                i64::from(schema.is_some() || value == Some(&Value::Bool(true))),
            );
        }
        if schema.is_some() {
            let number = if kind == Kind::SchemaOrBool { 2 } else { 1 };
            self.one(number, Kind::Struct, ty, value);
        }
        match (kind, value) {
            (Kind::SchemaOrArray, Some(Value::List(items))) => {
                for item in items {
                    self.one(2, Kind::Struct, ty, Some(item));
                }
            }
            (Kind::SchemaOrStrings, value) => self.strings(2, value),
            _ => {}
        }
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}
