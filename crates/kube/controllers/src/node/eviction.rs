//! Pods that do not tolerate a `NoExecute` taint of their node are deleted, at once or when their patience ends.
//!
//! When that is, follows from when the taint was added and when the pod came; only a taint that somebody set without a
//! time counts from when it was seen. After a start nobody who tolerates a taint for a while is sent away before nodes had
//! time to say that they are well again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use apiserver::cache::Snapshot;
use client::{Change, DeleteOptions, Resource, Subject};
use driver::Instant;
use schema::object::{Meta, Obj};
use serde_json::{Value, json};
use views::taint::{Effect, Taint, Toleration};
use views::{NodeView, PodView};

use super::{Placed, node_of};
use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::target;
use crate::resources::{NODES, PODS};
use crate::workload::Told;
use crate::workload::time::Time;
use crate::world::{Tracked, World};

const REASON: &str = "TaintManagerEviction";

/// What writes the condition, for managed fields; upstream's.
const MANAGER: &str = "TaintManager";

/// After a start: as long as a node may be silent.
const AT_FIRST: Duration = Duration::from_secs(50);

/// Keys are pods.
pub(crate) struct Evictions {
    placed: Arc<Placed>,
    begun: Instant,
    /// Pods that will have to go, since when; people are told when they need not.
    waiting: Mutex<BTreeMap<Box<str>, SystemTime>>,
}

/// What is to become of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It may stay.
    Stays,
    /// It may stay so long after the taints.
    Waits(Duration),
    /// It has to go.
    Goes,
}

impl Evictions {
    /// The controller of a process that starts now.
    pub(crate) fn new(begun: Instant, placed: Arc<Placed>) -> Self {
        Self {
            placed,
            begun,
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Box<str>, SystemTime>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the pod waits, if nothing says so better.
    fn noticed(&self, key: &str, now: SystemTime) -> SystemTime {
        *self.waiting().entry(key.into()).or_insert(now)
    }

    /// The pod need not go any more.
    fn relent(&self, cx: &Cx, pod: &Obj) {
        if self.waiting().remove(&pod.key).is_some() {
            let message = format!("Cancelling deletion of Pod {}", pod.key);
            cx.tell(&Subject::of(&PODS, pod), [Told::normal(REASON, message)]);
        }
    }

    async fn evict(&self, cx: &Cx, pod: &Obj) -> Result<(), Failed> {
        self.waiting().remove(&pod.key);
        let message = format!("Marking for deletion Pod {}", pod.key);
        cx.tell(&Subject::of(&PODS, pod), [Told::normal(REASON, message)]);
        let target = target(&PODS, &pod.meta);
        let said = Action::Apply {
            target: target.clone().below("status"),
            manager: MANAGER,
            config: condition(&pod.meta, Time::of(cx.env.wall())),
        };
        let options = DeleteOptions::of_uid(&pod.meta.uid);
        cx.perform([said, Action::Delete { target, options }]).await
    }

    /// How long a pod may still stay; none if its time is over.
    fn left(&self, cx: &Cx, pod: &Obj, taints: &[Taint], patience: Duration) -> Option<Duration> {
        let now = cx.env.wall();
        let noticed = self.noticed(&pod.key, now);
        let added = taints.iter().filter(|taint| taint.effect == Effect::NoExecute);
        let added = added
            .map(|taint| taint.added.map_or(noticed, SystemTime::from))
            .min();
        let came = Time::parse(&pod.meta.creation_timestamp).map_or(noticed, |time| time.stamp().into());
        let end = added.unwrap_or(noticed).max(came) + patience;
        let running = cx.env.now().saturating_since(self.begun);
        let at_first = AT_FIRST.min(patience).saturating_sub(running);
        let left = end.duration_since(now).unwrap_or_default().max(at_first);
        (!left.is_zero()).then_some(left)
    }
}

/// What people are told in the pod's status.
fn condition(pod: &Meta, now: Time) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        "status": {"conditions": [{
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint", "lastTransitionTime": now,
        }]},
    })
}

/// Which fate these tolerations lead to. Each taint has to be tolerated; of all tolerations that apply, the shortest counts.
fn fate(taints: &[Taint], tolerations: &[Toleration]) -> Fate {
    let executing = || taints.iter().filter(|taint| taint.effect == Effect::NoExecute);
    let tolerated = |taint: &Taint| tolerations.iter().any(|each| each.tolerates(taint));
    if !executing().all(tolerated) {
        return Fate::Goes;
    }
    let used = tolerations
        .iter()
        .filter(|each| executing().any(|taint| each.tolerates(taint)));
    match used.filter_map(|toleration| toleration.seconds).min() {
        None => Fate::Stays,
        Some(..=0) => Fate::Goes,
        Some(seconds) => Fate::Waits(Duration::from_secs(seconds.unsigned_abs())),
    }
}

impl Controller for Evictions {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "node-controller";
    const SOURCE: &'static str = "taint-eviction-controller";
    const WORKERS: usize = 8;

    fn follows(&self, resource: &Resource) -> bool {
        [&NODES, &PODS].contains(&resource)
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&NODES) {
            let (old, new) = (
                taints_of(change.previous.as_ref()),
                taints_of(change.object.as_ref()),
            );
            if old != new
                && let Some(node) = change.either()
            {
                touched.now.extend(self.placed.keys(&node.key));
            }
            return;
        }
        self.placed.record(change);
        let Some(pod) = change.object.as_ref() else {
            let gone = change.either().map(|pod| pod.key.clone());
            if let Some(key) = gone {
                self.waiting().remove(&key);
            }
            return;
        };
        let nodes = world.objects(&NODES);
        let node = node_of(Some(pod)).and_then(|node| nodes.get(&node).cloned());
        if !taints_of(node.as_ref()).is_empty() || self.waiting().contains_key(&pod.key) {
            touched.now.push(pod.key.clone());
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, all: &Snapshot, _: &mut Touched<Self::Key>) {
        if of.is(&PODS) {
            self.placed.retell(all);
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let pod = cx.world.objects(&PODS).get(key).cloned();
        let Some(pod) = pod.filter(|pod| pod.meta.deletion_timestamp.is_none()) else {
            self.waiting().remove(key);
            return Ok(Next::Done);
        };
        let view = pod
            .view::<PodView>()
            .map_err(|error| Failed::Unread(error.to_string()))?;
        let node = cx.world.objects(&NODES).get(&view.node).cloned();
        let taints = taints_of(node.as_ref());
        match fate(&taints, &view.tolerations) {
            Fate::Stays => {
                self.relent(cx, &pod);
                Ok(Next::Done)
            }
            Fate::Goes => self.evict(cx, &pod).await.map(|()| Next::Done),
            Fate::Waits(patience) => match self.left(cx, &pod, &taints, patience) {
                Some(left) => Ok(Next::After(left)),
                None => self.evict(cx, &pod).await.map(|()| Next::Done),
            },
        }
    }
}

/// The `NoExecute` taints of a node.
fn taints_of(node: Option<&Arc<Obj>>) -> Vec<Taint> {
    let view = node.and_then(|node| node.view::<NodeView>().ok());
    let taints = view.iter().flat_map(|node| node.taints.iter());
    taints
        .filter(|taint| taint.effect == Effect::NoExecute)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_patience_counts_and_none_at_all_first() {
        let taint = |key: &str| Taint {
            key: key.into(),
            value: "".into(),
            effect: Effect::NoExecute,
            added: None,
        };
        let toleration = |key: &str, seconds: Option<i64>| Toleration {
            key: key.into(),
            value: None,
            effect: None,
            seconds,
        };
        let (a, b) = (taint("a"), taint("b"));
        let waits = |seconds| Fate::Waits(Duration::from_secs(seconds));
        let cases = [
            (vec![], vec![], Fate::Stays),
            (vec![&a], vec![], Fate::Goes),
            (vec![&a], vec![toleration("a", None)], Fate::Stays),
            (vec![&a], vec![toleration("a", Some(5))], waits(5)),
            (
                vec![&a],
                vec![toleration("a", Some(5)), toleration("a", Some(3))],
                waits(3),
            ),
            (
                vec![&a],
                vec![toleration("a", None), toleration("", Some(9))],
                waits(9),
            ),
            (vec![&a], vec![toleration("a", Some(0))], Fate::Goes),
            (vec![&a], vec![toleration("a", Some(-1))], Fate::Goes),
            (vec![&a, &b], vec![toleration("a", Some(5))], Fate::Goes),
            (
                vec![&a, &b],
                vec![toleration("a", Some(5)), toleration("b", None)],
                waits(5),
            ),
        ];
        for (taints, tolerations, expected) in cases {
            let taints: Vec<Taint> = taints.into_iter().cloned().collect();
            assert_eq!(
                fate(&taints, &tolerations),
                expected,
                "{taints:?} {tolerations:?}"
            );
        }
    }

    #[test]
    fn other_effects_send_nobody_away() {
        let taint = Taint {
            key: "a".into(),
            value: "".into(),
            effect: Effect::NoSchedule,
            added: None,
        };
        assert_eq!(fate(&[taint], &[]), Fate::Stays);
    }
}
