//! A container's files as the engine finds them, whether it runs or not.
//!
//! Everything blocks; callers with an executor call from a blocking thread.

use std::path::{Path, PathBuf};

use crate::container::Container;
use crate::copy::View;
use crate::engine::Engine;
use crate::error::Error;
use crate::oci::{self, UserFiles, UserMount};
use crate::spec::{MountKind, MountSpec, NetworkMode, VolumeSource};

impl Engine {
    /// The container's root with everything mounted in it: through its process while it runs,
    /// else put together for the caller.
    ///
    /// # Errors
    /// There is no such container, or its layers cannot be mounted.
    pub fn files(&self, reference: &str) -> Result<View, Error> {
        let entry = self.0.table.find(reference)?;
        let container = entry.get();
        if container.state.status.has_process() {
            let view = View::running(container.state.pid);
            // The number is the container's as long as its process is not known to have ended.
            if entry.get().state.pid == container.state.pid {
                return view.map_err(Error::system("the container's files"));
            }
        }
        let rootfs = self.root_of(&container)?;
        let mounts = container
            .spec
            .mounts
            .iter()
            .filter_map(|mount| self.idle_mount(mount).transpose());
        let mut mounts = mounts.collect::<Result<Vec<UserMount>, Error>>()?;
        mounts.extend(self.idle_network_files(&container));
        View::stopped(&rootfs, &mounts).map_err(Error::system("the container's files"))
    }

    /// A mount of a container that does not run; none for what is only there while it does, and
    /// for a bind whose source is gone.
    fn idle_mount(&self, mount: &MountSpec) -> Result<Option<UserMount>, Error> {
        let source: Option<PathBuf> = match &mount.kind {
            MountKind::Tmpfs { .. } => None,
            MountKind::Bind { source, .. } => Some(source.into()).filter(|path: &PathBuf| Path::exists(path)),
            MountKind::Volume {
                source: VolumeSource::Named { name, .. },
                subpath,
                ..
            } => self.0.volumes.locate(name, subpath)?,
            MountKind::Volume {
                source: VolumeSource::Anonymous { .. },
                ..
            } => None,
        };
        Ok(source.map(|source| UserMount::of(mount, source)))
    }

    /// The files that its last start wrote, where nothing else is mounted.
    fn idle_network_files(&self, container: &Container) -> Vec<UserMount> {
        let owner = match &container.spec.network.mode {
            NetworkMode::Container(id) => id,
            _ => &*container.id,
        };
        let directory = self.directory(owner);
        let taken = |target: &str| container.spec.mounts.iter().any(|mount| mount.target == target);
        ["resolv.conf", "hostname", "hosts"]
            .into_iter()
            .map(|name| (format!("/etc/{name}"), directory.join(name)))
            .filter(|(target, source)| container.generation > 0 && source.exists() && !taken(target))
            .map(|(target, source)| UserMount::own(&target, &source, false))
            .collect()
    }

    /// Who owns what is copied into a container: user and group id of whom it runs as (`copyUIDGID`).
    ///
    /// # Errors
    /// There is no such container, or its user is not in its files.
    pub fn owner(&self, reference: &str) -> Result<(u32, u32), Error> {
        let user = self.user(reference)?;
        Ok((user.uid, user.gid))
    }

    /// Who a container runs as, with its groups; names are looked up in its own files.
    ///
    /// # Errors
    /// There is no such container, or its user or a group is not in its files.
    pub fn user(&self, reference: &str) -> Result<oci::User, Error> {
        let container: &Container = &*self.find(reference)?;
        let files =
            UserFiles::of(&self.root_of(container)?).map_err(Error::system("the image's user database"))?;
        let spec = &container.spec;
        oci::resolve_user(&spec.user, &spec.groups, spec.listed_groups, &files)
            .map_err(|error| Error::Invalid(error.to_string()))
    }
}
