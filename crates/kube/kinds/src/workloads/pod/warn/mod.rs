//! What a client is told about a pod that is valid and probably not meant so: upstream's `pkg/api/pod/warnings.go`.

mod nodes;
mod ports;
mod volumes;

use std::collections::BTreeSet;

use self::nodes::{affinity, node_labels};
use self::ports::ports;
use self::volumes::{token_files, volumes};
use super::scene::each_container;
use crate::Place;
use crate::rules::quantity::Quantity;

/// Warnings about a pod or a template; the place is what has `metadata` and `spec`.
pub(crate) fn warnings(place: &Place<'_, '_>, is_template: bool) -> Vec<String> {
    let (metadata, spec) = (place.child("metadata"), place.child("spec"));
    let mut found = Vec::new();
    node_labels(&spec, &mut found);
    annotations(&metadata, &mut found);
    volumes(&spec.child("volumes"), &mut found);
    token_files(&spec.child("volumes"), &mut found);
    repeated(&spec.child("hostAliases"), "ip", &mut found);
    repeated(&spec.child("imagePullSecrets"), "name", &mut found);
    for secret in spec
        .child("imagePullSecrets")
        .each()
        .filter(|secret| secret.at("name").is_empty())
    {
        found.push(format!(
            "{}: invalid empty name \"\"",
            secret.child("name").path()
        ));
    }
    fractions(&spec.child("overhead"), &mut found);
    profiles(&metadata, &spec, is_template, &mut found);
    each_container(&spec, |container| variables(&container.child("env"), &mut found));
    ports(&spec, &mut found);
    let grace = spec.child("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        let text = "must be >= 0; negative values are invalid and will be treated as 1";
        found.push(format!("{}: {text}", grace.path()));
    }
    affinity(&spec.child("affinity"), &mut found);
    found
}

const ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

fn annotations(metadata: &Place<'_, '_>, found: &mut Vec<String>) {
    let annotations = metadata.child("annotations");
    let given = ANNOTATIONS.iter().filter(|(key, _)| annotations.at(key).exists());
    found.extend(given.map(|(key, text)| format!("{}: {text}", annotations.key(key).path())));
}

fn repeated(list: &Place<'_, '_>, member: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for item in list.each().filter(|item| !seen.insert(item.at(member).str())) {
        let text = item.at(member).str();
        found.push(format!(
            "{}: duplicate {member} {text:?}",
            item.child(member).path()
        ));
    }
}

/// Bytes come in whole ones.
fn fractions(amounts: &Place<'_, '_>, found: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        let amount = amounts.key(name);
        if amount.exists() && !Quantity::of(amount.value()).is_whole() {
            let text = format!(
                "fractional byte value {:?} is invalid, must be an integer",
                amount.str()
            );
            found.push(format!("{}: {text}", amount.path()));
        }
    }
}

const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const APP_ARMOR: &str = "deprecated since v1.30; use the \"appArmorProfile\" field instead";

/// Profiles in annotations where the field says nothing, and amounts of containers.
fn profiles(metadata: &Place<'_, '_>, spec: &Place<'_, '_>, is_template: bool, found: &mut Vec<String>) {
    let annotations = metadata.child("annotations");
    let warn = |key: &str, text: &str, found: &mut Vec<String>| {
        if annotations.at(key).exists() {
            found.push(format!("{}: {text}", annotations.key(key).path()));
        }
    };
    let whole = spec.at("securityContext");
    if !whole.at("seccompProfile").exists() {
        warn("seccomp.security.alpha.kubernetes.io/pod", SECCOMP, found);
    }
    each_container(spec, |container| {
        let (name, context) = (container.at("name").str(), container.at("securityContext"));
        if !context.at("seccompProfile").exists() {
            let key = format!("container.seccomp.security.alpha.kubernetes.io/{name}");
            warn(&key, SECCOMP, found);
        }
        let confined = [whole, context]
            .iter()
            .any(|context| context.at("appArmorProfile").exists());
        if is_template && !confined {
            let key = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            warn(&key, APP_ARMOR, found);
        }
        let resources = container.child("resources");
        fractions(&resources.child("limits"), found);
        fractions(&resources.child("requests"), found);
    });
}

/// A second definition that does not build upon the first.
fn variables(variables: &Place<'_, '_>, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for variable in variables.each() {
        let (name, value) = (variable.at("name").str(), variable.at("value").str());
        let reference = format!("$({name})");
        let builds = !variable.at("valueFrom").exists() && value.contains(&reference) && value != reference;
        if !seen.insert(name) && !builds {
            let text = "which may be dropped when using apply";
            found.push(format!(
                "{}: hides previous definition of {name:?}, {text}",
                variable.path()
            ));
        }
    }
}
