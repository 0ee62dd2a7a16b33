//! What is to be done for a Deployment, decided from how it and its ReplicaSets stand.
//!
//! A look changes ReplicaSets in a copy until they are as they should be now; what differs is written. Each look is one
//! step of a rollout, and the next one follows from what the pods made of it.

use std::time::{Duration, SystemTime};

use super::replica_set::{REVISION, Set, name};
use super::spec::{Deployment, StrategyKind};
use super::status::Status;
use crate::workload::conditions::Truth;

/// What is asked of the world while a look is taken.
pub(super) trait World {
    /// Whether any ReplicaSet of the namespace has a name.
    fn is_taken(&self, name: &str) -> bool;

    /// Whether a ReplicaSet has a pod that has not ended, even one that is being deleted.
    fn has_pods(&self, set: &Set) -> bool;
}

/// A look at a Deployment.
pub(super) struct Look<'a> {
    pub(super) deployment: &'a Deployment,
    /// All of its ReplicaSets, oldest first; one that is yet to be made comes last.
    pub(super) sets: Vec<Set>,
    /// Which of them has its template.
    pub(super) new: Option<usize>,
    pub(super) world: &'a dyn World,
    pub(super) now: SystemTime,
    pub(super) plan: Plan,
}

/// What comes of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// ReplicaSets that are forgotten.
    pub(super) forget: Vec<usize>,
    pub(super) status: Status,
    /// The annotation of the Deployment that says which of its revisions is the newest.
    pub(super) revision: Option<String>,
    /// When the rollout will have been without progress for too long.
    pub(super) again: Option<Duration>,
}

/// Takes a look. Answers what came of it, and the ReplicaSets as they should be.
pub(super) fn plan(
    deployment: &Deployment,
    sets: Vec<Set>,
    world: &dyn World,
    now: SystemTime,
) -> (Plan, Vec<Set>) {
    let mut look = Look::new(deployment, sets, world, now);
    if deployment.metadata.deletion_timestamp.is_some() {
        look.follow_size();
    } else {
        look.note_pause();
        look.step();
    }
    look.plan.revision = look.revision();
    (look.plan, look.sets)
}

impl<'a> Look<'a> {
    fn new(deployment: &'a Deployment, mut sets: Vec<Set>, world: &'a dyn World, now: SystemTime) -> Self {
        sets.sort_by(|one, other| one.age().cmp(&other.age()));
        let new = sets.iter().position(|set| set.has_template_of(deployment));
        let plan = Plan {
            status: deployment.status.clone(),
            ..Plan::default()
        };
        let mut look = Self {
            deployment,
            sets,
            new,
            world,
            now,
            plan,
        };
        look.renew();
        look
    }

    fn step(&mut self) {
        if self.deployment.spec.paused {
            self.scale();
            self.forget_old();
            self.follow_size();
        } else if self.is_resized() {
            self.scale();
            self.follow_size();
        } else {
            match self.deployment.spec.strategy.kind {
                StrategyKind::RollingUpdate => self.roll(),
                StrategyKind::Recreate => self.recreate(),
            }
        }
    }

    /// The new ReplicaSet is the newest, even if it was there before.
    fn renew(&mut self) {
        let revision = 1 + self.old().map(|at| self.sets[at].revision()).max().unwrap_or(0);
        if let Some(new) = self.new
            && self.deployment.metadata.deletion_timestamp.is_none()
        {
            self.sets[new].make_newest(self.deployment, revision);
            if self.plan.status.progressing().is_none() {
                let message = format!("Found new replica set {:?}", self.sets[new].name);
                self.note_progress(Truth::True, "FoundNewReplicaSet", message);
            }
        }
    }

    /// The new ReplicaSet, which is made if it is not there. None if its name is another's: then the next look takes
    /// another name.
    pub(super) fn new_or_make(&mut self) -> Option<usize> {
        if self.new.is_some() {
            return self.new;
        }
        let name = name(self.deployment);
        if self.world.is_taken(&name) {
            let collisions = &mut self.plan.status.collision_count;
            *collisions = Some(collisions.unwrap_or(0) + 1);
            return None;
        }
        self.note_progress(
            Truth::True,
            "NewReplicaSetCreated",
            format!("Created new replica set {name:?}"),
        );
        let room = self.deployment.max_total() - self.total();
        let mut set = Set::new(self.deployment, name);
        set.scale(room.clamp(0, self.deployment.spec.replicas), self.deployment);
        self.sets.push(set);
        self.new = Some(self.sets.len() - 1);
        self.renew();
        self.new
    }

    /// Those that are not the new one, oldest first.
    pub(super) fn old(&self) -> impl Iterator<Item = usize> + use<> {
        let new = self.new;
        (0..self.sets.len()).filter(move |at| Some(*at) != new)
    }

    /// All pods that there are to be.
    pub(super) fn total(&self) -> i64 {
        self.sets.iter().map(|set| set.wanted.replicas).sum()
    }

    /// Gives a ReplicaSet so many pods.
    pub(super) fn scale_to(&mut self, at: usize, replicas: i64) {
        if self.sets[at].wanted.replicas != replicas {
            self.sets[at].scale(replicas, self.deployment);
        }
    }

    /// Forgets the oldest revisions beyond the limit, if nothing is left of them.
    pub(super) fn forget_old(&mut self) {
        let Some(limit) = self.deployment.history_limit() else {
            return;
        };
        let living = |at: &usize| !self.sets[*at].is_deleting();
        let mut old: Vec<usize> = self.old().filter(living).collect();
        old.sort_by_key(|at| self.sets[*at].revision());
        old.truncate(old.len().saturating_sub(limit));
        old.retain(|at| self.sets[*at].is_spent());
        self.plan.forget = old;
    }

    /// The newest revision, if the Deployment does not say so yet.
    fn revision(&self) -> Option<String> {
        let newest = self.sets[self.new?].wanted.annotations.get(REVISION)?;
        (self.deployment.metadata.annotations.get(REVISION) != Some(newest)).then(|| newest.clone())
    }
}
