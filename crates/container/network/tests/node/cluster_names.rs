//! The cluster's name server as pods and containers reach it.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record as Answer};
use network::{Found, Holder, Protocol, Record, RecordData, RecordKind, Zone};

use super::nameserver::{over_tcp, over_udp};
use super::ports::{port, publish};
use super::reach::spec;
use super::rig::{Container, DNS, LIMIT, Node, Pod, WORLD, World, silent};
use super::services::{service, set, to};

const SERVER: (Ipv4Addr, u16) = (DNS, 53);
const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);

/// Knows two names, one of them of somebody else's.
struct Small;

impl Zone for Small {
    fn resolve(&self, name: &str, kind: RecordKind) -> Found {
        let data = match name {
            "web.shop.svc.cluster.local" => RecordData::A([10, 43, 7, 7].into()),
            "far.shop.svc.cluster.local" => RecordData::Cname("example.com".to_owned()),
            name if name.ends_with("cluster.local") => return Found::NoName,
            _ => return Found::NotOurs,
        };
        if kind == RecordKind::A {
            Found::Records(vec![Record { ttl: 30, data }])
        } else {
            Found::NoData
        }
    }
}

fn node() -> Node {
    let node = Node::of_cluster();
    node.networks().serve_cluster(Arc::new(Small)).unwrap();
    node
}

fn asks(pod: &Pod, name: &str) -> [String; 2] {
    pod.run(|| [over_udp(SERVER, name), over_tcp(SERVER, name)])
}

#[test]
fn pods_and_the_host_ask_and_queries_wait_for_the_daemon() {
    let mut node = node();
    let pod = node.pod("pod");
    let address = ["10.43.7.7"; 2];
    assert_eq!(asks(&pod, "web.shop.svc.cluster.local"), address);
    assert_eq!(asks(&pod, "Web.Shop.svc.CLUSTER.local"), address);
    assert_eq!(asks(&pod, "nope.shop.svc.cluster.local"), ["NXDomain"; 2]);
    assert_eq!(over_udp(SERVER, "web.shop.svc.cluster.local"), address[0]);
    node.networks = None;
    let waiting = std::thread::scope(|scope| {
        let asking = scope.spawn(|| asks(&pod, "web.shop.svc.cluster.local"));
        node.open();
        node.networks().serve_cluster(Arc::new(Small)).unwrap();
        asking.join().unwrap()
    });
    assert_eq!(waiting, address);
    node.networks.take().unwrap().close();
    assert!(node.holder.held().unwrap().is_empty());
}

#[test]
fn containers_on_networks_of_their_own_know_the_clusters_names() {
    let node = node();
    node.networks().create(spec("shop")).unwrap();
    let (web, db): (Container, Container) = (node.attach("web", "shop"), node.attach("db", "shop"));
    let ask = |name: &'static str| web.run(move || over_udp(LOCAL, name));
    assert_eq!(ask("web.shop.svc.cluster.local"), "10.43.7.7");
    assert_eq!(ask("nope.shop.svc.cluster.local"), "NXDomain");
    assert_eq!(ask("db"), db.ip().to_string());
}

/// Answers every question with one address, as the host's name server in the outside world.
fn host_server(world: &World) -> std::thread::JoinHandle<()> {
    let socket = world.run(|| UdpSocket::bind((WORLD, 53)).unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    std::thread::spawn(move || {
        for _ in 0..3 {
            let mut buffer = [0; 512];
            let (length, client) = socket.recv_from(&mut buffer).unwrap();
            let mut reply = Message::from_vec(&buffer[..length]).unwrap();
            reply.metadata.message_type = MessageType::Response;
            let name = reply.queries[0].name().clone();
            reply.add_answer(Answer::from_rdata(
                name,
                60,
                RData::A(A([198, 51, 100, 7].into())),
            ));
            socket.send_to(&reply.to_vec().unwrap(), client).unwrap();
        }
    })
}

#[test]
fn what_the_zone_does_not_know_the_hosts_server_is_asked() {
    let node = node();
    let world = World::new();
    // The file is read anew: the host may have moved.
    std::fs::write(
        &node.config.resolv_conf,
        format!("nameserver {DNS}\nnameserver {WORLD}\n"),
    )
    .unwrap();
    let server = host_server(&world);
    let pod = node.pod("pod");
    let ask = |name: &'static str| pod.run(move || over_udp(SERVER, name));
    assert_eq!(ask("example.com"), "198.51.100.7");
    assert_eq!(ask("far.shop.svc.cluster.local"), "example.com.");
    node.networks().create(spec("shop")).unwrap();
    let container = node.attach("c", "shop");
    assert_eq!(container.run(|| over_udp(LOCAL, "example.org")), "198.51.100.7");
    server.join().unwrap();
}

#[test]
fn the_name_servers_address_is_nobody_elses() {
    let node = node();
    let udp = network::PortBinding {
        protocol: Protocol::Udp,
        ..port(53, 53)
    };
    let published = publish(vec![udp, port(80, 8080)]);
    let web = node.attach_with("web", "bridge", published);
    let _web = web.listen(80);
    let pod = node.pod("pod");
    // A service of that name without pods, as there is one in every cluster.
    set(&node, service(DNS, Protocol::Udp), to(&[]));
    assert_eq!(asks(&pod, "web.shop.svc.cluster.local"), ["10.43.7.7"; 2]);
    assert!(pod.silent((DNS, 8080)));
    let _own = std::net::TcpListener::bind(("0.0.0.0", 7777)).unwrap();
    assert!(pod.silent((DNS, 7777)) && silent((DNS, 7777)));
}
