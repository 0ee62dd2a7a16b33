//! Which objects belong to which node, followed only while nodes ask.
//!
//! A cluster without kubelets pays nothing for this. The first question reads what is there; each later one takes in
//! what has happened since, from the cache's window of events. If that has moved on meanwhile, all is read again.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use auth::node::{Graph, Kind, PodRefs, VolumeRefs};
use schema::object::Obj;
use serde_json::Value;

use crate::cache::{Cache, Ended, Scope, Watcher};

/// Takes one object, or what is left of one: its key below the prefix, and its body if it is there.
type Take = fn(&mut Graph, &str, Option<&Obj>);

const FOLLOWED: [(&str, Take); 4] = [
    ("/registry/pods/", pod),
    ("/registry/persistentvolumes/", volume),
    ("/registry/volumeattachments/", |graph, name, object| {
        owned(graph, Kind::VolumeAttachment, name, object);
    }),
    ("/registry/resourceslices/", |graph, name, object| {
        owned(graph, Kind::ResourceSlice, name, object);
    }),
];

/// The graph, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Relations(Mutex<Option<Followed>>);

#[derive(Debug)]
struct Followed {
    graph: Graph,
    watchers: Vec<Watcher>,
}

impl Relations {
    /// Whether an object is a node's, as of all that the cache has been told.
    pub(super) fn related(&self, cache: &Cache, node: &str, kind: Kind, namespace: &str, name: &str) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = held.take().and_then(|followed| followed.caught_up().ok());
        let Some(current) = current.or_else(|| Followed::read(cache).caught_up().ok()) else {
            return false;
        };
        let related = current.graph.related(node, kind, namespace, name);
        *held = Some(current);
        related
    }
}

impl Followed {
    /// Everything that is there.
    fn read(cache: &Cache) -> Self {
        let mut graph = Graph::default();
        let mut watchers = Vec::new();
        for (prefix, take) in FOLLOWED {
            let all = cache.snapshot(prefix);
            for object in all.iter() {
                take(&mut graph, &object.key, Some(object));
            }
            watchers.extend(cache.watch(prefix, Scope::All, all.revision));
        }
        Self { graph, watchers }
    }

    /// Takes in what has happened.
    ///
    /// # Errors
    /// Some of it is lost.
    fn caught_up(mut self) -> Result<Self, Ended> {
        if self.watchers.len() != FOLLOWED.len() {
            return Err(Ended::Lost);
        }
        let cx = Context::from_waker(Waker::noop());
        for (watcher, (_, take)) in self.watchers.iter_mut().zip(FOLLOWED) {
            while let Poll::Ready(event) = watcher.poll_next(&cx) {
                let event = event?;
                take(&mut self.graph, event.key(), event.object.as_deref());
            }
        }
        Ok(self)
    }
}

fn json(object: Option<&Obj>) -> Option<Value> {
    object.and_then(super::read)
}

fn pod(graph: &mut Graph, key: &str, object: Option<&Obj>) {
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    let refs = json(object).as_ref().and_then(PodRefs::of);
    graph.set_pod(namespace, name, refs);
}

fn volume(graph: &mut Graph, name: &str, object: Option<&Obj>) {
    let refs = json(object).as_ref().and_then(VolumeRefs::of);
    graph.set_volume(name, refs);
}

fn owned(graph: &mut Graph, kind: Kind, name: &str, object: Option<&Obj>) {
    let json = json(object);
    let node = json
        .as_ref()
        .and_then(|json| json.pointer("/spec/nodeName")?.as_str());
    graph.set_owned(kind, name, node.map(str::to_owned));
}
