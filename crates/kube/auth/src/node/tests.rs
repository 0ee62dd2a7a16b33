use serde_json::json;

use super::*;

fn kubelet(node: &str) -> UserInfo {
    UserInfo {
        name: format!("system:node:{node}"),
        groups: vec![NODES.to_owned()],
        ..UserInfo::default()
    }
}

fn graph() -> Graph {
    let mut graph = Graph::default();
    let pod = json!({
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {
            "nodeName": "one", "serviceAccountName": "sa",
            "imagePullSecrets": [{"name": "pull"}],
            "containers": [{
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}],
                "envFrom": [{"configMapRef": {"name": "settings"}}],
            }],
            "volumes": [
                {"name": "a", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "root"}}]}},
                {"name": "b", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "c", "ephemeral": {}},
            ],
            "resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}],
        },
        "status": {"resourceClaimStatuses": [{"name": "x", "resourceClaimName": "made"}]},
    });
    graph.set_pod("n", "p", PodRefs::of(&pod));
    let volume = json!({"spec": {
        "claimRef": {"namespace": "n", "name": "data"},
        "csi": {"nodeStageSecretRef": {"namespace": "csi", "name": "stage"}, "controllerPublishSecretRef": {"namespace": "csi", "name": "hidden"}},
    }});
    graph.set_volume("pv", VolumeRefs::of(&volume));
    graph.set_owned(Kind::VolumeAttachment, "va", Some("one".to_owned()));
    graph
}

fn may(graph: &Graph, asked: &Attributes<'_>) -> Decision {
    authorize(asked, &[], |node, kind, namespace, name| {
        graph.related(node, kind, namespace, name)
    })
}

#[test]
fn a_kubelet_reads_what_its_pods_need_and_nothing_else() {
    let graph = graph();
    let cases = [
        ("", "secrets", "n", "pull", true),
        ("", "secrets", "n", "key", true),
        ("", "secrets", "n", "projected", true),
        ("", "secrets", "csi", "stage", true),
        ("", "secrets", "csi", "hidden", false),
        ("", "secrets", "m", "pull", false),
        ("", "configmaps", "n", "settings", true),
        ("", "configmaps", "n", "root", true),
        ("", "configmaps", "n", "other", false),
        ("", "persistentvolumeclaims", "n", "data", true),
        ("", "persistentvolumeclaims", "n", "p-c", true),
        ("", "persistentvolumes", "", "pv", true),
        ("", "pods", "n", "p", true),
        ("resource.k8s.io", "resourceclaims", "n", "gpu", true),
        ("resource.k8s.io", "resourceclaims", "n", "made", true),
        ("storage.k8s.io", "volumeattachments", "", "va", true),
        ("", "serviceaccounts", "n", "sa", true),
    ];
    for (group, resource, namespace, name, expected) in cases {
        for (node, expected) in [("one", expected), ("two", false)] {
            let user = kubelet(node);
            let asked = Attributes {
                namespace,
                name,
                ..Attributes::of(&user, "get", group, resource)
            };
            assert_eq!(may(&graph, &asked).allowed(), expected, "{node} {asked}");
        }
    }
}

#[test]
fn what_a_pod_no_longer_needs_is_no_longer_given() {
    let mut graph = graph();
    let user = kubelet("one");
    let secret = Attributes {
        namespace: "n",
        name: "pull",
        ..Attributes::of(&user, "get", "", "secrets")
    };
    graph.set_pod(
        "n",
        "q",
        Some(PodRefs {
            node: "one".into(),
            secrets: vec!["pull".into()],
            ..PodRefs::default()
        }),
    );
    graph.set_pod("n", "p", None);
    assert!(may(&graph, &secret).allowed(), "another pod still has it");
    graph.set_pod("n", "q", None);
    let refused = may(&graph, &secret);
    assert_eq!(
        refused.reason(),
        "no relationship found between node 'one' and this object"
    );
    assert!(graph.destinations.is_empty());
    graph.set_volume("pv", None);
    assert!(graph.by_secret.is_empty());
}

#[test]
fn mirror_pods_give_nothing() {
    let pod = json!({
        "metadata": {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "one", "serviceAccountName": "sa", "imagePullSecrets": [{"name": "pull"}]},
    });
    let refs = PodRefs::of(&pod).unwrap();
    assert_eq!(
        refs,
        PodRefs {
            node: "one".into(),
            ..PodRefs::default()
        }
    );
}

#[test]
fn refusals_say_why() {
    let (graph, user) = (graph(), kubelet("one"));
    let of = |verb, group, resource| Attributes::of(&user, verb, group, resource);
    let leases = Attributes {
        namespace: "kube-node-lease",
        ..of("get", "coordination.k8s.io", "leases")
    };
    let cases = [
        (
            of("list", "", "secrets"),
            "can only read namespaced object of this type",
        ),
        (
            Attributes {
                namespace: "n",
                ..of("list", "", "secrets")
            },
            "No Object name found",
        ),
        (
            of("update", "", "secrets"),
            "can only read resources of this type",
        ),
        (
            of("list", "", "pods"),
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            Attributes {
                field_selector: "spec.nodeName=two",
                ..of("list", "", "pods")
            },
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            Attributes {
                field_selector: r"metadata.name!=x\,spec.nodeName=one",
                ..of("list", "", "pods")
            },
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            of("list", "", "nodes"),
            "node 'one' cannot read all nodes, only its own Node object",
        ),
        (
            Attributes {
                name: "two",
                ..of("get", "", "nodes")
            },
            "node 'one' cannot read 'two', only its own Node object",
        ),
        (
            Attributes {
                name: "two",
                ..leases
            },
            "can only access node lease with the same name as the requesting node",
        ),
        (
            of("get", "coordination.k8s.io", "leases"),
            "can only access leases in the \"kube-node-lease\" system namespace",
        ),
        (
            of("create", "", "serviceaccounts"),
            "can only create token subresource of serviceaccount",
        ),
    ];
    for (asked, why) in cases {
        assert_eq!(
            may(&graph, &asked),
            Decision::NoOpinion(why.to_owned()),
            "{asked}"
        );
    }
    let own = [
        Attributes {
            field_selector: "metadata.name=a,spec.nodeName=one",
            ..of("watch", "", "pods")
        },
        Attributes {
            name: "one",
            ..leases
        },
        Attributes {
            name: "one",
            subresource: "status",
            ..of("patch", "", "nodes")
        },
    ];
    for asked in own {
        assert!(may(&graph, &asked).allowed(), "{asked}");
    }
}

#[test]
fn others_are_no_kubelets() {
    let mut user = kubelet("one");
    user.groups.clear();
    let asked = Attributes {
        name: "one",
        ..Attributes::of(&user, "get", "", "nodes")
    };
    assert_eq!(may(&Graph::default(), &asked), Decision::NoOpinion(String::new()));
    let nameless = kubelet("");
    let asked = Attributes::of(&nameless, "get", "", "nodes");
    assert_eq!(
        may(&Graph::default(), &asked).reason(),
        "unknown node for user \"system:node:\""
    );
}
