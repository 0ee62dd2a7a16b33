//! Annotations that mean something to pods: mirrors, deletion costs, and profiles of older versions.

use schema::cursor::Ref;
use schema::field::Errors;

use super::kept::{Fault, Kept};
use super::scene::each_container;
use crate::Place;
use crate::rules::paths::descending;

/// The pod is a static pod's mirror.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Annotations of a pod or of a template: upstream's `ValidatePodSpecificAnnotations`.
pub(crate) fn validate(metadata: &Place<'_, '_>, spec: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let annotations = metadata.child("annotations");
    for (key, value) in annotations.each_entry() {
        match key {
            MIRROR if spec.at("nodeName").is_empty() => {
                value.invalid(errors, "must set spec.nodeName if mirror pod annotation is set");
            }
            DELETION_COST if !is_cost(value.str()) && !kept.has(Fault::DeletionCost) => {
                value.invalid(errors, "must be a 32bit integer");
            }
            DELETION_COST => {}
            SECCOMP_POD => seccomp(&annotations.named(key, value.value()), errors),
            _ if key.starts_with(SECCOMP_CONTAINER) => {
                seccomp(&annotations.named(key, value.value()), errors);
            }
            _ => app_armor(key, &value, spec, errors),
        }
    }
}

/// Whether the cost of a deletion is a number, or not given.
pub(super) fn has_cost(metadata: Ref<'_>) -> bool {
    let cost = metadata.at("annotations").at(DELETION_COST);
    !cost.exists() || is_cost(cost.str())
}

/// 32 bits without a needless sign or zero before it.
fn is_cost(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|cost| cost.to_string() == text)
}

fn seccomp(profile: &Place<'_, '_>, errors: &mut Errors) {
    match profile.str().strip_prefix("localhost/") {
        Some(_) => descending(profile, errors),
        None if matches!(profile.str(), "runtime/default" | "docker/default" | "unconfined") => {}
        None => profile.invalid(errors, "must be a valid seccomp profile"),
    }
}

fn app_armor(key: &str, value: &Place<'_, '_>, spec: &Place<'_, '_>, errors: &mut Errors) {
    let Some(name) = key.strip_prefix(APP_ARMOR) else {
        return;
    };
    let mut found = false;
    each_container(spec, |container| found |= container.at("name").str() == name);
    if !found {
        value.invalid_value(errors, name, "container not found");
    }
    let profile = value.str();
    if !matches!(profile, "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
        value.invalid(errors, format!("invalid AppArmor profile name: {profile:?}"));
    }
}

/// What an update may not change: upstream's `ValidatePodSpecificAnnotationUpdates`.
pub(super) fn validate_update(metadata: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let annotations = metadata.child("annotations");
    let what = |key: &str| match key {
        MIRROR => Some("mirror pod annotation"),
        _ if key.starts_with(APP_ARMOR) => Some("AppArmor annotations"),
        _ => None,
    };
    for (key, was) in old.at("annotations").entries() {
        if let Some(what) = what(key).filter(|_| annotations.at(key) != was) {
            let text = format!("may not remove or update {what}");
            annotations.key(key).forbidden(errors, text);
        }
    }
    let added = annotations
        .each_entry()
        .filter(|(key, _)| !old.at("annotations").at(key).exists());
    for (key, place) in added {
        if let Some(what) = what(key) {
            place.forbidden(errors, format!("may not add {what}"));
        }
    }
}

/// Where a profile is given in both ways, both say the same.
pub(crate) fn agree(metadata: Ref<'_>, spec: &Place<'_, '_>, errors: &mut Errors) {
    let annotations = metadata.at("annotations");
    if annotations.is_empty() {
        return;
    }
    let context = spec.child("securityContext");
    same(
        annotations.at(SECCOMP_POD),
        &context.child("seccompProfile"),
        "seccomp",
        errors,
    );
    each_container(spec, |container| {
        let key = format!("{SECCOMP_CONTAINER}{}", container.at("name").str());
        let context = container.child("securityContext");
        same(
            annotations.at(&key),
            &context.child("seccompProfile"),
            "seccomp",
            errors,
        );
    });
    if spec.value().path("os.name").str() == "windows" {
        return;
    }
    let whole = spec.value().path("securityContext.appArmorProfile");
    each_container(spec, |container| {
        let key = format!("{APP_ARMOR}{}", container.at("name").str());
        let context = container.child("securityContext");
        let own = context.child("appArmorProfile");
        let profile = if own.exists() { own } else { own.holding(whole) };
        same(annotations.at(&key), &profile, "apparmor", errors);
    });
}

fn same(annotation: Ref<'_>, profile: &Place<'_, '_>, what: &str, errors: &mut Errors) {
    let (Some(text), true) = (annotation.text(), profile.exists()) else {
        return;
    };
    let local = text.strip_prefix("localhost/");
    let agrees = match profile.at("type").str() {
        "Unconfined" => text == "unconfined",
        "RuntimeDefault" => text == "runtime/default" || (what == "seccomp" && text == "docker/default"),
        "Localhost" => local.is_some(),
        _ => return,
    };
    if !agrees {
        let text = format!("{what} type in annotation and field must match");
        profile.child("type").forbidden(errors, text);
    } else if local.is_some() && profile.at("localhostProfile").text() != local {
        let text = format!("{what} profile in annotation and field must match");
        profile.child("localhostProfile").forbidden(errors, text);
    }
}
