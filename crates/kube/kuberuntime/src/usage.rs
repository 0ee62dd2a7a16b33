//! What pods take of the node's disk.

use std::collections::BTreeMap;
use std::fs;

use kubelet::Uid;
use kubelet::traits::Volumes as _;
use kubelet::volume::Usage;

use crate::{Pods, blocking};

impl Pods {
    /// Volumes, writable layers and logs of a pod.
    pub(crate) async fn measure(self, uid: Uid) -> Usage {
        let volumes = self.0.volumes.usage(&uid).await;
        let containers = blocking(move || self.measure_containers(&uid)).await;
        Usage {
            containers,
            ..volumes
        }
    }

    /// What was written by the newest start of each container, and the logs of all of its starts. What cannot be looked
    /// at is not counted.
    fn measure_containers(&self, uid: &Uid) -> BTreeMap<String, u64> {
        let (mut newest, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (row, told) in self.rows_of(uid) {
            let logs = self.0.paths.pod_logs(&told.namespace, &told.pod, uid).join(&told.name);
            bytes.entry(told.name.clone()).or_insert_with(|| files_in(&logs));
            let latest = newest.entry(told.name).or_insert((told.attempt, row.id.clone()));
            if told.attempt > latest.0 {
                *latest = (told.attempt, row.id.clone());
            }
        }
        for (name, (_, id)) in newest {
            let layer = self.0.engine.images().rootfs(&id).and_then(|rootfs| rootfs.size().ok());
            *bytes.entry(name).or_default() += layer.unwrap_or(0);
        }
        bytes
    }
}

/// Bytes of the files of a directory.
fn files_in(directory: &std::path::Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}
