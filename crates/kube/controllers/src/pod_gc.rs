//! Pods that nobody ends any more (upstream's `pod-garbage-collector`): those of a node that is gone, those that are being
//! deleted and never had a node or have one that is out of service, and the oldest ended ones when there are too many.
//!
//! Nothing looks around every 20 seconds as upstream does: a pod or a node that changes says what has to be looked at.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Change, DeleteOptions, Resource};
use schema::object::Obj;
use serde_json::{Value, json};
use views::{NodeView, PodView};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::node::{Placed, node_of};
use crate::object::{target, text};
use crate::resources::{NODES, PODS};
use crate::workload::time::Time;
use crate::world::{Tracked, World};

/// How many ended pods may stay (upstream's `--terminated-pod-gc-threshold`).
const THRESHOLD: usize = 12_500;

/// How long a node that is not there is waited for.
const QUARANTINE: Duration = Duration::from_secs(40);

/// Says that a node will not come back by itself.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What writes statuses, for managed fields; upstream's.
const MANAGER: &str = "PodGC";

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// All pods of a node.
    Node(Box<str>),
    /// One pod.
    Pod(Box<str>),
    /// All pods that have ended.
    Ended,
}

/// See the module.
pub(crate) struct PodGc {
    placed: Arc<Placed>,
    threshold: usize,
    /// Keys of pods that have ended.
    ended: Mutex<BTreeSet<Box<str>>>,
}

impl PodGc {
    pub(crate) fn new(placed: Arc<Placed>) -> Self {
        Self {
            placed,
            threshold: THRESHOLD,
            ended: Mutex::default(),
        }
    }

    fn ended(&self) -> MutexGuard<'_, BTreeSet<Box<str>>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a pod; answers whether there are too many.
    fn count(&self, change: &Change) -> bool {
        let Some(key) = change.either().map(|pod| &pod.key) else {
            return false;
        };
        let mut ended = self.ended();
        if change.object.as_ref().is_some_and(has_ended) {
            ended.insert(key.clone());
        } else {
            ended.remove(key);
        }
        ended.len() > self.threshold
    }

    fn pod(&self, world: &World, change: &Change, touched: &mut Touched<Key>) {
        self.placed.record(change);
        if self.count(change) {
            touched.now.push(Key::Ended);
        }
        let Some(pod) = change.object.as_ref() else {
            return;
        };
        if pod.meta.deletion_timestamp.is_some() {
            touched.now.push(Key::Pod(pod.key.clone()));
        }
        let node = node_of(Some(pod)).filter(|node| world.objects(&NODES).get(node).is_none());
        touched
            .later
            .extend(node.map(|node| (Key::Node(node), QUARANTINE)));
    }

    fn node(&self, change: &Change, touched: &mut Touched<Key>) {
        let Some(key) = change.either().map(|node| node.key.clone()) else {
            return;
        };
        match &change.object {
            None => touched.later.push((Key::Node(key), QUARANTINE)),
            Some(node) if is_out_of_service(node) => {
                let pods = self.placed.keys(&key);
                touched.now.extend(pods.into_iter().map(Key::Pod));
            }
            Some(_) => {}
        }
    }

    /// Ends the pods of a node, if it is gone; the server itself is asked.
    async fn orphans(&self, cx: &Cx, node: &str) -> Result<(), Failed> {
        if cx.world.objects(&NODES).get(node).is_some() {
            return Ok(());
        }
        match cx.client.get(NODES.everywhere().named(node)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let pods = self.placed.pods(node, &cx.world.objects(&PODS));
        for pod in pods {
            cx.perform(end(&pod, Some(Time::of(cx.env.wall())))).await?;
        }
        Ok(())
    }

    /// Ends a pod that is being deleted, if nobody else will.
    async fn deleted(&self, cx: &Cx, key: &str) -> Result<(), Failed> {
        let pod = cx.world.objects(&PODS).get(key).cloned();
        let Some(pod) = pod.filter(|pod| pod.meta.deletion_timestamp.is_some()) else {
            return Ok(());
        };
        let lost = match node_of(Some(&pod)) {
            None => true,
            Some(node) => cx.world.objects(&NODES).get(&node).is_some_and(is_out_of_service),
        };
        cx.perform(lost.then(|| end(&pod, None)).into_iter().flatten())
            .await
    }

    /// Deletes ended pods above the threshold.
    async fn surplus(&self, cx: &Cx) -> Result<(), Failed> {
        let pods = cx.world.objects(&PODS);
        let ended: Vec<Arc<Obj>> = pods.iter().filter(|pod| has_ended(pod)).cloned().collect();
        let oldest = surplus(ended, self.threshold);
        cx.perform_all(oldest.iter().flat_map(|pod| end(pod, None)).collect())
            .await
    }
}

impl Controller for PodGc {
    type Key = Key;
    const ACCOUNT: &'static str = "pod-garbage-collector";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        [&NODES, &PODS].contains(&resource)
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Key>) {
        if of.is(&PODS) {
            self.pod(world, change, touched);
        } else {
            self.node(change, touched);
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, all: &Snapshot, _: &mut Touched<Key>) {
        if of.is(&PODS) {
            self.placed.retell(all);
            self.ended().clear();
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Key) -> Result<Next, Failed> {
        match key {
            Key::Node(node) => self.orphans(cx, node).await?,
            Key::Pod(pod) => self.deleted(cx, pod).await?,
            Key::Ended => self.surplus(cx).await?,
        }
        Ok(Next::Done)
    }
}

fn has_ended(pod: &Arc<Obj>) -> bool {
    pod.view::<PodView>().is_ok_and(|pod| pod.phase.is_terminal())
}

fn is_out_of_service(node: &Arc<Obj>) -> bool {
    let view = node.view::<NodeView>();
    view.is_ok_and(|node| !node.is_ready() && node.taints.iter().any(|taint| *taint.key == *OUT_OF_SERVICE))
}

/// The pods that have to go so that `threshold` stay: evicted ones first, then by age and name.
fn surplus(mut ended: Vec<Arc<Obj>>, threshold: usize) -> Vec<Arc<Obj>> {
    ended.sort_by_cached_key(|pod| {
        let evicted = text(pod, &["status", "reason"]) == "Evicted";
        (
            !evicted,
            pod.meta.creation_timestamp.clone(),
            pod.meta.name.clone(),
        )
    });
    ended.truncate(ended.len().saturating_sub(threshold));
    ended
}

/// Fails a pod that has not ended, and deletes it without grace. `lost` is when its node was found to be gone.
fn end(pod: &Arc<Obj>, lost: Option<Time>) -> Vec<Action> {
    let target = target(&PODS, &pod.meta);
    let said = (!has_ended(pod)).then(|| Action::Apply {
        target: target.clone().below("status"),
        manager: MANAGER,
        config: failed(pod, lost),
    });
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::of_uid(&pod.meta.uid)
    };
    said.into_iter()
        .chain([Action::Delete { target, options }])
        .collect()
}

fn failed(pod: &Obj, lost: Option<Time>) -> Value {
    let meta = &pod.meta;
    let mut status = json!({"phase": "Failed"});
    if let Some(now) = lost {
        status["conditions"] = json!([{
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists", "lastTransitionTime": now,
        }]);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::object::{Order, Revision};

    fn pod(name: &str, created: &str, reason: &str) -> Arc<Obj> {
        let json = json!({
            "metadata": {"name": name, "namespace": "x", "uid": name, "creationTimestamp": created},
            "status": {"phase": "Failed", "reason": reason},
        });
        let body = json.to_string().into_bytes().into();
        Arc::new(Obj::new(name, Revision(1), body, Order::Declared).unwrap())
    }

    #[test]
    fn evicted_pods_go_first_then_the_oldest() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let all = vec![
            pod("c", early, ""),
            pod("d", late, "Evicted"),
            pod("b", late, ""),
            pod("a", late, ""),
        ];
        let names = |threshold: usize| -> Vec<Box<str>> {
            let gone = surplus(all.clone(), threshold);
            gone.iter().map(|pod| pod.meta.name.clone()).collect()
        };
        assert_eq!(names(0), ["d", "c", "a", "b"].map(Box::from));
        assert_eq!(names(2), ["d", "c"].map(Box::from));
        assert_eq!(names(9), []);
    }

    #[test]
    fn what_has_ended_is_deleted_as_it_is() {
        assert!(matches!(&*end(&pod("a", "", ""), None), [Action::Delete { .. }]));
    }
}
