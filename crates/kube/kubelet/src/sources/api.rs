//! Pods of the API that are bound to this node.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_channel::Sender;
use client::Changes;
use schema::object::Obj;
use views::PodView;

use super::Found;
use super::mirrors::{Mirror, Shown};
use crate::container::{ObservedPod, Uid};
use crate::pod::Pod;
use crate::resources::PODS;
use crate::run::Core;

/// What is known of the API's pods.
struct Source {
    core: Arc<Core>,
    /// Pods of this node, by key.
    known: BTreeMap<Box<str>, Uid>,
    /// What was found at the start and nobody has taken yet.
    found: Found,
}

/// Follows the pods of this node. `starting` is dropped once those that are there at the start have their workers.
pub(super) async fn run(core: Arc<Core>, found: Found, starting: Sender<()>) {
    let mut starting = Some(starting);
    let mut source = Source {
        found,
        known: BTreeMap::new(),
        core,
    };
    let mut following = source.core.parts.informers.of(&PODS).follow();
    while let Some(changes) = following.next().await {
        match changes {
            Changes::One(change) => source.changed(change.object.as_deref(), change.previous.as_deref()),
            Changes::All(snapshot) => {
                source.all(&snapshot.iter().map(|object| &**object).collect::<Vec<_>>());
                starting.take();
            }
        }
    }
}

impl Source {
    fn all(&mut self, objects: &[&Obj]) {
        let mut gone = std::mem::take(&mut self.known);
        let mut shown = Shown::new();
        for object in objects {
            if !self.is_ours(object) {
                continue;
            }
            if let Some(mirror) = Mirror::of(object) {
                shown.insert(object.key.clone(), mirror);
                continue;
            }
            let uid = Uid::new(&object.meta.uid);
            if gone.get(&object.key) == Some(&uid) {
                gone.remove(&object.key);
            }
            self.set(object);
        }
        for uid in gone.values() {
            self.core.forget(uid);
        }
        for orphan in std::mem::take(&mut self.found).into_values() {
            if let Some(pod) = made_up(&orphan) {
                self.core.orphan(Arc::new(pod), &orphan.observed);
            }
        }
        // Last: whoever waits for an orphan finds it in its seat.
        self.core.mirrors.replace(shown);
    }

    fn changed(&mut self, object: Option<&Obj>, previous: Option<&Obj>) {
        let object = object.filter(|object| self.is_ours(object));
        let mirror = object.and_then(Mirror::of);
        if let Some(any) = object.or(previous) {
            self.core.mirrors.set(&any.key, mirror.clone());
        }
        let object = object.filter(|_| mirror.is_none());
        if let Some(previous) = previous {
            let uid = Uid::new(&previous.meta.uid);
            let same = object.is_some_and(|object| object.meta.uid == previous.meta.uid);
            if !same && self.known.get(&previous.key) == Some(&uid) {
                self.known.remove(&previous.key);
                self.core.forget(&uid);
            }
        }
        if let Some(object) = object {
            self.set(object);
        }
    }

    fn set(&mut self, object: &Obj) {
        let uid = Uid::new(&object.meta.uid);
        let found = self.found.remove(&uid);
        self.core
            .place(object, found.as_ref().map(|found| &found.observed));
        self.known.insert(object.key.clone(), uid);
    }

    /// Whether a pod is bound to this node.
    fn is_ours(&self, object: &Obj) -> bool {
        let view = object.view::<PodView>();
        view.is_ok_and(|view| *view.node == *self.core.facts.name)
    }
}

/// A pod that only its containers tell of, so that they can be ended.
fn made_up(orphan: &ObservedPod) -> Option<Pod> {
    let names: std::collections::BTreeSet<&str> = orphan
        .observed
        .containers
        .iter()
        .map(|container| &*container.name)
        .collect();
    let containers: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({"name": name}))
        .collect();
    tracing::info!(pod = %orphan.name, namespace = %orphan.namespace, "nobody knows this pod any more");
    let json = serde_json::json!({
        "metadata": {"name": orphan.name, "namespace": orphan.namespace, "uid": &*orphan.uid},
        "spec": {"containers": containers},
    });
    Pod::parse(json.to_string().as_bytes()).ok()
}
