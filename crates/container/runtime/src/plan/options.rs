//! Mount options: OCI runtime-spec 1.3 §config "Linux mount options", as a table.

use super::PlanError;
use crate::spec::Mount;

/// What one word does.
#[derive(Clone, Copy)]
enum Effect {
    /// Sets bits of the mount.
    Set(u64),
    /// Clears bits of the mount.
    Clear(u64),
    /// Chooses how access times are kept.
    Atime(u64),
    /// One of the three, for the whole tree below.
    Recursive(&'static Self),
    /// Changes who sees mounts below.
    Propagation(u64),
    /// A clone of an existing tree: with what is mounted below, or without.
    Bind { recursive: bool },
    /// A property of the filesystem itself, passed on as the kernel's own option. A bind mount
    /// cannot change it, so there it does nothing, as with mount(2).
    Filesystem,
    /// The default; changes nothing.
    Nothing,
}

use Effect::{Atime, Bind, Clear, Filesystem, Nothing, Propagation, Recursive, Set};

const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const NODIRATIME: u64 = libc::MOUNT_ATTR_NODIRATIME;
const NOSYMFOLLOW: u64 = libc::MOUNT_ATTR_NOSYMFOLLOW;
const RELATIME: u64 = libc::MOUNT_ATTR_RELATIME;
const NOATIME: u64 = libc::MOUNT_ATTR_NOATIME;
const STRICTATIME: u64 = libc::MOUNT_ATTR_STRICTATIME;
const ATIME_MASK: u64 = libc::MOUNT_ATTR__ATIME;

/// Words of the table whose name is the recursive form of another one.
const OPTIONS: &[(&str, Effect)] = &[
    ("async", Nothing),
    ("atime", Atime(RELATIME)),
    ("bind", Bind { recursive: false }),
    ("defaults", Nothing),
    ("dev", Clear(NODEV)),
    ("diratime", Clear(NODIRATIME)),
    ("dirsync", Filesystem),
    ("exec", Clear(NOEXEC)),
    ("iversion", Nothing),
    ("lazytime", Filesystem),
    ("loud", Nothing),
    ("mand", Filesystem),
    ("noatime", Atime(NOATIME)),
    ("nodev", Set(NODEV)),
    ("nodiratime", Set(NODIRATIME)),
    ("noexec", Set(NOEXEC)),
    ("noiversion", Nothing),
    ("nolazytime", Filesystem),
    ("nomand", Filesystem),
    ("norelatime", Atime(STRICTATIME)),
    ("nostrictatime", Atime(RELATIME)),
    ("nosuid", Set(NOSUID)),
    ("nosymfollow", Set(NOSYMFOLLOW)),
    ("private", Propagation(libc::MS_PRIVATE)),
    ("ratime", Recursive(&Atime(RELATIME))),
    ("rbind", Bind { recursive: true }),
    ("rdev", Recursive(&Clear(NODEV))),
    ("rdiratime", Recursive(&Clear(NODIRATIME))),
    ("relatime", Atime(RELATIME)),
    ("rexec", Recursive(&Clear(NOEXEC))),
    ("rnoatime", Recursive(&Atime(NOATIME))),
    ("rnodev", Recursive(&Set(NODEV))),
    ("rnodiratime", Recursive(&Set(NODIRATIME))),
    ("rnoexec", Recursive(&Set(NOEXEC))),
    ("rnorelatime", Recursive(&Atime(STRICTATIME))),
    ("rnostrictatime", Recursive(&Atime(RELATIME))),
    ("rnosuid", Recursive(&Set(NOSUID))),
    ("rnosymfollow", Recursive(&Set(NOSYMFOLLOW))),
    ("ro", Set(RDONLY)),
    ("rprivate", Propagation(libc::MS_PRIVATE | libc::MS_REC)),
    ("rrelatime", Recursive(&Atime(RELATIME))),
    ("rro", Recursive(&Set(RDONLY))),
    ("rrw", Recursive(&Clear(RDONLY))),
    ("rshared", Propagation(libc::MS_SHARED | libc::MS_REC)),
    ("rslave", Propagation(libc::MS_SLAVE | libc::MS_REC)),
    ("rstrictatime", Recursive(&Atime(STRICTATIME))),
    ("rsuid", Recursive(&Clear(NOSUID))),
    ("rsymfollow", Recursive(&Clear(NOSYMFOLLOW))),
    ("runbindable", Propagation(libc::MS_UNBINDABLE | libc::MS_REC)),
    ("rw", Clear(RDONLY)),
    ("shared", Propagation(libc::MS_SHARED)),
    ("silent", Nothing),
    ("slave", Propagation(libc::MS_SLAVE)),
    ("strictatime", Atime(STRICTATIME)),
    ("suid", Clear(NOSUID)),
    ("symfollow", Clear(NOSYMFOLLOW)),
    ("sync", Filesystem),
    ("unbindable", Propagation(libc::MS_UNBINDABLE)),
];

/// Words that the specification has and the planner refuses.
const REFUSED: &[&str] = &["idmap", "remount", "ridmap", "tmpcopyup"];

/// Every option that [`MountOptions::parse`] knows, sorted.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, _)| *name)
}

/// Bits to set and to clear on a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) set: u64,
    pub(super) clear: u64,
}

impl Attributes {
    fn apply(&mut self, effect: Effect) {
        match effect {
            Set(bits) => {
                self.set |= bits;
                self.clear &= !bits;
            }
            Clear(bits) => {
                self.clear |= bits;
                self.set &= !bits;
            }
            Atime(mode) => {
                self.set = self.set & !ATIME_MASK | mode;
                self.clear |= ATIME_MASK;
            }
            Recursive(_) | Propagation(_) | Bind { .. } | Filesystem | Nothing => {}
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The options of one mount, sorted by what they concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MountOptions {
    /// `Some(recursive)` for a bind mount.
    pub(super) bind: Option<bool>,
    pub(super) attributes: Attributes,
    pub(super) recursive: Attributes,
    /// MS_* bits, in order.
    pub(super) propagation: Vec<u64>,
    /// Options of the filesystem itself.
    pub(super) data: Vec<String>,
}

impl MountOptions {
    pub(super) fn parse(mount: &Mount, index: usize) -> Result<Self, PlanError> {
        let mut parsed = Self {
            bind: (mount.kind == "bind").then_some(false),
            ..Self::default()
        };
        let mut unknown = Vec::new();
        for option in &mount.options {
            match OPTIONS.binary_search_by_key(&option.as_str(), |(name, _)| name) {
                Ok(at) => parsed.apply(OPTIONS[at].1, option),
                Err(_) => unknown.push(option.clone()),
            }
        }
        let refused = |option: &&String| parsed.bind.is_some() || REFUSED.contains(&option.as_str());
        if let Some(option) = unknown.iter().find(refused) {
            let property = format!("mounts[{index}].options");
            return Err(PlanError::unsupported(
                property,
                format!("option {option:?} of {}", mount.destination),
            ));
        }
        parsed.data.append(&mut unknown);
        Ok(parsed)
    }

    fn apply(&mut self, effect: Effect, option: &str) {
        match effect {
            Recursive(effect) => self.recursive.apply(*effect),
            Propagation(flags) => self.propagation.push(flags),
            Bind { recursive } => self.bind = Some(recursive || self.bind == Some(true)),
            Filesystem => self.data.push(option.to_owned()),
            other => self.attributes.apply(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: &str, options: &[&str]) -> Result<MountOptions, PlanError> {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        MountOptions::parse(
            &Mount {
                kind: kind.into(),
                options,
                ..Mount::default()
            },
            0,
        )
    }

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(OPTIONS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn the_last_of_two_opposites_wins() {
        let attributes = options("tmpfs", &["ro", "rw", "nosuid", "noatime", "strictatime"])
            .unwrap()
            .attributes;
        assert_eq!(attributes.set, NOSUID | STRICTATIME);
        assert_eq!(attributes.clear, RDONLY | ATIME_MASK);
    }

    #[test]
    fn what_is_not_in_the_table_belongs_to_the_filesystem() {
        assert_eq!(
            options("tmpfs", &["size=65536k", "sync"]).unwrap().data,
            ["sync", "size=65536k"]
        );
    }

    #[test]
    fn a_bind_mount_has_no_filesystem_of_its_own_to_configure() {
        let error = options("bind", &["size=1k"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mounts[0].options is not supported: option \"size=1k\" of "
        );
        assert_eq!(
            options("none", &["rbind", "bind", "rro"]).unwrap().bind,
            Some(true)
        );
    }
}
