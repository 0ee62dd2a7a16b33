//! A table for each plugin: pod, node, what is said.

use std::sync::Arc;

use bytes::Bytes;
use driver::Rng;
use schema::object::{Labels, Obj, Order, Revision};
use serde_json::{Value, json};
use views::{NodeView, PodView};

use super::{ALL, Happened, Incoming};
use crate::plan::{Decision, plan};
use crate::snapshot::{Key, Snapshot};

fn object(key: &str, mut object: Value, under: Value) -> Obj {
    lay_under(&mut object, under);
    Obj::new(key, Revision(1), Bytes::from(object.to_string()), Order::Declared).unwrap()
}

fn lay_under(over: &mut Value, under: Value) {
    match (over, under) {
        (Value::Object(over), Value::Object(under)) => {
            for (name, value) in under {
                lay_under(over.entry(name).or_insert(Value::Null), value);
            }
        }
        (over @ Value::Null, under) => *over = under,
        _ => {}
    }
}

/// A pod of the namespace `default`, with one container.
pub(crate) fn pod(pod: Value) -> Arc<PodView> {
    let under = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}});
    object("default/p", pod, under).view().unwrap()
}

/// A pod that asks for this much CPU.
pub(crate) fn wants(cpu: &str) -> Arc<PodView> {
    pod(json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}))
}

/// A node with 4 CPUs, 8 GiB and room for 10 pods.
pub(crate) fn node(node: Value) -> Arc<NodeView> {
    let under = json!({
        "metadata": {"name": "n"},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "10Gi", "pods": "10"}},
    });
    object("n", node, under).view().unwrap()
}

/// A node with these labels.
pub(crate) fn labelled(labels: Value) -> Arc<NodeView> {
    node(json!({"metadata": {"labels": labels}}))
}

/// A world of these nodes and pods; pods are on the node that their spec names.
pub(crate) fn world(nodes: &[(&str, Arc<NodeView>)], pods: &[(&str, Arc<PodView>)]) -> Snapshot {
    let mut world = Snapshot::new();
    for (name, node) in nodes {
        world.node(name, Some(node.clone()));
    }
    for (key, pod) in pods {
        world.pod(key, Some(pod));
    }
    world
}

/// The node that a pod gets, or why it gets none.
pub(crate) fn decide(world: &Snapshot, pod: &PodView) -> Result<String, String> {
    let mut rng = Rng::from_seed(1);
    let incoming = Incoming {
        key: "default/incoming",
        view: pod,
    };
    match plan(world, &ALL, incoming, 0, &mut rng).decision {
        Decision::Bind(node) => Ok(world.name(node).to_owned()),
        Decision::Unschedulable(error) => Err(error.message()),
    }
}

/// What is said of the only node of a world; nothing if it takes the pod.
fn only(node: Arc<NodeView>, others: &[(&str, Arc<PodView>)], pod: &PodView) -> String {
    let said = decide(&world(&[("n", node)], others), pod)
        .err()
        .unwrap_or_default();
    let said = said.strip_prefix("0/1 nodes are available: ").unwrap_or(&said);
    said.strip_prefix("1 ")
        .unwrap_or(said)
        .trim_end_matches('.')
        .to_owned()
}

#[test]
fn nodes_that_take_no_new_pods() {
    let cordoned = || node(json!({"spec": {"unschedulable": true}}));
    assert_eq!(
        only(cordoned(), &[], &pod(json!({}))),
        "node(s) were unschedulable"
    );
    let daemon = pod(json!({"spec": {"tolerations": [
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]}}));
    assert_eq!(only(cordoned(), &[], &daemon), "");
}

#[test]
fn taints() {
    let refused = "node(s) had untolerated taint(s)";
    let cases = [
        ("NoSchedule", json!([]), refused),
        ("NoExecute", json!([]), refused),
        ("PreferNoSchedule", json!([]), ""),
        ("NoSchedule", json!([{"key": "k", "operator": "Exists"}]), ""),
        ("NoSchedule", json!([{"key": "k", "value": "w"}]), refused),
    ];
    for (effect, tolerations, said) in cases {
        let tainted = node(json!({"spec": {"taints": [{"key": "k", "value": "v", "effect": effect}]}}));
        let pod = pod(json!({"spec": {"tolerations": tolerations}}));
        assert_eq!(only(tainted, &[], &pod), said, "{effect} {tolerations}");
    }
}

#[test]
fn node_affinity_and_selector() {
    let refused = "node(s) didn't match Pod's node affinity/selector";
    let required = |term: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}});
    let named = |name: &str| json!({"key": "metadata.name", "operator": "In", "values": [name]});
    let cases = [
        (json!({"nodeSelector": {"disk": "ssd"}}), ""),
        (json!({"nodeSelector": {"disk": "hdd"}}), refused),
        (
            required(json!({"matchExpressions": [{"key": "disk", "operator": "Exists"}]})),
            "",
        ),
        (
            required(json!({"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]})),
            refused,
        ),
        (required(json!({"matchFields": [named("n")]})), ""),
        (
            required(json!({"matchFields": [named("m")]})),
            "node(s) didn't satisfy plugin(s) [NodeAffinity]",
        ),
        (
            required(json!({"matchFields": [named("n"), named("m")]})),
            "pod affinity terms conflict",
        ),
    ];
    for (spec, said) in cases {
        let labelled = labelled(json!({"disk": "ssd"}));
        assert_eq!(only(labelled, &[], &pod(json!({"spec": spec}))), said, "{spec}");
    }
}

#[test]
fn ports_of_the_node() {
    let takes =
        |port: Value| pod(json!({"spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [port]}]}}));
    let refused = "node(s) didn't have free ports for the requested pod ports";
    let there = || {
        [(
            "default/a",
            takes(json!({"hostPort": 80, "containerPort": 1, "hostIP": "127.0.0.1"})),
        )]
    };
    let cases = [
        (json!({"hostPort": 80, "containerPort": 1}), refused),
        (
            json!({"hostPort": 80, "containerPort": 1, "hostIP": "127.0.0.1"}),
            refused,
        ),
        (
            json!({"hostPort": 80, "containerPort": 1, "hostIP": "127.0.0.2"}),
            "",
        ),
        (json!({"hostPort": 80, "containerPort": 1, "protocol": "UDP"}), ""),
        (json!({"hostPort": 81, "containerPort": 1}), ""),
        (json!({"containerPort": 80}), ""),
    ];
    for (port, said) in cases {
        let wanted = pod(json!({"spec": {"containers": [{"name": "c", "ports": [port]}]}}));
        assert_eq!(only(node(json!({})), &there(), &wanted), said, "{port}");
    }
}

#[test]
fn resources() {
    let asks = |requests: Value| {
        pod(json!({"spec": {"containers": [{"name": "c", "resources": {"requests": requests}}]}}))
    };
    let used = pod(json!({"spec": {"nodeName": "n", "containers": [
        {"name": "c", "resources": {"requests": {"cpu": "3", "memory": "1Gi", "example.com/gpu": "1"}}}]}}));
    let cases = [
        (json!({"cpu": "1"}), ""),
        (json!({"cpu": "1001m"}), "Insufficient cpu"),
        (
            json!({"cpu": "9", "memory": "8Gi"}),
            "Insufficient cpu, 1 Insufficient memory",
        ),
        (json!({"memory": "7Gi", "ephemeral-storage": "10Gi"}), ""),
        (
            json!({"ephemeral-storage": "11Gi"}),
            "Insufficient ephemeral-storage",
        ),
        (json!({"example.com/gpu": "1"}), ""),
        (json!({"example.com/gpu": "2"}), "Insufficient example.com/gpu"),
        (json!({"example.com/fpga": "1"}), "Insufficient example.com/fpga"),
    ];
    for (requests, said) in cases {
        let gpus = node(json!({"status": {"allocatable": {"example.com/gpu": "2"}}}));
        assert_eq!(
            only(gpus, &[("default/a", used.clone())], &asks(requests.clone())),
            said,
            "{requests}"
        );
    }
    let none = node(json!({"status": {"allocatable": {"pods": "0"}}}));
    assert_eq!(
        only(none, &[], &asks(json!({"cpu": "5"}))),
        "Insufficient cpu, 1 Too many pods"
    );
}

/// Nodes `a1`, `a2` in zone `a`, `b1` in zone `b`, `c1` in none.
fn zones() -> [(&'static str, Arc<NodeView>); 4] {
    let zoned = |host: &str, zone: &str| labelled(json!({"host": host, "zone": zone}));
    [
        ("a1", zoned("a1", "a")),
        ("a2", zoned("a2", "a")),
        ("b1", zoned("b1", "b")),
        ("c1", labelled(json!({"host": "c1"}))),
    ]
}

/// A pod of the app on a node.
fn app(node: &str, more: Value) -> Arc<PodView> {
    let mut object = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"nodeName": node}});
    lay_under(&mut object, more);
    pod(object)
}

fn spread(max_skew: u32, when: &str, more: Value) -> Value {
    let mut spread = json!({"maxSkew": max_skew, "topologyKey": "zone", "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": {"app": "x"}}});
    lay_under(&mut spread, more);
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"topologySpreadConstraints": [spread]}})
}

#[test]
fn spreading_over_zones() {
    let there = [
        ("default/p1", app("a1", json!({}))),
        ("default/p2", app("a2", json!({}))),
    ];
    let world = world(&zones(), &there);
    let hard = |skew, more| decide(&world, &pod(spread(skew, "DoNotSchedule", more)));
    assert_eq!(hard(1, json!({})), Ok("b1".to_owned()));
    // Two in one zone and none in the other: a skew of 3 lets everything in but the node that is in no zone.
    for _ in 0..4 {
        assert_ne!(hard(3, json!({})), Ok("c1".to_owned()));
    }
    let many = hard(
        1,
        json!({"minDomains": 3, "labelSelector": {"matchLabels": {"app": "x"}}}),
    );
    assert_eq!(many, Ok("b1".to_owned()));
    let only_a = |mut object: Value| {
        lay_under(&mut object, json!({"spec": {"nodeSelector": {"zone": "a"}}}));
        pod(object)
    };
    // Only the zone that the pod may go to counts; with the other one it would be full.
    let honours = decide(&world, &only_a(spread(1, "DoNotSchedule", json!({}))));
    assert!(matches!(honours.as_deref(), Ok("a1" | "a2")), "{honours:?}");
    let ignores = decide(
        &world,
        &only_a(spread(
            1,
            "DoNotSchedule",
            json!({"nodeAffinityPolicy": "Ignore"}),
        )),
    );
    assert_eq!(
        ignores,
        Err(
            "0/4 nodes are available: 2 node(s) didn't match Pod's node affinity/selector, \
             2 node(s) didn't match pod topology spread constraints."
                .to_owned()
        )
    );
    let soft = decide(&world, &pod(spread(1, "ScheduleAnyway", json!({}))));
    assert_eq!(soft, Ok("b1".to_owned()));
}

#[test]
fn spreading_needs_the_label() {
    let world = world(&[("c1", labelled(json!({"host": "c1"})))], &[]);
    assert_eq!(
        decide(&world, &pod(spread(1, "DoNotSchedule", json!({})))),
        Err("0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label)."
            .to_owned())
    );
}

fn social(kind: &str, term: Value) -> Value {
    let mut term = term;
    lay_under(
        &mut term,
        json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}),
    );
    json!({"spec": {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}})
}

#[test]
fn affinity_between_pods() {
    let mut world = world(&zones(), &[("default/p1", app("b1", json!({})))]);
    let to = |term| decide(&world, &pod(social("podAffinity", term)));
    assert_eq!(to(json!({})), Ok("b1".to_owned()));
    let nobody = Err("0/4 nodes are available: 4 node(s) didn't match pod affinity rules.".to_owned());
    assert_eq!(to(json!({"namespaces": ["other"]})), nobody);
    assert_eq!(
        to(json!({"labelSelector": {"matchLabels": {"app": "y"}}})),
        nobody
    );
    assert_eq!(
        to(json!({"namespaceSelector": {"matchLabels": {"team": "t"}}})),
        nobody
    );
    let team: Labels = [("team".into(), "t".into())].into();
    world.namespace("default", Some(&team));
    let by_team = social(
        "podAffinity",
        json!({"namespaceSelector": {"matchLabels": {"team": "t"}}}),
    );
    assert_eq!(decide(&world, &pod(by_team)), Ok("b1".to_owned()));
    // The first of a series that wants to be together goes wherever there is a place.
    let mut first = social(
        "podAffinity",
        json!({"labelSelector": {"matchLabels": {"app": "y"}}}),
    );
    lay_under(&mut first, json!({"metadata": {"labels": {"app": "y"}}}));
    assert_ne!(decide(&world, &pod(first.clone())).unwrap(), "c1");
}

#[test]
fn anti_affinity_between_pods() {
    let there = [
        ("default/p1", app("a1", json!({}))),
        ("default/p2", app("b1", json!({}))),
    ];
    let world_of = |there: &[(&str, Arc<PodView>)]| world(&zones(), there);
    let away = pod(social("podAntiAffinity", json!({})));
    assert_eq!(decide(&world_of(&there), &away), Ok("c1".to_owned()));
    let hosts = pod(social("podAntiAffinity", json!({"topologyKey": "host"})));
    assert!(["a2", "c1"].contains(&decide(&world_of(&there), &hosts).unwrap().as_str()));
    let lonely = ["a1", "b1", "c1"].map(|node| {
        let object = app(node, social("podAntiAffinity", json!({"topologyKey": "host"})));
        (format!("default/{node}"), object)
    });
    let lonely: Vec<_> = lonely
        .iter()
        .map(|(key, object)| (key.as_str(), object.clone()))
        .collect();
    let comes = pod(json!({"metadata": {"labels": {"app": "x"}}}));
    assert_eq!(decide(&world_of(&lonely), &comes), Ok("a2".to_owned()));
    let other = pod(json!({"metadata": {"labels": {"app": "y"}}}));
    assert!(decide(&world_of(&lonely), &other).is_ok());
    let alone = world(&zones()[..1], &lonely[..1]);
    assert_eq!(
        decide(&alone, &comes),
        Err(
            "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.".to_owned()
        )
    );
    assert_eq!(
        decide(&alone, &away),
        Err("0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.".to_owned())
    );
}

#[test]
fn scores_prefer_what_upstream_prefers() {
    let two = || [("full", node(json!({}))), ("free", node(json!({})))];
    let used = pod(json!({"spec": {"nodeName": "full", "containers": [
        {"name": "c", "resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}]}}));
    assert_eq!(
        decide(&world(&two(), &[("default/u", used)]), &wants("1")),
        Ok("free".to_owned())
    );
    // Containers that ask for nothing count too.
    let silent = pod(json!({"spec": {"nodeName": "full"}}));
    assert_eq!(
        decide(&world(&two(), &[("default/u", silent)]), &pod(json!({}))),
        Ok("free".to_owned())
    );

    let soft = node(json!({"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}}));
    let tainted = world(&[("soft", soft), ("plain", node(json!({})))], &[]);
    assert_eq!(decide(&tainted, &wants("1")), Ok("plain".to_owned()));

    let ssd = world(
        &[
            ("ssd", labelled(json!({"disk": "ssd"}))),
            ("none", node(json!({}))),
        ],
        &[],
    );
    let term = json!({"matchExpressions": [{"key": "disk", "operator": "Exists"}]});
    let wish = json!([{"weight": 5, "preference": term}]);
    let wishes = pod(
        json!({"spec": {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}}}}),
    );
    assert_eq!(decide(&ssd, &wishes), Ok("ssd".to_owned()));

    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}});
    let wish = |kind: &str| {
        let wish = json!([{"weight": 5, "podAffinityTerm": term}]);
        pod(json!({"spec": {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": wish}}}}))
    };
    let there = [("default/p", app("b1", json!({})))];
    assert_eq!(
        decide(&world(&zones(), &there), &wish("podAffinity")),
        Ok("b1".to_owned())
    );
    assert_ne!(
        decide(&world(&zones(), &there), &wish("podAntiAffinity")),
        Ok("b1".to_owned())
    );
}

/// Which of the plugins that refuse a pod say that an event may help.
fn woken(pod: &PodView, event: &Happened<'_>) -> Vec<&'static str> {
    let incoming = Incoming {
        key: "default/p",
        view: pod,
    };
    ALL.iter()
        .filter(|plugin| plugin.wakes(event, incoming))
        .map(|plugin| plugin.name())
        .collect()
}

#[test]
fn events_wake_those_whom_they_may_help() {
    let (plain, pod) = (node(json!({})), wants("1"));
    let change = |now: &Arc<NodeView>| {
        woken(
            &pod,
            &Happened::Node {
                before: Some(&plain),
                now: Some(now),
            },
        )
    };
    assert!(change(&plain).is_empty());
    assert_eq!(
        change(&node(json!({"spec": {"unschedulable": true}}))),
        ["NodeUnschedulable"]
    );
    let taints = json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
    assert_eq!(change(&node(taints)), ["TaintToleration", "PodTopologySpread"]);
    let labels = ["NodeAffinity", "PodTopologySpread", "InterPodAffinity"];
    assert_eq!(change(&labelled(json!({"a": "b"}))), labels);
    assert_eq!(
        change(&node(json!({"status": {"allocatable": {"cpu": "5"}}}))),
        ["NodeResourcesFit"]
    );
    let gone = woken(
        &pod,
        &Happened::Pod {
            before: Some(&pod),
            now: None,
        },
    );
    assert_eq!(
        gone,
        ["NodeResourcesFit", "PodTopologySpread", "InterPodAffinity"]
    );
    let bound = woken(
        &pod,
        &Happened::Pod {
            before: None,
            now: Some(&pod),
        },
    );
    assert_eq!(bound, ["PodTopologySpread", "InterPodAffinity"]);
    let new = woken(
        &pod,
        &Happened::Node {
            before: None,
            now: Some(&plain),
        },
    );
    assert_eq!(new.len(), 7, "{new:?}");
    assert!(
        woken(
            &pod,
            &Happened::Pod {
                before: Some(&pod),
                now: Some(&pod)
            }
        )
        .is_empty()
    );
}

#[test]
fn a_key_has_a_namespace() {
    let key = Key::from("a/b");
    assert_eq!(crate::snapshot::namespace(&key), "a");
}
