//! What containers of an image run.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::or_default;

/// The value of a set written as a JSON object: `{"80/tcp": {}}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// Whatever the value is, the key alone counts; some write `null`.
impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self {})
    }
}

/// What containers of an image run (config.md `config`, Docker's `container.Config`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// User and group, by name or number.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// Ports it listens on: `80/tcp`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `NAME=VALUE`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub env: Vec<String>,
    /// The command that is always run.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, or the command if there is no entrypoint.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Where anonymous volumes go.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// Where it starts.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// Notes.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// What `stop` sends: a name or number.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// How long `stop` waits, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// How to see whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What runs a command given as one string.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Instructions for images built on top.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub on_build: Vec<String>,
    /// Whether `cmd` is one escaped command line (Windows).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How to see whether a container is well. Durations are in nanoseconds; 0 inherits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `[]` inherits, `["NONE"]` disables, else `CMD` and arguments or `CMD-SHELL` and a command.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// For one check.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// During which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks in that period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy; 0 inherits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Words, or one text that is a single word (old images).
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(Option::deserialize(deserializer)?.map(|words| match words {
        Words::Many(words) => words,
        Words::One(word) => vec![word],
    }))
}
