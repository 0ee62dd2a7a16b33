//! Published ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use network::{Attach, EndpointSpec, Kind, NetworkSpec, PortBinding, Protocol};

use super::reach::spec;
use super::rig::{LIMIT, NODE, Node, WORLD, World, ask, hijack_loopback, id, request, silent};

pub(crate) fn port(container_port: u16, host_port: u16) -> PortBinding {
    PortBinding {
        container_port,
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: Some((host_port, host_port)),
    }
}

pub(crate) fn publish(bindings: Vec<PortBinding>) -> impl FnOnce(&mut Attach) {
    move |request| request.ports = bindings
}

#[test]
fn a_port_is_reached_on_every_address_and_the_source_is_kept() {
    let node = Node::new();
    let world = World::new();
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let _server = web.listen(80);
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    assert_eq!(ask((NODE, 8080).into()), Some(NODE.into()));
    assert_eq!(
        ask((Ipv4Addr::LOCALHOST, 8080).into()),
        Some("172.17.0.1".parse().unwrap())
    );
    assert!(ask((Ipv6Addr::LOCALHOST, 8080).into()).is_some());
    let ports = &web.sandbox.ports["80/tcp"];
    let shown: Vec<_> = ports
        .iter()
        .map(|place| format!("{} {}", place.ip, place.port))
        .collect();
    assert_eq!(shown, ["0.0.0.0 8080", ":: 8080"]);
}

/// A neighbour may send packets to 127.0.0.1 over the wire.
#[test]
fn what_is_published_on_the_loopback_is_not_reached_over_a_wire() {
    let node = Node::new();
    let world = World::new();
    let local = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.into()),
        ..port(80, 8080)
    };
    let web = node.attach_with("web", "bridge", publish(vec![local]));
    let _server = web.listen(80);
    assert!(ask((Ipv4Addr::LOCALHOST, 8080).into()).is_some());
    let unreached = world.run(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
        hijack_loopback(NODE, WORLD);
        silent((Ipv4Addr::LOCALHOST, 8080))
    });
    assert!(unreached);
}

#[test]
fn containers_reach_published_ports_through_the_host() {
    let node = Node::new();
    let _world = World::new();
    node.networks().create(spec("other")).unwrap();
    let web = node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let (sibling, stranger) = (node.attach("sibling", "bridge"), node.attach("stranger", "other"));
    let _server = web.listen(80);
    for container in [&web, &sibling, &stranger] {
        assert!(container.ask((NODE, 8080)).is_some(), "{}", container.sandbox.id);
    }
}

#[test]
fn a_port_on_one_address_is_not_on_the_others() {
    let node = Node::new();
    let world = World::new();
    let local = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.into()),
        ..port(80, 8080)
    };
    let web = node.attach_with("web", "bridge", publish(vec![local]));
    let _server = web.listen(80);
    assert!(ask((Ipv4Addr::LOCALHOST, 8080).into()).is_some());
    assert!(world.silent((NODE, 8080)));
    assert!(silent((Ipv6Addr::LOCALHOST, 8080)));
}

#[test]
fn udp_finds_a_port_that_was_published_later() {
    let node = Node::new();
    let world = World::new();
    let client = world.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    client.set_read_timeout(Some(LIMIT)).unwrap();
    // The kernel remembers that this conversation went to the host itself.
    let early = UdpSocket::bind((NODE, 5353)).unwrap();
    early.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"too early", (NODE, 5353)).unwrap();
    early.recv_from(&mut [0; 16]).unwrap();
    drop(early);
    let binding = PortBinding {
        protocol: Protocol::Udp,
        ..port(53, 5353)
    };
    let server = node.attach_with("server", "bridge", publish(vec![binding]));
    let socket = server.run(|| UdpSocket::bind("0.0.0.0:53").unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"hello", (NODE, 5353)).unwrap();
    let mut buffer = [0; 16];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..length], from.ip()),
        (&b"hello"[..], IpAddr::from(WORLD))
    );
    socket.send_to(b"there", from).unwrap();
    assert_eq!(
        client.recv_from(&mut buffer).unwrap(),
        (5, SocketAddr::from((NODE, 5353)))
    );
}

#[test]
fn udp_at_ipv6_loopback_is_carried() {
    let node = Node::new();
    let binding = PortBinding {
        protocol: Protocol::Udp,
        ..port(53, 5353)
    };
    let server = node.attach_with("server", "bridge", publish(vec![binding]));
    let socket = server.run(|| UdpSocket::bind("0.0.0.0:53").unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"hello", "[::1]:5353").unwrap();
    let mut buffer = [0; 16];
    let (_, from) = socket.recv_from(&mut buffer).unwrap();
    socket.send_to(b"there", from).unwrap();
    assert_eq!(client.recv_from(&mut buffer).unwrap().0, 5);
}

#[test]
fn a_port_that_is_taken_is_refused_in_upstreams_words_and_nothing_is_left() {
    let node = Node::new();
    node.attach_with("web", "bridge", publish(vec![port(80, 8080)]));
    let _mine = std::net::TcpListener::bind("0.0.0.0:8081").unwrap();
    for (host_port, expected) in [
        (8080, "Bind for 0.0.0.0:8080 failed: port is already allocated"),
        (
            8081,
            "failed to bind host port for 0.0.0.0:8081:172.17.0.3:80/tcp: address already in use",
        ),
    ] {
        let mut second = request("second", "bridge");
        second.ports = vec![port(81, 9000), port(80, host_port)];
        let error = node.networks().attach(second).unwrap_err();
        assert_eq!(error.kind(), Kind::System);
        let text = error.to_string();
        assert!(
            text.starts_with("driver failed programming external connectivity on endpoint second ("),
            "{text}"
        );
        assert!(text.ends_with(expected), "{text}");
    }
    let third = node.attach_with("third", "bridge", publish(vec![port(81, 9000)]));
    assert_eq!(third.ip().to_string(), "172.17.0.3");
}

#[test]
fn free_ports_are_chosen_and_ranges_searched() {
    let node = Node::new();
    let free = PortBinding {
        host_port: None,
        ..port(80, 0)
    };
    let range = PortBinding {
        host_port: Some((8000, 8002)),
        ..port(81, 0)
    };
    let chosen = |name: &str| {
        let container = node.attach_with(name, "bridge", publish(vec![free.clone(), range.clone()]));
        let port = |key: &str| container.sandbox.ports[key][0].port;
        (port("80/tcp"), port("81/tcp"))
    };
    let (first, second) = (chosen("a"), chosen("b"));
    assert_eq!((first.1, second.1), (8000, 8001));
    assert!((32_768..=60_999).contains(&first.0) && first.0 != second.0);
    node.networks().detach(&id("a")).unwrap();
    assert_eq!(chosen("c").1, 8000);
    chosen("d");
    let mut last = request("e", "bridge");
    last.ports = vec![range.clone()];
    assert!(
        node.networks()
            .attach(last)
            .unwrap_err()
            .to_string()
            .ends_with("port is already allocated")
    );
}

#[test]
fn a_thousand_ports_are_one_map() {
    let node = Node::new();
    let ports = (0..1000).map(|n| port(10_000 + n, 20_000 + n)).collect();
    let web = node.attach_with("web", "bridge", publish(ports));
    let _server = web.listen(10_777);
    assert!(ask((Ipv4Addr::LOCALHOST, 20_777).into()).is_some());
    node.networks().detach(&id("web")).unwrap();
    assert!(silent((Ipv4Addr::LOCALHOST, 20_777)));
}

#[test]
fn ipv6_clients_are_redirected_to_containers_with_ipv6() {
    let node = Node::new();
    let six = NetworkSpec {
        ipv6: true,
        ..spec("six")
    };
    node.networks().create(six).unwrap();
    let web = node.attach_with("web", "six", publish(vec![port(80, 8080)]));
    let peer = node.attach("peer", "six");
    let _server = web.listen(80);
    let (address, _) = web.sandbox.endpoints[0].ipv6.unwrap();
    let own = IpAddr::from(peer.sandbox.endpoints[0].ipv6.unwrap().0);
    assert_eq!(peer.ask((address, 80)), Some(own));
    let gateway = web.sandbox.endpoints[0].ipv6_gateway.unwrap();
    assert!(peer.ask((gateway, 8080)).is_some());
    assert!(ask((Ipv6Addr::LOCALHOST, 8080).into()).is_some());
}

#[test]
fn a_network_that_is_internal_publishes_nothing() {
    let node = Node::new();
    let internal = NetworkSpec {
        internal: true,
        ..spec("inside")
    };
    node.networks().create(internal).unwrap();
    let web = node.attach_with("web", "inside", publish(vec![port(80, 8080)]));
    assert!(web.sandbox.ports.is_empty());
    let fixed = EndpointSpec {
        ipv4: Some("10.9.0.9".parse().unwrap()),
        ..EndpointSpec::default()
    };
    let mut wrong = request("wrong", "inside");
    wrong.networks[0].1 = fixed;
    assert_eq!(
        node.networks().attach(wrong).unwrap_err().kind(),
        Kind::InvalidParameter
    );
}
