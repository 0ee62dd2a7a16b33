//! exec, attach, cp, logs and port-forward by kubectl.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::cluster::Cluster;
use crate::kubectl::clients;

/// Walks with every client; a failure names it.
fn walk(step: impl Fn(&Cluster, &Path)) {
    let cluster = Cluster::start();
    for client in clients() {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(&cluster, &client)));
        assert!(outcome.is_ok(), "{}", client.display());
    }
}

#[test]
fn exec_tells_outputs_and_the_exit_code() {
    walk(|cluster, client| {
        let script = [
            "exec",
            "single",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 7",
        ];
        let (code, out, err) = cluster.told(client, &script, "");
        assert_eq!((code, &*out), (7, "out\n"));
        assert!(
            err.contains("err\n") && err.contains("command terminated with exit code 7"),
            "{err}"
        );
        let (code, out, _) = cluster.told(
            client,
            &["exec", "-i", "double", "-c", "two", "--", "cat"],
            "some input",
        );
        assert_eq!((code, &*out), (0, "some input"));
        let (code, out, _) = cluster.told(
            client,
            &["exec", "-i", "single", "--", "sh", "-c", "exit 0"],
            "unread",
        );
        assert_eq!((code, &*out), (0, ""));
    });
}

#[test]
fn exec_passes_ten_megabytes_both_ways() {
    let sent: Vec<u8> = (0..10_u32 << 20)
        .map(|at| u8::try_from(at % 253).unwrap())
        .collect();
    walk(|cluster, client| {
        let output = cluster.says(client, &["exec", "-i", "single", "--", "cat"], &sent);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && output.stdout == sent,
            "{} bytes, {error}",
            output.stdout.len()
        );
    });
}

#[test]
fn exec_tells_what_is_wrong() {
    let cases: [(&[&str], &str); 6] = [
        (
            &["exec", "stopped", "--", "true"],
            r#"container not found ("three")"#,
        ),
        (
            &["exec", "single", "-c", "x", "--", "true"],
            "container x is not valid for pod single",
        ),
        (
            &["exec", "nowhere", "--", "true"],
            "pod nowhere does not have a host assigned",
        ),
        (&["exec", "nobody", "--", "true"], r#"pods "nobody" not found"#),
        (
            &["exec", "single", "--", "no-such-program"],
            r#"error executing command in container: exec: "no-such-program""#,
        ),
        (
            &["attach", "stopped"],
            "container three not found in pod stopped_default",
        ),
    ];
    walk(|cluster, client| {
        for (words, expected) in cases {
            let (code, _, err) = cluster.told(client, words, "");
            assert!(code == 1 && err.contains(expected), "{words:?}: {code} {err}");
        }
    });
}

#[test]
fn attach_is_connected_with_the_containers_own_program() {
    walk(|cluster, client| {
        let (code, out, err) = cluster.told(client, &["attach", "-i", "single"], "hello\n");
        assert!(code == 0 && out.ends_with("hello\n"), "{code} {out} {err}");
    });
}

#[test]
fn cp_copies_both_ways() {
    walk(|cluster, client| {
        let there = cluster.directory.path().join("there");
        let (from, to) = (
            cluster.directory.path().join("from"),
            cluster.directory.path().join("back"),
        );
        std::fs::create_dir_all(&there).unwrap();
        let content: Vec<u8> = (0..1_u32 << 20)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        std::fs::write(&from, &content).unwrap();
        let remote = format!("single:{}/copy", there.display());
        for words in [["cp", "from", &remote], ["cp", &remote, "back"]] {
            let (code, _, err) = cluster.told(client, &words, "");
            assert_eq!(code, 0, "{err}");
        }
        assert!(std::fs::read(&to).unwrap() == content);
        std::fs::remove_file(to).unwrap();
        std::fs::remove_dir_all(there).unwrap();
    });
}

#[test]
fn logs_are_those_that_are_asked_for() {
    let cases: [(&[&str], &str); 8] = [
        (&["logs", "single", "--tail=1"], "one one-1 line 5\n"),
        (
            &["logs", "single", "--previous", "--tail=1"],
            "one one-0 line 5\n",
        ),
        (
            &["logs", "single", "-f", "--tail=1"],
            "one one-1 line 5\nfollowed\n",
        ),
        (
            &["logs", "single", "--timestamps", "--tail=1"],
            "1970-01-01T00:00:05.000000000Z one one-1 line 5\n",
        ),
        (&["logs", "single", "--limit-bytes=20"], "one one-1 line 1\none"),
        (
            &["logs", "single", "--since-time=1970-01-01T00:00:05Z"],
            "one one-1 line 5\n",
        ),
        (&["logs", "double", "-c", "two", "--tail=1"], "two two-1 line 5\n"),
        (
            &["logs", "double", "--all-containers", "--tail=1"],
            "one one-1 line 5\ntwo two-1 line 5\n",
        ),
    ];
    walk(|cluster, client| {
        for (words, expected) in cases {
            let (code, out, err) = cluster.told(client, words, "");
            // kubectl asks for the containers of a pod in the order of a Go map.
            let same = sorted(&out) == sorted(expected);
            assert!(code == 0 && same, "{words:?}: {code} {out} {err}");
        }
        let (code, out, err) = cluster.told(client, &["logs", "nowhere"], "");
        assert_eq!((code, &*out), (0, ""), "{err}");
        let waiting = r#"container "one" in pod "waiting" is waiting to start: ContainerCreating"#;
        let (code, _, err) = cluster.told(client, &["logs", "waiting"], "");
        assert!(code == 1 && err.contains(waiting), "{err}");
        let (code, _, err) = cluster.told(client, &["logs", "single", "--tail=-2"], "");
        assert!(code == 1 && !err.is_empty(), "{err}");
    });
}

/// Answers every connection with what it sent, once that is at its end.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                drop(connection.read_to_end(&mut all));
                drop(connection.write_all(&all));
            });
        }
    });
    port
}

#[test]
fn port_forward_carries_many_connections_and_half_closes() {
    let port = echo();
    walk(|cluster, client| {
        let mapping = format!(":{port}");
        let mut child = cluster
            .kubectl(client, &["port-forward", "single", &mapping])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut line, mut told) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
        told.read_line(&mut line).unwrap();
        // It tells of each connection, and ends where nobody hears it.
        let hearing = thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
        // Forwarding from 127.0.0.1:40123 -> 80
        let local = line.split(" -> ").next().and_then(|text| text.rsplit(':').next());
        let local: u16 = local.and_then(|port| port.parse().ok()).expect(&line);
        let asking: Vec<_> = (0..100_usize)
            .map(|at| {
                thread::spawn(move || {
                    let sent = vec![u8::try_from(at).unwrap(); 1000 * at + 1];
                    let mut connection = TcpStream::connect(("127.0.0.1", local)).unwrap();
                    connection.write_all(&sent).unwrap();
                    connection.shutdown(Shutdown::Write).unwrap();
                    let mut got = Vec::new();
                    connection.read_to_end(&mut got).unwrap();
                    got == sent
                })
            })
            .collect();
        let wrong = asking
            .into_iter()
            .map(|each| each.join().unwrap())
            .filter(|right| !right)
            .count();
        child.kill().unwrap();
        child.wait().unwrap();
        hearing.join().unwrap().unwrap();
        assert_eq!(wrong, 0, "of 100 connections");
    });
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
