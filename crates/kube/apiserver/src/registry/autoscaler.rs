//! `autoscaling/v1` and `v2`: what the older has no member for stands in annotations, as JSON of its own types.
//!
//! The behaviour stands there as upstream's internal type has it, whose members begin with capitals; read it is with
//! either.

use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::row::Types;
use schema::tree::Struct;
use serde_json::{Map, Value};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// A kind of metric: its member, and the path in `v2` that stands for each member of `v1`.
type Shape = (&'static str, &'static [(&'static str, &'static str)]);

const SOURCES: &[Shape] = &[
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetValue", "target/value"),
            ("averageValue", "target/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "name"),
            ("targetAverageUtilization", "target/averageUtilization"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "name"),
            ("container", "container"),
            ("targetAverageUtilization", "target/averageUtilization"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("targetValue", "target/value"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
];

const STATUSES: &[Shape] = &[
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentValue", "current/value"),
            ("averageValue", "current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "name"),
            ("currentAverageUtilization", "current/averageUtilization"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "name"),
            ("container", "container"),
            ("currentAverageUtilization", "current/averageUtilization"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("currentValue", "current/value"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
];

/// What `autoscaling/v1` aims at where nothing is said, in percent: upstream's default, made explicit when it converts.
const IMPLIED_CPU: u8 = 80;

/// Makes a `v1` object one of `v2`.
pub(super) fn to_v2(_: &Types, object: &mut Map<String, Value>) {
    let [metrics, current, conditions, behavior] =
        [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR].map(|key| take_annotation(object, key));
    let mut all = newer(metrics, SOURCES).unwrap_or_default();
    let target = take(object, "spec", "targetCPUUtilizationPercentage");
    all.extend(target.map(|percent| of_cpu("target", &percent)));
    if all.is_empty() {
        all.push(of_cpu("target", &IMPLIED_CPU.into()));
    }
    put(object, "spec", "metrics", list(all));
    put(object, "spec", "behavior", behavior.map(small_names));
    let used = take(object, "status", "currentCPUUtilizationPercentage");
    let used = || used.iter().map(|percent| of_cpu("current", percent)).collect();
    let all = newer(current, STATUSES).unwrap_or_else(used);
    put(object, "status", "currentMetrics", list(all));
    put(object, "status", "conditions", conditions);
}

/// Makes a `v2` object one of `v1`.
pub(super) fn from_v2(types: &Types, object: &mut Map<String, Value>) {
    for key in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
        take_annotation(object, key);
    }
    let metrics = items(take(object, "spec", "metrics"));
    let first = metrics.iter().find(|metric| is_of_cpu(metric));
    let percent = first.and_then(|metric| utilization(metric, "target"));
    put(object, "spec", "targetCPUUtilizationPercentage", percent);
    let rest = metrics
        .iter()
        .filter(|metric| utilization(metric, "target").is_none());
    annotate(object, METRICS, older(types, "MetricSpec", rest, SOURCES));
    let behavior = take(object, "spec", "behavior");
    annotate(
        object,
        BEHAVIOR,
        behavior.and_then(|behavior| internal(types, &behavior)),
    );
    let current = items(take(object, "status", "currentMetrics"));
    let percent = current
        .iter()
        .rev()
        .find_map(|metric| utilization(metric, "current"));
    put(object, "status", "currentCPUUtilizationPercentage", percent);
    annotate(
        object,
        CURRENT_METRICS,
        older(types, "MetricStatus", current.iter(), STATUSES),
    );
    let conditions = items(take(object, "status", "conditions"));
    let printed = conditions
        .iter()
        .filter_map(|condition| printed(types, "HorizontalPodAutoscalerCondition", condition));
    annotate(object, CONDITIONS, joined(printed.collect()));
}

/// The metrics of an annotation as `v2` has them; none if there are none or they cannot be read.
fn newer(metrics: Option<Value>, shapes: &[Shape]) -> Option<Vec<Value>> {
    let Some(Value::Array(mut metrics)) = metrics else {
        return None;
    };
    for metric in &mut metrics {
        each_member(metric, shapes, |member, part, fields| {
            let mut made = Map::new();
            for (old, path) in fields {
                if let Some(value) = part.remove(*old) {
                    insert(&mut made, path, value);
                }
            }
            let target = made.get_mut("target").and_then(Value::as_object_mut);
            if let Some(target) = target {
                target.insert("type".to_owned(), target_type(member, target).into());
            }
            *part = made;
        });
    }
    Some(metrics)
}

/// What a target is of, which `v1` does not say.
fn target_type(member: &str, target: &Map<String, Value>) -> &'static str {
    let has = |name: &str| target.contains_key(name);
    match member {
        "resource" | "containerResource" if has("averageUtilization") => "Utilization",
        "external" if has("value") => "Value",
        "object" if !has("averageValue") => "Value",
        _ => "AverageValue",
    }
}

/// The metrics as an annotation has them; none if there are none.
fn older<'a>(
    types: &Types,
    name: &str,
    metrics: impl Iterator<Item = &'a Value>,
    shapes: &[Shape],
) -> Option<String> {
    let made = metrics.filter_map(|metric| {
        let mut metric = metric.clone();
        each_member(&mut metric, shapes, |_, part, fields| {
            let mut made = Map::new();
            for (old, path) in fields {
                if let Some(value) = at(part, path) {
                    made.insert((*old).to_owned(), value.clone());
                }
            }
            *part = made;
        });
        printed(types, name, &metric)
    });
    joined(made.collect())
}

/// Each kind of metric that is there, with the members that it has.
fn each_member(
    metric: &mut Value,
    shapes: &[Shape],
    mut act: impl FnMut(&str, &mut Map<String, Value>, &[(&'static str, &'static str)]),
) {
    for (member, fields) in shapes {
        if let Some(Value::Object(part)) = metric.get_mut(*member) {
            act(member, part, fields);
        }
    }
}

fn at<'a>(part: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('/') {
        Some((outer, inner)) => part.get(outer)?.get(inner),
        None => part.get(path),
    }
}

fn insert(part: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('/') {
        Some((outer, inner)) => {
            let outer = part.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if let Some(outer) = outer.as_object_mut() {
                outer.insert(inner.to_owned(), value);
            }
        }
        None => drop(part.insert(path.to_owned(), value)),
    }
}

/// The value as JSON of a type of `v1`: with its members in their order, and those that are never left out.
fn printed(types: &Types, name: &str, value: &Value) -> Option<String> {
    let object = read(types, "autoscaling/v1", name, value)?;
    let mut text = Vec::new();
    json::encode(types, &object, &mut text);
    String::from_utf8(text).ok()
}

fn read(types: &Types, package: &str, name: &str, value: &Value) -> Option<Struct> {
    let ty = types.find(package, name)?;
    let decoded = json::decode(types, ty, value.to_string().as_bytes(), Options::default());
    Some(decoded.ok()?.object)
}

fn internal(types: &Types, behavior: &Value) -> Option<String> {
    let read = read(
        types,
        "autoscaling/v2",
        "HorizontalPodAutoscalerBehavior",
        behavior,
    )?;
    Some(kinds::internal_json(Ref::new(types, &read)))
}

fn joined(printed: Vec<String>) -> Option<String> {
    (!printed.is_empty()).then(|| format!("[{}]", printed.join(",")))
}

/// Every name with a small letter at its beginning.
fn small_names(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (small(&name), small_names(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(small_names).collect()),
        plain => plain,
    }
}

fn small(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn of_cpu(side: &str, percent: &Value) -> Value {
    let mut value = Map::new();
    if side == "target" {
        value.insert("type".to_owned(), "Utilization".into());
    }
    value.insert("averageUtilization".to_owned(), percent.clone());
    serde_json::json!({"type": "Resource", "resource": {"name": "cpu", side: value}})
}

fn is_of_cpu(metric: &Value) -> bool {
    metric.pointer("/resource/name").is_some_and(|name| name == "cpu")
}

/// The utilisation of the CPU, if this is about it.
fn utilization(metric: &Value, side: &str) -> Option<Value> {
    let found = metric.pointer(&format!("/resource/{side}/averageUtilization"));
    found.filter(|_| is_of_cpu(metric)).cloned()
}

fn items(list: Option<Value>) -> Vec<Value> {
    match list {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn list(all: Vec<Value>) -> Option<Value> {
    (!all.is_empty()).then_some(Value::Array(all))
}

fn take(object: &mut Map<String, Value>, part: &str, member: &str) -> Option<Value> {
    object.get_mut(part)?.as_object_mut()?.remove(member)
}

fn put(object: &mut Map<String, Value>, part: &str, member: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let part = object.entry(part).or_insert_with(|| Value::Object(Map::new()));
    if let Some(part) = part.as_object_mut() {
        part.insert(member.to_owned(), value);
    }
}

fn annotations(object: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata
        .entry("annotations")
        .or_insert_with(|| Value::Object(Map::new()));
    annotations.as_object_mut()
}

fn take_annotation(object: &mut Map<String, Value>, key: &str) -> Option<Value> {
    let text = annotations(object)?.remove(key)?;
    serde_json::from_str(text.as_str()?).ok()
}

fn annotate(object: &mut Map<String, Value>, key: &str, text: Option<String>) {
    if let (Some(text), Some(annotations)) = (text, annotations(object)) {
        annotations.insert(key.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use schema::BUILTIN;

    use super::*;

    fn both(v2: &str) -> (Value, Value) {
        let read = serde_json::from_str(v2).unwrap();
        let mut object: Map<String, Value> = read;
        from_v2(&BUILTIN, &mut object);
        let v1 = Value::Object(object.clone());
        to_v2(&BUILTIN, &mut object);
        (v1, Value::Object(object))
    }

    #[test]
    fn what_the_older_version_has_no_member_for_stands_in_annotations() {
        let v2 = r#"{"metadata":{"annotations":{"a":"b"}},"spec":{"maxReplicas":3,"metrics":[
            {"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}},
            {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}},
            {"type":"Pods","pods":{"metric":{"name":"p","selector":{"matchLabels":{"x":"y"}}},"target":{"type":"AverageValue","averageValue":"1"}}},
            {"type":"Object","object":{"describedObject":{"kind":"K","name":"n","apiVersion":"v"},"metric":{"name":"o"},"target":{"type":"Value","value":"2"}}},
            {"type":"External","external":{"metric":{"name":"e"},"target":{"type":"AverageValue","averageValue":"3"}}},
            {"type":"ContainerResource","containerResource":{"name":"cpu","container":"c","target":{"type":"Utilization","averageUtilization":7}}}],
            "behavior":{"scaleDown":{"stabilizationWindowSeconds":5,"policies":[{"type":"Pods","value":1,"periodSeconds":2}]}}},
            "status":{"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":9,"averageValue":"10m"}}}],
            "conditions":[{"type":"AbleToScale","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z","reason":"r"}]}}"#;
        let (v1, back) = both(v2);
        let kept = |name: &str| {
            let path = format!("/metadata/annotations/autoscaling.alpha.kubernetes.io~1{name}");
            v1.pointer(&path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let metrics = concat!(
            r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}},"#,
            r#"{"type":"Pods","pods":{"metricName":"p","targetAverageValue":"1","selector":{"matchLabels":{"x":"y"}}}},"#,
            r#"{"type":"Object","object":{"target":{"kind":"K","name":"n","apiVersion":"v"},"metricName":"o","targetValue":"2"}},"#,
            r#"{"type":"External","external":{"metricName":"e","targetAverageValue":"3"}},"#,
            r#"{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":7,"container":"c"}}]"#,
        );
        assert_eq!(kept("metrics"), metrics);
        let behavior = concat!(
            r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":5,"SelectPolicy":null,"#,
            r#""Policies":[{"Type":"Pods","Value":1,"PeriodSeconds":2}],"Tolerance":null}}"#,
        );
        assert_eq!(kept("behavior"), behavior);
        let current = r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":9,"currentAverageValue":"10m"}}]"#;
        assert_eq!(kept("current-metrics"), current);
        let conditions = r#"[{"type":"AbleToScale","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z","reason":"r"}]"#;
        assert_eq!(kept("conditions"), conditions);
        assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(v1["status"]["currentCPUUtilizationPercentage"], 9);

        let mut expected: Value = serde_json::from_str(v2).unwrap();
        let metrics = expected["spec"]["metrics"].as_array_mut().unwrap();
        let cpu = metrics.remove(1);
        metrics.push(cpu);
        let mut back = back;
        let rules = back["spec"]["behavior"]["scaleDown"].as_object_mut().unwrap();
        rules.retain(|_, value| !value.is_null());
        let behavior = back["spec"]["behavior"].as_object_mut().unwrap();
        behavior.retain(|_, value| !value.is_null());
        assert_eq!(back, expected);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let v1 = r#"{"metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/metrics":"x"}},"spec":{"targetCPUUtilizationPercentage":5}}"#;
        let mut object: Map<String, Value> = serde_json::from_str(v1).unwrap();
        to_v2(&BUILTIN, &mut object);
        let spec = r#"{"metrics":[{"resource":{"name":"cpu","target":{"averageUtilization":5,"type":"Utilization"}},"type":"Resource"}]}"#;
        assert_eq!(object["spec"].to_string(), spec);
        assert_eq!(object["metadata"].to_string(), r#"{"annotations":{}}"#);
    }
}
