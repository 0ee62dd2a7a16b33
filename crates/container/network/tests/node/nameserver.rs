//! The name server as containers reach it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use network::{DnsSpec, Holder, NetworkSpec};

use super::rig::{Container, LIMIT, Node, request};

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
const ANY: (Ipv4Addr, u16) = (Ipv4Addr::UNSPECIFIED, 53);

fn node() -> Node {
    let node = Node::new();
    let shop = NetworkSpec {
        name: "shop".to_owned(),
        ipv4: true,
        ..NetworkSpec::default()
    };
    node.networks().create(shop).unwrap();
    node
}

fn query(name: &str) -> Vec<u8> {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    query.to_vec().unwrap()
}

/// The code, or the first address.
fn brief(reply: &[u8]) -> String {
    let reply = Message::from_vec(reply).unwrap();
    let first = reply.answers.first().map(|record| record.data.to_string());
    first.unwrap_or_else(|| format!("{:?}", reply.metadata.response_code))
}

/// What the server at an address says over UDP: the code, or the first record.
pub(crate) fn over_udp(server: (Ipv4Addr, u16), name: &str) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.send_to(&query(name), server).unwrap();
    let mut buffer = [0; 512];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(
        from,
        SocketAddr::from(server),
        "clients take answers from whom they asked only"
    );
    brief(&buffer[..length])
}

/// What it says over TCP.
pub(crate) fn over_tcp(server: (Ipv4Addr, u16), name: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let query = query(name);
    let length = u16::try_from(query.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &query].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut reply).unwrap();
    brief(&reply)
}

fn asks(container: &Container, name: &str) -> [String; 2] {
    container.run(|| [over_udp(SERVER, name), over_tcp(SERVER, name)])
}

#[test]
fn containers_find_each_other_by_name() {
    let mut node = node();
    let (web, db) = (node.attach("web", "shop"), node.attach("db", "shop"));
    let address = db.ip().to_string();
    assert_eq!(asks(&web, "db"), [address.clone(), address.clone()]);
    assert_eq!(asks(&web, "db.shop"), [address.clone(), address.clone()]);
    node.reopen();
    assert_eq!(
        asks(&web, "db"),
        [address.clone(), address],
        "after a restart of the daemon too"
    );
}

#[test]
fn a_container_can_be_a_name_server_itself() {
    let node = node();
    let (web, db) = (node.attach("web", "shop"), node.attach("db", "shop"));
    let _own = web.run(|| (UdpSocket::bind(ANY).unwrap(), TcpListener::bind(ANY).unwrap()));
    let address = db.ip().to_string();
    assert_eq!(asks(&web, "db"), [address.clone(), address]);
}

/// The supervisor has lost what it kept, as after a power failure of its own.
#[test]
fn a_name_server_is_made_again() {
    let mut node = node();
    let (web, db) = (node.attach("web", "shop"), node.attach("db", "shop"));
    for name in node.holder.held().unwrap() {
        node.holder.release(&name).unwrap();
    }
    node.reopen();
    let address = db.ip().to_string();
    assert_eq!(asks(&web, "db"), [address.clone(), address]);
}

/// The server is a container on the same, internal, network: nobody else reaches it.
#[test]
fn servers_of_the_user_are_asked_from_inside() {
    let node = node();
    let inside = NetworkSpec {
        name: "in".to_owned(),
        ipv4: true,
        internal: true,
        ..NetworkSpec::default()
    };
    node.networks().create(inside).unwrap();
    let server = node.attach("server", "in");
    let socket = server.run(|| UdpSocket::bind(ANY).unwrap());
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, client) = socket.recv_from(&mut buffer).unwrap();
        let mut reply = Message::from_vec(&buffer[..length]).unwrap();
        reply.metadata.message_type = MessageType::Response;
        socket.send_to(&reply.to_vec().unwrap(), client).unwrap();
        client.ip()
    });
    let dns = DnsSpec {
        servers: vec![server.ip().into()],
        ..DnsSpec::default()
    };
    let asking = node
        .networks()
        .attach(network::Attach {
            dns,
            ..request("asking", "in")
        })
        .unwrap();
    let asking = Container::of(asking);
    assert_eq!(asking.run(|| over_udp(SERVER, "example.com")), "NoError");
    assert_eq!(answering.join().unwrap(), asking.ip());
}
