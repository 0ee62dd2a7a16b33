//! YAML → JSON, with aliases expanded under the parser's budget (no billion laughs).

use crate::json::{encode_untyped, go_quote, parse_number};
use crate::tree::{Map, Value};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use std::collections::BTreeSet;
use std::fmt;

/// Text that is not one YAML document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error converting YAML to JSON: {0}")]
pub struct YamlError(String);

/// The document as JSON text, keys sorted. Of a key that is given twice the last value counts.
///
/// # Errors
/// [`YamlError`] with the parser's words and position.
pub fn to_json(yaml: &[u8]) -> Result<Vec<u8>, YamlError> {
    parse(yaml).map(|(json, _)| json)
}

/// The same, and what a strict reader says of keys that are given twice.
///
/// # Errors
/// [`YamlError`] with the parser's words and position.
pub fn parse(yaml: &[u8]) -> Result<(Vec<u8>, Option<YamlError>), YamlError> {
    let text = std::str::from_utf8(yaml).map_err(|error| YamlError(error.to_string()))?;
    // Modes of files are written in YAML 1.1's octal, with a leading zero: `defaultMode: 0400`.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
    };
    let node: Node =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| YamlError(error.to_string()))?;
    let mut json = Vec::new();
    encode_untyped(&node.value, &mut json);
    let mut again = node.again;
    again.sort_unstable();
    let lines: Vec<String> = again
        .iter()
        .map(|(line, key)| format!("\n  line {line}: key {} already set in map", go_quote(key)))
        .collect();
    let strict = (!lines.is_empty()).then(|| YamlError(format!("yaml: unmarshal errors:{}", lines.concat())));
    Ok((json, strict))
}

/// A value, and the lines and names of the keys in it that were there before.
struct Node {
    value: Value,
    again: Vec<(u64, String)>,
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let again = Vec::new();
        Self { value, again }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Value::Null.into())
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Value::Null.into())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Value::Int(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(parse_number(&value.to_string()).into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        // JSON has no infinities.
        if value.is_finite() {
            Ok(Value::Float(value).into())
        } else {
            Err(E::custom(format!("json: unsupported value: {value}")))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Value::str(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let (mut items, mut again) = (Vec::new(), Vec::new());
        while let Some(item) = access.next_element::<Node>()? {
            items.push(item.value);
            again.extend(item.again);
        }
        let value = Value::List(items);
        Ok(Node { value, again })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let (mut entries, mut again) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        while let Some((key, item)) = access.next_entry::<Spanned<Key>, Node>()? {
            let line = key.referenced.line();
            let key = key.value.0;
            if !seen.insert(key.clone()) {
                again.push((line, key.to_string()));
            }
            entries.push((key, item.value));
            again.extend(item.again);
        }
        let value = Value::Map(Box::new(Map::from_entries(entries)));
        Ok(Node { value, again })
    }
}

/// A key. JSON has strings; a YAML key that is a number or boolean becomes its text, and one that is a collection is
/// refused unread: the parser works on keys twice at each level, so that a few dozen in one another would take years.
struct Key(Box<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl KeyVisitor {
    /// What the key would be as a value, as text.
    fn text<E: Error>(node: Result<Node, E>) -> Result<Key, E> {
        node.map(|node| match node.value {
            Value::Str(text) => Key(text),
            other => {
                let mut text = Vec::new();
                encode_untyped(&other, &mut text);
                Key(String::from_utf8_lossy(&text).into())
            }
        })
    }
}

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map key that is a scalar")
    }

    fn visit_unit<E: Error>(self) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_unit())
    }

    fn visit_none<E: Error>(self) -> Result<Key, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_i64(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_u64(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_f64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Key, E> {
        Self::text(NodeVisitor.visit_str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Key, A::Error> {
        Err(invalid_key())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Key, A::Error> {
        Err(invalid_key())
    }
}

fn invalid_key<E: Error>() -> E {
    E::custom("yaml: invalid map key")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sigs.k8s.io/yaml makes of scalars.
    #[test]
    fn numbers_are_those_of_yaml_1_1() {
        for (yaml, json) in [
            ("0400", "256"),
            ("0644", "420"),
            ("-010", "-8"),
            ("0o440", "288"),
            ("00", "0"),
            ("0", "0"),
            ("08", "8"),
            ("010.5", "10.5"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("'0400'", "\"0400\""),
            ("0400a", "\"0400a\""),
        ] {
            let read = to_json(yaml.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(read).unwrap(), json, "{yaml}");
        }
    }
}
