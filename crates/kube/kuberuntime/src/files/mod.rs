//! The files that name things in a pod: `/etc/hosts`, `/etc/resolv.conf`, `/etc/hostname`. Written once for a pod, and
//! mounted into each of its containers.
//!
//! What is in them is decided without I/O; [`write()`] is the one that touches the disk.

mod hosts;
mod names;
mod resolv_conf;

use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kubelet::Pod;

pub use names::{Names, NamesError};
pub use resolv_conf::{Exceeded, ResolvConf};

/// The largest file of the node that is copied into pods.
const MAX_FILE: u64 = 1 << 20;

/// A stub of systemd-resolved, which answers nobody outside the node's own network namespace; and what it asks itself.
const STUB: &str = "127.0.0.53";
const BEHIND_STUB: &str = "/run/systemd/resolve/resolv.conf";

/// What the names of a cluster are.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// `cluster.local`
    pub domain: String,
    /// Its name server; none if it has none.
    pub server: Option<IpAddr>,
}

/// The node's own files, which pods with its network and those that name no other server share.
#[derive(Clone, Debug)]
pub struct NodeFiles {
    /// `/etc/hosts`
    pub hosts: PathBuf,
    /// `/etc/resolv.conf`
    pub resolv_conf: PathBuf,
}

impl Default for NodeFiles {
    fn default() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
        }
    }
}

/// Where the files of a pod are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// `/etc/hosts`
    pub hosts: PathBuf,
    /// `/etc/resolv.conf`
    pub resolv_conf: PathBuf,
    /// `/etc/hostname`; none with the node's network, whose name is the node's.
    pub hostname: Option<PathBuf>,
    /// What did not fit into `resolv.conf`: each the message of a warning `DNSConfigForming`.
    pub exceeded: Vec<Exceeded>,
}

/// Why a pod has no such files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Its name is none.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// A file could not be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// Writes the files of a pod into its directory, which is there. What is there already is replaced in place, because
/// containers may have it mounted.
///
/// # Errors
/// See [`FilesError`].
pub fn write(
    directory: &Path,
    pod: &Pod,
    address: Option<IpAddr>,
    cluster: &Cluster,
    node: &NodeFiles,
) -> Result<Files, FilesError> {
    let names = Names::of(pod, &cluster.domain)?;
    let hosts = if pod.spec.host_network {
        hosts::of_node(&read(&node.hosts)?, &pod.spec.host_aliases)
    } else {
        hosts::managed(address, &names, &pod.spec.host_aliases)
    };
    let (resolv_conf, exceeded) = ResolvConf::of(pod, &node_resolv_conf(&node.resolv_conf)?, cluster);
    let put = |name: &str, text: &str| put(directory.join(name), text);
    Ok(Files {
        hosts: put("etc-hosts", &hosts)?,
        resolv_conf: put("resolv.conf", &resolv_conf.to_string())?,
        hostname: (!pod.spec.host_network)
            .then(|| put("hostname", &format!("{}\n", names.of_kernel())))
            .transpose()?,
        exceeded,
    })
}

/// What the node asks for names. A stub on loopback is of no use in other network namespaces; what it asks is.
fn node_resolv_conf(path: &Path) -> Result<ResolvConf, FilesError> {
    let own = ResolvConf::parse(&read(path)?);
    let behind = Path::new(BEHIND_STUB);
    if own.servers == [STUB] && behind.exists() {
        return Ok(ResolvConf::parse(&read(behind)?));
    }
    Ok(own)
}

/// A file of the node; empty if it is not there.
fn read(path: &Path) -> Result<String, FilesError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FilesError::Io(path.to_owned(), error)),
        _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Everybody may read it, whatever the umask.
fn put(path: PathBuf, text: &str) -> Result<PathBuf, FilesError> {
    let done =
        fs::write(&path, text).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
    match done {
        Ok(()) => Ok(path),
        Err(error) => Err(FilesError::Io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let json =
            format!(r#"{{"metadata": {{"name": "web", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        Pod::parse(json.as_bytes()).unwrap()
    }

    fn written(spec: &str) -> (Files, [String; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let node = NodeFiles {
            hosts: directory.path().join("node-hosts"),
            resolv_conf: directory.path().join("node-resolv"),
        };
        fs::write(&node.hosts, "10.9.9.9\tother\n").unwrap();
        fs::write(&node.resolv_conf, "nameserver 9.9.9.9\nsearch lan\n").unwrap();
        let cluster = Cluster {
            domain: "cluster.local".to_owned(),
            server: Some([10, 43, 0, 10].into()),
        };
        let address = Some([10, 42, 0, 5].into());
        let files = write(directory.path(), &pod(spec), address, &cluster, &node).unwrap();
        let texts = [&files.hosts, &files.resolv_conf].map(|path| fs::read_to_string(path).unwrap());
        (files, texts)
    }

    #[test]
    fn a_pod_has_its_own_files() {
        let (files, [hosts, resolv_conf]) = written("{}");
        assert!(hosts.ends_with("10.42.0.5\tweb\n"), "{hosts}");
        assert_eq!(
            resolv_conf,
            "search x.svc.cluster.local svc.cluster.local cluster.local lan\nnameserver 10.43.0.10\noptions ndots:5\n"
        );
        assert_eq!((files.hostname.is_some(), files.exceeded.len()), (true, 0));
    }

    #[test]
    fn with_the_nodes_network_it_has_the_nodes() {
        let (files, [hosts, resolv_conf]) = written(r#"{"hostNetwork": true}"#);
        let header = "# Kubernetes-managed hosts file (host network).\n";
        assert_eq!(hosts, format!("{header}10.9.9.9\tother\n"));
        assert_eq!(resolv_conf, "search lan\nnameserver 9.9.9.9\n");
        assert_eq!(files.hostname, None);
    }
}
