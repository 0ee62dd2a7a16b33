//! `v1 Volume`: the kinds that this node has. Others are refused before a pod is read so closely.

use serde::Deserialize;

use super::container::{FieldRef, ResourceFieldRef};

/// `items[]` of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyToPath {
    /// The key.
    pub key: String,
    /// The file, below the volume.
    pub path: String,
    /// Its mode; none for the volume's.
    pub mode: Option<u32>,
}

/// A ConfigMap or Secret as files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilesSource {
    /// The object's name.
    #[serde(alias = "secretName")]
    pub name: String,
    /// Which keys; empty for all, each under its own name.
    pub items: Vec<KeyToPath>,
    /// 0644 if not said. Of a projected volume's source: never said.
    pub default_mode: Option<u32>,
    /// It need not exist.
    pub optional: bool,
}

/// `downwardAPI.items[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DownwardFile {
    /// The file, below the volume.
    pub path: String,
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
    /// What a container may use.
    pub resource_field_ref: Option<ResourceFieldRef>,
    /// Its mode; none for the volume's.
    pub mode: Option<u32>,
}

/// Fields of the pod as files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DownwardSource {
    /// The files.
    pub items: Vec<DownwardFile>,
    /// 0644 if not said.
    pub default_mode: Option<u32>,
}

/// `serviceAccountToken` of a projected volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TokenSource {
    /// Whom it is for; empty for the API server.
    pub audience: String,
    /// How long it is good for.
    pub expiration_seconds: Option<i64>,
    /// The file, below the volume.
    pub path: String,
}

/// A source of a projected volume. At most one is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Projection {
    /// A Secret.
    #[serde(rename = "secret")]
    Secret(FilesSource),
    /// A ConfigMap.
    #[serde(rename = "configMap")]
    ConfigMap(FilesSource),
    /// Fields of the pod.
    #[serde(rename = "downwardAPI")]
    Downward(DownwardSource),
    /// A token of the pod's account.
    #[serde(rename = "serviceAccountToken")]
    Token(TokenSource),
    /// What this node does not have, and refuses.
    #[serde(untagged)]
    Other(serde_json::Value),
}

/// `projected`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Projected {
    /// Later ones win.
    pub sources: Vec<Projection>,
    /// 0644 if not said.
    pub default_mode: Option<u32>,
}

/// `emptyDir`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EmptyDir {
    /// `Memory`, or empty for the node's disk.
    pub medium: String,
    /// At most this much, as the user wrote it.
    pub size_limit: Option<String>,
}

/// `hostPath`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostPath {
    /// A path of the node.
    pub path: String,
    /// What has to be there: empty, `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice`,
    /// `BlockDevice`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VolumeSource {
    /// A directory that lives as long as the pod.
    EmptyDir(EmptyDir),
    /// A path of the node.
    HostPath(HostPath),
    /// A ConfigMap.
    ConfigMap(FilesSource),
    /// A Secret.
    Secret(FilesSource),
    /// Fields of the pod.
    #[serde(rename = "downwardAPI")]
    Downward(DownwardSource),
    /// Several of these.
    Projected(Projected),
    /// What this node does not have, and refuses.
    #[serde(untagged)]
    Other(serde_json::Value),
}

impl Default for VolumeSource {
    /// A volume that says nothing is an empty directory.
    fn default() -> Self {
        Self::EmptyDir(EmptyDir::default())
    }
}

/// `spec.volumes[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// Its name, unique in the pod.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub source: VolumeSource,
}
