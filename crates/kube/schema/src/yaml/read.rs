//! YAML → JSON, with aliases expanded under the parser's budget (no billion laughs).

use crate::json::{encode_untyped, parse_number};
use crate::tree::{Map, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Text that is not one YAML document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error converting YAML to JSON: {0}")]
pub struct YamlError(String);

/// The document as JSON text, keys sorted.
///
/// # Errors
/// [`YamlError`] with the parser's words and position.
pub fn to_json(yaml: &[u8]) -> Result<Vec<u8>, YamlError> {
    let text = std::str::from_utf8(yaml).map_err(|error| YamlError(error.to_string()))?;
    let Node(value) = serde_saphyr::from_str(text).map_err(|error| YamlError(error.to_string()))?;
    let mut json = Vec::new();
    encode_untyped(&value, &mut json);
    Ok(json)
}

struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Node)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(parse_number(&value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // JSON has no infinities.
        if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err(E::custom(format!("json: unsupported value: {value}")))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Node(value))) = access.next_entry::<Node, Node>()? {
            entries.push((key_text(key), value));
        }
        Ok(Value::Map(Box::new(Map::from_entries(entries))))
    }
}

/// JSON keys are strings; a YAML key that is a number or boolean becomes its text.
fn key_text(Node(key): Node) -> Box<str> {
    match key {
        Value::Str(text) => text,
        other => {
            let mut text = Vec::new();
            encode_untyped(&other, &mut text);
            String::from_utf8_lossy(&text).into()
        }
    }
}
