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

fn decoded(group: &str, kind: &str, json: &str) -> String {
    let ty = type_of_kind(group, "v1", kind).unwrap();
    let decoded = json::decode(&BUILTIN, ty, json.as_bytes(), Options::default());
    let mut out = Vec::new();
    json::encode(&BUILTIN, &decoded.unwrap().object, &mut out);
    String::from_utf8(out).unwrap()
}

/// Go decodes a member given again into what the first one left.
#[test]
fn duplicates_merge_as_in_go() {
    for (json, spec) in [
        (
            r#"{"spec":{"nodeName":"a"},"spec":{"hostname":"b"}}"#,
            r#"{"containers":null,"nodeName":"a","hostname":"b"}"#,
        ),
        (
            r#"{"spec":{"nodeName":"a","nodeName":"b"}}"#,
            r#"{"containers":null,"nodeName":"b"}"#,
        ),
        (
            r#"{"spec":{"nodeName":"a","nodeName":null}}"#,
            r#"{"containers":null,"nodeName":"a"}"#,
        ),
        (
            r#"{"spec":{"priority":1,"priority":null}}"#,
            r#"{"containers":null}"#,
        ),
        (
            r#"{"spec":{"nodeName":"a"},"spec":null}"#,
            r#"{"containers":null,"nodeName":"a"}"#,
        ),
        (
            r#"{"spec":{"nodeSelector":{"a":"1","b":"2"},"nodeSelector":{"b":"3"}}}"#,
            r#"{"containers":null,"nodeSelector":{"a":"1","b":"3"}}"#,
        ),
        (
            r#"{"spec":{"nodeSelector":{"a":"1"},"nodeSelector":null}}"#,
            r#"{"containers":null}"#,
        ),
        (
            r#"{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b"}],"containers":[{"name":"c"}]}}"#,
            r#"{"containers":[{"name":"c","image":"x","resources":{}}]}"#,
        ),
    ] {
        let expected = format!("{{\"metadata\":{{}},\"spec\":{spec},\"status\":{{}}}}");
        assert_eq!(decoded("", "Pod", json), expected, "{json}");
    }
}

/// Cases of `sigs.k8s.io/json`: order is that of the document, an issue before those inside it.
#[test]
fn issues_come_in_document_order() {
    for (kind, json, expected) in [
        (
            "Pod",
            r#"{"Kind":"Pod","KIND":1}"#,
            &["unknown field \"Kind\"", "unknown field \"KIND\""][..],
        ),
        (
            "Pod",
            r#"{"metadata":{"labels":{"b":"1","a":"1","b":"2","a":"2","b":"3"}}}"#,
            &[
                "duplicate field \"metadata.labels.b\"",
                "duplicate field \"metadata.labels.a\"",
            ],
        ),
        (
            "Pod",
            r#"{"spec":{"x":1},"spec":{"y":1,"x":1}}"#,
            &[
                "unknown field \"spec.x\"",
                "duplicate field \"spec\"",
                "unknown field \"spec.y\"",
            ],
        ),
        (
            "Pod",
            r#"{"spec":{"containers":[{},{"ports":[{"a":1},{"a":1}]}]}}"#,
            &[
                "unknown field \"spec.containers[1].ports[0].a\"",
                "unknown field \"spec.containers[1].ports[1].a\"",
            ],
        ),
        (
            "Pod",
            r#"{"":1,"metadata":{"":1,"q\"\t\u200b":1}}"#,
            &[
                "unknown field \"\"",
                "unknown field \"metadata.\"",
                r#"unknown field "metadata.q\"\t\u200b""#,
            ],
        ),
        (
            "Pod",
            r#"{"metadata":{"managedFields":[{"fieldsV1":{"f":1,"f":2}}]}}"#,
            &[],
        ),
    ] {
        assert_eq!(issues("", kind, json), expected, "{json}");
    }
}

#[test]
fn issues_are_joined_as_in_apimachinery() {
    let ty = type_of_kind("apps", "v1", "Deployment").unwrap();
    let options = Options {
        report: true,
        ..Options::default()
    };
    let json = br#"{"spec":{"foo":1,"replicas":1,"replicas":2}}"#;
    let issues = json::decode(&BUILTIN, ty, json, options).unwrap().issues;
    assert_eq!(
        json::strict_error(&issues).unwrap(),
        r#"strict decoding error: unknown field "spec.foo", duplicate field "spec.replicas""#
    );
    assert_eq!(json::strict_error(&[]), None);
}

/// What has an `UnmarshalJSON` starts over inside: no reports there, its errors win, and they name
/// the outer member.
#[test]
fn unmarshalers_of_their_own_are_opaque() {
    let crd =
        |schema: &str| format!(r#"{{"spec":{{"versions":[{{"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#);
    let group = "apiextensions.k8s.io";
    let kind = "CustomResourceDefinition";
    let path = "spec.versions[0].schema.openAPIV3Schema";
    assert_eq!(
        issues(
            group,
            kind,
            &crd(r#"{"x":1,"items":{"x":1,"type":"a","type":"b"},"not":{"x":1}}"#)
        ),
        [
            format!("unknown field \"{path}.x\""),
            format!("unknown field \"{path}.not.x\"")
        ]
    );
    assert_eq!(
        error(group, kind, &crd(r#"{"items":{"externalDocs":{"url":5}}}"#)),
        "json: cannot unmarshal number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.items of type string"
    );
    assert_eq!(
        error(
            "apps",
            "Deployment",
            r#"{"spec":{"replicas":"3"},"metadata":{"creationTimestamp":5}}"#
        ),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"
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
