//! Which pods may run on a node.

use kubelet::Pod;
use kubelet::admit::{Place, admit};
use schema::object::{Meta, View};
use serde_json::{Value, json};
use views::{NodeView, PodView};

use crate::play::facts;

fn read(spec: &Value) -> (Pod, PodView, Vec<u8>) {
    let body =
        json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "spec": spec}).to_string();
    let view = PodView::read(&Meta::default(), body.as_bytes()).unwrap();
    (Pod::parse(body.as_bytes()).unwrap(), view, body.into_bytes())
}

fn check(spec: &Value, expected: Option<(&str, &str)>) {
    check_on("False", spec, expected);
}

/// On a node that says so of its disk's pressure.
fn check_on(pressure: &str, spec: &Value, expected: Option<(&str, &str)>) {
    let node = br#"{"metadata":{"name":"n1","labels":{"disk":"ssd"}},"spec":{"taints":[{"key":"k","effect":"NoExecute"},{"key":"s","effect":"NoSchedule"}]},"status":{"conditions":[{"type":"DiskPressure","status":"PRESSURE"}]}}"#;
    let node = String::from_utf8_lossy(node).replace("PRESSURE", pressure);
    let meta = Meta {
        labels: Box::new([("disk".into(), "ssd".into())]),
        ..Meta::default()
    };
    let node = NodeView::read(&meta, node.as_bytes()).unwrap();
    let other = json!({"containers": [{"name": "o", "ports": [{"containerPort": 80, "hostPort": 8080}],
        "resources": {"requests": {"cpu": "1"}}}]});
    let others = [read(&other).1];
    let (pod, view, body) = read(spec);
    let facts = facts();
    let place = Place {
        facts: &facts,
        node: Some((&node, "n1")),
        others: &others,
    };
    let verdict = admit(&pod, &view, &body, place);
    let found = verdict
        .err()
        .map(|rejection| (rejection.reason, rejection.message));
    let expected = expected.map(|(reason, message)| (reason.to_owned(), message.to_owned()));
    assert_eq!(found, expected, "{spec}");
}

fn spec(more: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c"}], "tolerations": [{"operator": "Exists"}]});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

fn asks(resource: &str, amount: &str) -> Value {
    spec(json!({"containers": [{"name": "c", "resources": {"requests": {resource: amount}}}]}))
}

fn sysctl(name: &str, host_network: bool) -> Value {
    let sysctls = json!([{"name": name, "value": "1"}]);
    spec(json!({"hostNetwork": host_network, "securityContext": {"sysctls": sysctls}}))
}

#[test]
fn what_fits_is_let_in() {
    check(&spec(json!({})), None);
    check(&spec(json!({"nodeSelector": {"disk": "ssd"}})), None);
    check(&asks("cpu", "1"), None);
    check(&sysctl("net.ipv4.tcp_syncookies", false), None);
    check(&sysctl("net/ipv4/tcp_syncookies", false), None);
}

#[test]
fn a_node_without_disk_takes_critical_pods_alone() {
    let evicted = "Pod was rejected: The node had condition: [DiskPressure]. ";
    check_on("True", &spec(json!({})), Some(("Evicted", evicted)));
    check_on("True", &spec(json!({"priority": 2_000_000_000})), None);
    check_on("Unknown", &spec(json!({})), None);
}

#[test]
fn what_does_not_fit_is_told_why() {
    let short = "Pod was rejected: Node didn't have enough resource: cpu, requested: 1001, used: 1000, capacity: 2000";
    check(&asks("cpu", "1001m"), Some(("OutOfcpu", short)));
    let none =
        "Pod was rejected: Node didn't have enough resource: x.io/gpu, requested: 1, used: 0, capacity: 0";
    check(&asks("x.io/gpu", "1"), Some(("OutOfx.io/gpu", none)));
    let affinity = ("NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed");
    check(&spec(json!({"nodeSelector": {"disk": "hdd"}})), Some(affinity));
    let ports = json!([{"containerPort": 1, "hostPort": 8080, "hostIP": "127.0.0.1"}]);
    let ports = spec(json!({"containers": [{"name": "c", "ports": ports}]}));
    check(
        &ports,
        Some(("NodePorts", "Pod was rejected: Predicate NodePorts failed")),
    );
    let taint = (
        "TaintToleration",
        "Pod was rejected: Predicate TaintToleration failed",
    );
    check(&spec(json!({"tolerations": []})), Some(taint));
    let os = (
        "PodOSNotSupported",
        "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS",
    );
    check(&spec(json!({"os": {"name": "windows"}})), Some(os));
    let forbidden = |name: &str| format!("Pod was rejected: forbidden sysctl: \"{name}\" not allowlisted");
    for (name, host_network) in [("kernel.msgmax", false), ("net.ipv4.tcp_syncookies", true)] {
        check(
            &sysctl(name, host_network),
            Some(("SysctlForbidden", &forbidden(name))),
        );
    }
    let unsupported = spec(json!({"hostUsers": false}));
    check(&unsupported, Some(("UnsupportedField", "spec.hostUsers")));
}
