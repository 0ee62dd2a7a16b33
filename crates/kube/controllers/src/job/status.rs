//! What a Job says of itself.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::workload::conditions::{self, Condition, Truth};
use crate::workload::time::Time;

const COMPLETE: &str = "Complete";
const FAILED: &str = "Failed";
const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
const FAILURE_TARGET: &str = "FailureTarget";
const SUSPENDED: &str = "Suspended";

/// `batch/v1 JobStatus`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_time: Option<Time>,
    pub(super) active: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) terminating: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) completed_indexes: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed_indexes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uncounted_terminated_pods: Option<Uncounted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready: Option<i64>,
}

/// Uids of pods that have ended, whose finalizers are being taken off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Uncounted {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) succeeded: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<String>,
}

/// How a Job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) success: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Ending {
    pub(super) fn success(reason: &str, message: String) -> Self {
        Self {
            success: true,
            reason: reason.to_owned(),
            message,
        }
    }

    pub(super) fn failure(reason: &str, message: &str) -> Self {
        Self {
            success: false,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    fn condition(&self, kind: &str, now: SystemTime) -> Condition {
        Condition::new(kind, Truth::True, &self.reason, self.message.clone(), now).probed()
    }
}

impl Status {
    /// Whether nothing is left to be done.
    pub(super) fn is_finished(&self) -> bool {
        self.finish().is_some()
    }

    /// The condition that says that it is over.
    pub(super) fn finish(&self) -> Option<&Condition> {
        let mut kinds = [COMPLETE, FAILED].into_iter();
        kinds.find_map(|kind| conditions::find(&self.conditions, kind).filter(|found| found.is_true()))
    }

    /// The ending that was decided on before.
    pub(super) fn ending(&self) -> Option<Ending> {
        let found = |kind| conditions::find(&self.conditions, kind).filter(|found| found.is_true());
        let of = |success, found: &Condition| Ending {
            success,
            reason: found.reason.clone(),
            message: found.message.clone(),
        };
        let met = found(SUCCESS_CRITERIA_MET).map(|found| of(true, found));
        met.or_else(|| found(FAILURE_TARGET).map(|found| of(false, found)))
    }

    /// Says how it will end, before pods go for it.
    pub(super) fn decide(&mut self, ending: &Ending, now: SystemTime) {
        let kind = if ending.success {
            SUCCESS_CRITERIA_MET
        } else {
            FAILURE_TARGET
        };
        if conditions::find(&self.conditions, kind).is_none() {
            self.conditions.push(ending.condition(kind, now));
        }
    }

    /// Says that it is over.
    pub(super) fn end(&mut self, ending: &Ending, now: SystemTime) {
        let kind = if ending.success { COMPLETE } else { FAILED };
        let condition = ending.condition(kind, now);
        if ending.success {
            self.completion_time = condition.last_transition_time;
        }
        conditions::remove(&mut self.conditions, kind);
        self.conditions.push(condition);
    }

    /// Says whether it is suspended. True if that is news; one that never was need not be told to go on.
    pub(super) fn suspend(&mut self, suspended: bool, now: SystemTime) -> bool {
        let (status, reason, message) = if suspended {
            (Truth::True, "JobSuspended", "Job suspended")
        } else {
            (Truth::False, "JobResumed", "Job resumed")
        };
        let condition = Condition::new(SUSPENDED, status, reason, message.to_owned(), now).probed();
        match self.conditions.iter_mut().find(|each| each.kind == SUSPENDED) {
            Some(found) if found.status == status && found.reason == reason => false,
            Some(found) => {
                *found = condition;
                true
            }
            None if suspended => {
                self.conditions.push(condition);
                true
            }
            None => false,
        }
    }

    pub(super) fn uncounted(&mut self) -> &mut Uncounted {
        self.uncounted_terminated_pods.get_or_insert_default()
    }
}
