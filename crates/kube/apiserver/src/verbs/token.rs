//! Continue tokens: where a list that was cut goes on (apiserver `storage.EncodeContinue`).

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine as _};
use serde::{Deserialize, Serialize};

const VERSION: &str = "meta.k8s.io/v1";

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
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
        let malformed = |why: &dyn std::fmt::Display| TokenError::Malformed(why.to_string());
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|why| TokenError::Malformed(illegal_base64(&why)))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|why| malformed(&why))?;
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
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
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
        Token::decode(&URL_SAFE_NO_PAD.encode(json))
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
        ];
        for (json, text) in cases {
            assert_eq!(
                wire(json).unwrap_err().to_string(),
                format!("continue key is not valid: {text}")
            );
        }
        assert!(matches!(Token::decode("%%%"), Err(TokenError::Malformed(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", start in ".{0,30}") {
            let _ = Token::decode(&text);
            let _ = wire(&serde_json::json!({"v": VERSION, "rv": 3, "start": start}).to_string());
        }
    }
}
