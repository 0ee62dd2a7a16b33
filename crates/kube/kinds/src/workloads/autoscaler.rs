//! `HorizontalPodAutoscaler`: `pkg/apis/autoscaling/{v2/defaults.go,validation}`.

use schema::cursor::{self, Ref, ensure, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::template;
use crate::rules::names::path_segment;
use crate::rules::quantity::Quantity;
use crate::rules::table::Rule::{NonNegative, RequiredText, RequiredWith, Word};
use crate::rules::table::{Rules, check};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, _, errors| validate(new, errors),
    validate_status: |_, new, _, errors| status(new, errors),
    ..PLAIN
};

/// Policies of scaling: type, value, seconds.
type Policies = &'static [(&'static str, i64, i64)];

const UP: Policies = &[("Pods", 4, 15), ("Percent", 100, 15)];
const DOWN: Policies = &[("Percent", 100, 15)];

/// The first version has neither metrics nor behaviour: setting them there sets nothing.
fn default(types: &Types, object: &mut Struct) {
    template::set_integers(types, object, &[("spec.minReplicas", 1)]);
    if Ref::new(types, object).path("spec.metrics").is_empty()
        && let Some(metric) = cpu_utilization(types)
    {
        cursor::set(types, object, "spec.metrics", Value::List(vec![metric]));
    }
    if !Ref::new(types, object).path("spec.behavior").exists() {
        return;
    }
    rules(types, object, "spec.behavior.scaleUp", UP);
    template::set_integers(
        types,
        object,
        &[("spec.behavior.scaleUp.stabilizationWindowSeconds", 0)],
    );
    rules(types, object, "spec.behavior.scaleDown", DOWN);
}

/// 80 % of the requested cpu.
fn cpu_utilization(types: &Types) -> Option<Value> {
    let mut metric = Struct::new(types.find("autoscaling/v2", "MetricSpec")?);
    for (path, value) in [
        ("type", Value::str("Resource")),
        ("resource.name", Value::str("cpu")),
        ("resource.target.type", Value::str("Utilization")),
        ("resource.target.averageUtilization", Value::Int(80)),
    ] {
        cursor::set(types, &mut metric, path, value);
    }
    Some(Value::Struct(Box::new(metric)))
}

fn rules(types: &Types, object: &mut Struct, path: &str, policies: Policies) {
    ensure(types, object, path);
    set_default(types, object, &format!("{path}.selectPolicy"), Value::str("Max"));
    let list = policies.iter().filter_map(|(kind, value, seconds)| {
        let mut policy = Struct::new(types.find("autoscaling/v2", "HPAScalingPolicy")?);
        cursor::set(types, &mut policy, "type", Value::str(kind));
        cursor::set(types, &mut policy, "value", Value::Int(*value));
        cursor::set(types, &mut policy, "periodSeconds", Value::Int(*seconds));
        Some(Value::Struct(Box::new(policy)))
    });
    let list = Value::List(list.collect());
    set_default(types, object, &format!("{path}.policies"), list);
}

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (least, most) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    if least.exists() && least.int() < 1 {
        least.invalid(errors, "must be greater than or equal to 1");
    }
    if most.int() < 1 {
        most.invalid_value(errors, most.int(), "must be greater than 0");
    }
    if least.exists() && most.int() < least.int() {
        let text = "must be greater than or equal to `minReplicas`";
        most.invalid_value(errors, most.int(), text);
    }
    reference(&spec.child("scaleTargetRef"), errors);
    spec.child("metrics")
        .each()
        .for_each(|each| metric(&each, errors));
    for name in ["scaleUp", "scaleDown"] {
        let rules = spec.child("behavior");
        let rules = rules.child(name);
        if rules.exists() {
            scaling_rules(&rules, errors);
        }
    }
}

const REFERENCE: Rules = &[
    ("kind", RequiredText(path_segment)),
    ("name", RequiredText(path_segment)),
];

/// What is scaled, or what a metric is about.
fn reference(place: &Place<'_, '_>, errors: &mut Errors) {
    let version = place.child("apiVersion");
    if version.str().split('/').count() > 2 {
        let text = format!("unexpected GroupVersion string: {}", version.str());
        version.invalid(errors, text);
    }
    check(place, REFERENCE, errors);
}

const LONGEST_WINDOW: i64 = 3600;
const LONGEST_PERIOD: i64 = 1800;

fn scaling_rules(rules: &Place<'_, '_>, errors: &mut Errors) {
    let window = rules.child("stabilizationWindowSeconds");
    if window.int() < 0 {
        window.invalid(errors, "must be greater than or equal to zero");
    }
    if window.int() > LONGEST_WINDOW {
        window.invalid(errors, format!("must be less than or equal to {LONGEST_WINDOW}"));
    }
    Word(&["Disabled", "Max", "Min"]).check(&rules.child("selectPolicy"), errors);
    let policies = rules.child("policies");
    policies.require(errors, "must specify at least one Policy");
    for policy in policies.each() {
        crate::rules::value::one_of(&policy.child("type"), errors, &["Percent", "Pods"]);
        for name in ["value", "periodSeconds"] {
            let number = policy.child(name);
            if number.int() <= 0 {
                number.invalid_value(errors, number.int(), "must be greater than zero");
            }
        }
        let period = policy.child("periodSeconds");
        if period.int() > LONGEST_PERIOD {
            period.invalid(errors, format!("must be less than or equal to {LONGEST_PERIOD}"));
        }
    }
    let tolerance = rules.child("tolerance");
    if tolerance.exists() && Quantity::of(tolerance.value()).is_negative() {
        tolerance.invalid(errors, "must be greater than or equal to 0");
    }
}

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
    if let Some(member) = expected.filter(|member| !metric.at(member).exists()) {
        let text = "must populate information for the given metric source";
        metric.child(member).required(errors, text);
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
    source
        .child("container")
        .require(errors, "must specify a container");
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

fn status(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let status = root.child("status");
    NonNegative.check(&status.child("currentReplicas"), errors);
    NonNegative.check(&status.child("desiredReplicas"), errors);
}
