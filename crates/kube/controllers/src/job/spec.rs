//! What a Job says, as far as its controller looks.

use serde::Deserialize;

use super::policy::{FailurePolicy, SuccessPolicy};
use super::status::Status;
use crate::selector::LabelSelector;

/// Who deals with a Job that does not say who shall.
const OURS: &str = "kubernetes.io/job-controller";

/// A Job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub(super) metadata: Named,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) parallelism: i64,
    pub(super) completions: Option<i64>,
    completion_mode: CompletionMode,
    pub(super) active_deadline_seconds: Option<u64>,
    pub(super) backoff_limit: i64,
    pub(super) backoff_limit_per_index: Option<i64>,
    pub(super) max_failed_indexes: Option<i64>,
    pub(super) suspend: bool,
    pub(super) selector: LabelSelector,
    pub(super) pod_failure_policy: Option<FailurePolicy>,
    pod_replacement_policy: Option<Replacement>,
    pub(super) success_policy: Option<SuccessPolicy>,
    managed_by: Option<String>,
    template: Template,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum CompletionMode {
    #[default]
    NonIndexed,
    Indexed,
}

/// When a pod that goes is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Replacement {
    TerminatingOrFailed,
    Failed,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: TemplateSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TemplateSpec {
    restart_policy: String,
}

impl Job {
    /// Whether another controller deals with it.
    pub(super) fn is_foreign(&self) -> bool {
        self.spec
            .managed_by
            .as_deref()
            .is_some_and(|manager| manager != OURS)
    }

    /// How many indexes its pods have, if they have any.
    pub(super) fn indexes(&self) -> Option<i64> {
        let indexed = self.spec.completion_mode == CompletionMode::Indexed;
        self.spec.completions.filter(|_| indexed)
    }

    /// Whether a pod counts as failed, and is replaced, only when it has ended.
    pub(super) fn waits_for_ends(&self) -> bool {
        match self.spec.pod_replacement_policy {
            Some(policy) => policy == Replacement::Failed,
            None => self.spec.pod_failure_policy.is_some(),
        }
    }

    /// Whether its containers are restarted where they are.
    pub(super) fn restarts_in_place(&self) -> bool {
        self.spec.template.spec.restart_policy == "OnFailure"
    }

    pub(super) const fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}
