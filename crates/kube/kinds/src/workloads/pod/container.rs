//! Containers: what all have in common (upstream's `validateContainerCommon`), and what each list asks besides.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::kept::Fault;
use super::scene::Scene;
use super::{environment, handlers, mounts, ports, resources, security};
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::quantity;
use crate::rules::table::Rule::{Required, RequiredText, RequiredWord};
use crate::rules::table::{Rules, check};
use crate::rules::value::one_of;

const COMMON: Rules = &[
    ("name", RequiredText(dns1123_label)),
    ("image", Required),
    (
        "terminationMessagePolicy",
        RequiredWord(&["File", "FallbackToLogsOnError"]),
    ),
];

fn common(container: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    check(container, COMMON, errors);
    ports::validate(&container.child("ports"), errors);
    environment::variables(&container.child("env"), errors);
    environment::from(&container.child("envFrom"), errors);
    mounts::mounts(container, &scene.volumes, errors);
    mounts::devices(container, &scene.volumes, errors);
    RequiredWord(&["Always", "IfNotPresent", "Never"]).check(&container.child("imagePullPolicy"), errors);
    let resources = container.child("resources");
    quantity::requirements(&resources, !scene.kept.has(Fault::HugePages), errors);
    resources::claims(&resources.child("claims"), &scene.claims, errors);
    resize_policy(&container.child("resizePolicy"), scene, errors);
    security::container(&container.child("securityContext"), scene.host_users, errors);
}

/// Upstream's errors name the list, except for duplicates.
fn resize_policy(policies: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for policy in policies.each() {
        let (resource, restart) = (policy.at("resourceName"), policy.at("restartPolicy"));
        if !seen.insert(resource.str()) {
            policy.holding(resource).duplicate(errors);
        }
        RequiredWord(&["cpu", "memory"]).check(&policies.holding(resource), errors);
        RequiredWord(&["NotRequired", "RestartContainer"]).check(&policies.holding(restart), errors);
        if scene.restart_policy == "Never" && restart.str() != "NotRequired" {
            let text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            policies.holding(restart).invalid(errors, text);
        }
    }
}

/// The lists of containers of a spec.
pub(super) fn all(spec: &Place<'_, '_>, scene: &Scene<'_>, errors: &mut Errors) {
    let mut names = BTreeSet::new();
    containers(&spec.child("containers"), scene, &mut names, errors);
    init_containers(&spec.child("initContainers"), scene, &mut names, errors);
    ephemeral(&spec.child("ephemeralContainers"), scene, names, errors);
}

fn containers<'a>(
    list: &Place<'_, 'a>,
    scene: &Scene<'_>,
    names: &mut BTreeSet<&'a str>,
    errors: &mut Errors,
) {
    list.require(errors, "");
    for container in list.each() {
        common(&container, scene, errors);
        let name = container.child("name");
        if !names.insert(name.str()) {
            name.duplicate(errors);
        }
        handlers::lifecycle(&container, scene, errors);
        handlers::probes(&container, scene, errors);
        restart_policy(&container, errors);
    }
    ports::host_conflicts(list.each(), errors);
}

fn init_containers<'a>(
    list: &Place<'_, 'a>,
    scene: &Scene<'_>,
    names: &mut BTreeSet<&'a str>,
    errors: &mut Errors,
) {
    for container in list.each() {
        common(&container, scene, errors);
        init_restart_policy(&container, errors);
        let name = container.child("name");
        if !name.is_empty() && !names.insert(name.str()) {
            name.duplicate(errors);
        }
        // They run one after the other: each may have the ports of the one before.
        ports::host_conflicts([list.index(0, container.value())], errors);
        if container.at("restartPolicy").str() == "Always" {
            handlers::lifecycle(&container, scene, errors);
            handlers::probes(&container, scene, errors);
            continue;
        }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container.at(name).exists() {
                let text = "may not be set for init containers without restartPolicy=Always";
                container.child(name).forbidden(errors, text);
            }
        }
        if !scene.kept.has(Fault::InitRestarts) {
            init_resize_policy(&container.child("resizePolicy"), errors);
        }
    }
}

fn init_resize_policy(policies: &Place<'_, '_>, errors: &mut Errors) {
    for policy in policies.each() {
        let restart = policy.child("restartPolicy");
        if restart.str() == "RestartContainer" {
            let text = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            restart.invalid(errors, text);
        }
    }
}

/// Without a policy there is nothing that rules could refine, and they are not looked at.
fn init_restart_policy(container: &Place<'_, '_>, errors: &mut Errors) {
    let policy = container.child("restartPolicy");
    match (policy.exists(), container.at("restartPolicyRules").is_empty()) {
        (true, _) => restart_policy(container, errors),
        (false, true) => {}
        (false, false) => policy.required(errors, NO_POLICY),
    }
}

const NO_POLICY: &str = "must specify restartPolicy when restart rules are used";
const ACTIONS: &[&str] = &["Restart", "RestartAllContainers"];
const MAX_RULES: usize = 20;
const MAX_CODES: usize = 255;

/// A container's own policy and the rules that refine it.
fn restart_policy(container: &Place<'_, '_>, errors: &mut Errors) {
    let (policy, rules) = (
        container.child("restartPolicy"),
        container.child("restartPolicyRules"),
    );
    match policy.exists() {
        true => one_of(&policy, errors, &["Always", "Never", "OnFailure"]),
        false if rules.is_empty() => return,
        false => policy.required(errors, NO_POLICY),
    }
    if rules.len() > MAX_RULES {
        rules.too_many(errors, MAX_RULES);
    }
    for rule in rules.each() {
        one_of(&rule.child("action"), errors, ACTIONS);
        let codes = rule.child("exitCodes");
        if !codes.exists() {
            codes.required(errors, "must be specified");
            continue;
        }
        one_of(&codes.child("operator"), errors, &["In", "NotIn"]);
        let values = codes.child("values");
        if values.len() > MAX_CODES {
            values.too_many(errors, MAX_CODES);
        }
    }
}

/// What an ephemeral container may have; `targetContainerName` is its own.
const EPHEMERAL: [&str; 17] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
];
const NOT_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

fn ephemeral(list: &Place<'_, '_>, scene: &Scene<'_>, others: BTreeSet<&str>, errors: &mut Errors) {
    let mut names: BTreeSet<&str> = others.clone();
    for container in list.each() {
        common(&container, scene, errors);
        trimmed_image(&container, errors);
        let (name, target) = (container.child("name"), container.child("targetContainerName"));
        if !names.insert(name.str()) {
            name.duplicate(errors);
        }
        if !target.is_empty() && !others.contains(target.str()) {
            target.not_found(errors);
        }
        ephemeral_members(&container, errors);
        for mount in container.child("volumeMounts").each() {
            for name in ["subPath", "subPathExpr"] {
                if !mount.at(name).is_empty() {
                    mount.child(name).forbidden(errors, NOT_EPHEMERAL);
                }
            }
        }
    }
}

fn ephemeral_members(container: &Place<'_, '_>, errors: &mut Errors) {
    let Some(object) = container.object() else { return };
    let types = container.types();
    let names = types.fields(object.ty).iter().map(|field| types.name(field.json));
    for name in names.filter(|name| !EPHEMERAL.contains(name)) {
        // A struct that Go holds by value is not set while it is empty.
        let by_value = name == "resources" && container.at(name).is_empty();
        if container.at(name).exists() && !by_value {
            container.child(name).forbidden(errors, NOT_EPHEMERAL);
        }
    }
}

/// A pod's image has no blanks around it; a template's may.
pub(super) fn trimmed_image(container: &Place<'_, '_>, errors: &mut Errors) {
    let image = container.child("image");
    if image.str().trim() != image.str() {
        image.invalid(errors, "must not have leading or trailing whitespace");
    }
}
