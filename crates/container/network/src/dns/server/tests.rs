//! A server, its clients and the servers that it asks, on loopback.

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::*;
use crate::dns::{Member, Place};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

struct Fixture {
    resolver: Arc<Resolver>,
    serving: Serving,
    udp: SocketAddr,
    tcp: SocketAddr,
}

fn member(servers: Vec<SocketAddr>, outside: bool) -> Member {
    let place = Place {
        network: "id".to_owned(),
        network_name: "net".to_owned(),
        ipv4: Some([10, 0, 0, 2].into()),
        names: vec!["web".to_owned()],
        ..Place::default()
    };
    let forward = Forward {
        servers,
        outside,
        from_inside: false,
        ndots_set: false,
    };
    Member {
        places: vec![place],
        forward,
    }
}

fn start(servers: Vec<SocketAddr>, outside: bool) -> Fixture {
    let resolver = Resolver::new();
    resolver.change(|directory| directory.put("c", member(servers, outside)));
    let (udp, tcp) = bind_at(LOOPBACK.0).unwrap();
    let addresses = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let sockets = [udp.into(), tcp.into()];
    let here = Arc::new(Namespace::current().unwrap());
    let serving = resolver
        .serve(
            Asker::Container("c".to_owned()),
            here,
            sockets,
            &Handle::current(),
        )
        .unwrap();
    Fixture {
        resolver,
        serving,
        udp: addresses.0,
        tcp: addresses.1,
    }
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = Message::new(id, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    query.to_vec().unwrap()
}

/// The code and the first address of a reply.
fn brief(reply: &[u8]) -> String {
    let reply = Message::from_vec(reply).unwrap();
    let first = reply.answers.first().map(|record| record.data.to_string());
    format!("{:?} {}", reply.metadata.response_code, first.unwrap_or_default())
        .trim()
        .to_owned()
}

async fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    socket.connect(server).await.unwrap();
    socket
}

async fn next(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).await.unwrap();
    buffer[..length].to_vec()
}

async fn over_udp(fixture: &Fixture, name: &str) -> String {
    let socket = client(fixture.udp).await;
    socket.send(&query(7, name)).await.unwrap();
    brief(&next(&socket).await)
}

async fn over_tcp(stream: &mut TcpStream, name: &str) -> String {
    write_message(stream, &query(7, name)).await.unwrap();
    brief(&read_message(stream).await.unwrap())
}

/// What a server outside does with a query.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Answers with this address, after a forged answer.
    Answers([u8; 4]),
    Fails,
    Silent,
}

impl Behaviour {
    fn replies(self, query: &[u8]) -> Vec<Vec<u8>> {
        let mut reply = Message::from_vec(query).unwrap();
        reply.metadata.message_type = MessageType::Response;
        match self {
            Self::Silent => Vec::new(),
            Self::Fails => {
                reply.metadata.response_code = ResponseCode::ServFail;
                vec![reply.to_vec().unwrap()]
            }
            Self::Answers(address) => {
                let mut forged = reply.clone();
                forged.metadata.id = !forged.metadata.id;
                let data = RData::A(A(address.into()));
                reply.add_answer(Record::from_rdata(reply.queries[0].name().clone(), 60, data));
                vec![
                    forged.to_vec().unwrap(),
                    b"noise".to_vec(),
                    reply.to_vec().unwrap(),
                ]
            }
        }
    }
}

/// A server outside, over UDP and TCP on one port.
async fn outside(behaviour: Behaviour) -> SocketAddr {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind(LOOPBACK).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let server = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            for reply in behaviour.replies(&buffer[..length]) {
                udp.send_to(&reply, client).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let query = read_message(&mut stream).await.unwrap();
            if let Some(reply) = behaviour.replies(&query).pop() {
                write_message(&mut stream, &reply).await.unwrap();
            }
        }
    });
    server
}

/// A port where nobody listens.
async fn closed() -> SocketAddr {
    UdpSocket::bind(LOOPBACK).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn names_of_networks_are_answered() {
    let fixture = start(Vec::new(), true);
    assert_eq!(over_udp(&fixture, "web").await, "NoError 10.0.0.2");
    let mut stream = TcpStream::connect(fixture.tcp).await.unwrap();
    for _ in 0..2 {
        assert_eq!(over_tcp(&mut stream, "web.net").await, "NoError 10.0.0.2");
    }
    assert_eq!(
        over_udp(&fixture, "example.com").await,
        "ServFail",
        "there is no server to ask"
    );
    fixture.resolver.change(|directory| directory.remove("c"));
    assert_eq!(over_udp(&fixture, "web").await, "ServFail");
}

#[tokio::test]
async fn others_are_asked_until_one_answers() {
    let upstreams = vec![
        closed().await,
        outside(Behaviour::Fails).await,
        outside(Behaviour::Answers([192, 0, 2, 1])).await,
    ];
    let fixture = start(upstreams, true);
    assert_eq!(over_udp(&fixture, "example.com").await, "NoError 192.0.2.1");
    let mut stream = TcpStream::connect(fixture.tcp).await.unwrap();
    assert_eq!(over_tcp(&mut stream, "example.com").await, "NoError 192.0.2.1");
}

#[tokio::test]
async fn an_internal_network_does_not_ask_the_hosts_servers() {
    let upstreams = vec![outside(Behaviour::Answers([192, 0, 2, 1])).await];
    assert_eq!(
        over_udp(&start(upstreams, false), "example.com").await,
        "ServFail"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_for_the_next() {
    let upstreams = vec![
        outside(Behaviour::Silent).await,
        outside(Behaviour::Answers([192, 0, 2, 1])).await,
    ];
    let started = tokio::time::Instant::now();
    assert_eq!(
        over_udp(&start(upstreams, true), "example.com").await,
        "NoError 192.0.2.1"
    );
    assert_eq!(started.elapsed().as_secs(), 4);
}

#[tokio::test]
async fn too_many_questions_are_refused_and_names_still_answered() {
    let fixture = start(vec![outside(Behaviour::Silent).await], true);
    let socket = client(fixture.udp).await;
    for id in 0..=256 {
        socket.send(&query(id, "example.com")).await.unwrap();
        // All but the last wait: a query between them shows that each was read.
        socket.send(&query(1000, "web")).await.unwrap();
        if id < 256 {
            assert_eq!(brief(&next(&socket).await), "NoError 10.0.0.2");
        }
    }
    let refused = next(&socket).await;
    assert_eq!(
        (brief(&refused).as_str(), &refused[..2]),
        ("Refused", &256_u16.to_be_bytes()[..])
    );
    assert_eq!(brief(&next(&socket).await), "NoError 10.0.0.2");
}

#[tokio::test]
async fn it_ends_with_its_handle() {
    let Fixture {
        serving,
        udp,
        tcp,
        resolver: _resolver,
    } = start(vec![outside(Behaviour::Silent).await], true);
    let _open = TcpStream::connect(tcp).await.unwrap();
    drop(serving);
    while std::net::UdpSocket::bind(udp).is_err() {
        yield_now().await;
    }
}
