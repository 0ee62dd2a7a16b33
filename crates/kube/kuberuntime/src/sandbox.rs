//! What the containers of a pod share: network, IPC namespace, shared memory, names, group.
//!
//! No process holds it. Namespaces are files, and a note beside them says whose they are, so that the next daemon finds
//! a pod's sandbox whole or not at all: the note is written last.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use kubelet::container::Sandbox;
use kubelet::pod::{ContainerPort, Protocol};
use kubelet::traits::Refused;
use kubelet::{Pod, Uid};
use network::{PodAttach, PortBinding};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::resources;
use crate::{Pods, blocking, files};

/// Bytes of a pod's `/dev/shm`.
const SHM: &str = "mode=1777,size=65536k";

/// Kernel parameters of IPC namespaces; all others that a pod may set are of its network.
const IPC_PARAMETERS: [&str; 2] = ["kernel.", "fs.mqueue."];

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
enum SandboxError {
    #[error("{0}")]
    Network(#[from] network::Error),
    #[error(transparent)]
    Files(#[from] files::FilesError),
    #[error("{0}: {1}")]
    Node(&'static str, #[source] io::Error),
    #[error("the port {0:?} of the node is none")]
    Port(String),
}

/// For `map_err`.
fn node(what: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |error| SandboxError::Node(what, error)
}

impl Pods {
    /// Makes a pod's sandbox unless it is there.
    pub(crate) async fn prepare_pod(&self, pod: Arc<Pod>) -> Result<Sandbox, Refused> {
        let _turn = self.0.turns.acquire().await;
        let pods = self.clone();
        let made = blocking(move || match pods.sandbox(&pod.uid) {
            Some(sandbox) => Ok(sandbox),
            None => pods.make_sandbox(&pod),
        });
        made.await.map_err(|error| Refused {
            reason: "FailedCreatePodSandBox".to_owned(),
            message: format!("Failed to create pod sandbox: {error}"),
        })
    }

    fn make_sandbox(&self, pod: &Arc<Pod>) -> Result<Sandbox, SandboxError> {
        let names = files::Names::of(pod, &self.0.cluster.domain).map_err(files::FilesError::from)?;
        // Its directory comes before all else and goes after it: where there is none, no attempt was cut short.
        let directory = self.0.paths.sandbox(&pod.uid);
        if directory.exists() || self.0.engine.networks().pod(&pod.uid).is_some() {
            self.unmake_sandbox(&pod.uid)
                .map_err(node("the remains of a sandbox"))?;
        }
        make_directory(&directory).map_err(node("the sandbox's directory"))?;
        // Its network and all else are made at once: both wait for locks of the kernel, and for different ones.
        let address = std::thread::scope(|scope| {
            let network = std::thread::Builder::new().spawn_scoped(scope, || self.attach(pod));
            let made = self.make_shared(pod);
            let network = network.map_err(node("a thread"))?;
            let address = network
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            made.and(address)
        });
        let done = address.and_then(|address| {
            let address = address.map(IpAddr::V4);
            let directory = self.0.paths.pod(&pod.uid);
            let written = files::write(&directory, pod, address, &self.0.cluster, &self.0.node_files)?;
            let hostname = if pod.spec.host_network {
                String::new()
            } else {
                names.of_kernel()
            };
            self.write_note(pod, hostname)
                .map_err(node("the note of a sandbox"))?;
            let warnings = written.exceeded.into_iter().map(|exceeded| exceeded.0);
            Ok(Sandbox {
                address,
                warnings: warnings.collect(),
            })
        });
        if done.is_err()
            && let Err(error) = self.unmake_sandbox(&pod.uid)
        {
            tracing::warn!(pod = pod.key(), %error, "the remains of a sandbox stay until the next attempt");
        }
        done
    }

    fn attach(&self, pod: &Pod) -> Result<Option<Ipv4Addr>, SandboxError> {
        if pod.spec.host_network {
            return Ok(None);
        }
        let of_network = pod
            .spec
            .security_context
            .sysctls
            .iter()
            .filter(|each| !is_of_ipc(&each.name));
        let request = PodAttach {
            pod: pod.uid.to_string(),
            ports: ports(pod)?,
            sysctls: of_network
                .map(|each| (each.name.clone(), each.value.clone()))
                .collect(),
        };
        Ok(Some(self.0.engine.networks().attach_pod(request)?.address))
    }

    fn make_shared(&self, pod: &Pod) -> Result<(), SandboxError> {
        let (paths, uid) = (&self.0.paths, &pod.uid);
        make_directory(&paths.pod(uid)).map_err(node("the pod's directory"))?;
        let logs = paths.pod_logs(&pod.namespace, &pod.name, uid);
        fs::create_dir_all(&logs).map_err(node("the directory of logs"))?;
        let group = self.0.groups.of_pod(resources::qos(pod), uid);
        let bounds = resources::of_pod(pod);
        self.0
            .groups
            .set(&group, bounds)
            .map_err(node("the pod's control group"))?;
        if !pod.spec.host_ipc {
            let all = &pod.spec.security_context.sysctls;
            let parameters = all.iter().filter(|each| is_of_ipc(&each.name));
            let parameters = parameters.map(|each| Ok((sys::sysctl::file(&each.name)?, each.value.as_str())));
            let parameters: Vec<(PathBuf, &str)> = parameters
                .collect::<io::Result<_>>()
                .map_err(node("a kernel parameter"))?;
            sys::ipcns::create(&paths.ipc(uid), || {
                parameters
                    .iter()
                    .try_for_each(|(path, value)| fs::write(path, value))
            })
            .map_err(node("the pod's IPC namespace"))?;
            mount_shm(&paths.shm(uid)).map_err(node("the pod's shared memory"))?;
        }
        Ok(())
    }

    /// A pod's sandbox, if it is there and works.
    pub(crate) fn sandbox(&self, uid: &Uid) -> Option<Sandbox> {
        let note = self.note(uid)?;
        let address = self
            .0
            .engine
            .networks()
            .pod(uid)
            .map(|pod| IpAddr::V4(pod.address));
        let ipc = note.host_ipc || sys::netns::is_namespace(&self.0.paths.ipc(uid));
        (ipc && address.is_none() == note.host_network).then_some(Sandbox {
            address,
            warnings: Vec::new(),
        })
    }

    /// Takes a pod's sandbox away, whole or in part.
    pub(crate) fn unmake_sandbox(&self, uid: &Uid) -> io::Result<()> {
        let detached = self.0.engine.networks().detach_pod(uid);
        detached.map_err(io::Error::other)?;
        unmount(&self.0.paths.shm(uid))?;
        sys::netns::unpin(&self.0.paths.ipc(uid))?;
        self.0.groups.remove_pod(uid)?;
        self.share_class(|bursts| bursts.remove(uid))?;
        gone(fs::remove_dir_all(self.0.paths.sandbox(uid)))
    }
}

/// What is not there is gone.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Nobody but the node looks into it.
fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(path)
}

fn is_of_ipc(name: &str) -> bool {
    IPC_PARAMETERS
        .iter()
        .any(|prefix| name.replace('/', ".").starts_with(prefix))
}

fn mount_shm(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    let options = std::ffi::CString::new(SHM)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount("shm", path, "tmpfs", flags, &*options)?)
}

/// What is not mounted, or not there, is unmounted.
fn unmount(path: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    match rustix::mount::unmount(path, UnmountFlags::DETACH) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The node's ports that lead to a pod.
fn ports(pod: &Pod) -> Result<Vec<PortBinding>, SandboxError> {
    let all = pod.spec.all.iter().flat_map(|container| &container.ports);
    all.filter(|port| port.host_port != 0).map(binding).collect()
}

fn binding(port: &ContainerPort) -> Result<PortBinding, SandboxError> {
    let everywhere = matches!(port.host_ip.as_str(), "" | "0.0.0.0" | "::");
    let address = (!everywhere).then(|| port.host_ip.parse());
    Ok(PortBinding {
        container_port: port.container_port,
        protocol: match port.protocol {
            Protocol::Tcp => network::Protocol::Tcp,
            Protocol::Udp => network::Protocol::Udp,
            Protocol::Sctp => network::Protocol::Sctp,
        },
        host_ip: address
            .transpose()
            .map_err(|_| SandboxError::Port(port.host_ip.clone()))?,
        host_port: Some((port.host_port, port.host_port)),
    })
}
