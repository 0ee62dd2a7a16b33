//! Endpoints as a function of a service and its pods.

use super::super::fixture::{Is, asked, object, pod, pod_with, service};
use super::*;

fn planned(asked: &Asked, current: Option<&Value>) -> Option<Value> {
    let current = current.map(|current| object(&without_version(current)));
    match plan(asked, current.as_deref()).unwrap()? {
        Action::Create { object, .. } | Action::Update { object, .. } => Some(object),
        other => panic!("{other:?}"),
    }
}

fn without_version(value: &Value) -> Value {
    let mut value = value.clone();
    value["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    value
}

fn ips(addresses: &Value) -> Vec<&str> {
    let all = addresses.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .map(|address| address["ip"].as_str().unwrap())
        .collect()
}

#[test]
fn endpoints_with_all_that_upstream_writes() {
    let spec = json!({"nodeName": "n", "hostname": "db", "subdomain": "web", "containers": []});
    let pods = vec![
        pod_with(1, Is::Ready, &spec),
        pod(2, Is::Unready, 1),
        pod(3, Is::Ending, 1),
        pod(4, Is::Done, 1),
    ];
    let address = |at: usize| {
        json!({"ip": format!("10.42.0.{}", at + 1), "nodeName": "n",
            "targetRef": {"kind": "Pod", "namespace": "x", "name": format!("pod-{at:03}"), "uid": format!("uid-{at}")}})
    };
    let mut named = address(1);
    named["hostname"] = json!("db");
    let expected = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {
            "name": "web", "namespace": "x",
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            "labels": {"tier": "front", "endpoints.kubernetes.io/managed-by": "endpoint-controller"},
        },
        "subsets": [{
            "addresses": [named], "notReadyAddresses": [address(2)],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }],
    });
    let asked = asked(&service(&json!({})), pods);
    assert_eq!(planned(&asked, None).unwrap(), expected);
    assert_eq!(planned(&asked, Some(&expected)), None, "and again nothing");
}

#[test]
fn addresses_of_equal_ports_are_one_subset() {
    let ports = json!({"ports": [
        {"name": "a", "port": 80, "protocol": "TCP", "targetPort": "web"},
        {"name": "b", "port": 81, "protocol": "UDP", "targetPort": 53},
        {"name": "c", "port": 82, "protocol": "TCP", "targetPort": 54},
    ]});
    let nameless = pod_with(3, Is::Ready, &json!({"nodeName": "n", "containers": []}));
    let all = asked(
        &service(&ports),
        vec![pod(1, Is::Ready, 8080), pod(2, Is::Ready, 8080), nameless],
    );
    let written = planned(&all, None).unwrap();
    let subsets = written["subsets"].as_array().unwrap();
    let told: Vec<_> = subsets
        .iter()
        .map(|subset| {
            let ports = subset["ports"].as_array().unwrap().iter();
            (
                ips(&subset["addresses"]),
                ports
                    .map(|port| port["name"].as_str().unwrap())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let expected = [
        (vec!["10.42.0.2", "10.42.0.3"], vec!["a"]),
        (vec!["10.42.0.2", "10.42.0.3", "10.42.0.4"], vec!["b", "c"]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn headless_portless_and_published_ones() {
    let bare =
        json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [], "publishNotReadyAddresses": true});
    let pods = vec![pod(1, Is::Unready, 1), pod(2, Is::Ending, 1)];
    let written = planned(&asked(&service(&bare), pods), None).unwrap();
    assert_eq!(
        ips(&written["subsets"][0]["addresses"]),
        ["10.42.0.2", "10.42.0.3"]
    );
    assert_eq!(written["subsets"][0]["ports"], Value::Null);
    assert_eq!(
        written["metadata"]["labels"]["service.kubernetes.io/headless"],
        ""
    );
    let nobody = planned(&asked(&service(&json!({})), vec![]), None).unwrap();
    assert_eq!(nobody["subsets"], json!([]));
}

#[test]
fn the_trigger_is_when_a_pod_changed_that_was_not_shown_yet() {
    let service = service(&json!({}));
    let before = planned(
        &asked(&service, vec![pod(1, Is::Ready, 1), pod(2, Is::Ready, 1)]),
        None,
    )
    .unwrap();
    let trigger = |pods| {
        planned(&asked(&service, pods), Some(&before)).unwrap()["metadata"]["annotations"][TRIGGER].clone()
    };
    assert_eq!(
        trigger(vec![pod(1, Is::Ready, 1), pod(2, Is::Unready, 1)]),
        "2026-02-01T00:00:02Z"
    );
    assert_eq!(trigger(vec![pod(1, Is::Ready, 1)]), Value::Null);
}

#[test]
fn what_is_over_a_thousand_is_left_out_and_said() {
    let pods = |ready: usize, not: usize| {
        let is = move |at| if at < ready { Is::Ready } else { Is::Unready };
        (0..ready + not).map(|at| pod(at, is(at), 1)).collect::<Vec<_>>()
    };
    let service = service(&json!({}));
    let sizes = |ready, not| {
        let asked = asked(&service, pods(ready, not));
        let written = planned(&asked, None).unwrap();
        let subset = &written["subsets"][0];
        assert_eq!(planned(&asked, Some(&written)), None, "and again nothing");
        let said = written["metadata"]["annotations"][OVER_CAPACITY].as_str() == Some("truncated");
        (
            ips(&subset["addresses"]).len(),
            ips(&subset["notReadyAddresses"]).len(),
            said,
        )
    };
    assert_eq!(sizes(990, 10), (990, 10, false));
    assert_eq!(sizes(990, 20), (990, 10, true));
    assert_eq!(sizes(1010, 20), (1000, 0, true));
}

#[test]
fn truncation_is_in_proportion() {
    let list = |count| vec![Address::default(); count];
    let subset = |ready, not| Subset {
        addresses: list(ready),
        not_ready_addresses: list(not),
        ports: Vec::new(),
    };
    let mut subsets = [subset(600, 5), subset(300, 5), subset(303, 0)];
    assert!(truncate(&mut subsets));
    let sizes = subsets.map(|subset| (subset.addresses.len(), subset.not_ready_addresses.len()));
    assert_eq!(sizes, [(499, 0), (250, 0), (251, 0)]);
}

#[test]
fn what_is_left_of_a_service_goes_if_it_is_ours_or_went_with_it() {
    let endpoints = |labels: Value| {
        object(&json!({"metadata": {"name": "web", "namespace": "x", "uid": "u", "labels": labels}}))
    };
    let ours = endpoints(json!({MANAGED_BY: MANAGER}));
    let theirs = endpoints(json!({}));
    assert!(leftover(&ours, false).is_some() && leftover(&theirs, true).is_some());
    assert!(leftover(&theirs, false).is_none());
}
