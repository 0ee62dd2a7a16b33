//! What a container is to be: everything needed to run it, in the words of no front door.
//!
//! A [`ContainerSpec`] is complete. A door (the Docker API, the kubelet, the builder) has merged
//! the image's configuration into it, resolved names and checked ranges before it hands it in, so
//! that the same specification means the same container whoever asked for it, now and after a
//! restart of the daemon. What a door wants to echo to its clients it keeps beside it
//! ([`crate::Container::door`]).
//!
//! Specifications are rows of the store: every struct is `#[serde(default)]`, a property that is
//! added later is its default in an old row, and a meaning never changes.

mod isolation;
mod mounts;
mod network;
mod policy;
mod resources;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use isolation::{
    Capabilities, CgroupNamespace, IpcNamespace, Isolation, PidNamespace, Seccomp, UserNamespace,
    UtsNamespace,
};
pub use mounts::{MountKind, MountSpec, Propagation, VolumeSource};
pub use network::{EndpointSettings, NetworkMode, Networking, PortProtocol, PublishedPort};
pub use policy::{Healthcheck, LogDriver, Probe, RestartPolicy};
pub use resources::{BlockIoLimit, DeviceMapping, Resources, Ulimit, WeightDevice};

/// Everything needed to run a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// The program and its arguments: entrypoint and command in one. Never empty.
    pub args: Vec<String>,
    /// The environment, `NAME=value` each, in order; a later entry wins. What every container
    /// gets (`PATH`, `HOSTNAME`, `HOME`, `TERM`) is added by the translation, where absent.
    pub env: Vec<String>,
    /// The working directory, absolute; empty for `/`. Made if it does not exist.
    pub cwd: String,
    /// `USER[:GROUP]`, names or numbers, looked up in the container's own files; empty for root.
    pub user: String,
    /// Supplementary groups (`--group-add`), names or numbers.
    pub groups: Vec<String>,
    /// Whether it also has the groups that its own files list the user in.
    pub listed_groups: ListedGroups,
    /// Whether the program has a pseudo-terminal.
    pub tty: bool,
    /// Its first size as rows and columns; absent for the terminal's own default.
    pub terminal_size: Option<(u16, u16)>,
    /// Whether standard input is a pipe that clients may attach to; else `/dev/null`.
    pub open_stdin: bool,
    /// Whether standard input is closed when the first client that attached it goes.
    pub stdin_once: bool,
    /// Whether a process of ours stays as process 1 and reaps (`--init`).
    pub init: bool,

    /// The host name inside; empty for the first 12 characters of the id.
    pub hostname: String,
    /// The domain name inside.
    pub domainname: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// OCI annotations.
    pub annotations: BTreeMap<String, String>,

    /// Namespaces, capabilities, filters and paths.
    pub isolation: Isolation,
    /// Limits and devices.
    pub resources: Resources,
    /// Volumes, bind mounts and tmpfs, in the order asked for; the translation sorts them.
    pub mounts: Vec<MountSpec>,
    /// Containers whose volumes and binds are mounted too: (full id, read-only).
    pub volumes_from: Vec<(String, bool)>,
    /// Size of `/dev/shm` in bytes; 0 for upstream's 64 MiB.
    pub shm_size: u64,
    /// Whether the root file system is read-only.
    pub read_only_rootfs: bool,
    /// Networks, ports, names.
    pub network: Networking,

    /// What happens when the program ends.
    pub restart: RestartPolicy,
    /// Whether the container is removed, with its anonymous volumes, when it has ended (`--rm`).
    pub auto_remove: bool,
    /// The signal that asks the program to end (`SIGTERM`, `15`, `RTMIN+3`); empty for SIGTERM.
    pub stop_signal: String,
    /// Seconds between that signal and SIGKILL; -1 for no SIGKILL, absent for 10.
    pub stop_timeout: Option<i64>,
    /// How health is probed, if it is.
    pub healthcheck: Option<Healthcheck>,
    /// Where output is logged.
    pub log: LogDriver,
}

/// Whether a program has the groups that the container's `/etc/group` lists its user in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedGroups {
    /// Where the user is written without a group (docker's rule).
    #[default]
    WithoutGroup,
    /// Always (`supplementalGroupsPolicy: Merge`).
    Always,
    /// Never (`supplementalGroupsPolicy: Strict`).
    Never,
}

/// A further process in a running container (`docker exec`, probes).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecSpec {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Environment on top of the container's own.
    pub env: Vec<String>,
    /// The working directory; empty for the container's.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for the container's.
    pub user: String,
    /// Whether it has a pseudo-terminal.
    pub tty: bool,
    /// Whether standard input is attached.
    pub stdin: bool,
    /// Whether standard output is attached.
    pub stdout: bool,
    /// Whether standard error is attached.
    pub stderr: bool,
    /// Whether it has every capability and no filter.
    pub privileged: bool,
    /// The key sequence that detaches, as the client wrote it; the door acts on it.
    pub detach_keys: String,
    /// Rows and columns that the terminal begins with.
    pub terminal_size: Option<(u16, u16)>,
}

impl ExecSpec {
    /// The command as events show it: upstream joins the program with its arguments, even with none.
    pub(crate) fn shown(&self) -> String {
        let (program, arguments) = self
            .args
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first, rest));
        format!("{program} {}", arguments.join(" "))
    }
}
