//! What a schema says of objects, in upstream's words and causes.

use serde_json::{Value, json};

use crate::custom::{object, serve, widgets};
use crate::door::Door;

const ALL: &str = "/apis/example.com/v1/namespaces/default/widgets";

fn door() -> Door {
    let door = Door::open();
    let text = json!({"type": "string"});
    let properties = json!({
        "int": {"type": "integer", "minimum": 1, "maximum": 10},
        "small": {"type": "integer", "format": "int32"},
        "above": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "multipleOf": 0.5},
        "text": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^a"},
        "word": {"type": "string", "enum": ["one", "two"]},
        "flag": {"type": "boolean"},
        "maybe": {"type": "string", "nullable": true},
        "either": {"x-kubernetes-int-or-string": true},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": text},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": text, "v": text}}},
        "labels": {"type": "object", "additionalProperties": text, "maxProperties": 1},
        "when": {"type": "string", "format": "date-time"},
        "address": {"type": "string", "format": "ipv4"},
        "nested": {"type": "object", "required": ["must"], "properties": {"must": text}},
        "any": {"type": "string", "anyOf": [{"minLength": 3}, {"pattern": "^x$"}]},
        "one": {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 7}]},
        "all": {"type": "integer", "allOf": [{"minimum": 5}, {"maximum": 7}]},
        "not": {"type": "string", "not": {"enum": ["bad"]}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                 "properties": {"known": {"type": "object", "properties": {"a": text}}}},
    });
    serve(&door, &widgets(&object(&properties), &json!({})));
    door
}

fn widget(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// The spec; what is said of it behind `Widget.example.com "a" is invalid: `, and the causes' reasons.
type Case = (&'static str, &'static str, &'static [&'static str]);

const INVALID: &str = "FieldValueInvalid";
const TYPE: &str = "FieldValueTypeInvalid";

#[rustfmt::skip]
const CASES: &[Case] = &[
    (r#"{"int":"5"}"#, r#"spec.int: Invalid value: "string": spec.int in body must be of type integer: "string""#, &[TYPE]),
    (r#"{"int":1.5}"#, r#"spec.int: Invalid value: "number": spec.int in body must be of type integer: "number""#, &[TYPE]),
    (r#"{"int":0}"#, "spec.int: Invalid value: 0: spec.int in body should be greater than or equal to 1", &[INVALID]),
    (r#"{"int":11}"#, "spec.int: Invalid value: 11: spec.int in body should be less than or equal to 10", &[INVALID]),
    (r#"{"small":3000000000}"#, r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.small"#, &[INVALID]),
    (r#"{"above":0}"#, "spec.above: Invalid value: 0: spec.above in body should be greater than 0", &[INVALID]),
    (r#"{"above":0.75}"#, "spec.above: Invalid value: 0.75: spec.above in body should be a multiple of 0.5", &[INVALID]),
    (r#"{"text":5}"#, r#"spec.text: Invalid value: "integer": spec.text in body must be of type string: "integer""#, &[TYPE]),
    (r#"{"text":"a"}"#, r#"spec.text: Invalid value: "a": spec.text in body should be at least 2 chars long"#, &[INVALID]),
    (r#"{"text":"abcde"}"#, "spec.text: Too long: may not be more than 4 bytes", &["FieldValueTooLong"]),
    (r#"{"text":"bcd"}"#, r#"spec.text: Invalid value: "bcd": spec.text in body should match '^a'"#, &[INVALID]),
    (r#"{"word":"three"}"#, r#"spec.word: Unsupported value: "three": supported values: "one", "two""#, &["FieldValueNotSupported"]),
    (r#"{"flag":"yes"}"#, r#"spec.flag: Invalid value: "string": spec.flag in body must be of type boolean: "string""#, &[TYPE]),
    (r#"{"either":true}"#, r#"spec.either: Invalid value: "boolean": spec.either in body must be of type integer,string: "boolean""#, &[TYPE]),
    (r#"{"list":[]}"#, "spec.list: Invalid value: 0: spec.list in body should have at least 1 items", &[INVALID]),
    (r#"{"list":["a","b","c"]}"#, "spec.list: Too many: 3: must have at most 2 items", &["FieldValueTooMany"]),
    (r#"{"list":["a",2]}"#, r#"spec.list[1]: Invalid value: "integer": spec.list[1] in body must be of type string: "integer""#, &[TYPE]),
    (r#"{"list":[null]}"#, r#"spec.list[0]: Invalid value: "null": spec.list[0] in body must be of type string: "null""#, &[TYPE]),
    (r#"{"list":{"a":1}}"#, r#"spec.list: Invalid value: "object": spec.list in body must be of type array: "object""#, &[TYPE]),
    (r#"{"set":["a","b","a"]}"#, r#"spec.set[2]: Duplicate value: "a""#, &["FieldValueDuplicate"]),
    (r#"{"map":[{"k":"a"},{"k":"a","v":"b"}]}"#, r#"spec.map[1]: Duplicate value: {"k":"a"}"#, &["FieldValueDuplicate"]),
    (r#"{"map":[{"v":"b"}]}"#, "spec.map[0].k: Required value", &["FieldValueRequired"]),
    (r#"{"labels":{"a":"b","c":"d"}}"#, "spec.labels: Too many: 2: must have at most 1 item", &["FieldValueTooMany"]),
    (r#"{"labels":{"a":1}}"#, r#"spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer""#, &[TYPE]),
    (r#"{"when":"today"}"#, r#"spec.when: Invalid value: "today": spec.when in body must be of type date-time: "today""#, &[TYPE]),
    (r#"{"address":"::1"}"#, r#"spec.address: Invalid value: "::1": spec.address in body must be of type ipv4: "::1""#, &[TYPE]),
    (r#"{"nested":{}}"#, "spec.nested.must: Required value", &["FieldValueRequired"]),
    (r#"{"nested":"x"}"#, r#"spec.nested: Invalid value: "string": spec.nested in body must be of type object: "string""#, &[TYPE]),
    (r#"{"any":"ab"}"#, r#"[<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf), spec.any: Invalid value: "ab": spec.any in body should be at least 3 chars long]"#, &[INVALID, INVALID]),
    (r#"{"one":6}"#, r#"<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives"#, &[INVALID]),
    (r#"{"all":8}"#, r#"[spec.all: Invalid value: 8: spec.all in body should be less than or equal to 7, <nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf)]"#, &[INVALID, INVALID]),
    (r#"{"not":"bad"}"#, r#"<nil>: Invalid value: "": "spec.not" must not validate the schema (not)"#, &[INVALID]),
    (r#"{"pod":{"kind":"Pod"}}"#, "spec.pod.apiVersion: Required value", &["FieldValueRequired"]),
    (r#"{"int":0,"nested":{}}"#, r#"[spec.int: Invalid value: 0: spec.int in body should be greater than or equal to 1, spec.nested.must: Required value]"#, &[INVALID, "FieldValueRequired"]),
];

#[test]
fn what_is_wrong_is_said_in_upstreams_words() {
    let door = door();
    for (spec, why, reasons) in CASES {
        let spec: Value = serde_json::from_str(spec).unwrap();
        let got = door.send("POST", ALL, &widget("a", &spec));
        assert_eq!(got.code, 422, "{spec} {got:?}");
        assert_eq!(
            got.message(),
            format!("Widget.example.com \"a\" is invalid: {why}"),
            "{spec}"
        );
        let causes = got.at("/details/causes");
        let found: Vec<&str> = causes
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["reason"].as_str().unwrap())
            .collect();
        assert_eq!(found, *reasons, "{spec}");
    }
}

#[test]
fn what_is_right_is_stored_pruned() {
    let door = door();
    let cases = [
        (
            json!({"maybe": null, "int": null, "word": "one"}),
            json!({"maybe": null, "word": "one"}),
        ),
        (json!({"either": 5}), json!({"either": 5})),
        (json!({"either": "5"}), json!({"either": "5"})),
        (json!({"labels": {"a": null}}), json!({"labels": {}})),
        (
            json!({"open": {"x": 1, "known": {"a": "b", "c": 1}}}),
            json!({"open": {"x": 1, "known": {"a": "b"}}}),
        ),
        (
            json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "zz": 1}, "spec": {"a": 1}}}),
            json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"a": 1}}}),
        ),
        (
            json!({"nested": {"must": "a", "x": [1]}, "y": {}}),
            json!({"nested": {"must": "a"}}),
        ),
        (json!({"above": 1.0, "int": 5.0}), json!({"above": 1, "int": 5})),
    ];
    for (at, (given, stored)) in cases.into_iter().enumerate() {
        let got = door.send("POST", ALL, &widget(&format!("w{at}"), &given));
        assert_eq!((got.code, got.at("/spec")), (201, stored), "{given} {got:?}");
    }
}

#[test]
fn unknown_fields_are_refused_or_warned_of() {
    let door = door();
    let body = widget("a", &json!({"zz": 1, "nested": {"must": "a", "yy": 2}}));
    let strict = door.send("POST", &format!("{ALL}?fieldValidation=Strict"), &body);
    assert_eq!(
        (strict.code, strict.message().as_str()),
        (
            400,
            r#"Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.nested.yy", unknown field "spec.zz""#
        )
    );
    let warned = door.send("POST", ALL, &body);
    assert_eq!(warned.code, 201);
    assert_eq!(
        warned.warnings,
        [
            r#"299 - "unknown field \"spec.nested.yy\"""#,
            r#"299 - "unknown field \"spec.zz\"""#
        ]
    );
    let ignored = door.send(
        "POST",
        &format!("{ALL}?fieldValidation=Ignore"),
        &widget("b", &json!({"zz": 1})),
    );
    assert_eq!((ignored.code, ignored.warnings.len()), (201, 0));
}

/// What was wrong before a schema came to say so may stay as long as nobody touches it.
#[test]
fn what_has_not_changed_is_not_held_against_an_update() {
    let door = Door::open();
    let text = json!({"type": "string"});
    serve(
        &door,
        &widgets(&object(&json!({"a": text, "b": text})), &json!({})),
    );
    let made = door.send("POST", ALL, &widget("x", &json!({"a": "long text", "b": "1"})));
    assert_eq!(made.code, 201);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    let mut changed = door.send("GET", path, "").json();
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        object(&json!({"a": {"type": "string", "maxLength": 2}, "b": text}));
    assert_eq!(door.send("PUT", path, &changed.to_string()).code, 200);
    let patch = |body: &str| door.send_as("PATCH", &format!("{ALL}/x"), "application/merge-patch+json", body);
    // The new schema is there as soon as a new object is refused by it.
    let wrong = |name: &str| {
        door.send("POST", ALL, &widget(name, &json!({"a": "too long"})))
            .code
            == 422
    };
    assert!((0..50).any(|at| wrong(&format!("w{at}"))));
    assert_eq!(patch(r#"{"spec":{"b":"2"}}"#).code, 200);
    let touched = patch(r#"{"spec":{"a":"also long"}}"#);
    assert_eq!(
        (touched.code, touched.message().as_str()),
        (
            422,
            r#"Widget.example.com "x" is invalid: spec.a: Too long: may not be more than 2 bytes"#
        )
    );
}

#[test]
fn rules_in_cel_are_kept() {
    let door = Door::open();
    let number = json!({"type": "integer"});
    let spec = json!({"type": "object", "properties": {"min": number, "max": number, "fixed": {"type": "string",
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is fixed"}]}},
        "x-kubernetes-validations": [{"rule": "self.min <= self.max", "message": "min is above max", "fieldPath": ".min"}]});
    serve(
        &door,
        &widgets(
            &json!({"type": "object", "properties": {"spec": spec}}),
            &json!({}),
        ),
    );
    let wrong = door.send("POST", ALL, &widget("a", &json!({"min": 2, "max": 1})));
    assert_eq!(wrong.code, 422, "{wrong:?}");
    assert!(
        wrong.message().contains("spec.min: Invalid value") && wrong.message().ends_with("min is above max"),
        "{wrong:?}"
    );
    assert_eq!(
        door.send(
            "POST",
            ALL,
            &widget("a", &json!({"min": 1, "max": 1, "fixed": "x"}))
        )
        .code,
        201
    );
    let changed = door.send_as(
        "PATCH",
        &format!("{ALL}/a"),
        "application/merge-patch+json",
        r#"{"spec":{"fixed":"y"}}"#,
    );
    assert_eq!(
        (changed.code, changed.message().as_str()),
        (
            422,
            r#"Widget.example.com "a" is invalid: spec.fixed: Invalid value: "y": is fixed"#
        )
    );
    let blocked = door.send("POST", ALL, &widget("b", &json!({"min": "x", "max": 1})));
    assert_eq!(
        blocked.at("/details/causes").as_array().unwrap().len(),
        2,
        "{blocked:?}"
    );
    assert!(
        blocked
            .message()
            .contains("some validation rules were not checked because the object was invalid")
    );
}

#[test]
fn documents_describe_custom_kinds() {
    let door = door();
    let v3 = door.send("GET", "/openapi/v3/apis/example.com/v1", "");
    let widget = v3.at("/components/schemas/com.example.v1.Widget");
    assert_eq!(
        widget["properties"]["spec"]["properties"]["int"]["maximum"], 10,
        "{}",
        v3.text
    );
    assert_eq!(widget["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
    assert_eq!(
        widget["properties"]["spec"]["properties"]["either"]["anyOf"][1]["type"],
        "string"
    );
    let v2 = door.send("GET", "/openapi/v2", "");
    let widget = v2.at("/definitions/com.example.v1.Widget");
    assert_eq!(
        widget["properties"]["spec"]["properties"]["word"]["type"],
        "string"
    );
    assert!(widget["properties"]["spec"]["properties"]["maybe"]["type"].is_null());
    // kubectl chooses its patch by what is listed here.
    let patch =
        v2.at("/paths/~1apis~1example.com~1v1~1namespaces~1{namespace}~1widgets~1{name}/patch/consumes");
    let known = json!([
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json"
    ]);
    assert_eq!(patch, known);
}

#[test]
fn an_applied_key_that_stands_twice_is_told_by_its_line() {
    let door = door();
    let body =
        "\napiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: a\nspec:\n  text: abc\n  text: abd\n";
    let apply = |more: &str| {
        let path = format!("{ALL}/a?fieldManager=m{more}");
        door.send_as("PATCH", &path, "application/apply-patch+yaml", body)
    };
    let strict = apply("&fieldValidation=Strict");
    assert_eq!(
        (strict.code, strict.message().as_str()),
        (
            400,
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 8: key \"text\" already set in map"
        )
    );
    let unknown = door.send_as(
        "PATCH",
        &format!("{ALL}/a?fieldManager=m&fieldValidation=Strict"),
        "application/apply-patch+yaml",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: a\n  zz: 1\nspec: {yy: 1}\n",
    );
    assert!(
        unknown
            .message()
            .contains(".spec.yy: field not declared in schema"),
        "{unknown:?}"
    );
    let warned = apply("");
    assert_eq!(
        (warned.code, warned.at("/spec/text")),
        (201, json!("abd")),
        "{warned:?}"
    );
    assert_eq!(
        warned.warnings,
        [r#"299 - "line 8: key \"text\" already set in map""#]
    );
}
