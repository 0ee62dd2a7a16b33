//! Pods: who reaches whom, what they have, what stays of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use network::{Kind, PodAttach};

use super::life::links;
use super::ports::port;
use super::reach::spec;
use super::rig::{NODE, Node, Pod, WORLD, World, ask, eventually, id};

#[test]
fn pods_reach_each_other_the_host_and_the_world_and_keep_their_addresses() {
    let node = Node::of_cluster();
    let world = World::new();
    let (a, b) = (node.pod("a"), node.pod("b"));
    assert_eq!(
        [a.ip().to_string(), b.ip().to_string()],
        ["10.42.0.1", "10.42.0.2"]
    );
    let (_b, _world) = (b.listen(80), world.listen(80));
    let _host = super::rig::Server::start(std::net::TcpListener::bind((NODE, 81)).unwrap());
    assert_eq!(a.ask((b.ip(), 80)), Some(a.ip().into()));
    assert!(node.networks().counters("a").unwrap()[0].sent.packets > 0);
    assert_eq!(b.ask((b.ip(), 80)), Some(b.ip().into()));
    assert_eq!(a.ask((NODE, 81)), Some(a.ip().into()));
    assert!(ask((b.ip(), 80).into()).is_some());
    // The world knows no way to pods.
    assert_eq!(a.ask((WORLD, 80)), Some(NODE.into()));
    world.route_to("10.42.0.0".parse().unwrap());
    assert!(world.silent((b.ip(), 80)));
}

#[test]
fn pods_and_containers_reach_each_other_but_not_what_is_internal() {
    let node = Node::of_cluster();
    node.networks().create(spec("shop")).unwrap();
    let internal = network::NetworkSpec {
        internal: true,
        ..spec("inside")
    };
    node.networks().create(internal).unwrap();
    let (web, secret, pod) = (
        node.attach("web", "shop"),
        node.attach("secret", "inside"),
        node.pod("pod"),
    );
    let (_web, _secret, _pod) = (web.listen(80), secret.listen(80), pod.listen(80));
    assert_eq!(pod.ask((web.ip(), 80)), Some(pod.ip().into()));
    assert_eq!(web.ask((pod.ip(), 80)), Some(web.ip().into()));
    assert!(pod.silent((secret.ip(), 80)));
    assert!(secret.silent((pod.ip(), 80)));
}

#[test]
fn a_host_port_is_reached_from_everywhere_and_the_source_is_kept() {
    let node = Node::of_cluster();
    let world = World::new();
    let web = node.pod_with("web", |request| request.ports = vec![port(80, 8080)]);
    let peer = node.pod("peer");
    let _server = web.listen(80);
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    assert_eq!(peer.ask((NODE, 8080)), Some(peer.ip().into()));
    assert_eq!(ask((NODE, 8080).into()), Some(NODE.into()));
    for client in [ask((Ipv4Addr::LOCALHOST, 8080).into()), web.ask((NODE, 8080))] {
        assert!(client.is_some_and(|client| client != IpAddr::from(web.ip())));
    }
    let taken = node.networks().attach_pod(PodAttach {
        pod: "other".to_owned(),
        ports: vec![port(80, 8080)],
        ..PodAttach::default()
    });
    let text = taken.unwrap_err().to_string();
    assert!(
        text.ends_with("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{text}"
    );
    node.networks().detach_pod("web").unwrap();
    node.pod_with("other", |request| request.ports = vec![port(80, 8080)]);
}

#[test]
fn a_pod_cannot_name_the_hosts_loopback() {
    let node = Node::of_cluster();
    let _server = super::rig::Server::start(std::net::TcpListener::bind("127.0.0.1:7777").unwrap());
    let pod = node.pod("pod");
    let unreached = pod.run(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
        super::rig::hijack_loopback("169.254.1.1".parse().unwrap(), pod.ip());
        super::rig::silent(([127, 0, 0, 1], 7777))
    });
    assert!(unreached);
}

/// A program that may make packets by itself (`CAP_NET_RAW`, which containers have) may write any source on them.
#[test]
fn a_pod_sends_nothing_in_the_name_of_another() {
    let node = Node::of_cluster();
    let _world = World::new();
    let (pod, other) = (node.pod("a"), node.pod("b"));
    let host = UdpSocket::bind((NODE, 7777)).unwrap();
    host.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for source in [other.ip(), Ipv4Addr::new(198, 51, 100, 7), pod.ip()] {
        pod.run(|| send_from(source, NODE, 7777));
    }
    let (_, heard) = host.recv_from(&mut [0; 64]).unwrap();
    assert_eq!(heard.ip(), IpAddr::V4(pod.ip()));
}

/// Sends a datagram without content; the kernel fills in lengths and checksums of the header.
fn send_from(source: Ipv4Addr, to: Ipv4Addr, port: u16) {
    use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).unwrap();
    let header: [u8; 12] = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    let datagram = [[0x12, 0x34], port.to_be_bytes(), [0, 8], [0, 0]].concat();
    let packet = [&header[..], &source.octets(), &to.octets(), &datagram].concat();
    sendto(&raw, &packet, SendFlags::empty(), &SocketAddrV4::new(to, 0)).unwrap();
}

#[test]
fn sysctls_are_the_pods_own_and_a_wrong_one_leaves_nothing() {
    let node = Node::of_cluster();
    let sysctl = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let pod = node.pod_with("pod", |request| {
        request.sysctls = sysctl("net.ipv4.tcp_syncookies", "0");
    });
    let read = || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap();
    assert_eq!(pod.run(read).trim(), "0");
    assert_eq!(read().trim(), "1");
    let wrong = PodAttach {
        pod: "wrong".to_owned(),
        sysctls: sysctl("net.ipv4.no_such_thing", "1"),
        ..PodAttach::default()
    };
    node.networks().attach_pod(wrong).unwrap_err();
    assert!(node.networks().pod("wrong").is_none());
    assert_eq!(node.networks().pods().len(), 1);
}

#[test]
fn an_address_rests_before_it_is_given_again() {
    let node = Node::of_cluster();
    let first = node.pod("a").ip();
    node.networks().detach_pod("a").unwrap();
    node.networks().detach_pod("a").unwrap();
    let second = node.pod("b").ip();
    assert_ne!(first, second);
    let again = node.pod("b").ip();
    assert_ne!(again, second, "a pod that is attached again begins anew");
    assert_eq!(node.networks().pods().len(), 1);
}

#[test]
fn pods_outlive_the_daemon_and_not_their_namespaces() {
    let mut node = Node::of_cluster();
    let world = World::new();
    let web = node.pod_with("web", |request| request.ports = vec![port(80, 8080)]);
    let gone = node.pod("gone");
    let _server = web.listen(80);
    node.networks = None;
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    sys::netns::unpin(&gone.sandbox.key).unwrap();
    node.open();
    assert_eq!(node.networks().pods(), std::slice::from_ref(&web.sandbox));
    assert_eq!(world.ask((NODE, 8080)), Some(WORLD.into()));
    let next = node.pod("next");
    assert_ne!(next.ip(), web.ip());
    assert_eq!(next.ask((web.ip(), 80)), Some(next.ip().into()));
    assert!(next.ask((NODE, 8080)).is_some());
}

#[test]
fn nothing_stays_of_a_hundred_pods() {
    let mut node = Node::of_cluster();
    let before = links();
    let names: Vec<String> = (0..100).map(|number| format!("pod-{number}")).collect();
    let pods: Vec<Pod> = names.iter().map(|name| node.pod(name)).collect();
    assert_eq!(node.networks().pods().len(), 100);
    drop(pods);
    names
        .iter()
        .for_each(|name| node.networks().detach_pod(name).unwrap());
    eventually("links go", || links().len() <= before.len() + 4);
    node.networks.take().unwrap().close();
    assert_eq!(links(), ["lo"]);
    assert_eq!(
        std::fs::read_to_string("/proc/thread-self/net/route")
            .unwrap()
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_node_without_a_cluster_has_no_pods() {
    let node = Node::new();
    let error = node.networks().attach_pod(PodAttach::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    node.attach("web", "bridge");
    assert!(node.networks().sandbox(&id("web")).is_some() && node.networks().pods().is_empty());
}

#[test]
fn dockers_networks_keep_out_of_the_clusters_addresses() {
    let node = Node::with(|config| {
        let cidr = |text: &str| text.parse().unwrap();
        let dns = "172.18.0.10".parse().unwrap();
        config.cluster = Some(network::Cluster::new(
            cidr("172.17.0.0/16"),
            cidr("172.18.0.0/16"),
            dns,
        ));
    });
    assert_eq!(node.attach("web", "bridge").ip().to_string(), "172.19.0.2");
    assert_eq!(node.pod("pod").ip().to_string(), "172.17.0.1");
}

/// As when a node goes down while something still starts pods.
#[test]
fn closing_waits_for_what_is_being_attached() {
    let mut node = Node::of_cluster();
    let networks = node.networks.take().unwrap();
    let attach = |thread: usize| {
        let here = |number| PodAttach {
            pod: format!("pod-{thread}-{number}"),
            ..PodAttach::default()
        };
        let first_refused = (0..)
            .map(here)
            .find_map(|request| networks.attach_pod(request).err());
        assert_eq!(first_refused.map(|error| error.kind()), Some(Kind::Unavailable));
    };
    std::thread::scope(|scope| {
        (0..8).for_each(|thread| drop(scope.spawn(move || attach(thread))));
        eventually("they begin", || networks.pods().len() > 8);
        networks.close();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(node.config.run_dir.to_str().unwrap()));
    });
    assert_eq!(links(), ["lo"]);
    let files = std::fs::read_dir(node.config.run_dir.join("netns")).unwrap();
    assert_eq!(files.count(), 0);
}
