//! `RuntimeClass` (upstream's plugin of this name): what a pod's runtime takes for itself, and on which nodes it is there
//! (KEP-688).

use std::collections::BTreeMap;
use std::sync::Arc;

use kinds::quota::{Amount, amounts};
use schema::cursor::{self, Ref};
use schema::json::{self, Options};
use schema::object::{Meta, ScanError, View};
use schema::status::Status;
use schema::tree::{Struct, Value};
use serde::Deserialize;

use super::{Operation, Request};
use crate::Answer;

const CLASSES: &str = "/registry/runtimeclasses/";

/// What admission looks at of a RuntimeClass.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Class {
    overhead: Option<Overhead>,
    scheduling: Option<Scheduling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Overhead {
    pod_fixed: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Scheduling {
    node_selector: BTreeMap<String, String>,
    tolerations: Vec<Toleration>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Toleration {
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    operator: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    toleration_seconds: Option<i64>,
}

impl View for Class {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

fn creates_pod(request: &Request<'_>) -> bool {
    request.is("", "pods") && request.operation == Operation::Create
}

/// Gives a new pod its class's overhead, node selector and tolerations.
///
/// # Errors
/// 403 for a class that does not exist, and where the pod says something else.
pub(super) fn mutate(request: &Request<'_>, pod: Option<&mut Struct>) -> Answer<()> {
    let Some(pod) = pod.filter(|_| creates_pod(request)) else {
        return Ok(());
    };
    let Some(class) = class(request, Ref::new(request.types, pod))? else {
        return Ok(());
    };
    if let Some(overhead) = &class.overhead {
        let own = Ref::new(request.types, pod).path("spec.overhead");
        if own.exists() && !same(own, overhead) {
            return Err(differs(request, Ref::new(request.types, pod)));
        }
        let fixed = overhead.pod_fixed.iter();
        let fixed = fixed.map(|(name, amount)| (name.as_str().into(), Value::str(amount)));
        let map = schema::tree::Map::from_entries(fixed.collect());
        cursor::set(request.types, pod, "spec.overhead", Value::Map(Box::new(map)));
    }
    match &class.scheduling {
        Some(scheduling) => schedule(request, pod, scheduling),
        None => Ok(()),
    }
}

fn class(request: &Request<'_>, pod: Ref<'_>) -> Answer<Option<Arc<Class>>> {
    let Some(name) = pod.path("spec.runtimeClassName").text() else {
        return Ok(None);
    };
    match request.op.state.cache.snapshot(CLASSES).get(name) {
        Some(class) => Ok(Some(class.view().map_err(Status::internal)?)),
        None => {
            let why = format!("pod rejected: RuntimeClass {name:?} not found");
            Err(request.forbidden(Some(pod), &why))
        }
    }
}

fn same(own: Ref<'_>, overhead: &Overhead) -> bool {
    let wanted = overhead.pod_fixed.iter();
    amounts(own)
        == wanted
            .map(|(name, text)| (name.clone(), Amount::read(text)))
            .collect()
}

fn differs(request: &Request<'_>, pod: Ref<'_>) -> crate::Refused {
    let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
    request.forbidden(Some(pod), why)
}

fn schedule(request: &Request<'_>, pod: &mut Struct, scheduling: &Scheduling) -> Answer<()> {
    let own = Ref::new(request.types, pod).path("spec.nodeSelector");
    for (key, value) in &scheduling.node_selector {
        let other = own.at(key).text().filter(|own| own != value);
        if let Some(other) = other {
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {other}"
            );
            return Err(request.forbidden(Some(Ref::new(request.types, pod)), &why));
        }
    }
    if !scheduling.node_selector.is_empty()
        && let Some(selector) = cursor::map_mut(request.types, pod, "spec.nodeSelector")
    {
        let wanted = scheduling.node_selector.iter();
        wanted.for_each(|(key, value)| selector.insert(key, Value::str(value)));
    }
    tolerate(request, pod, &scheduling.tolerations)
}

fn tolerate(request: &Request<'_>, pod: &mut Struct, more: &[Toleration]) -> Answer<()> {
    if more.is_empty() {
        return Ok(());
    }
    let own = Ref::new(request.types, pod).path("spec.tolerations");
    let own = if own.exists() { own.json() } else { "[]".to_owned() };
    let mut all: Vec<Toleration> = serde_json::from_str(&own).map_err(Status::internal)?;
    all.extend_from_slice(more);
    let text = serde_json::json!({"tolerations": merged(&all)}).to_string();
    let ty = request.types.find("core/v1", "PodSpec");
    let decoded = ty.map(|ty| json::decode(request.types, ty, text.as_bytes(), Options::default()));
    if let Some(Ok(decoded)) = decoded
        && let Some(list) = Ref::new(request.types, &decoded.object).at("tolerations").value()
    {
        cursor::set(request.types, pod, "spec.tolerations", list.clone());
    }
    Ok(())
}

/// All of them but those that another one covers; of equal ones the first.
fn merged(all: &[Toleration]) -> Vec<&Toleration> {
    let mut merged: Vec<&Toleration> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let later = all[at + 1..]
            .iter()
            .any(|other| other != one && covers(other, one));
        if !later && !merged.iter().any(|other| covers(other, one)) {
            merged.push(one);
        }
    }
    merged
}

/// Whether what the second tolerates, the first does too.
fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let any_key = wide.key.is_empty() && wide.operator == "Exists";
    let effect = wide.effect.is_empty() || wide.effect == narrow.effect;
    if (wide.key != narrow.key && !any_key) || !effect {
        return false;
    }
    let longer = match (wide.toleration_seconds, narrow.toleration_seconds) {
        (Some(wide), Some(narrow)) => narrow <= wide,
        (Some(_), None) => false,
        (None, _) => true,
    };
    let bounded = wide.effect == "NoExecute";
    if bounded && !longer {
        return false;
    }
    match wide.operator.as_str() {
        "Exists" => true,
        "Equal" | "" => ["Equal", ""].contains(&narrow.operator.as_str()) && wide.value == narrow.value,
        _ => false,
    }
}

/// A pod's overhead is its class's, and nobody's else.
///
/// # Errors
/// 403
pub(super) fn validate(request: &Request<'_>, pod: Option<Ref<'_>>) -> Answer<()> {
    let Some(pod) = pod.filter(|_| creates_pod(request)) else {
        return Ok(());
    };
    let own = pod.path("spec.overhead");
    let class = class(request, pod)?;
    match class.as_ref().and_then(|class| class.overhead.as_ref()) {
        Some(overhead) if !same(own, overhead) => Err(differs(request, pod)),
        None if own.exists() => {
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            Err(request.forbidden(Some(pod), why))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toleration(text: &str) -> Toleration {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_another_covers_is_left_out() {
        let all = [
            r#"{"key":"a","operator":"Exists"}"#,
            r#"{"key":"a","operator":"Equal","value":"1","effect":"NoSchedule"}"#,
            r#"{"key":"b","operator":"Equal","value":"1","effect":"NoExecute","tolerationSeconds":5}"#,
            r#"{"key":"b","value":"1","effect":"NoExecute","tolerationSeconds":9}"#,
            r#"{"key":"a","operator":"Exists"}"#,
        ];
        let all: Vec<Toleration> = all.iter().map(|text| toleration(text)).collect();
        let kept: Vec<&str> = merged(&all).iter().map(|one| one.key.as_str()).collect();
        assert_eq!(kept, ["a", "b"]);
        assert_eq!(merged(&all)[1].toleration_seconds, Some(9));
    }

    #[test]
    fn everything_covers_everything() {
        let all = [
            r#"{"key":"a","value":"1"}"#,
            r#"{"operator":"Exists"}"#,
            r#"{"key":"b","operator":"Exists","effect":"NoExecute"}"#,
        ];
        let all: Vec<Toleration> = all.iter().map(|text| toleration(text)).collect();
        assert_eq!(merged(&all), [&all[1]]);
    }
}
