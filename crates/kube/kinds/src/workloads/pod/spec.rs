//! Validation of `PodSpec`: upstream's `ValidatePodSpec`.

use std::collections::BTreeSet;

use schema::field::Errors;

use super::container;
use crate::Place;
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::text::qualified_name;
use crate::rules::value::{in_range, labels, one_of, required_one_of};

const LONGEST_DEADLINE: i64 = i32::MAX as i64;

/// The spec of a pod or of a template.
pub(crate) fn validate(spec: &Place<'_, '_>, errors: &mut Errors) {
    let names = volumes(&spec.child("volumes"), errors);
    container::all(spec, &names, errors);
    let policies = ["Always", "OnFailure", "Never"];
    required_one_of(&spec.child("restartPolicy"), errors, &policies);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    required_one_of(&spec.child("dnsPolicy"), errors, &policies);
    labels(&spec.child("nodeSelector"), errors);
    for name in [
        "serviceAccountName",
        "nodeName",
        "priorityClassName",
        "runtimeClassName",
    ] {
        optional(&spec.child(name), dns1123_subdomain, errors);
    }
    for name in ["hostname", "subdomain"] {
        optional(&spec.child(name), dns1123_label, errors);
    }
    let deadline = spec.child("activeDeadlineSeconds");
    if deadline.exists() {
        in_range(&deadline, errors, 1, LONGEST_DEADLINE);
    }
    if !spec.at("terminationGracePeriodSeconds").exists() {
        spec.child("terminationGracePeriodSeconds").required(errors, "");
    }
    let tolerations = spec.child("tolerations");
    tolerations.each().for_each(|each| toleration(&each, errors));
}

fn optional(place: &Place<'_, '_>, rule: fn(&str) -> Vec<String>, errors: &mut Errors) {
    if !place.is_empty() {
        place.check(errors, rule);
    }
}

/// The volumes; their names, for the mounts that name them.
fn volumes<'a>(volumes: &Place<'_, 'a>, errors: &mut Errors) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for volume in volumes.each() {
        let name = volume.child("name");
        if name.require(errors, "") {
            name.check(errors, dns1123_label);
        }
        source(&volume, errors);
        if !name.is_empty() && !names.insert(name.str()) {
            name.duplicate(errors);
        }
    }
    names
}

fn source(volume: &Place<'_, '_>, errors: &mut Errors) {
    let Some(object) = volume.object() else { return };
    let types = volume.types();
    let names = types.fields(object.ty).iter().map(|field| types.name(field.json));
    let mut sources = names.filter(|name| *name != "name" && volume.at(name).exists());
    if sources.next().is_none() {
        volume.required(errors, "must specify a volume type");
    }
    for another in sources {
        volume
            .child(another)
            .forbidden(errors, "may not specify more than 1 volume type");
    }
}

fn toleration(place: &Place<'_, '_>, errors: &mut Errors) {
    optional(&place.child("key"), qualified_name, errors);
    if place.at("key").is_empty() && place.at("operator").str() != "Exists" {
        place.child("operator").invalid(
            errors,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    if place.at("tolerationSeconds").exists() && place.at("effect").str() != "NoExecute" {
        place.child("effect").invalid(
            errors,
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    if place.at("operator").str() == "Exists" && !place.at("value").is_empty() {
        place.child("operator").invalid_value(
            errors,
            place.at("value").str(),
            "value must be empty when `operator` is 'Exists'",
        );
    }
    let effect = place.child("effect");
    if !effect.is_empty() {
        one_of(&effect, errors, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}
