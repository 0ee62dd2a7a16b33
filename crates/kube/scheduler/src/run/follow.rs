//! What informers tell, taken over into the world and the queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use client::Changes;
use schema::object::Obj;
use views::{NodeView, PodView};

use super::{NAME, Running};
use crate::plugins::Happened;
use crate::snapshot::{Key, Snapshot};

impl Running {
    pub(super) fn nodes(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                if let Some(either) = change.either() {
                    self.node(&either.key, change.object.as_ref());
                }
            }
            Changes::All(snapshot) => {
                let there: BTreeSet<&str> = snapshot.iter().map(|node| &*node.key).collect();
                let known = self
                    .world
                    .live()
                    .iter()
                    .map(|node| self.world.name(*node).to_owned());
                let gone: Vec<String> = known.filter(|name| !there.contains(name.as_str())).collect();
                gone.iter().for_each(|name| self.node(name, None));
                snapshot.iter().for_each(|node| self.node(&node.key, Some(node)));
                self.told.nodes = true;
            }
        }
    }

    fn node(&mut self, name: &str, object: Option<&Arc<Obj>>) {
        let now: Option<Arc<NodeView>> = object.and_then(|object| read(object));
        let before = self.world.node(name, now.clone());
        let event = Happened::Node {
            before: before.as_deref(),
            now: now.as_deref(),
        };
        self.queue.happened(&event, self.env.now());
    }

    pub(super) fn namespaces(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                let labels = change.object.as_ref().map(|object| &object.meta.labels);
                let before = change.previous.as_ref().map(|object| &object.meta.labels);
                if let Some(either) = change.either().filter(|_| labels != before) {
                    self.world.namespace(&either.meta.name, labels);
                    self.queue.happened(&Happened::Namespace, self.env.now());
                }
            }
            Changes::All(snapshot) => {
                let all = snapshot
                    .iter()
                    .map(|it| (it.meta.name.clone(), it.meta.labels.clone()));
                self.world.namespaces(all.collect());
                self.queue.happened(&Happened::Namespace, self.env.now());
                self.told.namespaces = true;
            }
        }
    }

    pub(super) fn pods(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => {
                if let Some(either) = change.either() {
                    self.pod(&Key::from(&*either.key), change.object.as_ref());
                }
            }
            Changes::All(snapshot) => {
                let there: BTreeSet<&str> = snapshot.iter().map(|pod| &*pod.key).collect();
                let known: BTreeSet<Key> = self.world.keys().chain(self.queue.keys()).cloned().collect();
                let gone = known.iter().filter(|key| !there.contains(&***key));
                gone.for_each(|key| self.pod(key, None));
                snapshot
                    .iter()
                    .for_each(|pod| self.pod(&Key::from(&*pod.key), Some(pod)));
                self.told.pods = true;
            }
        }
    }

    fn pod(&mut self, key: &Key, object: Option<&Arc<Obj>>) {
        let pod: Option<Arc<PodView>> = object.and_then(|object| read(object));
        self.place(key, pod.as_ref());
        let waits = pod.as_ref().zip(object).filter(|(pod, _)| is_ours(pod));
        match waits {
            Some((pod, object)) => {
                self.objects.insert(key.clone(), object.clone());
                self.queue.put(key, pod, self.env.now());
            }
            None => {
                self.objects.remove(key);
                self.queue.remove(key);
            }
        }
    }

    /// Takes over where a pod is, and wakes those that this may help.
    fn place(&mut self, key: &Key, now: Option<&Arc<PodView>>) {
        let of = |world: &Snapshot| world.placed(key).map(|(pod, _)| pod.clone());
        let before = of(&self.world);
        self.world.pod(key, now);
        let now = of(&self.world);
        if before.is_some() || now.is_some() {
            let event = Happened::Pod {
                before: before.as_deref(),
                now: now.as_deref(),
            };
            self.queue.happened(&event, self.env.now());
        }
    }
}

/// Whether the pod waits for us.
fn is_ours(pod: &PodView) -> bool {
    pod.node.is_empty() && !pod.phase.is_terminal() && &*pod.scheduler == NAME
}

/// An object's view. What cannot be read is as good as not there; validation lets no such thing in.
fn read<V: schema::object::View>(object: &Obj) -> Option<Arc<V>> {
    let read = object.view::<V>();
    read.inspect_err(|error| tracing::error!(key = %object.key, %error, "cannot be read"))
        .ok()
}
