//! Services: who answers, for whom, and what the answering pod sees of its client.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use network::{Balanced, Frontend, Protocol, ServiceChange, Unanswered};

use super::life::links;
use super::reach::spec;
use super::rig::{DNS, LIMIT, NODE, Node, Pod, Server, WORLD, World, ask, eventually, silent};

const SHOP: Ipv4Addr = Ipv4Addr::new(10, 43, 7, 7);
const NODE_PORT: u16 = 30_080;

pub(crate) fn service(ip: Ipv4Addr, protocol: Protocol) -> Frontend {
    Frontend::Address {
        ip,
        protocol,
        port: 80,
    }
}

pub(crate) fn node_port(protocol: Protocol) -> Frontend {
    Frontend::NodePort {
        protocol,
        port: NODE_PORT,
    }
}

pub(crate) fn to(pods: &[&Pod]) -> Balanced {
    let place = |pod: &&Pod| SocketAddrV4::new(pod.ip(), 8080);
    Balanced {
        backends: pods.iter().map(place).collect::<Vec<_>>().into(),
        affinity: None,
        elsewhere: false,
        none: Unanswered::Reject,
    }
}

pub(crate) fn set(node: &Node, frontend: Frontend, balanced: Balanced) {
    let change = ServiceChange {
        set: vec![(frontend, balanced)],
        ..ServiceChange::default()
    };
    node.networks().services(&change).unwrap();
}

/// Answers with the pod's own address.
fn named(pod: &Pod) -> Server {
    let text = pod.ip().to_string();
    let listener = pod.run(|| std::net::TcpListener::bind(("0.0.0.0", 8080)).unwrap());
    Server::answering(listener, move |_| text.clone())
}

fn refused(to: impl Into<SocketAddr>) -> bool {
    let error = TcpStream::connect_timeout(&to.into(), LIMIT).unwrap_err();
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

#[test]
fn a_service_is_reached_from_everywhere_and_sources_are_kept() {
    let node = Node::of_cluster();
    let world = World::new();
    node.networks().create(spec("shop")).unwrap();
    let (web, peer, container) = (node.pod("web"), node.pod("peer"), node.attach("c", "shop"));
    let _server = web.listen(8080);
    set(&node, service(SHOP, Protocol::Tcp), to(&[&web]));
    assert_eq!(peer.ask((SHOP, 80)), Some(peer.ip().into()));
    assert_eq!(container.ask((SHOP, 80)), Some(container.ip().into()));
    assert_eq!(
        ask((SHOP, 80).into()),
        Some(DNS.into()),
        "the host by the services' link"
    );
    let itself = web.ask((SHOP, 80));
    assert!(
        itself.is_some_and(|seen| seen != IpAddr::from(web.ip())),
        "{itself:?}"
    );
    world.route_to("10.43.0.0".parse().unwrap());
    assert_eq!(world.ask((SHOP, 80)), Some(WORLD.into()));
    node.networks()
        .services(&ServiceChange {
            whole: true,
            ..ServiceChange::default()
        })
        .unwrap();
    assert!(refused((SHOP, 80)));
    assert!(
        peer.run(|| refused((SHOP, 80))),
        "what nobody has of the services' addresses"
    );
}

#[test]
fn a_node_port_is_reached_from_outside_from_the_host_and_from_pods() {
    let node = Node::of_cluster();
    let world = World::new();
    let (web, peer) = (node.pod("web"), node.pod("peer"));
    let _server = web.listen(8080);
    set(&node, node_port(Protocol::Tcp), to(&[&web]));
    assert_eq!(world.ask((NODE, NODE_PORT)), Some(WORLD.into()));
    assert_eq!(peer.ask((NODE, NODE_PORT)), Some(peer.ip().into()));
    assert_eq!(ask((NODE, NODE_PORT).into()), Some(NODE.into()));
    let local = ask((Ipv4Addr::LOCALHOST, NODE_PORT).into());
    assert!(local.is_some_and(|seen| !seen.is_loopback()), "{local:?}");
    assert!(
        web.ask((NODE, NODE_PORT))
            .is_some_and(|seen| seen != IpAddr::from(web.ip()))
    );
}

#[test]
fn each_backend_has_its_share_and_one_that_is_gone_has_none() {
    let node = Node::of_cluster();
    let pods: Vec<Pod> = ["a", "b", "c"].iter().map(|name| node.pod(name)).collect();
    let _servers: Vec<Server> = pods.iter().map(named).collect();
    let client = node.pod("client");
    let asked = || {
        (0..60)
            .map(|_| client.ask((SHOP, 80)).unwrap())
            .collect::<BTreeSet<_>>()
    };
    let addresses = |pods: &[Pod]| {
        pods.iter()
            .map(|pod| IpAddr::from(pod.ip()))
            .collect::<BTreeSet<_>>()
    };
    set(
        &node,
        service(SHOP, Protocol::Tcp),
        to(&[&pods[0], &pods[1], &pods[2]]),
    );
    assert_eq!(asked(), addresses(&pods));
    set(&node, service(SHOP, Protocol::Tcp), to(&[&pods[0], &pods[1]]));
    assert_eq!(asked(), addresses(&pods[..2]));
    set(&node, service(SHOP, Protocol::Tcp), to(&[&pods[2]]));
    assert_eq!(asked(), addresses(&pods[2..]));
}

#[test]
fn a_client_stays_where_it_went_as_long_as_that_is_there() {
    let node = Node::of_cluster();
    let _world = World::new();
    let pods: Vec<Pod> = ["a", "b", "c", "d"].iter().map(|name| node.pod(name)).collect();
    let _servers: Vec<Server> = pods.iter().map(named).collect();
    let client = node.pod("client");
    let sticky = |pods: &[&Pod]| Balanced {
        affinity: Some(Duration::from_secs(600)),
        ..to(pods)
    };
    let asked = |place: (Ipv4Addr, u16)| {
        (0..20)
            .map(|_| client.ask(place).unwrap())
            .collect::<BTreeSet<_>>()
    };
    let all: Vec<&Pod> = pods.iter().collect();
    for (frontend, place) in [
        (service(SHOP, Protocol::Tcp), (SHOP, 80)),
        (node_port(Protocol::Tcp), (NODE, NODE_PORT)),
    ] {
        set(&node, frontend, sticky(&all));
        let first = asked(place);
        assert_eq!(first.len(), 1);
        let others: Vec<&Pod> = pods
            .iter()
            .filter(|pod| !first.contains(&pod.ip().into()))
            .collect();
        set(&node, frontend, sticky(&others));
        let second = asked(place);
        assert!(second.len() == 1 && second != first, "{second:?}");
        set(&node, frontend, sticky(&all));
        assert_eq!(asked(place), second, "it has gone over for good");
    }
}

#[test]
fn without_backends_clients_are_refused_or_hear_nothing() {
    let node = Node::of_cluster();
    let _world = World::new();
    let client = node.pod("client");
    let dropped = Balanced {
        none: Unanswered::Drop,
        ..to(&[])
    };
    for frontend in [service(SHOP, Protocol::Tcp), node_port(Protocol::Tcp)] {
        set(&node, frontend, to(&[]));
    }
    // Somebody on the host has the node port: it is a service's all the same.
    let _squatter = std::net::TcpListener::bind(("0.0.0.0", NODE_PORT)).unwrap();
    for place in [(SHOP, 80), (NODE, NODE_PORT)] {
        assert!(refused(place) && client.run(move || refused(place)), "{place:?}");
    }
    for frontend in [service(SHOP, Protocol::Tcp), node_port(Protocol::Tcp)] {
        set(&node, frontend, dropped.clone());
    }
    for place in [(SHOP, 80), (NODE, NODE_PORT)] {
        assert!(silent(place) && client.silent(place), "{place:?}");
    }
}

fn receive(socket: &UdpSocket) -> Option<(String, SocketAddr)> {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((String::from_utf8_lossy(&buffer[..length]).into_owned(), from))
}

fn udp(pod: &Pod) -> UdpSocket {
    let socket = pod.run(|| UdpSocket::bind(("0.0.0.0", 8080)).unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

/// One socket goes on talking while the backend behind it changes.
#[test]
fn a_conversation_over_udp_goes_to_the_backend_that_is_there() {
    let node = Node::of_cluster();
    let world = World::new();
    let (first, second) = (node.pod("first"), node.pod("second"));
    let (a, b) = (udp(&first), udp(&second));
    let client = world.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let frontend = node_port(Protocol::Udp);
    let say = |text: &str| assert!(client.send_to(text.as_bytes(), (NODE, NODE_PORT)).is_ok());
    // The node itself hears it first, and the kernel remembers that.
    let early = UdpSocket::bind((NODE, NODE_PORT)).unwrap();
    early.set_read_timeout(Some(LIMIT)).unwrap();
    say("nobody");
    assert!(receive(&early).is_some());
    set(&node, frontend, to(&[&first]));
    say("one");
    let (text, from) = receive(&a).unwrap();
    assert_eq!((text.as_str(), from.ip()), ("one", WORLD.into()));
    a.send_to(b"heard", from).unwrap();
    assert_eq!(
        receive(&client),
        Some(("heard".to_owned(), (NODE, NODE_PORT).into()))
    );
    set(&node, frontend, to(&[&second]));
    say("two");
    assert_eq!(receive(&b).unwrap().0, "two");
}

#[test]
fn open_connections_of_services_are_counted() {
    let node = Node::of_cluster();
    let (web, client) = (node.pod("web"), node.pod("client"));
    let listener = web.run(|| std::net::TcpListener::bind(("0.0.0.0", 8080)).unwrap());
    set(&node, service(SHOP, Protocol::Tcp), to(&[&web]));
    let count = || node.networks().connections(web.ip()).unwrap();
    assert_eq!(count(), 0);
    let direct = client.run(|| TcpStream::connect((web.ip(), 8080)).unwrap());
    assert_eq!(count(), 0, "only connections of services");
    let through = client.run(|| TcpStream::connect((SHOP, 80)).unwrap());
    assert_eq!(count(), 1);
    let accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
    drop((direct, through));
    drop(accepted);
    eventually("it is closed", || count() == 0);
    assert_eq!(node.networks().connections(client.ip()).unwrap(), 0);
}

/// What a rolling update does to the map, as fast as it can, under requests.
#[test]
fn no_connection_fails_while_backends_come_and_go() {
    let node = Node::of_cluster();
    let pods: Vec<Pod> = ["a", "b", "c", "d"].iter().map(|name| node.pod(name)).collect();
    let _servers: Vec<Server> = pods.iter().map(|pod| pod.listen(8080)).collect();
    let client = node.pod("client");
    let all: Vec<&Pod> = pods.iter().collect();
    set(&node, service(SHOP, Protocol::Tcp), to(&all));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                turn += 1;
                let some: Vec<&Pod> = all
                    .iter()
                    .copied()
                    .cycle()
                    .skip(turn % 4)
                    .take(1 + turn % 4)
                    .collect();
                set(&node, service(SHOP, Protocol::Tcp), to(&some));
            }
            assert!(turn > 10, "{turn}");
        });
        let answered = client.run(|| (0..2000).filter(|_| ask((SHOP, 80).into()).is_some()).count());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(answered, 2000);
    });
}

/// Connections that are going on are nobody's business.
#[test]
fn a_connection_outlives_its_backends_place_in_the_map() {
    let node = Node::of_cluster();
    let (web, client) = (node.pod("web"), node.pod("client"));
    let listener = web.run(|| std::net::TcpListener::bind(("0.0.0.0", 8080)).unwrap());
    set(&node, service(SHOP, Protocol::Tcp), to(&[&web]));
    let mut stream = client.run(|| TcpStream::connect((SHOP, 80)).unwrap());
    let (mut accepted, _) = listener.accept().unwrap();
    set(&node, service(SHOP, Protocol::Tcp), to(&[]));
    use std::io::{Read, Write};
    stream.write_all(b"still").unwrap();
    let mut buffer = [0; 5];
    accepted.read_exact(&mut buffer).unwrap();
    accepted.write_all(&buffer).unwrap();
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"still");
    assert!(client.run(|| refused((SHOP, 80))));
}

/// The daemon dies and comes back; until it knows the services again, they go on.
#[test]
fn services_outlive_the_daemon() {
    let mut node = Node::of_cluster();
    let (web, client) = (node.pod("web"), node.pod("client"));
    let _server = web.listen(8080);
    let other = service(Ipv4Addr::new(10, 43, 7, 8), Protocol::Tcp);
    let sticky = Balanced {
        affinity: Some(Duration::from_secs(60)),
        ..to(&[&web])
    };
    set(&node, service(SHOP, Protocol::Tcp), to(&[&web]));
    set(&node, other, sticky);
    set(&node, node_port(Protocol::Tcp), to(&[]));
    for _ in 0..2 {
        node.reopen();
        assert!(client.ask((SHOP, 80)).is_some());
        assert!(client.ask((Ipv4Addr::new(10, 43, 7, 8), 80)).is_some());
    }
    let whole = ServiceChange {
        set: vec![(service(SHOP, Protocol::Tcp), to(&[&web]))],
        whole: true,
        ..ServiceChange::default()
    };
    node.networks().services(&whole).unwrap();
    assert!(client.ask((SHOP, 80)).is_some());
    assert!(client.run(|| refused((Ipv4Addr::new(10, 43, 7, 8), 80))));
}

/// The host's own servers may stand behind a service, those at 127.0.0.1 too.
#[test]
fn a_backend_may_be_on_the_host() {
    let node = Node::of_cluster();
    let world = World::new();
    node.networks().create(spec("shop")).unwrap();
    let (pod, container) = (node.pod("pod"), node.attach("c", "shop"));
    for host in [Ipv4Addr::LOCALHOST, NODE] {
        let _server = Server::start(std::net::TcpListener::bind((host, 6443)).unwrap());
        let balanced = Balanced {
            backends: [SocketAddrV4::new(host, 6443)].into(),
            ..to(&[])
        };
        set(&node, service(SHOP, Protocol::Tcp), balanced.clone());
        set(&node, node_port(Protocol::Tcp), balanced);
        assert_eq!(pod.ask((SHOP, 80)), Some(pod.ip().into()));
        assert_eq!(container.ask((SHOP, 80)), Some(container.ip().into()));
        assert!(ask((SHOP, 80).into()).is_some());
        assert_eq!(pod.ask((NODE, NODE_PORT)), Some(pod.ip().into()));
        if host == NODE {
            assert_eq!(world.ask((NODE, NODE_PORT)), Some(WORLD.into()));
        }
    }
}

/// As a client of a pod that has just gone sees it.
#[test]
fn a_pod_that_is_not_there_refuses() {
    let node = Node::of_cluster();
    let _world = World::new();
    let client = node.pod("client");
    let gone = node.pod("gone").ip();
    node.networks().detach_pod("gone").unwrap();
    assert!(refused((gone, 80)) && client.run(move || refused((gone, 80))));
}

#[test]
fn a_thousand_services_come_and_leave_nothing() {
    let mut node = Node::of_cluster();
    let web = node.pod("web");
    let frontend = |number: u32| service(Ipv4Addr::from_bits(0x0a2b_1000 + number), Protocol::Tcp);
    let change = ServiceChange {
        set: (0..1000)
            .map(|number| (frontend(number), to(&[&web, &web, &web])))
            .collect(),
        ..ServiceChange::default()
    };
    node.networks().services(&change).unwrap();
    let _server = web.listen(8080);
    assert!(ask((Ipv4Addr::from_bits(0x0a2b_1000 + 999), 80).into()).is_some());
    let sticky = |(frontend, balanced): &(Frontend, Balanced)| {
        let affinity = Some(Duration::from_secs(10));
        (
            *frontend,
            Balanced {
                affinity,
                ..balanced.clone()
            },
        )
    };
    let again = ServiceChange {
        set: change.set.iter().map(sticky).collect(),
        ..ServiceChange::default()
    };
    node.networks().services(&again).unwrap();
    assert!(ask((Ipv4Addr::from_bits(0x0a2b_1000), 80).into()).is_some());
    let remove = ServiceChange {
        remove: (0..1000).map(frontend).collect(),
        ..ServiceChange::default()
    };
    node.networks().services(&remove).unwrap();
    assert!(refused((Ipv4Addr::from_bits(0x0a2b_1000), 80)));
    node.networks.take().unwrap().close();
    assert_eq!(links(), ["lo"]);
    assert_eq!(super::firewall::tables(), Vec::<String>::new());
}
