//! What is said of a patch whose outcome is no object of the kind.
//!
//! Upstream decodes the outcome of a JSON or merge patch as JSON, and restores that of a strategic one from Go maps;
//! the two find the same faults and word them apart.

use std::fmt::Write;

use patch::Format;
use schema::BUILTIN;
use schema::field::{Error, Path};
use schema::json;
use schema::status::{GroupName, Status};
use schema::tree::Value;

use crate::Refused;

/// 422 about the patch, in upstream's way: of no kind and without a name.
pub(super) fn unfit(format: Format, patch: &[u8], patched: &[u8], why: &str) -> Refused {
    let (shown, why) = match format {
        Format::Strategic => (go_map(patch), restored(why)),
        Format::Json | Format::Merge => (String::from_utf8_lossy(patched).into_owned(), why.to_owned()),
    };
    let error = Error::invalid(&Path::new("patch"), shown, why);
    let nothing = GroupName { group: "", name: "" };
    Status::invalid(nothing, "", &vec![error]).into()
}

/// The converter's words for a decoder's (apimachinery `runtime/converter.go`).
fn restored(why: &str) -> String {
    let mismatch = why.strip_prefix("json: cannot unmarshal ").and_then(|rest| {
        let (value, rest) = rest.split_once(" into Go ")?;
        let (_, wanted) = rest.rsplit_once(" of type ")?;
        Some((value, wanted))
    });
    let Some((value, wanted)) = mismatch else {
        return why.to_owned();
    };
    let (kind, go) = match value.split(' ').next().unwrap_or_default() {
        "object" => ("map", "map[string]interface {}"),
        "array" => ("slice", "[]interface {}"),
        "number" if value.contains('.') => ("float64", "float64"),
        "number" => ("int64", "int64"),
        other => (other, other),
    };
    if wanted.starts_with("map[") {
        format!("cannot restore map from {kind}")
    } else if wanted.starts_with("[]") {
        format!("cannot restore slice from {kind}")
    } else if is_struct(wanted) {
        format!("cannot restore struct from: {kind}")
    } else if kind == "int64" || (kind == "float64" && wanted != "string") {
        format!("cannot convert {go} to {wanted}")
    } else {
        format!("unrecognized type: {}", basic(wanted))
    }
}

fn is_struct(wanted: &str) -> bool {
    let name = wanted.rsplit_once('.').map(|(_, name)| name);
    name.is_some_and(|name| BUILTIN.ids().any(|ty| BUILTIN.type_name(ty).1 == name))
}

/// The kind below a Go type's name: what is named and no struct is a string.
fn basic(wanted: &str) -> &str {
    if wanted.contains('.') { "string" } else { wanted }
}

/// JSON as Go's `%+v` prints it.
fn go_map(patch: &[u8]) -> String {
    let mut out = String::new();
    match json::parse(patch) {
        Ok(value) => print(&value, &mut out),
        Err(_) => out.push_str(&String::from_utf8_lossy(patch)),
    }
    out
}

fn print(value: &Value, out: &mut String) {
    match value {
        Value::Map(map) => {
            out.push_str("map[");
            for (at, (key, value)) in map.entries().iter().enumerate() {
                let _ = write!(out, "{}{key}:", if at == 0 { "" } else { " " });
                print(value, out);
            }
            out.push(']');
        }
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { " " });
                print(item, out);
            }
            out.push(']');
        }
        Value::Str(text) => out.push_str(text),
        Value::Null => out.push_str("<nil>"),
        other => {
            let mut bytes = Vec::new();
            json::encode_untyped(other, &mut bytes);
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_converter_words_a_mismatch_by_what_was_wanted() {
        let cases = [
            (
                "string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
                "cannot restore map from string",
            ),
            (
                "object into Go struct field PodSpec.spec.containers of type []v1.Container",
                "cannot restore slice from map",
            ),
            (
                "array into Go struct field Pod.spec of type v1.PodSpec",
                "cannot restore struct from: slice",
            ),
            (
                "number into Go struct field PodSpec.spec.nodeName of type string",
                "cannot convert int64 to string",
            ),
            (
                "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
                "cannot convert int64 to v1.RestartPolicy",
            ),
            (
                "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
                "cannot convert float64 to int32",
            ),
            (
                "string into Go struct field DeploymentSpec.spec.replicas of type int32",
                "unrecognized type: int32",
            ),
            (
                "bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
                "unrecognized type: string",
            ),
        ];
        for (why, expected) in cases {
            assert_eq!(restored(&format!("json: cannot unmarshal {why}")), expected);
        }
        assert_eq!(restored("quantities must match"), "quantities must match");
    }

    #[test]
    fn maps_are_shown_as_go_shows_them() {
        let shown = go_map(br#"{"metadata":{"labels":"x"},"a":[1,null,true,{"b":1.5}]}"#);
        assert_eq!(shown, "map[a:[1 <nil> true map[b:1.5]] metadata:map[labels:x]]");
    }
}
