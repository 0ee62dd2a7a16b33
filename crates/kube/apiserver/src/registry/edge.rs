//! What differs between two versions of one resource, as data: members that are called differently, members that
//! only one version has, and two that are text in one and a structure in the other.

use schema::json::{self, Options};
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::Struct;
use serde_json::{Map, Value};

use crate::Answer;

/// Makes the tree one of another type: through JSON, since rarely asked for.
///
/// # Errors
/// 500 when what comes out is not an object of that type.
pub(crate) fn convert(types: &Types, tree: Struct, to: TypeId) -> Answer<Struct> {
    let mut text = Vec::new();
    json::encode(types, &tree, &mut text);
    let text = match (types.type_name(tree.ty), types.type_name(to)) {
        _ if types.is_custom() => text,
        (("events/v1", "Event"), ("core/v1", "Event")) => edit(&text, event_to_core)?,
        (("core/v1", "Event"), ("events/v1", "Event")) => edit(&text, event_from_core)?,
        (("autoscaling/v1", "HorizontalPodAutoscaler"), _) => edit(&text, autoscaler_to_v2)?,
        (_, ("autoscaling/v1", "HorizontalPodAutoscaler")) => edit(&text, autoscaler_from_v2)?,
        _ => text,
    };
    let decoded = json::decode(types, to, &text, Options::default());
    Ok(decoded.map_err(Status::internal)?.object)
}

fn edit(text: &[u8], change: fn(&mut Map<String, Value>)) -> Answer<Vec<u8>> {
    let mut object = serde_json::from_slice(text).map_err(Status::internal)?;
    change(&mut object);
    serde_json::to_vec(&object).map_err(|error| Status::internal(error).into())
}

/// `core/v1` name, `events.k8s.io/v1` name.
const EVENT_NAMES: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("source", "deprecatedSource"),
];

/// The same for members that the reporter fills in.
const REPORTER_NAMES: [(&str, &str); 1] = [("reportingComponent", "reportingController")];

fn event_to_core(event: &mut Map<String, Value>) {
    for (core, own) in EVENT_NAMES.into_iter().chain(REPORTER_NAMES) {
        rename(event, own, core);
    }
}

fn event_from_core(event: &mut Map<String, Value>) {
    for (core, own) in EVENT_NAMES.into_iter().chain(REPORTER_NAMES) {
        rename(event, core, own);
    }
}

fn rename(object: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = object.remove(from) {
        object.insert(to.to_owned(), value);
    }
}

/// Where `autoscaling/v1` keeps what only `v2` has a member for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// What `autoscaling/v1` aims at where nothing is said: percent of the processor time that pods ask for.
const IMPLIED_CPU: u8 = 80;

fn autoscaler_to_v2(object: &mut Map<String, Value>) {
    let kept = |object: &mut Map<String, Value>, key| take_annotation(object, key);
    let (metrics, behavior) = (kept(object, METRICS), kept(object, BEHAVIOR));
    let (current, conditions) = (kept(object, CURRENT_METRICS), kept(object, CONDITIONS));
    let target = take(object, "spec", "targetCPUUtilizationPercentage");
    let mut all = Vec::new();
    all.extend(target.map(|percent| cpu_metric("target", "averageUtilization", &percent)));
    extend(&mut all, metrics);
    if all.is_empty() {
        all.push(cpu_metric("target", "averageUtilization", &IMPLIED_CPU.into()));
    }
    put(object, "spec", "metrics", Some(Value::Array(all)));
    put(object, "spec", "behavior", behavior);
    let used = take(object, "status", "currentCPUUtilizationPercentage");
    let mut all = Vec::new();
    all.extend(used.map(|percent| cpu_metric("current", "averageUtilization", &percent)));
    extend(&mut all, current);
    put(
        object,
        "status",
        "currentMetrics",
        (!all.is_empty()).then_some(Value::Array(all)),
    );
    put(object, "status", "conditions", conditions);
}

fn autoscaler_from_v2(object: &mut Map<String, Value>) {
    let (percent, rest) = split_cpu(take(object, "spec", "metrics"), "target");
    put(object, "spec", "targetCPUUtilizationPercentage", percent);
    annotate(object, METRICS, rest);
    let behavior = take(object, "spec", "behavior");
    annotate(object, BEHAVIOR, behavior);
    let (percent, rest) = split_cpu(take(object, "status", "currentMetrics"), "current");
    put(object, "status", "currentCPUUtilizationPercentage", percent);
    annotate(object, CURRENT_METRICS, rest);
    let conditions = take(object, "status", "conditions");
    annotate(object, CONDITIONS, conditions);
}

fn cpu_metric(side: &str, member: &str, percent: &Value) -> Value {
    let mut value = Map::new();
    if side == "target" {
        value.insert("type".to_owned(), "Utilization".into());
    }
    value.insert(member.to_owned(), percent.clone());
    serde_json::json!({"type": "Resource", "resource": {"name": "cpu", side: value}})
}

/// The utilisation of the CPU, and all other metrics.
fn split_cpu(metrics: Option<Value>, side: &str) -> (Option<Value>, Option<Value>) {
    let Some(Value::Array(mut metrics)) = metrics else {
        return (None, None);
    };
    let percent = |metric: &Value| {
        let resource = metric.get("resource")?;
        let of_cpu = resource.get("name")? == "cpu";
        resource
            .get(side)?
            .get("averageUtilization")
            .filter(|_| of_cpu)
            .cloned()
    };
    let at = metrics.iter().position(|metric| percent(metric).is_some());
    let found = at.and_then(|at| percent(&metrics.remove(at)));
    (found, (!metrics.is_empty()).then_some(Value::Array(metrics)))
}

fn extend(all: &mut Vec<Value>, more: Option<Value>) {
    if let Some(Value::Array(more)) = more {
        all.extend(more);
    }
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

fn annotate(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let (Some(value), Some(annotations)) = (value, annotations(object)) {
        annotations.insert(key.to_owned(), value.to_string().into());
    }
}
