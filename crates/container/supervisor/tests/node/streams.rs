//! Standard streams and logs: terminals, copies, input, disks that are full or hang.

use std::io::Read;
use std::process::Command;

use supervisor::protocol::{Event, Reply, Request, Stdio, Streams};
use sys::pidfd::ExitStatus;

use crate::fixture::*;

#[test]
fn a_terminal_echoes_resizes_and_is_copied_to_who_attaches() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script = "read x; stty size; exit 0";
    let terminal = Stdio::Terminal {
        rows: 24,
        columns: 80,
    };
    let request = change(start("a", script, terminal, node.log("log")), |start| {
        start.attach = true;
    });
    let (_, streams, fds) = started(daemon.call(&request, &[]).unwrap());
    assert_eq!(
        streams,
        Streams {
            input: true,
            output: true,
            logged_output: true,
            ..Streams::default()
        }
    );
    done(
        &mut daemon,
        &Request::Resize {
            key: key("a"),
            rows: 50,
            columns: 132,
        },
    );
    sys::pipe::write(&fds[1], b"go\n").unwrap();
    let mut copy = String::new();
    let mut fds = fds.into_iter().skip(2);
    std::fs::File::from(fds.next().unwrap())
        .read_to_string(&mut copy)
        .unwrap();
    assert_eq!(copy, "go\r\n50 132\r\n");
    assert_eq!(exited(&mut daemon).outcome, code(0));
    assert_eq!(node.lines("log"), ["go\r", "50 132\r"]);
}

#[test]
fn who_attaches_gets_what_follows_and_a_signal_ends_the_process() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script = "read x; echo to $x; echo and >&2; exec sleep 1000";
    let (_, _, fds) = started(
        daemon
            .call(&start("a", script, PIPES, node.log("log")), &[])
            .unwrap(),
    );
    let (reply, copies) = daemon.call(&Request::Attach { key: key("a") }, &[]).unwrap();
    assert_eq!(
        reply,
        Reply::Attached {
            streams: Streams {
                input: true,
                output: true,
                error: true,
                ..Streams::default()
            }
        }
    );
    sys::pipe::write(&fds[1], b"both\n").unwrap();
    let mut copies = copies.into_iter().skip(1).map(std::fs::File::from);
    let (mut output, mut error) = (copies.next().unwrap(), copies.next().unwrap());
    let (mut said, mut complained) = ([0; 8], [0; 4]);
    output.read_exact(&mut said).unwrap();
    error.read_exact(&mut complained).unwrap();
    assert_eq!((&said, &complained), (b"to both\n", b"and\n"));
    // A reader that goes away must not keep the pump busy: it falls asleep, and nothing wakes it.
    drop((output, error));
    node.assert_pump_idles(&mut daemon);
    done(
        &mut daemon,
        &Request::Signal {
            key: key("a"),
            number: 15,
        },
    );
    let ended = Some(ExitStatus::Signal {
        number: 15,
        core: false,
    });
    assert_eq!(exited(&mut daemon).outcome, ended.into());
    // Nor may a stream that has ended, although the test holds duplicates of its read end.
    node.assert_pump_idles(&mut daemon);
    drop(fds);
}

#[test]
fn input_ends_when_both_sides_have_closed_it() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let (_, _, fds) = started(
        daemon
            .call(&start("a", "cat; exit 6", PIPES, node.log("log")), &[])
            .unwrap(),
    );
    sys::pipe::write(&fds[1], b"text\n").unwrap();
    drop(fds);
    done(&mut daemon, &Request::CloseStdin { key: key("a") });
    assert_eq!(exited(&mut daemon).outcome, code(6));
    assert_eq!(node.lines("log"), ["text"]);
}

#[test]
fn a_log_is_reopened_under_its_name_as_the_kubelet_asks() {
    let node = Node::start(&[]);
    let (mut daemon, mut watch) = (node.daemon(), node.watch());
    let script = "read x; echo $x; read x; echo $x";
    let (_, _, fds) = started(
        daemon
            .call(&start("a", script, PIPES, node.log("log")), &[])
            .unwrap(),
    );
    sys::pipe::write(&fds[1], b"before\n").unwrap();
    watch.until(|| (!node.lines("log").is_empty()).then_some(()));
    done(
        &mut daemon,
        &Request::ReopenLog {
            key: key("a"),
            suffix: Some("20261121-050000".parse().unwrap()),
        },
    );
    sys::pipe::write(&fds[1], b"after\n").unwrap();
    exited(&mut daemon);
    assert_eq!(
        (node.lines("log.20261121-050000"), node.lines("log")),
        (vec!["before".into()], vec!["after".into()])
    );
}

#[test]
fn a_full_disk_never_blocks_the_container_and_is_counted() {
    let node = Node::start(&[]);
    let mount = node.path("small");
    std::fs::create_dir(&mount).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        assert!(
            Command::new(program)
                .args(arguments)
                .arg(&mount)
                .status()
                .unwrap()
                .success()
        );
    };
    run("mount", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    let mut daemon = node.daemon();
    let script =
        "i=0; while [ $i -lt 20000 ]; do echo a line of some length, number $i; i=$((i+1)); done; exit 4";
    started(
        daemon
            .call(&start("a", script, NO_INPUT, Some(spec(&mount.join("log")))), &[])
            .unwrap(),
    );
    let Event::LogTrouble { log, .. } = daemon.event().unwrap() else {
        panic!("no trouble was told")
    };
    assert_eq!(log.errno, 28, "ENOSPC");
    let record = exited(&mut daemon);
    let text = std::fs::read_to_string(mount.join("log")).unwrap();
    run("umount", &[]);
    assert_eq!(record.outcome, code(4));
    assert_eq!(record.log.entries + record.log.dropped_entries, 20000);
    assert_eq!(
        text.lines().count() as u64,
        record.log.entries,
        "whole entries only"
    );
    assert!(text.ends_with('\n') && record.log.dropped_bytes > 0);
}

#[test]
fn a_disk_that_hangs_holds_up_its_own_container_only() {
    let node = Node::start(&[]);
    // Opening a FIFO that nobody reads hangs as a dead network disk does.
    let made = Command::new("mkfifo").arg(node.path("fifo")).status().unwrap();
    assert!(made.success());
    let mut daemon = node.daemon();
    daemon
        .send(&start("hung", "echo late", NO_INPUT, node.log("fifo")), &[])
        .unwrap();
    started(
        daemon
            .call(&start("b", "exit 5", Stdio::Null {}, None), &[])
            .unwrap(),
    );
    let record = exited(&mut daemon);
    assert_eq!((record.key, record.outcome), (key("b"), code(5)));
    let mut disk = std::io::BufReader::new(std::fs::File::open(node.path("fifo")).unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut disk, &mut line).unwrap();
    assert!(line.ends_with(" stdout F late\n"), "{line}");
    assert_eq!(exited(&mut daemon).key, key("hung"));
}
