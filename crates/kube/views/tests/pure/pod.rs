//! Pods: what their view says is what their tree says.

use std::sync::Arc;
use std::time::Duration;

use kinds::quota::{Amounts, requests};
use proptest::prelude::*;
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode};
use schema::object::{Obj, Order, Revision, body};
use schema::resource::type_of_kind;
use schema::tree::Struct;
use serde_json::{Value, json};
use views::Protocol;
use views::pod::HostPort;
use views::ready::Phase;
use views::{PodView, Requests};

fn tree(pod: &Value) -> Struct {
    let ty = type_of_kind("", "v1", "Pod").unwrap();
    decode(&BUILTIN, ty, pod.to_string().as_bytes(), Options::default())
        .unwrap()
        .object
}

fn view(tree: &Struct) -> Arc<PodView> {
    let object = Obj::new("default/p", Revision(1), body(&BUILTIN, tree), Order::Declared);
    object.unwrap().view().unwrap()
}

/// A pod whose spec, status and metadata are these.
fn read(metadata: Value, spec: Value, status: Value) -> Arc<PodView> {
    view(&tree(
        &json!({"metadata": metadata, "spec": spec, "status": status}),
    ))
}

fn counted(amounts: &Amounts) -> Requests {
    const OWN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
    let whole = |nanos: i128| i64::try_from(nanos).unwrap();
    let of = |name: &str| amounts.get(name).copied().unwrap_or_default();
    let bytes = |name: &str| whole(of(name).rounded_up().millis() / 1000);
    let other = amounts
        .keys()
        .filter(|name| !OWN.contains(&name.as_str()) && bytes(name) != 0);
    Requests {
        milli_cpu: whole(of("cpu").millis()),
        memory: bytes("memory"),
        ephemeral: bytes("ephemeral-storage"),
        other: other.map(|name| (name.as_str().into(), bytes(name))).collect(),
    }
}

fn amounts() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("cpu"),
        Just("cpu"),
        Just("memory"),
        Just("memory"),
        Just("ephemeral-storage"),
        Just("hugepages-2Mi"),
        Just("example.com/gpu")
    ];
    let quantity = "(0|[1-9][0-9]{0,4})(\\.[0-9]{1,2})?(m|k|M|Ki|Mi|Gi)?";
    prop::collection::btree_map(names, quantity, 0..4).prop_map(|map| json!(map))
}

fn container(sidecars: bool) -> impl Strategy<Value = Value> {
    (amounts(), prop::bool::weighted(if sidecars { 0.5 } else { 0.0 })).prop_map(|(requests, sidecar)| {
        let mut container = json!({"name": "c", "resources": {"requests": requests}});
        if sidecar {
            container["restartPolicy"] = json!("Always");
        }
        container
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let containers = prop::collection::vec(container(false), 1..4);
    let initial = prop::collection::vec(container(true), 0..4);
    let whole = prop_oneof![3 => Just(json!({})), 1 => amounts()];
    (containers, initial, whole, amounts()).prop_map(|(containers, initial, whole, overhead)| {
        json!({"metadata": {"name": "p"}, "spec": {"containers": containers, "initContainers": initial,
            "resources": {"requests": whole}, "overhead": overhead}})
    })
}

proptest! {
    #[test]
    fn requests_are_those_that_quotas_count(pod in pod()) {
        let tree = tree(&pod);
        let expected = counted(&requests(Ref::new(&BUILTIN, &tree), true));
        prop_assert_eq!(&view(&tree).requests, &expected);
    }
}

#[test]
fn containers_that_ask_for_nothing_count_for_something_in_scores() {
    let spec = json!({"containers": [
        {"name": "a"},
        {"name": "b", "resources": {"requests": {"cpu": "0", "memory": "1Gi"}}}],
        "initContainers": [{"name": "i"}]});
    let pod = read(json!({}), spec, json!({}));
    assert_eq!(pod.nonzero, (100, (200 << 20) + (1 << 30)));
    assert_eq!((pod.requests.milli_cpu, pod.requests.memory), (0, 1 << 30));
}

#[test]
fn a_pod_is_read() {
    let metadata = json!({"name": "p", "labels": {"b": "2", "a": "1"}, "finalizers": ["f"],
        "annotations": {"x": "y", "controller.kubernetes.io/pod-deletion-cost": "-7"},
        "deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": 30,
        "ownerReferences": [{"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "u0"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u1", "controller": true}]});
    let spec = json!({"nodeName": "n", "schedulerName": "default-scheduler", "priority": 5, "preemptionPolicy": "Never",
        "hostname": "h", "subdomain": "s", "hostNetwork": true, "schedulingGates": [{"name": "g"}],
        "containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080, "protocol": "TCP"},
            {"containerPort": 53, "hostPort": 53, "hostIP": "127.0.0.1", "protocol": "UDP"}]}],
        "initContainers": [{"name": "i", "ports": [{"containerPort": 1, "hostPort": 1, "protocol": "TCP"}]},
            {"name": "s", "restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 2, "protocol": "TCP"}]}]});
    let status = json!({"phase": "Running", "podIP": "10.0.0.7", "startTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"},
            {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "a", "restartCount": 3, "ready": true, "image": "", "imageID": ""}],
        "initContainerStatuses": [{"name": "i", "restartCount": 9, "ready": true, "image": "", "imageID": ""},
            {"name": "s", "restartCount": 2, "ready": true, "image": "", "imageID": ""}]});
    let pod = read(metadata, spec, status);
    assert_eq!(
        (&*pod.node, pod.phase, pod.scheduled, pod.gated),
        ("n", Phase::Running, true, true)
    );
    assert_eq!(
        (pod.priority, pod.preempts, pod.cost, pod.finalizers),
        (5, false, -7, true)
    );
    assert_eq!(
        (&*pod.hostname, &*pod.subdomain, pod.host_network),
        ("h", "s", true)
    );
    assert_eq!(
        pod.owner.as_ref().map(|owner| (&*owner.kind, &*owner.uid)),
        Some(("ReplicaSet", "u1"))
    );
    assert_eq!(
        pod.deleting.map(|deleting| deleting.grace),
        Some(Duration::from_secs(30))
    );
    assert_eq!(pod.labels[0].0.as_ref(), "a");
    let tcp = HostPort {
        ip: None,
        protocol: Protocol::Tcp,
        port: 8080,
    };
    let udp = HostPort {
        ip: Some([127, 0, 0, 1].into()),
        protocol: Protocol::Udp,
        port: 53,
    };
    assert_eq!(*pod.ports, [tcp, udp]);
    let names: Vec<_> = pod
        .named_ports
        .iter()
        .map(|port| (&*port.name, port.port))
        .collect();
    assert_eq!(names, [("http", 80), ("side", 2)]);
    assert_eq!(
        (pod.restarts, pod.sidecar_restarts, pod.ip),
        (3, 2, Some([10, 0, 0, 7].into()))
    );
    assert!(pod.placement.is_none() && !pod.is_active());
}

#[test]
fn availability_counts_from_when_the_pod_was_ready() {
    let status = |since: Value| json!({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]});
    let pod = read(
        json!({}),
        json!({"containers": []}),
        status(json!("2026-01-01T00:00:10Z")),
    );
    let least = Duration::from_secs(5);
    let available = |at: &str| pod.is_available(least, at.parse().unwrap());
    assert!(!available("2026-01-01T00:00:14Z") && available("2026-01-01T00:00:15Z"));
    let pod = read(json!({}), json!({"containers": []}), status(Value::Null));
    let now = "2026-01-01T00:00:14Z".parse().unwrap();
    assert!(pod.is_available(Duration::ZERO, now) && !pod.is_available(least, now));
}

#[test]
fn placement_is_read_where_something_is_asked() {
    let term = json!({"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "zone"});
    let spec = json!({"containers": [], "nodeSelector": {"disk": "ssd"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["1"]}]}]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "preference": {"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": ["n"]}]}}]},
          "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 9, "podAffinityTerm": term}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "nodeTaintsPolicy": "Honor"}]});
    let pod = read(json!({}), spec, json!({}));
    let placement = pod.placement.as_ref().unwrap();
    let labels = |pairs: &[(&str, &str)]| -> Box<[(Box<str>, Box<str>)]> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    };
    assert!(placement.node_selector.matches(&labels(&[("disk", "ssd")])));
    let nodes = &placement.affinity.node_affinity;
    assert!(
        nodes
            .required
            .as_ref()
            .unwrap()
            .matches("x", &labels(&[("n", "2")]))
    );
    assert_eq!(
        (
            nodes.preferred[0].weight,
            nodes.preferred[0].term.matches("n", &[])
        ),
        (7, true)
    );
    let away = &placement.affinity.pod_anti_affinity;
    assert_eq!((away.required.len(), away.preferred[0].weight), (1, 9));
    assert_eq!(&*away.preferred[0].term.topology_key, "zone");
    assert_eq!(placement.topology_spread_constraints[0].max_skew, 1);
}
