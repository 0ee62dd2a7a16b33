//! `PodSecurity` (upstream's plugin of this name, KEP-2579): the labels of a namespace say how much its pods may do.
//!
//! `enforce` refuses pods; `audit` tells the audit log, and `warn` the client, of pods and of what makes pods. Without
//! labels everything goes, and nothing is looked at.

mod checks;
mod level;
mod namespace;
#[cfg(test)]
mod tests;

use schema::cursor::Ref;
use schema::field::{Errors, aggregate};
use schema::status::Status;

use super::{Operation, Request};
use crate::Answer;
use checks::{Pod, evaluate};
use level::{LevelVersion, Policy};

const NAMESPACES: &str = "/registry/namespaces/";

/// Of the audit log: what a pod was held to.
const ENFORCED: &str = "enforce-policy";

/// What makes pods, and where it keeps what they shall be.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("", "podtemplates", "template"),
    ("", "replicationcontrollers", "spec.template"),
    ("apps", "daemonsets", "spec.template"),
    ("apps", "deployments", "spec.template"),
    ("apps", "replicasets", "spec.template"),
    ("apps", "statefulsets", "spec.template"),
    ("batch", "cronjobs", "spec.jobTemplate.spec.template"),
    ("batch", "jobs", "spec.template"),
];

/// Paths below a pod that do not change what it may do.
const HARMLESS: &[&str] = &[
    "attach",
    "binding",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "status",
];

/// Judges pods, what makes them, and the labels themselves.
///
/// # Errors
/// 403 for a pod that may not be, 422 for labels that say nothing.
pub(super) fn validate(request: &Request<'_>, object: Option<Ref<'_>>) -> Answer<()> {
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    let Some(object) = object.filter(|_| writes) else {
        return Ok(());
    };
    if request.is_of("", "pods") {
        return pod(request, object);
    }
    if request.is("", "namespaces") {
        return namespace::validate(request, object);
    }
    let makes_pods = TEMPLATES
        .iter()
        .find(|(group, plural, _)| request.is(group, plural));
    if let Some((.., template)) = makes_pods {
        let template = object.path(template);
        if template.at("spec").exists() {
            let (policy, wrong) = policy(request)?;
            note_errors(request, &wrong);
            audit(request, &policy, template);
            warn(request, &policy, template);
        }
    }
    Ok(())
}

/// What the namespace's labels say; labels that say nothing count as the strictest.
fn policy(request: &Request<'_>) -> Answer<(Policy, Errors)> {
    let namespaces = request.op.state.cache.snapshot(NAMESPACES);
    let Some(namespace) = namespaces.get(request.op.namespace) else {
        let why = format!("failed to lookup namespace {:?}", request.op.namespace);
        return Err(Status::internal(why).into());
    };
    Ok(Policy::of(|label| namespace.meta.label(label)))
}

fn pod(request: &Request<'_>, pod: Ref<'_>) -> Answer<()> {
    if HARMLESS.contains(&request.op.subresource) {
        return Ok(());
    }
    let (policy, wrong) = policy(request)?;
    if wrong.is_empty() && policy.is_privileged() {
        note(request, ENFORCED, "privileged:latest".to_owned());
        return Ok(());
    }
    if request.old.is_some_and(|old| !is_significant(pod, old)) {
        return Ok(());
    }
    note_errors(request, &wrong);
    note(request, ENFORCED, policy.enforce.to_string());
    audit(request, &policy, pod);
    let violations = evaluate(policy.enforce, &Pod::of(pod));
    if violations.is_empty() {
        warn(request, &policy, pod);
        return Ok(());
    }
    let why = format!(
        "violates PodSecurity \"{}\": {}",
        policy.enforce,
        violations.detail()
    );
    Err(request.forbidden(Some(pod), &why))
}

/// Tells the audit log.
fn note(request: &Request<'_>, what: &str, text: String) {
    let key = format!("pod-security.kubernetes.io/{what}");
    request.op.call.annotations.add(key, text);
}

fn note_errors(request: &Request<'_>, wrong: &Errors) {
    if !wrong.is_empty() {
        note(
            request,
            "error",
            format!("Failed to parse policy: {}", aggregate(wrong)),
        );
    }
}

fn audit(request: &Request<'_>, policy: &Policy, pod: Ref<'_>) {
    if let Some(text) = would_violate(policy.audit, pod) {
        note(request, "audit-violations", text);
    }
}

fn warn(request: &Request<'_>, policy: &Policy, pod: Ref<'_>) {
    if let Some(text) = would_violate(policy.warn, pod) {
        request.op.call.warnings.add(text);
    }
}

/// What is said of a pod that a level would refuse.
fn would_violate(level: LevelVersion, pod: Ref<'_>) -> Option<String> {
    let violations = evaluate(level, &Pod::of(pod));
    let detail = || format!("would violate PodSecurity \"{level}\": {}", violations.detail());
    (!violations.is_empty()).then(detail)
}

/// Of a pod that runs, only images and ephemeral containers change.
fn is_significant(new: Ref<'_>, old: Ref<'_>) -> bool {
    let lists = ["spec.containers", "spec.initContainers"].map(|list| (new.path(list), old.path(list)));
    let changed = |(new, old): (Ref<'_>, Ref<'_>)| new.at("image") != old.at("image");
    let differ =
        |(new, old): (Ref<'_>, Ref<'_>)| new.len() != old.len() || new.items().zip(old.items()).any(changed);
    let mut ephemeral = new.path("spec.ephemeralContainers").items();
    lists.into_iter().any(differ)
        || ephemeral.any(|container| {
            let mut before = old.path("spec.ephemeralContainers").items();
            let before = before.find(|before| before.at("name") == container.at("name"));
            before.is_none_or(|before| changed((container, before)))
        })
}
