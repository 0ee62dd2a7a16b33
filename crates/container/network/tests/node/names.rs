//! Names: the name server of containers, and their files.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use network::{DnsSpec, EndpointSpec};

use super::reach::spec;
use super::rig::{Container, LIMIT, Node, World, id};

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
const A: u8 = 1;
const PTR: u8 = 12;
const AAAA: u8 = 28;
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;

/// A query of one question. RFC 1035 §4.1
pub(crate) fn query(name: &str, kind: u8) -> Vec<u8> {
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, kind, 0, 1]);
    bytes
}

/// The response code, how many answers there are, and the bytes of the last of them.
pub(crate) struct Reply {
    code: u8,
    answers: u8,
    bytes: Vec<u8>,
}

impl Reply {
    fn read(bytes: &[u8]) -> Self {
        assert_eq!(bytes[..2], [0xab, 0xcd]);
        Self {
            code: bytes[3] & 15,
            answers: bytes[7],
            bytes: bytes.to_vec(),
        }
    }

    /// The IPv4 address that the message ends with.
    fn address(&self) -> Ipv4Addr {
        let last: [u8; 4] = self.bytes[self.bytes.len() - 4..].try_into().unwrap();
        last.into()
    }
}

impl Container {
    fn look_up(&self, name: &str, kind: u8) -> Reply {
        self.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(LIMIT)).unwrap();
            socket.send_to(&query(name, kind), SERVER).unwrap();
            let mut buffer = [0; 1024];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(from, SERVER.into());
            Reply::read(&buffer[..length])
        })
    }

    fn look_up_tcp(&self, name: &str, kind: u8) -> Reply {
        self.run(|| {
            let mut stream = TcpStream::connect(SERVER).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let query = query(name, kind);
            stream
                .write_all(&[&[0, u8::try_from(query.len()).unwrap()], &query[..]].concat())
                .unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut answer = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut answer).unwrap();
            Reply::read(&answer)
        })
    }
}

fn shop() -> Node {
    let node = Node::new();
    node.networks().create(spec("shop")).unwrap();
    node
}

#[test]
fn containers_find_each_other_by_every_name() {
    let node = shop();
    let asking = node.attach("asking", "shop");
    let web = node.attach_with("web", "shop", |request| {
        request.hostname = "frontend".to_owned();
        request.networks[0].1.aliases = vec!["www".to_owned()];
    });
    for name in ["web", "WEB", "www", "frontend", "web.shop", &id("web")[..12]] {
        for reply in [asking.look_up(name, A), asking.look_up_tcp(name, A)] {
            assert_eq!(
                (reply.code, reply.answers, reply.address()),
                (NOERROR, 1, web.ip()),
                "{name}"
            );
        }
    }
    let none = asking.look_up("web", AAAA);
    assert_eq!((none.code, none.answers), (NOERROR, 0));
    let [a, b, c, d] = web.ip().octets();
    let pointer = asking.look_up(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), PTR);
    assert!(pointer.bytes.windows(9).any(|bytes| bytes == b"\x03web\x04shop"));
}

#[test]
fn a_shared_alias_names_each_now_and_then_and_who_has_gone_no_more() {
    let node = shop();
    let asking = node.attach("asking", "shop");
    for name in ["one", "two"] {
        node.attach_with(name, "shop", |request| {
            request.hostname = format!("{name}-host");
            request.networks[0].1.aliases = vec!["web".to_owned()];
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    super::rig::eventually("each is named first", || {
        seen.insert(asking.look_up("web", A).address());
        seen.len() == 2
    });
    node.networks().detach(&id("one")).unwrap();
    assert_eq!(asking.look_up("web", A).answers, 1);
    node.networks().rename(&id("two"), "three");
    assert_eq!(asking.look_up("three", A).answers, 1);
    assert_eq!(asking.look_up("two", A).code, SERVFAIL);
}

#[test]
fn links_are_known_to_their_container_only() {
    let node = shop();
    let asking = node.attach_with("asking", "shop", |request| {
        request.networks[0].1.links = vec!["db:store".to_owned()];
    });
    assert_eq!(asking.look_up("store", A).code, SERVFAIL, "it is not there yet");
    let db = node.attach("db", "shop");
    assert_eq!(asking.look_up("store", A).address(), db.ip());
    assert_eq!(db.look_up("store", A).code, SERVFAIL);
    let legacy = node.attach("legacy", "bridge");
    let linked = node.attach_with("linked", "bridge", |request| {
        request.networks[0].1.links = vec![format!("{}:old", id("legacy"))];
    });
    let line = format!("{}\told legacy legacy\n", legacy.ip());
    assert!(linked.sandbox.hosts.contains(&line), "{}", linked.sandbox.hosts);
}

/// A name server that answers every question with 203.0.113.7.
fn serve(socket: UdpSocket) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let mut answer = buffer[..length].to_vec();
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]);
        socket.send_to(&answer, from).unwrap();
    })
}

#[test]
fn the_rest_is_asked_of_the_hosts_servers_even_on_its_loopback() {
    let node = Node::with(|config| std::fs::write(&config.resolv_conf, "nameserver 127.0.0.53\n").unwrap());
    node.networks().create(spec("shop")).unwrap();
    let server = serve(UdpSocket::bind("127.0.0.53:53").unwrap());
    let asking = node.attach("asking", "shop");
    let reply = asking.look_up("example.org", A);
    assert_eq!((reply.code, reply.address()), (NOERROR, [203, 0, 113, 7].into()));
    server.join().unwrap();
}

#[test]
fn servers_that_the_user_names_are_asked_from_inside() {
    let node = shop();
    let world = World::new();
    let socket = world.run(|| UdpSocket::bind("0.0.0.0:53").unwrap());
    let server = serve(socket);
    let dns = DnsSpec {
        servers: vec![super::rig::WORLD.into()],
        ..DnsSpec::default()
    };
    let asking = node.attach_with("asking", "shop", |request| request.dns = dns);
    assert_eq!(
        asking.look_up("example.org", A).address(),
        Ipv4Addr::from([203, 0, 113, 7])
    );
    server.join().unwrap();
}

#[test]
fn names_go_on_after_the_daemon_died() {
    let mut node = shop();
    let (asking, web) = (node.attach("asking", "shop"), node.attach("web", "shop"));
    node.reopen();
    assert_eq!(asking.look_up("web", A).address(), web.ip());
}

#[test]
fn files_are_as_docker_makes_them() {
    let node = shop();
    let files = |network: &str| {
        let container = node.attach_with("web", network, |request| {
            request.extra_hosts = vec!["host.docker.internal:host-gateway".to_owned()];
        });
        let sandbox = container.sandbox.clone();
        node.networks().detach(&id("web")).unwrap();
        (sandbox.resolv_conf.clone(), sandbox.hosts.clone())
    };
    let (resolv_conf, hosts) = files("bridge");
    assert!(resolv_conf.contains("nameserver 192.0.2.53\n"), "{resolv_conf}");
    assert!(
        hosts.ends_with("172.17.0.1\thost.docker.internal\n172.17.0.2\tweb\n"),
        "{hosts}"
    );
    let (resolv_conf, hosts) = files("shop");
    assert!(
        resolv_conf.contains("nameserver 127.0.0.11\noptions ndots:0\n"),
        "{resolv_conf}"
    );
    assert!(hosts.ends_with("172.18.0.2\tweb\n"), "{hosts}");
}

#[test]
fn a_container_that_connects_gets_a_name_server() {
    let node = shop();
    let container = node.attach("container", "bridge");
    let web = node.attach("web", "shop");
    node.networks()
        .connect(&id("container"), "shop", EndpointSpec::default())
        .unwrap();
    assert_eq!(container.look_up("web", A).address(), web.ip());
    let sandbox = node.networks().sandbox(&id("container")).unwrap();
    assert!(sandbox.resolv_conf.contains("127.0.0.11"));
}
