//! What is wrong with a request is said in upstream's words, with upstream's codes.

use crate::door::Door;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A server with the map `a` in it.
fn door() -> Door {
    let door = Door::open();
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}"#;
    assert_eq!(door.send("POST", MAPS, body).code, 201);
    door
}

/// Method, path, type, body; code, message.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static str,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("POST", MAPS, JSON, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#,
        409, r#"configmaps "a" already exists"#),
    ("POST", MAPS, JSON, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}"#,
        422, r#"ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#),
    ("POST", MAPS, JSON, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"q","namespace":"other"}}"#,
        400, "the namespace of the provided object does not match the namespace sent on the request"),
    ("POST", MAPS, JSON, r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}"#,
        400, r#"Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"#),
    ("POST", MAPS, JSON, r#"{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"x"}}"#,
        400, r#"ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30""#),
    ("POST", MAPS, JSON, r#"{"a":"#,
        400, r#"the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({"a":)"#),
    ("POST", MAPS, "text/plain", "{}",
        415, "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf"),
    ("POST", "/api/v1/namespaces/default/configmaps?dryRun=Zz", JSON, r#"{"metadata":{"name":"d"}}"#,
        422, r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Zz"]: supported values: "All""#),
    ("POST", "/api/v1/namespaces/default/configmaps?fieldValidation=Strict", JSON, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"u"},"zz":1}"#,
        400, r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "zz""#),
    ("POST", "/api/v1/namespaces/default/configmaps/a", JSON, "{}",
        405, "the server does not allow this method on the requested resource"),
    ("GET", "/api/v1/namespaces/default/zzzs", JSON, "",
        404, "the server could not find the requested resource"),
    ("GET", "/api/v1/namespaces/default/configmaps/none", JSON, "",
        404, r#"configmaps "none" not found"#),
    ("DELETE", "/api/v1/namespaces/default/configmaps/none", JSON, "",
        404, r#"configmaps "none" not found"#),
    ("PUT", "/api/v1/namespaces/default/configmaps/a", JSON, r#"{"metadata":{"name":"a","resourceVersion":"1"}}"#,
        409, r#"Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#),
    ("PUT", "/api/v1/namespaces/default/configmaps/a", JSON, r#"{"metadata":{"name":"b"}}"#,
        400, "the name of the object (b) does not match the name on the URL (a)"),
    ("PATCH", "/api/v1/namespaces/default/configmaps/a", MERGE, r#"{"metadata":{"name":"b"}}"#,
        400, "the name of the object (b) does not match the name on the URL (a)"),
    ("PATCH", "/api/v1/namespaces/default/configmaps/a", JSON_PATCH, r#"[{"op":"test","path":"/data/k","value":"2"}]"#,
        422, "the server rejected our request due to an error in our request"),
    ("PATCH", "/api/v1/namespaces/default/configmaps/a", JSON, "{}",
        415, "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"),
    ("PATCH", "/api/v1/namespaces/default/configmaps/none", STRATEGIC, "{}",
        404, r#"configmaps "none" not found"#),
    ("PATCH", "/api/v1/namespaces/default/configmaps/s", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s"}}"#,
        422, r#"PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#),
    ("DELETE", "/api/v1/namespaces/default/configmaps/a", JSON, r#"{"propagationPolicy":"Sideways"}"#,
        422, r#"DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil""#),
    ("POST", "/api/v1/namespaces/default/pods/zz/binding", JSON, r#"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"zz"},"target":{"name":"n1"}}"#,
        404, r#"pods "zz" not found"#),
    ("GET", "/api/v1/namespaces/default/pods/zz/log", JSON, "",
        404, r#"pods "zz" not found"#),
];

#[test]
fn bad_input_is_refused_in_upstreams_words() {
    let door = door();
    for (method, path, content, body, code, message) in CASES {
        let got = door.send_as(method, path, content, body);
        assert_eq!(
            (got.code, got.message().as_str()),
            (*code, *message),
            "{method} {path} {body}"
        );
        assert_eq!(got.at("/code"), *code, "{method} {path}");
    }
}

#[test]
fn a_precondition_that_does_not_hold_names_both_values() {
    let door = door();
    let a = format!("{MAPS}/a");
    let uid = door.send("GET", &a, "").at("/metadata/uid");
    let uid = uid.as_str().unwrap();
    let got = door.send("DELETE", &a, r#"{"preconditions":{"uid":"nope"}}"#);
    let expected = format!(
        r#"Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (nope) does not match the UID in record ({uid}). The object might have been deleted and then recreated"#
    );
    assert_eq!((got.code, got.message()), (409, expected));
    let got = door.send("PUT", &a, r#"{"metadata":{"name":"a","uid":"zz"}}"#);
    let expected = format!(
        r#"Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: zz, UID in object meta: {uid}"#
    );
    assert_eq!((got.code, got.message()), (409, expected));
}

#[test]
fn an_accept_that_nothing_meets_is_told_what_there_is() {
    let door = door();
    let request = http::Request::get(format!("{MAPS}/a")).header("accept", "text/html");
    let got = door.request(request, "");
    assert_eq!(got.code, 406);
    assert!(
        got.message()
            .starts_with("only the following media types are accepted"),
        "{got:?}"
    );
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let door = door();
    let big = format!(
        r#"{{"metadata":{{"name":"big"}},"data":{{"k":"{}"}}}}"#,
        "x".repeat(3 << 20)
    );
    assert_eq!(door.send("POST", MAPS, &big).code, 413);
}

/// Work that grows with the square of what a body holds would take minutes here, and one worker of the server.
#[test]
fn bodies_full_of_faults_are_answered_like_any() {
    let door = door();
    let many = |each: &dyn Fn(usize) -> String| (0..20_000).map(each).collect::<Vec<_>>().join(",");
    let keys = many(&|at| format!(r#""!{at}":"""#));
    let owners = many(&|at| format!(r#"{{"apiVersion":"v1","kind":"Pod","name":"a","uid":"{at}"}}"#));
    let cases = [
        (format!(r#"{{"metadata":{{"name":"b"}},"data":{{{keys}}}}}"#), 422),
        (format!(r#"{{"metadata":{{"name":"b"}},{keys}}}"#), 201),
        (
            format!(r#"{{"metadata":{{"name":"c","ownerReferences":[{owners}]}}}}"#),
            201,
        ),
    ];
    for (body, code) in cases {
        let got = door.send("POST", MAPS, &body);
        assert_eq!(got.code, code, "{}", &got.text[..got.text.len().min(200)]);
    }
}
