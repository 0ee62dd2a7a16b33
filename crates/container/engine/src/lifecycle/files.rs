//! Files that the node keeps for a container: names, resolver, shared memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags};

use super::networking::{Attached, Files};
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::oci;
use crate::spec::IpcNamespace;

/// Bytes of `/dev/shm` where nobody said how many.
const SHM_SIZE: u64 = 64 << 20;

/// Paths of the files, for the translation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) resolv_conf: Option<PathBuf>,
    pub(crate) hostname: Option<PathBuf>,
    pub(crate) hosts: Option<PathBuf>,
    pub(crate) shm: Option<PathBuf>,
}

impl Paths {
    pub(crate) fn borrowed(&self) -> oci::Files<'_> {
        oci::Files {
            resolv_conf: self.resolv_conf.as_deref(),
            hostname: self.hostname.as_deref(),
            hosts: self.hosts.as_deref(),
            shm: self.shm.as_deref(),
        }
    }

    fn in_directory(directory: &Path) -> Self {
        let file = |name: &str| Some(directory.join(name)).filter(|path| path.exists());
        Self {
            resolv_conf: file("resolv.conf"),
            hostname: file("hostname"),
            hosts: file("hosts"),
            shm: None,
        }
    }
}

impl Engine {
    /// Writes the files of a container that is about to start.
    pub(crate) fn write_files(&self, container: &Container, attached: &Attached) -> Result<Paths, Error> {
        let directory = self.directory(&container.id);
        let mut paths = match &attached.files {
            Files::None => Paths::default(),
            Files::Of(other) => Paths::in_directory(other),
            Files::Own(sandbox) => {
                let host = &self.0.facts.hostname;
                let hostname = oci::hostname(&container.spec, &container.id, host, None) + "\n";
                let files = [
                    ("resolv.conf", &sandbox.resolv_conf),
                    ("hosts", &sandbox.hosts),
                    ("hostname", &hostname),
                ];
                let written = files
                    .iter()
                    .try_for_each(|(name, text)| fs::write(directory.join(name), text));
                written.map_err(Error::system("the container's network files"))?;
                Paths::in_directory(&directory)
            }
        };
        paths.shm = self.shared_memory(container)?;
        Ok(paths)
    }

    /// `/dev/shm` where others may see it: the host's, another container's, or one of this
    /// container's that is mounted on the host because a mount namespace cannot be reached into.
    fn shared_memory(&self, container: &Container) -> Result<Option<PathBuf>, Error> {
        match &container.spec.isolation.ipc {
            IpcNamespace::Private | IpcNamespace::None | IpcNamespace::Path(_) => Ok(None),
            IpcNamespace::Host => Ok(Some("/dev/shm".into())),
            IpcNamespace::Container(id) => Ok(Some(self.shm_path(&self.0.table.find(id)?.id))),
            IpcNamespace::Shareable => {
                let path = self.shm_path(&container.id);
                let size = match container.spec.shm_size {
                    0 => SHM_SIZE,
                    size => size,
                };
                mount_shm(&path, size).map_err(Error::system("shared memory of the container"))?;
                Ok(Some(path))
            }
        }
    }

    fn shm_path(&self, id: &str) -> PathBuf {
        self.0.run_dir.join("shm").join(id)
    }

    /// Takes away what was mounted on the host for a run of a container.
    pub(crate) fn unmount(&self, container: &Container) {
        self.unmount_shm(container);
        self.0.volumes.unmount(&container.id);
    }

    fn unmount_shm(&self, container: &Container) {
        if container.spec.isolation.ipc == IpcNamespace::Shareable {
            let path = self.shm_path(&container.id);
            // It may never have been mounted.
            let _ = rustix::mount::unmount(&path, UnmountFlags::DETACH);
            let _ = fs::remove_dir(&path);
        }
    }
}

fn mount_shm(path: &Path, size: u64) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let _ = rustix::mount::unmount(path, UnmountFlags::DETACH);
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = std::ffi::CString::new(format!("mode=1777,size={size}"))?;
    Ok(rustix::mount::mount("shm", path, "tmpfs", flags, &*options)?)
}
