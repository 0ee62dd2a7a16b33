//! What is there of pods, and what happens to it: rows of the engine, sandboxes, directories.
//!
//! Nothing is remembered here. A container's end is waited for by a task of its own, and whoever is too slow to hear of
//! all ends is told to look again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender, TrySendError};
use engine::events::{EventQuery, Filter};
use engine::{Container, WaitCondition};
use kubelet::Uid;
use kubelet::container::{ContainerId, Observed, ObservedContainer, ObservedPod};
use kubelet::traits::Ending;

use crate::container::names::Told;
use crate::container::{ended, image_of, standing};
use crate::{Pods, blocking};

/// Things that have happened and wait to be heard of.
const BACKLOG: usize = 1024;

/// What happens to images that does not bring one.
const LOSSES: [&str; 3] = ["untag", "delete", "prune"];

/// Who tells what happens.
#[derive(Debug)]
pub(crate) struct Teller {
    sender: Sender<Ending>,
    receiver: Receiver<Ending>,
    /// Something found no room, and that has not been told yet.
    lost: AtomicBool,
}

impl Default for Teller {
    fn default() -> Self {
        let (sender, receiver) = async_channel::bounded(BACKLOG);
        Self {
            sender,
            receiver,
            lost: AtomicBool::new(false),
        }
    }
}

impl Teller {
    /// Tells something. Where there is no room, that something was missed is told as soon as there is.
    async fn tell(&self, ending: Ending) {
        let full = matches!(self.sender.try_send(ending), Err(TrySendError::Full(_)));
        if full && !self.lost.swap(true, Ordering::AcqRel) {
            // Whoever could listen is gone with us.
            let _ = self.sender.send(Ending::Lost).await;
            self.lost.store(false, Ordering::Release);
        }
    }
}

impl Pods {
    /// What happens from now on.
    pub(crate) fn endings(&self) -> Receiver<Ending> {
        self.0.teller.receiver.clone()
    }

    /// Waits for the end of a container that runs, and tells of it.
    pub(crate) fn watch_end(&self, id: &str) {
        let Ok(waiting) = self.0.engine.waiter(id, WaitCondition::NotRunning) else {
            return;
        };
        let (pods, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            // Its row says how it ended; one whose row is gone has to be looked for.
            let _ = waiting.await;
            let told = pods.clone();
            let ending = blocking(move || told.ending(&id)).await;
            pods.0.teller.tell(ending).await;
        });
    }

    fn ending(&self, id: &str) -> Ending {
        let row = self.0.engine.find(id).ok();
        match row.and_then(|row| Told::by(&row).map(|told| (row, told))) {
            Some((row, told)) => Ending::Ended {
                uid: told.uid.clone(),
                id: ContainerId::new(&row.id),
                ended: ended(&row, &told),
            },
            None => Ending::Lost,
        }
    }

    /// Listens for images that come, for as long as anybody has this.
    pub(crate) fn watch_images(&self) {
        let filter = Filter::new(BTreeMap::from([("type".to_owned(), ["image".to_owned()].into())]));
        let query = EventQuery {
            filter,
            ..EventQuery::default()
        };
        let (events, pods) = (self.0.engine.events(), std::sync::Arc::downgrade(&self.0));
        tokio::spawn(async move {
            let mut heard = events.subscribe(query.clone());
            loop {
                let event = heard.next().await;
                let Some(pods) = pods.upgrade() else { return };
                if event.is_none() {
                    // It was too slow, and has missed some.
                    heard = events.subscribe(query.clone());
                }
                if event.is_none_or(|event| !LOSSES.contains(&event.action.as_str())) {
                    pods.teller.tell(Ending::Images).await;
                }
            }
        });
    }

    /// All pods that anything is there of. It reads last words from the disk.
    pub(crate) fn observe_all(&self) -> Vec<ObservedPod> {
        let mut pods: BTreeMap<Uid, ObservedPod> = BTreeMap::new();
        for (row, told) in self.rows() {
            let grace = told.grace;
            let pod = pods
                .entry(told.uid.clone())
                .or_insert_with(|| self.found(&told.uid, &told.namespace, &told.pod, grace));
            pod.observed.containers.push(self.observed(&row, &told));
        }
        for (uid, note) in self.noted() {
            let grace = Duration::from_secs(note.grace);
            let found = || self.found(&uid, &note.namespace, &note.name, grace);
            pods.entry(uid.clone()).or_insert_with(found);
        }
        for (uid, namespace, name) in self.on_disk() {
            let found = || self.found(&uid, &namespace, &name, Duration::ZERO);
            pods.entry(uid.clone()).or_insert_with(found);
        }
        pods.into_values().collect()
    }

    fn found(&self, uid: &Uid, namespace: &str, name: &str, grace: Duration) -> ObservedPod {
        ObservedPod {
            uid: uid.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            grace,
            observed: Observed {
                sandbox: self.sandbox(uid),
                containers: Vec::new(),
            },
        }
    }

    fn observed(&self, row: &Container, told: &Told) -> ObservedContainer {
        ObservedContainer {
            id: ContainerId::new(&row.id),
            name: told.name.clone(),
            attempt: told.attempt,
            hash: told.hash,
            image: image_of(row),
            user: self.runs_as(&row.id),
            standing: standing(row, told),
        }
    }

    /// Pods that have a directory: uid, and namespace and name as the directory of their logs tells.
    fn on_disk(&self) -> Vec<(Uid, String, String)> {
        let logs = names_in(&self.0.paths.logs.join("pods"));
        let named: BTreeMap<&str, (&str, &str)> = logs.iter().filter_map(|name| parts(name)).collect();
        let uids = names_in(&self.0.paths.pods()).into_iter();
        uids.map(|uid| {
            let (namespace, name) = named.get(uid.as_str()).copied().unwrap_or_default();
            (Uid::new(&uid), namespace.to_owned(), name.to_owned())
        })
        .collect()
    }
}

/// `NAMESPACE_NAME_UID`; names of the API have no underscore.
fn parts(name: &str) -> Option<(&str, (&str, &str))> {
    let (namespace, rest) = name.split_once('_')?;
    let (name, uid) = rest.split_once('_')?;
    Some((uid, (namespace, name)))
}

fn names_in(directory: &std::path::Path) -> Vec<String> {
    let listing = std::fs::read_dir(directory).into_iter().flatten().flatten();
    listing
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_logs_names_its_pod() {
        assert_eq!(parts("prod_shop-1_u-2"), Some(("u-2", ("prod", "shop-1"))));
        assert_eq!(parts("nothing"), None);
    }

    #[tokio::test]
    async fn who_misses_something_is_told_so_once_and_hears_what_follows() {
        let teller = std::sync::Arc::new(Teller::default());
        for _ in 0..BACKLOG {
            teller.tell(Ending::Images).await;
        }
        let late: Vec<_> = (0..3)
            .map(|_| {
                let teller = teller.clone();
                tokio::spawn(async move { teller.tell(Ending::Images).await })
            })
            .collect();
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let mut heard = Vec::new();
        for _ in 0..=BACKLOG {
            heard.push(teller.receiver.recv().await.unwrap());
        }
        for task in late {
            task.await.unwrap();
        }
        assert_eq!(heard.iter().filter(|ending| **ending == Ending::Lost).count(), 1);
        assert!(teller.receiver.is_empty());
        teller.tell(Ending::Images).await;
        assert_eq!(teller.receiver.recv().await, Ok(Ending::Images));
    }
}
