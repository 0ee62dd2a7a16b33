//! A container's control group: made before its process, removed in the background after it.

use std::fs;
use std::time::Duration;

use runtime::cgroup::Cgroup;
use sys::poll;

use tokio::time::timeout;

use crate::engine::Engine;
use crate::error::Error;
use crate::table::Entry;

/// How long a start waits for the groups of the run before. Only processes that hang in the kernel hold them longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// Kills what is left in a container's groups and removes them, in the background: the kernel
    /// takes milliseconds for it, and only the next start of the same container waits for that.
    pub(crate) fn remove_cgroup(&self, entry: &Entry, cgroup: Cgroup) {
        let id = entry.id.clone();
        let clearing = entry.clearing.begin();
        self.0.background.block(move || {
            // The kernel does not tell of the end of a group that somebody else removes.
            let wait = |events: &fs::File| poll::urgent_within(events, LOOK_AGAIN).map(drop);
            if let Err(error) = cgroup.kill_all().and_then(|()| cgroup.remove(wait)) {
                tracing::warn!(%id, %error, "control groups of a container stay until the next start");
            }
            drop(clearing);
        });
    }
}

/// Waits until a container's groups can be made: those of the run before have the same names, and whoever removes them
/// ends what is in them.
pub(crate) async fn cleared(entry: &Entry) -> Result<(), Error> {
    let cleared = timeout(PATIENCE, entry.clearing.settled()).await;
    cleared.map_err(|_| Error::Start {
        code: 128,
        reason: "unable to apply cgroup configuration: the groups of the run before are still in use"
            .to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::container;

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_for_the_groups_of_the_run_before() {
        let entry = Entry::new(container("ab", "web"));
        cleared(&entry).await.unwrap();
        let removal = entry.clearing.begin();
        let refused = cleared(&entry).await.unwrap_err();
        assert!(refused.to_string().contains("still in use"), "{refused}");
        drop(removal);
        cleared(&entry).await.unwrap();
    }
}
