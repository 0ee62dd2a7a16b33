//! Writing objects, by every verb.

use http::Request;
use serde_json::{Value, json};

use crate::door::Door;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

fn map(name: &str) -> String {
    format!("{MAPS}/{name}")
}

#[test]
fn an_object_lives_through_every_verb() {
    let door = Door::open();
    let made = door.send("POST", MAPS, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#);
    assert_eq!(made.code, 201, "{made:?}");
    assert_eq!(made.at("/kind"), "ConfigMap");
    assert_eq!(made.at("/metadata/managedFields/0/manager"), "tester");
    let got = door.send("GET", &map("a"), "");
    assert_eq!(got.json(), made.json());

    let patches = [
        (JSON_PATCH, r#"[{"op":"add","path":"/data/j","value":"1"}]"#, "j"),
        (MERGE, r#"{"data":{"m":"1"}}"#, "m"),
        (STRATEGIC, r#"{"data":{"s":"1"}}"#, "s"),
    ];
    for (content, patch, key) in patches {
        let got = door.send_as("PATCH", &map("a"), content, patch);
        assert_eq!(
            (got.code, got.at(&format!("/data/{key}"))),
            (200, json!("1")),
            "{got:?}"
        );
    }
    let put = door.send(
        "PUT",
        &map("a"),
        r#"{"metadata":{"name":"a"},"data":{"only":"this"}}"#,
    );
    assert_eq!(
        (put.code, put.at("/data")),
        (200, json!({"only": "this"})),
        "{put:?}"
    );
    assert_eq!(put.at("/metadata/uid"), made.at("/metadata/uid"));

    let gone = door.send("DELETE", &map("a"), "");
    assert_eq!((gone.code, gone.at("/status")), (200, json!("Success")));
    assert_eq!(gone.at("/details/uid"), made.at("/metadata/uid"));
    assert_eq!(door.send("GET", &map("a"), "").code, 404);
}

#[test]
fn apply_creates_conflicts_forces_and_drops() {
    let door = Door::open();
    let apply = |manager: &str, force: &str, data: Value| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": data});
        let path = format!("{}?fieldManager={manager}{force}", map("s"));
        door.send_as("PATCH", &path, APPLY, &body.to_string())
    };
    assert_eq!(apply("m1", "", json!({"a": "1", "b": "1"})).code, 201);
    let got = apply("m2", "", json!({"a": "2"}));
    let conflict = r#"Apply failed with 1 conflict: conflict with "m1": .data.a"#;
    assert_eq!((got.code, got.message().as_str()), (409, conflict));
    assert_eq!(
        apply("m2", "&force=true", json!({"a": "2"})).at("/data"),
        json!({"a": "2", "b": "1"})
    );
    assert_eq!(apply("m1", "", json!({})).at("/data"), json!({"a": "2"}));
}

#[test]
fn what_changes_nothing_is_not_written() {
    let door = Door::open();
    let body = r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#;
    let made = door.send("POST", MAPS, body);
    let version = made.at("/metadata/resourceVersion");
    assert_eq!(
        door.send("PUT", &map("a"), body).at("/metadata/resourceVersion"),
        version
    );
    let same = door.send_as("PATCH", &map("a"), MERGE, r#"{"data":{"k":"v"}}"#);
    assert_eq!(same.at("/metadata/resourceVersion"), version);
    let other = door.send_as("PATCH", &map("a"), MERGE, r#"{"data":{"k":"w"}}"#);
    assert_ne!(other.at("/metadata/resourceVersion"), version);
}

#[test]
fn a_dry_run_answers_and_writes_nothing() {
    let door = Door::open();
    let path = format!("{MAPS}?dryRun=All");
    let got = door.send("POST", &path, r#"{"metadata":{"generateName":"g-"}}"#);
    assert_eq!(
        (got.code, got.at("/metadata/resourceVersion")),
        (201, Value::Null),
        "{got:?}"
    );
    assert!(got.at("/metadata/name").as_str().unwrap().starts_with("g-"));
    let name = got.at("/metadata/name");
    assert_eq!(door.send("GET", &map(name.as_str().unwrap()), "").code, 404);
}

#[test]
fn finalizers_hold_an_object_until_the_last_one_goes() {
    let door = Door::open();
    let body = r#"{"metadata":{"name":"f","finalizers":["x.io/y"]}}"#;
    assert_eq!(door.send("POST", MAPS, body).code, 201);
    let held = door.send("DELETE", &map("f"), "");
    assert_eq!((held.code, held.at("/kind")), (200, json!("ConfigMap")));
    assert!(held.at("/metadata/deletionTimestamp").is_string());
    let again = door.send("POST", MAPS, r#"{"metadata":{"name":"f"}}"#);
    assert_eq!(
        again.message(),
        r#"object is being deleted: configmaps "f" already exists"#
    );
    let freed = door.send_as("PATCH", &map("f"), MERGE, r#"{"metadata":{"finalizers":null}}"#);
    assert_eq!(freed.code, 200, "{freed:?}");
    assert_eq!(door.send("GET", &map("f"), "").code, 404);
}

#[test]
fn propagation_leaves_a_finalizer_for_the_garbage_collector() {
    let door = Door::open();
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        door.send("POST", MAPS, &json!({"metadata": {"name": name}}).to_string());
        let got = door.send(
            "DELETE",
            &map(&name),
            &json!({"propagationPolicy": policy}).to_string(),
        );
        assert_eq!(got.at("/metadata/finalizers"), json!([finalizer]), "{got:?}");
    }
}

#[test]
fn a_collection_is_deleted_by_selector() {
    let door = Door::open();
    for (name, app) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let body = json!({"metadata": {"name": name, "labels": {"app": app}}});
        assert_eq!(door.send("POST", MAPS, &body.to_string()).code, 201);
    }
    let got = door.send("DELETE", &format!("{MAPS}?labelSelector=app%3Dx"), "");
    assert_eq!(
        (got.code, got.at("/kind")),
        (200, json!("ConfigMapList")),
        "{got:?}"
    );
    assert_eq!(got.at("/items").as_array().unwrap().len(), 2);
    let codes = ["a", "b", "c"].map(|name| door.send("GET", &map(name), "").code);
    assert_eq!(codes, [404, 404, 200]);
}

#[test]
fn unknown_fields_are_told_as_warnings() {
    let door = Door::open();
    let got = door.send("POST", MAPS, r#"{"metadata":{"name":"w"},"zz":1}"#);
    assert_eq!(
        (got.code, got.warnings.as_slice()),
        (201, &[r#"299 - "unknown field \"zz\"""#.to_owned()][..])
    );
}

#[test]
fn a_scale_shows_and_sets_replicas() {
    let door = Door::open();
    let all = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let made = door.send("POST", all, &deployment.to_string());
    assert_eq!(made.code, 201, "{made:?}");
    let scale = format!("{all}/d/scale");
    let got = door.send("GET", &scale, "");
    assert_eq!(
        (got.at("/kind"), got.at("/spec/replicas")),
        (json!("Scale"), json!(1)),
        "{got:?}"
    );
    assert_eq!(got.at("/status/selector"), "a=b");
    let put = door.send(
        "PUT",
        &scale,
        r#"{"metadata":{"name":"d"},"spec":{"replicas":3}}"#,
    );
    assert_eq!((put.code, put.at("/spec/replicas")), (200, json!(3)), "{put:?}");
    let patched = door.send_as("PATCH", &scale, MERGE, r#"{"spec":{"replicas":2}}"#);
    assert_eq!(
        (patched.code, patched.at("/spec/replicas")),
        (200, json!(2)),
        "{patched:?}"
    );
    let negative = door.send(
        "PUT",
        &scale,
        r#"{"metadata":{"name":"d"},"spec":{"replicas":-1}}"#,
    );
    assert_eq!(negative.code, 422);
    assert_eq!(
        door.send("GET", &format!("{all}/d"), "").at("/spec/replicas"),
        json!(2)
    );
}

#[test]
fn events_of_both_groups_are_one() {
    let door = Door::open();
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "hello", "reason": "R", "type": "Normal"});
    let made = door.send("POST", "/api/v1/namespaces/default/events", &event.to_string());
    assert_eq!(made.code, 201, "{made:?}");
    let other = door.send("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e", "");
    assert_eq!(
        (other.at("/note"), other.at("/regarding/name")),
        (json!("hello"), json!("p")),
        "{other:?}"
    );
    assert_eq!(other.at("/apiVersion"), "events.k8s.io/v1");
}

#[test]
fn an_autoscaler_has_two_versions() {
    let door = Door::open();
    let v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let body = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60,
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}});
    let made = door.send("POST", v1, &body.to_string());
    assert_eq!(
        (made.code, made.at("/spec/targetCPUUtilizationPercentage")),
        (201, json!(60)),
        "{made:?}"
    );
    let v2 = door.send("GET", &format!("{}/h", v1.replace("/v1/", "/v2/")), "");
    assert_eq!(
        v2.at("/spec/metrics/0/resource/target/averageUtilization"),
        json!(60),
        "{v2:?}"
    );
}

/// `autoscaling/v1` has an aim that nobody needs to name.
#[test]
fn an_autoscaler_that_says_no_aim_has_one() {
    let door = Door::open();
    let v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let body = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3,
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}});
    let made = door.send("POST", v1, &body.to_string());
    assert_eq!(made.at("/spec/targetCPUUtilizationPercentage"), 80, "{made:?}");
}

/// Typed clients send the options of a deletion in the encoding that they send objects in.
#[test]
fn deletions_take_their_options_as_protobuf() {
    let door = Door::open();
    let delete = |name: &str, raw: &[u8]| {
        let kind = [b"\x0a\x02v1\x12\x0dDeleteOptions".as_slice()].concat();
        let lengths = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let envelope = [
            b"k8s\0\x0a",
            &[lengths(&kind)][..],
            &kind,
            b"\x12",
            &[lengths(raw)],
            raw,
        ]
        .concat();
        let request =
            Request::delete(map(name)).header("content-type", "application/vnd.kubernetes.protobuf");
        door.request_bytes(request.header("accept", "application/json"), envelope.into())
    };
    for name in ["a", "b"] {
        door.send("POST", MAPS, &json!({"metadata": {"name": name}}).to_string());
    }
    assert_eq!(delete("a", b"\x08\0").code, 200);
    assert_eq!(door.send("GET", &map("a"), "").code, 404);
    // `preconditions.uid`, which is another's.
    let refused = delete("b", b"\x12\x06\x0a\x04nope");
    assert_eq!(refused.code, 409, "{refused:?}");
    assert_eq!(door.send("GET", &map("b"), "").code, 200);
    assert_eq!(delete("b", b"\xff").code, 400);
}

#[test]
fn many_hands_on_one_object_lose_no_change() {
    let door = Door::open();
    door.send("POST", MAPS, r#"{"metadata":{"name":"a"}}"#);
    for at in 0..20 {
        let patch = json!({"data": {format!("k{at}"): "v"}}).to_string();
        assert_eq!(door.send_as("PATCH", &map("a"), MERGE, &patch).code, 200);
    }
    assert_eq!(
        door.send("GET", &map("a"), "")
            .at("/data")
            .as_object()
            .unwrap()
            .len(),
        20
    );
}

#[test]
fn nothing_is_made_in_a_namespace_that_is_not_there() {
    let door = Door::open();
    let got = door.send(
        "POST",
        "/api/v1/namespaces/nowhere/configmaps",
        r#"{"metadata":{"name":"a"}}"#,
    );
    assert_eq!(
        (got.code, got.message().as_str()),
        (404, r#"namespaces "nowhere" not found"#)
    );
    let kept = door.send("DELETE", "/api/v1/namespaces/default", "");
    let why = r#"namespaces "default" is forbidden: this namespace may not be deleted"#;
    assert_eq!((kept.code, kept.message().as_str()), (403, why));
}

#[test]
fn a_namespace_that_ends_takes_nothing_new_and_waits_for_its_finalizer() {
    let door = Door::open();
    assert_eq!(
        door.send("POST", "/api/v1/namespaces", r#"{"metadata":{"name":"n"}}"#)
            .code,
        201
    );
    let ended = door.send("DELETE", "/api/v1/namespaces/n", "");
    assert_eq!(
        (ended.code, ended.at("/status/phase")),
        (200, json!("Terminating")),
        "{ended:?}"
    );
    let got = door.send(
        "POST",
        "/api/v1/namespaces/n/configmaps",
        r#"{"metadata":{"name":"a"}}"#,
    );
    assert_eq!(got.code, 403);
    assert_eq!(got.at("/details/causes/0/reason"), "NamespaceTerminating");
    let mut finalized = door.send("GET", "/api/v1/namespaces/n", "").json();
    finalized["spec"]["finalizers"] = json!([]);
    let done = door.send("PUT", "/api/v1/namespaces/n/finalize", &finalized.to_string());
    assert_eq!(done.code, 200, "{done:?}");
    assert_eq!(door.send("GET", "/api/v1/namespaces/n", "").code, 404);
}

#[test]
fn a_service_gets_an_address_and_gives_it_back() {
    let door = Door::open();
    let all = "/api/v1/namespaces/default/services";
    let service = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"clusterIP": "10.43.9.9", "ports": [{"port": 80}]}})
            .to_string()
    };
    let made = door.send("POST", all, &service("a"));
    assert_eq!(
        (made.code, made.at("/spec/clusterIPs/0")),
        (201, json!("10.43.9.9")),
        "{made:?}"
    );
    let taken = door.send("POST", all, &service("b"));
    assert_eq!(taken.code, 422);
    assert!(
        taken.message().contains("provided IP is already allocated"),
        "{taken:?}"
    );
    assert_eq!(door.send("DELETE", &format!("{all}/a"), "").code, 200);
    assert_eq!(door.send("POST", all, &service("b")).code, 201);
}
