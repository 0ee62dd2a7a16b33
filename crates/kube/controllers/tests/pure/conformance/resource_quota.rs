//! `[sig-api-machinery] ResourceQuota`

use client::Resource;
use serde_json::{Value, json};

use super::{PODS, REPLICA_SETS, pod, resources, workload};
use crate::node::{MAPS, Node, SECRETS};

static QUOTAS: Resource = Resource::new("", "v1", "resourcequotas", "ResourceQuota", true);
static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
static REPLICATIONS: Resource =
    Resource::new("", "v1", "replicationcontrollers", "ReplicationController", true);

fn started() -> Node {
    let node = Node::start(1);
    node.namespace("q");
    node
}

fn limit(node: &Node, name: &str, spec: &Value) {
    node.create(&QUOTAS, "q", &json!({"metadata": {"name": name}, "spec": spec}));
}

/// Waits until a quota says that so much is used.
fn uses(node: &Node, quota: &str, amounts: &Value) {
    node.until(&format!("{quota} uses {amounts}"), |node| {
        let used = &node.get(&QUOTAS, "q", quota).unwrap()["status"]["used"];
        amounts
            .as_object()
            .unwrap()
            .iter()
            .all(|(name, amount)| used[name] == *amount)
    });
}

/// An object of a kind lives and dies while a quota counts it.
fn captures_the_life_of(resource: &'static Resource, counted: &str, object: &Value) {
    let node = started();
    let there = node.names(resource, "q").len();
    limit(&node, "q", &json!({"hard": {counted: (there + 1).to_string()}}));
    uses(&node, "q", &json!({counted: there.to_string()}));
    node.create(resource, "q", object);
    uses(&node, "q", &json!({counted: (there + 1).to_string()}));
    let mut second = object.clone();
    second["metadata"]["name"] = "one-more".into();
    let refused = node.try_create(resource, "q", &second).unwrap_err();
    assert_eq!(refused.code(), Some(403), "{refused}");
    assert!(refused.to_string().contains("exceeded quota: q"), "{refused}");
    let name = object["metadata"]["name"].as_str().unwrap();
    node.delete(resource, "q", name, None);
    uses(&node, "q", &json!({counted: there.to_string()}));
}

/// should create a ResourceQuota and ensure its status is promptly calculated. [Conformance]
#[test]
fn should_create_a_resource_quota_and_ensure_its_status_is_promptly_calculated() {
    let node = started();
    let hard = json!({
        "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1",
        "replicationcontrollers": "10", "resourcequotas": "1", "cpu": "1", "memory": "500Mi", "configmaps": "10",
        "secrets": "10", "persistentvolumeclaims": "10", "requests.storage": "10Gi", "count/replicasets.apps": "5",
    });
    limit(&node, "test-quota", &json!({"hard": hard}));
    uses(
        &node,
        "test-quota",
        &json!({"resourcequotas": "1", "pods": "0", "cpu": "0", "memory": "0", "configmaps": "1"}),
    );
    assert_eq!(
        node.get(&QUOTAS, "q", "test-quota").unwrap()["status"]["hard"],
        hard
    );
}

/// should create a ResourceQuota and capture the life of a secret. [Conformance]
#[test]
fn should_capture_the_life_of_a_secret() {
    captures_the_life_of(
        &SECRETS,
        "secrets",
        &json!({"metadata": {"name": "s"}, "data": {"a": "dg=="}}),
    );
}

/// should create a ResourceQuota and capture the life of a configMap. [Conformance]
#[test]
fn should_capture_the_life_of_a_config_map() {
    captures_the_life_of(
        &MAPS,
        "configmaps",
        &json!({"metadata": {"name": "m"}, "data": {"a": "b"}}),
    );
}

/// should create a ResourceQuota and capture the life of a replication controller. [Conformance]
#[test]
fn should_capture_the_life_of_a_replication_controller() {
    let mut object = workload("r", 0);
    object["spec"]["selector"] = json!({"app": "nginx"});
    captures_the_life_of(&REPLICATIONS, "replicationcontrollers", &object);
}

/// should create a ResourceQuota and capture the life of a replica set. [Conformance]
#[test]
fn should_capture_the_life_of_a_replica_set() {
    captures_the_life_of(&REPLICA_SETS, "count/replicasets.apps", &workload("r", 0));
}

fn service(name: &str, kind: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}})
}

/// should create a ResourceQuota and capture the life of a service. [Conformance]
#[test]
fn should_capture_the_life_of_a_service() {
    let node = started();
    limit(
        &node,
        "q",
        &json!({"hard": {"services": "10", "services.nodeports": "1", "services.loadbalancers": "1"}}),
    );
    uses(&node, "q", &json!({"services": "0", "services.nodeports": "0"}));
    node.create(&SERVICES, "q", &service("cluster", "ClusterIP"));
    node.create(&SERVICES, "q", &service("ports", "NodePort"));
    let refused = node
        .try_create(&SERVICES, "q", &service("balanced", "LoadBalancer"))
        .unwrap_err();
    assert!(refused.to_string().contains("exceeded quota: q"), "{refused}");
    uses(
        &node,
        "q",
        &json!({"services": "2", "services.nodeports": "1", "services.loadbalancers": "0"}),
    );
    for name in ["cluster", "ports"] {
        node.delete(&SERVICES, "q", name, None);
    }
    uses(
        &node,
        "q",
        &json!({"services": "0", "services.nodeports": "0", "services.loadbalancers": "0"}),
    );
}

/// should create a ResourceQuota and capture the life of a pod. [Conformance]
#[test]
fn should_capture_the_life_of_a_pod() {
    let node = started();
    let dongles = |mut amounts: Value, count: &str| {
        amounts["example.com/dongle"] = count.into();
        amounts
    };
    limit(
        &node,
        "q",
        &json!({"hard": {
            "pods": "5", "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi", "requests.example.com/dongle": "3",
        }}),
    );
    uses(&node, "q", &json!({"pods": "0", "cpu": "0"}));
    let two = dongles(json!({}), "2");
    node.create(
        &PODS,
        "q",
        &pod(
            "test-pod",
            &dongles(resources("500m", "252Mi", "30Gi"), "2"),
            &two,
        ),
    );
    let used = json!({
        "pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "requests.example.com/dongle": "2",
    });
    uses(&node, "q", &used);
    for requests in [
        resources("600m", "100Mi", ""),
        dongles(resources("500m", "100Mi", "30Gi"), "2"),
    ] {
        let limits = if requests["example.com/dongle"].is_null() {
            json!({})
        } else {
            two.clone()
        };
        let refused = node
            .try_create(&PODS, "q", &pod("fail-pod", &requests, &limits))
            .unwrap_err();
        assert_eq!(refused.code(), Some(403), "{refused}");
    }
    let mut changed = node.get(&PODS, "q", "test-pod").unwrap();
    changed["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "100m".into();
    assert_eq!(node.replace(&PODS, "q", &changed).unwrap_err().code(), Some(422));
    uses(&node, "q", &used);
    node.delete(&PODS, "q", "test-pod", None);
    uses(
        &node,
        "q",
        &json!({"pods": "0", "cpu": "0", "memory": "0", "ephemeral-storage": "0", "requests.example.com/dongle": "0"}),
    );
}

/// Two quotas, of which a pod concerns the one or the other.
fn scoped(node: &Node, [one, other]: [&str; 2], hard: &Value) {
    for scope in [one, other] {
        limit(
            node,
            &scope.to_lowercase(),
            &json!({"hard": hard, "scopes": [scope]}),
        );
        uses(node, &scope.to_lowercase(), &json!({"pods": "0"}));
    }
}

/// should verify ResourceQuota with terminating scopes. [Conformance]
#[test]
fn should_verify_resource_quota_with_terminating_scopes() {
    let node = started();
    let hard = json!({"pods": "5", "requests.cpu": "1", "requests.memory": "500Mi", "limits.cpu": "2", "limits.memory": "1Gi"});
    scoped(&node, ["Terminating", "NotTerminating"], &hard);
    let used = json!({"pods": "1", "requests.cpu": "500m", "requests.memory": "200Mi", "limits.cpu": "1", "limits.memory": "400Mi"});
    let nothing = json!({"pods": "0", "requests.cpu": "0", "requests.memory": "0", "limits.cpu": "0", "limits.memory": "0"});
    for (name, ends, counted, other) in [
        ("test-pod", false, "notterminating", "terminating"),
        ("terminating-pod", true, "terminating", "notterminating"),
    ] {
        let mut object = pod(
            name,
            &resources("500m", "200Mi", ""),
            &resources("1", "400Mi", ""),
        );
        if ends {
            object["spec"]["activeDeadlineSeconds"] = 3600.into();
        }
        node.create(&PODS, "q", &object);
        uses(&node, counted, &used);
        uses(&node, other, &nothing);
        node.delete(&PODS, "q", name, None);
        uses(&node, counted, &nothing);
    }
}

/// should verify ResourceQuota with best effort scope. [Conformance]
#[test]
fn should_verify_resource_quota_with_best_effort_scope() {
    let node = started();
    scoped(&node, ["BestEffort", "NotBestEffort"], &json!({"pods": "5"}));
    let none = json!({});
    for (name, requests, counted, other) in [
        ("best-effort", none.clone(), "besteffort", "notbesteffort"),
        (
            "burstable",
            resources("500m", "200Mi", ""),
            "notbesteffort",
            "besteffort",
        ),
    ] {
        node.create(&PODS, "q", &pod(name, &requests, &none));
        uses(&node, counted, &json!({"pods": "1"}));
        uses(&node, other, &json!({"pods": "0"}));
        node.delete(&PODS, "q", name, None);
        uses(&node, counted, &json!({"pods": "0"}));
    }
}

/// should be able to update and delete ResourceQuota. [Conformance]
#[test]
fn should_be_able_to_update_and_delete_resource_quota() {
    let node = started();
    limit(
        &node,
        "test-quota",
        &json!({"hard": {"cpu": "1", "memory": "500Mi"}}),
    );
    let mut quota = node.get(&QUOTAS, "q", "test-quota").unwrap();
    assert_eq!(quota["spec"]["hard"], json!({"cpu": "1", "memory": "500Mi"}));
    node.settle();
    quota = node.get(&QUOTAS, "q", "test-quota").unwrap();
    quota["spec"]["hard"] = json!({"cpu": "2", "memory": "1Gi"});
    node.replace(&QUOTAS, "q", &quota).unwrap();
    let read = node.get(&QUOTAS, "q", "test-quota").unwrap();
    assert_eq!(read["spec"]["hard"], json!({"cpu": "2", "memory": "1Gi"}));
    node.delete(&QUOTAS, "q", "test-quota", None);
    assert_eq!(node.get(&QUOTAS, "q", "test-quota"), None);
}

/// should manage the lifecycle of a ResourceQuota [Conformance]
#[test]
fn should_manage_the_lifecycle_of_a_resource_quota() {
    let node = started();
    let quota = json!({"metadata": {"name": "e2e", "labels": {"e2e": "created"}}, "spec": {"hard": {"cpu": "500m", "memory": "500Mi"}}});
    node.create(&QUOTAS, "q", &quota);
    assert_eq!(node.labelled(&QUOTAS, "e2e=created"), ["e2e"]);
    let patch = json!({"metadata": {"labels": {"e2e": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}});
    let patched: Value = node.merge(&QUOTAS, ("q", "e2e"), "", &patch).read().unwrap();
    assert_eq!(patched["metadata"]["labels"]["e2e"], "patched");
    assert_eq!(patched["spec"]["hard"], json!({"cpu": "500m", "memory": "750Mi"}));
    node.delete_labelled(&QUOTAS, "q", "e2e=patched");
    assert_eq!(node.labelled(&QUOTAS, "e2e"), Vec::<String>::new());
}

/// should apply changes to a resourcequota status [Conformance]
#[test]
fn should_apply_changes_to_a_resource_quota_status() {
    let node = started();
    limit(&node, "e2e", &json!({"hard": {"cpu": "500m", "memory": "500Mi"}}));
    uses(&node, "e2e", &json!({"cpu": "0", "memory": "0"}));
    let status = json!({"status": {"hard": {"cpu": "1", "memory": "1Gi"}}});
    let changed: Value = node
        .merge(&QUOTAS, ("q", "e2e"), "status", &status)
        .read()
        .unwrap();
    assert_eq!(changed["status"]["hard"], json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(
        changed["spec"]["hard"],
        json!({"cpu": "500m", "memory": "500Mi"}),
        "only the status"
    );
    let back: Value = node
        .merge(
            &QUOTAS,
            ("q", "e2e"),
            "status",
            &json!({"status": {"hard": {"cpu": "500m", "memory": "500Mi"}}}),
        )
        .read()
        .unwrap();
    assert_eq!(back["status"]["hard"], back["spec"]["hard"]);
}
