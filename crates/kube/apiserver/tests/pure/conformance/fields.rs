//! Field validation: what is unknown or stands twice is refused under `Strict`, in typed and in custom objects.

use serde_json::json;

use crate::custom::{object, serve, widgets};
use crate::door::{Door, Got};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
const APPLY: &str = "application/apply-patch+yaml";

fn strict(door: &Door, path: &str, body: &str) -> (u16, String) {
    let got = door.send("POST", &format!("{path}?fieldValidation=Strict"), body);
    (got.code, got.message())
}

/// Checks that a text holds each of these.
#[track_caller]
fn tells((code, message): (u16, String), errors: &[&str]) {
    assert_eq!(code, 400, "{message}");
    assert!(message.contains("strict decoding error: "), "{message}");
    for error in errors {
        assert!(message.contains(error), "{error} is not in {message}");
    }
}

fn deployment(metadata: &str, spec: &str) -> String {
    let template = r#""template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","unknownNested":"v","imagePullPolicy":"Always","imagePullPolicy":"Never"}]}}"#;
    format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"{metadata}}},"spec":{{{spec}"selector":{{"matchLabels":{{"a":"b"}}}},{template}}}}}"#
    )
}

#[test]
fn a_typed_object_with_unknown_and_double_fields_is_refused() {
    let door = Door::open();
    let body = deployment(
        "",
        r#""unknown1":"val1","unknownDupe":"valDupe","unknownDupe":"valDupe2","paused":true,"paused":false,"#,
    );
    tells(
        strict(&door, DEPLOYMENTS, &body),
        &[
            r#"unknown field "spec.unknown1""#,
            r#"unknown field "spec.unknownDupe""#,
            r#"duplicate field "spec.paused""#,
            r#"unknown field "spec.template.spec.containers[0].unknownNested""#,
            r#"duplicate field "spec.template.spec.containers[0].imagePullPolicy""#,
        ],
    );
    let warned = door.send("POST", &format!("{DEPLOYMENTS}?fieldValidation=Warn"), &body);
    assert_eq!(warned.code, 201);
    assert!(
        warned.warnings.iter().any(|text| text.contains("spec.unknown1")),
        "{:?}",
        warned.warnings
    );
}

#[test]
fn a_typed_object_with_unknown_metadata_is_refused() {
    let door = Door::open();
    let body = deployment(
        r#","unknownMeta":"foo","labels":{"a":"b"},"labels":{"a":"c"}"#,
        "",
    );
    tells(
        strict(&door, DEPLOYMENTS, &body),
        &[
            r#"unknown field "metadata.unknownMeta""#,
            r#"duplicate field "metadata.labels""#,
        ],
    );
}

fn apply(door: &Door, name: &str, body: &str) -> Got {
    let path = format!("{WIDGETS}/{name}?fieldManager=m&fieldValidation=Strict");
    door.send_as("PATCH", &path, APPLY, body)
}

fn widget(name: &str, members: &str) -> String {
    format!(r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"{name}"}}{members}}}"#)
}

/// A definition with no schema but "keep everything".
fn open_door() -> Door {
    let door = Door::open();
    let keep = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    serve(&door, &widgets(&keep, &json!({})));
    door
}

fn schema_door() -> Door {
    let door = Door::open();
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "items": {"type": "object", "required": ["containerPort", "protocol"], "properties": {
            "containerPort": {"type": "integer"}, "protocol": {"type": "string"}, "hostPort": {"type": "integer"}}}});
    serve(
        &door,
        &widgets(
            &object(&json!({"foo": {"type": "string"}, "ports": ports})),
            &json!({}),
        ),
    );
    door
}

#[test]
fn without_a_schema_unknown_fields_of_custom_objects_are_kept() {
    let door = open_door();
    let got = apply(
        &door,
        "a",
        &widget(
            "a",
            r#","spec":{"foo":"foo1","cronSpec":"* * * * */5","image":"my-image"}"#,
        ),
    );
    assert_eq!((got.code, got.at("/spec/foo")), (201, json!("foo1")), "{got:?}");
    let (code, message) = strict(&door, WIDGETS, &widget("b", r#","spec":{"any":1}"#));
    assert_eq!(code, 201, "{message}");
}

#[test]
fn a_custom_object_that_keeps_its_schema_is_taken() {
    let door = schema_door();
    let spec = r#","spec":{"foo":"foo1","ports":[{"containerPort":8080,"protocol":"TCP","hostPort":8081}]}"#;
    let got = apply(&door, "a", &widget("a", spec));
    assert_eq!(
        (got.code, got.at("/spec/ports/0/hostPort")),
        (201, json!(8081)),
        "{got:?}"
    );
}

#[test]
fn a_custom_object_with_more_than_its_schema_is_refused() {
    let door = schema_door();
    let spec = r#","spec":{"foo":"foo1","unknownField":"unknown","ports":[{"containerPort":8080,"protocol":"TCP","extra":1}]}"#;
    tells(
        strict(&door, WIDGETS, &widget("a", spec)),
        &[
            r#"unknown field "spec.unknownField""#,
            r#"unknown field "spec.ports[0].extra""#,
        ],
    );
    let got = apply(&door, "a", &widget("a", spec));
    assert!(
        got.code >= 400 && got.message().contains("unknownField"),
        "{got:?}"
    );
}

#[test]
fn double_fields_of_custom_objects_that_keep_everything_are_told() {
    let door = open_door();
    tells(
        strict(
            &door,
            WIDGETS,
            &widget(
                "a",
                r#","spec":{"unknown":"u1","unknown":"u2","foo":"a","foo":"b"}"#,
            ),
        ),
        &[
            r#"duplicate field "spec.unknown""#,
            r#"duplicate field "spec.foo""#,
        ],
    );
}

#[test]
fn unknown_metadata_is_told_of_custom_objects_and_of_those_within() {
    let door = Door::open();
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    serve(
        &door,
        &widgets(&object(&json!({"template": embedded})), &json!({})),
    );
    let within = r#"{"apiVersion":"foo/v1","kind":"Sub","metadata":{"name":"s","unknownSubMeta":"unknown"}}"#;
    let body = format!(
        r#"{{"apiVersion":"example.com/v1","kind":"Widget","metadata":{{"name":"a","unknownMeta":"unknown"}},"spec":{{"template":{within}}}}}"#
    );
    tells(
        strict(&door, WIDGETS, &body),
        &[
            r#"unknown field "metadata.unknownMeta""#,
            r#"unknown field "spec.template.metadata.unknownSubMeta""#,
        ],
    );
}
