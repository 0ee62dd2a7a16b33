//! A pod of a Job: how far it is, and what it says of its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use views::ready::Phase;

use super::spec::Job;
use crate::driver::Failed;
use crate::object::{has_finalizer, read};
use crate::workload::pods::Pod;
use crate::workload::time::Time;

/// The finalizer of a pod whose end is not counted yet.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
pub(super) const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) pod: Pod,
    /// Which part of the work it does, where the parts have indexes.
    pub(super) index: Option<i64>,
    /// How often its index failed before it, and how often that did not count.
    pub(super) failures: i64,
    pub(super) ignored: i64,
    pub(super) report: Report,
}

/// `core/v1 PodStatus`, as far as Jobs look at it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Report {
    pub(super) conditions: Vec<Condition>,
    pub(super) container_statuses: Vec<Container>,
    pub(super) init_container_statuses: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) name: String,
    restart_count: i64,
    pub(super) state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Terminated {
    pub(super) exit_code: i64,
    finished_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    metadata: Annotated,
    status: Report,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotated {
    annotations: BTreeMap<String, String>,
}

impl Run {
    /// # Errors
    /// [`Failed::Unread`]
    pub(super) fn read(pod: Pod) -> Result<Self, Failed> {
        let raw: Raw = read(&pod.object)?;
        let number = |name: &str| {
            let text = raw.metadata.annotations.get(name)?;
            text.parse()
                .ok()
                .filter(|number: &i64| (0..=i64::from(i32::MAX)).contains(number))
        };
        Ok(Self {
            pod,
            index: number(INDEX),
            failures: number(FAILURES).unwrap_or(0),
            ignored: number(IGNORED).unwrap_or(0),
            report: raw.status,
        })
    }

    pub(super) fn uid(&self) -> &str {
        &self.pod.object.meta.uid
    }

    /// Whether its end is still to be counted.
    pub(super) fn is_tracked(&self) -> bool {
        has_finalizer(&self.pod.object.meta, TRACKING)
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.pod.is(Phase::Succeeded)
    }

    /// Whether it is over without success. A pod that is being deleted is, unless its Job waits for its end.
    pub(super) fn has_failed(&self, job: &Job) -> bool {
        let leaves = self.pod.view.deleting.is_some() && !self.has_succeeded();
        self.pod.is(Phase::Failed) || (leaves && !job.waits_for_ends())
    }

    /// How often its containers were restarted, while it is not over.
    pub(super) fn restarts(&self) -> i64 {
        if self.pod.view.phase.is_terminal() {
            return 0;
        }
        let containers = self
            .report
            .container_statuses
            .iter()
            .chain(&self.report.init_container_statuses);
        containers.map(|container| container.restart_count).sum()
    }

    /// When it ended: as its containers say, or its condition, or whoever deleted it.
    pub(super) fn finished(&self) -> Option<Time> {
        self.containers_finished()
            .or_else(|| self.pod.view.ready.filter(|ready| !ready.is)?.since.map(Time::at))
            .or_else(|| self.deletion_began())
            .or_else(|| self.pod.created())
    }

    fn containers_finished(&self) -> Option<Time> {
        let ends = self.report.container_statuses.iter();
        let ends: Option<Vec<Time>> = ends
            .map(|each| each.state.terminated.as_ref()?.finished_at)
            .collect();
        ends?.into_iter().max()
    }

    fn deletion_began(&self) -> Option<Time> {
        let deleting = self.pod.view.deleting?;
        let grace = jiff::SignedDuration::try_from(deleting.grace).ok()?;
        deleting.at?.checked_sub(grace).ok().map(Time::at)
    }
}

/// How long to wait after so many failures in a row: 10 seconds, then twice as long each time, at most 10 minutes.
pub(super) fn pause(failures: i64) -> Duration {
    const FIRST: u64 = 10;
    const LONGEST: u64 = 600;
    match u32::try_from(failures) {
        Err(_) | Ok(0) => Duration::ZERO,
        Ok(failures) => {
            let doubled = FIRST.checked_shl(failures.min(20) - 1).unwrap_or(LONGEST);
            Duration::from_secs(doubled.min(LONGEST))
        }
    }
}
