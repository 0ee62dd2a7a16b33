//! Which paths there are, which methods they take, and in what form they answer.

use http::Request;
use serde_json::{Value, json};

use crate::door::{Door, Got};

const NOT_FOUND: &str = "the server could not find the requested resource";
const NOT_ALLOWED: &str = "the server does not allow this method on the requested resource";
const NO_PATH: &str = "404 page not found\n";

/// Method, path, status, message of the Status or the whole text.
type Case = (&'static str, &'static str, u16, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("GET", "/api/v1/namespaces/default/configmaps/", 200, ""),
    ("GET", "/api/v1/namespaces/default/configmaps/a/", 200, ""),
    ("GET", "/api/v1/namespaces/default/configmaps/a?watch=1", 200, ""),
    ("HEAD", "/api/v1/namespaces/default/configmaps/a", 405, NOT_ALLOWED),
    ("HEAD", "/api/v1/namespaces/default/configmaps", 405, NOT_ALLOWED),
    ("OPTIONS", "/api/v1/namespaces/default/configmaps", 405, NOT_ALLOWED),
    ("TRACE", "/api/v1/namespaces/default/configmaps", 405, NOT_ALLOWED),
    ("PUT", "/api/v1/namespaces/default/configmaps", 405, NOT_ALLOWED),
    ("PATCH", "/api/v1/namespaces/default/configmaps", 405, NOT_ALLOWED),
    ("POST", "/api/v1/namespaces/default/configmaps/a", 405, NOT_ALLOWED),
    ("POST", "/api/v1/configmaps", 405, NOT_ALLOWED),
    ("DELETE", "/api/v1/configmaps", 405, NOT_ALLOWED),
    ("DELETE", "/api/v1/namespaces", 405, NOT_ALLOWED),
    ("GET", "/api/v1/configmaps/a", 404, NOT_FOUND),
    ("GET", "/api/v1/namespaces/default/nodes", 404, NOT_FOUND),
    ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404, NOT_FOUND),
    ("GET", "/api/v1/namespaces/default/configmaps/a/b/c", 404, NOT_FOUND),
    ("GET", "/api/v1/namespaces/default/pods/p/nope", 404, NOT_FOUND),
    ("GET", "/api/v1/namespaces/default/pods/p/binding", 405, NOT_ALLOWED),
    ("GET", "/api/v1/namespaces/default/pods/p/eviction", 405, NOT_ALLOWED),
    ("DELETE", "/api/v1/namespaces/default/pods/p/status", 405, NOT_ALLOWED),
    ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405, NOT_ALLOWED),
    ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews/n", 404, NOT_FOUND),
    ("GET", "/api/v1/nopes", 404, NOT_FOUND),
    ("GET", "/apis/apps/v9/deployments", 404, NO_PATH),
    ("GET", "/apis/apps/v1beta1/deployments", 404, NO_PATH),
    ("GET", "/apis/nope.x.io/v1/things", 404, NO_PATH),
    ("GET", "/api/v9/pods", 404, NO_PATH),
    ("GET", "/nope", 404, NO_PATH),
    ("POST", "/nope", 404, NO_PATH),
    ("GET", "/api/v1/watch/namespaces/default/configmaps?timeoutSeconds=1", 200, ""),
    ("GET", "/api/v1/watch/namespaces/default/configmaps/a?timeoutSeconds=1", 200, ""),
    ("GET", "/api/v1/namespaces/default/configmaps?limit=x", 400, r#"strconv.ParseInt: parsing "x": invalid syntax"#),
    ("GET", "/api/v1/namespaces/default/configmaps?continue=x", 400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"),
    ("GET", "/api/v1/namespaces/default/configmaps?resourceVersion=x", 400, r#"invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax"#),
    ("GET", "/api/v1/namespaces/default/configmaps?timeout=x", 400, r#"invalid timeout specified in the request URL - time: invalid duration "x""#),
    ("GET", "/api/v1/namespaces/default/configmaps?resourceVersionMatch=Exact", 422, r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"#),
    ("GET", "/api/v1/namespaces/default/configmaps?sendInitialEvents=true", 422, r#"ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#),
    ("GET", "/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true", 422, r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"#),
    ("GET", "/api/v1/namespaces/default/configmaps/a?resourceVersion=99999999", 504, "Timeout: Too large resource version: 99999999, current: "),
];

fn door() -> Door {
    let door = Door::open();
    let made = door.send(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        r#"{"metadata":{"name":"a"}}"#,
    );
    assert_eq!(made.code, 201);
    door
}

#[test]
fn a_path_is_there_or_not_and_takes_a_method_or_not() {
    let door = door();
    let mut failures = Vec::new();
    for (method, path, code, says) in CASES {
        let got = door.request(Request::builder().method(*method).uri(*path), "");
        let status: Value = serde_json::from_str(&got.text).unwrap_or(Value::Null);
        let message = status["message"].as_str().unwrap_or(&got.text);
        let said = says.is_empty()
            || if says.ends_with(": ") {
                message.starts_with(says)
            } else {
                message == *says
            };
        if got.code != *code || !said {
            failures.push(format!("{method} {path}: {} {message}", got.code));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn get(door: &Door, path: &str, headers: &[(&str, &str)]) -> Got {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| {
        request.header(*name, *value)
    });
    door.request(request, "")
}

#[test]
fn people_get_it_indented_when_they_ask_or_look_like_people() {
    let door = door();
    let path = "/api/v1/namespaces/default/configmaps/a";
    let asked = get(&door, &format!("{path}?pretty=true"), &[]);
    assert!(
        asked.text.starts_with("{\n  \"kind\": \"ConfigMap\""),
        "{}",
        asked.text
    );
    let curl = get(&door, path, &[("user-agent", "curl/8.0")]);
    assert_eq!(curl.text, asked.text);
    let refused = get(
        &door,
        &format!("{path}?pretty=false"),
        &[("user-agent", "curl/8.0")],
    );
    assert!(refused.text.starts_with("{\"kind\":"), "{}", refused.text);
}

/// Go's encoder ends a line with a line feed, and its indented form with the last brace.
#[test]
fn refusals_and_discovery_are_indented_and_ended_as_objects_are() {
    let door = door();
    for path in [
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces/default/configmaps/absent",
        "/api",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
    ] {
        let plain = get(&door, path, &[]).text;
        assert!(
            plain.ends_with("}\n") && plain.lines().count() == 1,
            "{path}: {plain}"
        );
        let curl = get(&door, path, &[("user-agent", "curl/8.0")]).text;
        assert!(
            curl.starts_with("{\n  \"kind\": ") && curl.ends_with("\n}"),
            "{path}: {curl}"
        );
    }
}

#[test]
fn a_large_list_is_compressed_for_those_who_take_it() {
    let door = Door::open();
    let large = json!({"metadata": {"name": "large"}, "data": {"k": "x".repeat(300 << 10)}});
    let path = "/api/v1/namespaces/default/configmaps";
    assert_eq!(door.send("POST", path, &large.to_string()).code, 201);
    let object = get(&door, &format!("{path}/large"), &[("accept-encoding", "gzip")]);
    assert_eq!(object.headers["content-encoding"], "gzip");
    assert!(object.bytes.len() < 10_000, "{}", object.bytes.len());
    let plain = get(&door, &format!("{path}/large"), &[]);
    assert!(!plain.headers.contains_key("content-encoding"));
}

#[test]
fn every_answer_says_what_it_is_and_is_not_cached() {
    let door = door();
    for (path, content) in [
        ("/api/v1/namespaces/default/configmaps/a", "application/json"),
        ("/api/v1/namespaces/default/configmaps/none", "application/json"),
        ("/nope", "text/plain; charset=utf-8"),
        ("/version", "application/json"),
    ] {
        let got = get(&door, path, &[]);
        assert_eq!(got.headers["content-type"], content, "{path}");
        assert_eq!(got.headers["cache-control"], "no-cache, private", "{path}");
        assert!(got.headers.contains_key("audit-id"), "{path}");
    }
}

#[test]
fn a_refusal_keeps_its_warnings() {
    let door = door();
    let body = r#"{"metadata":{"name":"Bad_Name"},"zz":1}"#;
    let got = door.send("POST", "/api/v1/namespaces/default/configmaps", body);
    assert_eq!(
        (got.code, got.warnings.as_slice()),
        (422, &[r#"299 - "unknown field \"zz\"""#.to_owned()][..])
    );
}
