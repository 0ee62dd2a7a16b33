//! The JSON shapes of the API, where they are not made on the spot: requests that have a structure,
//! and what is kept beside a container to answer with later. Members are in upstream's order.

pub(crate) mod config;
pub(crate) mod host_config;
pub(crate) mod network;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Words, or one text that counts as a single word, as upstream's `strslice` reads them.
pub(crate) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    use serde::de::Error;
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(word) => Ok(Some(vec![word])),
        Value::Array(items) => items
            .into_iter()
            .map(word)
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(D::Error::custom),
        other => Err(D::Error::custom(format!(
            "cannot unmarshal {other} into a list of words"
        ))),
    }
}

fn word(item: Value) -> Result<String, String> {
    match item {
        Value::String(word) => Ok(word),
        Value::Null => Ok(String::new()),
        other => Err(format!("cannot unmarshal {other} into a word")),
    }
}

/// Whether a number is zero, for members that are left out then.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
pub(crate) const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Whether a flag is not set, for members that are left out then.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}
