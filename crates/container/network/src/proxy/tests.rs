//! Clients, the proxy and a "container", on loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A proxy from a free port to `target`.
fn proxy(protocol: Protocol, target: SocketAddr) -> (Proxy, SocketAddr) {
    proxy_at(LOOPBACK, protocol, target)
}

fn proxy_at(place: (Ipv4Addr, u16), protocol: Protocol, target: SocketAddr) -> (Proxy, SocketAddr) {
    let (socket, address) = match protocol {
        Protocol::Udp => {
            let socket = std::net::UdpSocket::bind(place).unwrap();
            socket.set_nonblocking(true).unwrap();
            let address = socket.local_addr().unwrap();
            (OwnedFd::from(socket), address)
        }
        _ => {
            let socket = std::net::TcpListener::bind(place).unwrap();
            socket.set_nonblocking(true).unwrap();
            let address = socket.local_addr().unwrap();
            (OwnedFd::from(socket), address)
        }
    };
    let published = Published {
        protocol,
        container_port: target.port(),
        host: address.ip(),
        dual: false,
        port: address.port(),
    };
    let proxy = Proxy::start(vec![(published, socket)], Some(target.ip()), &Handle::current());
    (proxy.unwrap(), address)
}

/// A container that answers after its client has said everything.
async fn patient_container() -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await.unwrap();
            said.reverse();
            stream.write_all(&said).await.unwrap();
        }
    });
    address
}

/// A container that answers every datagram with its client's port behind it.
async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let answer = [&buffer[..length], &client.port().to_be_bytes()].concat();
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    address
}

async fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    socket.connect(server).await.unwrap();
    socket
}

/// The port under which the container knows this client.
async fn ask(client: &UdpSocket, text: &[u8]) -> u16 {
    client.send(text).await.unwrap();
    let mut buffer = [0; 2048];
    let length = client.recv(&mut buffer).await.unwrap();
    let (echo, port) = buffer[..length].split_at(length - 2);
    assert_eq!(echo, text);
    u16::from_be_bytes(port.try_into().unwrap())
}

#[tokio::test]
async fn a_client_that_has_said_everything_still_hears_the_answer() {
    let (_proxy, address) = proxy(Protocol::Tcp, patient_container().await);
    let said: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&said).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert!(heard.iter().rev().eq(said.iter()));
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let nobody = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let (_proxy, address) = proxy(Protocol::Tcp, nobody);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn connections_end_with_the_proxy() {
    let (carrying, address) = proxy(Protocol::Tcp, patient_container().await);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    drop(carrying);
    // Neither side has ended it: what ends it is the proxy's going.
    let ended = stream.read(&mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

#[tokio::test]
async fn each_client_of_datagrams_has_a_flow() {
    let (_proxy, address) = proxy(Protocol::Udp, echo().await);
    let (one, other) = (client(address).await, client(address).await);
    let port = ask(&one, b"hello").await;
    assert_ne!(ask(&other, b"hello").await, port);
    assert_eq!(ask(&one, b"again").await, port);
    assert_eq!(ask(&one, b"").await, port);
}

#[tokio::test(start_paused = true)]
async fn a_silent_flow_expires_and_the_next_datagram_begins_another() {
    let (_proxy, address) = proxy(Protocol::Udp, echo().await);
    let client = client(address).await;
    let port = ask(&client, b"hello").await;
    tokio::time::advance(SILENCE / 2).await;
    assert_eq!(ask(&client, b"within").await, port);
    // The old port is taken by us while the new one is chosen.
    tokio::time::sleep(SILENCE + Duration::from_secs(1)).await;
    let _old = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        .await
        .expect("its socket is closed");
    assert_ne!(ask(&client, b"after").await, port);
}

#[tokio::test]
async fn new_clients_go_to_another_address() {
    let (carrying, address) = proxy(Protocol::Udp, echo().await);
    let one = client(address).await;
    let port = ask(&one, b"hello").await;
    carrying.retarget(None);
    let other = client(address).await;
    other.send(b"hello").await.unwrap();
    // What was said before it is answered first: the other's datagram has been read by then.
    assert_eq!(ask(&one, b"still").await, port);
    assert!(other.try_recv(&mut [0]).is_err());
}

/// Whether the runtime has polled its tasks yet or not: the next container may have the same port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_are_free_once_it_has_stopped() {
    const ROUNDS: usize = 500;
    // No other test's: it might get the port in between.
    const PLACE: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 83, 7, 1), 0);
    let stopping = |protocol| {
        move || {
            for _ in 0..ROUNDS {
                let (proxy, address) = proxy_at(PLACE, protocol, (LOOPBACK.0, 9).into());
                proxy.stop();
                match protocol {
                    Protocol::Udp => drop(std::net::UdpSocket::bind(address).unwrap()),
                    _ => drop(std::net::TcpListener::bind(address).unwrap()),
                }
            }
        }
    };
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        tokio::task::spawn_blocking(stopping(protocol)).await.unwrap();
    }
}
