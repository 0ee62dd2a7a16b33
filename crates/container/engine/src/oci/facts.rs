//! What the translation and the validation need to know about the host, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use runtime::cgroup::{Layout, Place};
use runtime::host::Host;
use runtime::seccomp::{KernelVersion, Machine};
use runtime::spec::RlimitType;

/// Facts about this host and this process.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What the runtime needs.
    pub runtime: Host,
    /// The kernel's version, for seccomp conditions.
    pub kernel: KernelVersion,
    /// The machine, for seccomp.
    pub machine: Machine,
    /// The host's name.
    pub hostname: String,
    /// Whether Docker's AppArmor profile is loaded.
    pub docker_apparmor: bool,
    /// Whether this host has cgroup v2 only.
    pub cgroup2: bool,
    /// Which limits this host can set.
    pub available: Available,
    /// Processors that may be named in a cpuset.
    pub cpus: BTreeSet<u32>,
    /// Memory nodes that may be named in a cpuset.
    pub mems: BTreeSet<u32>,
    /// Processors this process may run on: the ceiling of `--cpus`.
    pub processors: u32,
    /// Our own hard limits, by kind; what is not listed has none.
    pub hard_limits: BTreeMap<RlimitType, u64>,
    /// `thermal_throttle` directories, which are masked as they tell neighbours apart.
    pub thermal: Vec<String>,
    /// Whether the host forwards IPv4 packets.
    pub ipv4_forwarding: bool,
}

/// Limits a host can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named for the limit it stands for")]
pub struct Available {
    pub memory: bool,
    pub swap: bool,
    pub memory_reservation: bool,
    pub memory_swappiness: bool,
    pub oom_kill_disable: bool,
    pub pids: bool,
    pub cpu_shares: bool,
    pub cpu_quota: bool,
    pub cpuset: bool,
    pub blkio_weight: bool,
    pub blkio_throttle: bool,
    pub cgroup_namespaces: bool,
}

impl Facts {
    /// Reads the facts.
    ///
    /// # Errors
    /// `/proc` is not mounted, or the kernel has no version.
    pub fn read(layout: &Layout) -> io::Result<Self> {
        let uname = rustix::system::uname();
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let unknown = |what: &str| io::Error::other(format!("unknown {what}"));
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed = |name| list(status_field(&status, name)).unwrap_or_default();
        let (cpus, mems) = (allowed("Cpus_allowed_list:"), allowed("Mems_allowed_list:"));
        Ok(Self {
            runtime: Host::read()?,
            kernel: KernelVersion::of_release(&uname.release().to_string_lossy())
                .ok_or_else(|| unknown("kernel release"))?,
            machine: Machine::NATIVE,
            hostname: uname.nodename().to_string_lossy().into_owned(),
            docker_apparmor: text("/sys/kernel/security/apparmor/profiles").contains("docker-default ("),
            cgroup2: layout.v1.is_empty() && layout.unified.is_some(),
            available: Available::of(layout, |path| path.exists()),
            processors: u32::try_from(cpus.len()).unwrap_or(u32::MAX).max(1),
            cpus,
            mems,
            hard_limits: hard_limits(&text("/proc/self/limits")),
            thermal: thermal_directories(),
            ipv4_forwarding: text("/proc/sys/net/ipv4/ip_forward").trim() != "0",
        })
    }
}

impl Available {
    /// What this layout offers; `exists` answers for the files that not every kernel has.
    pub fn of(layout: &Layout, exists: impl Fn(&Path) -> bool) -> Self {
        // On v2 every limit of a controller is there; on v1 some are options of the kernel.
        let has = |controller: &str, v1_file: &str| match layout.place(controller) {
            Some(Place::V1(hierarchy)) => exists(&hierarchy.mount.join(v1_file)),
            Some(Place::V2(_)) => true,
            None => false,
        };
        let v1_only =
            |file: &str| matches!(layout.place("memory"), Some(Place::V1(_))) && has("memory", file);
        Self {
            memory: layout.place("memory").is_some(),
            swap: has("memory", "memory.memsw.limit_in_bytes"),
            memory_reservation: has("memory", "memory.soft_limit_in_bytes"),
            memory_swappiness: v1_only("memory.swappiness"),
            oom_kill_disable: v1_only("memory.oom_control"),
            pids: layout.place("pids").is_some(),
            cpu_shares: has("cpu", "cpu.shares"),
            cpu_quota: has("cpu", "cpu.cfs_quota_us"),
            cpuset: layout.place("cpuset").is_some(),
            blkio_weight: has("blkio", "blkio.weight") || has("io", "") || has("blkio", "blkio.bfq.weight"),
            blkio_throttle: has("blkio", "blkio.throttle.read_bps_device") || has("io", ""),
            cgroup_namespaces: exists(Path::new("/proc/self/ns/cgroup")),
        }
    }
}

fn status_field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default()
        .trim()
}

/// Reads a list of numbers and ranges, `0-3,7` (cpuset(7) "List format"). None if it is none.
pub(super) fn list(text: &str) -> Option<BTreeSet<u32>> {
    /// More than any kernel has; a range beyond it is not expanded.
    const MOST: u32 = 8192;
    let mut numbers = BTreeSet::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last || last > MOST {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The hard limits in `/proc/PID/limits`, where a line is `Max NAME  SOFT  HARD  UNIT`.
fn hard_limits(text: &str) -> BTreeMap<RlimitType, u64> {
    const NAMES: &[(&str, RlimitType)] = &[
        ("Max cpu time", RlimitType::Cpu),
        ("Max file size", RlimitType::Fsize),
        ("Max data size", RlimitType::Data),
        ("Max stack size", RlimitType::Stack),
        ("Max core file size", RlimitType::Core),
        ("Max resident set", RlimitType::Rss),
        ("Max processes", RlimitType::Nproc),
        ("Max open files", RlimitType::Nofile),
        ("Max locked memory", RlimitType::Memlock),
        ("Max address space", RlimitType::As),
        ("Max file locks", RlimitType::Locks),
        ("Max pending signals", RlimitType::Sigpending),
        ("Max msgqueue size", RlimitType::Msgqueue),
        ("Max nice priority", RlimitType::Nice),
        ("Max realtime priority", RlimitType::Rtprio),
        ("Max realtime timeout", RlimitType::Rttime),
    ];
    let hard = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    NAMES
        .iter()
        .filter_map(|(name, kind)| Some((*kind, hard(name)?)))
        .collect()
}

fn thermal_directories() -> Vec<String> {
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let cpus = list(possible.trim()).unwrap_or_default();
    let paths = cpus
        .iter()
        .map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
    paths.filter(|path| Path::new(path).exists()).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use runtime::capability::CapabilitySet;

    /// A host with everything, on cgroup v1, with two processors.
    pub(crate) fn facts() -> Facts {
        Facts {
            runtime: Host {
                capabilities: CapabilitySet::KNOWN,
                apparmor: false,
            },
            kernel: KernelVersion(6, 1),
            machine: Machine::NATIVE,
            hostname: "node".into(),
            docker_apparmor: false,
            cgroup2: false,
            available: all(),
            cpus: [0, 1].into(),
            mems: [0].into(),
            processors: 2,
            hard_limits: BTreeMap::new(),
            thermal: Vec::new(),
            ipv4_forwarding: true,
        }
    }

    pub(crate) fn all() -> Available {
        Available {
            memory: true,
            swap: true,
            memory_reservation: true,
            memory_swappiness: true,
            oom_kill_disable: true,
            pids: true,
            cpu_shares: true,
            cpu_quota: true,
            cpuset: true,
            blkio_weight: true,
            blkio_throttle: true,
            cgroup_namespaces: true,
        }
    }

    #[test]
    fn lists_of_numbers() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("0", Some(vec![0])),
            ("0-2,5", Some(vec![0, 1, 2, 5])),
            ("3,1,1", Some(vec![1, 3])),
            ("2-1", None),
            ("a", None),
            ("1,", None),
            ("-1", None),
            ("0-4294967295", None),
        ] {
            assert_eq!(list(text).map(Vec::from_iter), expected, "{text:?}");
        }
    }

    #[test]
    fn hard_limits_are_read_and_unlimited_ones_left_out() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max cpu time              unlimited            unlimited            seconds   \n\
                    Max open files            1024                 20000                files     \n";
        assert_eq!(hard_limits(text), BTreeMap::from([(RlimitType::Nofile, 20_000)]));
    }

    #[test]
    fn this_host_can_be_read() {
        let facts = Facts::read(&Layout::read().unwrap()).unwrap();
        assert!(!facts.cpus.is_empty() && !facts.mems.is_empty() && facts.processors >= 1);
        assert!(!facts.hostname.is_empty());
    }

    #[test]
    fn v2_has_no_swappiness_and_v1_what_its_files_say() {
        let hierarchy = |controllers: &[&str]| runtime::cgroup::Hierarchy {
            mount: "/c".into(),
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
            own: "/".into(),
        };
        let v2 = Layout {
            v1: vec![],
            unified: Some(hierarchy(&["memory", "cpu", "io", "pids"])),
        };
        let found = Available::of(&v2, |_| false);
        assert!(found.memory && found.swap && found.cpu_quota && found.blkio_weight && found.pids);
        assert!(!found.memory_swappiness && !found.oom_kill_disable && !found.cpuset);
        let v1 = Layout {
            v1: vec![hierarchy(&["memory"])],
            unified: None,
        };
        let found = Available::of(&v1, |path| path.ends_with("memory.swappiness"));
        assert!(found.memory && found.memory_swappiness && !found.swap && !found.cpu_shares);
    }
}
