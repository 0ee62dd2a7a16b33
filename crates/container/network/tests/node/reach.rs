//! Who reaches whom.

use network::NetworkSpec;

use super::rig::{NODE, Node, WORLD, World, ask, silent};

pub(crate) fn spec(name: &str) -> NetworkSpec {
    NetworkSpec {
        name: name.to_owned(),
        ipv4: true,
        ..NetworkSpec::default()
    }
}

#[test]
fn containers_reach_their_network_and_no_other() {
    let node = Node::new();
    node.networks().create(spec("one")).unwrap();
    node.networks().create(spec("two")).unwrap();
    let (a, b, far) = (
        node.attach("a", "one"),
        node.attach("b", "one"),
        node.attach("far", "two"),
    );
    let (_b, _far) = (b.listen(80), far.listen(80));
    assert_eq!(a.ask((b.ip(), 80)), Some(a.ip().into()));
    assert!(a.silent((far.ip(), 80)));
    assert_eq!(
        ask((far.ip(), 80).into()),
        far.sandbox.endpoints[0].ipv4_gateway.map(Into::into)
    );
}

#[test]
fn the_default_bridge_hands_out_the_lowest_addresses_again() {
    let node = Node::new();
    let ip = |name: &str| node.attach(name, "bridge").ip().to_string();
    assert_eq!([ip("a"), ip("b")], ["172.17.0.2", "172.17.0.3"]);
    node.networks().detach(&super::rig::id("a")).unwrap();
    let again = node.attach("c", "bridge");
    assert_eq!(again.ip().to_string(), "172.17.0.2");
    let _server = again.listen(80);
    let b = super::rig::Container::of(node.networks().sandbox(&super::rig::id("b")).unwrap());
    assert_eq!(b.ask((again.ip(), 80)), Some(b.ip().into()));
    assert_eq!(
        ask((again.ip(), 80).into()).map(|ip| ip.to_string()).as_deref(),
        Some("172.17.0.1")
    );
}

#[test]
fn without_icc_containers_reach_only_the_host() {
    let node = Node::new();
    let mut apart = spec("apart");
    apart.options.insert(
        "com.docker.network.bridge.enable_icc".to_owned(),
        "false".to_owned(),
    );
    node.networks().create(apart).unwrap();
    let (a, b) = (node.attach("a", "apart"), node.attach("b", "apart"));
    let _server = b.listen(80);
    // Packets between ports of a bridge are judged only where the kernel hands them to netfilter.
    if std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|on| on.trim() == "1")
    {
        assert!(a.silent((b.ip(), 80)));
    }
    assert!(ask((b.ip(), 80).into()).is_some());
}

#[test]
fn what_leaves_has_the_hosts_address() {
    let node = Node::new();
    let world = World::new();
    let _server = world.listen(80);
    let a = node.attach("a", "bridge");
    // The world knows no way to containers, so there is no other explanation.
    assert_eq!(a.ask((WORLD, 80)), Some(NODE.into()));
}

#[test]
fn an_internal_network_has_no_way_out_or_in() {
    let node = Node::new();
    let world = World::new();
    let _server = world.listen(80);
    let internal = NetworkSpec {
        internal: true,
        ..spec("inside")
    };
    node.networks().create(internal).unwrap();
    let (a, b) = (node.attach("a", "inside"), node.attach("b", "inside"));
    let _b = b.listen(80);
    assert_eq!(a.sandbox.endpoints[0].ipv4_gateway, None);
    assert!(a.silent((WORLD, 80)));
    assert_eq!(a.ask((b.ip(), 80)), Some(a.ip().into()));
}

#[test]
fn nobody_outside_reaches_a_container_by_its_own_address() {
    let node = Node::new();
    let world = World::new();
    let a = node.attach("a", "bridge");
    let _server = a.listen(80);
    world.route_to("172.17.0.0".parse().unwrap());
    assert!(world.silent((a.ip(), 80)));
}

#[test]
fn a_container_cannot_name_the_hosts_loopback() {
    let node = Node::new();
    let _server = super::rig::Server::start(std::net::TcpListener::bind("127.0.0.1:7777").unwrap());
    let a = node.attach("a", "bridge");
    // Through its own loopback link nothing leaves; so it is sent to the gateway on purpose.
    let unreached = a.run(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
        super::rig::hijack_loopback("172.17.0.1".parse().unwrap(), a.ip());
        silent(([127, 0, 0, 1], 7777))
    });
    assert!(unreached);
}
