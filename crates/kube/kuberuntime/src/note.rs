//! What is known of a sandbox, written beside it: whose it is, and what cannot be read off the kernel.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use kubelet::{Pod, Uid};
use serde::{Deserialize, Serialize};

use crate::Pods;
use crate::resources::{self, Qos};

/// What is known of a sandbox that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// It has the node's network.
    pub(crate) host_network: bool,
    /// It has the node's IPC.
    pub(crate) host_ipc: bool,
    /// The group of the pod.
    pub(crate) group: String,
    /// What it asks for of its class, in thousandths of a processor; none outside of a class that is shared so.
    pub(crate) burst: Option<i64>,
    /// Its name for itself.
    pub(crate) hostname: String,
    /// How long its containers may take to end, in seconds.
    pub(crate) grace: u64,
}

/// What burstable pods ask for, by uid: the notes of sandboxes, added up.
#[derive(Debug, Default)]
pub(crate) struct Bursts(Mutex<BTreeMap<Uid, i64>>);

impl Bursts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uid, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it together, in thousandths of a processor.
    fn sum(&self) -> i64 {
        self.lock().values().sum()
    }
}

impl Pods {
    /// Writes that a pod's sandbox is there.
    pub(crate) fn write_note(&self, pod: &Pod, hostname: String) -> io::Result<()> {
        let qos = resources::qos(pod);
        let grace = pod.spec.termination_grace_period_seconds;
        let note = Note {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            host_network: pod.spec.host_network,
            host_ipc: pod.spec.host_ipc,
            group: self.0.groups.of_pod(qos, &pod.uid),
            burst: (qos == Qos::Burstable).then(|| resources::requests(pod).milli_cpu),
            hostname,
            grace: grace.and_then(|grace| u64::try_from(grace).ok()).unwrap_or(30),
        };
        let path = self.0.paths.note(&pod.uid);
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&note)?)?;
        fs::rename(new, path)?;
        self.share_class(|bursts| note.burst.and_then(|burst| bursts.insert(pod.uid.clone(), burst)))
    }

    /// Changes what burstable pods ask for together, and lets the kernel know.
    pub(crate) fn share_class<T>(&self, change: impl FnOnce(&mut BTreeMap<Uid, i64>) -> T) -> io::Result<()> {
        let mut told = self.0.bursts.sum();
        change(&mut self.0.bursts.lock());
        // Nobody waits for another's write: whoever finds that there is more to tell by then tells it.
        loop {
            let now = self.0.bursts.sum();
            if now == told {
                return Ok(());
            }
            self.0.groups.share(Qos::Burstable, now)?;
            told = now;
        }
    }

    /// What is known of a pod's sandbox, if one was made and nothing of it was taken back.
    pub(crate) fn note(&self, uid: &Uid) -> Option<Note> {
        let text = fs::read(self.0.paths.note(uid)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The notes of the last daemon.
    pub(crate) fn adopt_sandboxes(&self) -> io::Result<()> {
        let found: Vec<(Uid, i64)> = self
            .noted()
            .into_iter()
            .filter_map(|(uid, note)| Some((uid, note.burst?)))
            .collect();
        self.share_class(|bursts| bursts.extend(found))
    }

    /// All pods that have a sandbox, or a part of one.
    pub(crate) fn noted(&self) -> Vec<(Uid, Note)> {
        let listing = fs::read_dir(self.0.paths.running())
            .into_iter()
            .flatten()
            .flatten();
        let uids = listing.filter_map(|entry| Some(Uid::new(entry.file_name().to_str()?)));
        uids.filter_map(|uid| self.note(&uid).map(|note| (uid, note)))
            .collect()
    }
}
