//! Volumes as a kubelet hands them to whoever writes them: content decided, nothing written yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::pod::{EmptyDir, HostPath};

/// Where files of a volume come from. It names the volume's directory and what carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// On disk.
    ConfigMap,
    /// In memory only.
    Secret,
    /// In memory only: it may hold a secret or a token.
    Projected,
    /// In memory only.
    DownwardApi,
}

impl Plugin {
    /// The directory below a pod's `volumes`.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::ConfigMap => "kubernetes.io~configmap",
            Self::Secret => "kubernetes.io~secret",
            Self::Projected => "kubernetes.io~projected",
            Self::DownwardApi => "kubernetes.io~downward-api",
        }
    }
}

/// A file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Below the volume, as the API has checked it: relative, without `..`.
    pub path: String,
    /// Permissions, before the pod's `fsGroup` is thought of.
    pub mode: u32,
    /// Its owner; none for root. Only tokens have one.
    pub owner: Option<u32>,
    /// What is in it.
    pub content: Vec<u8>,
}

/// What a volume is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These files, and no others.
    Files {
        /// Where they come from.
        plugin: Plugin,
        /// The files, by path; none twice.
        files: Vec<FileEntry>,
    },
    /// An empty directory.
    EmptyDir(EmptyDir),
    /// A path of the node.
    HostPath(HostPath),
}

/// A volume of a pod, as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// `spec.volumes[].name`
    pub volume: String,
    /// What is in it.
    pub content: Content,
}

/// Where the volumes of a pod are on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// By `spec.volumes[].name`.
    pub volumes: BTreeMap<String, Mounted>,
}

/// A volume that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Its path on the node.
    pub path: PathBuf,
    /// No container may write to it, whatever its mount says (ConfigMaps, Secrets, projected, downward).
    pub read_only: bool,
}

/// What a pod keeps on the node's disk, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Empty directories on disk, by name of the volume.
    pub volumes: BTreeMap<String, u64>,
    /// Writable layer and logs, by name of the container.
    pub containers: BTreeMap<String, u64>,
}
