//! A kubelet: one task for each pod, which runs its worker; one wheel of timers; one follower of each thing that wakes pods.
//!
//! Events only wake. A pod's task takes the newest state of its pod from a slot, so a slow one misses nothing by being slow,
//! and its mailbox is bounded. Whatever a worker wants done runs beside it and comes back as mail. Closing a kubelet stops
//! what it was doing and leaves containers alone: the next one adopts them.

mod core;
mod desk;
mod files;
mod follow;
mod health;
mod limits;
mod outbox;
mod perform;
mod runtime_class;
mod seat;
mod tenants;
mod timers;

use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender};
use client::{Client, Informers, Recorder};
use driver::Env;

use crate::facts::NodeFacts;
use crate::traits::{Manifests, Prober, Runtime, Services, Volumes};
pub(crate) use core::Core;
pub use health::Health;

/// What a kubelet is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its node.
    pub facts: NodeFacts,
}

/// What a kubelet works with.
#[derive(Clone)]
pub struct Parts {
    /// The API, as `system:node:NAME`.
    pub client: Client,
    /// The same as one view of the world.
    pub informers: Informers,
    /// Containers.
    pub runtime: Arc<dyn Runtime>,
    /// Volumes.
    pub volumes: Arc<dyn Volumes>,
    /// Probes and hooks.
    pub prober: Arc<dyn Prober>,
    /// The services of the node.
    pub services: Arc<dyn Services>,
    /// The files of static pods.
    pub manifests: Arc<dyn Manifests>,
}

/// The kubelet of a node.
pub struct Kubelet {
    core: Arc<Core>,
    /// Closed once every pod that was there at the start has its worker.
    ready: Receiver<()>,
    /// Dropped to end all tasks.
    closing: Mutex<Option<Sender<()>>>,
    /// Closed once all tasks have ended.
    ended: Receiver<()>,
}

impl Kubelet {
    /// Starts to run the pods of a node. What runs already is adopted.
    pub fn start(config: Config, parts: Parts, env: &Arc<dyn Env>) -> Self {
        let (closing, closed) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded(1);
        let (starting, ready) = async_channel::bounded(1);
        let recorder = Recorder::start(parts.client.clone(), env, "kubelet", &config.facts.name);
        let facts = Arc::new(config.facts);
        let (core, rung) = Core::new(parts, facts, recorder, env.clone(), closed, alive);
        core.spawn_lasting("timers", timers::run(core.clone(), rung));
        core.spawn_lasting("ends", follow::ends(core.clone(), core.parts.runtime.ends()));
        core.spawn_lasting("objects", follow::sources(core.clone()));
        core.spawn_lasting("limits", limits::run(core.clone()));
        core.spawn_lasting("pods", crate::sources::run(core.clone(), starting));
        Self {
            core,
            ready,
            closing: Mutex::new(Some(closing)),
            ended,
        }
    }

    /// Who tells whether it does its work.
    pub fn health(&self) -> Health {
        Health::of(&self.core)
    }

    /// What is known of the node.
    pub fn facts(&self) -> Arc<NodeFacts> {
        self.core.facts.clone()
    }

    /// Waits until every pod that is in the API or on the node is being looked after.
    pub async fn ready(&self) {
        // Nothing is ever sent: the other end goes away.
        let _closed = self.ready.recv().await;
    }

    /// Ends all tasks. Containers go on.
    pub async fn stop(self) {
        let closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(closing);
        drop(self.core);
        let _closed = self.ended.recv().await;
    }
}
