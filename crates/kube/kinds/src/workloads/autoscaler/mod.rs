//! `HorizontalPodAutoscaler`: `pkg/apis/autoscaling/{v2/defaults.go,validation}`.

mod metrics;

use schema::cursor::{self, Ref, ensure, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::template;
use crate::rules::names::path_segment;
use crate::rules::quantity::Quantity;
use crate::rules::table::Rule::{NonNegative, RequiredText, Word};
use crate::rules::table::{Rules, check};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, object| without_annotations(context.types, object),
    prepare_update: |context, object, _| without_annotations(context.types, object),
    prepare_status: |context, object, _| without_annotations(context.types, object),
    validate_create: |_, object, errors| validate(object, 1, errors),
    validate_update: |_, new, old, errors| {
        let none = old.path("spec.minReplicas").integer() == Some(0);
        validate(new, i64::from(!none), errors);
    },
    validate_status: |_, new, _, errors| status(new, errors),
    ..PLAIN
};

/// Where `v1` keeps what only `v2` has a member for: `v2` has none of them.
const KEPT: [&str; 4] = ["behavior", "conditions", "current-metrics", "metrics"];

fn without_annotations(types: &Types, object: &mut Struct) {
    if let Some(Value::Map(annotations)) = cursor::get_mut(types, object, "metadata.annotations") {
        let kept = |name: &str| KEPT.contains(&name);
        annotations.retain(|name, _| {
            !name
                .strip_prefix("autoscaling.alpha.kubernetes.io/")
                .is_some_and(kept)
        });
    }
}

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

/// `lowest` is 0 where the old one could scale to nothing.
fn validate(object: Ref<'_>, lowest: i64, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let (least, most) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    if least.exists() && least.int() < lowest {
        least.invalid(errors, format!("must be greater than or equal to {lowest}"));
    }
    if most.int() < 1 {
        most.invalid_value(errors, most.int(), "must be greater than 0");
    }
    if least.exists() && most.int() < least.int() {
        let text = "must be greater than or equal to `minReplicas`";
        most.invalid_value(errors, most.int(), text);
    }
    reference(&spec.child("scaleTargetRef"), errors);
    metrics::all(&spec.child("metrics"), least.integer() == Some(0), errors);
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

fn status(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let status = root.child("status");
    NonNegative.check(&status.child("currentReplicas"), errors);
    NonNegative.check(&status.child("desiredReplicas"), errors);
}
