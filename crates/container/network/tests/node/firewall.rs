//! Beside somebody else's firewall.

use std::net::Ipv4Addr;
use std::sync::Arc;

use network::{Found, Protocol, RecordKind, Zone};
use sys::netlink::{Family, Netlink};

use super::nameserver::over_udp;
use super::ports::{port, publish};
use super::rig::{DNS, NODE, Node, WORLD, World, attribute, eventually, message};
use super::services::{node_port, service, set, to};

const NEW_TABLE: u16 = 0xa00;
const GET_TABLE: u16 = 0xa01;
const NEW_CHAIN: u16 = 0xa03;
const GET_RULE: u16 = 0xa07;
const IPV4: [u8; 4] = [2, 0, 0, 0];

/// All tables of nf_tables.
pub(crate) fn tables() -> Vec<String> {
    let mut found = Vec::new();
    let mut netlink = Netlink::open(Family::Netfilter).unwrap();
    let read = |_, payload: &[u8]| found.push(name_in(payload));
    netlink
        .dump(&mut message(GET_TABLE, 0, &[&[0; 4]]), read)
        .unwrap();
    found
}

/// A table's payload begins with its name.
fn name_in(payload: &[u8]) -> String {
    let length = usize::from(u16::from_ne_bytes([payload[4], payload[5]]));
    String::from_utf8_lossy(&payload[8..4 + length - 1]).into_owned()
}

/// `ip filter FORWARD` with policy drop, as dockerd and careful hosts have it.
fn drop_forwarded() {
    drop_in(b"FORWARD\0", 2);
}

/// A chain of `ip filter` on a hook, with policy drop.
fn drop_in(name: &[u8], number: u32) {
    let hook = attribute(
        4 | 0x8000,
        &[
            attribute(1, &number.to_be_bytes()),
            attribute(2, &0_u32.to_be_bytes()),
        ]
        .concat(),
    );
    let chain = [
        attribute(1, b"filter\0"),
        attribute(3, name),
        hook,
        attribute(5, &0_u32.to_be_bytes()),
        attribute(7, b"filter\0"),
    ];
    let mut batch = [
        message(16, 0, &[&[0, 0, 0, 10]]),
        message(NEW_TABLE, 0x400, &[&IPV4, &attribute(1, b"filter\0")]),
        message(NEW_CHAIN, 0x400, &[&IPV4, &chain.concat()]),
        message(17, 0, &[&[0, 0, 0, 10]]),
    ]
    .concat();
    Netlink::open(Family::Netfilter)
        .unwrap()
        .transaction(&mut batch)
        .unwrap();
}

fn rules() -> usize {
    rules_in(b"FORWARD\0")
}

fn rules_in(chain: &[u8]) -> usize {
    let mut count = 0;
    let parts: [&[u8]; 3] = [&IPV4, &attribute(1, b"filter\0"), &attribute(2, chain)];
    Netlink::open(Family::Netfilter)
        .unwrap()
        .dump(&mut message(GET_RULE, 0, &parts), |_, _| count += 1)
        .unwrap();
    count
}

fn check(node: &Node, world: &World) {
    let _world = world.listen(80);
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let peer = node.attach("peer", "bridge");
    let _web = web.listen(80);
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    assert_eq!(web.ask((WORLD, 80)), Some(NODE.into()));
    assert_eq!(peer.ask((web.ip(), 80)), Some(peer.ip().into()));
}

#[test]
fn a_chain_that_drops_and_was_there_before() {
    let mut node = Node::new();
    let world = World::new();
    node.networks.take().unwrap().close();
    drop_forwarded();
    node.open();
    assert_eq!(rules(), 2);
    check(&node, &world);
    node.networks.take().unwrap().close();
    assert_eq!(rules(), 0);
    assert_eq!(tables(), ["filter"]);
}

#[test]
fn a_chain_that_drops_and_comes_later() {
    let node = Node::new();
    let world = World::new();
    drop_forwarded();
    eventually("our rules appear", || rules() == 2);
    node.networks().create(super::reach::spec("more")).unwrap();
    eventually("those of another network too", || rules() == 4);
    check(&node, &world);
    node.networks().remove("more").unwrap();
    eventually("and go with it", || rules() == 2);
}

#[test]
fn two_nodes_share_a_host() {
    let node = Node::new();
    let world = World::new();
    let second = node.beside("second");
    drop_forwarded();
    eventually("the rules of both appear", || rules() == 4);
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let other = second.attach_with("other", "bridge", publish(vec![port(80, 8081)]));
    let (_web, _other) = (web.listen(80), other.listen(80));
    assert_ne!(web.ip(), other.ip());
    assert!(other.silent((web.ip(), 80)));
    assert!(other.ask((NODE, 8080)).is_some());
    assert_eq!(
        [world.ask((NODE, 8080)), world.ask((NODE, 8081))],
        [Some(WORLD.into()); 2]
    );
    drop(second);
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    assert_eq!(rules(), 2);
}

/// A host that drops whatever it does not know, in both directions that matter.
#[test]
fn pods_and_services_beside_a_firewall() {
    let mut node = Node::of_cluster();
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
    let world = World::new();
    drop_forwarded();
    drop_in(b"INPUT\0", 1);
    eventually("our rules appear", || rules() == 4 && rules_in(b"INPUT\0") == 1);
    node.networks().serve_cluster(Arc::new(Nothing)).unwrap();
    let (web, peer) = (node.pod("web"), node.pod("peer"));
    let _web = web.listen(8080);
    let _world = world.listen(80);
    set(&node, node_port(Protocol::Tcp), to(&[&web]));
    set(&node, service([10, 43, 7, 7].into(), Protocol::Tcp), to(&[&web]));
    assert_eq!(world.ask((NODE, 30_080)), Some(WORLD.into()));
    assert_eq!(
        peer.ask((Ipv4Addr::new(10, 43, 7, 7), 80)),
        Some(peer.ip().into())
    );
    assert_eq!(peer.ask((NODE, 30_080)), Some(peer.ip().into()));
    assert_eq!(peer.run(|| over_udp((DNS, 53), "web.cluster.local")), "NXDomain");
    // What the host keeps for itself, it keeps.
    let _host = super::rig::Server::start(std::net::TcpListener::bind((NODE, 81)).unwrap());
    assert!(peer.silent((NODE, 81)));
    node.networks.take().unwrap().close();
    assert_eq!((rules(), rules_in(b"INPUT\0")), (0, 0));
}

struct Nothing;

impl Zone for Nothing {
    fn resolve(&self, _: &str, _: RecordKind) -> Found {
        Found::NoName
    }
}

#[test]
fn two_clusters_share_a_host() {
    let node = Node::of_cluster();
    let world = World::new();
    let clash = || node.beside_with("other", |config| config.cluster = Some(super::rig::cluster()));
    assert!(
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(clash)).is_err(),
        "the same addresses"
    );
    let other = node.beside_with("second", |config| {
        let cidr = |text: &str| text.parse().unwrap();
        let dns = Ipv4Addr::new(10, 53, 0, 10);
        config.cluster = Some(network::Cluster::new(
            cidr("10.52.0.0/24"),
            cidr("10.53.0.0/16"),
            dns,
        ));
    });
    let (web, theirs) = (node.pod("web"), other.pod("web"));
    let (_web, _theirs) = (web.listen(8080), theirs.listen(8080));
    let shop = Ipv4Addr::new(10, 53, 7, 7);
    set(&node, node_port(Protocol::Tcp), to(&[&web]));
    set(&other, service(shop, Protocol::Tcp), to(&[&theirs]));
    assert_eq!(world.ask((NODE, 30_080)), Some(WORLD.into()));
    assert!(theirs.ask((shop, 80)).is_some());
    // Pods of the other cluster are the outside world: published ports lead in, nothing else.
    assert!(theirs.silent((web.ip(), 8080)));
    assert!(theirs.ask((NODE, 30_080)).is_some());
    drop(other);
    assert_eq!(world.ask((NODE, 30_080)), Some(WORLD.into()));
}

/// `nft flush ruleset`, with which a firewall that is loaded anew begins.
#[test]
fn a_table_that_is_taken_away_comes_back() {
    let node = Node::of_cluster();
    let world = World::new();
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let pod = node.pod("pod");
    let (_web, _pod) = (web.listen(80), pod.listen(8080));
    set(&node, node_port(Protocol::Tcp), to(&[&pod]));
    let mut flush = [
        message(16, 0, &[&[0, 0, 0, 10]]),
        message(0xa02, 0, &[&[0; 4]]),
        message(17, 0, &[&[0, 0, 0, 10]]),
    ]
    .concat();
    Netlink::open(Family::Netfilter)
        .unwrap()
        .transaction(&mut flush)
        .unwrap();
    eventually("it is back", || tables() == ["node"]);
    for port in [8080, 30_080] {
        assert_eq!(world.ask((NODE, port)), Some(WORLD.into()));
    }
    set(&node, node_port(Protocol::Tcp), to(&[]));
    assert_eq!(world.ask((NODE, 30_080)), None);
    node.networks().detach_pod("pod").unwrap();
}
