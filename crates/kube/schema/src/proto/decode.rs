//! Protobuf → tree. Unknown fields are skipped, a repeated singular message merges, and the result
//! is canonical, so it equals what the JSON decoder makes of the same object.

use super::wire::{Fields, ProtoError, Wired};
use crate::MAX_TREE_DEPTH;
use crate::json::text;
use crate::json::{vanishes, zero};
use crate::row::{Form, Kind, Shape, TypeId, Types};
use crate::scalar::{self, time::Moment};
use crate::tree::{Map, Struct, Value};

type Result<T> = std::result::Result<T, ProtoError>;

/// Decodes one message of type `ty` of at most `max_bytes` bytes.
///
/// Memory is bounded by the input: a tree has at most one value for each byte, and nothing is
/// reserved from a length that has not been checked. So is time: the work is linear in the input.
///
/// # Errors
/// See [`ProtoError`].
pub fn decode(types: &Types, ty: TypeId, message: &[u8], max_bytes: usize) -> Result<Struct> {
    if message.len() > max_bytes {
        return Err(ProtoError::TooLarge { limit: max_bytes });
    }
    let mut object = Struct::new(ty);
    Decoder { types, depth: 0 }.message(ty, message, &mut object, 0)?;
    object.settle();
    Ok(object)
}

struct Decoder<'a> {
    types: &'a Types,
    depth: usize,
}

impl Decoder<'_> {
    /// Fills the object's slots from `base` on.
    fn message(&mut self, ty: TypeId, message: &[u8], object: &mut Struct, base: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_TREE_DEPTH / 2 {
            return Err(ProtoError::Depth);
        }
        let mut fields = Fields::new(message);
        let mut hint = 0;
        while let Some((number, value)) = fields.next()? {
            if let Some(at) = self.wire(ty, number, hint) {
                hint = at;
                self.field(ty, at, value, object, base)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The position of a field number; fields come in number order, so the last one found or the
    /// one after it is tried first.
    fn wire(&self, ty: TypeId, number: u32, hint: usize) -> Option<usize> {
        let wires = self.types.wires(ty);
        let is = |at: &usize| {
            wires
                .get(*at)
                .is_some_and(|wire| u32::from(wire.number) == number)
        };
        [hint, hint + 1].into_iter().find(is).or_else(|| {
            wires
                .binary_search_by_key(&number, |wire| wire.number.into())
                .ok()
        })
    }

    fn field(
        &mut self,
        ty: TypeId,
        at: usize,
        value: Wired<'_>,
        object: &mut Struct,
        base: usize,
    ) -> Result<()> {
        let types = self.types;
        let wire = types.wires(ty)[at];
        let slot = base + usize::from(wire.slot);
        let wrong = || ProtoError::WireType {
            wire: value.wire_type(),
            number: wire.number.into(),
        };
        if let Some(inline) = wire.inline() {
            let Wired::Bytes(message) = value else {
                return Err(wrong());
            };
            return self.message(inline, message, object, slot);
        }
        let field = &types.fields(ty)[usize::from(wire.slot)];
        let form = types.form(field);
        match (form.shape, value) {
            (Shape::List, Wired::Bytes(packed)) if is_number(form.kind) => {
                self.packed(form, packed, object, slot)
            }
            (Shape::List, value) => {
                let item = self.one(form.kind, field.ty, value, None, wire.number)?;
                push(object, slot, item);
                Ok(())
            }
            (Shape::Map, Wired::Bytes(entry)) => {
                let entry = self.entry(form.kind, field.ty, entry)?;
                add_entry(object, slot, entry);
                Ok(())
            }
            (Shape::Map, _) => Err(wrong()),
            (Shape::Value | Shape::Ptr, value) => {
                let old = object.remove(slot);
                let new = self.one(form.kind, field.ty, value, old, wire.number)?;
                if !vanishes(form, &new) && new != Value::Null {
                    object.set(slot, new);
                }
                Ok(())
            }
        }
    }

    fn packed(&mut self, form: &Form, packed: &[u8], object: &mut Struct, slot: usize) -> Result<()> {
        let mut fields = Fields::new(packed);
        while !fields.is_empty() {
            let value = Wired::Varint(fields.varint()?);
            let item = self.one(form.kind, TypeId(0), value, None, 0)?;
            push(object, slot, item);
        }
        Ok(())
    }

    fn entry(&mut self, kind: Kind, ty: TypeId, entry: &[u8]) -> Result<(Box<str>, Value)> {
        let (mut key, mut item) = (Box::from(""), None);
        let mut fields = Fields::new(entry);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Wired::Bytes(bytes)) => key = utf8(bytes)?.into(),
                (2, value) => item = Some(self.one(kind, ty, value, None, 2)?),
                _ => {}
            }
        }
        let empty = if kind == Kind::Bytes {
            Value::Bytes(Box::default())
        } else {
            zero(kind, ty)
        };
        Ok((key, item.unwrap_or(empty)))
    }

    /// One value; `old` is what a message merges into.
    fn one(
        &mut self,
        kind: Kind,
        ty: TypeId,
        value: Wired<'_>,
        old: Option<Value>,
        number: u16,
    ) -> Result<Value> {
        Ok(match (kind, value) {
            (Kind::Bool, Wired::Varint(n)) => Value::Bool(n != 0),
            // Go keeps the low 32 bits.
            #[expect(clippy::cast_possible_truncation, reason = "what upstream's decoder does")]
            (Kind::Int32, Wired::Varint(n)) => Value::Int((n as i32).into()),
            (Kind::Int64, Wired::Varint(n)) => Value::Int(n.cast_signed()),
            (Kind::Float64, Wired::Fixed64(bits)) => finite(f64::from_bits(bits))?,
            (Kind::String, Wired::Bytes(bytes)) => Value::str(utf8(bytes)?),
            (Kind::Bytes, Wired::Bytes(bytes)) => Value::Bytes(bytes.into()),
            (_, Wired::Bytes(message)) if !is_scalar(kind) => self.nested(kind, ty, message, old)?,
            _ => {
                return Err(ProtoError::WireType {
                    wire: value.wire_type(),
                    number: number.into(),
                });
            }
        })
    }

    fn nested(&mut self, kind: Kind, ty: TypeId, message: &[u8], old: Option<Value>) -> Result<Value> {
        match kind {
            Kind::Strings => self.strings(message),
            Kind::Time | Kind::MicroTime => time(kind, message),
            Kind::Duration => {
                let nanos = varint_of(message, 1)?.unwrap_or(0).cast_signed();
                Ok(Value::Str(scalar::duration::print(nanos).into()))
            }
            Kind::Quantity => {
                let text = utf8(bytes_of(message, 1)?.unwrap_or_default())?;
                Ok(Value::Str(
                    scalar::quantity::canonical(text)
                        .map_err(ProtoError::Value)?
                        .into(),
                ))
            }
            Kind::IntOrString => int_or_string(message),
            Kind::Raw => raw(message),
            Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings => {
                self.schema_or(kind, ty, message)
            }
            _ => {
                let mut object = match old {
                    Some(Value::Struct(object)) => object,
                    _ => Box::new(Struct::new(ty)),
                };
                self.message(ty, message, &mut object, 0)?;
                Ok(Value::Struct(object))
            }
        }
    }

    fn strings(&mut self, message: &[u8]) -> Result<Value> {
        let mut items = Vec::new();
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            if let (1, Wired::Bytes(bytes)) = (number, value) {
                items.push(Value::str(utf8(bytes)?));
            }
        }
        Ok(Value::List(items))
    }

    fn schema_or(&mut self, kind: Kind, ty: TypeId, message: &[u8]) -> Result<Value> {
        let (mut schema, mut allows, mut items) = (None, false, Vec::new());
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match (kind, number, value) {
                (Kind::SchemaOrBool, 1, Wired::Varint(n)) => allows = n != 0,
                (Kind::SchemaOrBool, 2, value) | (Kind::SchemaOrArray | Kind::SchemaOrStrings, 1, value) => {
                    schema = Some(self.one(Kind::Struct, ty, value, schema.take(), 0)?);
                }
                (Kind::SchemaOrArray, 2, value) => items.push(self.one(Kind::Struct, ty, value, None, 2)?),
                (Kind::SchemaOrStrings, 2, value) => {
                    items.push(self.one(Kind::String, ty, value, None, 2)?);
                }
                _ => {}
            }
        }
        Ok(match kind {
            Kind::SchemaOrBool => schema.unwrap_or(Value::Bool(allows)),
            _ if !items.is_empty() => Value::List(items),
            _ => schema.unwrap_or(Value::Null),
        })
    }
}

fn is_scalar(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::String | Kind::Bytes
    )
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Bool | Kind::Int32 | Kind::Int64)
}

fn push(object: &mut Struct, slot: usize, item: Value) {
    match object.get_mut(slot) {
        Some(Value::List(items)) => items.push(item),
        _ => object.set(slot, Value::List(vec![item])),
    }
}

/// Appends without sorting; [`Struct::settle`] sorts once.
fn add_entry(object: &mut Struct, slot: usize, entry: (Box<str>, Value)) {
    match object.get_mut(slot) {
        Some(Value::Map(map)) => map.push_unsorted(entry),
        _ => object.set(slot, Value::Map(Box::new(Map::unsorted(vec![entry])))),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| ProtoError::Utf8)
}

/// JSON has no infinities, so no tree has them.
fn finite(float: f64) -> Result<Value> {
    let message = || ProtoError::Value(format!("json: unsupported value: {float}"));
    float
        .is_finite()
        .then_some(Value::Float(float))
        .ok_or_else(message)
}

/// What `read` makes of the last value of a field; an error where it makes nothing of one.
fn last_of<'a, T>(
    message: &'a [u8],
    wanted: u32,
    read: impl Fn(Wired<'a>) -> Option<T>,
) -> Result<Option<T>> {
    let mut found = None;
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number == wanted {
            let wrong = || ProtoError::WireType {
                wire: value.wire_type(),
                number,
            };
            found = Some(read(value).ok_or_else(wrong)?);
        }
    }
    Ok(found)
}

fn varint_of(message: &[u8], wanted: u32) -> Result<Option<u64>> {
    last_of(message, wanted, |value| match value {
        Wired::Varint(n) => Some(n),
        _ => None,
    })
}

fn bytes_of(message: &[u8], wanted: u32) -> Result<Option<&[u8]>> {
    last_of(message, wanted, |value| match value {
        Wired::Bytes(bytes) => Some(bytes),
        _ => None,
    })
}

/// An empty message is the zero time, and so is a `null` in JSON.
fn time(kind: Kind, message: &[u8]) -> Result<Value> {
    if message.is_empty() {
        return Ok(Value::Null);
    }
    let seconds = varint_of(message, 1)?.unwrap_or(0).cast_signed();
    let nanos = varint_of(message, 2)?.unwrap_or(0);
    let micros = if kind == Kind::MicroTime {
        u32::try_from(nanos / 1000).unwrap_or(u32::MAX)
    } else {
        0
    };
    if micros >= 1_000_000 {
        return Err(ProtoError::Value("timestamp nanos out of range".to_owned()));
    }
    let text = scalar::time::print(kind, Moment { seconds, micros }).map_err(ProtoError::Value)?;
    Ok(text.map_or(Value::Null, |text| Value::Str(text.into())))
}

fn int_or_string(message: &[u8]) -> Result<Value> {
    if varint_of(message, 1)?.unwrap_or(0) == 1 {
        return Ok(Value::str(utf8(bytes_of(message, 3)?.unwrap_or_default())?));
    }
    let int = varint_of(message, 2)?.unwrap_or(0);
    #[expect(clippy::cast_possible_truncation, reason = "what upstream's decoder does")]
    let int = int as i32;
    Ok(Value::Int(int.into()))
}

/// Raw JSON: checked, because the tree promises that it prints.
fn raw(message: &[u8]) -> Result<Value> {
    match bytes_of(message, 1)? {
        None => Ok(Value::Null),
        Some(bytes) => {
            let raw = text::raw(bytes).map_err(|error| ProtoError::Value(error.to_string()))?;
            Ok(if raw.as_str() == "null" {
                Value::Null
            } else {
                Value::Raw(raw)
            })
        }
    }
}
