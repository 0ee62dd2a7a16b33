//! Jobs run pods until so many have succeeded (upstream's `job`).
//!
//! A look decides from the Job and its pods alone. Pods that are to be deleted or made come first, then the status, which
//! names those that have ended, and then these are let go (`count`).

mod count;
mod ending;
mod index;
mod plan;
mod pod;
mod policy;
mod spec;
mod status;
mod supply;
mod template;

use std::sync::Arc;

use apiserver::cache::Snapshot;
use client::{Change, Resource, Subject};
use schema::object::{Meta, Obj};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{drop_finalizer, editable, has_finalizer, read, status_update};
use crate::resources::{JOBS, PODS};
use crate::workload::owned::{self, Claimant, Owned, controller_of};
use crate::workload::pods::{Pod, counts_anew};
use crate::workload::staff::{self, Outcome};
use crate::workload::template::{Names, controller, pod_of};
use crate::world::{Tracked, World};
use plan::Plan;
use pod::{Run, TRACKING};
use spec::Job;
use status::Status;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A Job.
    Job(Box<str>),
    /// A pod whose Job is not there, and whose end nobody will count.
    Orphan(Box<str>),
}

pub(crate) struct Jobs {
    /// All pods by their controllers. The controller of ReplicaSets keeps the same, if it runs.
    pub(crate) pods: Arc<Owned>,
}

impl Controller for Jobs {
    type Key = Key;
    const ACCOUNT: &'static str = "job-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == JOBS || *resource == PODS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&JOBS) {
            self.touch_job(world, change, touched);
            return;
        }
        self.pods.record(change);
        if counts_anew(change) {
            touched.now.extend(owned::owners(&JOBS, change).map(Key::Job));
        }
        let Some(pod) = &change.object else {
            return;
        };
        let jobs = world.objects(&JOBS);
        let is_lost = |key: Box<str>| jobs.get(&key).is_none();
        if has_finalizer(&pod.meta, TRACKING) && owned::owners(&JOBS, change).all(is_lost) {
            touched.now.push(Key::Orphan(pod.key.clone()));
        }
        if owned::may_be_adopted(change) {
            let selector = |job: &Obj| Some(read::<Job>(job).ok()?.spec.selector);
            let selecting = owned::selecting(&jobs, pod, selector);
            touched.now.extend(selecting.into_iter().map(Key::Job));
        }
    }

    fn retell(&self, _: &World, of: &Arc<Tracked>, snapshot: &Snapshot, _: &mut Touched<Self::Key>) {
        if of.is(&PODS) {
            self.pods.retell(snapshot);
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        match key {
            Key::Job(key) => {
                let jobs = cx.world.objects(&JOBS);
                match jobs.get(key) {
                    Some(object) => self.look(cx, object).await,
                    None => Ok(Next::Done),
                }
            }
            Key::Orphan(key) => let_go(cx, key).await,
        }
    }
}

/// Takes the finalizer off a pod whose Job is not there.
async fn let_go(cx: &Cx, key: &str) -> Result<Next, Failed> {
    let jobs = cx.world.objects(&JOBS);
    let exists = |meta: &Meta| {
        let owner = controller_of(meta).filter(|owner| *owner.kind == *JOBS.kind);
        let job = owner.and_then(|owner| jobs.get(&format!("{}/{}", meta.namespace, owner.name)));
        job.zip(owner)
            .is_some_and(|(job, owner)| job.meta.uid == owner.uid)
    };
    let pods = cx.world.objects(&PODS);
    let lost = pods.get(key).filter(|pod| !exists(&pod.meta));
    let drop = lost.and_then(|pod| drop_finalizer(&PODS, &pod.meta, TRACKING));
    cx.perform(drop).await?;
    Ok(Next::Done)
}

impl Jobs {
    /// A Job that is gone leaves pods that hold on to being counted.
    fn touch_job(&self, world: &World, change: &Change, touched: &mut Touched<Key>) {
        if let Some(job) = &change.object {
            touched.now.push(Key::Job(job.key.clone()));
        } else if let Some(gone) = &change.previous {
            let pods = self.pods.candidates(&world.objects(&PODS), &gone.meta);
            let tracked = pods.iter().filter(|pod| has_finalizer(&pod.meta, TRACKING));
            touched
                .now
                .extend(tracked.map(|pod| Key::Orphan(pod.key.clone())));
        }
    }

    async fn look(&self, cx: &Cx, object: &Obj) -> Result<Next, Failed> {
        let job: Job = read(object)?;
        if job.is_foreign() {
            return Ok(Next::Done);
        }
        let claimant = Claimant {
            kind: &JOBS,
            meta: &object.meta,
            selector: &job.spec.selector,
            finalizer: Some(TRACKING),
        };
        let candidates = self.pods.candidates(&cx.world.objects(&PODS), &object.meta);
        let claim = claimant.claim(&PODS, candidates);
        if !claim.actions.is_empty() {
            cx.perform(claim.actions).await?;
            return Ok(Next::Done);
        }
        if job.status.is_finished() {
            let left = claim
                .mine
                .iter()
                .filter_map(|pod| drop_finalizer(&PODS, &pod.meta, TRACKING));
            let left: Vec<Action> = left.collect();
            cx.perform(left).await?;
            return Ok(Next::Done);
        }
        let runs = claim.mine.iter().map(|pod| Run::read(Pod::read(pod)?));
        let (plan, status) = plan::plan(&job, runs.collect::<Result<_, _>>()?, cx.env.wall());
        carry_out(cx, object, &job, plan, status).await
    }
}

async fn carry_out(cx: &Cx, object: &Obj, job: &Job, plan: Plan, mut status: Status) -> Result<Next, Failed> {
    let subject = Subject::of(&JOBS, object);
    let outcome = staff(cx, object, &subject, &plan).await?;
    status.active += count::count(outcome.made) - count::count(outcome.deleted);
    if !plan.delete.is_empty() {
        status.terminating = status.terminating.map(|now| now + count::count(outcome.deleted));
    }
    cx.perform(status_update(&JOBS, object, (&job.status, &status))?)
        .await?;
    cx.tell(&subject, plan.told);
    if !plan.release.is_empty() {
        release(cx, &plan.release).await?;
    }
    match outcome.refused {
        Some(refused) => Err(refused.into()),
        None => Ok(plan.again.map_or(Next::Done, Next::After)),
    }
}

async fn staff(cx: &Cx, object: &Obj, subject: &Subject, plan: &Plan) -> Result<Outcome, Failed> {
    let mut outcome = Outcome::default();
    if !plan.discard.is_empty() {
        release(cx, &plan.discard).await?;
        staff::delete(cx, subject, &plan.discard, &mut outcome).await;
    }
    if !plan.delete.is_empty() {
        staff::delete(cx, subject, &plan.delete, &mut outcome).await;
    }
    if !plan.create.is_empty() {
        staff::make(cx, subject, &creates(cx, object, plan)?, &mut outcome).await;
    }
    Ok(outcome)
}

/// Takes the finalizers off pods. The first that is refused fails all; the others are tried.
async fn release(cx: &Cx, pods: &[Pod]) -> Result<(), Failed> {
    let drops = pods
        .iter()
        .filter_map(|pod| drop_finalizer(&PODS, &pod.object.meta, TRACKING));
    cx.perform_all(drops.collect()).await
}

/// New pods by their names, which nobody has.
fn creates(cx: &Cx, job: &Obj, plan: &Plan) -> Result<Vec<(String, Action)>, Failed> {
    let value = editable(&JOBS, job)?;
    let (meta, owner) = (&job.meta, controller(&JOBS, &job.meta));
    let mut names = Names::new(cx, &meta.namespace);
    let create = |wanted: &plan::Wanted| {
        let prefix = template::prefix_of(&meta.name, *wanted);
        let name = names.next(&prefix);
        let template = template::template_of(&value["spec"]["template"], &meta.name, *wanted);
        let create = Action::Create {
            resource: PODS.clone(),
            namespace: meta.namespace.to_string(),
            object: pod_of(&template, &owner, &prefix, &name),
        };
        (name, create)
    };
    Ok(plan.create.iter().map(create).collect())
}

#[cfg(test)]
mod tests;
