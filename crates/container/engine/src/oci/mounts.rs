//! Everything that is mounted into a container, in the order in which it is mounted.
//!
//! The defaults come first; then whatever the user, the image and the node add, outer paths
//! before inner ones. A user's mount takes the place of a default at the same path.

mod propagation;
mod tmpfs;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use runtime::spec::{Mount, RootfsPropagation};

use super::defaults::{self, SHM_SIZE, STAY_WRITABLE};
use super::{Inputs, TranslateError};
use crate::spec::{ContainerSpec, IpcNamespace, MountKind, MountSpec, Propagation};

pub(super) use tmpfs::check as check_tmpfs;

/// How much of a mount is read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// Nothing.
    No,
    /// The mount itself, not what is mounted below its source.
    Top,
    /// All of it.
    Recursive,
}

/// A mount whose source is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMount {
    /// Where in the container.
    pub target: String,
    /// What.
    pub source: Source,
    /// How much of it is read-only.
    pub read_only: ReadOnly,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Path {
        /// Absolute.
        path: PathBuf,
        /// With what is mounted below it.
        recursive: bool,
        /// Absent for `rprivate`.
        propagation: Option<Propagation>,
    },
    /// Memory, with these options in mount(8)'s words.
    Tmpfs(Vec<String>),
}

impl UserMount {
    /// The mount of a specification; `source` is the host's path, for a volume that of its data.
    #[must_use]
    pub fn of(mount: &MountSpec, source: PathBuf) -> Self {
        let (target, whole) = (mount.target.clone(), ReadOnly::of(mount.read_only, false));
        match &mount.kind {
            MountKind::Bind {
                propagation,
                non_recursive,
                read_only_non_recursive,
                ..
            } => Self {
                target,
                source: Source::Path {
                    path: source,
                    recursive: !non_recursive,
                    propagation: *propagation,
                },
                read_only: ReadOnly::of(mount.read_only, *read_only_non_recursive),
            },
            MountKind::Volume { propagation, .. } => Self {
                target,
                source: Source::Path {
                    path: source,
                    recursive: true,
                    propagation: *propagation,
                },
                read_only: whole,
            },
            MountKind::Tmpfs { size, mode, options } => {
                let options = tmpfs_options(*size, *mode, options);
                Self {
                    target,
                    source: Source::Tmpfs(options),
                    read_only: whole,
                }
            }
        }
    }

    /// A bind mount of the node's own.
    pub(crate) fn own(target: &str, path: &Path, read_only: bool) -> Self {
        Self {
            target: target.to_owned(),
            source: Source::Path {
                path: path.to_owned(),
                recursive: true,
                propagation: None,
            },
            read_only: ReadOnly::of(read_only, false),
        }
    }
}

impl ReadOnly {
    const fn of(read_only: bool, top_only: bool) -> Self {
        match (read_only, top_only) {
            (false, _) => Self::No,
            (true, true) => Self::Top,
            (true, false) => Self::Recursive,
        }
    }
}

fn tmpfs_options(size: u64, mode: Option<u32>, options: &[String]) -> Vec<String> {
    let mode = mode.map(|mode| format!("mode={mode:o}"));
    let size = (size != 0).then(|| format!("size={size}"));
    options.iter().cloned().chain(mode).chain(size).collect()
}

/// The mounts of a container with those of the containers in `from` (`--volumes-from`, read-only
/// if the flag is set), in order. Its own hide theirs, a later container's an earlier one's; a
/// tmpfs belongs to one container alone.
#[must_use]
pub fn effective(spec: &ContainerSpec, from: &[(&ContainerSpec, bool)]) -> Vec<MountSpec> {
    let inherited = from.iter().flat_map(|(other, read_only)| {
        let shared = other
            .mounts
            .iter()
            .filter(|mount| !matches!(mount.kind, MountKind::Tmpfs { .. }));
        shared.map(|mount| MountSpec {
            read_only: mount.read_only || *read_only,
            ..mount.clone()
        })
    });
    let all: Vec<MountSpec> = inherited.chain(spec.mounts.iter().cloned()).collect();
    let mut seen = BTreeSet::new();
    let mut last: Vec<MountSpec> = all
        .into_iter()
        .rev()
        .filter(|mount| seen.insert(mount.target.clone()))
        .collect();
    last.reverse();
    last
}

/// What becomes of the specification.
pub(super) struct Mounted {
    pub(super) mounts: Vec<Mount>,
    pub(super) root_propagation: Option<RootfsPropagation>,
}

pub(super) fn all(spec: &ContainerSpec, inputs: &Inputs<'_>) -> Result<Mounted, TranslateError> {
    let mut added = inputs.mounts.to_vec();
    added.extend(own_files(spec, inputs));
    added.sort_by_key(|mount| depth(&mount.target));
    let taken: BTreeSet<&str> = added.iter().map(|mount| mount.target.as_str()).collect();
    let mut mounts = default_mounts(spec, &taken);
    for mount in &added {
        mounts.push(translate(mount)?);
    }
    Ok(Mounted {
        mounts,
        root_propagation: propagation::of_root(&added, inputs.mountinfo)?,
    })
}

/// Files of the node that no mount of the user's hides.
fn own_files(spec: &ContainerSpec, inputs: &Inputs<'_>) -> Vec<UserMount> {
    let files = &inputs.files;
    let own = [
        ("/etc/resolv.conf", files.resolv_conf, spec.read_only_rootfs),
        ("/etc/hostname", files.hostname, spec.read_only_rootfs),
        ("/etc/hosts", files.hosts, spec.read_only_rootfs),
        ("/dev/shm", files.shm, false),
    ];
    let hidden = |target: &str| inputs.mounts.iter().any(|mount| mount.target == target);
    own.into_iter()
        .filter(|(target, _, _)| !hidden(target))
        .filter_map(|(target, path, read_only)| Some(UserMount::own(target, path?, read_only)))
        .collect()
}

/// Number of components; what lies deeper is mounted later.
fn depth(target: &str) -> usize {
    target.split('/').filter(|part| !part.is_empty()).count()
}

fn default_mounts(spec: &ContainerSpec, taken: &BTreeSet<&str>) -> Vec<Mount> {
    let own_dev = taken.contains("/dev");
    let wanted = |mount: &Mount| {
        let path = mount.destination.as_str();
        let no_shm = path == "/dev/shm" && spec.isolation.ipc == IpcNamespace::None;
        !(taken.contains(path) || no_shm || own_dev && path.starts_with("/dev/"))
    };
    defaults::mounts()
        .filter(wanted)
        .map(|mount| adjusted(mount, spec))
        .collect()
}

fn adjusted(mut mount: Mount, spec: &ContainerSpec) -> Mount {
    let path = mount.destination.as_str();
    if path == "/dev/shm" {
        let size = if spec.shm_size == 0 {
            SHM_SIZE
        } else {
            spec.shm_size
        };
        mount.options.push(format!("size={size}"));
    }
    if spec.isolation.privileged && matches!(path, "/sys" | "/sys/fs/cgroup") {
        mount.options.retain(|option| option != "ro");
    } else if spec.read_only_rootfs && !STAY_WRITABLE.contains(&path) && !has(&mount.options, "ro") {
        mount.options.push("ro".to_owned());
    }
    mount
}

fn has(options: &[String], word: &str) -> bool {
    options.iter().any(|option| option == word)
}

fn translate(mount: &UserMount) -> Result<Mount, TranslateError> {
    Ok(match &mount.source {
        Source::Path {
            path,
            recursive,
            propagation,
        } => Mount {
            destination: mount.target.clone(),
            kind: "bind".to_owned(),
            source: path.to_string_lossy().into_owned(),
            options: bind_options(*recursive, mount.read_only, *propagation),
            ..Mount::default()
        },
        Source::Tmpfs(options) => Mount {
            destination: mount.target.clone(),
            kind: "tmpfs".to_owned(),
            source: "tmpfs".to_owned(),
            options: tmpfs::merged(options, mount.read_only)?,
            ..Mount::default()
        },
    })
}

fn bind_options(recursive: bool, read_only: ReadOnly, propagation: Option<Propagation>) -> Vec<String> {
    let read_only = match read_only {
        ReadOnly::No => None,
        ReadOnly::Top => Some("ro"),
        ReadOnly::Recursive => Some("rro"),
    };
    let bind = if recursive { "rbind" } else { "bind" };
    let propagation = propagation.unwrap_or(Propagation::Rprivate).as_str();
    [Some(bind), read_only, Some(propagation)]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(target: &str, source: &str) -> MountSpec {
        MountSpec {
            target: target.into(),
            read_only: false,
            kind: MountKind::Bind {
                source: source.into(),
                propagation: None,
                non_recursive: false,
                read_only_non_recursive: false,
                create_source: true,
            },
        }
    }

    #[test]
    fn own_mounts_hide_inherited_ones_and_memory_is_not_inherited() {
        let memory = MountKind::Tmpfs {
            size: 0,
            mode: None,
            options: vec![],
        };
        let other = ContainerSpec {
            mounts: vec![
                bind("/a", "/other/a"),
                bind("/b", "/other/b"),
                MountSpec {
                    target: "/t".into(),
                    read_only: false,
                    kind: memory,
                },
            ],
            ..ContainerSpec::default()
        };
        let spec = ContainerSpec {
            mounts: vec![bind("/b", "/own/b")],
            ..ContainerSpec::default()
        };
        let found = effective(&spec, &[(&other, true)]);
        let shown: Vec<(&str, bool)> = found
            .iter()
            .map(|mount| (mount.target.as_str(), mount.read_only))
            .collect();
        assert_eq!(shown, [("/a", true), ("/b", false)]);
    }
}
