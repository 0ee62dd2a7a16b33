//! Managed fields as clients see them: who owns what, how owners are cleared, and owners of a scale.

use serde_json::{Value, json};

use crate::door::{Door, Got};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Manager, operation and subresource of each entry.
fn owners(got: &Got) -> Vec<[String; 3]> {
    let entries = got.at("/metadata/managedFields");
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let entries = entries.as_array().cloned().unwrap_or_default();
    let names = ["manager", "operation", "subresource"];
    entries
        .iter()
        .map(|entry| names.map(|name| text(entry, name)))
        .collect()
}

fn deployment(door: &Door) {
    let body = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    assert_eq!(door.send("POST", DEPLOYMENTS, &body.to_string()).code, 201);
}

#[test]
fn an_empty_list_of_managers_clears_them_by_every_verb() {
    let door = Door::open();
    let path = format!("{MAPS}/a");
    let clear = json!({"metadata": {"name": "a", "managedFields": []}, "data": {"k": "v"}}).to_string();
    let patch = json!({"metadata": {"managedFields": []}}).to_string();
    let replace = json!([{"op": "replace", "path": "/metadata/managedFields", "value": []}]).to_string();
    let entry = json!({"metadata": {"managedFields": [{}]}}).to_string();
    let ways = [
        ("PUT", "application/json", clear),
        ("PATCH", MERGE, patch),
        ("PATCH", JSON_PATCH, replace),
        ("PATCH", MERGE, entry),
    ];
    for (method, content, body) in ways {
        let made = door.send("POST", MAPS, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#);
        assert_eq!(owners(&made).len(), 1, "{made:?}");
        let cleared = door.send_as(method, &path, content, &body);
        assert_eq!(
            (cleared.code, owners(&cleared).len()),
            (200, 0),
            "{method} {body}: {cleared:?}"
        );
        let later = door.send_as("PATCH", &path, MERGE, r#"{"data":{"k":"w"}}"#);
        assert_eq!(
            owners(&later).len(),
            0,
            "nobody is recorded until somebody applies"
        );
        assert_eq!(door.send("DELETE", &path, "").code, 200);
    }
}

#[test]
fn managers_that_nobody_mentions_stay() {
    let door = Door::open();
    let made = door.send("POST", MAPS, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#);
    let path = format!("{MAPS}/a");
    let put = door.send("PUT", &path, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#);
    assert_eq!(owners(&put), owners(&made));
}

#[test]
fn a_scale_is_applied_and_its_owner_owns_the_replicas() {
    let door = Door::open();
    deployment(&door);
    let path = format!("{DEPLOYMENTS}/d/scale");
    let scale = |replicas: u32| {
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d", "namespace": "default"},
            "spec": {"replicas": replicas}})
    };
    let apply = |manager: &str, replicas: u32| {
        let path = format!("{path}?fieldManager={manager}");
        door.send_as("PATCH", &path, APPLY, &scale(replicas).to_string())
    };
    let refused = apply("scaler", 3);
    let conflict =
        r#"Apply failed with 1 conflict: conflict with "tester" using autoscaling/v1: .spec.replicas"#;
    assert_eq!(
        (refused.code, refused.message().as_str()),
        (409, conflict),
        "{refused:?}"
    );
    let forced = door.send_as(
        "PATCH",
        &format!("{path}?fieldManager=scaler&force=true"),
        APPLY,
        &scale(3).to_string(),
    );
    assert_eq!(
        (forced.code, forced.at("/spec/replicas")),
        (200, json!(3)),
        "{forced:?}"
    );
    let got = door.send("GET", &format!("{DEPLOYMENTS}/d"), "");
    let scaler = ["scaler".to_owned(), "Apply".to_owned(), "scale".to_owned()];
    assert!(owners(&got).contains(&scaler), "{:?}", owners(&got));
    let entries = got.at("/metadata/managedFields");
    let entry = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["manager"] == "scaler")
        .unwrap();
    assert_eq!(entry["apiVersion"], "apps/v1");
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    let creator = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["manager"] == "tester")
        .unwrap();
    assert_eq!(
        creator["fieldsV1"].pointer("/f:spec/f:replicas"),
        None,
        "{creator}"
    );
}

#[test]
fn who_scales_by_update_takes_the_replicas_too() {
    let door = Door::open();
    deployment(&door);
    let path = format!("{DEPLOYMENTS}/d/scale");
    let patched = door.send_as(
        "PATCH",
        &format!("{path}?fieldManager=hpa"),
        MERGE,
        r#"{"spec":{"replicas":4}}"#,
    );
    assert_eq!(patched.code, 200, "{patched:?}");
    let got = door.send("GET", &format!("{DEPLOYMENTS}/d"), "");
    let hpa = ["hpa".to_owned(), "Update".to_owned(), "scale".to_owned()];
    assert!(owners(&got).contains(&hpa), "{:?}", owners(&got));
    let seen = door.send("GET", &path, "");
    assert_eq!(
        seen.at("/metadata/managedFields"),
        Value::Null,
        "a scale shows no managers"
    );
}

#[test]
fn a_scale_of_another_object_is_refused() {
    let door = Door::open();
    deployment(&door);
    let path = format!("{DEPLOYMENTS}/d/scale");
    let uid = json!({"metadata": {"name": "d", "uid": "zz"}, "spec": {"replicas": 2}});
    let got = door.send("PUT", &path, &uid.to_string());
    assert_eq!(got.code, 409, "{got:?}");
    assert!(
        got.message()
            .contains("Precondition failed: UID in precondition: zz"),
        "{got:?}"
    );
    let version = json!({"metadata": {"name": "d", "resourceVersion": "1"}, "spec": {"replicas": 2}});
    assert_eq!(door.send("PUT", &path, &version.to_string()).code, 409);
    let other = json!({"metadata": {"name": "e"}, "spec": {"replicas": 2}});
    assert_eq!(door.send("PUT", &path, &other.to_string()).code, 400);
}
