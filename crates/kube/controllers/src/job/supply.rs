//! Making the pods that are missing, not too soon after others failed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::count::count;
use super::index::Indexes;
use super::plan::{BURST, Look, Wanted};
use super::pod::{Run, pause};
use super::policy::Failure;
use super::spec::Job;
use crate::workload::time::Time;

impl Look<'_> {
    /// Makes so many pods, unless the last ones failed just now.
    pub(super) fn supply(&mut self, missing: i64) {
        let missing = usize::try_from(missing).unwrap_or(0).min(BURST);
        if missing == 0 {
            return;
        }
        let per_index = self.job.spec.backoff_limit_per_index.is_some();
        if let Some(pause) = self.pause().filter(|_| !per_index) {
            self.look_again(pause);
            return;
        }
        let Some(indexes) = self.job.indexes() else {
            let wanted = Wanted {
                index: None,
                failures: None,
            };
            self.plan.create = vec![wanted; missing];
            return;
        };
        for index in self.pending(missing, indexes) {
            self.supply_index(index, per_index);
        }
    }

    /// How long to wait for the next pod, after those that failed since one succeeded.
    fn pause(&self) -> Option<Duration> {
        let success = self
            .runs
            .iter()
            .filter(|run| run.has_succeeded())
            .filter_map(Run::finished)
            .max();
        let failed = self
            .runs
            .iter()
            .filter(|run| run.has_failed(self.job))
            .filter_map(Run::finished);
        let since: Vec<Time> = failed
            .filter(|end| success.is_none_or(|success| *end > success))
            .collect();
        since.iter().max()?.left(pause(count(since.len())), self.now)
    }

    /// The first indexes that nobody works on and that are not done with.
    fn pending(&self, count: usize, indexes: i64) -> Vec<i64> {
        let mut taken = self.completed.with(self.active().filter_map(|run| run.index));
        if self.job.waits_for_ends() {
            taken = taken.with(self.terminating().filter_map(|run| run.index));
        }
        if let Some(failed) = &self.failed_indexes {
            taken = taken.and(failed);
        }
        taken.missing(count, indexes)
    }

    fn supply_index(&mut self, index: i64, per_index: bool) {
        let uid = self.delayed.get(&index);
        let before = uid.and_then(|uid| self.runs.iter().find(|run| run.uid() == uid));
        let wait = before.and_then(|run| {
            run.finished()?
                .left(pause(run.failures + run.ignored + 1), self.now)
        });
        if let Some(wait) = wait {
            self.look_again(wait);
            return;
        }
        let failures = before.map_or((0, 0), |run| match self.judge(run) {
            Failure::Ignored => (run.failures, run.ignored + 1),
            _ => (run.failures + 1, run.ignored),
        });
        self.plan.create.push(Wanted {
            index: Some(index),
            failures: per_index.then_some(failures),
        });
    }
}

/// Of each index that is not over, the failed pod that the next one comes after.
pub(super) fn latest_failures(job: &Job, runs: &[&Run], over: &Indexes) -> BTreeMap<i64, String> {
    let mut latest: BTreeMap<i64, &Run> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.has_failed(job)) {
        let Some(index) = run.index.filter(|index| !over.has(*index)) else {
            continue;
        };
        let order = |run: &Run| (run.failures + run.ignored, run.finished());
        let before = latest.entry(index).or_insert(run);
        if order(before) <= order(run) {
            *before = run;
        }
    }
    latest
        .into_iter()
        .map(|(index, run)| (index, run.uid().to_owned()))
        .collect()
}
