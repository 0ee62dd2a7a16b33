//! A container's control group: made before its process, removed in the background after it.

use std::fs;
use std::time::Duration;

use runtime::cgroup::Cgroup;
use sys::poll;

use crate::container::Container;
use crate::engine::Engine;

impl Engine {
    /// Kills what is left in a container's groups and removes them, in the background: the kernel
    /// takes milliseconds for it and nobody waits for that.
    pub(crate) fn remove_cgroup(&self, container: &Container, cgroup: Cgroup) {
        let id = container.id.clone();
        self.0.background.block(move || {
            // The kernel does not tell of the end of a group that somebody else removes.
            let wait = |events: &fs::File| poll::urgent_within(events, LOOK_AGAIN).map(drop);
            if let Err(error) = cgroup.kill_all().and_then(|()| cgroup.remove(wait)) {
                tracing::warn!(%id, %error, "control groups of a container stay until the next start");
            }
        });
    }
}

/// How long a group is waited for before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How many processes of a group the kernel has killed for want of memory.
pub(crate) fn read_oom_kills(cgroup: &Cgroup) -> u64 {
    let directories = cgroup.v1.iter().chain(&cgroup.unified);
    let files =
        directories.flat_map(|dir| ["memory.events", "memory.oom_control"].map(|file| dir.join(file)));
    let counts = files.filter_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
        line.trim().parse::<u64>().ok()
    });
    counts.sum()
}
