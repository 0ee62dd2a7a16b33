//! What a node needs of the kernel and the host, as a table of probes. `check` prints all of them; `up`
//! insists on those that nothing works without.

use std::fs;

use runtime::cgroup::Layout;
use rustix::mount::{FsOpenFlags, fsopen};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};

use super::exit;
use crate::failure::Failure;

/// What a probe found, or what is missing.
type Probe = fn() -> Result<String, String>;

pub(super) struct Feature {
    pub(super) name: &'static str,
    /// What does not work without it.
    pub(super) serves: &'static str,
    /// Whether nothing works without it.
    pub(super) required: bool,
    pub(super) probe: Probe,
}

const fn required(name: &'static str, serves: &'static str, probe: Probe) -> Feature {
    Feature {
        name,
        serves,
        required: true,
        probe,
    }
}

const fn wanted(name: &'static str, serves: &'static str, probe: Probe) -> Feature {
    Feature {
        required: false,
        ..required(name, serves, probe)
    }
}

pub(super) const FEATURES: &[Feature] = &[
    required("root", "everything", root),
    required("kernel 5.15", "everything", kernel),
    required("cgroups", "containers", hierarchies),
    required("namespaces", "containers", namespaces),
    required("overlay", "root file systems of containers", overlay),
    required("seccomp filters", "the default confinement", seccomp),
    required("netlink", "links, addresses and published ports", netfilter),
    wanted("cgroup cpu", "--cpus, --cpu-shares", || controller("cpu")),
    wanted("cgroup cpuset", "--cpuset-cpus", || controller("cpuset")),
    wanted("cgroup memory", "--memory, docker stats", || controller("memory")),
    wanted("cgroup pids", "--pids-limit", || controller("pids")),
    wanted("cgroup io", "--blkio-weight, --device-read-bps", block_io),
    wanted("cgroup hugetlb", "limits of huge pages", || controller("hugetlb")),
    wanted(
        "CAP_SYS_RESOURCE",
        "a lower --oom-score-adj, a higher --ulimit",
        || capability(24),
    ),
    wanted("user namespaces", "--userns", || present("/proc/self/ns/user")),
    wanted("AppArmor", "AppArmor profiles", || {
        present("/sys/kernel/security/apparmor")
    }),
];

/// Fails with 5 at the first thing without which nothing works.
pub(super) fn require() -> Result<(), Failure> {
    for feature in FEATURES.iter().filter(|feature| feature.required) {
        (feature.probe)().map_err(|missing| Failure::with_code(exit::CANNOT, missing))?;
    }
    Ok(())
}

pub(super) fn require_root() -> Result<(), Failure> {
    root()
        .map(drop)
        .map_err(|missing| Failure::with_code(exit::CANNOT, missing))
}

fn root() -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("gantry starts containers and must run as root".to_owned());
    }
    match capability(21) {
        Ok(_) => Ok("with CAP_SYS_ADMIN".to_owned()),
        Err(_) => Err("root lacks CAP_SYS_ADMIN here".to_owned()),
    }
}

fn kernel() -> Result<String, String> {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    if at_least(&release, (5, 15)) {
        Ok(release)
    } else {
        Err(format!(
            "Linux {release} is too old: 5.15 is the first that will do"
        ))
    }
}

fn at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next()) >= wanted
}

fn hierarchies() -> Result<String, String> {
    let layout = Layout::read().map_err(|error| format!("cgroups cannot be read: {error}"))?;
    match (layout.v1.len(), &layout.unified) {
        (0, None) => Err("no cgroup hierarchy is mounted".to_owned()),
        (0, Some(_)) => Ok("v2".to_owned()),
        (count, None) => Ok(format!("v1, {count} hierarchies")),
        (count, Some(_)) => Ok(format!("hybrid, {count} v1 hierarchies beside v2")),
    }
}

fn controller(name: &str) -> Result<String, String> {
    let layout = Layout::read().map_err(|error| error.to_string())?;
    match layout.place(name) {
        Some(runtime::cgroup::Place::V1(_)) => Ok("v1".to_owned()),
        Some(runtime::cgroup::Place::V2(_)) => Ok("v2".to_owned()),
        None => Err(format!("the cgroup controller {name} is not there")),
    }
}

/// v2 calls it io.
fn block_io() -> Result<String, String> {
    controller("blkio").or_else(|_| controller("io"))
}

fn namespaces() -> Result<String, String> {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];
    let missing = kinds
        .iter()
        .find(|kind| present(&format!("/proc/self/ns/{kind}")).is_err());
    missing.map_or_else(
        || Ok(kinds.join(" ")),
        |kind| Err(format!("the kernel has no {kind} namespaces")),
    )
}

/// Opening it loads its module where it is one.
fn overlay() -> Result<String, String> {
    fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map(|_| "fsopen".to_owned())
        .map_err(|error| format!("the kernel has no overlay file system: {error}"))
}

fn seccomp() -> Result<String, String> {
    present("/proc/sys/kernel/seccomp/actions_avail")
        .map_err(|_| "the kernel has no seccomp filters".to_owned())
}

fn netfilter() -> Result<String, String> {
    let socket = |protocol| {
        rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )
    };
    // NETLINK_ROUTE is protocol 0.
    socket(None)
        .and_then(|_| socket(Some(netlink::NETFILTER)))
        .map(|_| "route and netfilter".to_owned())
        .map_err(|error| format!("the kernel has no netfilter netlink: {error}"))
}

fn present(path: &str) -> Result<String, String> {
    if fs::exists(path).unwrap_or(false) {
        Ok("yes".to_owned())
    } else {
        Err(format!("{path} is not there"))
    }
}

/// Whether this process has a capability in force.
fn capability(number: u32) -> Result<String, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line
        .and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        .unwrap_or(0);
    if set & (1 << number) == 0 {
        Err("root lacks it here".to_owned())
    } else {
        Ok("yes".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::at_least;

    #[test]
    fn releases_are_compared_by_number() {
        for new in ["5.15.0-91-generic", "6.1", "6.18.44-fc-v445", "10.0.1"] {
            assert!(at_least(new, (5, 15)), "{new}");
        }
        for old in ["5.14.21", "4.19.0-1-amd64", "", "x"] {
            assert!(!at_least(old, (5, 15)), "{old}");
        }
    }
}
