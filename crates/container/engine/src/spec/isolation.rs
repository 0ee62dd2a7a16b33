//! What a container shares with the host and with others, and what it may do there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Namespaces, privileges, filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// All capabilities, all devices, no seccomp, nothing masked, cgroups writable.
    pub privileged: bool,
    /// Changes to the default capability set.
    pub capabilities: Capabilities,
    /// The system call filter.
    pub seccomp: Seccomp,
    /// `no-new-privileges`.
    pub no_new_privileges: bool,
    /// AppArmor profile; empty for `docker-default` where the host enforces AppArmor, else none.
    pub apparmor: String,
    /// SELinux options (`label=…`), without the prefix.
    pub selinux: Vec<String>,
    /// Paths made unreadable; absent for the default list.
    pub masked_paths: Option<Vec<String>>,
    /// Paths made read-only; absent for the default list.
    pub readonly_paths: Option<Vec<String>>,
    /// Kernel parameters (`net.ipv4.ip_forward` → value); namespaced ones only.
    pub sysctls: BTreeMap<String, String>,
    /// IPC namespace.
    pub ipc: IpcNamespace,
    /// PID namespace.
    pub pid: PidNamespace,
    /// UTS namespace.
    pub uts: UtsNamespace,
    /// Cgroup namespace.
    pub cgroup: CgroupNamespace,
    /// User namespace.
    pub user: UserNamespace,
}

/// Changes to the default capability set: names without or with `CAP_`, or `ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Added.
    pub add: Vec<String>,
    /// Dropped.
    pub drop: Vec<String>,
}

/// The system call filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    /// Docker's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// This profile: the text of a JSON document in Docker's format.
    Profile(String),
}

/// `--ipc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpcNamespace {
    /// Its own, not to be joined, and no `/dev/shm`.
    None,
    /// Its own, not to be joined.
    #[default]
    Private,
    /// Its own; others may join it.
    Shareable,
    /// The host's.
    Host,
    /// That of the container with this id.
    Container(String),
    /// The namespace behind this file (a pod's). Its `/dev/shm` is for the door to mount.
    Path(String),
}

/// `--pid`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PidNamespace {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// That of the container with this id.
    Container(String),
}

/// `--uts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtsNamespace {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
}

/// `--cgroupns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupNamespace {
    /// Its own on a cgroup v2 host, the host's on v1 (upstream's default), unless privileged.
    #[default]
    HostDefault,
    /// Its own.
    Private,
    /// The host's.
    Host,
}

/// `--userns`. Remapping is a setting of the node that does not exist yet, so both are the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserNamespace {
    /// The node's default.
    #[default]
    Default,
    /// The host's.
    Host,
}
