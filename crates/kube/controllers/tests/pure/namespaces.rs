//! The beginning and the end of namespaces.

use serde_json::{Value, json};

use crate::node::{ACCOUNTS, MAPS, NAMESPACES, Node, SECRETS, WIDGETS};

fn condition(namespace: &Value, kind: &str) -> (String, String) {
    let all = namespace["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = all
        .iter()
        .find(|each| each["type"] == kind)
        .cloned()
        .unwrap_or_default();
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

#[test]
fn a_namespace_has_its_account_and_trust_at_once_and_again() {
    let node = Node::start(1);
    node.namespace("x");
    assert_eq!(node.names(&ACCOUNTS, "x"), ["default"]);
    assert_eq!(node.names(&MAPS, "x"), ["kube-root-ca.crt"]);
    node.delete(&ACCOUNTS, "x", "default", None);
    node.patch(
        &MAPS,
        "x",
        "kube-root-ca.crt",
        &json!({"data": {"ca.crt": "forged", "more": "x"}}),
    );
    node.settle();
    assert_eq!(node.names(&ACCOUNTS, "x"), ["default"]);
    let trust = node.get(&MAPS, "x", "kube-root-ca.crt").unwrap();
    assert!(
        trust["data"]["ca.crt"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN"),
        "{trust}"
    );
    assert_eq!(trust["data"].as_object().unwrap().len(), 1);
    node.delete(&MAPS, "x", "kube-root-ca.crt", None);
    node.settle();
    assert_eq!(node.names(&MAPS, "x"), ["kube-root-ca.crt"]);
}

#[test]
fn an_empty_namespace_goes_without_time_passing() {
    for seed in 0..8 {
        let node = Node::start(seed);
        node.namespace("x");
        node.map("x", "a", &[]);
        node.create(&SECRETS, "x", &json!({"metadata": {"name": "s"}}));
        node.delete(&NAMESPACES, "", "x", None);
        node.settle();
        assert_eq!(node.get(&NAMESPACES, "", "x"), None, "seed {seed}");
        assert!(node.names(&MAPS, "").iter().all(|name| name != "a"));
    }
}

#[test]
fn a_finalizer_holds_a_namespace_which_says_so() {
    let node = Node::start(2);
    node.namespace("x");
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    node.create(&MAPS, "x", &held);
    node.delete(&NAMESPACES, "", "x", None);
    node.settle();
    let namespace = node.get(&NAMESPACES, "", "x").unwrap();
    assert_eq!(namespace["status"]["phase"], "Terminating");
    let (status, message) = condition(&namespace, "NamespaceFinalizersRemaining");
    assert_eq!(
        (status.as_str(), message.as_str()),
        (
            "True",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        )
    );
    let (_, message) = condition(&namespace, "NamespaceContentRemaining");
    assert_eq!(
        message,
        "Some resources are remaining: configmaps. has 1 resource instances"
    );
    assert_eq!(node.names(&MAPS, "x"), ["held"]);
    assert!(
        node.try_create(&MAPS, "x", &json!({"metadata": {"name": "late"}}))
            .is_err()
    );

    node.patch(&MAPS, "x", "held", &json!({"metadata": {"finalizers": null}}));
    node.until("the namespace goes", |node| {
        node.get(&NAMESPACES, "", "x").is_none()
    });
}

#[test]
fn a_namespace_ends_wherever_the_power_fails() {
    let mut cuts = 0;
    for rounds in [0, 1, 2, 3, 4, 5, 6, 8, 10] {
        let node = Node::start(rounds);
        node.namespace("x");
        for at in 0..5 {
            node.map("x", &format!("m{at}"), &[]);
        }
        node.delete(&NAMESPACES, "", "x", None);
        for _ in 0..rounds {
            node.turn();
        }
        cuts += usize::from(node.get(&NAMESPACES, "", "x").is_some());
        let node = node.crash(rounds + 1).with_controllers();
        node.until("the namespace goes", |node| {
            node.get(&NAMESPACES, "", "x").is_none()
        });
        assert!(
            node.names(&MAPS, "").iter().all(|name| name == "kube-root-ca.crt"
                || name.starts_with("ext")
                || name.starts_with("kube"))
        );
    }
    assert!(cuts > 3, "the power failed too late: {cuts}");
}

#[test]
fn controllers_that_are_stopped_do_nothing_more() {
    let mut node = Node::start(3);
    node.namespace("x");
    node.stop();
    node.create(&NAMESPACES, "", &json!({"metadata": {"name": "y"}}));
    node.settle();
    assert_eq!(node.names(&ACCOUNTS, "y"), Vec::<String>::new());
}

#[test]
fn custom_resources_go_with_their_namespace() {
    let node = Node::start(4);
    node.namespace("x");
    node.define_widgets();
    let widget = |name: &str, finalizers: Value| json!({"metadata": {"name": name, "finalizers": finalizers}, "spec": {"size": 1}});
    node.create(&WIDGETS, "x", &widget("free", json!([])));
    node.create(&WIDGETS, "x", &widget("held", json!(["example.com/hold"])));
    node.delete(&NAMESPACES, "", "x", None);
    node.settle();
    assert_eq!(node.names(&WIDGETS, "x"), ["held"]);
    let namespace = node.get(&NAMESPACES, "", "x").unwrap();
    let (_, message) = condition(&namespace, "NamespaceContentRemaining");
    assert_eq!(
        message,
        "Some resources are remaining: widgets.example.com has 1 resource instances"
    );
    node.patch(&WIDGETS, "x", "held", &json!({"metadata": {"finalizers": []}}));
    node.until("the namespace goes", |node| {
        node.get(&NAMESPACES, "", "x").is_none()
    });
}
