//! Volumes of pods on the node's disk, in memory, and by path.
//!
//! Everything of a pod is below `ROOT/UID`: `volumes/PLUGIN/NAME` as upstream's kubelet has it, and
//! `volume-subpaths/VOLUME/CONTAINER/INDEX` for parts of volumes. What is there and what is mounted is what the file system
//! says, and nothing is remembered: a daemon that starts anew finds all of it.

mod atomic;
mod empty_dir;
mod host_path;
mod mounted;
mod mounts;
mod ownership;
mod subpath;
mod usage;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driver::Clock;
use engine::spec::MountSpec;
use kubelet::traits::{Doing, Refused, Volumes};
use kubelet::volume::{Content, FileEntry, Mounted, Mounts, Payload, Plugin, Usage};
use kubelet::{ContainerIx, Pod, Uid};

use host_path::HostPathError;
pub use mounts::{MountError, SubPathFault};

/// Where volumes are, and parts of them, below a pod's directory.
const VOLUMES: &str = "volumes";
const SUBPATHS: &str = "volume-subpaths";

/// The directory of empty directories below [`VOLUMES`].
const EMPTY_DIR: &str = "kubernetes.io~empty-dir";

/// Why a volume could not be made.
#[derive(Debug, thiserror::Error)]
enum VolumeError {
    #[error(transparent)]
    HostPath(#[from] HostPathError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the group {0} is none")]
    Group(i64),
}

/// The volumes of all pods of a node. Whoever asks does one thing at a time for each pod.
#[derive(Clone)]
pub struct VolumeStore {
    /// A directory for each pod, named by its uid, is below it.
    root: Arc<Path>,
    clock: Arc<dyn Clock>,
}

impl VolumeStore {
    /// Those below `root`, which is there.
    pub fn new(root: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            root: root.into(),
            clock,
        }
    }

    /// What a container of a pod sees of its volumes. Parts of volumes are bound for it, so it has to be asked anew for
    /// each start. It works on the disk: not to be called where nothing may wait.
    ///
    /// # Errors
    /// See [`MountError`]: the message of `CreateContainerConfigError`.
    pub fn mounts_of(
        &self,
        pod: &Pod,
        at: ContainerIx,
        environment: &[(String, String)],
        mounts: &Mounts,
    ) -> Result<Vec<MountSpec>, MountError> {
        let container = pod.spec.all.get(usize::from(at.0));
        let subpaths = self.root.join(&*pod.uid).join(SUBPATHS);
        container.map_or(Ok(Vec::new()), |container| {
            mounts::of(&subpaths, pod, container, environment, mounts)
        })
    }

    /// Unmounts and removes all volumes of a pod, with what is in them. It works on the disk.
    ///
    /// # Errors
    /// Something is mounted that cannot be unmounted, or cannot be removed; nothing that is mounted is removed.
    pub fn remove(&self, uid: &Uid) -> io::Result<()> {
        let pod = self.root.join(&**uid);
        for directory in [SUBPATHS, VOLUMES].map(|name| pod.join(name)) {
            // Nothing is mounted below what is not there, and the table of mounts grows with the node's pods.
            if !directory.try_exists()? {
                continue;
            }
            mounted::clear(&directory)?;
            sys::tree::remove(&directory)?;
        }
        Ok(())
    }

    /// Unmounts all that is mounted for a pod and keeps what is on disk, for a node that goes down. It works on the disk.
    ///
    /// # Errors
    /// Something is mounted that cannot be unmounted.
    pub fn unmount(&self, uid: &Uid) -> io::Result<()> {
        let pod = self.root.join(&**uid);
        [SUBPATHS, VOLUMES]
            .iter()
            .try_for_each(|name| mounted::clear(&pod.join(name)))
    }

    fn place(&self, uid: &Uid, plugin: &str, volume: &str) -> PathBuf {
        self.root.join(&**uid).join(VOLUMES).join(plugin).join(volume)
    }

    fn make_all(&self, pod: &Pod, payloads: &[Payload]) -> Result<Mounts, Refused> {
        let mut mounts = Mounts::default();
        for payload in payloads {
            let mounted = self
                .make(pod, payload)
                .map_err(|error| refused(payload, &error))?;
            mounts.volumes.insert(payload.volume.clone(), mounted);
        }
        Ok(mounts)
    }

    fn make(&self, pod: &Pod, payload: &Payload) -> Result<Mounted, VolumeError> {
        let group = group(pod)?;
        let volume = &payload.volume;
        let (path, read_only) = match &payload.content {
            Content::HostPath(wanted) => (host_path::find(wanted)?, false),
            Content::EmptyDir(wanted) => {
                let path = self.place(&pod.uid, EMPTY_DIR, volume);
                make_parent(&path)?;
                empty_dir::make(&path, wanted, pod, group)?;
                (path, false)
            }
            Content::Files { plugin, files } => {
                let path = self.place(&pod.uid, plugin.directory(), volume);
                make_parent(&path)?;
                self.fill(&path, *plugin, files, group)?;
                (path, true)
            }
        };
        Ok(Mounted { path, read_only })
    }

    fn fill(
        &self,
        path: &Path,
        plugin: Plugin,
        files: &[FileEntry],
        group: Option<u32>,
    ) -> Result<(), VolumeError> {
        let new = match plugin {
            Plugin::ConfigMap => empty_dir::on_disk(path)?,
            Plugin::Secret | Plugin::Projected | Plugin::DownwardApi => empty_dir::in_memory(path, None)?,
        };
        if let Some(group) = group.filter(|_| new) {
            ownership::give_root(path, group, ownership::Access::Read)?;
        }
        atomic::write(path, files, group, self.clock.wall())?;
        Ok(())
    }

    /// What empty directories on disk take. Those in memory are bounded by their size.
    fn measure(&self, uid: &Uid) -> Usage {
        let directory = self.root.join(&**uid).join(VOLUMES).join(EMPTY_DIR);
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let measured = entries.filter_map(|entry| {
            let bytes = usage::of(&entry.path()).ok()?;
            Some((entry.file_name().into_string().ok()?, bytes))
        });
        Usage {
            volumes: measured.collect(),
            ..Usage::default()
        }
    }
}

impl Volumes for VolumeStore {
    fn write(&self, pod: &Arc<Pod>, payloads: Vec<Payload>) -> Doing<Result<Arc<Mounts>, Refused>> {
        let (store, pod) = (self.clone(), pod.clone());
        on_disk(move || store.make_all(&pod, &payloads).map(Arc::new))
    }

    fn update(&self, pod: &Arc<Pod>, payload: Payload) -> Doing<Result<(), Refused>> {
        let (store, pod) = (self.clone(), pod.clone());
        on_disk(move || {
            let made = store.make(&pod, &payload);
            made.map(drop).map_err(|error| refused(&payload, &error))
        })
    }

    fn usage(&self, uid: &Uid) -> Doing<Usage> {
        let (store, uid) = (self.clone(), uid.clone());
        on_disk(move || store.measure(&uid))
    }
}

/// Runs where it may wait for the disk. It goes on when nobody waits for it any more.
fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Doing<T> {
    let running = tokio::task::spawn_blocking(work);
    Box::pin(async move {
        match running.await {
            Ok(done) => done,
            // It is never aborted: it panicked, and what it panicked with goes on here.
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    })
}

/// Directories above a volume are nobody's but the node's.
fn make_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    DirBuilder::new().recursive(true).mode(0o750).create(parent)
}

fn group(pod: &Pod) -> Result<Option<u32>, VolumeError> {
    let group = pod.spec.security_context.fs_group;
    group
        .map(|group| u32::try_from(group).map_err(|_| VolumeError::Group(group)))
        .transpose()
}

fn refused(payload: &Payload, error: &VolumeError) -> Refused {
    Refused {
        reason: "FailedMount".to_owned(),
        message: format!(
            "MountVolume.SetUp failed for volume {:?} : {error}",
            payload.volume
        ),
    }
}
