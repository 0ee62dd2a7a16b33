//! Exec and attach over WebSocket channels.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use streaming::Io;
use streaming::remote::{Remote, Spoken, Version, Wanted, settling};
use streaming::websocket::Coding;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::double::{Double, container};

/// A message or control frame as clients write it, with a mask of zeros.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(0x80 | short),
        _ => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The next frame that the server sent: opcode and payload; none when it has closed.
pub(crate) async fn next(client: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = client.read_u8().await.ok()?;
    let length = match client.read_u8().await.unwrap() {
        126 => u64::from(client.read_u16().await.unwrap()),
        127 => client.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    client.read_exact(&mut payload).await.unwrap();
    Some((first & 0x0f, payload))
}

const ALL: Io = Io {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};

fn connect(
    node: &Double,
    command: &[&str],
    name: &str,
    io: Io,
    version: Version,
    coding: Coding,
) -> DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 16);
    let wanted = match command {
        [] => Wanted::Attach,
        words => Wanted::Exec(words.iter().map(|&word| word.to_owned()).collect()),
    };
    let remote = Remote {
        node: Arc::new(node.clone()),
        of: container(name),
        wanted,
        io,
        settling: Duration::ZERO,
    };
    tokio::spawn(remote.serve(server, Spoken::WebSocket(version, coding)));
    client
}

fn exec(command: &[&str]) -> DuplexStream {
    connect(&Double::default(), command, "c", ALL, Version::V5, Coding::Binary)
}

/// Everything that the server says until it closes: opcode and payload as text.
async fn rest(client: &mut DuplexStream) -> Vec<(u8, String)> {
    let mut all = Vec::new();
    while let Some((opcode, payload)) = next(client).await {
        all.push((opcode, String::from_utf8_lossy(&payload).into_owned()));
    }
    all
}

const SUCCESS: &str = "\u{3}{\"metadata\":{},\"status\":\"Success\"}";
/// 1000, a normal end.
const NORMAL: &str = "\u{3}\u{fffd}";

fn said(texts: &[&str]) -> Vec<(u8, String)> {
    let messages = texts.iter().map(|text| (2, (*text).to_owned()));
    messages.chain([(8, NORMAL.to_owned())]).collect()
}

#[tokio::test]
async fn a_client_hears_that_it_is_connected_then_both_outputs_then_the_end() {
    let mut client = exec(&["both"]);
    assert_eq!(
        rest(&mut client).await,
        said(&["\u{1}", "\u{1}out", "\u{2}err", SUCCESS])
    );
}

/// kubectl before 1.33 may read the connection before it has made its streams.
#[tokio::test(start_paused = true)]
async fn a_client_hears_nothing_before_its_program_has_started() {
    let mut client = exec(&["never"]);
    let heard = tokio::time::timeout(Duration::from_secs(60), next(&mut client)).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn input_goes_in_and_ends_with_a_message_of_its_own() {
    let mut client = exec(&["cat"]);
    assert_eq!(next(&mut client).await.unwrap(), (2, vec![1]));
    client.write_all(&frame(2, b"\x00abc")).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap(), (2, b"\x01abc".to_vec()));
    client.write_all(&frame(9, b"there?")).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap(), (10, b"there?".to_vec()));
    client.write_all(&frame(2, b"\xff\x00")).await.unwrap();
    assert_eq!(rest(&mut client).await, said(&[SUCCESS]));
}

#[tokio::test]
async fn ten_megabytes_pass_both_ways() {
    let client = exec(&["cat"]);
    let sent: Vec<u8> = (0..10_u32 << 20)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let (mut reading, mut writing) = tokio::io::split(client);
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        for piece in copy.chunks(70_000) {
            writing
                .write_all(&frame(2, &[&[0], piece].concat()))
                .await
                .unwrap();
        }
        writing.write_all(&frame(2, b"\xff\x00")).await.unwrap();
    });
    let mut got = Vec::new();
    while let Some((opcode, payload)) = next(&mut reading).await {
        match (opcode, payload.first()) {
            (2, Some(1)) => got.extend_from_slice(&payload[1..]),
            (2, Some(3)) => {}
            _ => break,
        }
    }
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    writer.await.unwrap();
}

#[tokio::test]
async fn an_exit_code_is_told_in_the_form_of_the_version() {
    for (version, text) in [
        (
            Version::V1,
            "\u{3}command terminated with non-zero exit code: error executing command [exit 7], exit code 7",
        ),
        (Version::V4, "error executing command [exit 7], exit code 7"),
        (Version::V5, "command terminated with exit code 7"),
    ] {
        let mut client = connect(
            &Double::default(),
            &["exit", "7"],
            "c",
            ALL,
            version,
            Coding::Binary,
        );
        let all = rest(&mut client).await;
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[1].1.contains(text), "{all:?}");
        if version >= Version::V4 {
            let status: Value = serde_json::from_str(&all[1].1[1..]).unwrap();
            assert_eq!(status["details"]["causes"][0]["message"], "7");
        }
    }
}

#[tokio::test]
async fn what_cannot_start_is_told_on_the_error_channel() {
    let mut client = exec(&["nothing"]);
    let all = rest(&mut client).await;
    assert!(all[1].1.contains("no such program: nothing"), "{all:?}");
    let mut client = connect(
        &Double::default(),
        &["cat"],
        "other",
        ALL,
        Version::V5,
        Coding::Binary,
    );
    let all = rest(&mut client).await;
    assert!(
        all[1]
            .1
            .contains(r#"unable to upgrade connection: container not found (\"other\")"#),
        "{all:?}"
    );
}

#[tokio::test]
async fn the_first_message_is_on_the_lowest_channel_that_is_written() {
    for (io, channel) in [
        (
            Io {
                stderr: true,
                ..Io::default()
            },
            2,
        ),
        (
            Io {
                stdin: true,
                ..Io::default()
            },
            3,
        ),
    ] {
        let mut client = connect(
            &Double::default(),
            &["both"],
            "c",
            io,
            Version::V4,
            Coding::Binary,
        );
        assert_eq!(next(&mut client).await.unwrap(), (2, vec![channel]));
        let all = rest(&mut client).await;
        // What was not asked for is not sent.
        assert!(!all.iter().any(|(_, text)| text.starts_with('\u{1}')), "{all:?}");
    }
}

#[tokio::test]
async fn terminal_sizes_reach_the_node() {
    let node = Double::default();
    let io = Io {
        stdin: true,
        stdout: true,
        tty: true,
        stderr: false,
    };
    let mut client = connect(&node, &["cat"], "c", io, Version::V5, Coding::Binary);
    client
        .write_all(&frame(2, b"\x04{\"Width\":80,\"Height\":24}\n"))
        .await
        .unwrap();
    client
        .write_all(&frame(2, b"\x04{\"Width\":81,\"Height\":25}\n"))
        .await
        .unwrap();
    client.write_all(&frame(2, b"\x00x")).await.unwrap();
    next(&mut client).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap(), (2, b"\x01x".to_vec()));
    client.write_all(&frame(2, b"\xff\x00")).await.unwrap();
    rest(&mut client).await;
    assert_eq!(*node.sizes.lock().unwrap(), [(80, 24), (81, 25)]);
}

#[tokio::test]
async fn base64_is_spoken_in_text() {
    let mut client = connect(&Double::default(), &[], "c", ALL, Version::V4, Coding::Base64);
    assert_eq!(next(&mut client).await.unwrap(), (1, b"1".to_vec()));
    client.write_all(&frame(1, b"0Zm9vCg==")).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap(), (1, b"1Zm9vCg==".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_its_session_along() {
    for leave in [frame(8, &[3, 232]), Vec::new(), vec![0xff, 0xff]] {
        let node = Double::default();
        let mut client = connect(&node, &["wait"], "c", ALL, Version::V5, Coding::Binary);
        next(&mut client).await.unwrap();
        let held = Arc::strong_count(&node.sizes);
        client.write_all(&leave).await.unwrap();
        if leave.is_empty() {
            drop(client);
        }
        // The double's tasks end when the session is dropped.
        while Arc::strong_count(&node.sizes) >= held {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn clients_that_lose_what_comes_early_are_left_to_themselves() {
    let socket = |version| Spoken::WebSocket(version, Coding::Binary);
    for (spoken, agent, waits) in [
        (
            socket(Version::V5),
            "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd",
            true,
        ),
        (
            socket(Version::V5),
            "kubectl/v1.33.0-alpha.1 (linux/amd64)",
            false,
        ),
        (
            socket(Version::V5),
            "kubectl/v1.36.4 (linux/amd64) kubernetes/5f8d3a1",
            false,
        ),
        // Its library's version is not known.
        (
            socket(Version::V5),
            "operator/v0.0.0 (linux/amd64) kubernetes/$Format",
            true,
        ),
        (socket(Version::V5), "", true),
        (socket(Version::V4), "OpenAPI-Generator/34.1.0/python", false),
        (Spoken::Spdy(Version::V4), "kubectl/v1.28.0 (linux/amd64)", false),
    ] {
        assert_eq!(settling(spoken, agent) > Duration::ZERO, waits, "{agent}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_while_a_client_makes_its_streams() {
    const PAUSE: Duration = Duration::from_secs(1);
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let remote = Remote {
        node: Arc::new(Double::default()),
        of: container("c"),
        wanted: Wanted::Exec(vec!["said".to_owned()]),
        io: ALL,
        settling: PAUSE,
    };
    let begun = tokio::time::Instant::now();
    tokio::spawn(remote.serve(server, Spoken::WebSocket(Version::V5, Coding::Binary)));
    next(&mut client).await.unwrap();
    assert_eq!(begun.elapsed(), PAUSE);
}
