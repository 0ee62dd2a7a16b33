//! The configuration of an image (OCI image-spec 1.1 config.md) with the fields that Docker adds.
//!
//! An image's id is the digest of these bytes, so what came from elsewhere is kept as bytes and
//! never written again; these types are for reading it, and for writing what is made here. Fields
//! that nobody here knows are kept in `extra` and reach the images built on top.

mod run;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, DigestAlgorithm, Error, Platform};

pub use run::{Empty, Healthcheck, RunConfig};

/// The largest configuration that is read, in bytes. A row of the store holds it.
pub(crate) const MAX_CONFIG: usize = 2 << 20;

/// An image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// In Go's words: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Of the architecture: `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// By whom.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Why (Docker: `commit -m`, `import -m`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// What containers of it run.
    #[serde(default, deserialize_with = "or_default")]
    pub config: RunConfig,
    /// Its layers.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How it was made, oldest first.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<HistoryRow>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// Digests of the uncompressed layers, bottom first.
    #[serde(default, deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: layers(),
            diff_ids: Vec::new(),
        }
    }
}

fn layers() -> String {
    "layers".to_owned()
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The instruction or command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// A configuration for this machine with no layers yet.
    #[must_use]
    pub fn for_host() -> Self {
        let Platform {
            architecture,
            os,
            variant,
        } = Platform::host();
        Self {
            architecture,
            os,
            variant,
            ..Self::default()
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if it is too large, is no JSON, has layers of an unknown type or more
    /// steps with a layer in its history than layers.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_CONFIG {
            return Err(Error::Config(format!("it is larger than {MAX_CONFIG} bytes")));
        }
        let config: Self = serde_json::from_slice(bytes).map_err(|error| Error::Config(error.to_string()))?;
        if config.rootfs.kind != "layers" {
            return Err(Error::Config(format!(
                "unknown rootfs type {:?}",
                config.rootfs.kind
            )));
        }
        // What is unpacked here is compared by SHA-256.
        let known = |diff_id: &Digest| diff_id.algorithm() == DigestAlgorithm::Sha256;
        if let Some(other) = config.rootfs.diff_ids.iter().find(|diff_id| !known(diff_id)) {
            return Err(Error::Config(format!("the diff id {other} is not of sha256")));
        }
        let made = config.history.iter().filter(|row| !row.empty_layer).count();
        if !config.history.is_empty() && made > config.rootfs.diff_ids.len() {
            return Err(Error::Config(
                "too many non-empty layers in History section".to_owned(),
            ));
        }
        Ok(config)
    }

    /// Fills in this machine where it does not say what it runs on.
    pub(crate) fn complete(&mut self) {
        let host = Platform::host();
        if self.os.is_empty() && self.architecture.is_empty() {
            (self.os, self.architecture) = (host.os, host.architecture);
        }
    }

    /// What it runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
        }
    }

    /// Chain ids of its layers, bottom first.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<Digest> {
        let mut top = None;
        let fold = |diff_id: &Digest| *top.insert(Digest::chain(top, *diff_id));
        self.rootfs.diff_ids.iter().map(fold).collect()
    }
}

/// `null` is what Go writes for an empty slice or map.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads bytes that nobody vouches for: whatever they are, the answer is a value or an error.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(config) = ImageConfig::parse(bytes) {
        drop(config.chain_ids());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = r#"{"architecture":"amd64","os":"linux","created":"2024-05-01T10:00:00.5+02:00",
        "container_config":{"Hostname":"x"},"variant":"v1","docker_version":"28.2.2",
        "config":{"Hostname":"x","Env":null,"Cmd":["sh"],"Entrypoint":"one word","ExposedPorts":{"80/tcp":null},
            "Volumes":null,"Labels":null,"OnBuild":null,"Healthcheck":{"Test":["NONE"],"Interval":3}},
        "history":[{"created":"2024-05-01T08:00:00Z","empty_layer":true}],
        "rootfs":{"type":"layers","diff_ids":null}}"#;

    #[test]
    fn what_docker_writes_is_read_and_what_is_not_known_is_kept() {
        let config = ImageConfig::parse(DOCKER.as_bytes()).unwrap();
        assert_eq!(config.created.unwrap().to_string(), "2024-05-01T08:00:00.5Z");
        assert_eq!(
            config.config.entrypoint.as_deref(),
            Some(&["one word".to_owned()][..])
        );
        assert!(config.config.exposed_ports.contains_key("80/tcp"));
        assert_eq!(config.config.healthcheck.as_ref().unwrap().interval, 3);
        let again = serde_json::to_value(&config).unwrap();
        assert_eq!(again["container_config"]["Hostname"], "x");
        assert_eq!(again["config"]["Hostname"], "x");
        assert_eq!(ImageConfig::parse(again.to_string().as_bytes()).unwrap(), config);
    }

    #[test]
    fn what_is_no_configuration_is_said_so() {
        let check = |text: &str, why: &str| {
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        check("", "EOF");
        check("[]", "invalid");
        check(r#"{"rootfs":{"type":"magic"}}"#, "unknown rootfs type \"magic\"");
        check(
            r#"{"rootfs":{"diff_ids":["x"]}}"#,
            "invalid checksum digest format",
        );
        check(r#"{"history":[{}]}"#, "too many non-empty layers");
        check(&" ".repeat(MAX_CONFIG + 1), "larger than");
    }
}
