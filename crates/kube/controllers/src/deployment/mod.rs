//! Deployments (upstream's `deployment`): one ReplicaSet for each template that they had, and pods moved from the old
//! ones to the new one as their strategy says.
//!
//! A look decides from the Deployment and its ReplicaSets alone (`plan`); what these make of it wakes the next look.

mod hash;
mod plan;
mod recreate;
mod replica_set;
mod rolling;
mod scale;
mod spec;
mod status;

use std::sync::Arc;

use apiserver::cache::Snapshot;
use client::{Change, DeleteOptions, Resource, Subject};
use schema::object::Obj;

use crate::act::{Action, attempt};
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{read, status_update, status_write, target};
use crate::resources::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::selector::LabelSelector;
use crate::workload::Told;
use crate::workload::conditions::Truth;
use crate::workload::owned::{self, Claimant, Owned, controller_of};
use crate::workload::pods::Pod;
use crate::world::{Tracked, World};
use plan::Plan;
use replica_set::{REVISION, Set};
use spec::Deployment;

/// Keys are Deployments.
pub(crate) struct Deployments {
    /// All pods by their controllers, as the controller of ReplicaSets keeps them.
    pub(crate) pods: Arc<Owned>,
    pub(crate) sets: Owned,
}

impl Controller for Deployments {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "deployment-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == DEPLOYMENTS || *resource == REPLICA_SETS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&DEPLOYMENTS) {
            touched
                .now
                .extend(change.object.iter().map(|deployment| deployment.key.clone()));
            return;
        }
        self.sets.record(change);
        touched.now.extend(owned::owners(&DEPLOYMENTS, change));
        if let Some(set) = change.object.as_ref().filter(|_| owned::may_be_adopted(change)) {
            let selector = |object: &Obj| Some(read::<Deployment>(object).ok()?.labels());
            let deployments = world.objects(&DEPLOYMENTS);
            touched.now.extend(owned::selecting(&deployments, set, selector));
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, snapshot: &Snapshot, _: &mut Touched<Self::Key>) {
        if of.is(&REPLICA_SETS) {
            self.sets.retell(snapshot);
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let deployments = cx.world.objects(&DEPLOYMENTS);
        let Some(object) = deployments.get(key) else {
            return Ok(Next::Done);
        };
        let deployment: Deployment = read(object)?;
        let labels = deployment.labels();
        if labels == LabelSelector::default() {
            return refuse(cx, object, &deployment).await;
        }
        let all = cx.world.objects(&REPLICA_SETS);
        let candidates = self.sets.candidates(&all, &object.meta);
        let claimant = Claimant {
            kind: &DEPLOYMENTS,
            meta: &object.meta,
            selector: &labels,
            finalizer: None,
        };
        let claim = claimant.claim(&REPLICA_SETS, candidates);
        if !claim.actions.is_empty() {
            cx.perform(claim.actions).await?;
            return Ok(Next::Done);
        }
        let sets = claim.mine.iter().map(Set::read).collect::<Result<Vec<_>, _>>()?;
        let around = Around {
            namespace: &object.meta.namespace,
            sets: all,
            pods: cx.world.objects(&PODS),
            owned: &self.pods,
        };
        let (plan, sets) = plan::plan(&deployment, sets, &around, cx.env.wall());
        carry_out(cx, object, &deployment, plan, &sets).await
    }
}

/// A Deployment that would have every pod has none.
async fn refuse(cx: &Cx, object: &Obj, deployment: &Deployment) -> Result<Next, Failed> {
    let message = "This deployment is selecting all pods. A non-empty selector is required.";
    let subject = Subject::of(&DEPLOYMENTS, object);
    cx.tell(&subject, [Told::warning("SelectingAll", message.to_owned())]);
    let mut status = deployment.status.clone();
    status.observed_generation = deployment.metadata.generation;
    cx.perform(status_update(
        &DEPLOYMENTS,
        object,
        (&deployment.status, &status),
    )?)
    .await?;
    Ok(Next::Done)
}

/// What there is beside a Deployment and its ReplicaSets.
struct Around<'a> {
    namespace: &'a str,
    sets: Snapshot,
    pods: Snapshot,
    owned: &'a Owned,
}

impl plan::World for Around<'_> {
    fn is_taken(&self, name: &str) -> bool {
        self.sets.get(&format!("{}/{name}", self.namespace)).is_some()
    }

    fn has_pods(&self, set: &Set) -> bool {
        let Some(set) = &set.object else {
            return false;
        };
        let candidates = self.owned.candidates(&self.pods, &set.meta);
        let mut pods = candidates.iter().filter(|pod| controller_of(&pod.meta).is_some());
        pods.any(|pod| Pod::read(pod).map_or(true, |pod| !pod.view.phase.is_terminal()))
    }
}

/// Writes what a look decided: ReplicaSets first, then what the Deployment says of them.
async fn carry_out(
    cx: &Cx,
    object: &Obj,
    deployment: &Deployment,
    plan: Plan,
    sets: &[Set],
) -> Result<Next, Failed> {
    let subject = Subject::of(&DEPLOYMENTS, object);
    for set in sets {
        let Some(action) = set.write(object, deployment)? else {
            continue;
        };
        if let Err(error) = attempt(&cx.client, &action).await {
            cx.world.settle().await;
            return fail(cx, object, deployment, set, error).await;
        }
        cx.tell(&subject, scaled(set));
    }
    let forgotten = plan.forget.iter().filter_map(|at| sets[*at].object.as_deref());
    let forgotten: Vec<Action> = forgotten.map(forget).collect();
    cx.perform(forgotten).await?;
    cx.perform(say(object, deployment, &plan)?).await?;
    Ok(plan.again.map_or(Next::Done, Next::After))
}

fn scaled(set: &Set) -> Option<Told> {
    let (before, now) = (set.replicas_before(), set.wanted.replicas);
    let way = match now.cmp(&before) {
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => "up",
    };
    let message = format!("Scaled {way} replica set {} from {before} to {now}", set.name);
    Some(Told::normal("ScalingReplicaSet", message))
}

fn forget(set: &Obj) -> Action {
    Action::Delete {
        target: target(&REPLICA_SETS, &set.meta),
        options: DeleteOptions::of_uid(&set.meta.uid),
    }
}

/// The status and, with it, the newest revision.
fn say(object: &Obj, deployment: &Deployment, plan: &Plan) -> Result<Option<Action>, Failed> {
    if plan.revision.is_none() && plan.status == deployment.status {
        return Ok(None);
    }
    let mut action = status_write(&DEPLOYMENTS, object, &plan.status)?;
    if let (Action::Update { object, .. }, Some(revision)) = (&mut action, &plan.revision) {
        object["metadata"]["annotations"][REVISION] = revision.as_str().into();
    }
    Ok(Some(action))
}

/// A ReplicaSet could not be written. That one could not be made is something people have to know.
async fn fail(
    cx: &Cx,
    object: &Obj,
    deployment: &Deployment,
    set: &Set,
    error: client::Error,
) -> Result<Next, Failed> {
    if set.object.is_none() && !error.is_already_exists() && !error.is_terminating() {
        let message = format!("Failed to create new replica set {:?}: {error}", set.name);
        let mut status = deployment.status.clone();
        let reason = "ReplicaSetCreateError";
        status.note_progress(deployment, Truth::False, reason, message.clone(), cx.env.wall());
        cx.tell(
            &Subject::of(&DEPLOYMENTS, object),
            [Told::warning(reason, message)],
        );
        cx.perform(status_update(
            &DEPLOYMENTS,
            object,
            (&deployment.status, &status),
        )?)
        .await?;
    }
    Err(error.into())
}

#[cfg(test)]
mod tests;
