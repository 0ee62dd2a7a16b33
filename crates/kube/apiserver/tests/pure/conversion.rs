//! Conversion of custom resources between versions, by a webhook and without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::custom::{object, serve, wait};
use crate::door::{Door, Got};
use crate::outside::{Does, Outside};

const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
const MERGE: &str = "application/merge-patch+json";

fn all(version: &str) -> String {
    format!("/apis/example.com/{version}/namespaces/default/widgets")
}

fn one(version: &str) -> String {
    format!("{}/a", all(version))
}

/// `v1` has a `size`, `v2` calls it `length`.
fn versions(storage: &str) -> Value {
    let version = |name: &str, member: &str| {
        json!({
            "name": name, "served": true, "storage": name == storage,
            "schema": {"openAPIV3Schema": object(&json!({member: {"type": "integer"}, "kept": {"type": "string"}}))},
            "subresources": {"scale": {"specReplicasPath": format!(".spec.{member}"), "statusReplicasPath": ".status.replicas"}},
        })
    };
    json!([version("v1", "size"), version("v2", "length")])
}

fn definition(storage: &str, conversion: &Value) -> Value {
    let mut definition = crate::custom::definition(&versions(storage));
    definition["spec"]["conversion"] = conversion.clone();
    definition
}

fn webhook() -> Value {
    json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v9", "v1"],
        "clientConfig": {"url": "https://hooks.example.com/convert", "caBundle": "Q0E="},
    }})
}

/// Renames the member as the wanted version calls it, and notes in an annotation that it did.
fn converted(review: &Value) -> Vec<Value> {
    let desired = &review["request"]["desiredAPIVersion"];
    let (from, to) = match desired.as_str().unwrap() {
        "example.com/v1" => ("length", "size"),
        _ => ("size", "length"),
    };
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = desired.clone();
        if let Some(number) = object["spec"].as_object_mut().and_then(|spec| spec.remove(from)) {
            object["spec"][to] = number;
        }
        object["metadata"]["annotations"]["by"] = "webhook".into();
        object["metadata"]["generation"] = 99.into();
        object
    };
    let objects = review["request"]["objects"].as_array().unwrap();
    objects.iter().map(convert).collect()
}

fn answer(review: &Value, objects: &[Value]) -> Value {
    json!({
        "kind": "ConversionReview", "apiVersion": review["apiVersion"],
        "response": {"uid": review["request"]["uid"], "result": {"status": "Success"}, "convertedObjects": objects},
    })
}

fn converter() -> Arc<Outside> {
    Outside::new(|_, review| Does::Answers(200, answer(review, &converted(review))))
}

fn widget(version: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Widget", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn spec(got: &Got) -> (u16, Value, Value) {
    (got.code, got.at("/apiVersion"), got.at("/spec"))
}

#[test]
fn each_version_sees_and_writes_an_object_in_its_own_words() {
    let outside = converter();
    let door = Door::asking(outside.clone());
    serve(&door, &definition("v1", &webhook()));
    let made = door.send(
        "POST",
        &all("v2"),
        &widget("v2", "a", &json!({"length": 3, "kept": "k"})),
    );
    assert_eq!(
        spec(&made),
        (201, "example.com/v2".into(), json!({"length": 3, "kept": "k"})),
        "{made:?}"
    );
    let asked = outside.asked();
    let (outgoing, review) = &asked[0];
    assert_eq!(
        outgoing.request.uri().to_string(),
        "https://hooks.example.com/convert?timeout=30s"
    );
    assert_eq!(
        (
            &review["kind"],
            &review["apiVersion"],
            &review["request"]["desiredAPIVersion"]
        ),
        (
            &json!("ConversionReview"),
            &json!("apiextensions.k8s.io/v1"),
            &json!("example.com/v1")
        )
    );
    assert_eq!(asked.len(), 2, "to the store and back");
    let stored = door.send("GET", &one("v1"), "");
    assert_eq!(
        spec(&stored),
        (200, "example.com/v1".into(), json!({"size": 3, "kept": "k"}))
    );
    assert_eq!(
        outside.asked().len(),
        0,
        "nobody is asked about the stored version"
    );
    assert_eq!(
        (
            stored.at("/metadata/annotations/by"),
            stored.at("/metadata/generation")
        ),
        ("webhook".into(), json!(1)),
        "annotations are the webhook's, the rest of the metadata is not"
    );
    let shown = door.send("GET", &one("v2"), "");
    assert_eq!(
        spec(&shown),
        (200, "example.com/v2".into(), json!({"length": 3, "kept": "k"}))
    );
    let patched = door.send_as("PATCH", &one("v2"), MERGE, r#"{"spec":{"length":4}}"#);
    assert_eq!(
        (
            patched.code,
            patched.at("/spec/length"),
            patched.at("/metadata/generation")
        ),
        (200, json!(4), json!(2)),
        "{patched:?}"
    );
    let mut update = patched.json();
    update["spec"]["length"] = 5.into();
    let updated = door.send("PUT", &one("v2"), &update.to_string());
    assert_eq!(
        (updated.code, updated.at("/spec/length")),
        (200, json!(5)),
        "{updated:?}"
    );
    assert_eq!(door.send("GET", &one("v1"), "").at("/spec/size"), 5);
    let same = door.send("PUT", &one("v2"), &updated.text);
    assert_eq!(
        (same.code, same.at("/metadata/resourceVersion")),
        (200, updated.at("/metadata/resourceVersion")),
        "what changes nothing is not written"
    );
    let scaled = door.send_as(
        "PATCH",
        &format!("{}/scale", one("v2")),
        MERGE,
        r#"{"spec":{"replicas":9}}"#,
    );
    assert_eq!(
        (scaled.code, scaled.at("/spec/replicas")),
        (200, json!(9)),
        "{scaled:?}"
    );
    assert_eq!(door.send("GET", &one("v1"), "").at("/spec/size"), 9);
    let applied = door.send_as(
        "PATCH",
        &format!("{}/b?fieldManager=me", all("v2")),
        "application/apply-patch+yaml",
        &widget("v2", "b", &json!({"length": 1})),
    );
    assert_eq!(
        (applied.code, applied.at("/spec/length")),
        (201, json!(1)),
        "{applied:?}"
    );
    assert_eq!(door.send("DELETE", &one("v2"), "").at("/status"), "Success");
}

#[test]
fn a_list_is_converted_with_one_request() {
    let outside = converter();
    let door = Door::asking(outside.clone());
    serve(&door, &definition("v1", &webhook()));
    for at in 0..5 {
        let body = widget("v1", &format!("w{at}"), &json!({"size": at}));
        assert_eq!(door.send("POST", &all("v1"), &body).code, 201);
    }
    outside.asked();
    let listed = door.send("GET", &all("v2"), "");
    let lengths: Vec<Value> = (0..5)
        .map(|at| listed.at(&format!("/items/{at}/spec/length")))
        .collect();
    assert_eq!(
        lengths,
        [json!(0), json!(1), json!(2), json!(3), json!(4)],
        "{listed:?}"
    );
    let asked = outside.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1["request"]["objects"].as_array().unwrap().len(), 5);
    let request =
        http::Request::get(all("v2")).header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1");
    let table = door.request(request, "");
    assert_eq!(
        table.at("/rows/0/object/apiVersion"),
        "meta.k8s.io/v1",
        "{table:?}"
    );
    assert_eq!(door.send("DELETE", &all("v2"), "").at("/items/4/spec/length"), 4);
    assert_eq!(door.send("GET", &all("v1"), "").at("/items"), json!([]));
}

#[test]
fn objects_keep_the_version_that_they_were_stored_in() {
    for conversion in [webhook(), json!({"strategy": "None"})] {
        let outside = converter();
        let door = Door::asking(outside.clone());
        serve(&door, &definition("v1", &conversion));
        let made = door.send(
            "POST",
            &all("v1"),
            &widget("v1", "a", &json!({"size": 3, "kept": "k"})),
        );
        assert_eq!(made.code, 201, "{made:?}");
        let mut new = door.send("GET", DEFINITION, "").json();
        new["spec"]["versions"] = versions("v2");
        let changed = door.send("PUT", DEFINITION, &new.to_string());
        assert_eq!(
            (changed.code, changed.at("/status/storedVersions")),
            (200, json!(["v1", "v2"])),
            "{changed:?}"
        );
        let by_webhook = conversion["strategy"] == "Webhook";
        let wanted = if by_webhook {
            json!({"length": 3, "kept": "k"})
        } else {
            // What the other version does not know is pruned.
            json!({"kept": "k"})
        };
        let got = wait(&door, &one("v2"), |got| got.at("/spec") == wanted);
        assert_eq!(got.at("/apiVersion"), "example.com/v2");
        outside.asked();
        assert_eq!(door.send("GET", &one("v1"), "").at("/spec/size"), 3);
        assert_eq!(outside.asked().len(), 0, "the bytes are still those of v1");
        let patched = door.send_as("PATCH", &one("v1"), MERGE, r#"{"metadata":{"labels":{"a":"b"}}}"#);
        assert_eq!(patched.code, 200, "{patched:?}");
        outside.asked();
        assert_eq!(door.send("GET", &one("v2"), "").at("/spec"), wanted);
        assert_eq!(outside.asked().len(), 0, "written again, they are those of v2");
    }
}

#[test]
fn a_watch_tells_what_the_webhook_makes_of_each_event() {
    let door = Door::asking(converter());
    serve(&door, &definition("v1", &webhook()));
    door.settle();
    let body = widget("v1", "a", &json!({"size": 1}));
    let since = door
        .send("POST", &all("v1"), &body)
        .at("/metadata/resourceVersion");
    let patched = door.send_as("PATCH", &one("v1"), MERGE, r#"{"spec":{"size":2}}"#);
    assert_eq!(patched.code, 200);
    assert_eq!(door.send("DELETE", &one("v1"), "").code, 200);
    let told = |query: &str| -> Vec<(Value, Value, Value)> {
        let got = door.send(
            "GET",
            &format!("{}?watch=1&timeoutSeconds=2&{query}", all("v2")),
            "",
        );
        let frames = got
            .text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let shown = |frame: Value| {
            let object = &frame["object"];
            (
                frame["type"].clone(),
                object["apiVersion"].clone(),
                object["spec"].clone(),
            )
        };
        frames.map(shown).collect()
    };
    let since = since.as_str().unwrap();
    let event = |name: &str, length: i64| (name.into(), "example.com/v2".into(), json!({"length": length}));
    assert_eq!(
        told(&format!("resourceVersion={since}")),
        [event("MODIFIED", 2), event("DELETED", 2)]
    );
    assert_eq!(door.send("POST", &all("v1"), &body).code, 201);
    assert_eq!(told(""), [event("ADDED", 1)]);
}

#[test]
fn a_watch_ends_with_what_its_webhook_did_wrong() {
    let works = Arc::new(AtomicBool::new(true));
    let there = works.clone();
    let outside = Outside::new(move |_, review| match there.load(Ordering::Relaxed) {
        true => Does::Answers(200, answer(review, &converted(review))),
        false => Does::IsNotThere,
    });
    let door = Door::asking(outside);
    serve(&door, &definition("v1", &webhook()));
    let since = door
        .send("POST", &all("v1"), &widget("v1", "a", &json!({"size": 1})))
        .at("/metadata/resourceVersion");
    assert_eq!(
        door.send_as("PATCH", &one("v1"), MERGE, r#"{"spec":{"size":2}}"#)
            .code,
        200
    );
    works.store(false, Ordering::Relaxed);
    for query in [
        format!("&resourceVersion={}", since.as_str().unwrap()),
        String::new(),
    ] {
        let got = door.send(
            "GET",
            &format!("{}?watch=1&timeoutSeconds=2{query}", all("v2")),
            "",
        );
        assert_eq!(
            (got.code, got.at("/type"), got.at("/object/code")),
            (200, "ERROR".into(), json!(500))
        );
        assert_eq!(
            got.at("/object/message"),
            "conversion webhook for example.com/v1, Kind=Widget failed: Post \"https://hooks.example.com/convert?timeout=30s\": dial tcp 10.0.0.9:443: connect: connection refused"
        );
    }
    assert_eq!(door.send("GET", &one("v1"), "").code, 200);
}

#[test]
fn an_answer_that_cannot_be_believed_is_none() {
    type Spoil = fn(&Value, Vec<Value>) -> Value;
    let cases: [(Spoil, &str); 6] = [
        (|review, _| answer(review, &[]), "returned 0 objects, expected 1"),
        (
            |review, objects| {
                let mut spoilt = answer(review, &objects);
                spoilt["response"]["uid"] = "other".into();
                spoilt["response"]["result"]["status"] = "Success".into();
                spoilt["kind"] = "Other".into();
                spoilt
            },
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other",
        ),
        (
            |review, _| {
                let mut spoilt = answer(review, &[]);
                spoilt["response"]["result"] = json!({"status": "Failure", "message": "I cannot"});
                spoilt
            },
            "failed: I cannot",
        ),
        (
            |review, mut objects| {
                objects[0]["metadata"]["name"] = "b".into();
                answer(review, &objects)
            },
            "returned invalid object: must have the same name: a != b",
        ),
        (
            |review, mut objects| {
                objects[0]["apiVersion"] = "example.com/v1".into();
                answer(review, &objects)
            },
            "returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v1)",
        ),
        (
            |review, mut objects| {
                objects[0]["metadata"]["labels"] = json!({"a": "not a label!"});
                answer(review, &objects)
            },
            "returned invalid metadata: metadata.labels: Invalid value: \"not a label!\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ];
    for (spoil, why) in cases {
        let outside = Outside::new(move |_, review| Does::Answers(200, spoil(review, converted(review))));
        let door = Door::asking(outside);
        serve(&door, &definition("v1", &webhook()));
        let made = door.send("POST", &all("v1"), &widget("v1", "a", &json!({"size": 1})));
        assert_eq!(made.code, 201, "{made:?}");
        let got = door.send("GET", &one("v2"), "");
        assert_eq!(
            (got.code, got.message(), got.at("/reason")),
            (
                500,
                format!("conversion webhook for example.com/v1, Kind=Widget {why}"),
                Value::Null
            )
        );
    }
}
