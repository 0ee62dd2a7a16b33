//! Everything that is mounted into a container, in the order in which it is mounted.
//!
//! The defaults come first; then whatever the user, the image and the node add, outer paths
//! before inner ones. A user's mount takes the place of a default at the same path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use runtime::spec::{Mount, RootfsPropagation};

use super::defaults::{self, SHM_SIZE, STAY_WRITABLE};
use super::validate::Invalid;
use super::{Inputs, TranslateError};
use crate::spec::{ContainerSpec, IpcNamespace, MountKind, MountSpec, Propagation};

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
    fn own(target: &str, path: &Path, read_only: bool) -> Self {
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
        root_propagation: root_propagation(&added, inputs.mountinfo)?,
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
            options: merged_tmpfs_options(options, mount.read_only)?,
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

/// Words that a tmpfs takes, with what they are a choice of: the last word of a choice wins.
const TMPFS_WORDS: &[(&str, &str)] = &[
    ("async", "sync"),
    ("atime", "atime"),
    ("dev", "dev"),
    ("diratime", "diratime"),
    ("dirsync", "dirsync"),
    ("exec", "exec"),
    ("mand", "mand"),
    ("noatime", "atime"),
    ("nodev", "dev"),
    ("nodiratime", "diratime"),
    ("noexec", "exec"),
    ("nomand", "mand"),
    ("norelatime", "relatime"),
    ("nostrictatime", "strictatime"),
    ("nosuid", "suid"),
    ("private", "propagation"),
    ("relatime", "relatime"),
    ("ro", "ro"),
    ("rprivate", "propagation"),
    ("rshared", "propagation"),
    ("rslave", "propagation"),
    ("rw", "ro"),
    ("shared", "propagation"),
    ("slave", "propagation"),
    ("strictatime", "strictatime"),
    ("suid", "suid"),
    ("sync", "sync"),
    ("unbindable", "propagation"),
];

/// Names that a tmpfs takes with a value.
const TMPFS_VALUES: &[&str] = &["gid", "mode", "mpol", "nr_blocks", "nr_inodes", "size", "uid"];

/// The choice a tmpfs option belongs to.
fn tmpfs_choice(option: &str) -> Option<&'static str> {
    if let Some((name, _)) = option.split_once('=') {
        return TMPFS_VALUES.iter().copied().find(|known| *known == name);
    }
    TMPFS_WORDS
        .iter()
        .find(|(word, _)| *word == option)
        .map(|(_, choice)| *choice)
}

/// Checks the options of a tmpfs: `--tmpfs` takes any of mount(8) that a tmpfs has.
pub(super) fn check_tmpfs(options: &[String]) -> Result<(), Invalid> {
    let known = |option: &&String| *option != "defaults" && tmpfs_choice(option).is_none();
    match options.iter().find(known) {
        // Upstream prints what it split at the equals sign, as a list.
        Some(bad) => Err(Invalid::new(format!("invalid tmpfs option [{}]", quoted(bad)))),
        None => Ok(()),
    }
}

fn quoted(option: &str) -> String {
    let parts: Vec<String> = option.splitn(2, '=').map(|part| format!("{part:?}")).collect();
    parts.join(" ")
}

/// Upstream's defaults, then the user's; of each choice the last one stays, in its place.
fn merged_tmpfs_options(options: &[String], read_only: ReadOnly) -> Result<Vec<String>, Invalid> {
    check_tmpfs(options)?;
    let mut all = defaults::owned(&["noexec", "nosuid", "nodev", "rprivate"]);
    all.extend((read_only != ReadOnly::No).then(|| "ro".to_owned()));
    all.extend(options.iter().filter(|option| *option != "defaults").cloned());
    let mut seen = BTreeSet::new();
    let mut merged: Vec<String> = all
        .into_iter()
        .rev()
        .filter(|option| seen.insert(tmpfs_choice(option)))
        .collect();
    merged.reverse();
    Ok(merged)
}

/// Mounts that are to be seen by the host, or to see the host's, take a root that lets them.
fn root_propagation(
    mounts: &[UserMount],
    mountinfo: &str,
) -> Result<Option<RootfsPropagation>, TranslateError> {
    let mut root = None;
    for mount in mounts {
        let Source::Path {
            path,
            propagation: Some(propagation),
            ..
        } = &mount.source
        else {
            continue;
        };
        match propagation {
            Propagation::Shared | Propagation::Rshared => {
                ensure(path, mountinfo, &["shared:"], "shared")?;
                root = Some(RootfsPropagation::Shared);
            }
            Propagation::Slave | Propagation::Rslave => {
                ensure(path, mountinfo, &["shared:", "master:"], "shared or slave")?;
                root = root.or(Some(RootfsPropagation::Rslave));
            }
            Propagation::Private | Propagation::Rprivate => {}
        }
    }
    Ok(root)
}

/// The mount that `path` is on has one of the tags (proc(5), mountinfo field 7).
fn ensure(path: &Path, mountinfo: &str, tags: &[&str], wanted: &'static str) -> Result<(), TranslateError> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let mount = fields.nth(4)?;
        path.starts_with(mount)
            .then(|| (mount, fields.skip(1).take_while(|field| *field != "-")))
    });
    // Of two mounts at one place the later one is on top.
    let (mount, mut optional) = mounts
        .max_by_key(|(mount, _)| mount.len())
        .map_or(("/", None), |(mount, optional)| (mount, Some(optional)));
    let has = optional
        .as_mut()
        .is_some_and(|fields| fields.any(|field| tags.iter().any(|tag| field.starts_with(tag))));
    if has {
        return Ok(());
    }
    Err(TranslateError::Propagation {
        source_path: path.to_string_lossy().into_owned(),
        mount: mount.to_owned(),
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::super::defaults::owned;
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

    #[test]
    fn tmpfs_options_are_merged_the_last_of_a_choice_wins() {
        let merge = |options: &[&str], read_only| merged_tmpfs_options(&owned(options), read_only);
        let check = |options: &[&str], expected: &[&str]| {
            assert_eq!(
                merge(options, ReadOnly::No).unwrap(),
                owned(expected),
                "{options:?}"
            );
        };
        check(&[], &["noexec", "nosuid", "nodev", "rprivate"]);
        check(
            &["exec", "size=64m"],
            &["nosuid", "nodev", "rprivate", "exec", "size=64m"],
        );
        check(
            &["rw", "size=1", "size=2"],
            &["noexec", "nosuid", "nodev", "rprivate", "rw", "size=2"],
        );
        check(&["defaults", "shared"], &["noexec", "nosuid", "nodev", "shared"]);
        assert!(
            merge(&[], ReadOnly::Recursive)
                .unwrap()
                .contains(&"ro".to_owned())
        );
        for (bad, shown) in [
            ("wibble", r#"["wibble"]"#),
            ("wobble=1", r#"["wobble" "1"]"#),
            ("size", r#"["size"]"#),
        ] {
            let error = merge(&[bad], ReadOnly::No).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid tmpfs option {shown}"));
        }
    }

    #[test]
    fn the_words_of_a_tmpfs_are_sorted_and_known_to_the_runtime() {
        assert!(TMPFS_WORDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn propagation_needs_a_mount_that_propagates() {
        let info = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n\
                    30 22 0:5 / /data rw master:1 - tmpfs tmpfs rw\n\
                    31 22 0:6 / /priv rw - tmpfs tmpfs rw\n";
        let check = |path: &str, propagation, expected: Result<Option<RootfsPropagation>, &str>| {
            let mounts = [UserMount {
                target: "/m".into(),
                source: Source::Path {
                    path: path.into(),
                    recursive: true,
                    propagation: Some(propagation),
                },
                read_only: ReadOnly::No,
            }];
            let found = root_propagation(&mounts, info).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{path} {propagation:?}");
        };
        check("/home", Propagation::Rshared, Ok(Some(RootfsPropagation::Shared)));
        check(
            "/data/x",
            Propagation::Rslave,
            Ok(Some(RootfsPropagation::Rslave)),
        );
        check("/priv", Propagation::Rprivate, Ok(None));
        let refused = "path /data is mounted on /data but it is not a shared mount";
        check("/data", Propagation::Shared, Err(refused));
        let refused = "path /priv/x is mounted on /priv but it is not a shared or slave mount";
        check("/priv/x", Propagation::Slave, Err(refused));
        check(
            "/database",
            Propagation::Slave,
            Ok(Some(RootfsPropagation::Rslave)),
        );
    }
}
