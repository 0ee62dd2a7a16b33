//! Lives of kinds that are more than their API: namespaces, nodes, volumes, quotas, services, pods without a kubelet.

use serde_json::{Value, json};

use crate::door::{Door, Got};

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const NAMESPACES: &str = "/api/v1/namespaces";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[track_caller]
fn post(door: &Door, path: &str, object: &Value) -> Got {
    let got = door.send("POST", path, &object.to_string());
    assert_eq!(got.code, 201, "{got:?}");
    got
}

#[track_caller]
fn put(door: &Door, path: &str, object: &Value) -> Got {
    let got = door.send("PUT", path, &object.to_string());
    assert_eq!(got.code, 200, "{got:?}");
    got
}

#[track_caller]
fn patch(door: &Door, path: &str, patch: &Value) -> Got {
    let got = door.send_as("PATCH", path, MERGE, &patch.to_string());
    assert_eq!(got.code, 200, "{got:?}");
    got
}

fn count(door: &Door, path: &str) -> usize {
    door.send("GET", path, "").at("/items").as_array().unwrap().len()
}

#[test]
fn a_namespace_is_patched_updated_and_finalized() {
    let door = Door::open();
    post(&door, NAMESPACES, &json!({"metadata": {"name": "n"}}));
    let path = format!("{NAMESPACES}/n");
    let got = door.send_as(
        "PATCH",
        &path,
        STRATEGIC,
        r#"{"metadata":{"labels":{"testLabel":"testValue"}}}"#,
    );
    assert_eq!(
        (got.code, got.at("/metadata/labels/testLabel")),
        (200, json!("testValue"))
    );
    let mut object = got.json();
    object["metadata"]["labels"]["updated"] = json!("true");
    let got = put(&door, &path, &object);
    assert_eq!(got.at("/metadata/labels/updated"), "true");
    let mut object = got.json();
    object["spec"]["finalizers"] = json!(["kubernetes", "e2e.example.com/fakeFinalizer"]);
    let got = put(&door, &format!("{path}/finalize"), &object);
    assert_eq!(got.at("/spec/finalizers/1"), "e2e.example.com/fakeFinalizer");
    let mut object = got.json();
    object["spec"]["finalizers"] = json!(["kubernetes"]);
    let got = put(&door, &format!("{path}/finalize"), &object);
    assert_eq!(got.at("/spec/finalizers"), json!(["kubernetes"]));
}

#[test]
fn a_namespaces_status_is_patched_and_updated() {
    let door = Door::open();
    post(&door, NAMESPACES, &json!({"metadata": {"name": "n"}}));
    let path = format!("{NAMESPACES}/n/status");
    assert_eq!(door.send("GET", &path, "").at("/status/phase"), "Active");
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "E2E", "message": "Set by an e2e test"});
    let got = patch(
        &door,
        &path,
        &json!({"metadata": {"annotations": {"e2e": "1"}}, "status": {"conditions": [condition("StatusPatch")]}}),
    );
    assert_eq!(got.at("/status/conditions/0/type"), "StatusPatch");
    let mut object = got.json();
    object["status"]["conditions"] = json!([condition("StatusPatch"), condition("StatusUpdate")]);
    let got = put(&door, &path, &object);
    assert_eq!(got.at("/status/conditions/1/reason"), "E2E");
}

#[test]
fn a_node_lives_without_a_kubelet() {
    let door = Door::open();
    let node = json!({"metadata": {"name": "e2e-fake-node"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "message": "Set by e2e test"}]}});
    post(&door, "/api/v1/nodes", &node);
    let path = "/api/v1/nodes/e2e-fake-node";
    let got = patch(&door, path, &json!({"metadata": {"labels": {"e2e": "patched"}}}));
    let mut object = got.json();
    object["metadata"]["labels"]["e2e"] = json!("updated");
    assert_eq!(put(&door, path, &object).at("/metadata/labels/e2e"), "updated");
    let status = format!("{path}/status");
    let got = patch(
        &door,
        &status,
        &json!({"status": {"conditions": [{"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "m"}]}}),
    );
    assert_eq!(got.at("/status/conditions/0/type"), "StatusPatch", "{got:?}");
    assert_eq!(door.send("DELETE", path, "").code, 200);
    post(&door, "/api/v1/nodes", &node);
    let gone = door.send(
        "DELETE",
        "/api/v1/nodes?fieldSelector=metadata.name%3De2e-fake-node",
        "",
    );
    assert_eq!((gone.code, count(&door, "/api/v1/nodes")), (200, 0));
}

fn volume() -> Value {
    json!({"metadata": {"name": "pv", "labels": {"e2e": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"},
        "csi": {"driver": "d.x.io", "volumeHandle": "h"}}})
}

fn claim() -> Value {
    json!({"metadata": {"name": "pvc", "labels": {"e2e": "1"}}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
}

const VOLUMES: &str = "/api/v1/persistentvolumes";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

/// Upstream's test frees them by their finalizers, too.
#[test]
fn volumes_and_claims_are_changed_and_go() {
    let door = Door::open();
    for (all, object, name) in [(VOLUMES, volume(), "pv"), (CLAIMS, claim(), "pvc")] {
        post(&door, all, &object);
        let path = format!("{all}/{name}");
        let got = patch(&door, &path, &json!({"metadata": {"labels": {"patched": "1"}}}));
        let mut object = got.json();
        object["metadata"]["labels"]["updated"] = json!("1");
        assert_eq!(put(&door, &path, &object).at("/metadata/labels/updated"), "1");
        assert_eq!(count(&door, &format!("{all}?labelSelector=updated%3D1")), 1);
        let held = door.send("DELETE", &path, "");
        assert!(held.at("/metadata/deletionTimestamp").is_string(), "{held:?}");
        patch(&door, &path, &json!({"metadata": {"finalizers": null}}));
        assert_eq!(door.send("GET", &path, "").code, 404);
    }
}

#[test]
fn the_status_of_volumes_and_claims_is_patched_and_updated() {
    let door = Door::open();
    for (all, object, name) in [(VOLUMES, volume(), "pv"), (CLAIMS, claim(), "pvc")] {
        post(&door, all, &object);
        let status = format!("{all}/{name}/status");
        let change = match name {
            "pv" => json!({"status": {"message": "StatusPatched", "reason": "E2E patchedStatus"}}),
            _ => {
                json!({"status": {"conditions": [{"type": "StatusPatched", "status": "True", "reason": "E2E patchedStatus"}]}})
            }
        };
        let got = patch(&door, &status, &change);
        let told = if name == "pv" {
            "/status/reason"
        } else {
            "/status/conditions/0/reason"
        };
        assert_eq!(got.at(told), "E2E patchedStatus");
        let mut object = got.json();
        *object.pointer_mut(told).unwrap() = json!("E2E updatedStatus");
        assert_eq!(put(&door, &status, &object).at(told), "E2E updatedStatus");
    }
}

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

#[test]
fn a_quota_lives_and_its_status_is_written_alone() {
    let door = Door::open();
    let quota = |name: &str| json!({"metadata": {"name": name, "labels": {"e2e": "1"}}, "spec": {"hard": {"cpu": "1", "memory": "500Mi"}}});
    post(&door, QUOTAS, &quota("q"));
    let path = format!("{QUOTAS}/q");
    let got = patch(
        &door,
        &path,
        &json!({"metadata": {"labels": {"q": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}),
    );
    assert_eq!(got.at("/spec/hard/memory"), "750Mi");
    let mut object = got.json();
    object["spec"]["hard"]["cpu"] = json!("2");
    assert_eq!(put(&door, &path, &object).at("/spec/hard/cpu"), "2");
    assert_eq!(
        count(&door, "/api/v1/resourcequotas?labelSelector=q%3Dpatched"),
        1
    );
    let hard = |cpu: &str| json!({"cpu": cpu, "memory": "600Mi"});
    let got = patch(
        &door,
        &format!("{path}/status"),
        &json!({"status": {"hard": hard("3")}}),
    );
    assert_eq!(
        (got.at("/status/hard"), got.at("/spec/hard/cpu")),
        (hard("3"), json!("2"))
    );
    let mut object = got.json();
    object["status"]["hard"] = hard("4");
    object["spec"]["hard"]["cpu"] = json!("9");
    let got = put(&door, &format!("{path}/status"), &object);
    assert_eq!(
        (got.at("/status/hard/cpu"), got.at("/spec/hard/cpu")),
        (json!("4"), json!("2"))
    );
    assert_eq!(door.send("DELETE", &path, "").code, 200);
    post(&door, QUOTAS, &quota("again"));
    assert_eq!(
        door.send("DELETE", &format!("{QUOTAS}?labelSelector=e2e%3D1"), "")
            .code,
        200
    );
    assert_eq!(count(&door, QUOTAS), 0);
}

fn service(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"e2e": "1"}}, "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}})
}

#[test]
fn a_services_status_lives() {
    let door = Door::open();
    post(&door, SERVICES, &service("s"));
    let status = format!("{SERVICES}/s/status");
    let got = patch(
        &door,
        &status,
        &json!({"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}}),
    );
    assert_eq!(got.at("/status/loadBalancer/ingress/0/ip"), "203.0.113.1");
    assert_eq!(got.at("/metadata/annotations/patchedstatus"), "true");
    let mut object = got.json();
    object["status"]["conditions"] = json!([{"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    assert_eq!(
        put(&door, &status, &object).at("/status/conditions/0/type"),
        "StatusUpdate"
    );
    let got = patch(
        &door,
        &format!("{SERVICES}/s"),
        &json!({"metadata": {"labels": {"test-service": "patched"}}}),
    );
    assert_eq!(got.at("/metadata/labels/test-service"), "patched");
    let watched = door.send(
        "GET",
        &format!("{SERVICES}?watch=1&timeoutSeconds=2&labelSelector=test-service%3Dpatched"),
        "",
    );
    assert!(watched.text.contains("203.0.113.1"), "{watched:?}");
    assert_eq!(door.send("DELETE", &format!("{SERVICES}/s"), "").code, 200);
}

#[test]
fn services_are_found_everywhere_and_deleted_together() {
    let door = Door::open();
    for name in ["a", "b", "c"] {
        post(&door, SERVICES, &service(name));
    }
    let all = door.send("GET", "/api/v1/services", "").at("/items");
    let found = all
        .as_array()
        .unwrap()
        .iter()
        .any(|each| each["metadata"]["name"] == "kubernetes");
    assert!(found, "{all}");
    assert_eq!(
        door.send("DELETE", &format!("{SERVICES}?labelSelector=e2e%3D1"), "")
            .code,
        200
    );
    assert_eq!(count(&door, &format!("{SERVICES}?labelSelector=e2e%3D1")), 0);
}

#[test]
fn the_api_has_a_service_endpoints_and_a_slice() {
    let door = Door::open();
    let got = door.send("GET", &format!("{SERVICES}/kubernetes"), "");
    assert_eq!(
        (
            got.code,
            got.at("/spec/ports/0/port"),
            got.at("/spec/ports/0/name")
        ),
        (200, json!(443), json!("https"))
    );
    let endpoints = door.send("GET", "/api/v1/namespaces/default/endpoints/kubernetes", "");
    let slices = door.send("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes", "");
    let address = endpoints.at("/subsets/0/addresses/0/ip");
    assert!(address.is_string(), "{endpoints:?}");
    assert_eq!(slices.at("/items/0/endpoints/0/addresses/0"), address);
    assert_eq!(
        slices.at("/items/0/ports/0/port"),
        endpoints.at("/subsets/0/ports/0/port")
    );
}

fn pod(name: &str, container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = json!("c");
    container["image"] = json!("i");
    json!({"metadata": {"name": name, "labels": {"e2e": "1"}}, "spec": {"containers": [container]}})
}

#[test]
fn a_pod_has_its_quality_of_service() {
    let door = Door::open();
    let amounts = json!({"cpu": "100m", "memory": "100Mi"});
    let got = post(
        &door,
        PODS,
        &pod(
            "g",
            &json!({"resources": {"limits": amounts, "requests": amounts}}),
        ),
    );
    assert_eq!(got.at("/status/qosClass"), "Guaranteed");
}

#[test]
fn pods_go_together_and_their_status_is_patched() {
    let door = Door::open();
    for name in ["a", "b", "c"] {
        post(&door, PODS, &pod(name, &json!({})));
    }
    let got = patch(
        &door,
        &format!("{PODS}/a/status"),
        &json!({"metadata": {"annotations": {"p": "1"}}, "status": {"message": "Patched by e2e test", "reason": "E2E"}}),
    );
    assert_eq!(
        (got.at("/status/message"), got.at("/status/reason")),
        (json!("Patched by e2e test"), json!("E2E"))
    );
    assert_eq!(
        door.send("DELETE", &format!("{PODS}?labelSelector=e2e%3D1"), "")
            .code,
        200
    );
    assert_eq!(count(&door, PODS), 0);
}

#[test]
fn keys_of_maps_and_secrets_are_not_empty() {
    let door = Door::open();
    for plural in ["configmaps", "secrets"] {
        let object = json!({"metadata": {"name": "e"}, "data": {"": "dmFsdWU="}});
        let got = door.send(
            "POST",
            &format!("/api/v1/namespaces/default/{plural}"),
            &object.to_string(),
        );
        assert_eq!((got.code, got.at("/reason")), (422, json!("Invalid")), "{got:?}");
    }
}

#[test]
fn a_pod_of_a_runtime_class_that_is_not_there_is_refused() {
    let door = Door::open();
    let mut object = pod("r", &json!({}));
    object["spec"]["runtimeClassName"] = json!("nonexistent");
    let got = door.send("POST", PODS, &object.to_string());
    assert_eq!(
        (got.code, got.at("/reason")),
        (403, json!("Forbidden")),
        "{got:?}"
    );
    let class = json!({"metadata": {"name": "deleted"}, "handler": "h"});
    post(&door, "/apis/node.k8s.io/v1/runtimeclasses", &class);
    assert_eq!(
        door.send("DELETE", "/apis/node.k8s.io/v1/runtimeclasses/deleted", "")
            .code,
        200
    );
    object["spec"]["runtimeClassName"] = json!("deleted");
    assert_eq!(door.send("POST", PODS, &object.to_string()).code, 403);
}

#[test]
fn a_pod_may_have_an_inline_volume_of_a_driver() {
    let door = Door::open();
    let mut object = pod("v", &json!({"volumeMounts": [{"name": "v", "mountPath": "/m"}]}));
    object["spec"]["volumes"] =
        json!([{"name": "v", "csi": {"driver": "e2e.example.com", "volumeAttributes": {"a": "b"}}}]);
    let got = post(&door, PODS, &object);
    assert_eq!(got.at("/spec/volumes/0/csi/driver"), "e2e.example.com");
    assert_eq!(count(&door, PODS), 1);
    assert_eq!(door.send("DELETE", &format!("{PODS}/v"), "").code, 200);
}

#[test]
fn a_limit_range_changes_and_its_namespace_is_kept_apart() {
    let door = Door::open();
    post(&door, NAMESPACES, &json!({"metadata": {"name": "other"}}));
    let range = json!({"metadata": {"name": "lr", "labels": {"e2e": "1"}}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}});
    for namespace in ["default", "other"] {
        post(&door, &format!("{NAMESPACES}/{namespace}/limitranges"), &range);
    }
    assert_eq!(count(&door, "/api/v1/limitranges?labelSelector=e2e%3D1"), 2);
    let changed = json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "800m"}}]}});
    let got = patch(&door, &format!("{NAMESPACES}/default/limitranges/lr"), &changed);
    assert_eq!(got.at("/spec/limits/0/max/cpu"), "800m");
    assert_eq!(
        door.send("DELETE", &format!("{NAMESPACES}/default/limitranges/lr"), "")
            .code,
        200
    );
    assert_eq!(
        door.send(
            "DELETE",
            &format!("{NAMESPACES}/other/limitranges?labelSelector=e2e%3D1"),
            ""
        )
        .code,
        200
    );
    assert_eq!(count(&door, "/api/v1/limitranges"), 0);
}

#[test]
fn a_secret_is_patched_and_deleted_by_label() {
    let door = Door::open();
    let all = "/api/v1/namespaces/default/secrets";
    post(
        &door,
        all,
        &json!({"metadata": {"name": "s", "labels": {"testsecret-constant": "true"}}, "data": {"key": "dmFsdWU="}, "type": "Opaque"}),
    );
    let got = patch(
        &door,
        &format!("{all}/s"),
        &json!({"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": "dmFsdWUx"}}),
    );
    assert_eq!(
        (got.at("/data/key"), got.at("/metadata/labels/testsecret")),
        (json!("dmFsdWUx"), json!("true"))
    );
    assert_eq!(
        door.send("DELETE", &format!("{all}?labelSelector=testsecret%3Dtrue"), "")
            .code,
        200
    );
    assert_eq!(
        count(&door, &format!("{all}?labelSelector=testsecret-constant")),
        0
    );
}
