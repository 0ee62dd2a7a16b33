//! Metrics of an autoscaler: where a number comes from, and what it should be.

use schema::field::Errors;

use super::reference;
use crate::Place;
use crate::rules::names::{dns1123_label, path_segment};
use crate::rules::quantity::Quantity;
use crate::rules::table::Rule::RequiredWith;
use crate::rules::table::{Rules, check};

/// A source: the metric's type, its member, and its rules.
type Source = (&'static str, &'static str, fn(&Place<'_, '_>, &mut Errors));

const SOURCES: [Source; 5] = [
    ("Object", "object", object_source),
    ("External", "external", external_source),
    ("Pods", "pods", pods_source),
    ("Resource", "resource", resource_source),
    ("ContainerResource", "containerResource", container_source),
];
const TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// All metrics; what scales to nothing needs one that is there without pods.
pub(super) fn all(list: &Place<'_, '_>, to_nothing: bool, errors: &mut Errors) {
    list.each().for_each(|each| metric(&each, errors));
    let outside = |metric: schema::cursor::Ref<'_>| matches!(metric.at("type").str(), "Object" | "External");
    if to_nothing && !list.items().any(outside) {
        let text = "must specify at least one Object or External metric to support scaling to zero replicas";
        list.forbidden(errors, text);
    }
}

fn metric(metric: &Place<'_, '_>, errors: &mut Errors) {
    let kind = metric.child("type");
    kind.require(errors, "must specify a metric source type");
    if !TYPES.contains(&kind.str()) {
        kind.not_supported(errors, TYPES);
    }
    let given: Vec<&Source> = SOURCES
        .iter()
        .filter(|(_, member, _)| metric.at(member).exists())
        .collect();
    if let Some((_, member, rule)) = given.first() {
        rule(&metric.child(member), errors);
    }
    let expected = SOURCES
        .iter()
        .find(|(name, _, _)| *name == kind.str())
        .map(|(_, member, _)| *member);
    match expected {
        // Upstream says it twice.
        None => kind.not_supported(errors, TYPES),
        Some(member) if !metric.at(member).exists() => {
            let text = "must populate information for the given metric source";
            metric.child(member).required(errors, text);
        }
        Some(_) => {}
    }
    if given.len() != 1 {
        for (_, member, _) in given.iter().filter(|(_, member, _)| Some(*member) != expected) {
            let text = "must populate the given metric source only";
            metric.child(member).forbidden(errors, text);
        }
    }
}

fn target(target: &Place<'_, '_>, errors: &mut Errors) {
    let kind = target.child("type");
    kind.require(errors, "must specify a metric target type");
    if !matches!(kind.str(), "Utilization" | "Value" | "AverageValue") {
        kind.invalid(errors, "must be either Utilization, Value, or AverageValue");
    }
    for name in ["value", "averageValue"] {
        let amount = target.child(name);
        if amount.exists() && Quantity::of(amount.value()) <= Quantity::default() {
            amount.invalid(errors, "must be positive");
        }
    }
    let utilization = target.child("averageUtilization");
    if utilization.exists() && utilization.int() < 1 {
        utilization.invalid(errors, "must be greater than 0");
    }
}

fn identified(source: &Place<'_, '_>, errors: &mut Errors) {
    let metric = source.child("metric");
    let name = metric.child("name");
    if name.require(errors, "must specify a metric name") {
        name.check(errors, path_segment);
    }
    target(&source.child("target"), errors);
}

fn object_source(source: &Place<'_, '_>, errors: &mut Errors) {
    reference(&source.child("describedObject"), errors);
    identified(source, errors);
    let target = source.child("target");
    if !target.at("value").exists() && !target.at("averageValue").exists() {
        let text = "must set either a target value or averageValue";
        target.child("averageValue").required(errors, text);
    }
}

fn external_source(source: &Place<'_, '_>, errors: &mut Errors) {
    identified(source, errors);
    let target = source.child("target");
    match (target.at("value").exists(), target.at("averageValue").exists()) {
        (false, false) => target.child("averageValue").required(
            errors,
            "must set either a target value for metric or a per-pod target",
        ),
        (true, true) => target.child("value").forbidden(
            errors,
            "may not set both a target value for metric and a per-pod target",
        ),
        _ => {}
    }
}

fn pods_source(source: &Place<'_, '_>, errors: &mut Errors) {
    identified(source, errors);
    let target = source.child("target");
    let value = target.child("averageValue");
    if Quantity::of(value.value()) <= Quantity::default() {
        value.required(errors, "must specify a positive target averageValue");
    }
}

const NAMED: Rules = &[("name", RequiredWith("must specify a resource name"))];

fn resource_source(source: &Place<'_, '_>, errors: &mut Errors) {
    check(source, NAMED, errors);
    resource_target(&source.child("target"), errors);
}

fn container_source(source: &Place<'_, '_>, errors: &mut Errors) {
    check(source, NAMED, errors);
    let container = source.child("container");
    if container.require(errors, "must specify a container") {
        container.check(errors, dns1123_label);
    }
    resource_target(&source.child("target"), errors);
}

fn resource_target(place: &Place<'_, '_>, errors: &mut Errors) {
    target(place, errors);
    let (utilization, value) = (place.child("averageUtilization"), place.child("averageValue"));
    match (utilization.exists(), value.exists()) {
        (false, false) => utilization.required(
            errors,
            "must set either a target raw value or a target utilization",
        ),
        (true, true) => value.forbidden(
            errors,
            "may not set both a target raw value and a target utilization",
        ),
        _ => {}
    }
}
