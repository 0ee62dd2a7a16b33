//! Exec and attach over SPDY, as kubectl up to 1.29 does it.

use std::sync::Arc;
use std::time::Duration;

use streaming::Io;
use streaming::remote::{Remote, Spoken, Version, Wanted};

use crate::double::{Double, container};
use crate::spdy_client::{Client, Said};

const ALL: Io = Io {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};

fn exec(node: &Double, command: &[&str], io: Io, version: Version) -> Client {
    let (client, server) = tokio::io::duplex(1 << 16);
    let remote = Remote {
        node: Arc::new(node.clone()),
        of: container("c"),
        wanted: Wanted::Exec(command.iter().map(|&word| word.to_owned()).collect()),
        io,
        settling: Duration::ZERO,
    };
    tokio::spawn(remote.serve(server, Spoken::Spdy(version)));
    Client::new(client)
}

async fn open(client: &mut Client, names: &[&str]) {
    for (number, name) in (1..).step_by(2).zip(names) {
        client.open(number, &[("streamtype", name)]).await;
        assert_eq!(client.next().await, Some(Said::Reply(number)));
    }
}

#[tokio::test]
async fn streams_are_opened_and_closed() {
    let mut client = exec(&Double::default(), &["cat"], ALL, Version::V4);
    open(&mut client, &["error", "stdin", "stdout", "stderr"]).await;
    client.data(3, b"some ", false).await;
    client.data(3, b"input", true).await;
    let all = client.until_ended(&[1, 5, 7]).await;
    assert_eq!(all[&5], "some input");
    assert_eq!(all[&1], r#"{"metadata":{},"status":"Success"}"#);
    assert_eq!(client.next().await, Some(Said::Reset(3, 5)));
    assert_eq!(client.next().await, Some(Said::GoAway));
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn before_version_four_errors_are_text_and_success_is_nothing() {
    let io = Io { stdin: false, ..ALL };
    for (code, text) in [
        ("0", ""),
        (
            "3",
            "command terminated with non-zero exit code: error executing command [exit 3], exit code 3",
        ),
    ] {
        let mut client = exec(&Double::default(), &["exit", code], io, Version::V2);
        open(&mut client, &["error", "stdout", "stderr"]).await;
        let all = client.until_ended(&[1, 3, 5]).await;
        assert_eq!(all[&1], text);
    }
}

#[tokio::test]
async fn sizes_come_on_a_stream_of_their_own_from_version_three_on() {
    let io = Io {
        stderr: false,
        tty: true,
        ..ALL
    };
    let node = Double::default();
    let mut client = exec(&node, &["cat"], io, Version::V3);
    open(&mut client, &["error", "stdin", "stdout", "resize"]).await;
    client.data(7, b"{\"Width\":100,\"Height\":40}\n", false).await;
    client.data(3, b"x", true).await;
    client.until_ended(&[1, 5]).await;
    assert_eq!(*node.sizes.lock().unwrap(), [(100, 40)]);
    let mut client = exec(&node, &["cat"], io, Version::V2);
    open(&mut client, &["error", "stdin", "stdout"]).await;
    client.data(3, b"", true).await;
    client.until_ended(&[1, 5]).await;
}

#[tokio::test]
async fn what_is_not_wanted_is_refused_and_pings_are_answered() {
    let io = Io { stdin: false, ..ALL };
    let mut client = exec(&Double::default(), &["both"], io, Version::V4);
    client.open(1, &[("streamtype", "stdin")]).await;
    assert_eq!(client.next().await, Some(Said::Reset(1, 3)));
    client.open(3, &[("streamtype", "error")]).await;
    assert_eq!(client.next().await, Some(Said::Reply(3)));
    client.open(5, &[("streamtype", "error")]).await;
    assert_eq!(client.next().await, Some(Said::Reset(5, 3)));
    client.open(4, &[("streamtype", "stdout")]).await;
    assert_eq!(client.next().await, Some(Said::Reset(4, 1)));
    client.control(6, &[0, 0, 0, 9]).await;
    assert_eq!(client.next().await, Some(Said::Ping(9)));
    client.control(9, &[0, 0, 0, 3, 0, 0, 0xff, 0xff]).await;
    client.open(7, &[("streamtype", "stdout")]).await;
    client.open(9, &[("streamtype", "stderr")]).await;
    let all = client.until_ended(&[3, 7, 9]).await;
    assert_eq!((&*all[&7], &*all[&9]), ("out", "err"));
}

#[tokio::test]
async fn much_output_passes() {
    let io = Io {
        stdin: false,
        stderr: false,
        ..ALL
    };
    let mut client = exec(&Double::default(), &["large", "20"], io, Version::V4);
    open(&mut client, &["error", "stdout"]).await;
    let all = client.until_ended(&[1, 3]).await;
    assert_eq!(all[&3].len(), 2_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_opens_its_streams_is_left() {
    let mut client = exec(&Double::default(), &["cat"], ALL, Version::V4);
    open(&mut client, &["error", "stdin"]).await;
    assert_eq!(client.next().await, None);
}
