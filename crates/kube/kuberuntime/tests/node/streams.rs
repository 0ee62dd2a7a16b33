//! Exec, attach, port-forward and logs of a real pod.

use bytes::Bytes;
use kubelet::traits::Runtime;
use streaming::{ContainerRef, Io, LogFault, LogQuery, Node, PodRef, Session, Stream, StreamFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::*;

fn of(pod: &kubelet::Pod) -> ContainerRef {
    ContainerRef {
        pod: pod_ref(pod),
        container: "c".into(),
    }
}

fn pod_ref(pod: &kubelet::Pod) -> PodRef {
    PodRef {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.to_string(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const ALL: Io = Io {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};

/// What a session says to its end, and its code.
async fn read(mut session: Session) -> (String, String, Result<i32, StreamFault>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some((stream, chunk)) = session.output.recv().await {
            match stream {
                Stream::Stdout => out.extend_from_slice(&chunk),
                Stream::Stderr => err.extend_from_slice(&chunk),
            }
        }
        session.ended.await
    };
    let code = tokio::time::timeout(PATIENCE, reading).await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(out), text(err), code)
}

#[test]
fn a_command_has_its_streams_and_its_code() {
    on_node(async |daemon| {
        let shell = pod(
            "box",
            r#"{"containers":[{"name":"c","image":"busybox","command":["sleep","600"]}]}"#,
        );
        let started = daemon.run(&shell, 0).await;
        assert!(daemon.pods.runs(&of(&shell)));
        let command = words(&["sh", "-c", "cat; echo oops >&2; exit 5"]);
        let mut session = daemon.pods.exec(of(&shell), command, ALL).await.unwrap();
        let input = session.input.take().unwrap();
        input.send(Bytes::from_static(b"over")).await.unwrap();
        drop(input);
        assert_eq!(read(session).await, ("over".into(), "oops\n".into(), Ok(5)));
        let terminal = Io {
            stderr: false,
            tty: true,
            ..ALL
        };
        // The size comes when it comes.
        let command = words(&[
            "sh",
            "-c",
            "until stty size | grep -q '40 100'; do :; done; stty size",
        ]);
        let session = daemon.pods.exec(of(&shell), command, terminal).await.unwrap();
        session.resize.send((100, 40)).await.unwrap();
        let (said, _, code) = read(session).await;
        assert!(code == Ok(0) && said.ends_with("40 100\r\n"), "{said}");
        let missing = daemon
            .pods
            .exec(of(&shell), words(&["/nothing"]), ALL)
            .await
            .err();
        let Some(StreamFault::Failed(text)) = missing else {
            panic!("{missing:?}")
        };
        assert!(
            text.starts_with("failed to exec in container: failed to start exec"),
            "{text}"
        );
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        assert!(!daemon.pods.runs(&of(&shell)));
        assert_eq!(
            daemon.pods.exec(of(&shell), words(&["x"]), ALL).await.err(),
            Some(StreamFault::NotFound)
        );
    });
}

#[test]
fn a_client_attaches_to_the_container_itself() {
    on_node(async |daemon| {
        let pod = one(
            "echo",
            &["stdin", "--", "exit", "3"],
            r#""stdin":true,"stdinOnce":true"#,
        );
        daemon.run(&pod, 0).await;
        let mut session = daemon.pods.attach(of(&pod), ALL).await.unwrap();
        let input = session.input.take().unwrap();
        input.send(Bytes::from_static(b"over")).await.unwrap();
        drop(input);
        assert_eq!(read(session).await, ("over".into(), String::new(), Ok(0)));
    });
}

/// Reads the log until it has as many lines.
async fn logged(daemon: &Daemon, pod: &kubelet::Pod, id: &str, lines: usize) {
    let query = LogQuery {
        stdout: true,
        stderr: true,
        follow: true,
        ..LogQuery::default()
    };
    let mut log = daemon.pods.logs(of(pod), id.to_owned(), query).await.unwrap();
    for _ in 0..lines {
        let line = tokio::time::timeout(PATIENCE, log.recv()).await;
        line.expect("it is logged").unwrap().unwrap();
    }
}

#[test]
fn the_first_client_has_what_was_written_before_it_came() {
    on_node(async |daemon| {
        for once in ["true", "false"] {
            let pod = pod(
                &format!("early-{once}"),
                &format!(
                    r#"{{"containers":[{{"name":"c","image":"busybox","stdin":true,"stdinOnce":{once},
                    "command":["sh","-c","echo one; echo two >&2; printf 'word? '; read word; echo got $word"]}}]}}"#
                ),
            );
            let started = daemon.run(&pod, 0).await;
            logged(daemon, &pod, &started.id, 2).await;
            let mut first = daemon.pods.attach(of(&pod), ALL).await.unwrap();
            // The daemon may read later than the log is written: what the first has heard, the second does not.
            let (mut said, mut warned) = (String::new(), String::new());
            while said.len() < 4 || warned.len() < 4 {
                let heard = tokio::time::timeout(PATIENCE, first.output.recv()).await;
                let (stream, bytes) = heard.expect("it is heard").unwrap();
                let text = String::from_utf8_lossy(&bytes);
                match stream {
                    Stream::Stdout => said.push_str(&text),
                    Stream::Stderr => warned.push_str(&text),
                }
            }
            let second = daemon.pods.attach(of(&pod), ALL).await.unwrap();
            let input = first.input.take().unwrap();
            input.send(Bytes::from_static(b"it\n")).await.unwrap();
            let (out, err, code) = read(first).await;
            assert_eq!(
                (said + &out, warned + &err, code),
                ("one\nword? got it\n".to_owned(), "two\n".to_owned(), Ok(0))
            );
            let (out, err, _) = read(second).await;
            assert!(
                "word? got it\n".ends_with(&out) && out.ends_with("got it\n"),
                "{out}"
            );
            assert_eq!(err, "");
            daemon.end_of(&started.id).await;
            let late = daemon.pods.attach(of(&pod), ALL).await.err();
            assert_eq!(late, Some(StreamFault::NotFound));
        }
    });
}

/// Whenever a client comes: it has everything, or is told that it has nothing.
#[test]
fn no_client_is_told_that_all_is_well_and_has_lost_something() {
    on_node(async |daemon| {
        for attempt in 0..30 {
            let pod = one(
                &format!("short-{attempt}"),
                &["echo", "hello"],
                r#""stdin":true,"stdinOnce":true"#,
            );
            daemon.run(&pod, 0).await;
            match daemon.pods.attach(of(&pod), ALL).await {
                Ok(session) => {
                    assert_eq!(read(session).await, ("hello\n".into(), String::new(), Ok(0)));
                }
                Err(StreamFault::NotFound) => {}
                Err(StreamFault::Failed(why)) => assert_eq!(why, "container is in CONTAINER_EXITED state"),
            }
        }
    });
}

#[test]
fn a_port_of_the_pod_s_loopback_is_reached() {
    on_node(async |daemon| {
        let serves = r#"{"containers":[{"name":"c","image":"busybox","command":["sh","-c","echo hi > /tmp/x; httpd -f -p 127.0.0.1:8080 -h /tmp"]}]}"#;
        let pod = pod("web", serves);
        let started = daemon.run(&pod, 0).await;
        let connected = async {
            loop {
                match daemon.pods.forward(pod_ref(&pod), 8080).await {
                    Ok(pipe) => return pipe,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
                }
            }
        };
        let mut pipe = tokio::time::timeout(PATIENCE, connected)
            .await
            .expect("it listens");
        pipe.write_all(b"GET /x HTTP/1.0\r\n\r\n").await.unwrap();
        let mut said = String::new();
        let reading = pipe.read_to_string(&mut said);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("it answers")
            .unwrap();
        assert!(said.ends_with("\r\n\r\nhi\n"), "{said}");
        let refused = daemon
            .pods
            .forward(pod_ref(&pod), 81)
            .await
            .err()
            .map(|error| error.kind());
        assert_eq!(refused, Some(std::io::ErrorKind::ConnectionRefused));
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
    });
}

#[test]
fn logs_are_read_while_and_after_a_container_runs() {
    on_node(async |daemon| {
        let pod = one(
            "talks",
            &["echo", "one", "--", "echo", "two", "--", "stdin"],
            r#""stdin":true,"stdinOnce":true"#,
        );
        let started = daemon.run(&pod, 0).await;
        let id = started.id.to_string();
        let query = LogQuery {
            stdout: true,
            stderr: true,
            follow: true,
            ..LogQuery::default()
        };
        let mut lines = daemon
            .pods
            .logs(of(&pod), id.clone(), query.clone())
            .await
            .unwrap();
        let mut said = Vec::new();
        for _ in 0..2 {
            let line = tokio::time::timeout(PATIENCE, lines.recv())
                .await
                .unwrap()
                .unwrap()
                .unwrap();
            assert!(line.time > 0 && line.stream == Stream::Stdout);
            said.push(line.text);
        }
        assert_eq!(said, ["one\n", "two\n"]);
        daemon
            .pods
            .stop(&started.id, std::time::Duration::ZERO)
            .await
            .unwrap();
        let end = tokio::time::timeout(PATIENCE, lines.recv())
            .await
            .expect("it ends with the container");
        assert!(end.is_none());
        let last = LogQuery {
            tail: Some(1),
            follow: false,
            ..query
        };
        let mut lines = daemon
            .pods
            .logs(of(&pod), id.clone(), last.clone())
            .await
            .unwrap();
        assert_eq!(lines.recv().await.unwrap().unwrap().text, "two\n");
        assert!(lines.recv().await.is_none());
        let gone = daemon
            .pods
            .logs(of(&pod), "0".repeat(64), last.clone())
            .await
            .err();
        assert_eq!(gone, Some(LogFault::NotFound));
        // A status can be written by others than us: an id in it opens nobody else's log.
        let others = daemon.pods.logs(of(&waiting("other", "")), id, last).await.err();
        assert_eq!(others, Some(LogFault::NotFound));
    });
}
