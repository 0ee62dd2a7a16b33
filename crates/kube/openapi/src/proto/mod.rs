//! The documents as protobuf: gnostic's messages of OpenAPI v2 and v3, which client-go reads.
//!
//! What is printed is the JSON document, walked by a table of messages for each version. Where gnostic has a choice
//! (`oneof`), a function looks at the value and answers the message and the fields that lead to it. What the JSON form
//! holds and the messages do not is left out, as gnostic leaves it out.

mod v2;
mod v3;

use serde_json::Value;

/// The media type of v2 documents.
pub const V2: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The media type of v3 documents.
pub const V3: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";

/// A document of v2, from its JSON; none if that is no JSON.
pub fn v2(document: &[u8]) -> Option<Vec<u8>> {
    encoded(document, &v2::DOCUMENT)
}

/// A document of v3, from its JSON; none if that is no JSON.
pub fn v3(document: &[u8]) -> Option<Vec<u8>> {
    encoded(document, &v3::DOCUMENT)
}

fn encoded(document: &[u8], message: &Message) -> Option<Vec<u8>> {
    let document = serde_json::from_slice(document).ok()?;
    let mut out = Vec::new();
    message.write(&document, &mut out);
    Some(out)
}

/// A message: its fields, and where members whose names begin with `x-` go.
struct Message {
    fields: &'static [Field],
    extensions: u32,
}

/// A member of the JSON form, its number, and what it is.
type Field = (&'static str, u32, Kind);

/// The message for a value, and the fields of those around it, outermost first.
type Choose = fn(&Value) -> (&'static [u32], &'static Message);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
    Flag,
    Int,
    Number,
    /// Any value, as YAML: JSON is.
    Any,
    Anys,
    /// Texts in a message of their own.
    Boxed,
    One(Choose),
    Many(Choose),
    /// An object whose members are entries (name = 1, value = 2) of the field with this number of a message.
    Map(u32, Choose),
    /// A map of lists of texts, entries of a message's first field.
    Requirement,
    /// A schema, or a flag as the second field.
    SchemaOrFlag(Choose),
    /// A number, a flag or a text.
    Scalar,
}

impl Message {
    fn write(&self, value: &Value, out: &mut Vec<u8>) {
        let Some(members) = value.as_object() else { return };
        for (name, number, kind) in self.fields {
            if let Some(member) = members.get(*name) {
                kind.write(*number, member, out);
            }
        }
        for (name, member) in members.iter().filter(|(name, _)| name.starts_with("x-")) {
            let mut entry = text_field(1, name);
            nested(2, &any(member), &mut entry);
            nested(self.extensions, &entry, out);
        }
    }
}

impl Kind {
    fn write(self, number: u32, value: &Value, out: &mut Vec<u8>) {
        match self {
            Self::Text => text(number, value, out),
            Self::Texts => items(value).for_each(|item| text(number, item, out)),
            Self::Flag if value == true => {
                varint(u64::from(number) << 3, out);
                out.push(1);
            }
            Self::Flag => {}
            Self::Int => {
                let int = value.as_i64().unwrap_or_default();
                if int != 0 {
                    varint(u64::from(number) << 3, out);
                    varint(int.cast_unsigned(), out);
                }
            }
            Self::Number => double(number, value, out),
            Self::Any => nested(number, &any(value), out),
            Self::Anys => items(value).for_each(|item| nested(number, &any(item), out)),
            Self::Boxed => {
                let mut inner = Vec::new();
                match value {
                    Value::Array(all) => all.iter().for_each(|item| text(1, item, &mut inner)),
                    one => text(1, one, &mut inner),
                }
                nested(number, &inner, out);
            }
            Self::One(choose) => nested(number, &chosen(choose, value), out),
            Self::Many(choose) => items(value).for_each(|item| nested(number, &chosen(choose, item), out)),
            Self::Map(field, choose) => nested(number, &map(field, choose, value), out),
            Self::Requirement => items(value).for_each(|item| nested(number, &requirement(item), out)),
            Self::SchemaOrFlag(choose) => nested(number, &schema_or_flag(choose, value), out),
            Self::Scalar => scalar(number, value, out),
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The chosen message with those around it.
fn chosen(choose: Choose, value: &Value) -> Vec<u8> {
    let (around, message) = choose(value);
    let mut inner = Vec::new();
    message.write(value, &mut inner);
    around.iter().rev().fold(inner, |inner, number| {
        let mut outer = Vec::with_capacity(inner.len() + 6);
        nested(*number, &inner, &mut outer);
        outer
    })
}

fn map(field: u32, choose: Choose, value: &Value) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let mut entry = text_field(1, name);
        nested(2, &chosen(choose, member), &mut entry);
        nested(field, &entry, &mut all);
    }
    all
}

fn requirement(value: &Value) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let mut texts = Vec::new();
        items(member).for_each(|item| text(1, item, &mut texts));
        let mut entry = text_field(1, name);
        nested(2, &texts, &mut entry);
        nested(1, &entry, &mut all);
    }
    all
}

fn schema_or_flag(choose: Choose, value: &Value) -> Vec<u8> {
    let mut inner = Vec::new();
    match value {
        // In a choice a flag is written even if it is false.
        Value::Bool(flag) => inner.extend([2 << 3, u8::from(*flag)]),
        schema => nested(1, &chosen(choose, schema), &mut inner),
    }
    inner
}

fn scalar(number: u32, value: &Value, out: &mut Vec<u8>) {
    let mut inner = Vec::new();
    match value {
        Value::Number(_) => {
            varint(1 << 3 | 1, &mut inner);
            inner.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::Bool(flag) => inner.extend([2 << 3, u8::from(*flag)]),
        Value::String(text) => nested(3, text.as_bytes(), &mut inner),
        _ => return,
    }
    nested(number, &inner, out);
}

/// `Any`, whose `yaml` is the second field.
fn any(value: &Value) -> Vec<u8> {
    let yaml = match value {
        Value::String(plain) if plain.bytes().all(|byte| byte.is_ascii_alphabetic()) && !plain.is_empty() => {
            plain.clone()
        }
        other => other.to_string(),
    };
    text_field(2, &format!("{yaml}\n"))
}

fn text_field(number: u32, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    nested(number, text.as_bytes(), &mut out);
    out
}

fn text(number: u32, value: &Value, out: &mut Vec<u8>) {
    if let Some(text) = value.as_str() {
        nested(number, text.as_bytes(), out);
    }
}

fn double(number: u32, value: &Value, out: &mut Vec<u8>) {
    let value = value.as_f64().unwrap_or_default();
    if value != 0.0 {
        varint(u64::from(number) << 3 | 1, out);
        out.extend(value.to_le_bytes());
    }
}

/// A field of bytes: a text, or a message.
fn nested(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_gnostic_numbers_them() {
        let document = br##"{"swagger":"2.0","info":{"title":"T","version":"v1"},
            "definitions":{"a.B":{"type":"object","properties":{"c":{"$ref":"#/definitions/d"}},"x-k":"set"}}}"##;
        let schema = [
            &b"\xb2\x01\x08\x0a\x06object"[..],
            b"\xca\x01\x18\x0a\x16\x0a\x01c\x12\x11\x0a\x0f#/definitions/d",
            b"\xfa\x01\x0d\x0a\x03x-k\x12\x06\x12\x04set\n",
        ]
        .concat();
        let schema_length = u8::try_from(schema.len()).unwrap();
        let entry = [&b"\x0a\x03a.B\x12"[..], &[schema_length], &schema].concat();
        let entry_length = u8::try_from(entry.len()).unwrap();
        let expected = [
            &b"\x0a\x032.0\x12\x07\x0a\x01T\x12\x02v1"[..],
            &[0x4a, entry_length + 2, 0x0a, entry_length],
            &entry,
        ];
        assert_eq!(v2(document).unwrap(), expected.concat());
    }

    #[test]
    fn a_default_of_v3_is_a_scalar() {
        let mut out = Vec::new();
        scalar(33, &Value::Bool(false), &mut out);
        assert_eq!(out, [0x8a, 0x02, 2, 0x10, 0]);
        out.clear();
        scalar(33, &serde_json::json!({}), &mut out);
        assert!(out.is_empty());
    }
}
