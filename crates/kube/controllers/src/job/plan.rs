//! What is to be done for a Job, decided from how it and its pods stand.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::count::count;
use super::index::Indexes;
use super::pod::Run;
use super::policy::Failure;
use super::spec::Job;
use super::status::{Ending, Status};
use super::supply::latest_failures;
use crate::workload::Told;
use crate::workload::pods::Pod;
use crate::workload::rank::{Neighbours, rank};
use crate::workload::time::Time;

/// Pods that are made or deleted in one look; upstream's.
pub(super) const BURST: usize = 500;

/// A pod that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) index: Option<i64>,
    /// How often its index failed before, and how often that did not count; where indexes have limits of their own.
    pub(super) failures: Option<(i64, i64)>,
}

/// What comes of a look.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) create: Vec<Wanted>,
    /// Pods that are deleted, and count for nothing: they are let go first.
    pub(super) discard: Vec<Pod>,
    /// Pods that are deleted because the Job ends. They are counted.
    pub(super) delete: Vec<Pod>,
    /// Pods that are let go once the status is written.
    pub(super) release: Vec<Pod>,
    pub(super) told: Vec<Told>,
    /// When to look at it again though nothing happens.
    pub(super) again: Option<Duration>,
}

/// A look at a Job.
pub(super) struct Look<'a> {
    pub(super) job: &'a Job,
    pub(super) runs: Vec<Run>,
    pub(super) now: SystemTime,
    pub(super) status: Status,
    /// Indexes that had succeeded before this look, those that have now, and those that have failed for good.
    pub(super) completed_before: Indexes,
    pub(super) completed: Indexes,
    pub(super) failed_indexes: Option<Indexes>,
    /// By index, the uid of the failed pod that the next one of its index comes after.
    pub(super) delayed: BTreeMap<i64, String>,
    pub(super) ending: Option<Ending>,
    pub(super) plan: Plan,
}

/// Takes a look. Answers what is to be done, and what the Job says then of its pods.
pub(super) fn plan(job: &Job, runs: Vec<Run>, now: SystemTime) -> (Plan, Status) {
    let mut look = Look::new(job, runs, now);
    look.settle_counted();
    look.read_indexes();
    look.count_pods();
    look.judge_end();
    if look.ending.is_some() {
        look.plan.delete = look.active().map(|run| run.pod.clone()).collect();
    } else if !job.is_deleting() {
        look.manage();
        look.judge_completion();
    }
    let tracked = look.track();
    look.finish(tracked);
    (look.plan, look.status)
}

impl<'a> Look<'a> {
    fn new(job: &'a Job, mut runs: Vec<Run>, now: SystemTime) -> Self {
        runs.sort_by_key(|run| run.index);
        let mut status = job.status.clone();
        if status.start_time.is_none() && !job.spec.suspend {
            status.start_time = Some(Time::of(now));
        }
        Self {
            job,
            runs,
            now,
            status,
            completed_before: Indexes::default(),
            completed: Indexes::default(),
            failed_indexes: None,
            delayed: BTreeMap::new(),
            ending: None,
            plan: Plan::default(),
        }
    }

    pub(super) fn active(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.pod.view.is_active())
    }

    pub(super) fn terminating(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.pod.is_terminating())
    }

    /// Which indexes are done with, and which failed pods are waited for.
    fn read_indexes(&mut self) {
        let Some(indexes) = self.job.indexes() else {
            return;
        };
        self.completed_before = Indexes::parse(&self.job.status.completed_indexes, indexes);
        let tracked = self
            .runs
            .iter()
            .filter(|run| run.is_tracked() && self.has_valid_index(run));
        let (succeeded, others): (Vec<&Run>, Vec<&Run>) = tracked.partition(|run| run.has_succeeded());
        self.completed = self
            .completed_before
            .with(succeeded.iter().filter_map(|run| run.index));
        let Some(limit) = self.job.spec.backoff_limit_per_index else {
            return;
        };
        let before = self.job.status.failed_indexes.as_deref().unwrap_or_default();
        let failed = others.iter().filter(|run| self.fails_index(run, limit));
        let failed = Indexes::parse(before, indexes).with(failed.filter_map(|run| run.index));
        let over = self
            .completed
            .and(&failed)
            .with(self.active().filter_map(|run| run.index));
        self.delayed = latest_failures(self.job, &others, &over);
        self.failed_indexes = Some(failed);
    }

    /// Whether a pod is the last of its index.
    fn fails_index(&self, run: &Run, limit: i64) -> bool {
        run.has_failed(self.job)
            && match self.judge(run) {
                Failure::Ignored => false,
                Failure::FailsIndex => true,
                Failure::Counts | Failure::FailsJob(_) => run.failures >= limit,
            }
    }

    fn count_pods(&mut self) {
        self.status.active = count(self.active().count());
        self.status.ready = Some(count(self.active().filter(|run| run.pod.view.is_ready()).count()));
        self.status.terminating = Some(count(self.terminating().count()));
    }

    /// How many have succeeded, those included that are not counted yet.
    pub(super) fn succeeded(&self) -> i64 {
        if self.job.indexes().is_some() {
            return self.completed.count();
        }
        let news = self
            .runs
            .iter()
            .filter(|run| run.has_succeeded() && self.is_news(run));
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let uncounted = uncounted.map_or(0, |uncounted| uncounted.succeeded.len());
        self.status.succeeded + count(uncounted + news.count())
    }

    /// How many have failed, those included that are not counted yet.
    pub(super) fn failed(&self) -> i64 {
        let counts =
            |run: &&Run| run.has_failed(self.job) && self.is_news(run) && self.judge(run) != Failure::Ignored;
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let uncounted = uncounted.map_or(0, |uncounted| uncounted.failed.len());
        self.status.failed + count(uncounted + self.runs.iter().filter(counts).count())
    }

    /// Makes and deletes pods, never both at once.
    fn manage(&mut self) {
        let active = count(self.active().count());
        let wanted = if self.job.spec.suspend {
            0
        } else {
            self.wanted(active)
        };
        let leaving = if self.job.waits_for_ends() {
            count(self.terminating().count())
        } else {
            0
        };
        self.plan.discard = if self.job.spec.suspend {
            self.active().map(|run| run.pod.clone()).collect()
        } else {
            self.surplus(active + leaving - wanted)
        };
        if self.plan.discard.is_empty() && !self.job.spec.suspend {
            self.supply(wanted - leaving - active);
        }
    }

    /// How many pods there should be.
    fn wanted(&self, active: i64) -> i64 {
        let succeeded = self.succeeded();
        match self.job.spec.completions {
            Some(completions) => (completions - succeeded).clamp(0, self.job.spec.parallelism.max(0)),
            None if succeeded > 0 => active,
            None => self.job.spec.parallelism,
        }
    }

    /// At least so many active pods that are missed least; all that do work which others do, or which there is not.
    fn surplus(&self, least: i64) -> Vec<Pod> {
        let mut ranked: Vec<&Run> = self.active().collect();
        rank(&mut ranked, |run| &run.pod, &Neighbours::new(), self.now);
        let (mut surplus, needed) = self.set_doubles_apart(ranked);
        let more = usize::try_from(least).unwrap_or(0).saturating_sub(surplus.len());
        surplus.extend(needed.into_iter().take(more));
        surplus
            .into_iter()
            .take(BURST)
            .map(|run| run.pod.clone())
            .collect()
    }

    /// Of each index all but the last in this order, and what has no index that there is; and the others.
    fn set_doubles_apart<'b>(&self, ranked: Vec<&'b Run>) -> (Vec<&'b Run>, Vec<&'b Run>) {
        if self.job.indexes().is_none() {
            return (Vec::new(), ranked);
        }
        let last: BTreeMap<Option<i64>, &str> = ranked.iter().map(|run| (run.index, run.uid())).collect();
        let is_double = |run: &&Run| !self.has_valid_index(run) || last.get(&run.index) != Some(&run.uid());
        ranked.into_iter().partition(is_double)
    }

    pub(super) fn look_again(&mut self, after: Duration) {
        self.plan.again = Some(self.plan.again.map_or(after, |before| before.min(after)));
    }
}
