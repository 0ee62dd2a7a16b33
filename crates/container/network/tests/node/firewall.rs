//! Beside somebody else's firewall.

use sys::netlink::{Family, Netlink};

use super::ports::{port, publish};
use super::rig::{NODE, Node, WORLD, World, attribute, eventually, message};

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
    let hook = attribute(
        4 | 0x8000,
        &[
            attribute(1, &2_u32.to_be_bytes()),
            attribute(2, &0_u32.to_be_bytes()),
        ]
        .concat(),
    );
    let chain = [
        attribute(1, b"filter\0"),
        attribute(3, b"FORWARD\0"),
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
    let mut count = 0;
    let parts: [&[u8]; 3] = [&IPV4, &attribute(1, b"filter\0"), &attribute(2, b"FORWARD\0")];
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
