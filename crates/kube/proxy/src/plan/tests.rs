//! Tables of services, endpoints and what becomes of them on the node `here`.

use std::time::Duration;

use schema::object::{Meta, View};
use serde_json::{Value, json};

use super::*;

fn service(spec: &Value) -> ServiceView {
    let mut all = json!({
        "clusterIP": "10.43.0.7", "clusterIPs": ["10.43.0.7"],
        "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
    });
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}});
    ServiceView::read(
        &Meta::default(),
        json!({"spec": all, "status": status}).to_string().as_bytes(),
    )
    .unwrap()
}

/// Endpoints: `r` ready, `e` ending, `n` neither; upper case is on this node. The n-th is at 10.42.0.n.
fn slice(endpoints: &str) -> SliceView {
    let endpoint = |(at, is): (usize, char)| {
        let (ready, ending) = (is.eq_ignore_ascii_case(&'r'), is.eq_ignore_ascii_case(&'e'));
        json!({
            "addresses": [format!("10.42.0.{at}")],
            "conditions": {"ready": ready, "serving": ready || ending, "terminating": ending},
            "nodeName": if is.is_uppercase() { "here" } else { "there" },
        })
    };
    let endpoints: Vec<Value> = endpoints.chars().enumerate().map(endpoint).collect();
    let ports = json!([{"name": "http", "port": 8080}, {"name": "http", "port": 53, "protocol": "UDP"}, {"name": "x", "port": 1}]);
    let body = json!({"addressType": "IPv4", "endpoints": endpoints, "ports": ports});
    SliceView::read(&Meta::default(), body.to_string().as_bytes()).unwrap()
}

const INSIDE: Frontend = Frontend::Address {
    ip: Ipv4Addr::new(10, 43, 0, 7),
    protocol: views::Protocol::Tcp,
    port: 80,
};
const INGRESS: Frontend = Frontend::Address {
    ip: Ipv4Addr::new(192, 0, 2, 9),
    protocol: views::Protocol::Tcp,
    port: 80,
};
const OUTSIDE: Frontend = Frontend::NodePort {
    protocol: views::Protocol::Tcp,
    port: 30080,
};

/// `1,2`, with `*` where some backend is elsewhere; or what clients hear.
fn said(balanced: &Balanced) -> String {
    let last = |address: &SocketAddrV4| {
        assert_eq!(address.port(), 8080);
        address.ip().octets()[3].to_string()
    };
    let all: Vec<String> = balanced.backends.iter().map(last).collect();
    match (&*all, balanced.none) {
        ([], Unanswered::Reject) => "reject".to_owned(),
        ([], Unanswered::Drop) => "drop".to_owned(),
        (all, _) => all.join(",") + if balanced.elsewhere { "*" } else { "" },
    }
}

#[test]
fn policies_and_what_is_left_where_nothing_is_ready() {
    // Endpoints; inside and outside by policy Cluster; the same by Local.
    let cases = [
        ("", "reject", "reject"),
        ("n", "reject", "reject"),
        ("N", "reject", "reject"),
        ("R", "0", "0"),
        ("r", "0*", "drop"),
        ("Rr", "0,1*", "0"),
        ("RrnNeE", "0,1*", "0"),
        ("e", "0*", "drop"),
        ("E", "0", "0"),
        ("Ee", "0,1*", "0"),
        ("rE", "0*", "1"),
        ("RE", "0", "0"),
        ("nE", "1", "1"),
    ];
    for (endpoints, cluster, local) in cases {
        for (internal, external) in [
            ("Cluster", "Cluster"),
            ("Cluster", "Local"),
            ("Local", "Cluster"),
            ("Local", "Local"),
        ] {
            let service = service(
                &json!({"type": "LoadBalancer", "internalTrafficPolicy": internal, "externalTrafficPolicy": external}),
            );
            let map = plan(&service, &[&slice(endpoints)], "here");
            let expected = |policy| if policy == "Local" { local } else { cluster };
            let case = format!("{endpoints:?} {internal} {external}");
            assert_eq!(said(&map[&INSIDE]), expected(internal), "inside, {case}");
            assert_eq!(said(&map[&OUTSIDE]), expected(external), "node port, {case}");
            assert_eq!(said(&map[&INGRESS]), expected(external), "load balancer, {case}");
        }
    }
}

#[test]
fn frontends_are_all_addresses_and_ports_of_a_service() {
    let spec = json!({
        "type": "LoadBalancer", "externalIPs": ["192.0.2.1", "fd00::1", "127.0.0.1", "0.0.0.0", "224.0.0.1"], "clusterIPs": ["10.43.0.7", "fd00::7"],
        "ports": [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 53, "protocol": "UDP"}],
        "sessionAffinity": "ClientIP",
    });
    let map = plan(&service(&spec), &[&slice("R")], "here");
    let told: Vec<String> = map
        .iter()
        .map(|(frontend, balanced)| {
            assert_eq!(balanced.affinity, Some(Duration::from_hours(3)));
            match frontend {
                Frontend::Address { ip, protocol, port } => {
                    format!("{ip}:{port}/{protocol} {}", said(balanced))
                }
                Frontend::NodePort { protocol, port } => format!(":{port}/{protocol} {}", said(balanced)),
            }
        })
        .collect();
    let expected = [
        "10.43.0.7:80/TCP 0",
        "10.43.0.7:53/UDP reject",
        "192.0.2.1:80/TCP 0",
        "192.0.2.1:53/UDP reject",
        "192.0.2.9:80/TCP 0",
        "192.0.2.9:53/UDP reject",
        ":30080/TCP 0",
    ];
    assert_eq!(told, expected);
}

#[test]
fn services_without_frontends() {
    let slice = slice("R");
    let none = |spec: Value| plan(&service(&spec), &[&slice], "here").is_empty();
    assert!(none(json!({"clusterIP": "None", "clusterIPs": ["None"]})));
    assert!(none(json!({"type": "ExternalName"})));
    let mut elsewhere = service(&json!({}));
    elsewhere.proxied_elsewhere = true;
    assert!(plan(&elsewhere, &[&slice], "here").is_empty());
    let closed = service(&json!({"loadBalancerSourceRanges": ["10.0.0.0/8"]}));
    let map = plan(&closed, &[&slice], "here");
    assert!(map.contains_key(&INSIDE) && map.contains_key(&OUTSIDE) && !map.contains_key(&INGRESS));
}

#[test]
fn an_endpoint_in_two_slices_is_one_and_is_what_either_says() {
    let map = plan(&service(&json!({})), &[&slice("nR"), &slice("RrN")], "here");
    assert_eq!(said(&map[&INSIDE]), "0,1");
}

#[test]
fn what_cannot_be_balanced_to_is_passed_over() {
    let body = json!({"endpoints": [{"addresses": ["fd00::1"]}, {"addresses": []}, {"addresses": ["10.42.0.3", "10.42.0.4"]}],
        "ports": [{"name": "http", "port": 8080}, {"name": "http"}, {"name": "http", "port": 0}]});
    let slice = SliceView::read(&Meta::default(), body.to_string().as_bytes()).unwrap();
    let map = plan(&service(&json!({})), &[&slice], "here");
    assert_eq!(
        said(&map[&INSIDE]),
        "3*",
        "the first address only; it is on no node"
    );
}
