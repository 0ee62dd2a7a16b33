//! Slices as a function of a service and its pods, and of the slices that are there.

use client::DeleteOptions;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fill::MOST;
use super::super::fixture::{Is, asked, object, pod, pod_with, service};
use super::super::wire::Conditions;
use super::super::{TRIGGER, wire};
use super::*;

/// Slices as a server would keep them.
#[derive(Default)]
struct Server {
    slices: BTreeMap<String, Value>,
    made: usize,
}

impl Server {
    fn existing(&self) -> Vec<Existing> {
        self.slices
            .values()
            .map(|slice| Existing::read(&object(slice)).unwrap())
            .collect()
    }

    /// Plans and does it; answers how many writes that took.
    fn sync(&mut self, asked: &Asked) -> usize {
        let plan = plan(asked, &self.existing(), &|node| {
            (node == "n").then(|| Some("z".to_owned()))
        })
        .unwrap();
        let writes = plan.actions.len();
        plan.actions.into_iter().for_each(|action| self.apply(action));
        writes
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Create { mut object, .. } => {
                let prefix = object["metadata"]["generateName"].as_str().unwrap().to_owned();
                let name = format!("{prefix}{:03}", self.made);
                self.made += 1;
                object["metadata"]["name"] = json!(name);
                object["metadata"]["uid"] = json!(name);
                self.slices.insert(name, object);
            }
            Action::Update { target, mut object } => {
                object["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .remove("resourceVersion")
                    .unwrap();
                self.slices.insert(target.name, object).unwrap();
            }
            Action::Delete { target, options } => {
                assert_eq!(options, DeleteOptions::of_uid(&target.name));
                self.slices.remove(&target.name).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }

    /// What all slices say: ports and address of each endpoint, and its conditions.
    fn told(&self) -> Vec<(Vec<Port>, Endpoint)> {
        let mut told: Vec<_> = self
            .existing()
            .iter()
            .flat_map(|slice| {
                let ports = slice.content.ports().to_vec();
                let endpoints = slice.content.endpoints().to_vec();
                endpoints
                    .into_iter()
                    .map(move |endpoint| (ports.clone(), endpoint))
            })
            .collect();
        told.sort_by_key(|(_, endpoint)| endpoint.identity());
        told
    }

    fn only(&self) -> &Value {
        assert_eq!(self.slices.len(), 1, "{:#?}", self.slices);
        self.slices.values().next().unwrap()
    }

    fn sizes(&self) -> Vec<usize> {
        self.existing()
            .iter()
            .map(|slice| slice.content.endpoints().len())
            .collect()
    }
}

fn ready(range: std::ops::Range<usize>) -> Vec<Backend> {
    range.map(|at| pod(at, Is::Ready, 8080)).collect()
}

#[test]
fn a_slice_with_all_that_upstream_writes() {
    let spec = json!({
        "nodeName": "n", "hostname": "db", "subdomain": "web",
        "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 9090, "protocol": "TCP"}]}],
    });
    let service = service(
        &json!({"clusterIP": "None", "clusterIPs": ["None"], "trafficDistribution": "PreferSameNode",
        "ports": [{"name": "", "port": 80, "protocol": "TCP", "appProtocol": "h2c", "targetPort": "web"}]}),
    );
    let mut server = Server::default();
    server.sync(&asked(&service, vec![pod_with(5, Is::Ready, &spec)]));
    let expected = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-", "name": "web-000", "namespace": "x", "uid": "web-000",
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            "labels": {
                "tier": "front", "kubernetes.io/service-name": "web", "service.kubernetes.io/headless": "",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "service",
                "controller": true, "blockOwnerDeletion": true}],
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": ["10.42.0.6"],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "hostname": "db", "nodeName": "n", "zone": "z",
            "targetRef": {"kind": "Pod", "namespace": "x", "name": "pod-005", "uid": "uid-5"},
            "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "n"}]},
        }],
        "ports": [{"name": "", "port": 9090, "protocol": "TCP", "appProtocol": "h2c"}],
    });
    assert_eq!(*server.only(), expected);
}

#[test]
fn conditions_follow_the_pod_and_the_service() {
    let conditions = |publish: bool, is| {
        let mut server = Server::default();
        let service = service(&json!({"publishNotReadyAddresses": publish}));
        server.sync(&asked(&service, vec![pod(1, is, 1)]));
        let told = server.told();
        told.first().map(|(_, endpoint)| {
            let Conditions {
                ready,
                serving,
                terminating,
            } = endpoint.conditions;
            [ready.unwrap(), serving.unwrap(), terminating.unwrap()]
        })
    };
    let cases = [
        (Is::Ready, Some([true, true, false]), Some([true, true, false])),
        (
            Is::Unready,
            Some([false, false, false]),
            Some([true, false, false]),
        ),
        (Is::Ending, Some([false, true, true]), Some([true, true, true])),
        (Is::Done, None, None),
        (Is::Nowhere, None, None),
    ];
    for (is, plain, published) in cases {
        assert_eq!(
            (conditions(false, is), conditions(true, is)),
            (plain, published),
            "{is:?}"
        );
    }
}

#[test]
fn pods_that_have_a_port_elsewhere_have_slices_of_their_own() {
    let named = json!({"ports": [
        {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"},
        {"name": "metrics", "port": 81, "protocol": "TCP", "targetPort": 9100},
    ]});
    let mut server = Server::default();
    let nameless = pod_with(
        3,
        Is::Ready,
        &json!({"nodeName": "n", "containers": [{"name": "c"}]}),
    );
    let pods = vec![pod(1, Is::Ready, 8080), pod(2, Is::Ready, 8081), nameless];
    server.sync(&asked(&service(&named), pods));
    let ports: Vec<Vec<u16>> = server
        .told()
        .iter()
        .map(|(ports, _)| ports.iter().filter_map(|port| port.port).collect())
        .collect();
    assert_eq!(ports, [vec![8080, 9100], vec![8081, 9100], vec![9100]]);
    assert_eq!(server.slices.len(), 3);
}

#[test]
fn a_service_without_pods_has_one_slice_that_says_so() {
    let (service, mut server) = (service(&json!({})), Server::default());
    assert_eq!(server.sync(&asked(&service, vec![])), 1);
    let empty = server.only().clone();
    assert_eq!(
        (&empty["endpoints"], &empty["ports"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(server.sync(&asked(&service, vec![])), 0, "it is left alone");
    // It becomes the slice of the first pod, and that one the empty one again.
    assert_eq!(server.sync(&asked(&service, ready(0..1))), 1);
    assert_eq!(server.only()["metadata"]["uid"], empty["metadata"]["uid"]);
    assert_eq!(server.sync(&asked(&service, vec![])), 1);
    assert_eq!(server.only()["ports"], Value::Null);
}

#[test]
fn no_more_is_written_than_has_to_be() {
    let (service, mut server) = (service(&json!({})), Server::default());
    assert_eq!(server.sync(&asked(&service, ready(0..250))), 3);
    assert_eq!(server.sizes(), [100, 100, 50]);
    assert_eq!(server.sync(&asked(&service, ready(0..250))), 0);
    // One changes: one write. Ten come: they go where there is room for all.
    let mut pods = ready(0..250);
    pods[120] = pod(120, Is::Unready, 8080);
    assert_eq!(server.sync(&asked(&service, pods)), 1);
    assert_eq!(server.sync(&asked(&service, ready(0..260))), 2);
    assert_eq!(server.sizes(), [100, 100, 60]);
    // Forty of the first slice go and nothing is moved to fill the hole; what comes then fits into the fuller one.
    assert_eq!(server.sync(&asked(&service, ready(40..260))), 1);
    assert_eq!(server.sizes(), [60, 100, 60]);
    // What comes while a slice is written anyway goes there.
    let mut pods = ready(40..270);
    pods.remove(180);
    assert_eq!(server.sync(&asked(&service, pods)), 1);
    // A slice that lost all it had goes.
    assert_eq!(server.sync(&asked(&service, ready(100..200))), 2);
    assert_eq!(server.sizes(), [100]);
}

#[test]
fn labels_of_the_service_are_those_of_its_slices() {
    let (plain, mut server) = (service(&json!({})), Server::default());
    server.sync(&asked(&plain, ready(0..1)));
    let mut value: Value = serde_json::from_slice(plain.body()).unwrap();
    value["metadata"]["labels"] = json!({"tier": "back", "endpointslice.kubernetes.io/managed-by": "me"});
    let other = object(&value);
    assert_eq!(server.sync(&asked(&other, ready(0..1))), 1);
    let expected = json!({
        "tier": "back", "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    assert_eq!(server.only()["metadata"]["labels"], expected);
    assert_eq!(server.sync(&asked(&other, ready(0..1))), 0);
}

#[test]
fn the_trigger_is_when_a_pod_changed_that_was_not_shown_yet() {
    let (service, mut server) = (service(&json!({})), Server::default());
    let trigger = |server: &Server| server.only()["metadata"]["annotations"][TRIGGER].clone();
    server.sync(&asked(&service, ready(0..1)));
    assert_eq!(trigger(&server), "2026-01-01T00:00:00Z", "the service's own");
    server.sync(&asked(&service, ready(0..9)));
    assert_eq!(
        trigger(&server),
        "2026-02-01T00:00:01Z",
        "the first of the new ones"
    );
    let mut pods = ready(0..9);
    pods[7] = pod(7, Is::Unready, 8080);
    server.sync(&asked(&service, pods));
    assert_eq!(
        trigger(&server),
        "2026-02-01T00:00:07Z",
        "the one that is ready no more"
    );
    server.sync(&asked(&service, ready(0..3)));
    assert_eq!(trigger(&server), Value::Null, "who is gone says nothing");
}

#[test]
fn a_pod_of_an_unknown_node_waits_for_it() {
    let stray = || {
        vec![pod_with(
            1,
            Is::Ready,
            &json!({"nodeName": "other", "containers": []}),
        )]
    };
    let unbound = || vec![pod_with(1, Is::Ready, &json!({"containers": []}))];
    let planned = |publish: bool, pods| {
        let service = service(&json!({"publishNotReadyAddresses": publish}));
        let plan = plan(&asked(&service, pods), &[], &|_| None).unwrap();
        let Some(Action::Create { object, .. }) = plan.actions.first() else {
            panic!("{plan:?}");
        };
        (object["endpoints"].as_array().map_or(0, Vec::len), plan.missing)
    };
    assert_eq!(
        planned(false, stray()),
        (0, Missing::from([("other".into(), "pod-001".into())]))
    );
    assert_eq!(
        planned(true, stray()),
        (1, Missing::from([("other".into(), "pod-001".into())]))
    );
    assert_eq!(planned(false, unbound()), (0, Missing::new()));
    assert_eq!(planned(true, unbound()), (1, Missing::new()));
}

#[test]
fn what_an_earlier_service_left_goes_and_a_service_that_goes_gets_nothing() {
    let (plain, mut server) = (service(&json!({})), Server::default());
    server.sync(&asked(&plain, ready(0..1)));
    let old = server.slices.pop_first().unwrap().1;
    let mut strange = old.clone();
    strange["metadata"]["ownerReferences"][0]["uid"] = json!("another");
    server.slices.insert("web-000".to_owned(), strange);
    assert_eq!(server.sync(&asked(&plain, ready(0..1))), 2, "not reused");
    assert_eq!(server.only()["metadata"]["name"], "web-001");
    let mut value: Value = serde_json::from_slice(plain.body()).unwrap();
    value["metadata"]["deletionTimestamp"] = json!("2026-03-01T00:00:00Z");
    let mut none = Server::default();
    assert_eq!(none.sync(&asked(&object(&value), ready(0..1))), 0);
}

#[test]
fn families_have_slices_of_their_own() {
    let dual = service(&json!({"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.43.0.7", "fd00::7"]}));
    let mut server = Server::default();
    server.sync(&asked(&dual, ready(0..2)));
    let families: Vec<_> = server
        .existing()
        .iter()
        .map(|slice| slice.content.address_type.clone())
        .collect();
    assert_eq!(
        (families, server.sizes()),
        (vec!["IPv4".to_owned(), "IPv6".to_owned()], vec![2, 0])
    );
    assert_eq!(server.sync(&asked(&dual, ready(0..2))), 0);
    assert_eq!(
        server.sync(&asked(&service(&json!({})), ready(0..2))),
        1,
        "the other family's goes"
    );
    assert_eq!(server.sizes(), [2]);
}

fn standing() -> impl Strategy<Value = Option<(Is, u16)>> {
    let is = prop_oneof![4 => Just(Is::Ready), 1 => Just(Is::Unready), 1 => Just(Is::Ending), 1 => Just(Is::Done),
        1 => Just(Is::Nowhere)];
    proptest::option::weighted(0.8, (is, prop_oneof![6 => Just(8080_u16), 1 => Just(8081)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn slices_are_a_function_of_pods_whatever_was_there(
        rounds in proptest::collection::vec(proptest::collection::vec(standing(), 150..330), 1..5),
    ) {
        let named = json!({"ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"}]});
        let (service, mut server) = (service(&named), Server::default());
        for round in rounds {
            let pods = round.iter().enumerate();
            let pods: Vec<_> = pods.filter_map(|(at, is)| is.map(|(is, web)| pod(at, is, web))).collect();
            let asked = asked(&service, pods);
            let before: BTreeMap<_, _> = places(&server);
            server.sync(&asked);
            let mut afresh = Server::default();
            afresh.sync(&asked);
            prop_assert_eq!(server.told(), afresh.told());
            prop_assert!(server.sizes().iter().all(|size| *size <= MOST));
            prop_assert_eq!(server.sync(&asked), 0, "a second look finds nothing to do");
            let moved = places(&server).into_iter().filter(|(who, at)| before.get(who).is_some_and(|old| old != at));
            prop_assert_eq!(moved.count(), 0, "nobody moves without need");
        }
    }
}

/// In which slice each endpoint is, by its ports too: one whose port changes has to move.
fn places(server: &Server) -> BTreeMap<(wire::Identity, Group), String> {
    let slices = server.existing();
    let placed = slices.iter().flat_map(|slice| {
        let endpoints = slice.content.endpoints().iter();
        endpoints.map(|endpoint| {
            let who = (endpoint.identity(), group(slice.content.ports()));
            (who, slice.object.meta.name.to_string())
        })
    });
    placed.collect()
}
