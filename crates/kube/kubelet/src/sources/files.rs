//! Static pods: those that files of the node describe. They run whatever the API says; it only shows them.
//!
//! Upstream's `pkg/kubelet/config/file_linux.go` and `pkg/kubelet/pod/mirror_client.go`. One look compares three things and
//! acts on what differs: what the files say, which pods have a seat, and which mirrors the API has. Whatever changes rings
//! the same bell, so no order of events is special: a mirror that somebody deletes is made again, and a file that says
//! something else ends the old pod before the new one, which has another uid, is let in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::{DeleteOptions, WriteOptions};
use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::Found;
use super::manifest::{self, HASH, Manifest, Seen};
use super::mirrors::{MIRROR, Mirror, Shown};
use crate::container::Uid;
use crate::resources::{NODES, PODS};
use crate::run::Core;

/// The pauses before the API is asked again for what it refused: the first, doubling to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The node's files, and what has become of them.
pub(super) struct Files {
    core: Arc<Core>,
    /// By key of the pod: `NAMESPACE/NAME-NODE`.
    wanted: BTreeMap<Box<str>, Manifest>,
    /// What was let in, by uid: the content of its file.
    let_in: BTreeMap<Uid, String>,
    /// Pods that ran at the start under a name that is wanted, and that no file describes any more.
    before: BTreeMap<Box<str>, Uid>,
    failures: u32,
}

/// Reads the files, and takes what runs already of what they describe.
pub(super) async fn open(core: Arc<Core>, found: &mut Found) -> Files {
    let mut files = Files {
        core,
        wanted: BTreeMap::new(),
        let_in: BTreeMap::new(),
        before: BTreeMap::new(),
        failures: 0,
    };
    files.read().await;
    files.adopt(found);
    files
}

impl Files {
    /// Keeps it so for as long as the kubelet runs.
    pub(super) async fn run(mut self) {
        loop {
            self.let_in_and_out();
            let retry = self.mirror().await;
            if self.wait(retry).await {
                self.read().await;
            }
        }
    }

    /// Waits until there is something to look at; answers whether it is the files.
    async fn wait(&self, retry: Option<Duration>) -> bool {
        let core = &self.core;
        let again = async {
            match retry {
                Some(pause) => core.env.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let (rung, again) = (std::pin::pin!(core.mirrors.rung()), std::pin::pin!(again));
        let other = select(rung, again);
        // Each of them only waits: what is dropped has taken nothing.
        let changed = core.parts.manifests.changed();
        matches!(select(changed, other).await, Either::Left(_))
    }

    /// What the files say now. One that was read before stays as it was seen first.
    async fn read(&mut self) {
        let listing = match self.core.parts.manifests.read().await {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return tracing::error!(%error, "manifests of static pods cannot be read"),
        };
        let mut before = std::mem::take(&mut self.wanted);
        for (path, content) in listing {
            let seen = Seen {
                path: &path,
                node: &self.core.facts.name,
                at: self.core.env.wall(),
            };
            let read = content
                .map_err(|error| error.to_string())
                .and_then(|bytes| manifest::read(&bytes, seen).map_err(|error| error.to_string()));
            match read {
                Ok(manifest) => {
                    let key = manifest.object.key.clone();
                    let same = before.remove(&key).filter(|before| before.hash == manifest.hash);
                    if self.wanted.insert(key, same.unwrap_or(manifest)).is_some() {
                        tracing::warn!(path = %path.display(), "it replaces a static pod of the same name");
                    }
                }
                Err(error) => tracing::error!(path = %path.display(), error, "a manifest is passed over"),
            }
        }
    }

    fn adopt(&mut self, found: &mut Found) {
        for (key, manifest) in &self.wanted {
            if let Some(own) = found.remove(&manifest.uid) {
                self.core.place(&manifest.object, Some(&own.observed));
                self.let_in.insert(manifest.uid.clone(), manifest.hash.clone());
            }
            let other = found
                .values()
                .find(|other| format!("{}/{}", other.namespace, other.name) == **key);
            if let Some(other) = other {
                self.before.insert(key.clone(), other.uid.clone());
            }
        }
    }

    /// Ends pods that no file describes any more, and lets those in that have no seat and nobody of their name before them.
    fn let_in_and_out(&mut self) {
        let seats = self.core.static_pods();
        for (key, uid) in &seats {
            let wanted = self.wanted.get(&**key);
            let same = |wanted: &&Manifest| wanted.uid == *uid && self.let_in.get(uid) == Some(&wanted.hash);
            if wanted.filter(same).is_none() {
                self.core.forget(uid);
            }
        }
        let seated: BTreeSet<&str> = seats.iter().map(|(key, _)| &**key).collect();
        for (key, manifest) in &self.wanted {
            if !seated.contains(&**key) && !self.waits_for_another(key) {
                self.core.place(&manifest.object, None);
                self.let_in.insert(manifest.uid.clone(), manifest.hash.clone());
            }
        }
        let wanted: BTreeSet<&Uid> = self.wanted.values().map(|manifest| &manifest.uid).collect();
        self.let_in.retain(|uid, _| wanted.contains(uid));
    }

    /// Whether a pod of this name from before the start still has to go. It gets its seat when the API was read.
    fn waits_for_another(&self, key: &str) -> bool {
        let before = self.before.get(key);
        before.is_some_and(|uid| self.core.mirrors.shown().is_none() || self.core.has_seat(uid))
    }

    /// Makes the API show what runs, and nothing else. Answers when to try again.
    async fn mirror(&mut self) -> Option<Duration> {
        let shown = self.core.mirrors.shown()?;
        let seats: BTreeMap<Box<str>, Uid> = self.core.static_pods().into_iter().collect();
        self.tell_seats(&seats, &shown);
        let mut failed = false;
        for (key, mirror) in &shown {
            failed |= self.is_wrong(key, mirror, &seats) && !self.delete(key, mirror).await;
        }
        for (key, manifest) in &self.wanted {
            let runs = seats.get(key) == Some(&manifest.uid);
            failed |= runs && !shown.contains_key(key) && !self.create(manifest).await;
        }
        self.failures = if failed {
            self.failures.saturating_add(1)
        } else {
            0
        };
        let doubled = PAUSES
            .0
            .saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        failed.then(|| doubled.min(PAUSES.1))
    }

    /// Pods with a mirror write their statuses there.
    fn tell_seats(&self, seats: &BTreeMap<Box<str>, Uid>, shown: &Shown) {
        for (key, uid) in seats {
            let mirror = shown.get(key).filter(|mirror| shows(mirror, uid));
            self.core.show(uid, mirror.map(|mirror| mirror.uid.clone()));
        }
    }

    /// Whether a mirror is to go: it shows another pod than the one that runs, or is deleted, or nothing runs.
    fn is_wrong(&self, key: &str, mirror: &Mirror, seats: &BTreeMap<Box<str>, Uid>) -> bool {
        match (self.wanted.get(key), seats.get(key)) {
            (Some(wanted), Some(uid)) => wanted.uid == *uid && !shows(mirror, uid),
            // One whose pod is ending goes after it.
            (None, Some(_)) | (Some(_), None) => false,
            (None, None) => true,
        }
    }

    /// Whether it is gone, or another of the same name is there.
    async fn delete(&self, key: &str, mirror: &Mirror) -> bool {
        let Some((namespace, name)) = key.split_once('/') else {
            return true;
        };
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            ..DeleteOptions::of_uid(&mirror.uid)
        };
        let client = &self.core.parts.client;
        match client.delete(PODS.within(namespace).named(name), &options).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => {
                tracing::warn!(pod = key, %error, "a mirror pod was not deleted");
                false
            }
            _ => true,
        }
    }

    async fn create(&self, manifest: &Manifest) -> bool {
        let Some(body) = self.body(manifest) else {
            tracing::debug!(pod = %manifest.object.key, "the node is not registered: there is no mirror pod yet");
            return false;
        };
        let place = PODS.within(&manifest.object.meta.namespace);
        let client = &self.core.parts.client;
        match client
            .create(place, body.to_string(), &WriteOptions::default())
            .await
        {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(pod = %manifest.object.key, %error, "a mirror pod was not made");
                false
            }
        }
    }

    /// A mirror: the pod, owned by its node. None before the node is in the API.
    fn body(&self, manifest: &Manifest) -> Option<Value> {
        let nodes = self.core.parts.informers.of(&NODES).snapshot();
        let node = nodes.get(&self.core.facts.name)?;
        let mut pod: Value = serde_json::from_slice(manifest.object.body()).ok()?;
        let metadata = &mut pod["metadata"];
        metadata["annotations"][MIRROR] = metadata["annotations"][HASH].clone();
        metadata["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "Node", "name": node.meta.name, "uid": node.meta.uid, "controller": true,
        }]);
        // The API gives it one of its own.
        metadata["uid"] = Value::Null;
        Some(pod)
    }
}

fn shows(mirror: &Mirror, uid: &Uid) -> bool {
    *mirror.hash == **uid && !mirror.deleted
}
