//! What the processes of a daemon use: processor time and memory, as the kernel counts them.

use std::time::Duration;

use testkit::daemon::Daemon;

/// The daemon's processor time once it has not grown for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits until the daemon is quiet"
)]
pub(crate) fn settled(daemon: &Daemon) -> u64 {
    let mut last = daemon.cpu();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = daemon.cpu();
        // An idle dockerd uses some; a millisecond in two hundred is quiet.
        if now.saturating_sub(last) < 1_000_000 {
            return now;
        }
        last = now;
    }
}

/// Largest resident set of the daemon's own processes since they began, in KiB, of the given ones.
pub(crate) fn peak(pids: &[u32]) -> u64 {
    let high = |pid: &u32| -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    pids.iter().filter_map(high).sum()
}

/// The processes of a daemon that are no containers.
pub(crate) fn processes(daemon: &Daemon) -> Vec<u32> {
    let group = |leaf: &str| {
        let path = format!("/sys/fs/cgroup/cpuacct/{}/{leaf}/cgroup.procs", daemon.name);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.parse().ok())
            .collect::<Vec<u32>>()
    };
    [group("node"), group("daemon")].concat()
}

/// Memory of these processes in KiB, shared pages counted in proportion.
pub(crate) fn pss(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| rollup(*pid, "Pss:")).sum()
}

/// The part of it that is nobody else's and no file's: heaps and stacks.
pub(crate) fn anonymous(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| rollup(*pid, "Pss_Anon:")).sum()
}

fn rollup(pid: u32, line: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let found = text.lines().find_map(|each| each.strip_prefix(line))?;
    found.trim().trim_end_matches(" kB").parse().ok()
}
