//! When a Job is over, and why.
//!
//! First it says how it will end, then its pods go and are counted, and only when none of them runs any more it is
//! complete or has failed: whoever waits for the end finds nothing of it still at work.

use std::time::Duration;

use super::plan::Look;
use super::policy::Failure;
use super::status::Ending;
use crate::workload::Told;
use crate::workload::time::Time;

impl Look<'_> {
    /// Decides whether and how the Job ends, other than by being complete. What was decided before stays.
    pub(super) fn judge_end(&mut self) {
        let decided = self.status.ending();
        self.ending = decided
            .or_else(|| self.failing_pod())
            .or_else(|| self.too_many_failures())
            .or_else(|| self.too_late())
            .or_else(|| self.failed_indexes())
            .or_else(|| self.enough());
    }

    fn failing_pod(&self) -> Option<Ending> {
        let mut failed = self.runs.iter().filter(|run| run.has_failed(self.job));
        failed.find_map(|run| match self.judge(run) {
            Failure::FailsJob(message) => Some(Ending::failure("PodFailurePolicy", &message)),
            _ => None,
        })
    }

    fn too_many_failures(&self) -> Option<Ending> {
        let limit = self.job.spec.backoff_limit;
        let restarts: i64 = self.runs.iter().map(|run| run.restarts()).sum();
        let restarted = self.job.restarts_in_place() && restarts >= limit.max(1);
        let over = self.failed() > limit || restarted;
        over.then(|| {
            Ending::failure(
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            )
        })
    }

    fn too_late(&mut self) -> Option<Ending> {
        let limit = self
            .job
            .spec
            .active_deadline_seconds
            .filter(|_| !self.job.spec.suspend)?;
        match self.status.start_time?.left(Duration::from_secs(limit), self.now) {
            None => Some(Ending::failure(
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            )),
            Some(left) => {
                self.look_again(left);
                None
            }
        }
    }

    fn failed_indexes(&self) -> Option<Ending> {
        let failed = self.failed_indexes.as_ref()?.count();
        if self.job.spec.max_failed_indexes.is_some_and(|most| failed > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(Ending::failure("MaxFailedIndexesExceeded", message));
        }
        let all = failed + self.completed.count() >= self.job.indexes()?;
        (failed > 0 && all).then(|| Ending::failure("FailedIndexes", "Job has failed indexes"))
    }

    fn enough(&self) -> Option<Ending> {
        let (policy, indexes) = (self.job.spec.success_policy.as_ref()?, self.job.indexes()?);
        let message = policy.met(&self.completed, indexes)?;
        Some(Ending::success("SuccessPolicy", message))
    }

    /// Whether all work is done; else whether it rests.
    pub(super) fn judge_completion(&mut self) {
        let succeeded = self.succeeded();
        let done = self
            .job
            .spec
            .completions
            .map_or(succeeded > 0, |completions| succeeded >= completions);
        if done && self.status.active == 0 {
            let message = "Reached expected number of succeeded pods";
            self.ending = Some(Ending::success("CompletionsReached", message.to_owned()));
        } else {
            self.note_rest();
        }
    }

    fn note_rest(&mut self) {
        let suspended = self.job.spec.suspend;
        if !self.status.suspend(suspended, self.now) {
            return;
        }
        let (reason, message) = if suspended {
            ("Suspended", "Job suspended")
        } else {
            ("Resumed", "Job resumed")
        };
        self.plan.told.push(Told::normal(reason, message.to_owned()));
        if !suspended {
            // The deadline counts from here.
            self.status.start_time = Some(Time::of(self.now));
        }
    }

    /// Says how it ends, and when nothing is left to be counted, that it has.
    pub(super) fn finish(&mut self, tracked: bool) {
        let Some(ending) = self.ending.take() else {
            return;
        };
        self.status.decide(&ending, self.now);
        let uncounted = self.status.uncounted();
        let counted = tracked && uncounted.succeeded.is_empty() && uncounted.failed.is_empty();
        let quiet = self.status.active == 0 && self.status.terminating == Some(0);
        if counted && quiet && self.plan.release.is_empty() {
            self.status.end(&ending, self.now);
            self.tell_end(&ending);
        }
    }

    fn tell_end(&mut self, ending: &Ending) {
        let told = &mut self.plan.told;
        if !ending.success {
            told.push(Told::warning(ending.reason.clone(), ending.message.clone()));
            return;
        }
        if self
            .job
            .spec
            .completions
            .is_some_and(|completions| self.status.succeeded > completions)
        {
            let message = "Too many succeeded pods running after completion count reached";
            told.push(Told::warning("TooManySucceededPods", message.to_owned()));
        }
        told.push(Told::normal("Completed", "Job completed".to_owned()));
    }
}
