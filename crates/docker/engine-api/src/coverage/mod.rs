//! Nothing is accepted and ignored.
//!
//! [`table`] has a row for each property of `Config`, `HostConfig` and `NetworkingConfig`: honoured
//! (and which test shows it), inert by upstream's own definition, or refused. Refusal walks the
//! request's JSON as it came, so that a property cannot get lost between parsing and use. `facts.tsv`
//! lists the properties of upstream's specification; a test checks that each has a row, and prints
//! docs/coverage.md.

#[cfg(test)]
mod disk;
pub(crate) mod table;

use serde_json::Value;

use crate::error::ApiError;
use table::{Row, Standing};

/// Refuses every property below `prefix` that is not there yet, unless it has its default.
///
/// # Errors
/// 501 naming the first one.
pub(crate) fn refuse(prefix: &str, value: &Value) -> Result<(), ApiError> {
    match value {
        Value::Object(members) => members
            .iter()
            .try_for_each(|(name, value)| member(prefix, name, value)),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| refuse(&format!("{prefix}[]"), item)),
        _ => Ok(()),
    }
}

/// An update's properties are those of `HostConfig`.
///
/// # Errors
/// As [`refuse`].
pub(crate) fn refuse_update(value: &Value) -> Result<(), ApiError> {
    refuse("HostConfig", value)
}

/// A member is looked up under its own name; where the names are the user's, under `*`.
fn member(prefix: &str, name: &str, value: &Value) -> Result<(), ApiError> {
    if is_default(value) {
        return Ok(());
    }
    let path = format!("{prefix}.{name}");
    match table::find(&path) {
        Some(row) => {
            check(row, value)?;
            refuse(row.path, value)
        }
        None => refuse(&format!("{prefix}.*"), value),
    }
}

fn check(row: &Row, value: &Value) -> Result<(), ApiError> {
    match row.standing {
        Standing::Refused => Err(unsupported_property(row.path)),
        Standing::RefusedValue(words) if value.as_str().is_some_and(|word| words.contains(&word)) => Err(
            ApiError::unsupported(format!("{} {value} is not supported yet", row.path)),
        ),
        _ => Ok(()),
    }
}

fn unsupported_property(path: &str) -> ApiError {
    ApiError::unsupported(format!("{path} is not supported yet"))
}

/// What Go's decoder would leave at its zero value, and what is empty.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Refuses the first property that is set, for requests that are read into a struct.
///
/// # Errors
/// 501 naming it.
pub(crate) fn unsupported(object: &str, properties: &[(&str, bool)]) -> Result<(), ApiError> {
    match properties.iter().find(|(_, set)| *set) {
        Some((name, _)) => Err(unsupported_property(&format!("{object}.{name}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_there_yet_is_refused_by_name() {
        for (prefix, body, sentence) in [
            (
                "HostConfig",
                json!({"StorageOpt": {"size": "1G"}}),
                "HostConfig.StorageOpt is not supported yet",
            ),
            (
                "HostConfig",
                json!({"storageopt": {"size": "1G"}}),
                "HostConfig.StorageOpt is not supported yet",
            ),
            (
                "HostConfig",
                json!({"DeviceRequests": [{"Driver": "nvidia"}]}),
                "HostConfig.DeviceRequests is not supported yet",
            ),
            (
                "HostConfig",
                json!({"KernelMemoryTCP": 1}),
                "HostConfig.KernelMemoryTCP is not supported yet",
            ),
            (
                "HostConfig",
                json!({"Mounts": [{"Type": "image"}]}),
                "HostConfig.Mounts[].Type \"image\" is not supported yet",
            ),
            (
                "HostConfig",
                json!({"Mounts": [{"Type": "bind"}, {"Type": "cluster"}]}),
                "HostConfig.Mounts[].Type \"cluster\" is not supported yet",
            ),
        ] {
            let refused = refuse(prefix, &body).unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), refused.message.as_str()),
                (501, sentence)
            );
        }
    }

    #[test]
    fn defaults_and_strangers_pass() {
        for (prefix, body) in [
            (
                "HostConfig",
                json!({"StorageOpt": {}, "DeviceRequests": null, "KernelMemoryTCP": 0, "CpuCount": 0}),
            ),
            ("HostConfig", json!({"Unheard": {"of": [1]}, "Memory": 5})),
            ("Config", json!({"Labels": {"StorageOpt": "x"}})),
            (
                "NetworkingConfig",
                json!({"EndpointsConfig": {"n": {"Aliases": ["a"]}, "m": null}}),
            ),
        ] {
            assert_eq!(refuse(prefix, &body), Ok(()));
        }
    }
}
