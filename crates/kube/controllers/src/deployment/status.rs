//! What a Deployment says of itself: how many pods it has, and whether its rollout goes on.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::plan::Look;
use super::replica_set::Set;
use super::spec::Deployment;
use crate::replica_set::REPLICA_FAILURE;
use crate::workload::conditions::{self, Condition, Truth};

const PROGRESSING: &str = "Progressing";
const AVAILABLE: &str = "Available";

/// Reasons of the condition that are looked at again.
const COMPLETE: &str = "NewReplicaSetAvailable";
const STUCK: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

/// `apps/v1 DeploymentStatus`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) observed_generation: i64,
    pub(super) replicas: i64,
    pub(super) updated_replicas: i64,
    pub(super) ready_replicas: i64,
    pub(super) available_replicas: i64,
    pub(super) unavailable_replicas: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) terminating_replicas: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collision_count: Option<i64>,
    pub(super) conditions: Vec<Condition>,
}

impl Status {
    /// Pods of old templates.
    const fn old_replicas(&self) -> i64 {
        self.replicas - self.updated_replicas
    }

    /// Whether more was done than before.
    const fn is_ahead_of(&self, before: &Self) -> bool {
        self.updated_replicas > before.updated_replicas
            || self.old_replicas() < before.old_replicas()
            || self.ready_replicas > before.ready_replicas
            || self.available_replicas > before.available_replicas
    }

    /// Notes what becomes of the rollout, if anybody wants to know.
    pub(super) fn note_progress(
        &mut self,
        deployment: &Deployment,
        status: Truth,
        reason: &str,
        message: String,
        now: SystemTime,
    ) {
        if deployment.progress_deadline().is_some() {
            let condition = Condition::new(PROGRESSING, status, reason, message, now);
            conditions::set(&mut self.conditions, condition.updated());
        }
    }

    pub(super) fn progressing(&self) -> Option<&Condition> {
        conditions::find(&self.conditions, PROGRESSING)
    }

    fn reason(&self) -> &str {
        self.progressing().map_or("", |condition| &condition.reason)
    }
}

impl Look<'_> {
    pub(super) fn note_progress(&mut self, status: Truth, reason: &str, message: String) {
        let (deployment, now) = (self.deployment, self.now);
        self.plan
            .status
            .note_progress(deployment, status, reason, message, now);
    }

    /// A rollout that rests makes no progress, and nobody shall call it stuck when it goes on.
    pub(super) fn note_pause(&mut self) {
        let (paused, reason) = (self.deployment.spec.paused, self.plan.status.reason());
        if reason == STUCK || paused == (reason == PAUSED) {
            return;
        }
        let (reason, message) = if paused {
            (PAUSED, "Deployment is paused")
        } else {
            ("DeploymentResumed", "Deployment is resumed")
        };
        self.note_progress(Truth::Unknown, reason, message.to_owned());
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_complete(&self, status: &Status) -> bool {
        let counts = [
            status.updated_replicas,
            status.replicas,
            status.available_replicas,
        ];
        counts == [self.deployment.spec.replicas; 3]
            && status.observed_generation >= self.deployment.metadata.generation
    }

    /// Counts pods.
    pub(super) fn follow_size(&mut self) {
        let sum = |of: fn(&Set) -> i64| self.sets.iter().map(of).sum::<i64>();
        let available = sum(|set| set.status.available_replicas);
        let terminating = self.sets.iter().map(|set| set.status.terminating_replicas);
        let before = &self.plan.status;
        let status = Status {
            observed_generation: self.deployment.metadata.generation,
            replicas: sum(|set| set.status.replicas),
            updated_replicas: self.new.map_or(0, |new| self.sets[new].status.replicas),
            ready_replicas: sum(|set| set.status.ready_replicas),
            available_replicas: available,
            unavailable_replicas: (self.total() - available).max(0),
            terminating_replicas: terminating.sum(),
            collision_count: before.collision_count,
            conditions: before.conditions.clone(),
        };
        self.plan.status = status;
        self.note_availability(available);
    }

    fn note_availability(&mut self, available: i64) {
        let (status, reason, message) = if available >= self.deployment.min_available() {
            (
                Truth::True,
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            (
                Truth::False,
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        };
        let condition = Condition::new(AVAILABLE, status, reason, message.to_owned(), self.now);
        conditions::set(&mut self.plan.status.conditions, condition.updated());
    }

    /// Counts pods and says how the rollout goes.
    pub(super) fn follow_rollout(&mut self) {
        let before = self.plan.status.clone();
        self.follow_size();
        if self.deployment.progress_deadline().is_none() {
            conditions::remove(&mut self.plan.status.conditions, PROGRESSING);
        } else if self.plan.status.old_replicas() != 0 || before.reason() != COMPLETE {
            self.judge_progress(&before);
        }
        self.note_failure();
        self.plan.again = self.deadline();
    }

    fn judge_progress(&mut self, before: &Status) {
        let who = match self.new {
            Some(new) => format!("ReplicaSet {:?}", self.sets[new].name),
            None => format!("Deployment {:?}", self.deployment.metadata.name),
        };
        if self.is_complete(&self.plan.status) {
            self.note_progress(
                Truth::True,
                COMPLETE,
                format!("{who} has successfully progressed."),
            );
        } else if self.plan.status.is_ahead_of(before) {
            self.note_step(before, format!("{who} is progressing."));
        } else if self.is_overdue() {
            self.note_progress(Truth::False, STUCK, format!("{who} has timed out progressing."));
        }
    }

    /// Each step renews the time from which the deadline counts, though reason and status stay.
    fn note_step(&mut self, before: &Status, message: String) {
        let mut condition =
            Condition::new(PROGRESSING, Truth::True, "ReplicaSetUpdated", message, self.now).updated();
        if let Some(old) = before.progressing().filter(|old| old.is_true()) {
            condition.last_transition_time = old.last_transition_time;
        }
        let conditions = &mut self.plan.status.conditions;
        conditions::remove(conditions, PROGRESSING);
        conditions.push(condition);
    }

    fn is_overdue(&self) -> bool {
        let reason = self.plan.status.reason();
        reason == STUCK || (!matches!(reason, "" | COMPLETE) && self.until_deadline().is_none())
    }

    /// What is left until the rollout is called stuck; none if it is over.
    fn until_deadline(&self) -> Option<Duration> {
        let limit = Duration::from_secs(u64::try_from(self.deployment.progress_deadline()?).ok()?);
        let updated = self.plan.status.progressing()?.last_update_time?;
        // Strictly later: times have no fractions.
        updated.left(limit + Duration::from_secs(1), self.now)
    }

    /// When to look at it again though nothing happens.
    fn deadline(&self) -> Option<Duration> {
        let over = self.is_complete(&self.plan.status) || self.plan.status.reason() == STUCK;
        self.until_deadline().filter(|_| !over)
    }

    /// What keeps ReplicaSets from having their pods, first of all the new one.
    fn note_failure(&mut self) {
        let of = |at: usize| conditions::find(&self.sets[at].status.conditions, REPLICA_FAILURE);
        let failure = self.new.into_iter().chain(self.old()).find_map(of).cloned();
        let conditions = &mut self.plan.status.conditions;
        match failure {
            None => conditions::remove(conditions, REPLICA_FAILURE),
            Some(failure) => conditions::set(conditions, failure.updated()),
        }
    }
}
