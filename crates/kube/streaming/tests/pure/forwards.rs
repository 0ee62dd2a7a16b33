//! Port-forward in its three forms.

use std::sync::Arc;

use streaming::forward::{Forward, Spoken};
use streaming::websocket::Coding;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf};

use crate::double::{Double, pod};
use crate::spdy_client::{Client, Said};
use crate::websockets::{frame, next};

fn connect(spoken: Spoken) -> DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 16);
    let forward = Forward {
        node: Arc::new(Double::default()),
        pod: pod(),
    };
    tokio::spawn(forward.serve(server, spoken));
    client
}

async fn open(client: &mut Client, first: u32, port: &str, id: &str) {
    for (stream, kind) in [(first, "error"), (first + 2, "data")] {
        let headers = [("streamtype", kind), ("port", port), ("requestid", id)];
        client.open(stream, &headers).await;
        assert_eq!(client.next().await, Some(Said::Reply(stream)));
    }
}

#[tokio::test]
async fn a_connection_has_two_streams_and_closes_by_halves() {
    let mut client = Client::new(connect(Spoken::Spdy));
    open(&mut client, 1, "7", "0").await;
    client.data(3, b"ask", false).await;
    client.data(3, b"ed", true).await;
    let all = client.until_ended(&[1, 3]).await;
    assert_eq!((&*all[&3], &*all[&1]), ("asked", ""));
}

#[tokio::test]
async fn a_port_that_refuses_is_told_of_on_the_error_stream() {
    let mut client = Client::new(connect(Spoken::Spdy));
    open(&mut client, 1, "81", "0").await;
    let all = client.until_ended(&[1]).await;
    assert_eq!(
        all[&1],
        "error forwarding port 81 to pod uid-1, uid : connection refused"
    );
}

#[tokio::test]
async fn many_connections_pass_each_other() {
    let mut client = Client::new(connect(Spoken::Spdy));
    // One that nobody reads from does not hold up the others.
    open(&mut client, 1, "7", "stuck").await;
    for at in 1..=100_u32 {
        let first = at * 4 + 1;
        open(&mut client, first, "8", &at.to_string()).await;
        client.data(first + 2, at.to_string().as_bytes(), false).await;
        assert_eq!(
            client.next().await,
            Some(Said::Data(first + 2, at.to_string().into_bytes(), false))
        );
        // Its side of a reset is the end of the connection.
        let mut body = (first + 2).to_be_bytes().to_vec();
        body.extend(5_u32.to_be_bytes());
        client.control(3, &body).await;
        client.until_ended(&[first]).await;
    }
    client.data(3, b"still there", true).await;
    let all = client.until_ended(&[1, 3]).await;
    assert_eq!(all[&3], "still there");
}

#[tokio::test]
async fn streams_without_a_sense_are_refused() {
    let mut client = Client::new(connect(Spoken::Spdy));
    for (stream, headers) in [
        (1, &[("streamtype", "error")][..]),
        (3, &[("streamtype", "error"), ("port", "0")]),
        (5, &[("streamtype", "error"), ("port", "65536")]),
        (7, &[("streamtype", "other"), ("port", "8")]),
        (9, &[("port", "8")]),
    ] {
        client.open(stream, headers).await;
        assert_eq!(client.next().await, Some(Said::Reset(stream, 3)));
    }
}

#[tokio::test]
async fn streams_have_a_bound() {
    let mut client = Client::new(connect(Spoken::Spdy));
    for at in 0..513_u32 {
        let id = at.to_string();
        client
            .open(
                2 * at + 1,
                &[("streamtype", "error"), ("port", "8"), ("requestid", &id)],
            )
            .await;
        let said = client.next().await.unwrap();
        let wanted = if at < 512 {
            Said::Reply(2 * at + 1)
        } else {
            Said::Reset(2 * at + 1, 3)
        };
        assert_eq!(said, wanted);
    }
}

#[tokio::test]
async fn old_clients_name_no_request() {
    let mut client = Client::new(connect(Spoken::Spdy));
    client.open(1, &[("streamtype", "error"), ("port", "9")]).await;
    client.open(3, &[("streamtype", "data"), ("port", "9")]).await;
    let all = client.until_ended(&[1, 3]).await;
    assert_eq!(all[&3], "hello");
}

#[tokio::test]
async fn spdy_in_a_websocket_is_a_stream_however_it_is_cut() {
    let (plain, mut other) = tokio::io::duplex(1 << 16);
    let mut client = Client::new(plain);
    client.open(1, &[("streamtype", "error"), ("port", "9")]).await;
    client.open(3, &[("streamtype", "data"), ("port", "9")]).await;
    let mut bytes = vec![0; 1 << 12];
    let length = other.read(&mut bytes).await.unwrap();
    let mut tunnel = connect(Spoken::Tunnel);
    for piece in bytes[..length].chunks(7) {
        tunnel.write_all(&frame(2, piece)).await.unwrap();
    }
    tunnel.write_all(&frame(9, b"")).await.unwrap();
    let (tunnel, mut leaving) = tokio::io::split(tunnel);
    let unwrapped = tokio::spawn(unwrap(tunnel, other));
    let all = client.until_ended(&[1, 3]).await;
    assert_eq!((&*all[&3], &*all[&1]), ("hello", ""));
    leaving.write_all(&frame(8, &[3, 232])).await.unwrap();
    assert_eq!(unwrapped.await.unwrap(), [10, 8]);
}

/// Hands on what is in binary messages; the other frames' opcodes.
async fn unwrap(mut tunnel: ReadHalf<DuplexStream>, mut to: DuplexStream) -> Vec<u8> {
    let mut others = Vec::new();
    while let Some((opcode, payload)) = next(&mut tunnel).await {
        match opcode {
            2 => to.write_all(&payload).await.unwrap(),
            other => others.push(other),
        }
    }
    others
}

#[tokio::test]
async fn channels_of_a_websocket_begin_with_their_ports() {
    let mut client = connect(Spoken::WebSocket(Coding::Binary, vec![8, 81]));
    client.write_all(&frame(2, b"\x00ping")).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(next(&mut client).await.unwrap());
    }
    for message in [
        &b"\x00\x08\x00"[..],
        b"\x01\x08\x00",
        b"\x02\x51\x00",
        b"\x03\x51\x00",
        b"\x00ping",
        b"\x03error forwarding port 81 to pod uid-1, uid : connection refused",
    ] {
        assert!(seen.contains(&(2, message.to_vec())), "{seen:?}");
    }
    client.write_all(&frame(8, &[3, 232])).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().0, 8);
}

#[tokio::test]
async fn a_websocket_ends_when_its_connections_are_over() {
    let mut client = connect(Spoken::WebSocket(Coding::Binary, vec![9]));
    let mut last = None;
    while let Some(message) = next(&mut client).await {
        last = Some(message);
    }
    assert_eq!(last, Some((8, vec![3, 232])));
}
