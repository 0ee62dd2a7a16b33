//! What is mounted into a container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Where in the container: absolute and clean.
    pub target: String,
    /// Whether it is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    /// A path of the host.
    Bind {
        /// Absolute and clean.
        source: String,
        /// Propagation; absent for `rprivate`.
        propagation: Option<Propagation>,
        /// Whether mounts below the source are left out (`bind-nonrecursive`).
        non_recursive: bool,
        /// Whether mounts below the source stay writable in a read-only bind.
        read_only_non_recursive: bool,
        /// Whether a source that does not exist is made as a directory (`-v`); else it is refused.
        create_source: bool,
    },
    /// A volume.
    Volume {
        /// Which.
        source: VolumeSource,
        /// Whether what the image has at the target is not copied into an empty volume (`nocopy`).
        no_copy: bool,
        /// A directory of the volume that is mounted in place of all of it; empty for all.
        subpath: String,
        /// Propagation; absent for `rprivate`.
        propagation: Option<Propagation>,
    },
    /// Memory.
    Tmpfs {
        /// Bytes; 0 for the kernel's default.
        size: u64,
        /// Mode of its root; absent for 1777.
        mode: Option<u32>,
        /// More mount options, as given to `--tmpfs` (`noexec`, `uid=1000`).
        options: Vec<String>,
    },
}

/// Which volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// The volume of this name, made at create if it does not exist.
    Named {
        /// Its name.
        name: String,
        /// Its driver; empty for `local`.
        driver: String,
        /// Its driver's options, if it is made.
        options: BTreeMap<String, String>,
        /// Its labels, if it is made.
        labels: BTreeMap<String, String>,
    },
    /// A new one for this container alone. At create it becomes [`Self::Named`] with a random
    /// name in the table's copy of the specification, and is removed with the container.
    Anonymous {
        /// Its driver; empty for `local`.
        #[serde(default)]
        driver: String,
        /// Its driver's options.
        #[serde(default)]
        options: BTreeMap<String, String>,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
}

impl VolumeSource {
    /// A plain new one of the default driver.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self::Anonymous {
            driver: String::new(),
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// Mount propagation: mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the kernel's own words")]
pub enum Propagation {
    Private,
    Rprivate,
    Shared,
    Rshared,
    Slave,
    Rslave,
}

impl Propagation {
    /// The mount option's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Rprivate => "rprivate",
            Self::Shared => "shared",
            Self::Rshared => "rshared",
            Self::Slave => "slave",
            Self::Rslave => "rslave",
        }
    }
}
