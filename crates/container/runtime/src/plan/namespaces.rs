//! Entering namespaces: which by `clone3`, which by `setns`, which by `unshare`, in what order.

use std::path::PathBuf;

use sys::program::{Builder, Op, Slot};

use super::{Given, PlanError, sync};
use crate::spec::{Linux, NamespaceType};

/// The CLONE_NEW* bit of a namespace type.
pub(crate) const fn bit(kind: NamespaceType) -> u32 {
    match kind {
        NamespaceType::Pid => libc::CLONE_NEWPID.cast_unsigned(),
        NamespaceType::Network => libc::CLONE_NEWNET.cast_unsigned(),
        NamespaceType::Mount => libc::CLONE_NEWNS.cast_unsigned(),
        NamespaceType::Ipc => libc::CLONE_NEWIPC.cast_unsigned(),
        NamespaceType::Uts => libc::CLONE_NEWUTS.cast_unsigned(),
        NamespaceType::User => libc::CLONE_NEWUSER.cast_unsigned(),
        NamespaceType::Cgroup => libc::CLONE_NEWCGROUP.cast_unsigned(),
        NamespaceType::Time => 0x80,
    }
}

const PID: u32 = bit(NamespaceType::Pid);
const USER: u32 = bit(NamespaceType::User);
const TIME: u32 = bit(NamespaceType::Time);
const CGROUP: u32 = bit(NamespaceType::Cgroup);

/// `linux.namespaces`, checked.
pub(super) struct Namespaces {
    /// Created for the container.
    new: u32,
    /// Joined, the user namespace last: the rights to join the others may end with it.
    joined: Vec<(u32, PathBuf)>,
}

impl Namespaces {
    pub(super) fn of(linux: &Linux) -> Result<Self, PlanError> {
        let mut namespaces = Self {
            new: 0,
            joined: Vec::new(),
        };
        let mut seen = 0;
        for (index, namespace) in linux.namespaces.iter().enumerate() {
            let kind = bit(namespace.kind);
            if seen & kind != 0 {
                let property = format!("linux.namespaces[{index}]");
                return Err(PlanError::invalid(
                    property,
                    format!("{} is named twice", namespace.kind),
                ));
            }
            seen |= kind;
            match namespace.path.as_str() {
                "" => namespaces.new |= kind,
                path => namespaces.joined.push((kind, PathBuf::from(path))),
            }
        }
        namespaces.joined.sort_by_key(|(kind, _)| *kind == USER);
        namespaces.check(linux)?;
        Ok(namespaces)
    }

    fn check(&self, linux: &Linux) -> Result<(), PlanError> {
        if self.new & bit(NamespaceType::Mount) == 0 {
            let reason = "a container has a mount namespace of its own";
            return Err(PlanError::invalid("linux.namespaces", reason));
        }
        let mapped = !linux.uid_mappings.is_empty() && !linux.gid_mappings.is_empty();
        if self.new & USER != 0 && !mapped {
            let reason = "a new user namespace needs linux.uidMappings and linux.gidMappings";
            return Err(PlanError::invalid("linux.namespaces", reason));
        }
        let unmapped = linux.uid_mappings.is_empty() && linux.gid_mappings.is_empty();
        if !self.has(USER) && !unmapped {
            let reason = "mappings need a user namespace in linux.namespaces";
            return Err(PlanError::invalid("linux.uidMappings", reason));
        }
        if self.new & TIME == 0 && !linux.time_offsets.is_empty() {
            let reason = "offsets need a new time namespace in linux.namespaces";
            return Err(PlanError::invalid("linux.timeOffsets", reason));
        }
        Ok(())
    }

    pub(super) fn has(&self, kind: u32) -> bool {
        self.new & kind != 0 || self.joined.iter().any(|(joined, _)| *joined == kind)
    }

    /// The namespace files, in the order in which they are entered.
    pub(super) fn given(&self) -> Vec<Given> {
        self.joined
            .iter()
            .map(|(_, path)| Given::Namespace(path.clone()))
            .collect()
    }

    /// Whether the process starts in the caller's namespaces and goes on in a child.
    pub(super) fn staged(&self) -> bool {
        let for_children = self.joined.iter().any(|(kind, _)| *kind & (PID | TIME) != 0);
        self.has(USER) || self.new & TIME != 0 || for_children
    }

    /// What `clone3` creates. The cgroup namespace's root is the cgroup in which it is made, so it
    /// comes after the process has joined its own.
    pub(super) fn cloned(&self) -> u32 {
        if self.staged() { 0 } else { self.new & !CGROUP }
    }

    /// `first` is the slot of the first namespace file.
    pub(super) fn enter(&self, builder: &mut Builder, first: Slot) {
        for (slot, (kinds, _)) in (first.0..).zip(&self.joined) {
            builder.push(Op::Join {
                of: Slot(slot),
                kinds: *kinds,
            });
        }
        if self.new & USER != 0 {
            builder.push(Op::Unshare { kinds: USER });
            builder.push(Op::Sync { code: sync::MAP_IDS });
        }
        if self.has(USER) {
            builder.push(Op::Ids { uid: 0, gid: 0 });
        }
        let rest = self.new & !USER & !self.cloned();
        if rest != 0 {
            builder.push(Op::Unshare { kinds: rest });
        }
        if self.new & TIME != 0 {
            builder.push(Op::Sync {
                code: sync::TIME_OFFSETS,
            });
        }
        if self.staged() {
            builder.push(Op::Clone {});
        }
    }
}

/// Joins the namespaces `kinds` of a running container at once.
pub(crate) fn join_container(builder: &mut Builder, container: Slot, kinds: u32) {
    builder.push(Op::Join { of: container, kinds });
    if kinds & (PID | TIME) != 0 {
        builder.push(Op::Clone {});
    }
}
