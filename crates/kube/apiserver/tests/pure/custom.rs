//! Custom resources through the whole server: a definition is posted, and its objects live as built-in ones do.

use serde_json::{Value, json};

use crate::door::{Door, Got};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const ALL: &str = "/apis/example.com/v1/namespaces/default/widgets";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// A definition of `widgets.example.com` with one version of this schema and these members besides.
pub(crate) fn widgets(schema: &Value, more: &Value) -> Value {
    let mut version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    for (name, value) in more.as_object().unwrap() {
        version[name] = value.clone();
    }
    definition(&json!([version]))
}

pub(crate) fn definition(versions: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"],
                      "categories": ["all"]},
            "versions": versions,
        },
    })
}

pub(crate) fn object(properties: &Value) -> Value {
    json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})
}

/// Asks until the answer is as wanted: definitions are taken in by a task of the server.
pub(crate) fn wait(door: &Door, path: &str, wanted: impl Fn(&Got) -> bool) -> Got {
    for _ in 0..50 {
        door.settle();
        let got = door.send("GET", path, "");
        if wanted(&got) {
            return got;
        }
    }
    panic!("{path} is not as wanted: {:?}", door.send("GET", path, ""));
}

fn condition(got: &Got, ty: &str) -> String {
    let conditions = got.at("/status/conditions");
    let all = conditions.as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|condition| condition["type"] == ty);
    found.map_or(String::new(), |condition| {
        format!(
            "{} {}",
            condition["status"].as_str().unwrap(),
            condition["reason"].as_str().unwrap()
        )
    })
}

pub(crate) fn serve(door: &Door, definition: &Value) {
    let made = door.send("POST", DEFINITIONS, &definition.to_string());
    assert_eq!(made.code, 201, "{made:?}");
    let path = format!(
        "{DEFINITIONS}/{}",
        definition["metadata"]["name"].as_str().unwrap()
    );
    wait(door, &path, |got| {
        condition(got, "Established") == "True InitialNamesAccepted"
    });
}

fn widget(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn sizes() -> Value {
    widgets(
        &object(&json!({"size": {"type": "integer", "default": 3}, "color": {"type": "string"}})),
        &json!({
            "subresources": {"status": {}},
            "additionalPrinterColumns": [
                {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp", "priority": 1},
            ],
            "selectableFields": [{"jsonPath": ".spec.color"}],
        }),
    )
}

#[test]
fn a_definition_is_established_and_its_objects_live() {
    let door = Door::open();
    serve(&door, &sizes());
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let stored = door.send("GET", &path, "");
    assert_eq!(condition(&stored, "NamesAccepted"), "True NoConflicts");
    assert_eq!(stored.at("/status/storedVersions"), json!(["v1"]));
    assert_eq!(stored.at("/status/acceptedNames/listKind"), "WidgetList");
    let made = door.send("POST", ALL, &widget("a", &json!({"color": "red"})));
    assert_eq!(made.code, 201, "{made:?}");
    assert_eq!(made.at("/spec"), json!({"color": "red", "size": 3}));
    assert_eq!(made.at("/metadata/generation"), 1);
    let one = format!("{ALL}/a");
    let patched = door.send_as("PATCH", &one, MERGE, r#"{"spec":{"size":5,"zz":1}}"#);
    assert_eq!(
        (
            patched.code,
            patched.at("/spec"),
            patched.at("/metadata/generation")
        ),
        (200, json!({"color": "red", "size": 5}), json!(2)),
        "{patched:?}"
    );
    assert_eq!(patched.warnings, [r#"299 - "unknown field \"spec.zz\"""#]);
    let listed = door.send("GET", ALL, "");
    assert_eq!(listed.at("/kind"), "WidgetList");
    assert_eq!(listed.at("/metadata/continue"), "");
    assert_eq!(listed.at("/items/0/kind"), "Widget");
    assert_eq!(door.send("DELETE", &one, "").at("/status"), "Success");
    assert_eq!(door.send("GET", &one, "").code, 404);
}

#[test]
fn status_has_a_path_of_its_own() {
    let door = Door::open();
    serve(
        &door,
        &widgets(
            &json!({"type": "object", "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "status": {"type": "object", "properties": {"phase": {"type": "string", "enum": ["Up", "Down"]}}},
            }}),
            &json!({"subresources": {"status": {}}}),
        ),
    );
    let body = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"},
        "spec": {"any": {"thing": 1}}, "status": {"phase": "Up"}});
    let made = door.send("POST", ALL, &body.to_string());
    assert_eq!((made.code, made.at("/status")), (201, Value::Null), "{made:?}");
    assert_eq!(made.at("/spec/any/thing"), 1);
    let path = format!("{ALL}/a/status");
    let set = door.send_as(
        "PATCH",
        &path,
        MERGE,
        r#"{"status":{"phase":"Down"},"spec":{"any":2},"metadata":{"labels":{"a":"b"}}}"#,
    );
    assert_eq!(
        (set.code, set.at("/status/phase"), set.at("/spec/any/thing")),
        (200, json!("Down"), json!(1)),
        "{set:?}"
    );
    assert_eq!(
        (set.at("/metadata/labels"), set.at("/metadata/generation")),
        (Value::Null, json!(1))
    );
    let bad = door.send_as("PATCH", &path, MERGE, r#"{"status":{"phase":"Gone"}}"#);
    assert_eq!(
        (bad.code, bad.message().as_str()),
        (
            422,
            r#"Widget.example.com "a" is invalid: status.phase: Unsupported value: "Gone": supported values: "Up", "Down""#
        )
    );
}

#[test]
fn scale_is_where_the_definition_says() {
    let door = Door::open();
    let number = json!({"type": "integer"});
    serve(
        &door,
        &widgets(
            &json!({"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"pool": {"type": "object", "properties": {"size": number}}}},
                "status": {"type": "object", "properties": {"size": number, "selector": {"type": "string"}}},
            }}),
            &json!({"subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.pool.size",
            "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector"}}}),
        ),
    );
    assert_eq!(
        door.send("POST", ALL, &widget("a", &json!({"pool": {"size": 2}})))
            .code,
        201
    );
    let status = r#"{"status":{"size":1,"selector":"a=b"}}"#;
    assert_eq!(
        door.send_as("PATCH", &format!("{ALL}/a/status"), MERGE, status)
            .code,
        200
    );
    let path = format!("{ALL}/a/scale");
    let scale = door.send("GET", &path, "");
    assert_eq!(
        (scale.at("/kind"), scale.at("/spec/replicas"), scale.at("/status")),
        (
            json!("Scale"),
            json!(2),
            json!({"replicas": 1, "selector": "a=b"})
        ),
        "{scale:?}"
    );
    let set = door.send_as("PATCH", &path, MERGE, r#"{"spec":{"replicas":7}}"#);
    assert_eq!((set.code, set.at("/spec/replicas")), (200, json!(7)), "{set:?}");
    assert_eq!(door.send("GET", &format!("{ALL}/a"), "").at("/spec/pool/size"), 7);
    assert_eq!(door.send("POST", ALL, &widget("b", &json!({}))).code, 201);
    let none = door.send("GET", &format!("{ALL}/b/scale"), "");
    assert_eq!(
        (none.code, none.message().as_str()),
        (
            500,
            r#"Internal error occurred: the spec replicas field ".spec.pool.size" does not exist"#
        )
    );
    let negative = door.send("POST", ALL, &widget("c", &json!({"pool": {"size": -1}})));
    assert_eq!(
        (negative.code, negative.message().as_str()),
        (
            422,
            r#"Widget.example.com "c" is invalid: .spec.pool.size: Invalid value: -1: should be a non-negative integer"#
        )
    );
}

#[test]
fn tables_have_the_columns_of_the_definition() {
    let door = Door::open();
    serve(&door, &sizes());
    assert_eq!(
        door.send("POST", ALL, &widget("a", &json!({"size": 4}))).code,
        201
    );
    let request = http::Request::get(ALL).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table = door.request(request, "");
    let names = table.at("/columnDefinitions");
    let names: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Name", "Size", "Since"]);
    assert_eq!(table.at("/rows/0/cells"), json!(["a", 4, "0s"]), "{table:?}");
    assert_eq!(
        table.at("/columnDefinitions/1/description"),
        "Custom resource definition column (in JSONPath format): .spec.size"
    );
}

#[test]
fn fields_that_are_declared_can_be_selected_by() {
    let door = Door::open();
    serve(&door, &sizes());
    for (name, color) in [("a", "red"), ("b", "blue"), ("c", "red")] {
        assert_eq!(
            door.send("POST", ALL, &widget(name, &json!({"color": color})))
                .code,
            201
        );
    }
    let red = door.send("GET", &format!("{ALL}?fieldSelector=spec.color%3Dred"), "");
    assert_eq!(red.at("/items").as_array().unwrap().len(), 2, "{red:?}");
    let unknown = door.send("GET", &format!("{ALL}?fieldSelector=spec.size%3D3"), "");
    assert_eq!(
        (unknown.code, unknown.message().as_str()),
        (400, "field label not supported: spec.size")
    );
    assert_eq!(
        door.send("DELETE", &format!("{ALL}?fieldSelector=spec.color%3Dred"), "")
            .code,
        200
    );
    let left = door.send("GET", ALL, "");
    assert_eq!(left.at("/items/0/metadata/name"), "b");
}

#[test]
fn discovery_tells_of_them() {
    let door = Door::open();
    serve(&door, &sizes());
    let found = door.send("GET", "/apis/example.com/v1", "");
    let resources = found.at("/resources");
    let names: Vec<&str> = resources
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["widgets", "widgets/status"]);
    assert_eq!(found.at("/resources/0/shortNames"), json!(["wd"]));
    assert_eq!(found.at("/resources/0/categories"), json!(["all"]));
    assert_eq!(
        door.send("GET", "/apis/example.com", "")
            .at("/preferredVersion/version"),
        "v1"
    );
}

#[test]
fn server_side_apply_knows_the_schema() {
    let door = Door::open();
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
        "items": {"type": "object", "required": ["port"],
                  "properties": {"port": {"type": "integer"}, "name": {"type": "string"}}}});
    serve(&door, &widgets(&object(&json!({"ports": ports})), &json!({})));
    let path = |manager: &str| format!("{ALL}/a?fieldManager={manager}");
    let body = |port: i64| widget("a", &json!({"ports": [{"port": port, "name": "x"}]}));
    let one = door.send_as("PATCH", &path("one"), APPLY, &body(1));
    assert_eq!(one.code, 201, "{one:?}");
    let two = door.send_as("PATCH", &path("two"), APPLY, &body(2));
    assert_eq!(
        (two.code, two.at("/spec/ports").as_array().unwrap().len()),
        (200, 2),
        "{two:?}"
    );
    let conflict = door.send_as(
        "PATCH",
        &path("two"),
        APPLY,
        &widget("a", &json!({"ports": [{"port": 1, "name": "y"}]})),
    );
    assert_eq!(conflict.code, 409, "{conflict:?}");
}

#[test]
fn other_versions_differ_in_their_schema_alone() {
    let door = Door::open();
    let version = |name: &str, storage: bool, properties: Value| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": object(&properties)}});
    let text = json!({"type": "string"});
    let versions = json!([
        version("v1", true, json!({"a": text, "b": text})),
        version("v2", false, json!({"a": text})),
    ]);
    serve(&door, &definition(&versions));
    assert_eq!(
        door.send("POST", ALL, &widget("x", &json!({"a": "1", "b": "2"})))
            .code,
        201
    );
    let other = "/apis/example.com/v2/namespaces/default/widgets/x";
    let read = door.send("GET", other, "");
    assert_eq!(
        (read.at("/apiVersion"), read.at("/spec")),
        (json!("example.com/v2"), json!({"a": "1"})),
        "{read:?}"
    );
    let patched = door.send_as("PATCH", other, MERGE, r#"{"spec":{"a":"3"}}"#);
    assert_eq!(
        (patched.code, patched.at("/apiVersion")),
        (200, json!("example.com/v2")),
        "{patched:?}"
    );
    assert_eq!(door.send("GET", &format!("{ALL}/x"), "").at("/spec/a"), "3");
}

#[test]
fn a_changed_schema_is_seen_in_objects_that_are_there() {
    let door = Door::open();
    serve(
        &door,
        &widgets(&object(&json!({"old": {"type": "string"}})), &json!({})),
    );
    assert_eq!(
        door.send("POST", ALL, &widget("a", &json!({"old": "1"}))).code,
        201
    );
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let mut changed = door.send("GET", &path, "").json();
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        object(&json!({"new": {"type": "string", "default": "2"}}));
    let put = door.send("PUT", &path, &changed.to_string());
    assert_eq!(
        (put.code, put.at("/metadata/generation")),
        (200, json!(2)),
        "{put:?}"
    );
    let read = wait(&door, &format!("{ALL}/a"), |got| got.at("/spec/new") == "2");
    assert_eq!(read.at("/spec"), json!({"new": "2"}));
    assert_eq!(door.send("GET", ALL, "").at("/items/0/spec"), json!({"new": "2"}));
}

#[test]
fn a_definition_goes_with_its_objects() {
    let door = Door::open();
    serve(&door, &sizes());
    let held = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "held", "finalizers": ["example.com/wait"]}});
    assert_eq!(door.send("POST", ALL, &held.to_string()).code, 201);
    assert_eq!(door.send("POST", ALL, &widget("free", &json!({}))).code, 201);
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let deleted = door.send("DELETE", &path, "");
    assert_eq!(
        (deleted.code, deleted.at("/metadata/finalizers")),
        (200, json!(["customresourcecleanup.apiextensions.k8s.io"])),
        "{deleted:?}"
    );
    wait(&door, &path, |got| {
        condition(got, "Terminating") == "True InstanceDeletionInProgress"
    });
    wait(&door, &format!("{ALL}/free"), |got| got.code == 404);
    let late = door.send("POST", ALL, &widget("late", &json!({})));
    assert_eq!(
        (late.code, late.message().as_str()),
        (
            403,
            r#"widgets.example.com "late" is forbidden: create not allowed while custom resource definition is terminating"#
        )
    );
    let freed = door.send_as(
        "PATCH",
        &format!("{ALL}/held"),
        MERGE,
        r#"{"metadata":{"finalizers":null}}"#,
    );
    assert_eq!(freed.code, 200, "{freed:?}");
    wait(&door, &path, |got| got.code == 404);
    wait(&door, ALL, |got| got.code == 404);
}

#[test]
fn names_that_another_one_has_are_not_given_twice() {
    let door = Door::open();
    serve(&door, &sizes());
    let mut other = sizes();
    other["metadata"]["name"] = json!("gadgets.example.com");
    other["spec"]["names"] =
        json!({"plural": "gadgets", "singular": "gadget", "kind": "Widget", "shortNames": ["wd"]});
    assert_eq!(door.send("POST", DEFINITIONS, &other.to_string()).code, 201);
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    let refused = wait(&door, &path, |got| !condition(got, "NamesAccepted").is_empty());
    assert_eq!(condition(&refused, "NamesAccepted"), "False ListKindConflict");
    assert_eq!(condition(&refused, "Established"), "False NotAccepted");
    assert_eq!(
        door.send("GET", "/apis/example.com/v1/namespaces/default/gadgets", "")
            .code,
        404
    );
    assert_eq!(
        door.send("DELETE", &format!("{DEFINITIONS}/widgets.example.com"), "")
            .code,
        200
    );
    wait(&door, &path, |got| {
        condition(got, "Established") == "True InitialNamesAccepted"
    });
    assert_eq!(
        door.send("GET", "/apis/example.com/v1/namespaces/default/gadgets", "")
            .code,
        200
    );
}

#[test]
fn a_deprecated_version_warns() {
    let door = Door::open();
    let version = |name: &str, storage: bool, deprecated: bool| {
        json!({"name": name, "served": true, "storage": storage, "deprecated": deprecated,
               "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
    };
    serve(
        &door,
        &definition(&json!([
            version("v1alpha1", false, true),
            version("v1", true, false)
        ])),
    );
    let got = door.send("GET", "/apis/example.com/v1alpha1/widgets", "");
    assert_eq!(
        got.warnings,
        [r#"299 - "example.com/v1alpha1 Widget is deprecated; use example.com/v1 Widget""#]
    );
    assert!(
        door.send("GET", "/apis/example.com/v1/widgets", "")
            .warnings
            .is_empty()
    );
}

#[test]
fn a_watch_ends_when_the_definition_changes() {
    let door = Door::open();
    serve(&door, &sizes());
    let path = format!("{DEFINITIONS}/widgets.example.com");
    let mut changed = door.send("GET", &path, "").json();
    changed["spec"]["versions"][0]["additionalPrinterColumns"] = json!([]);
    let ended = door.begin(&format!("{ALL}?watch=1&timeoutSeconds=600"));
    door.settle();
    assert_eq!(*ended.lock().unwrap(), None);
    assert_eq!(door.send("PUT", &path, &changed.to_string()).code, 200);
    door.settle();
    assert_eq!(*ended.lock().unwrap(), Some(200));
}
