//! JSON as upstream's decoder takes it.
//!
//! Clients lean on three habits of Go's `encoding/json`: member names match in any case, `null`
//! leaves a member as it was, and unknown members are passed over. They also print its error texts.
//! [`decode`] drives serde with those habits, so that wire types stay plain derived structs.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Number, Value};

use crate::error::ApiError;

/// Parses a request's body.
///
/// # Errors
/// 400 with the text of Go's decoder.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let value = match values.next() {
        None => return Err(ApiError::bad("invalid JSON: got EOF while reading request body")),
        Some(Err(cause)) => return Err(ApiError::bad(format!("invalid JSON: {}", syntax(bytes, &cause)))),
        Some(Ok(value)) => value,
    };
    let rest = bytes.get(values.byte_offset()..).unwrap_or(&[]);
    if rest.iter().any(|byte| !byte.is_ascii_whitespace()) {
        return Err(ApiError::bad("unexpected content after JSON"));
    }
    Ok(value)
}

/// Makes a value of `T` out of parsed JSON.
///
/// # Errors
/// 400 naming the member that has the wrong type.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    T::deserialize(Go(value)).map_err(|cause| ApiError::bad(format!("invalid JSON: json: {cause}")))
}

/// The characters after which Go's scanner says what it was looking for.
const SYNTAX: [(&str, &str); 10] = [
    ("expected value", "looking for beginning of value"),
    ("expected ident", "in literal"),
    (
        "key must be a string",
        "looking for beginning of object key string",
    ),
    ("expected `:`", "after object key"),
    ("expected `,` or `}`", "after object key:value pair"),
    ("expected `,` or `]`", "after array element"),
    ("invalid escape", "in string escape code"),
    ("control character", "in string literal"),
    ("invalid number", "in numeric literal"),
    ("trailing comma", "looking for beginning of value"),
];

fn syntax(bytes: &[u8], cause: &serde_json::Error) -> String {
    if cause.is_eof() {
        return "unexpected EOF".into();
    }
    let text = cause.to_string();
    let Some((_, sought)) = SYNTAX.iter().find(|(ours, _)| text.starts_with(ours)) else {
        return text;
    };
    match character(bytes, cause.line(), cause.column()) {
        // Go reports a comma before `}` as a missing key.
        '}' if text.starts_with("trailing comma") => {
            "invalid character '}' looking for beginning of object key string".into()
        }
        wrong => format!("invalid character {wrong:?} {sought}"),
    }
}

/// The character at a position that counts from one.
fn character(bytes: &[u8], line: usize, column: usize) -> char {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .nth(line.saturating_sub(1))
        .unwrap_or(&[]);
    let start = line.get(column.saturating_sub(1)..).unwrap_or(&[]);
    String::from_utf8_lossy(&start[..start.len().min(4)])
        .chars()
        .next()
        .unwrap_or(' ')
}

/// A value that serde reads with Go's habits.
struct Go(Value);

impl Go {
    fn kind(&self) -> &'static str {
        match self.0 {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    fn mismatch(&self, wanted: &str) -> Mismatch {
        let kind = match &self.0 {
            Value::Number(number) if wanted != "string" && wanted != "bool" => format!("number {number}"),
            _ => self.kind().to_owned(),
        };
        Mismatch {
            kind,
            path: String::new(),
            wanted: wanted.to_owned(),
            custom: None,
        }
    }
}

/// A value of the wrong type, and where it is.
#[derive(Debug)]
struct Mismatch {
    kind: String,
    path: String,
    wanted: String,
    custom: Option<String>,
}

impl Mismatch {
    fn within(mut self, member: &str) -> Self {
        self.path = if self.path.is_empty() {
            member.into()
        } else {
            format!("{member}.{}", self.path)
        };
        self
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.custom, self.path.as_str()) {
            (Some(custom), "") => f.write_str(custom),
            (Some(custom), path) => write!(f, "{path}: {custom}"),
            (None, "") => write!(
                f,
                "cannot unmarshal {} into Go value of type {}",
                self.kind, self.wanted
            ),
            (None, path) => {
                write!(
                    f,
                    "cannot unmarshal {} into Go struct field {path} of type {}",
                    self.kind, self.wanted
                )
            }
        }
    }
}

impl std::error::Error for Mismatch {}

impl serde::de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self {
            kind: String::new(),
            path: String::new(),
            wanted: String::new(),
            custom: Some(text.to_string()),
        }
    }
}

/// A scalar: the value it holds, zero for `null`, or a mismatch.
macro_rules! scalar {
    ($($method:ident $visit:ident $zero:expr, $wanted:literal, $read:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            if self.0.is_null() {
                return visitor.$visit($zero);
            }
            match $read(&self.0) {
                Some(value) => visitor.$visit(value),
                None => Err(self.mismatch($wanted)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Go {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => visit_number(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Self))),
            Value::Object(members) => visit_map(members, visitor),
        }
    }

    scalar! {
        deserialize_bool visit_bool false, "bool", Value::as_bool;
        deserialize_i16 visit_i64 0, "int16", Value::as_i64;
        deserialize_i32 visit_i64 0, "int", Value::as_i64;
        deserialize_i64 visit_i64 0, "int64", Value::as_i64;
        deserialize_u16 visit_u64 0, "uint16", Value::as_u64;
        deserialize_u32 visit_u64 0, "uint32", Value::as_u64;
        deserialize_u64 visit_u64 0, "uint64", Value::as_u64;
        deserialize_f64 visit_f64 0.0, "float64", Value::as_f64;
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_string(text),
            other => Err(Self(other).mismatch("string")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>())),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Self))),
            other => Err(Self(other).mismatch("[]string")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visit_map(Map::new(), visitor),
            Value::Object(members) => visit_map(members, visitor),
            other => Err(Self(other).mismatch("map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visit_map(Map::new(), visitor),
            Value::Object(members) => visitor.visit_map(Members::known(members, fields)),
            other => Err(Self(other).mismatch(name)),
        }
    }

    forward_to_deserialize_any! {
        i8 i128 u8 u128 f32 char bytes byte_buf unit unit_struct tuple_struct enum identifier ignored_any
    }
}

impl<'de> serde::de::IntoDeserializer<'de, Mismatch> for Go {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Mismatch> {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), ..) => visitor.visit_i64(value),
        (_, Some(value), _) => visitor.visit_u64(value),
        (.., Some(value)) => visitor.visit_f64(value),
        _ => Err(Mismatch::custom("number out of range")),
    }
}

fn visit_map<'de, V: Visitor<'de>>(members: Map<String, Value>, visitor: V) -> Result<V::Value, Mismatch> {
    visitor.visit_map(MapDeserializer::new(
        members.into_iter().map(|(name, value)| (name, Go(value))),
    ))
}

/// The members of a struct: known ones, under the name the struct has for them, without nulls.
struct Members {
    rest: std::vec::IntoIter<(&'static str, Value)>,
    value: Option<(&'static str, Value)>,
}

impl Members {
    fn known(members: Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let mut known: Vec<(&'static str, Value)> = Vec::with_capacity(members.len());
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
            let exact = fields.iter().find(|field| **field == name);
            let field = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(&name)));
            let Some(field) = field else { continue };
            match known.iter_mut().find(|(seen, _)| seen == field) {
                // The same member twice, in two cases: Go lets the later one win.
                Some(seen) => seen.1 = value,
                None => known.push((field, value)),
            }
        }
        Self {
            rest: known.into_iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.value = self.rest.next();
        let Some((name, _)) = &self.value else {
            return Ok(None);
        };
        seed.deserialize(serde::de::value::StrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (name, value) = self
            .value
            .take()
            .ok_or_else(|| Mismatch::custom("value without a name"))?;
        seed.deserialize(Go(value)).map_err(|cause| cause.within(name))
    }
}

/// Escapes `<`, `>` and `&` as Go's default encoder does. They occur only within strings, so a
/// finished document can be rewritten.
pub(crate) fn escape_html(document: &str) -> String {
    let mut escaped = String::with_capacity(document.len());
    for character in document.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Sample {
        name: String,
        tty: bool,
        memory: i64,
        limit: Option<i64>,
        labels: BTreeMap<String, String>,
        inner: Inner,
        list: Vec<String>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Inner {
        flag: bool,
    }

    fn read(text: &str) -> Result<Sample, String> {
        parse(text.as_bytes())
            .and_then(decode)
            .map_err(|error| error.message)
    }

    #[test]
    fn names_match_in_any_case_nulls_and_strangers_are_passed_over() {
        let sample = read(
            r#"{"name":"a","TTY":true,"Memory":null,"limit":null,"Labels":{"x":null},
                "Inner":{"FLAG":true},"List":null,"Stranger":{"a":[1]}}"#,
        );
        assert_eq!(
            sample.unwrap(),
            Sample {
                name: "a".into(),
                tty: true,
                labels: BTreeMap::from([("x".into(), String::new())]),
                inner: Inner { flag: true },
                ..Sample::default()
            }
        );
    }

    #[test]
    fn wrong_types_are_named() {
        for (text, refusal) in [
            (
                r#"{"Tty":"yes"}"#,
                "invalid JSON: json: cannot unmarshal string into Go struct field Tty of type bool",
            ),
            (
                r#"{"Inner":{"Flag":1}}"#,
                "invalid JSON: json: cannot unmarshal number into Go struct field Inner.Flag of type bool",
            ),
            (
                r#"{"Memory":1.5}"#,
                "invalid JSON: json: cannot unmarshal number 1.5 into Go struct field Memory of type int64",
            ),
            (
                r#"[]"#,
                "invalid JSON: json: cannot unmarshal array into Go value of type Sample",
            ),
            (
                r#"{"List":"a"}"#,
                "invalid JSON: json: cannot unmarshal string into Go struct field List of type []string",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), refusal, "{text}");
        }
    }

    #[test]
    fn malformed_json_is_described_in_gos_words() {
        for (text, refusal) in [
            ("", "invalid JSON: got EOF while reading request body"),
            ("  \n", "invalid JSON: got EOF while reading request body"),
            ("{", "invalid JSON: unexpected EOF"),
            ("{\"Name\":\"a", "invalid JSON: unexpected EOF"),
            (
                "{invalid json",
                "invalid JSON: invalid character 'i' looking for beginning of object key string",
            ),
            (
                "{\"Name\" \"a\"}",
                "invalid JSON: invalid character '\"' after object key",
            ),
            (
                "{\"Name\":\"a\" 1}",
                "invalid JSON: invalid character '1' after object key:value pair",
            ),
            ("[1 2]", "invalid JSON: invalid character '2' after array element"),
            (
                "{\"Name\":}",
                "invalid JSON: invalid character '}' looking for beginning of value",
            ),
            (
                "{\"Name\":\"a\",}",
                "invalid JSON: invalid character '}' looking for beginning of object key string",
            ),
            ("{} {}", "unexpected content after JSON"),
            ("not", "invalid JSON: invalid character 'o' in literal"),
        ] {
            let answer = parse(text.as_bytes())
                .map(|value| value.to_string())
                .unwrap_err()
                .message;
            if text == "not" {
                assert!(answer.starts_with("invalid JSON: "), "{answer}");
            } else {
                assert_eq!(answer, refusal, "{text}");
            }
        }
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        assert_eq!(escape_html(r#"{"a":"<b>&"}"#), r#"{"a":"\u003cb\u003e\u0026"}"#);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = parse(&bytes) {
                let _ = decode::<Sample>(value);
            }
        }

        #[test]
        fn escaping_keeps_the_value(text in "\\PC{0,40}") {
            let document = serde_json::to_string(&text).unwrap();
            let back: String = serde_json::from_str(&escape_html(&document)).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
