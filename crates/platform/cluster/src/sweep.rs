//! What a node has left in the kernel when its processes are gone: killed, or ended halfway.
//!
//! Everything has a name that derives from the instance's or lies below the node's directories, so no store is read and
//! no room is opened. Where the daemon could end in order there is nothing left to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use runtime::cgroup::{Cgroup, Layout};
use sys::pidfd::{self, Pid};
use sys::{clock, mounted, poll};

use crate::cgroup;
use crate::config::{Config, InstanceName};

const SIGTERM: i32 = rustix::process::Signal::TERM.as_raw();
/// Asks only whether a process is there.
const NONE: i32 = 0;
/// What a container has at most before it is killed, as upstream's `docker stop` has it.
const GRACE: Duration = Duration::from_secs(10);
/// How long the kernel may take for the last of the killed.
const DYING: Duration = Duration::from_secs(10);

/// Tells what runs in containers to end, where no daemon is left that would: returns when all have, or after `timeout`.
///
/// # Errors
/// The host's control groups cannot be read.
pub fn stop_containers(name: &InstanceName, timeout: Duration) -> io::Result<()> {
    let own = cgroup::own(name)?;
    let all = Cgroup::existing(&Layout::read()?, name.as_str()).pids()?;
    let containers = all.into_iter().filter(|pid| !own.contains(pid));
    signal(containers, SIGTERM, timeout.min(GRACE))
}

/// Takes away whatever a node has in the kernel: kills its processes, and removes its groups, its mounts, and what it has
/// of the network. Nothing of all that being there is no error.
///
/// # Errors
/// The first thing that stays; everything was tried.
pub fn sweep(config: &Config) -> io::Result<()> {
    let paths = config.paths();
    // Strictly below what is ours: the directories themselves may be mounts of the host's owner.
    sweep_below(
        config,
        &[
            config.run_dir.clone(),
            paths.volumes(),
            paths.kubelet().join("pods"),
        ],
    )
}

/// The same after a start that failed. DATA is left alone: it may be what another node holds. So is everything where
/// containers have outlived a killed node: they stand on it, and the next start takes them over.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_start(config: &Config) -> io::Result<()> {
    let group = Cgroup::existing(&Layout::read()?, config.name.as_str());
    if !group.pids().unwrap_or_default().is_empty() {
        return Ok(());
    }
    sweep_below(config, std::slice::from_ref(&config.run_dir))
}

fn sweep_below(config: &Config, directories: &[PathBuf]) -> io::Result<()> {
    let killed = kill(&Cgroup::existing(&Layout::read()?, config.name.as_str()));
    let network = network::sweep(config.name.as_str(), &config.run_dir);
    let mounts = directories
        .iter()
        .map(|directory| mounted::clear_below(directory))
        .fold(Ok(()), io::Result::and);
    killed.and(network).and(mounts).and(cgroup::remove(&config.name))
}

fn kill(group: &Cgroup) -> io::Result<()> {
    let pids = group.pids().unwrap_or_default();
    group.kill_all()?;
    signal(pids.into_iter(), NONE, DYING)
}

/// Signals processes and waits for their ends.
fn signal(pids: impl Iterator<Item = u32>, number: i32, limit: Duration) -> io::Result<()> {
    // One that has ended meanwhile is what is wanted.
    let processes: Vec<_> = pids
        .filter_map(|pid| pidfd::open(Pid::from_raw(pid.cast_signed())?).ok())
        .filter(|process| pidfd::signal(process, number).is_ok())
        .collect();
    let deadline = clock::boottime() + limit;
    processes.iter().try_for_each(|process| {
        let left = deadline.saturating_sub(clock::boottime());
        poll::readable_within(process, left).map(drop)
    })
}
