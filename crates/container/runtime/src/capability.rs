//! Linux capabilities: their names, sets of them, and Docker's rules for changing a set.
//!
//! A set is one machine word because that is what the kernel, the init program and the seccomp
//! profile's conditions all want; names appear only at the edges.

use std::fmt;

use crate::spec::words;

words! {
    /// A capability of capabilities(7); its discriminant is the kernel's number.
    pub enum Capability {
        Chown = "CAP_CHOWN",
        DacOverride = "CAP_DAC_OVERRIDE",
        DacReadSearch = "CAP_DAC_READ_SEARCH",
        Fowner = "CAP_FOWNER",
        Fsetid = "CAP_FSETID",
        Kill = "CAP_KILL",
        Setgid = "CAP_SETGID",
        Setuid = "CAP_SETUID",
        Setpcap = "CAP_SETPCAP",
        LinuxImmutable = "CAP_LINUX_IMMUTABLE",
        NetBindService = "CAP_NET_BIND_SERVICE",
        NetBroadcast = "CAP_NET_BROADCAST",
        NetAdmin = "CAP_NET_ADMIN",
        NetRaw = "CAP_NET_RAW",
        IpcLock = "CAP_IPC_LOCK",
        IpcOwner = "CAP_IPC_OWNER",
        SysModule = "CAP_SYS_MODULE",
        SysRawio = "CAP_SYS_RAWIO",
        SysChroot = "CAP_SYS_CHROOT",
        SysPtrace = "CAP_SYS_PTRACE",
        SysPacct = "CAP_SYS_PACCT",
        SysAdmin = "CAP_SYS_ADMIN",
        SysBoot = "CAP_SYS_BOOT",
        SysNice = "CAP_SYS_NICE",
        SysResource = "CAP_SYS_RESOURCE",
        SysTime = "CAP_SYS_TIME",
        SysTtyConfig = "CAP_SYS_TTY_CONFIG",
        Mknod = "CAP_MKNOD",
        Lease = "CAP_LEASE",
        AuditWrite = "CAP_AUDIT_WRITE",
        AuditControl = "CAP_AUDIT_CONTROL",
        Setfcap = "CAP_SETFCAP",
        MacOverride = "CAP_MAC_OVERRIDE",
        MacAdmin = "CAP_MAC_ADMIN",
        Syslog = "CAP_SYSLOG",
        WakeAlarm = "CAP_WAKE_ALARM",
        BlockSuspend = "CAP_BLOCK_SUSPEND",
        AuditRead = "CAP_AUDIT_READ",
        Perfmon = "CAP_PERFMON",
        Bpf = "CAP_BPF",
        CheckpointRestore = "CAP_CHECKPOINT_RESTORE",
    }
}

impl Capability {
    /// Reads a name as Docker does: in any case, with or without `CAP_`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let bare = strip_prefix(name);
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.as_str()[4..].eq_ignore_ascii_case(bare))
    }

    /// The kernel's number, 0 to 40.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// `name` without a leading `CAP_` in any case.
fn strip_prefix(name: &str) -> &str {
    match name.split_at_checked(4) {
        Some((prefix, bare)) if prefix.eq_ignore_ascii_case("CAP_") => bare,
        _ => name,
    }
}

/// A set of capabilities; bit n is capability number n.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// Every capability this program knows.
    pub const KNOWN: Self = Self((1 << Capability::ALL.len()) - 1);

    /// What a container gets when nothing is asked for: Docker's fourteen.
    pub const DOCKER_DEFAULT: Self = Self::of(&[
        Capability::Chown,
        Capability::DacOverride,
        Capability::Fsetid,
        Capability::Fowner,
        Capability::Mknod,
        Capability::NetRaw,
        Capability::Setgid,
        Capability::Setuid,
        Capability::Setfcap,
        Capability::Setpcap,
        Capability::NetBindService,
        Capability::SysChroot,
        Capability::Kill,
        Capability::AuditWrite,
    ]);

    /// The set of the listed capabilities.
    #[must_use]
    pub const fn of(list: &[Capability]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= 1 << list[at].number();
            at += 1;
        }
        Self(bits)
    }

    /// The set whose bits are given, as in the `Cap*` lines of `/proc/PID/status`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bit n set for capability number n.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The capabilities of a kernel whose `/proc/sys/kernel/cap_last_cap` is `last`.
    #[must_use]
    pub const fn up_to(last: u8) -> Self {
        if last >= 63 {
            Self(u64::MAX)
        } else {
            Self((1 << (last + 1)) - 1)
        }
    }

    /// Whether `capability` is in the set.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.number()) != 0
    }

    /// Members of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Members that `other` lacks.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The members, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |capability| self.contains(*capability))
    }

    /// Reads the names of a configuration. Names nobody knows come back beside the set, because the
    /// specification wants them to be a warning (runtime-spec 1.3 §config "Linux Process").
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a String>) -> (Self, Vec<&'a str>) {
        let (mut set, mut unknown) = (Self::EMPTY, Vec::new());
        for name in names {
            match Capability::parse(name) {
                Some(capability) => set = set.union(Self::of(&[capability])),
                None => unknown.push(name.as_str()),
            }
        }
        (set, unknown)
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A name in `--cap-add` or `--cap-drop` that is no capability.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown capability: {0:?}")]
pub struct UnknownCapability(pub String);

/// Applies Docker's `--cap-add`, `--cap-drop` and `--privileged` to a starting set.
///
/// `ALL` among the additions starts from everything in `available` (the kernel's capabilities) and
/// takes the drops away; else `ALL` among the drops leaves the additions alone; else drops come
/// before additions, so that a capability named in both is kept. That is Docker's order, and
/// scripts depend on it.
///
/// # Errors
/// A name that is neither a capability nor `ALL`, spelt as Docker spells it.
pub fn tweak(
    basis: CapabilitySet,
    add: &[String],
    drop: &[String],
    privileged: bool,
    available: CapabilitySet,
) -> Result<CapabilitySet, UnknownCapability> {
    if privileged {
        return Ok(available);
    }
    let drop = Change::parse(drop)?;
    let add = Change::parse(add)?;
    Ok(match (add.all, drop.all) {
        (true, _) => available.difference(drop.named),
        (false, true) => add.named,
        (false, false) => basis.difference(drop.named).union(add.named),
    })
}

/// One list of names, `ALL` told apart.
struct Change {
    all: bool,
    named: CapabilitySet,
}

impl Change {
    fn parse(names: &[String]) -> Result<Self, UnknownCapability> {
        let mut change = Self {
            all: false,
            named: CapabilitySet::EMPTY,
        };
        for name in names {
            match Capability::parse(name) {
                Some(capability) => change.named = change.named.union(CapabilitySet::of(&[capability])),
                None if name.eq_ignore_ascii_case("ALL") => change.all = true,
                None => {
                    return Err(UnknownCapability(format!(
                        "CAP_{}",
                        strip_prefix(name).to_ascii_uppercase()
                    )));
                }
            }
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernel_s() {
        for (capability, number) in [
            (Capability::Chown, 0),
            (Capability::NetAdmin, 12),
            (Capability::SysAdmin, 21),
            (Capability::Setfcap, 31),
            (Capability::CheckpointRestore, 40),
        ] {
            assert_eq!(capability.number(), number);
        }
        assert_eq!(CapabilitySet::KNOWN, CapabilitySet::up_to(40));
    }

    #[test]
    fn the_default_set_is_the_one_docker_ps_shows() {
        // CapBnd of a plain `docker run`, published in Docker's documentation.
        assert_eq!(CapabilitySet::DOCKER_DEFAULT.bits(), 0xa804_25fb);
    }

    #[test]
    fn names_are_read_in_any_case_with_or_without_prefix() {
        for name in ["CAP_NET_RAW", "net_raw", "cap_Net_Raw"] {
            assert_eq!(Capability::parse(name), Some(Capability::NetRaw));
        }
        for name in ["", "CAP", "CAP_", "NET", "CAP_CAP_NET_RAW", "é€"] {
            assert_eq!(Capability::parse(name), None, "{name}");
        }
    }

    #[test]
    fn unknown_names_come_back() {
        let names = ["CAP_KILL".to_owned(), "CAP_FLY".to_owned()];
        assert_eq!(
            CapabilitySet::parse(&names),
            (CapabilitySet::of(&[Capability::Kill]), vec!["CAP_FLY"])
        );
    }

    fn check(add: &[&str], drop: &[&str], expected: CapabilitySet) {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = tweak(
            CapabilitySet::DOCKER_DEFAULT,
            &own(add),
            &own(drop),
            false,
            CapabilitySet::KNOWN,
        );
        assert_eq!(found, Ok(expected), "+{add:?} -{drop:?}");
    }

    #[test]
    fn docker_s_order_of_add_and_drop() {
        use Capability::{Chown, Kill, NetAdmin};
        let (default, one) = (CapabilitySet::DOCKER_DEFAULT, |c| CapabilitySet::of(&[c]));
        check(&[], &[], default);
        check(
            &["net_admin"],
            &["CAP_CHOWN"],
            default.difference(one(Chown)).union(one(NetAdmin)),
        );
        check(&["KILL"], &["KILL"], default);
        check(&["KILL"], &["all"], one(Kill));
        check(&["ALL"], &["KILL"], CapabilitySet::KNOWN.difference(one(Kill)));
        check(&["ALL"], &["ALL"], CapabilitySet::KNOWN);
        check(&[], &["ALL"], CapabilitySet::EMPTY);
    }

    #[test]
    fn privileged_is_everything_and_a_bad_name_is_refused() {
        let all = CapabilitySet::up_to(37);
        assert_eq!(
            tweak(CapabilitySet::EMPTY, &[], &["ALL".into()], true, all),
            Ok(all)
        );
        let bad = tweak(all, &["cap_fly".into()], &[], false, all);
        assert_eq!(bad, Err(UnknownCapability("CAP_FLY".into())));
        assert_eq!(bad.unwrap_err().to_string(), r#"unknown capability: "CAP_FLY""#);
    }
}
