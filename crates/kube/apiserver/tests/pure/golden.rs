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

#[rustfmt::skip]
const DIFFERS: &[Differs] = &[
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
            "clusterIP" => json!("<ip>"),
            "clusterIPs" => json!(["<ip>"]),
            _ => normal(value),
        };
        (name, value)
    };
    members.into_iter().map(member).collect()
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
            assert_eq!(door.send(method, path, body).code, 201, "{path}");
        }
        let got = ask(&door, &fact);
        let body = serde_json::from_str(&got.text).unwrap_or(Value::String(got.text.clone()));
        let mut found = Vec::new();
        let recorded = answer(&fact["status"], fact["response"].clone());
        differences(&recorded, &answer(&json!(got.code), body), "", &mut found);
        for (at, here) in found {
            let listed = DIFFERS
                .iter()
                .position(|(of, pointer, today, _)| *of == case && *pointer == at && *today == here);
            match listed {
                Some(row) => used[row] = true,
                None => unlisted.push(format!(
                    "{case} {at}\n   was {}\n    is {here}",
                    recorded.pointer(&at).unwrap_or(&json!("absent"))
                )),
            }
        }
        cases += 1;
    }
    let stale = DIFFERS.iter().zip(used).filter(|(_, used)| !used);
    unlisted.extend(stale.map(|(row, _)| format!("{} {} does not differ so any more", row.0, row.1)));
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    assert_eq!(cases, 67);
}
