//! CustomResourceDefinitions themselves: what is refused, and in which words.

use serde_json::{Value, json};

use crate::custom::{definition, object, widgets};
use crate::door::Door;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn good() -> Value {
    widgets(&object(&json!({"size": {"type": "integer"}})), &json!({}))
}

/// A pointer into a good definition, what is put there, and what is said of it.
fn changed(cases: &[(&str, Value, &str)]) {
    let door = Door::open();
    for (pointer, value, why) in cases {
        let mut body = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap();
        match name.parse::<usize>() {
            Ok(at) if parent.is_array() => parent[at] = value.clone(),
            _ => parent[name] = value.clone(),
        }
        let got = door.send("POST", &format!("{DEFINITIONS}?dryRun=All"), &body.to_string());
        let name = body["metadata"]["name"].as_str().unwrap();
        assert_eq!(got.code, 422, "{pointer} {got:?}");
        let expected = format!("CustomResourceDefinition.apiextensions.k8s.io \"{name}\" is invalid: {why}");
        assert_eq!(got.message(), expected, "{pointer} {value}");
    }
}

#[test]
fn names_and_versions_are_checked() {
    changed(&[
        (
            "/metadata/name",
            json!("other.example.com"),
            r#"metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group"#,
        ),
        (
            "/spec/scope",
            json!("Everywhere"),
            r#"spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced""#,
        ),
        (
            "/spec/names/kind",
            json!("9Widget"),
            r#"[spec.names.kind: Invalid value: "9Widget": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.names.listKind: Invalid value: "9WidgetList": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]"#,
        ),
        (
            "/spec/names/listKind",
            json!("Widget"),
            r#"spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same"#,
        ),
        (
            "/spec/preserveUnknownFields",
            json!(true),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ),
    ]);
}

#[test]
fn schemas_are_checked_where_upstream_names_them() {
    const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";
    let at = |rest: &str| format!("{SCHEMA}{rest}");
    let cases: Vec<(String, Value, &str)> = vec![
        (
            at("/type"),
            json!("string"),
            r#"[spec.validation.openAPIV3Schema.type: Invalid value: "string": must be object at the root]"#,
        ),
        (
            at("/properties/spec"),
            json!({}),
            "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
        ),
        (
            at("/properties/spec"),
            json!({"type": "array"}),
            "spec.validation.openAPIV3Schema.properties[spec].items: Required value: must be specified",
        ),
        (
            at("/properties/spec"),
            json!({"type": "strange"}),
            r#"spec.validation.openAPIV3Schema.properties[spec].type: Unsupported value: "strange": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ),
        (
            at("/properties/spec"),
            json!({"type": "integer", "default": "x"}),
            r#"spec.validation.openAPIV3Schema.properties[spec].default: Invalid value: "string":  in body must be of type integer: "string""#,
        ),
        (
            at("/properties/spec"),
            json!({"type": "object", "default": {"zz": 1}}),
            r#"spec.validation.openAPIV3Schema.properties[spec].default: Invalid value: {"zz":1}: must not have unknown fields"#,
        ),
        (
            at("/properties/spec"),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}),
            "spec.validation.openAPIV3Schema.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            at("/properties/spec"),
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            "spec.validation.openAPIV3Schema.properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            at("/properties/spec"),
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            at("/properties/spec"),
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
            "spec.validation.openAPIV3Schema.properties[spec].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            at("/properties/spec"),
            json!({"type": "object", "anyOf": [{"type": "object"}]}),
            "spec.validation.openAPIV3Schema.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            at("/properties/metadata"),
            json!({"type": "object", "properties": {"labels": {"type": "object"}}}),
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ),
        (
            at("/allOf"),
            json!([{"properties": {"other": {"minimum": 1}}}]),
            "spec.validation.openAPIV3Schema.properties[other]: Required value: because it is defined in spec.validation.openAPIV3Schema.allOf[0].properties[other]",
        ),
        (
            at("/additionalProperties"),
            json!(true),
            "spec.validation.openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root",
        ),
        (
            at("/x-kubernetes-preserve-unknown-fields"),
            json!(false),
            "spec.validation.openAPIV3Schema.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            "/spec/versions/0/subresources".to_owned(),
            json!({"scale": {"specReplicasPath": ".status.x", "statusReplicasPath": "x"}}),
            r#"[spec.subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec, spec.subresources.scale.statusReplicasPath: Invalid value: "x": must be a simple json path starting with .]"#,
        ),
        (
            "/spec/versions/0/additionalPrinterColumns".to_owned(),
            json!([{"name": "a", "type": "text", "jsonPath": ".a"}]),
            r#"spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string"#,
        ),
        (
            "/spec/versions/0/selectableFields".to_owned(),
            json!([{"jsonPath": ".spec"}, {"jsonPath": ".spec.none"}]),
            r#"[spec.selectableFields[0].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed., spec.selectableFields[1].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field]"#,
        ),
        ("/spec/versions/0/storage".to_owned(), json!(false), "…"),
        (
            "/spec/conversion".to_owned(),
            json!({"strategy": "Webhook"}),
            "[spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook, spec.conversion.conversionReviewVersions: Required value]",
        ),
    ];
    let door = Door::open();
    for (pointer, value, why) in cases {
        let mut body = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value.clone();
        let got = door.send("POST", &format!("{DEFINITIONS}?dryRun=All"), &body.to_string());
        assert_eq!(got.code, 422, "{pointer} {value} {got:?}");
        if why == "…" {
            assert!(
                got.message()
                    .contains("must have exactly one version marked as storage version"),
                "{got:?}"
            );
            continue;
        }
        let prefix = r#"CustomResourceDefinition.apiextensions.k8s.io "widgets.example.com" is invalid: "#;
        let told = got.message().strip_prefix(prefix).unwrap().to_owned();
        assert_eq!(
            told.trim_matches(['[', ']']),
            why.trim_matches(['[', ']']),
            "{pointer} {value}"
        );
    }
}

#[test]
fn groups_of_the_community_need_their_approval() {
    let door = Door::open();
    let mut body = good();
    body["metadata"]["name"] = json!("widgets.example.k8s.io");
    body["spec"]["group"] = json!("example.k8s.io");
    let refused = door.send("POST", DEFINITIONS, &body.to_string());
    assert_eq!(
        (refused.code, refused.message().as_str()),
        (
            422,
            r#"CustomResourceDefinition.apiextensions.k8s.io "widgets.example.k8s.io" is invalid: metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111"#
        )
    );
    body["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "unapproved, a test"});
    assert_eq!(door.send("POST", DEFINITIONS, &body.to_string()).code, 201);
}

#[test]
fn a_storage_version_is_remembered_and_may_not_vanish() {
    let door = Door::open();
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
               "schema": {"openAPIV3Schema": {"type": "object"}}})
    };
    assert_eq!(
        door.send(
            "POST",
            DEFINITIONS,
            &definition(&json!([version("v1", true)])).to_string()
        )
        .code,
        201
    );
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let change = |versions: Value| {
        door.settle();
        let mut body = door.send("GET", &path, "").json();
        body["spec"]["versions"] = versions;
        door.send("PUT", &path, &body.to_string())
    };
    let moved = change(json!([version("v1", false), version("v2", true)]));
    assert_eq!(
        (moved.code, moved.at("/status/storedVersions")),
        (200, json!(["v1", "v2"])),
        "{moved:?}"
    );
    let gone = change(json!([version("v2", true)]));
    assert_eq!(
        (gone.code, gone.message().as_str()),
        (
            422,
            r#"CustomResourceDefinition.apiextensions.k8s.io "widgets.example.com" is invalid: status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions"#
        )
    );
}

#[test]
fn formats_that_nobody_checks_are_warned_of() {
    let door = Door::open();
    let body = widgets(
        &object(&json!({"a": {"type": "string", "format": "strange"}})),
        &json!({}),
    );
    let made = door.send("POST", DEFINITIONS, &body.to_string());
    assert_eq!(
        (made.code, made.warnings),
        (201, vec![r#"299 - "unrecognized format \"strange\"""#.to_owned()])
    );
}

#[test]
fn rules_that_do_not_compile_are_refused() {
    let door = Door::open();
    let spec = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.b == 1"}]});
    let body = widgets(
        &json!({"type": "object", "properties": {"spec": spec}}),
        &json!({}),
    );
    let got = door.send("POST", DEFINITIONS, &body.to_string());
    assert_eq!(got.code, 422);
    assert!(
        got.message()
            .contains("properties[spec].x-kubernetes-validations[0].rule"),
        "{got:?}"
    );
    assert!(got.message().contains("undefined field 'b'"), "{got:?}");
}
