//! What a node is told before it starts, as types. Nothing below reads an environment or a file for it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use controllers::Selection;
use disk::Quota;
use distribution::config::{Proxies, Sources};
use serde::{Deserialize, Serialize};

pub use crate::addresses::{Cidr, Domain, InvalidAddresses, PodCidr, PortRange};

/// A node's configuration, complete and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What every host-wide name derives from.
    pub name: InstanceName,
    /// What survives a reboot.
    pub data_dir: PathBuf,
    /// Sockets, pid files and namespaces: what a reboot may take away.
    pub run_dir: PathBuf,
    /// Where the Engine API is served.
    pub docker_socket: PathBuf,
    /// How many network namespaces are kept ready for containers to come.
    pub ready_namespaces: usize,
    /// How much of the disk may be taken before what can be had again goes.
    pub disk_quota: Quota,
    /// What was used within so long stays even then (upstream's `imageMinimumGCAge`).
    pub image_minimum_gc_age: Duration,
    /// The node's own registry.
    pub registry: Registry,
    /// Other people's registries.
    pub registries: Registries,
    /// The Kubernetes side.
    pub kubernetes: Kubernetes,
}

/// Where the node's registry is served, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// The address.
    pub bind: IpAddr,
    /// The port; 0 is no registry.
    pub port: u16,
    /// The file with its configuration (`registry::Settings`).
    pub file: Option<PathBuf>,
}

/// How other people's registries are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    /// Mirrors and credentials, as k3s has them. It need not exist.
    pub file: PathBuf,
    /// A directory for each registry, as containerd has them. It need not exist.
    pub hosts: PathBuf,
    /// Hosts and networks that may speak plain HTTP.
    pub insecure: Vec<String>,
    /// Mirrors of Docker Hub.
    pub mirrors: Vec<String>,
    /// What goes through a proxy. It is never told on a command line, since there may be passwords in it.
    pub proxies: Proxies,
}

impl Registries {
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            hosts: vec![self.hosts.clone()],
            registries: vec![self.file.clone()],
            insecure: self.insecure.clone(),
            mirrors: self.mirrors.clone(),
            ..Sources::usual()
        }
    }
}

/// What the Kubernetes side of a node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// The address on which the API is served.
    pub bind: IpAddr,
    /// Its port; 0 lets the kernel choose one.
    pub api_port: u16,
    /// The address under which others reach this node.
    pub node_ip: IpAddr,
    /// Where Services get their addresses from.
    pub service_cidr: Cidr,
    /// Where they get their node ports from.
    pub node_port_range: PortRange,
    /// The domain below which Services have names.
    pub cluster_domain: Domain,
    /// Where this node's pods get their addresses from.
    pub pod_cidr: PodCidr,
    /// The port of the kubelet's own API; 0 lets the kernel choose one.
    pub kubelet_port: u16,
    /// How many pods the node takes.
    pub max_pods: u16,
    /// Which controllers run.
    pub controllers: Selection,
    /// What else does not.
    pub without: Without,
}

/// Parts that can be left out of a node, as words parted by commas: `kubelet,scheduler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Without {
    /// The node takes no pods, and does not register itself.
    pub kubelet: bool,
    /// Pods are bound by somebody else.
    pub scheduler: bool,
}

/// A word that is no part of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be left out: kubelet and scheduler can")]
pub struct InvalidPart(String);

impl FromStr for Without {
    type Err = InvalidPart;

    fn from_str(text: &str) -> Result<Self, InvalidPart> {
        let mut without = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "kubelet" => without.kubelet = true,
                "scheduler" => without.scheduler = true,
                other => return Err(InvalidPart(other.to_owned())),
            }
        }
        Ok(without)
    }
}

impl TryFrom<String> for Without {
    type Error = InvalidPart;

    fn try_from(text: String) -> Result<Self, InvalidPart> {
        text.parse()
    }
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.kubelet, "kubelet"), (self.scheduler, "scheduler")];
        let words: Vec<&str> = words
            .iter()
            .filter_map(|(out, word)| out.then_some(*word))
            .collect();
        f.write_str(&words.join(","))
    }
}

impl Kubernetes {
    /// The address of the cluster's name server: the tenth of the Services'.
    #[must_use]
    pub fn cluster_dns(&self) -> IpAddr {
        self.service_cidr.nth(10)
    }
}

impl Config {
    /// The files of this node.
    #[must_use]
    pub fn paths(&self) -> Paths<'_> {
        Paths(self)
    }
}

/// The longest instance name: a link's name has 15 bytes, and the network appends up to four.
const MAX_NAME: usize = 11;

/// The name of an instance: a lower-case letter, then up to ten of `a-z 0-9 -`. Links, the nf_tables
/// table, cgroups and namespace files are named after it, so that several nodes share a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

/// A text that is no [`InstanceName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name for a node: it takes a lower-case letter, then up to 10 of a-z, 0-9 and -")]
pub struct InvalidName(String);

impl InstanceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InstanceName {
    fn default() -> Self {
        Self("gantry".to_owned())
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = text.len() <= MAX_NAME
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(allowed);
        valid
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| InvalidName(text.to_owned()))
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.0
    }
}

/// Where a node's files are. The table of docs/formats/directories.md in types.
#[derive(Clone, Copy, Debug)]
pub struct Paths<'a>(&'a Config);

macro_rules! files {
    ($($(#[$doc:meta])* $name:ident: $root:ident / $file:literal;)*) => {
        impl Paths<'_> {
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> PathBuf { self.0.$root.join($file) })*
        }
    };
}

files! {
    /// The layout's version.
    version: data_dir / "VERSION";
    /// The keys and certificates of the API server.
    tls: data_dir / "tls";
    /// The cluster store's log.
    store: data_dir / "store";
    /// How an administrator reaches the API server.
    kubeconfig: data_dir / "kubeconfig";
    /// The node store's log.
    node: data_dir / "node";
    /// Blobs by digest.
    content: data_dir / "content";
    /// Layers, unpacked.
    snapshots: data_dir / "snapshots";
    /// A directory for each container: its log and its files.
    containers: data_dir / "containers";
    /// What the builder has on disk while it builds.
    build: data_dir / "build";
    /// Named and anonymous volumes.
    volumes: data_dir / "volumes";
    /// The daemon's log.
    log: data_dir / "log/gantry.log";
    /// The daemon's process id.
    pid: run_dir / "gantry.pid";
    /// The supervisor's process id.
    supervisor_pid: run_dir / "supervisor.pid";
    /// Where the supervisor listens.
    supervisor_socket: run_dir / "supervisor.sock";
    /// Where the daemon listens for the command line.
    control_socket: run_dir / "control.sock";
    /// Held by whoever is starting or stopping the node.
    starting: run_dir / "starting.lock";
}

/// The data directory of the node that has the host to itself: its kubelet uses the paths of everybody's kubelets.
const DEFAULT_DATA_DIR: &str = "/var/lib/gantry";

impl Paths<'_> {
    /// The kubelet's root: a directory for each pod.
    #[must_use]
    pub fn kubelet(&self) -> PathBuf {
        self.host_wide("/var/lib/kubelet", "kubelet")
    }

    /// Where the logs of pods are, in `pods`, and links to them in `containers`.
    #[must_use]
    pub fn pod_logs(&self) -> PathBuf {
        self.host_wide("/var/log", "log")
    }

    /// Where the files of static pods are.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.host_wide("/etc/kubernetes/manifests", "manifests")
    }

    fn host_wide(&self, path: &str, own: &str) -> PathBuf {
        if self.0.data_dir == Path::new(DEFAULT_DATA_DIR) {
            PathBuf::from(path)
        } else {
            self.0.data_dir.join(own)
        }
    }

    /// The directory of the daemon's log.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.0.data_dir.join("log")
    }

    /// Where the Engine API is served.
    #[must_use]
    pub fn docker_socket(&self) -> &Path {
        &self.0.docker_socket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_the_kernels_names() {
        for good in ["gantry", "a", "g-1", "abcdefghijk"] {
            assert_eq!(good.parse::<InstanceName>().unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "Gantry", "a_b", "a/b", "abcdefghijkl", "ä"] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
        }
    }
}
