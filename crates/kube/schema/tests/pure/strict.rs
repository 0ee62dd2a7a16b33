//! Unknown and duplicate members and type errors, in upstream's words.

use schema::json::{self, Options};
use schema::resource::type_of_kind;
use schema::{BUILTIN, json::DecodeError};

fn issues(group: &str, kind: &str, json: &str) -> Vec<String> {
    let ty = type_of_kind(group, "v1", kind).unwrap();
    let decoded = json::decode(
        &BUILTIN,
        ty,
        json.as_bytes(),
        Options {
            report: true,
            ..Options::default()
        },
    );
    decoded.unwrap().issues.iter().map(ToString::to_string).collect()
}

fn error(group: &str, kind: &str, json: &str) -> String {
    let ty = type_of_kind(group, "v1", kind).unwrap();
    match json::decode(&BUILTIN, ty, json.as_bytes(), Options::default()) {
        Err(DecodeError::Value(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_and_duplicate_fields_have_upstreams_paths() {
    let json = r#"{"spec":{"foo":{"x":1,"x":2},"replicas":1,"replicas":2,"template":{"spec":{"containers":[
        {"name":"a"},{"name":"b","Image":"x","env":[{"name":"n","valu":"v"}]}]}},
        "selector":{"matchLabels":{"a":"1","b":"2","a":"3"}}},"status2":null,"metadata":{"managedFields":[{"fieldsV1":{"f":{},"f":{}}}]}}"#;
    assert_eq!(
        issues("apps", "Deployment", json),
        [
            "unknown field \"spec.foo\"",
            "duplicate field \"spec.replicas\"",
            "unknown field \"spec.template.spec.containers[1].Image\"",
            "unknown field \"spec.template.spec.containers[1].env[0].valu\"",
            "duplicate field \"spec.selector.matchLabels.a\"",
            "unknown field \"status2\"",
        ]
    );
}

#[test]
fn an_issue_is_reported_once_and_a_hundred_at_most() {
    let members: Vec<String> = (0..150).map(|n| format!("\"x{n}\":1")).collect();
    assert_eq!(
        issues("", "Pod", &format!("{{{}}}", members.join(","))).len(),
        100
    );
    assert_eq!(issues("", "Pod", r#"{"x":1,"x":2}"#), ["unknown field \"x\""]);
}

#[test]
fn the_last_duplicate_counts() {
    let ty = type_of_kind("", "v1", "ConfigMap").unwrap();
    let json = br#"{"metadata":{"name":"a","name":"b"},"data":{"k":"1","k":"2"}}"#;
    let object = json::decode(&BUILTIN, ty, json, Options::default())
        .unwrap()
        .object;
    let mut out = Vec::new();
    json::encode(&BUILTIN, &object, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"metadata":{"name":"b"},"data":{"k":"2"}}"#
    );
}

#[test]
fn type_errors_read_as_in_go() {
    for (kind, json, message) in [
        (
            "Deployment",
            r#"{"spec":{"replicas":"3"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "Deployment",
            r#"{"spec":{"replicas":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "Deployment",
            r#"{"spec":{"replicas":2147483648}}"#,
            "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "Deployment",
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            "Deployment",
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            "Deployment",
            r#"{"spec":{"template":{"spec":{"containers":[{"env":[{"value":true}]}]}}}}"#,
            "json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            "Deployment",
            r#"{"spec":[]}"#,
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            "Deployment",
            "[]",
            "json: cannot unmarshal array into Go value of type v1.Deployment",
        ),
        (
            "Deployment",
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
    ] {
        assert_eq!(error("apps", kind, json), message);
    }
    let limits = r#"{"spec":{"containers":[{"resources":{"limits":{"memory":"1Zi"}}}]}}"#;
    assert!(error("", "Pod", limits).starts_with("quantities must match the regular expression"));
    assert_eq!(
        error("", "Secret", r#"{"data":{"a":"%%"}}"#),
        "illegal base64 data at input byte 0"
    );
}

#[test]
fn null_is_absence_and_lists_hold_zeros_for_it() {
    let ty = type_of_kind("", "v1", "Pod").unwrap();
    let json = br#"{"metadata":null,"spec":{"nodeName":null,"containers":[null],"hostAliases":[]}}"#;
    let object = json::decode(&BUILTIN, ty, json, Options::default())
        .unwrap()
        .object;
    let mut out = Vec::new();
    json::encode(&BUILTIN, &object, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"metadata":{},"spec":{"containers":[{"name":"","resources":{}}]},"status":{}}"#
    );
}
