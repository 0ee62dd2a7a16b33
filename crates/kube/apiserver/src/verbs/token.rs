//! Continue tokens: where a list that was cut goes on (apiserver `storage.EncodeContinue`).

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use base64::{DecodeError, Engine as _};
use schema::json::{parse, write_float};
use schema::tree::{Map, Value};
use serde::Serialize;

const VERSION: &str = "meta.k8s.io/v1";

/// Go's `RawURLEncoding`, which does not mind bits that are left over.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

#[derive(Default, Serialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

impl Wire {
    /// Reads it as Go does, whose sentences an error has.
    fn read(json: &[u8]) -> Result<Self, TokenError> {
        let map = match parse(json).map_err(|why| TokenError::Malformed(why.to_string()))? {
            Value::Map(map) => *map,
            Value::Null => Map::default(),
            other => return Err(mismatch(&other, "value of type storage.continueToken")),
        };
        Ok(Self {
            v: text(&map, "v")?,
            rv: match map.get("rv") {
                Some(Value::Int(rv)) => *rv,
                None | Some(Value::Null) => 0,
                Some(other) => return Err(mismatch(other, "struct field continueToken.rv of type int64")),
            },
            start: text(&map, "start")?,
        })
    }
}

fn text(map: &Map, name: &str) -> Result<String, TokenError> {
    match map.get(name) {
        Some(Value::Str(text)) => Ok(text.to_string()),
        None | Some(Value::Null) => Ok(String::new()),
        Some(other) => {
            let place = format!("struct field continueToken.{name} of type string");
            Err(mismatch(other, &place))
        }
    }
}

/// `encoding/json`'s `UnmarshalTypeError`.
fn mismatch(value: &Value, place: &str) -> TokenError {
    let found = match value {
        Value::Bool(_) => "bool".to_owned(),
        Value::Int(_) if !place.ends_with("int64") => "number".to_owned(),
        Value::Float(float) if place.ends_with("int64") => {
            let mut out = Vec::new();
            write_float(&mut out, *float);
            format!("number {}", String::from_utf8_lossy(&out))
        }
        Value::Int(_) | Value::Float(_) => "number".to_owned(),
        Value::List(_) => "array".to_owned(),
        Value::Map(_) => "object".to_owned(),
        _ => "string".to_owned(),
    };
    TokenError::Malformed(format!("json: cannot unmarshal {found} into Go {place}"))
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The revision of the first page; none for one that goes on at the newest.
    pub(crate) revision: Option<u64>,
    /// The first key of the next page, below the part of the collection that is listed.
    pub(crate) start: String,
}

/// Why a text is no token: upstream's sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("continue key is not valid: {0}")]
    Malformed(String),
    #[error("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")]
    NoRevision,
    #[error("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")]
    NoStart,
    #[error("continue key is not valid: server does not recognize this encoded version {0}")]
    Version(String),
}

impl Token {
    /// Reads what a client sent: anything.
    pub(crate) fn decode(text: &str) -> Result<Self, TokenError> {
        let bytes = BASE64.decode(text);
        let bytes = bytes.map_err(|why| TokenError::Malformed(illegal_base64(&why)))?;
        let wire = Wire::read(&bytes)?;
        if wire.v != VERSION {
            return Err(TokenError::Version(wire.v));
        }
        if wire.rv == 0 {
            return Err(TokenError::NoRevision);
        }
        if wire.start.is_empty() {
            return Err(TokenError::NoStart);
        }
        let start = wire.start.strip_prefix('/').unwrap_or(&wire.start);
        if !is_clean(start) {
            return Err(TokenError::Malformed(wire.start));
        }
        Ok(Self {
            revision: u64::try_from(wire.rv).ok(),
            start: start.to_owned(),
        })
    }

    pub(crate) fn encode(&self) -> String {
        let wire = Wire {
            v: VERSION.to_owned(),
            rv: self.revision.and_then(|rv| i64::try_from(rv).ok()).unwrap_or(-1),
            start: self.start.clone(),
        };
        // Strings and a number always are JSON.
        BASE64.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }
}

/// Go's text, which counts up to the group of four that cannot be read.
fn illegal_base64(why: &DecodeError) -> String {
    let at = match why {
        DecodeError::InvalidByte(at, _) => *at,
        DecodeError::InvalidLastSymbol { offset, .. } => *offset,
        DecodeError::InvalidLength(length) => length.saturating_sub(1),
        DecodeError::InvalidPadding => 0,
    };
    format!("illegal base64 data at input byte {at}")
}

/// Whether a key leads nowhere but down: what Go's `path.Clean` leaves as it is.
fn is_clean(key: &str) -> bool {
    !key.is_empty() && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(json: &str) -> Result<Token, TokenError> {
        Token::decode(&BASE64.encode(json))
    }

    #[test]
    fn a_token_comes_back() {
        for revision in [Some(7), None] {
            let start = "default/web-0\0".to_owned();
            let token = Token { revision, start };
            assert_eq!(Token::decode(&token.encode()), Ok(token));
        }
    }

    #[test]
    fn tokens_of_strangers_are_refused_in_upstreams_words() {
        let cases = [
            (
                r#"{"v":"meta.k8s.io/v1","start":"a"}"#,
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":1}"#,
                "encoded start key empty (version meta.k8s.io/v1)",
            ),
            (
                r#"{"v":"v9","rv":1,"start":"a"}"#,
                "server does not recognize this encoded version v9",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../../secrets/a"}"#,
                "../../secrets/a",
            ),
            (r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a//b"}"#, "a//b"),
            (
                "[1]",
                "json: cannot unmarshal array into Go value of type storage.continueToken",
            ),
            (
                r#"{"v":1}"#,
                "json: cannot unmarshal number into Go struct field continueToken.v of type string",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":"x"}"#,
                "json: cannot unmarshal string into Go struct field continueToken.rv of type int64",
            ),
        ];
        for (json, text) in cases {
            assert_eq!(
                wire(json).unwrap_err().to_string(),
                format!("continue key is not valid: {text}")
            );
        }
        for (text, why) in [
            ("%%%", "illegal base64 data at input byte 0"),
            ("abc", "invalid character 'i' looking for beginning of value"),
        ] {
            let told = Token::decode(text).unwrap_err().to_string();
            assert_eq!(told, format!("continue key is not valid: {why}"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", start in ".{0,30}") {
            let _ = Token::decode(&text);
            let _ = wire(&serde_json::json!({"v": VERSION, "rv": 3, "start": start}).to_string());
        }
    }
}
