//! Recorded answers of a real kube-apiserver 1.20, asked of this server: statuses, messages, causes, whole objects.
//!
//! `golden-1.20.jsonl` is derived from the recording by `cargo xtask codegen`. What differs by pointer has a row in
//! [`DIFFERS`] with the answer of today and the reason; a row that no longer differs fails the test too.

use http::Request;
use serde_json::{Map, Value, json};

use crate::door::{Door, Got};

const FACTS: &str = include_str!("golden-1.20.jsonl");

/// What the recording did before a case: the case, the method, the path, the body.
const BEFORE: &[(&str, &str, &str, &str)] = &[
    (
        "already exists",
        "POST",
        "/api/v1/namespaces/default/configmaps",
        r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#,
    ),
    (
        "deployment invalid",
        "POST",
        "/apis/apps/v1/namespaces/default/deployments",
        r#"{"metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#,
    ),
];

/// A case, a pointer into the answer (the status is at `/code` even of what is no Status), what is there today, and
/// why. `absent` stands for a member that is not there.
type Differs = (&'static str, &'static str, &'static str, &'static str);

/// Wording, defaults and members that are newer than the recording.
const NEWER: &str = "v1.36 words or shows it so";
const GENERATION: &str = "pods and more kinds count generations since 1.33";
const SCHEDULER: &str = "the recording had a scheduler";
const EMPTY_MAP: &str = "who applies an empty map owns it since structured-merge-diff 4.1";
const LABELLED: &str = "namespaces are labelled with their name since 1.21";
const RESETS: &str = "a status that the path cannot set is not owned since 1.22";

/// Cases that wait for another room of this work.
const PENDING: &[&str] = &[
    "cr invalid",
    "cr missing",
    "crd",
    "crd bad",
    "job",
    "pod create",
    "pod image update",
    "pod many errors",
    "pod strategic add",
    "pvc",
    "role escalation",
    "service ip outside",
    "service ip taken",
];

#[rustfmt::skip]
const DIFFERS: &[Differs] = &[
    ("bad accept", "/details", "absent", NEWER),
    ("bad accept", "/message", r#""only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf""#, NEWER),
    ("patch unsupported media", "/details", "absent", NEWER),
    ("patch unsupported media", "/message", r#""the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml""#, NEWER),
    ("apply drop field", "/metadata/managedFields", "*", EMPTY_MAP),
    ("apply unknown field", "/message", r#""failed to create typed patch object (/s; /v1, Kind=ConfigMap): .zz: field not declared in schema""#, NEWER),
    ("dry run bad", "/details/causes/0/message", r#""Unsupported value: [\"Zz\"]: supported values: \"All\"""#, NEWER),
    ("dry run bad", "/message", r#""CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Zz\"]: supported values: \"All\"""#, NEWER),
    ("pod bad quantity", "/message", r#""Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'""#, NEWER),
    ("pod forbidden update", "/details/causes/0/message", r#""Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n  {\n+ \tnodeSelector: {\"a\":\"b\"},\n  \t... // unchanged fields\n  }\n""#, NEWER),
    ("pod forbidden update", "/message", r#""Pod \"p1\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n  {\n+ \tnodeSelector: {\"a\":\"b\"},\n  \t... // unchanged fields\n  }\n""#, NEWER),
    ("table", "/columnDefinitions/3/type", r#""string""#, NEWER),
    ("table", "/rows/0/cells/3", r#""0""#, NEWER),
    ("table", "/rows/0/object/metadata/generation", "3", GENERATION),
    ("table", "/rows/0/object/metadata/managedFields", "*", SCHEDULER),
    ("deployment invalid", "/details/causes/1/message", r#""Invalid value: {\"a\":\"c\"}: `selector` does not match template `labels`""#, NEWER),
    ("deployment invalid", "/details/causes/2/message", r#""Invalid value: 0: may not be 0 when `maxSurge` is 0""#, NEWER),
    ("deployment invalid", "/message", r#""Deployment.apps \"d2\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match template `labels`, spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0]""#, NEWER),
    ("deployment selector immutable", "/details/causes/0/message", r#""Invalid value: {\"matchLabels\":{\"a\":\"z\"}}: field is immutable""#, NEWER),
    ("deployment selector immutable", "/message", r#""Deployment.apps \"d\" is invalid: spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"z\"}}: field is immutable""#, NEWER),
    ("service defaults", "/metadata/managedFields/0/fieldsV1/f:spec/f:internalTrafficPolicy", "{}", NEWER),
    ("service defaults", "/metadata/managedFields/0/fieldsV1/f:spec/f:selector/.", "absent", NEWER),
    ("service defaults", "/metadata/managedFields/0/fieldsV1/f:spec/f:selector/f:a", "absent", NEWER),
    ("service defaults", "/spec/internalTrafficPolicy", r#""Cluster""#, NEWER),
    ("service defaults", "/spec/ipFamilies", r#"["IPv4"]"#, NEWER),
    ("service defaults", "/spec/ipFamilyPolicy", r#""SingleStack""#, NEWER),
    ("secret bad base64", "/message", r#""Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 0""#, NEWER),
    ("namespace", "/metadata/labels", r#"{"kubernetes.io/metadata.name":"n1"}"#, LABELLED),
    ("namespace", "/metadata/managedFields/0/fieldsV1/f:metadata", r#"{"f:labels":{".":{},"f:kubernetes.io/metadata.name":{}}}"#, LABELLED),
    ("namespace", "/metadata/managedFields/0/fieldsV1/f:status", "absent", RESETS),
    ("namespace delete", "/metadata/deletionGracePeriodSeconds", "0", NEWER),
    ("namespace delete", "/metadata/labels", r#"{"kubernetes.io/metadata.name":"n1"}"#, LABELLED),
    ("namespace delete", "/metadata/managedFields/0/fieldsV1/f:metadata", r#"{"f:labels":{".":{},"f:kubernetes.io/metadata.name":{}}}"#, LABELLED),
    ("namespace delete", "/metadata/managedFields/0/fieldsV1/f:status", "absent", RESETS),
    ("pv", "/details/causes/2/message", r#""Unsupported value: \"\": supported values: \"storage\"""#, NEWER),
    ("pv", "/message", r#""PersistentVolume \"v\" is invalid: [spec.accessModes: Required value, spec.capacity: Required value, spec.capacity: Unsupported value: \"\": supported values: \"storage\", spec: Required value: must specify a volume type]""#, NEWER),
];

fn ask(door: &Door, fact: &Value) -> Got {
    let text = |name: &str| fact[name].as_str().unwrap_or_default();
    let path = text("path");
    let mut request = Request::builder().method(text("method")).uri(path);
    let content = fact["content"].as_str().unwrap_or("application/json");
    request = request.header("content-type", content);
    let accept = fact["accept"].as_str().unwrap_or("application/json");
    request = request.header("accept", accept);
    let body = match (&fact["raw"], &fact["body"]) {
        (Value::String(raw), _) => raw.clone(),
        (_, Value::Null) => String::new(),
        (_, body) => body.to_string(),
    };
    if text("case") == "forbidden" {
        return door.anonymous(request, &body);
    }
    door.request(request, &live(door, path, body))
}

/// A recorded body about an object that has another uid and version here.
fn live(door: &Door, path: &str, body: String) -> String {
    const RECORDED: [(&str, &str); 2] = [
        ("5eadf8f3-5c91-46d6-9f15-21d10128aa05", "/metadata/uid"),
        ("\"298\"", "/metadata/resourceVersion"),
    ];
    if !RECORDED.iter().any(|(recorded, _)| body.contains(recorded)) {
        return body.replace("10.96.", "10.43.");
    }
    let object = door.send("GET", path, "");
    RECORDED.iter().fold(body, |body, (recorded, pointer)| {
        let value = object.at(pointer);
        let here = value.as_str().unwrap();
        let here = if recorded.starts_with('"') {
            format!("\"{here}\"")
        } else {
            here.to_owned()
        };
        body.replace(recorded, &here)
    })
}

/// What every run makes anew is replaced by its name; which hand wrote when is no fact.
fn normal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(normal_text(&text)),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => Value::Object(normal_members(members)),
        other => other,
    }
}

fn normal_members(mut members: Map<String, Value>) -> Map<String, Value> {
    if let (Some(prefix), true) = (members.get("generateName").cloned(), members.contains_key("name")) {
        members.insert(
            "name".into(),
            json!(format!("{}<random>", prefix.as_str().unwrap())),
        );
    }
    let member = |(name, value): (String, Value)| {
        let value = match name.as_str() {
            "resourceVersion" => json!("<rv>"),
            // Prose is left out of the facts, and ours is our own.
            "columnDefinitions" => normal(without_descriptions(value)),
            "clusterIP" => json!("<ip>"),
            "clusterIPs" => json!(["<ip>"]),
            _ => normal(value),
        };
        (name, value)
    };
    members.into_iter().map(member).collect()
}

fn without_descriptions(mut columns: Value) -> Value {
    for column in columns.as_array_mut().into_iter().flatten() {
        column.as_object_mut().map(|column| column.remove("description"));
    }
    columns
}

fn normal_text(text: &str) -> String {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uuid = |text: &str| {
        text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hex)
    };
    let is_time = |text: &str| text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    let mut out = text.replace("10.96.0.", "10.43.0.");
    for word in text.split(|c: char| " .()".contains(c)) {
        if is_uuid(word) {
            out = out.replace(word, "<uid>");
        } else if is_time(word) {
            out = out.replace(word, "<time>");
        }
    }
    out
}

/// Every pointer at which two answers differ, with what the second has.
fn differences(recorded: &Value, got: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match (recorded, got) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for name in names {
                let (left, right) = (left.get(name), right.get(name));
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                match (left, right) {
                    (Some(left), Some(right)) => differences(left, right, &at, found),
                    (_, Some(right)) => found.push((at, right.to_string())),
                    _ => found.push((at, "absent".to_owned())),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(left, right, &format!("{at}/{index}"), found);
            }
        }
        _ if recorded != got => found.push((at.to_owned(), got.to_string())),
        _ => {}
    }
}

fn answer(code: &Value, body: Value) -> Value {
    let mut body = normal(body);
    if body.is_object() {
        body["code"] = code.clone();
        body
    } else {
        json!({"code": code, "text": body})
    }
}

#[test]
fn what_a_real_server_answered() {
    let door = Door::open();
    let (mut unlisted, mut used) = (Vec::new(), vec![false; DIFFERS.len()]);
    let mut cases = 0;
    for line in FACTS.lines() {
        let fact: Value = serde_json::from_str(line).unwrap();
        let case = fact["case"].as_str().unwrap();
        for (_, method, path, body) in BEFORE.iter().filter(|step| step.0 == case) {
            let step = Request::builder()
                .method(*method)
                .uri(*path)
                .header("content-type", "application/json");
            assert_eq!(door.request(step, body).code, 201, "{path}");
        }
        let got = ask(&door, &fact);
        let body = serde_json::from_str(&got.text).unwrap_or(Value::String(got.text.clone()));
        cases += 1;
        let mut found = Vec::new();
        let recorded = answer(&fact["status"], fact["response"].clone());
        differences(&recorded, &answer(&json!(got.code), body), "", &mut found);
        if PENDING.contains(&case) {
            continue;
        }
        for (at, here) in found {
            let listed = DIFFERS.iter().position(|(of, pointer, today, _)| {
                *of == case && *pointer == at && ["*", here.as_str()].contains(today)
            });
            match listed {
                Some(row) => used[row] = true,
                None => unlisted.push(format!(
                    "{case} {at}\n   was {}\n    is {here}",
                    recorded.pointer(&at).unwrap_or(&json!("absent"))
                )),
            }
        }
    }
    let stale = DIFFERS.iter().zip(used).filter(|(_, used)| !used);
    unlisted.extend(stale.map(|(row, _)| format!("{} {} does not differ so any more", row.0, row.1)));
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    assert_eq!(cases, 67);
}
