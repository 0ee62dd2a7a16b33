//! What a Job says of failures (`podFailurePolicy`) and of when it has done enough (`successPolicy`).

use serde::Deserialize;

use super::index::Indexes;
use super::pod::{Container, Run};

/// Rules, of which the first that matches counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FailurePolicy {
    rules: Vec<FailureRule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailureRule {
    action: Action,
    on_exit_codes: Option<ExitCodes>,
    #[serde(default)]
    on_pod_conditions: Vec<ConditionPattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Action {
    Ignore,
    Count,
    FailIndex,
    FailJob,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExitCodes {
    container_name: Option<String>,
    operator: Operator,
    #[serde(default)]
    values: Vec<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Operator {
    In,
    NotIn,
}

#[derive(Clone, Debug, Deserialize)]
struct ConditionPattern {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "yes")]
    status: String,
}

fn yes() -> String {
    "True".to_owned()
}

/// What a failed pod means for its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// One more towards the limit.
    Counts,
    /// None.
    Ignored,
    /// Its index is not tried again.
    FailsIndex,
    /// The Job has failed, for this reason.
    FailsJob(String),
}

impl FailurePolicy {
    /// What the failure of a pod means. One that no rule is about counts.
    pub(super) fn judge(policy: Option<&Self>, run: &Run) -> Failure {
        let rules = policy.map_or(&[][..], |policy| &policy.rules);
        let mut found = rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| Some((at, rule, rule.what_matches(run)?)));
        let Some((at, rule, what)) = found.next() else {
            return Failure::Counts;
        };
        match rule.action {
            Action::Ignore => Failure::Ignored,
            Action::Count => Failure::Counts,
            Action::FailIndex => Failure::FailsIndex,
            Action::FailJob => Failure::FailsJob(format!("{what} matching FailJob rule at index {at}")),
        }
    }
}

impl FailureRule {
    /// What of a pod the rule is about, in words.
    fn what_matches(&self, run: &Run) -> Option<String> {
        let meta = &run.pod.object.meta;
        let pod = format!("{}/{}", meta.namespace, meta.name);
        if let Some(codes) = &self.on_exit_codes {
            let report = &run.report;
            let containers = report
                .container_statuses
                .iter()
                .chain(&report.init_container_statuses);
            let (name, code) = containers
                .filter_map(|container| codes.matching(container))
                .next()?;
            return Some(format!(
                "Container {name} for pod {pod} failed with exit code {code}"
            ));
        }
        let matched = |kind: &str, status: &str| {
            self.on_pod_conditions
                .iter()
                .any(|pattern| pattern.kind == kind && pattern.status == status)
        };
        let mut conditions = run.report.conditions.iter();
        let condition = conditions.find(|condition| matched(&condition.kind, &condition.status))?;
        Some(format!("Pod {pod} has condition {}", condition.kind))
    }
}

impl ExitCodes {
    /// The name of a container that ended with one of these codes, and the code. Success is never meant.
    fn matching<'a>(&self, container: &'a Container) -> Option<(&'a str, i64)> {
        let code = container.state.terminated.as_ref()?.exit_code;
        let meant = self
            .container_name
            .as_ref()
            .is_none_or(|name| *name == container.name);
        let listed = self.values.contains(&code) == (self.operator == Operator::In);
        (code != 0 && meant && listed).then_some((&container.name, code))
    }
}

/// Rules, of which one that is met is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SuccessPolicy {
    rules: Vec<SuccessRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SuccessRule {
    succeeded_indexes: Option<String>,
    succeeded_count: Option<i64>,
}

impl SuccessPolicy {
    /// Which rule says that enough is done.
    pub(super) fn met(&self, succeeded: &Indexes, indexes: i64) -> Option<String> {
        let mut rules = self.rules.iter();
        let at = rules.position(|rule| rule.is_met(succeeded, indexes))?;
        Some(format!("Matched rules at index {at}"))
    }
}

impl SuccessRule {
    fn is_met(&self, succeeded: &Indexes, indexes: i64) -> bool {
        let required = self
            .succeeded_indexes
            .as_ref()
            .map(|text| Indexes::parse(text, indexes));
        let done = required
            .as_ref()
            .map_or(succeeded.count(), |required| required.count_in(succeeded));
        let needed = self
            .succeeded_count
            .or_else(|| required.map(|required| required.count()));
        done > 0 && needed.is_some_and(|needed| done >= needed)
    }
}
