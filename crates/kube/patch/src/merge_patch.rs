//! JSON merge patch (RFC 7386): members of the patch replace those of the object, `null` removes.

use schema::json::{encode_untyped, parse};
use schema::tree::{Map, Value};

use crate::Error;

/// Applies a merge patch to an object in JSON.
///
/// # Errors
/// [`Error::Syntax`] for a patch that is not JSON, [`Error::Form`] for one that is no object: an array is
/// JSON's whole replacement by RFC 7386, and no object of Kubernetes.
pub fn merge_patch(document: &[u8], patch: &[u8]) -> Result<Vec<u8>, Error> {
    let patch = match parse(patch)? {
        Value::Map(patch) => *patch,
        _ => return Err(Error::Form("Invalid JSON Patch".to_owned())),
    };
    let mut document = parse(document)?;
    merge(&mut document, patch);
    let mut out = Vec::new();
    encode_untyped(&document, &mut out);
    Ok(out)
}

/// RFC 7386 section 2, `MergePatch`.
fn merge(target: &mut Value, patch: Map) {
    if target.as_map().is_none() {
        *target = Value::Map(Box::default());
    }
    let Value::Map(target) = target else { return };
    for (key, value) in patch.into_entries() {
        match value {
            Value::Null => {
                target.remove(&key);
            }
            Value::Map(patch) => {
                if target.get(&key).is_none() {
                    target.insert(&key, Value::Map(Box::default()));
                }
                if let Some(inner) = target.get_mut(&key) {
                    merge(inner, *patch);
                }
            }
            other => target.insert(&key, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, patch: &str, expected: &str) {
        let patched = merge_patch(document.as_bytes(), patch.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(patched).unwrap(),
            expected,
            "{document} + {patch}"
        );
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (document, patch, expected) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            check(document, patch, expected);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (patch, message) in [
            ("[]", "Invalid JSON Patch"),
            ("1", "Invalid JSON Patch"),
            ("{", "invalid JSON patch"),
        ] {
            let error = merge_patch(b"{}", patch.as_bytes()).unwrap_err();
            assert_eq!(
                (error.status().code, error.status().message.as_str()),
                (400, message)
            );
        }
    }
}
