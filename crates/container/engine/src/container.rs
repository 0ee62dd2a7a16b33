//! A container as the table knows it.

use std::fmt::{self, Display, Formatter};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Durability;

use crate::spec::{ContainerSpec, Propagation};
use crate::state::State;

/// A container's id: 64 hexadecimal digits. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(Arc<str>);

impl ContainerId {
    /// The id of this text, which the caller has made or read from a row.
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl Deref for ContainerId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Display for ContainerId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container at one moment. The table hands out `Arc`s of these; a change makes a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the slash that the Docker API puts before it.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What it is.
    pub spec: Arc<ContainerSpec>,
    /// Its image; absent for an empty root file system.
    pub image: Option<ImageRef>,
    /// Which door it belongs to.
    pub owner: Owner,
    /// What that door keeps beside it to answer its clients (Docker: `Config` and `HostConfig` as
    /// asked for).
    pub door: Arc<serde_json::Value>,
    /// Where in its life it is.
    pub state: State,
    /// How often its restart policy has started it again.
    pub restart_count: u32,
    /// Counts starts; the supervisor tells lives apart by it.
    pub generation: u64,
    /// What is mounted into it, volumes named.
    pub mounts: Vec<MountPoint>,
    /// Its log file, if it has one.
    pub log_path: Option<PathBuf>,
}

impl Container {
    /// Whether this life of it is known to have ended.
    pub(crate) fn has_ended(&self, generation: u64) -> bool {
        self.generation > generation || (self.generation == generation && !self.state.status.has_process())
    }
}

/// The image a container was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// As the user wrote it.
    pub reference: String,
    /// What it was then: `sha256:…`.
    pub id: String,
}

/// Which door a container belongs to. Others may use it but not remove, rename or update it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The Docker API's.
    #[default]
    Docker,
    /// A pod's.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// A step of a build.
    Build,
}

impl Owner {
    /// How its rows are written. A pod's container is made from what the API server has durably:
    /// what a loss of power takes is made again from there, so that a start pays for no fsync.
    pub(crate) const fn durability(&self) -> Durability {
        match self {
            Self::Pod { .. } => Durability::Relaxed,
            Self::Docker | Self::Build => Durability::Durable,
        }
    }
}

/// Something mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// What.
    pub kind: MountPointKind,
    /// The volume's name; empty if it is none.
    pub name: String,
    /// Where it is on the host; empty for a tmpfs.
    pub source: String,
    /// Where it is in the container.
    pub destination: String,
    /// The volume's driver; empty if it is none.
    pub driver: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Its propagation; absent for a tmpfs.
    pub propagation: Option<Propagation>,
    /// Whether the volume was made for this container alone and goes with it.
    pub anonymous: bool,
}

/// The kind of a [`MountPoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountPointKind {
    /// A path of the host.
    Bind,
    /// A volume.
    Volume,
    /// Memory.
    Tmpfs,
}

impl std::borrow::Borrow<str> for ContainerId {
    fn borrow(&self) -> &str {
        &self.0
    }
}
