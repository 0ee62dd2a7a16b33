//! ReplicaSets keep so many pods of one template (upstream's `replicaset`).

mod plan;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Change, Resource, Subject};
use schema::object::Obj;
use serde::Deserialize;

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, read, status_update};
use crate::resources::{PODS, REPLICA_SETS};
use crate::selector::LabelSelector;
use crate::workload::owned::{self, Claimant, Owned};
use crate::workload::pods::{Pod, counts_anew};
use crate::workload::rank::Neighbours;
use crate::workload::staff::{self, Outcome};
use crate::workload::template;
use crate::world::{Tracked, World};
use plan::Plan;
pub(crate) use status::{REPLICA_FAILURE, Status};

/// What a ReplicaSet says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReplicaSet {
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: i64,
    min_ready_seconds: u64,
    selector: LabelSelector,
    template: Template,
}

/// Of the template what statuses need; pods are made from the whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    metadata: LabelSet,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LabelSet {
    labels: BTreeMap<String, String>,
}

/// Keys are ReplicaSets.
pub(crate) struct ReplicaSets {
    /// All pods by their controllers, of whatever kind. It is kept here for all controllers of workloads.
    pub(crate) pods: Arc<Owned>,
}

impl Controller for ReplicaSets {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "replicaset-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == REPLICA_SETS || *resource == PODS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&REPLICA_SETS) {
            touched
                .now
                .extend(change.object.iter().map(|set| set.key.clone()));
            return;
        }
        self.pods.record(change);
        if counts_anew(change) {
            touched.now.extend(owned::owners(&REPLICA_SETS, change));
        }
        if let Some(pod) = change.object.as_ref().filter(|_| owned::may_be_adopted(change)) {
            let selector = |set: &Obj| Some(read::<ReplicaSet>(set).ok()?.spec.selector);
            let sets = world.objects(&REPLICA_SETS);
            touched.now.extend(owned::selecting(&sets, pod, selector));
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, snapshot: &Snapshot, _: &mut Touched<Self::Key>) {
        if of.is(&PODS) {
            self.pods.retell(snapshot);
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let sets = cx.world.objects(&REPLICA_SETS);
        let Some(object) = sets.get(key) else {
            return Ok(Next::Done);
        };
        let set: ReplicaSet = read(object)?;
        let (pods, claims) = self.owned(&cx.world.objects(&PODS), object, &set)?;
        if !claims.is_empty() {
            // What is taken in or let go changes, and so all is looked at again.
            cx.perform(claims).await?;
            return Ok(Next::Done);
        }
        let now = cx.env.wall();
        let mut plan = Plan::default();
        if object.meta.deletion_timestamp.is_none() {
            plan = plan::plan(set.spec.replicas, &pods, || self.neighbours(cx, object), now);
        }
        let outcome = carry_out(cx, object, &plan).await?;
        if outcome.is_change() && outcome.refused.is_none() {
            // Whatever was made or deleted wakes the next look, which counts it.
            return Ok(Next::Done);
        }
        let failed = outcome.refused;
        let status = status::of(
            &object.meta,
            &set,
            &pods,
            failed.as_ref().map(ToString::to_string),
            now,
        );
        cx.perform(status_update(&REPLICA_SETS, object, (&set.status, &status))?)
            .await?;
        let again = status::again(set.spec.min_ready_seconds, &pods, now);
        failed.map_or_else(|| Ok(soonest([again, plan.wait])), |failed| Err(failed.into()))
    }
}

fn soonest(waits: [Option<Duration>; 2]) -> Next {
    let soonest = waits.into_iter().flatten().min();
    soonest.map_or(Next::Done, Next::After)
}

impl ReplicaSets {
    /// The pods of a ReplicaSet, whatever became of them; and what takes others in or lets some go.
    fn owned(
        &self,
        snapshot: &Snapshot,
        object: &Obj,
        set: &ReplicaSet,
    ) -> Result<(Vec<Pod>, Vec<Action>), Failed> {
        let (mut active, mut others) = (Vec::new(), Vec::new());
        for pod in self.pods.candidates(snapshot, &object.meta) {
            let pod = Pod::read(&pod)?;
            if pod.view.is_active() {
                active.push(pod.object);
            } else if owned::controller_of(&pod.object.meta).is_some() {
                others.push(pod);
            }
        }
        let claimant = Claimant {
            kind: &REPLICA_SETS,
            meta: &object.meta,
            selector: &set.spec.selector,
            finalizer: None,
        };
        let claim = claimant.claim(&PODS, active);
        for pod in &claim.mine {
            others.push(Pod::read(pod)?);
        }
        Ok((others, claim.actions))
    }

    /// How many active pods each node has of all ReplicaSets of the same owner.
    fn neighbours(&self, cx: &Cx, object: &Obj) -> Neighbours {
        let mut nodes = Neighbours::new();
        let Some(owner) = owned::controller_of(&object.meta) else {
            return nodes;
        };
        let (sets, pods) = (cx.world.objects(&REPLICA_SETS), cx.world.objects(&PODS));
        let below = format!("{}/", object.meta.namespace);
        let related =
            |set: &&Arc<Obj>| owned::controller_of(&set.meta).is_some_and(|other| other.uid == owner.uid);
        for set in sets.range(&below, "").filter(related) {
            let pods = self.pods.candidates(&pods, &set.meta);
            let owned = pods
                .iter()
                .filter(|pod| owned::controller_of(&pod.meta).is_some());
            for pod in owned.filter_map(|pod| Pod::read(pod).ok()) {
                if pod.view.is_active() {
                    *nodes.entry(pod.view.node.clone()).or_default() += 1;
                }
            }
        }
        nodes
    }
}

async fn carry_out(cx: &Cx, set: &Obj, plan: &Plan) -> Result<Outcome, Failed> {
    let subject = Subject::of(&REPLICA_SETS, set);
    let mut outcome = Outcome::default();
    if plan.create > 0 {
        staff::make(cx, &subject, &creates(cx, set, plan.create)?, &mut outcome).await;
    }
    if !plan.delete.is_empty() {
        staff::delete(cx, &subject, &plan.delete, &mut outcome).await;
    }
    Ok(outcome)
}

/// New pods by their names, which nobody has.
fn creates(cx: &Cx, set: &Obj, count: usize) -> Result<Vec<(String, Action)>, Failed> {
    let value = editable(&REPLICA_SETS, set)?;
    let owner = template::controller(&REPLICA_SETS, &set.meta);
    let prefix = template::prefix(&set.meta.name);
    let create = |name: String| {
        let create = Action::Create {
            resource: PODS.clone(),
            namespace: set.meta.namespace.to_string(),
            object: template::pod_of(&value["spec"]["template"], &owner, &prefix, &name),
        };
        (name, create)
    };
    let mut names = template::Names::new(cx, &set.meta.namespace);
    Ok((0..count).map(|_| create(names.next(&prefix))).collect())
}

#[cfg(test)]
mod tests;
