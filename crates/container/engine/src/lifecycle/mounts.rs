//! A container's mounts: volumes are made, claimed and filled when it is created, sources are made
//! ready when it starts.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::container::{Container, ContainerId, ImageRef, MountPoint, MountPointKind};
use crate::engine::{Engine, exists};
use crate::error::Error;
use crate::oci::{self, ReadOnly, Source, UserMount};
use crate::spec::{ContainerSpec, MountKind, MountSpec, Propagation, VolumeSource};
use crate::volumes::{LOCAL, VolumeSpec};

impl Engine {
    /// Settles what a new container has mounted: those of `volumes_from` are copied, volumes are
    /// made, named and claimed. Answers the mount points as they are shown.
    pub(crate) fn resolve_mounts(
        &self,
        id: &ContainerId,
        spec: &mut ContainerSpec,
    ) -> Result<Vec<MountPoint>, Error> {
        let others: Result<Vec<(Arc<Container>, bool)>, Error> = spec
            .volumes_from
            .iter()
            .map(|(other, read_only)| Ok((self.0.table.find(other)?.get(), *read_only)))
            .collect();
        let others = others?;
        let specs: Vec<_> = others
            .iter()
            .map(|(other, read_only)| (&*other.spec, *read_only))
            .collect();
        spec.mounts = oci::effective_mounts(spec, &specs);
        let inherited: Vec<_> = others.iter().flat_map(|(other, _)| &other.mounts).collect();
        let mut points = Vec::new();
        for mount in &mut spec.mounts {
            match self.resolve_mount(id, mount, &inherited) {
                Ok(point) => points.push(point),
                Err(error) => {
                    self.release_points(id, &points, true);
                    return Err(error);
                }
            }
        }
        Ok(points)
    }

    fn resolve_mount(
        &self,
        id: &ContainerId,
        mount: &mut MountSpec,
        inherited: &[&MountPoint],
    ) -> Result<MountPoint, Error> {
        let point = MountPoint {
            kind: MountPointKind::Tmpfs,
            name: String::new(),
            source: String::new(),
            destination: mount.target.clone(),
            driver: String::new(),
            read_only: mount.read_only,
            propagation: None,
            anonymous: false,
        };
        match &mut mount.kind {
            MountKind::Tmpfs { .. } => Ok(point),
            MountKind::Bind {
                source,
                propagation,
                create_source,
                ..
            } => {
                if !*create_source && !exists(Path::new(source)) {
                    return Err(Error::Invalid(format!(
                        "invalid mount config for type \"bind\": bind source path does not exist: {source}"
                    )));
                }
                Ok(MountPoint {
                    kind: MountPointKind::Bind,
                    source: source.clone(),
                    propagation: Some(propagation.unwrap_or(Propagation::Rprivate)),
                    ..point
                })
            }
            MountKind::Volume { source, .. } => {
                let own = matches!(source, VolumeSource::Anonymous { .. });
                let (volume, _) = self.0.volumes.create(wanted(source))?;
                self.0.volumes.claim(&volume.name, id)?;
                let known = inherited
                    .iter()
                    .any(|point| point.anonymous && point.name == volume.name);
                if own {
                    *source = VolumeSource::Named {
                        name: volume.name.clone(),
                        driver: LOCAL.into(),
                        options: volume.options.clone(),
                        labels: volume.labels.clone(),
                    };
                }
                Ok(MountPoint {
                    kind: MountPointKind::Volume,
                    name: volume.name.clone(),
                    source: volume.mountpoint.to_string_lossy().into_owned(),
                    driver: LOCAL.into(),
                    anonymous: own || known,
                    ..point
                })
            }
        }
    }

    /// Fills empty volumes with what the image has at their places.
    pub(crate) fn populate_volumes(
        &self,
        spec: &ContainerSpec,
        image: Option<&ImageRef>,
    ) -> Result<(), Error> {
        let filled = spec.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Volume {
                source: VolumeSource::Named { name, .. },
                no_copy: false,
                subpath,
                ..
            } if subpath.is_empty() => Some((name, &mount.target)),
            _ => None,
        });
        let filled: Vec<_> = filled.collect();
        let Some(image) = image.filter(|_| !filled.is_empty()) else {
            return Ok(());
        };
        let id = image
            .id
            .parse()
            .map_err(|_| Error::NotFound(format!("No such image: {}", image.id)))?;
        let root = self
            .0
            .images
            .view(&id)?
            .mount()
            .map_err(Error::system("the image's layers"))?;
        for (name, target) in filled {
            self.0.volumes.populate(name, root.as_fd(), Path::new(target))?;
        }
        Ok(())
    }

    /// The mounts of a container that starts, sources ready.
    pub(crate) fn user_mounts(&self, container: &Container) -> Result<Vec<UserMount>, Error> {
        let mounts = container.spec.mounts.iter();
        mounts.map(|mount| self.user_mount(container, mount)).collect()
    }

    fn user_mount(&self, container: &Container, mount: &MountSpec) -> Result<UserMount, Error> {
        match &mount.kind {
            MountKind::Tmpfs { .. } => Ok(UserMount::of(mount, PathBuf::new())),
            MountKind::Bind {
                source,
                create_source,
                ..
            } => {
                make_source(Path::new(source), *create_source)?;
                Ok(UserMount::of(mount, source.into()))
            }
            MountKind::Volume { source, subpath, .. } => {
                let VolumeSource::Named { name, .. } = source else {
                    return Err(Error::Invalid(format!("volume at {} has no name", mount.target)));
                };
                let mounted = self.0.volumes.mount(name, &container.id, subpath)?;
                let mut wanted = UserMount::of(mount, mounted.source);
                if let Source::Path { recursive, .. } = &mut wanted.source {
                    *recursive = mounted.recursive;
                }
                if mounted.read_only {
                    wanted.read_only = ReadOnly::Recursive;
                }
                Ok(wanted)
            }
        }
    }

    /// The container is gone: its volumes may be used by others, and with `remove` those that were
    /// made for it alone go too.
    pub(crate) fn release_volumes(&self, container: &Container, remove: bool) {
        self.release_points(&container.id, &container.mounts, remove);
    }

    fn release_points(&self, id: &ContainerId, points: &[MountPoint], remove: bool) {
        self.0.volumes.unclaim(id);
        let own = points.iter().filter(|point| remove && point.anonymous);
        for point in own {
            match self.0.volumes.remove(&point.name, false) {
                // Another container has it too.
                Ok(()) | Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                Err(error) => tracing::warn!(volume = %point.name, %error, "a volume stays"),
            }
        }
    }

    /// Claims the volumes of a container that was there before this daemon.
    pub(crate) fn reclaim_volumes(&self, container: &Container) {
        for point in container.mounts.iter().filter(|point| !point.name.is_empty()) {
            if let Err(error) = self.0.volumes.claim(&point.name, &container.id) {
                tracing::warn!(id = %container.id, %error, "a volume of a container is missing");
            } else if container.state.status.has_process()
                && let Err(error) = self.0.volumes.mount(&point.name, &container.id, "")
            {
                tracing::warn!(id = %container.id, %error, "a volume of a running container");
            }
        }
    }
}

fn wanted(source: &VolumeSource) -> VolumeSpec {
    match source.clone() {
        VolumeSource::Named {
            name,
            driver,
            options,
            labels,
        } => VolumeSpec {
            name,
            driver,
            options,
            labels,
        },
        VolumeSource::Anonymous {
            driver,
            options,
            labels,
        } => VolumeSpec {
            name: String::new(),
            driver,
            options,
            labels,
        },
    }
}

fn make_source(source: &Path, create: bool) -> Result<(), Error> {
    if exists(source) {
        return Ok(());
    }
    let shown = source.display();
    if !create {
        return Err(Error::Invalid(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {shown}"
        )));
    }
    fs::create_dir_all(source).map_err(|error| {
        Error::Invalid(format!(
            "error while creating mount source path '{shown}': mkdir {shown}: {error}"
        ))
    })
}
