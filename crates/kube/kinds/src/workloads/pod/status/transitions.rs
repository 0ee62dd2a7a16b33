//! What a container's state may become: what has ended for good does not begin again.

use schema::cursor::Ref;
use schema::field::Errors;

use crate::Place;

/// The statuses of one list of containers, after what they were; `of` names the containers.
pub(super) fn check(statuses: &Place<'_, '_>, old: Ref<'_>, spec: Ref<'_>, of: &str, errors: &mut Errors) {
    if of != "ephemeralContainers" && all_restart(spec) {
        return;
    }
    for (index, was) in old.items().enumerate() {
        let ended = was.path("state.terminated");
        let name = was.at("name");
        if !ended.exists() || restarts(spec, of, name.str(), ended.at("exitCode").int()) {
            continue;
        }
        let begun = |status: &Ref<'_>| status.at("name") == name && !status.path("state.terminated").exists();
        if let Some(status) = statuses.items().find(begun) {
            let text = "may not be transitioned to non-terminated state";
            statuses
                .index(index, status)
                .child("state")
                .forbidden(errors, text);
        }
    }
}

/// Whether a rule of one container restarts them all.
fn all_restart(spec: Ref<'_>) -> bool {
    let lists = ["initContainers", "containers"].into_iter();
    let containers = lists.flat_map(|list| spec.at(list).items());
    let mut rules = containers.flat_map(|container| container.at("restartPolicyRules").items());
    rules.any(|rule| rule.at("action").str() == "RestartAllContainers")
}

/// Whether a container starts again after it ended so: by its rules, its own policy or the pod's.
fn restarts(spec: Ref<'_>, of: &str, name: &str, code: i64) -> bool {
    if of == "ephemeralContainers" {
        return false;
    }
    let mut containers = spec.at(of).items();
    let Some(container) = containers.find(|container| container.at("name").str() == name) else {
        return false;
    };
    let own = container.at("restartPolicy");
    let by_rule = own.exists()
        && container
            .at("restartPolicyRules")
            .items()
            .any(|rule| matches(rule, code));
    let policy = if own.exists() {
        own
    } else {
        spec.at("restartPolicy")
    };
    by_rule || policy.str() == "Always" || (policy.str() == "OnFailure" && code != 0)
}

fn matches(rule: Ref<'_>, code: i64) -> bool {
    let codes = rule.at("exitCodes");
    let within = codes.at("values").items().any(|value| value.int() == code);
    match codes.at("operator").str() {
        "In" => within,
        "NotIn" => !within,
        _ => false,
    }
}
