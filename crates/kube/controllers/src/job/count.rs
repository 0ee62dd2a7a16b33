//! Counting ended pods, each exactly once (KEP-2307).
//!
//! Pods of Jobs have a finalizer. When one has ended, its uid is written into the status first; then the finalizer is
//! taken off; then the uid becomes a number. Wherever this is broken off, the next look goes on: a uid with a finalizer
//! is not written again, and one without a finalizer counts. Of indexed Jobs that succeed the index is enough, since it
//! can be written any number of times.

use std::collections::BTreeSet;

use super::plan::Look;
use super::pod::Run;
use super::policy::{Failure, FailurePolicy};
use super::status::Uncounted;

/// Ended pods that a status names at most; more are left for the next look.
const MAX_UNCOUNTED: usize = 500;

impl Look<'_> {
    /// Makes numbers of those uids whose pods have no finalizer any more.
    pub(super) fn settle_counted(&mut self) {
        let tracked: BTreeSet<&str> = self
            .runs
            .iter()
            .filter(|run| run.is_tracked())
            .map(Run::uid)
            .collect();
        let Uncounted { succeeded, failed } =
            self.status.uncounted_terminated_pods.take().unwrap_or_default();
        let before = (succeeded.len(), failed.len());
        let left = |uids: Vec<String>| -> Vec<String> {
            uids.into_iter()
                .filter(|uid| tracked.contains(uid.as_str()))
                .collect()
        };
        let left = Uncounted {
            succeeded: left(succeeded),
            failed: left(failed),
        };
        self.status.succeeded += count(before.0 - left.succeeded.len());
        self.status.failed += count(before.1 - left.failed.len());
        self.status.uncounted_terminated_pods = Some(left);
    }

    /// Whether a pod's end is neither counted nor about to be. Pods of indexed Jobs need an index that there is.
    pub(super) fn is_news(&self, run: &Run) -> bool {
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let known = |uncounted: &Uncounted| {
            let uids = uncounted.succeeded.iter().chain(&uncounted.failed);
            uids.into_iter().any(|uid| uid == run.uid())
        };
        run.is_tracked() && self.has_valid_index(run) && !uncounted.is_some_and(known)
    }

    pub(super) fn has_valid_index(&self, run: &Run) -> bool {
        let within = |indexes: i64| run.index.is_some_and(|index| index < indexes);
        self.job.indexes().is_none_or(within)
    }

    /// What the failure of a pod means.
    pub(super) fn judge(&self, run: &Run) -> Failure {
        FailurePolicy::judge(self.job.spec.pod_failure_policy.as_ref(), run)
    }

    /// Writes down which pods have ended, and lets them go. False if that were too many at once.
    pub(super) fn track(&mut self) -> bool {
        let ending_badly = self.ending.as_ref().is_some_and(|ending| !ending.success);
        let mut indexes = Vec::new();
        for run in std::mem::take(&mut self.runs) {
            let failed = run.has_failed(self.job);
            if run.is_tracked() && self.may_go(&run, failed) && !self.is_full(indexes.len()) {
                if run.has_succeeded() && !self.is_uncounted_failure(&run) {
                    indexes.extend(self.note_success(&run));
                } else if failed || ending_badly {
                    self.note_failure(&run);
                }
                self.plan.release.push(run.pod.clone());
            }
            self.runs.push(run);
        }
        self.write_indexes();
        !self.is_full(indexes.len())
    }

    fn is_full(&self, indexes: usize) -> bool {
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        let uids = uncounted.map_or(0, |uncounted| uncounted.succeeded.len() + uncounted.failed.len());
        indexes + uids >= MAX_UNCOUNTED
    }

    /// Whether nobody needs a pod any more. One that failed is needed until another of its index is there, which gets the
    /// number of failures from it.
    fn may_go(&self, run: &Run, failed: bool) -> bool {
        let over = self.job.is_deleting() || self.ending.is_some() || run.has_succeeded();
        let waits = || {
            run.index
                .and_then(|index| self.delayed.get(&index))
                .is_some_and(|uid| **uid == *run.uid())
        };
        over || (failed && !waits())
    }

    fn is_uncounted_failure(&self, run: &Run) -> bool {
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        uncounted.is_some_and(|uncounted| uncounted.failed.iter().any(|uid| uid == run.uid()))
    }

    /// Answers the index, if it is a new one.
    fn note_success(&mut self, run: &Run) -> Option<i64> {
        if self.job.indexes().is_some() {
            let index = run.index.filter(|_| self.has_valid_index(run))?;
            return (!self.completed_before.has(index)).then_some(index);
        }
        if self.is_news(run) {
            self.status.uncounted().succeeded.push(run.uid().to_owned());
        }
        None
    }

    fn note_failure(&mut self, run: &Run) {
        if self.is_news(run) && self.judge(run) != Failure::Ignored {
            self.status.uncounted().failed.push(run.uid().to_owned());
        }
    }

    fn write_indexes(&mut self) {
        if self.job.indexes().is_some() {
            self.status.succeeded = self.completed.count();
            self.status.completed_indexes = self.completed.to_string();
            self.status.failed_indexes = self.failed_indexes.as_ref().map(ToString::to_string);
        }
    }
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
