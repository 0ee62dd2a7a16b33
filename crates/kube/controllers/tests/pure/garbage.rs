//! Owners and what goes with them.

use client::Propagation::{Background, Foreground, Orphan};
use serde_json::json;

use crate::node::{CLASSES, EVENTS, MAPS, Node, WIDGETS, owner};

fn left(node: &Node) -> Vec<String> {
    let mut names = node.names(&MAPS, "x");
    names.retain(|name| name != "kube-root-ca.crt");
    names
}

#[test]
fn dependents_go_after_their_owner() {
    for seed in 0..8 {
        let node = Node::start(seed);
        node.namespace("x");
        let uid = node.map("x", "owner", &[]);
        node.map("x", "a", &[owner("ConfigMap", "owner", &uid, false)]);
        node.map("x", "b", &[owner("ConfigMap", "owner", &uid, true)]);
        node.map("x", "stays", &[]);
        node.delete(&MAPS, "x", "owner", Some(Background));
        node.settle();
        assert_eq!(left(&node), ["stays"], "seed {seed}");
    }
}

#[test]
fn an_owner_waits_for_those_that_block_it() {
    let node = Node::start(1);
    node.namespace("x");
    let uid = node.map("x", "owner", &[]);
    let blocking = [owner("ConfigMap", "owner", &uid, true)];
    let held = json!({"metadata": {"name": "held", "ownerReferences": blocking, "finalizers": ["example.com/hold"]}});
    node.create(&MAPS, "x", &held);
    node.map("x", "other", &blocking);
    node.delete(&MAPS, "x", "owner", Some(Foreground));
    node.settle();
    assert_eq!(left(&node), ["held", "owner"]);
    node.patch(&MAPS, "x", "held", &json!({"metadata": {"finalizers": null}}));
    node.settle();
    assert_eq!(left(&node), Vec::<String>::new());
}

#[test]
fn one_that_does_not_block_is_not_waited_for() {
    let node = Node::start(1);
    node.namespace("x");
    let uid = node.map("x", "owner", &[]);
    let references = [owner("ConfigMap", "owner", &uid, false)];
    let held = json!({"metadata": {"name": "held", "ownerReferences": references, "finalizers": ["example.com/hold"]}});
    node.create(&MAPS, "x", &held);
    node.delete(&MAPS, "x", "owner", Some(Foreground));
    node.settle();
    assert_eq!(left(&node), ["held"]);
    assert!(node.get(&MAPS, "x", "held").unwrap()["metadata"]["deletionTimestamp"].is_string());
}

#[test]
fn orphans_stay_without_an_owner() {
    for seed in 0..8 {
        let node = Node::start(seed);
        node.namespace("x");
        let uid = node.map("x", "owner", &[]);
        let other = node.map("x", "other", &[]);
        node.map("x", "a", &[owner("ConfigMap", "owner", &uid, true)]);
        let two = [
            owner("ConfigMap", "other", &other, false),
            owner("ConfigMap", "owner", &uid, true),
        ];
        node.map("x", "b", &two);
        node.delete(&MAPS, "x", "owner", Some(Orphan));
        node.settle();
        assert_eq!(left(&node), ["a", "b", "other"], "seed {seed}");
        let owners = |name: &str| node.get(&MAPS, "x", name).unwrap()["metadata"]["ownerReferences"].clone();
        assert_eq!(owners("a"), json!(null));
        assert_eq!(owners("b"), json!([two[0]]));
    }
}

#[test]
fn an_owner_that_never_was_keeps_nobody() {
    let node = Node::start(1);
    node.namespace("x");
    node.map("x", "a", &[owner("ConfigMap", "nobody", "no-such-uid", false)]);
    let solid = node.map("x", "solid", &[]);
    // The name is right and the uid is another's.
    node.map("x", "b", &[owner("ConfigMap", "solid", "another-uid", false)]);
    let both = [
        owner("ConfigMap", "nobody", "no-such-uid", false),
        owner("ConfigMap", "solid", &solid, false),
    ];
    node.map("x", "c", &both);
    node.settle();
    assert_eq!(left(&node), ["c", "solid"]);
    let kept = node.get(&MAPS, "x", "c").unwrap();
    assert_eq!(
        kept["metadata"]["ownerReferences"],
        json!([both[1]]),
        "loose references are cut"
    );
}

#[test]
fn a_kind_that_is_not_served_is_no_proof_of_absence() {
    let node = Node::start(1);
    node.namespace("x");
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "u"});
    node.map("x", "a", &[unknown]);
    node.settle();
    assert_eq!(left(&node), ["a"]);
}

#[test]
fn scopes_are_kept_apart_as_upstream_does() {
    let node = Node::start(1);
    node.namespace("x");
    node.namespace("y");
    let class = json!({"metadata": {"name": "c"}, "value": 1});
    let class_uid = node.create(&CLASSES, "", &class).uid();
    node.map(
        "x",
        "of-cluster",
        &[owner("PriorityClass", "c", &class_uid, false)],
    );
    let elsewhere = node.map("y", "far", &[]);
    node.map("x", "of-far", &[owner("ConfigMap", "far", &elsewhere, false)]);
    let upside_down = json!({"metadata": {"name": "d", "ownerReferences": [owner("ConfigMap", "far", &elsewhere, false)]}, "value": 1});
    node.create(&CLASSES, "", &upside_down);
    node.settle();
    assert_eq!(
        left(&node),
        ["of-cluster"],
        "an owner in another namespace is none"
    );
    assert!(
        node.get(&CLASSES, "", "d").is_some(),
        "never valid, and never acted on"
    );
    let events = node.names(&EVENTS, "x");
    let event = node.get(&EVENTS, "x", &events[0]).unwrap();
    assert_eq!(event["reason"], "OwnerRefInvalidNamespace");
    let expected = format!(
        "ownerRef [v1/ConfigMap, namespace: x, name: far, uid: {elsewhere}] does not exist in namespace \"x\""
    );
    assert_eq!(event["message"], expected);
    node.delete(&CLASSES, "", "c", None);
    node.settle();
    assert_eq!(left(&node), Vec::<String>::new());
}

#[test]
fn deep_chains_go_from_either_end() {
    for policy in [Background, Foreground] {
        let node = Node::start(4);
        node.namespace("x");
        let mut uid = node.map("x", "n0", &[]);
        for at in 1..60 {
            let above = format!("n{}", at - 1);
            uid = node.map("x", &format!("n{at}"), &[owner("ConfigMap", &above, &uid, true)]);
        }
        node.delete(&MAPS, "x", "n0", Some(policy));
        node.settle();
        assert_eq!(left(&node), Vec::<String>::new(), "{policy:?}");
    }
}

#[test]
fn a_circle_of_owners_ends() {
    let node = Node::start(5);
    node.namespace("x");
    let a = node.map("x", "a", &[]);
    let b = node.map("x", "b", &[owner("ConfigMap", "a", &a, true)]);
    let c = node.map("x", "c", &[owner("ConfigMap", "b", &b, true)]);
    let back = json!({"metadata": {"ownerReferences": [owner("ConfigMap", "c", &c, true)]}});
    node.patch(&MAPS, "x", "a", &back);
    node.delete(&MAPS, "x", "a", Some(Foreground));
    node.until("the circle goes", |node| left(node).is_empty());
}

#[test]
fn what_the_collector_did_not_see_it_does_at_its_start() {
    let mut node = Node::start(6);
    node.namespace("x");
    let uid = node.map("x", "owner", &[]);
    node.map("x", "a", &[owner("ConfigMap", "owner", &uid, true)]);
    node.stop();
    node.delete(&MAPS, "x", "owner", Some(Foreground));
    node.map("x", "late", &[owner("ConfigMap", "owner", &uid, true)]);
    node.settle();
    assert_eq!(left(&node), ["a", "late", "owner"]);
    let node = node.with_controllers();
    node.settle();
    assert_eq!(left(&node), Vec::<String>::new());
}

#[test]
fn dependents_go_or_stay_wherever_the_power_fails() {
    for policy in [Background, Foreground, Orphan] {
        for rounds in [1, 2, 3, 5, 9] {
            let node = Node::start(rounds);
            node.namespace("x");
            let uid = node.map("x", "owner", &[]);
            for at in 0..6 {
                node.map(
                    "x",
                    &format!("d{at}"),
                    &[owner("ConfigMap", "owner", &uid, at % 2 == 0)],
                );
            }
            node.delete(&MAPS, "x", "owner", Some(policy));
            for _ in 0..rounds {
                node.turn();
            }
            let node = node.crash(rounds + 7).with_controllers();
            let expected = if policy == Orphan { 6 } else { 0 };
            node.until("all is as it should be", |node| {
                let left = left(node);
                let owned = left.iter().any(|name| name == "owner");
                !owned && left.len() == expected
            });
        }
    }
}

#[test]
fn thousands_of_dependents_go() {
    let node = Node::start(7);
    node.namespace("x");
    let uid = node.map("x", "owner", &[]);
    for at in 0..2_000 {
        node.map("x", &format!("d{at}"), &[owner("ConfigMap", "owner", &uid, true)]);
    }
    node.delete(&MAPS, "x", "owner", Some(Foreground));
    node.settle();
    assert_eq!(left(&node).len(), 0);
}

#[test]
fn custom_resources_own_and_are_owned() {
    let node = Node::start(8);
    node.namespace("x");
    let early = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "before-there-were-any"});
    node.map("x", "early", &[early]);
    node.settle();
    assert_eq!(left(&node), ["early"], "nobody can say yet");
    node.define_widgets();
    node.settle();
    assert_eq!(
        left(&node),
        Vec::<String>::new(),
        "now its owner is known to be absent"
    );

    let uid = node
        .create(&WIDGETS, "x", &json!({"metadata": {"name": "w"}}))
        .uid();
    let reference = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": uid, "blockOwnerDeletion": true});
    let map = node.map("x", "m", &[reference]);
    let below =
        json!({"metadata": {"name": "below", "ownerReferences": [owner("ConfigMap", "m", &map, true)]}});
    node.create(&WIDGETS, "x", &below);
    node.settle();
    node.delete(&WIDGETS, "x", "w", Some(Foreground));
    node.settle();
    assert_eq!((left(&node), node.names(&WIDGETS, "x")), (Vec::new(), Vec::new()));
}
