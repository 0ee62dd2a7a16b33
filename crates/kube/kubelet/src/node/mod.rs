//! The node as the cluster sees it: registered once, described again when something changed, alive by its Lease.
//!
//! One task does all of it, every ten seconds: it reads the machine, posts a status that says something new or whose
//! heartbeat is old, and renews the lease. What was posted before is read from the server each time, so nothing is
//! remembered that a restart would lose. A Node that somebody has deleted is not made again before the next start, as
//! with upstream's kubelet: whoever deletes it means it.

mod lease;
mod machine;
mod status;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use client::{Client, Error, Level, PatchKind, Recorder, Resource, Subject, WriteOptions};
use driver::Env;
use futures_util::future::{Either, select};
use serde_json::{Map, Value, json};

use lease::Lease;
pub use machine::{Host, Image, MEMORY_THRESHOLD, Machine, Pressure};
pub use status::{Patch, Told, missing_labels, patch, registration};

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);

/// Between attempts to register: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(7));

/// What the node is called and where it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Node's name: the host's, in lower case.
    pub name: Box<str>,
    /// Where pods and the API server reach it.
    pub address: IpAddr,
    /// Where its kubelet serves.
    pub kubelet_port: u16,
    /// Pods that it takes at most.
    pub max_pods: u16,
    /// What its pods' addresses are taken from, if it chooses that itself: `10.42.0.0/24`.
    pub pod_cidr: Option<String>,
    /// Further labels. A node may not give itself all of them (`NodeRestriction`).
    pub labels: BTreeMap<String, String>,
    /// `v1.36.3+gantry`
    pub version: String,
    /// `gantry://0.1.0`
    pub runtime_version: String,
}

/// What keeps a node registered and alive.
pub struct NodeAgent {
    /// The task ends when it is dropped.
    going: Sender<()>,
    /// Closes when the Node is there, with its status.
    registered: Receiver<()>,
    /// Closes when the task has ended.
    ended: Receiver<()>,
}

impl NodeAgent {
    /// Begins to register the node, as the user that `client` is: `system:node:NAME`.
    pub fn start(
        config: Config,
        client: Client,
        host: Arc<dyn Host>,
        recorder: Recorder,
        env: &Arc<dyn Env>,
    ) -> Self {
        let ((going, stop), (alive, ended)) = (async_channel::bounded(1), async_channel::bounded::<()>(1));
        let (registering, registered) = async_channel::bounded::<()>(1);
        let agent = Agent {
            lease: Lease::of(&config.name),
            unschedulable: false,
            config,
            client,
            host,
            recorder,
            env: env.clone(),
        };
        env.spawn(Box::pin(async move {
            or_end(&stop, agent.run(registering)).await;
            drop(alive);
        }));
        Self {
            going,
            registered,
            ended,
        }
    }

    /// Waits until the Node is there, with its status.
    pub async fn registered(&self) {
        // Nothing is ever sent: it closes.
        let _closed = self.registered.recv().await;
    }

    /// Ends it. The Node stays; controllers find out in their time that nobody speaks for it.
    pub async fn stop(self) {
        drop(self.going);
        let _closed = self.ended.recv().await;
    }
}

/// Gives a node roles, as whoever may: no node may give itself one. `kubectl get nodes` shows them.
///
/// # Errors
/// The server's.
pub async fn give_roles(client: &Client, node: &str, roles: &[&str]) -> Result<(), Error> {
    let label = |role: &&str| (format!("node-role.kubernetes.io/{role}"), json!("true"));
    let labels: Map<String, Value> = roles.iter().map(label).collect();
    let patch = json!({"metadata": {"labels": labels}}).to_string();
    let (place, options) = (NODES.everywhere().named(node), WriteOptions::default());
    client
        .patch(place, PatchKind::Merge, patch, &options)
        .await
        .map(drop)
}

struct Agent {
    config: Config,
    client: Client,
    host: Arc<dyn Host>,
    recorder: Recorder,
    env: Arc<dyn Env>,
    lease: Lease,
    /// What was last told of whether pods may be given to the node.
    unschedulable: bool,
}

impl Agent {
    async fn run(mut self, registering: Sender<()>) {
        self.tell(&Told {
            level: Level::Normal,
            reason: "Starting".to_owned(),
            message: "Starting kubelet.".to_owned(),
        });
        self.register().await;
        drop(registering);
        loop {
            self.turn().await;
            self.env.sleep(lease::RENEWAL).await;
        }
    }

    async fn register(&mut self) {
        let mut pause = RETRY.0;
        while let Err(error) = self.try_register().await {
            tracing::warn!(node = &*self.config.name, %error, ?pause, "the node is not registered yet");
            self.env.sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    async fn try_register(&mut self) -> Result<(), Error> {
        let machine = self.host.machine().await;
        let (node, told) = registration(&self.config, &machine, self.env.wall());
        let options = WriteOptions::default();
        match self
            .client
            .create(NODES.everywhere(), node.to_string(), &options)
            .await
        {
            Ok(_) => {
                told.into_iter().for_each(|each| self.tell(&each));
                Ok(())
            }
            Err(error) if error.is_already_exists() => self.take_over(&machine).await,
            Err(error) => Err(error),
        }
    }

    /// The Node is there from before: it gets the labels it should have, and is described anew.
    async fn take_over(&mut self, machine: &Machine) -> Result<(), Error> {
        let node = self.read().await?;
        self.warn_of_range(&node);
        if let Some(labels) = missing_labels(&self.config, &node) {
            let (place, options) = (self.place(), WriteOptions::default());
            self.client
                .patch(place, PatchKind::Merge, labels.to_string(), &options)
                .await?;
        }
        self.describe(machine, &node).await
    }

    /// A Node keeps its range for life; pods of another would not be routed to it.
    fn warn_of_range(&self, node: &Value) {
        let (has, wanted) = (node["spec"]["podCIDR"].as_str(), self.config.pod_cidr.as_deref());
        if has != wanted {
            tracing::warn!(
                ?has,
                ?wanted,
                "the node was registered with other pod addresses; delete it to change them"
            );
        }
    }

    /// Posts the status if there is a reason to.
    async fn describe(&mut self, machine: &Machine, node: &Value) -> Result<(), Error> {
        let Some(Patch { body, told }) = patch(&self.config, machine, node, self.env.wall()) else {
            return Ok(());
        };
        let (place, options) = (self.place().below("status"), WriteOptions::default());
        self.client
            .patch(place, PatchKind::Strategic, body.to_string(), &options)
            .await?;
        told.into_iter().for_each(|each| self.tell(&each));
        Ok(())
    }

    async fn turn(&mut self) {
        match self.read().await {
            Ok(node) => self.beat(&node).await,
            Err(error) => self.complain("the node cannot be read", &error),
        }
    }

    async fn beat(&mut self, node: &Value) {
        let uid = node["metadata"]["uid"].as_str().unwrap_or_default();
        if let Err(error) = self.lease.renew(&self.client, uid, self.env.wall()).await {
            self.complain("the lease is not renewed", &error);
        }
        let machine = self.host.machine().await;
        if let Err(error) = self.describe(&machine, node).await {
            self.complain("the status is not posted", &error);
        }
        let unschedulable = node["spec"]["unschedulable"] == true;
        if unschedulable != self.unschedulable {
            self.unschedulable = unschedulable;
            self.tell(&status::schedulable(&self.config, unschedulable));
        }
    }

    async fn read(&self) -> Result<Value, Error> {
        self.client.get(self.place()).await?.read()
    }

    fn place(&self) -> client::Place<'_> {
        NODES.everywhere().named(&self.config.name)
    }

    /// Events of nodes are about their names: their uids may change while they are told.
    fn tell(&self, told: &Told) {
        let subject = Subject {
            kind: "Node".into(),
            name: self.config.name.clone(),
            uid: self.config.name.clone(),
            ..Subject::default()
        };
        self.recorder
            .event(&subject, told.level, &told.reason, told.message.as_str());
    }

    fn complain(&self, what: &str, error: &Error) {
        tracing::warn!(node = &*self.config.name, %error, "{what}");
    }
}

/// The work's result, unless the channel closes first.
async fn or_end<T>(stop: &Receiver<()>, work: impl Future<Output = T>) -> Option<T> {
    let (stop, work) = (std::pin::pin!(stop.recv()), std::pin::pin!(work));
    match select(stop, work).await {
        Either::Left(_) => None,
        Either::Right((done, _)) => Some(done),
    }
}
