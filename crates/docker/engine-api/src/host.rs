//! What is true of the machine and of this build for as long as the daemon runs.

use std::fs;
use std::path::{Path, PathBuf};

/// The machine and the build, as `GET /info` and `GET /version` tell them.
#[derive(Clone, Debug, Default)]
pub struct HostInfo {
    /// The node's own id (a UUID), kept in its data directory.
    pub id: String,
    /// The host's name.
    pub name: String,
    /// The data directory.
    pub root_dir: PathBuf,
    /// The engine version whose shapes are spoken: `28.2.2`.
    pub version: String,
    /// This build's commit; `unknown` outside a repository.
    pub git_commit: String,
    /// When this build was made: RFC 3339, or empty.
    pub build_time: String,
    /// `uname -r`.
    pub kernel_version: String,
    /// `PRETTY_NAME` of os-release.
    pub operating_system: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// The machine as the kernel names it: `x86_64`.
    pub machine: String,
    /// Processors this process may run on.
    pub cpus: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Whether limits are set on cgroup v2 (`2`) or on v1 controllers (`1`).
    pub cgroup_version: u8,
    /// Controllers of cgroup v1 or v2 that are there: `memory`, `cpu`, `cpuset`, `pids`, `blkio`.
    pub controllers: Vec<String>,
    /// Whether swap can be limited with memory.
    pub swap_limit: bool,
    /// Whether IPv4 is forwarded.
    pub ipv4_forwarding: bool,
    /// Prefix lengths and bases of the pools networks are taken from.
    pub address_pools: Vec<(String, u8)>,
}

impl HostInfo {
    /// Reads everything that the machine itself tells. `id` and `version` come from the caller.
    pub fn read(id: &str, version: &str, root_dir: &Path) -> Self {
        let uname = rustix::system::uname();
        let release = os_release();
        let field = |name| {
            release
                .lines()
                .find_map(|line| os_release_value(line, name))
                .unwrap_or_default()
        };
        let controllers = controllers();
        Self {
            id: id.into(),
            name: uname.nodename().to_string_lossy().into_owned(),
            root_dir: root_dir.into(),
            version: version.into(),
            git_commit: option_env!("GANTRY_COMMIT").unwrap_or("unknown").into(),
            build_time: option_env!("GANTRY_BUILD_TIME").unwrap_or_default().into(),
            kernel_version: uname.release().to_string_lossy().into_owned(),
            operating_system: Some(field("PRETTY_NAME"))
                .filter(|name| !name.is_empty())
                .unwrap_or("Linux".into()),
            os_version: field("VERSION_ID"),
            machine: uname.machine().to_string_lossy().into_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory_total(&read("/proc/meminfo")),
            cgroup_version: if controllers.1 { 2 } else { 1 },
            controllers: controllers.0,
            swap_limit: controllers.1
                || Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists(),
            ipv4_forwarding: read("/proc/sys/net/ipv4/ip_forward").trim() == "1",
            address_pools: Vec::new(),
        }
    }

    /// The architecture in Go's words: `amd64`.
    pub fn go_arch(&self) -> &str {
        match self.machine.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }

    /// Whether a cgroup controller is there.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn os_release() -> String {
    let local = read("/etc/os-release");
    if local.is_empty() {
        read("/usr/lib/os-release")
    } else {
        local
    }
}

fn os_release_value(line: &str, name: &str) -> Option<String> {
    let value = line.strip_prefix(name)?.strip_prefix('=')?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

fn memory_total(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The controllers that are there, and whether they are those of v2. A hybrid host has its
/// controllers on v1.
fn controllers() -> (Vec<String>, bool) {
    let unified = read("/sys/fs/cgroup/cgroup.controllers");
    if !unified.trim().is_empty() {
        return (unified.split_whitespace().map(String::from).collect(), true);
    }
    (v1_controllers(&read("/proc/cgroups")), false)
}

/// Names of the enabled rows of `/proc/cgroups` that have a hierarchy.
fn v1_controllers(table: &str) -> Vec<String> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [name, hierarchy, _, enabled] = columns[..] else {
            return None;
        };
        (hierarchy != "0" && enabled == "1").then(|| name.to_owned())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(memory_total("MemTotal:        2048 kB\nMemFree: 1 kB\n"), 2 << 20);
        assert_eq!(memory_total(""), 0);
        let table =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t1\t1\nmemory\t0\t1\t1\npids\t4\t9\t0\n";
        assert_eq!(v1_controllers(table), ["cpu"]);
        assert_eq!(
            os_release_value("PRETTY_NAME=\"Debian\"", "PRETTY_NAME").unwrap(),
            "Debian"
        );
        assert_eq!(os_release_value("NAME=x", "PRETTY_NAME"), None);
    }
}
