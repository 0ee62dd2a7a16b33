//! The life of nodes (upstream's `node-lifecycle-controller` and `taint-eviction-controller`): who is silent for too long
//! is not ready, nodes are tainted by their conditions, and pods that do not tolerate that are sent away.
//!
//! Silence is measured from when this process heard of a node last, not by the node's clock; one that starts gives every
//! node its whole grace. Renewals of a Lease only note the time: a node is looked at once its grace may be over.

mod eviction;
mod health;
mod placed;
mod taints;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Change, Level, Resource, Subject};
use driver::{Env, Instant};
use schema::object::{Obj, ScanError};
use serde_json::Value;
use views::{NodeView, PodView};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, target, text};
use crate::resources::{LEASES, NODES, PODS};
use crate::workload::Told;
use crate::workload::time::Time;
use crate::world::{Tracked, World};
pub(crate) use eviction::Evictions;
pub(crate) use placed::{Placed, node_of};
use taints::Execution;

/// Where kubelets keep their leases.
const LEASES_OF_NODES: &str = "kube-node-lease/";

/// Keys are nodes.
pub(crate) struct Nodes {
    env: Arc<dyn Env>,
    placed: Arc<Placed>,
    seen: Mutex<Seen>,
}

/// What was noticed of nodes. Forgotten at a restart, it costs time and nothing else.
#[derive(Default)]
struct Seen {
    /// When something was last heard of a node.
    heard: BTreeMap<Box<str>, Instant>,
    /// Nodes that people were told of, with their uids.
    told: BTreeMap<Box<str>, Box<str>>,
}

impl Nodes {
    pub(crate) fn new(env: Arc<dyn Env>, placed: Arc<Placed>) -> Self {
        Self {
            env,
            placed,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, node: &str) {
        let now = self.env.now();
        self.seen().heard.insert(node.into(), now);
    }

    /// How long nothing was heard of a node.
    fn silence(&self, node: &str) -> Duration {
        let now = self.env.now();
        let heard = *self.seen().heard.entry(node.into()).or_insert(now);
        now.saturating_since(heard)
    }

    fn lease(&self, change: &Change) {
        let Some(lease) = change.object.as_ref() else {
            return;
        };
        let renewed = |lease: &Obj| text(lease, &["spec", "renewTime"]);
        let same = change
            .previous
            .as_ref()
            .is_some_and(|old| renewed(old) == renewed(lease));
        if let Some(node) = lease.key.strip_prefix(LEASES_OF_NODES).filter(|_| !same) {
            self.hear(node);
        }
    }

    fn node(&self, world: &World, change: &Change, touched: &mut Touched<Box<str>>) {
        let (old, new) = (
            change.previous.as_deref().map(view),
            change.object.as_deref().map(view),
        );
        let Some(key) = change.either().map(|node| node.key.clone()) else {
            return;
        };
        let beat = |node: &Option<Result<Arc<NodeView>, ScanError>>| {
            let view = node.as_ref()?.as_ref().ok()?;
            Some(view.condition("Ready")?.heartbeat)
        };
        let ready = |node: &Option<Result<Arc<NodeView>, ScanError>>| {
            let view = node.as_ref()?.as_ref().ok()?;
            Some(view.is_ready())
        };
        if new.is_none() {
            self.seen().heard.remove(&key);
        } else if old.is_none() || beat(&old) != beat(&new) {
            self.hear(&key);
        }
        if ready(&old) != ready(&new) {
            // How many are well says what may be done to the others.
            let others = world.objects(&NODES);
            let ill = others
                .iter()
                .filter(|node| view(node).is_ok_and(|view| !view.is_ready()));
            touched.now.extend(ill.map(|node| node.key.clone()));
        }
        touched.now.push(key);
    }

    fn pod(&self, world: &World, change: &Change, touched: &mut Touched<Box<str>>) {
        self.placed.record(change);
        let (old, new) = (node_of(change.previous.as_ref()), node_of(change.object.as_ref()));
        let Some(node) = new.filter(|new| old.as_ref() != Some(new)) else {
            return;
        };
        let nodes = world.objects(&NODES);
        let known = nodes.get(&node).and_then(|node| view(node).ok());
        if known.is_some_and(|node| health::is_ready(&node) == Some(false)) {
            touched.now.push(node);
        }
    }

    /// Tells people that a node has come, once.
    fn introduce(&self, cx: &Cx, node: &Obj) {
        let known = self.seen().told.insert(node.key.clone(), node.meta.uid.clone());
        if known.as_ref() != Some(&node.meta.uid) {
            tell(
                cx,
                node,
                "RegisteredNode",
                format!("Registered Node {} in Controller", node.key),
            );
        }
    }

    /// Tells people that a node has gone, once.
    fn part(&self, cx: &Cx, node: &str) {
        let Some(uid) = self.seen().told.remove(node) else {
            return;
        };
        let subject = Subject {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: node.into(),
            uid,
            ..Subject::default()
        };
        let message = format!("Node {node} event: Removing Node {node} from Controller");
        cx.recorder
            .event(&subject, Level::Normal, "RemovingNode", message);
    }

    /// Notes that a node is silent.
    async fn forget(&self, cx: &Cx, node: &Obj) -> Result<(), Failed> {
        let was_ready = view(node).is_ok_and(|view| view.is_ready());
        let mut changed = editable(&NODES, node)?;
        if !health::forget(&mut changed, &now(cx)) {
            return Ok(());
        }
        cx.perform([Action::Update {
            target: target(&NODES, &node.meta).below("status"),
            object: changed,
        }])
        .await?;
        if was_ready {
            let message = format!("Node {} status is now: NodeNotReady", node.key);
            cx.tell(
                &Subject::of(&NODES, node),
                [Told::normal("NodeNotReady", message)],
            );
        }
        Ok(())
    }

    async fn taint(&self, cx: &Cx, node: &Obj, view: &NodeView) -> Result<(), Failed> {
        let nodes = cx.world.objects(&NODES);
        let all: Vec<Arc<NodeView>> = nodes.iter().filter_map(|node| self::view(node).ok()).collect();
        let execution = Execution::of(&view.zone, all.iter().map(|view| &**view));
        let corrected = taints::correct(&editable(&NODES, node)?, view, execution, &now(cx));
        let target = target(&NODES, &node.meta);
        cx.perform(corrected.map(|object| Action::Update { target, object }))
            .await
    }

    /// Pods of a node that is not ready are not either, whatever was last said of them.
    async fn unready_pods(&self, cx: &Cx, node: &str) -> Result<(), Failed> {
        let pods = cx.world.objects(&PODS);
        for pod in self.placed.pods(node, &pods) {
            if !pod.view::<PodView>().is_ok_and(|pod| pod.is_ready()) {
                continue;
            }
            let mut changed: Value = editable(&PODS, &pod)?;
            if health::not_ready(&mut changed, &now(cx)) {
                let target = target(&PODS, &pod.meta).below("status");
                cx.perform([Action::Update {
                    target,
                    object: changed,
                }])
                .await?;
                let told = Told::warning("NodeNotReady", "Node is not ready".to_owned());
                cx.tell(&Subject::of(&PODS, &pod), [told]);
            }
        }
        Ok(())
    }
}

impl Controller for Nodes {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "node-controller";
    const WORKERS: usize = 8;

    fn follows(&self, resource: &Resource) -> bool {
        [&NODES, &PODS, &LEASES].contains(&resource)
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&NODES) {
            self.node(world, change, touched);
        } else if of.is(&PODS) {
            self.pod(world, change, touched);
        } else {
            self.lease(change);
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, all: &Snapshot, touched: &mut Touched<Self::Key>) {
        if of.is(&PODS) {
            self.placed.retell(all);
        } else if of.is(&NODES) {
            // Those that went meanwhile.
            touched.now.extend(self.seen().told.keys().cloned());
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let find = || cx.world.objects(&NODES).get(key).cloned();
        let Some(node) = find() else {
            self.part(cx, key);
            return Ok(Next::Done);
        };
        self.introduce(cx, &node);
        let (silence, grace) = (self.silence(key), health::grace(&*read(&node)?));
        let left = grace.checked_sub(silence).filter(|left| !left.is_zero());
        if left.is_none() {
            self.forget(cx, &node).await?;
        }
        let Some(node) = find() else {
            return Ok(Next::Done);
        };
        let view = read(&node)?;
        self.taint(cx, &node, &view).await?;
        if health::is_ready(&view) == Some(false) {
            self.unready_pods(cx, key).await?;
        }
        Ok(left.map_or(Next::Done, Next::After))
    }
}

fn view(node: &Obj) -> Result<Arc<NodeView>, ScanError> {
    node.view::<NodeView>()
}

fn read(node: &Obj) -> Result<Arc<NodeView>, Failed> {
    view(node).map_err(|error| Failed::Unread(error.to_string()))
}

fn now(cx: &Cx) -> String {
    Time::of(cx.env.wall()).stamp().to_string()
}

fn tell(cx: &Cx, node: &Obj, reason: &'static str, what: String) {
    let message = format!("Node {} event: {what}", node.key);
    cx.tell(&Subject::of(&NODES, node), [Told::normal(reason, message)]);
}
