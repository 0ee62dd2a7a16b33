//! The supervisor as a real process with real children: root, pipes, signals, a full disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use supervisor::client::Client;
use supervisor::protocol::{
    Entry, Event, ExitRecord, Format, Key, Leftovers, LogSpec, Outcome, Owner, Phase, Reason, Reply, Request,
    Role, Start, Stdio, Streams, Worker,
};
use sys::pidfd::{ExitStatus, Pid};
use sys::program::{Builder, Op, Slot};
use tempfile::TempDir;

struct Node {
    process: Child,
    directory: TempDir,
}

impl Node {
    fn start(daemon: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_supervisor-under-test"))
            .arg(directory.path().join("socket"))
            .args(daemon)
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn connect(&self, role: Role) -> Client {
        // The socket appears when the supervisor is up; a connection is refused until then.
        loop {
            match Client::connect(&self.path("socket"), role.clone()) {
                Ok(client) => return client,
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    fn daemon(&self) -> Client {
        self.connect(Role::Daemon {})
    }

    fn log(&self, name: &str) -> Option<LogSpec> {
        Some(spec(&self.path(name)))
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        let content = |line: &str| line.splitn(4, ' ').nth(3).unwrap().to_owned();
        text.split_terminator('\n').map(content).collect()
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .unwrap()
            .count()
    }

    /// A figure of `smaps_rollup`, in KiB.
    fn memory(&self, figure: &str) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id())).unwrap();
        let line = rollup.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let shutdown = Request::Shutdown {
            leftovers: Leftovers::Kill {},
            grace: 1000,
        };
        let ended = Client::connect(&self.path("socket"), Role::Operator {})
            .and_then(|mut client| client.call(&shutdown, &[]));
        if ended.is_err() {
            drop(self.process.kill());
        }
        drop(self.process.wait());
    }
}

fn spec(path: &Path) -> LogSpec {
    LogSpec {
        path: path.as_os_str().as_bytes().into(),
        format: Format::Cri {},
        max_size: 0,
        max_files: 0,
    }
}

fn program(script: &str, sync: bool) -> Vec<u8> {
    let mut builder = Builder::new(3);
    builder.push(Op::Setsid {});
    if sync {
        builder.push(Op::Sync { code: 7 });
    }
    for number in 0..3 {
        builder.push(Op::Dup {
            from: Slot(number),
            to: number.into(),
        });
    }
    builder.push(Op::CloseFrom { first: 3 });
    let (name, search) = (builder.text("/bin/sh"), builder.text(""));
    let (arguments, environment) = (
        builder.texts(["sh", "-c", script]),
        builder.texts(["PATH=/usr/bin:/bin"]),
    );
    builder.push(Op::Lookup { name, search }).push(Op::Exec {
        arguments,
        environment,
    });
    builder.finish().unwrap().as_bytes().to_vec()
}

fn key(name: &str) -> Key {
    Key::main(name.parse().unwrap(), 1)
}

fn start(name: &str, script: &str, stdio: Stdio, log: Option<LogSpec>) -> Request {
    Request::Start {
        start: Start {
            key: key(name),
            namespaces: 0,
            stdio,
            owner: Owner::default(),
            log,
            attach: false,
            cgroup: false,
            program: Some(program(script, false).into()),
        },
    }
}

const PIPES: Stdio = Stdio::Pipes { stdin: true };
const NO_INPUT: Stdio = Stdio::Pipes { stdin: false };

fn started(answer: (Reply, Vec<OwnedFd>)) -> (u32, Streams, Vec<OwnedFd>) {
    match answer.0 {
        Reply::Started { pid, streams, .. } => (pid, streams, answer.1),
        other => panic!("not started: {other:?}"),
    }
}

fn exited(client: &mut Client) -> ExitRecord {
    loop {
        if let Event::Exited { record } = client.event().unwrap() {
            return record;
        }
    }
}

fn done(client: &mut Client, request: &Request) {
    assert_eq!(
        client.call(request, &[]).unwrap().0,
        Reply::Done {},
        "{request:?}"
    );
}

fn code(code: u8) -> Outcome {
    Some(ExitStatus::Code(code)).into()
}

fn entries(client: &mut Client) -> Vec<(Entry, Vec<OwnedFd>)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        match client.call(&Request::NextEntry { after }, &[]).unwrap() {
            (Reply::Entry { entry }, fds) => {
                after = Some(entry.key.clone());
                all.push((entry, fds));
            }
            (other, _) => {
                assert_eq!(other, Reply::End {});
                return all;
            }
        }
    }
}

#[test]
fn the_last_line_is_logged_before_the_exit_is_told_and_starts_are_idempotent() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let request = start(
        "a",
        "echo one; echo two >&2; read x; printf $x; exit 7",
        PIPES,
        node.log("log"),
    );
    let (pid, streams, fds) = started(daemon.call(&request, &[]).unwrap());
    assert_eq!(
        streams,
        Streams {
            input: true,
            output: false,
            error: false
        }
    );
    assert_eq!(
        started(daemon.call(&request, &[]).unwrap()).0,
        pid,
        "the same request starts nothing"
    );
    let mut input = std::fs::File::from(fds.into_iter().nth(1).unwrap());
    input.write_all(b"end\n").unwrap();
    let record = exited(&mut daemon);
    assert_eq!(
        (record.outcome, record.key.clone(), record.log.entries),
        (code(7), key("a"), 3)
    );
    let mut lines = node.lines("log");
    lines.sort();
    assert_eq!(lines, ["end", "one", "two"]);
    done(
        &mut daemon,
        &Request::Ack {
            through: record.sequence,
        },
    );
    assert!(entries(&mut daemon).is_empty());
}

#[test]
fn a_daemon_that_dies_loses_no_line_and_no_exit() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 3";
    started(
        daemon
            .call(&start("a", script, NO_INPUT, node.log("log")), &[])
            .unwrap(),
    );
    drop(daemon);
    let mut daemon = node.daemon();
    let record = loop {
        match daemon.call(&Request::Exits { after: 0 }, &[]).unwrap().0 {
            Reply::ExitList { mut records, .. } if !records.is_empty() => break records.remove(0),
            _ => std::thread::yield_now(),
        }
    };
    assert_eq!(record.outcome, code(3));
    assert_eq!(
        node.lines("log"),
        (0..2000)
            .map(|number| format!("line {number}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_re_exec_loses_and_doubles_nothing() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script =
        "i=0; while [ ! -e \"$STOP\" ] && [ $i -lt 200000 ]; do echo line $i; i=$((i+1)); done; exit 5";
    let script = script.replace("$STOP", node.path("stop").to_str().unwrap());
    let (pid, ..) = started(
        daemon
            .call(&start("a", &script, PIPES, node.log("log")), &[])
            .unwrap(),
    );
    let (held, _keep) = std::os::unix::net::UnixStream::pair().unwrap();
    let name: supervisor::protocol::Name = "netns".parse().unwrap();
    let held: [BorrowedFd<'_>; 1] = [held.as_fd()];
    assert_eq!(
        daemon
            .call(&Request::Hold { name: name.clone() }, &held)
            .unwrap()
            .0,
        Reply::Done {}
    );
    for _ in 0..5 {
        done(&mut daemon, &Request::Reexec { executable: None });
        assert_eq!(entries(&mut daemon)[0].0.pid, pid);
    }
    // An executable that is not there changes nothing.
    let failed = daemon
        .call(
            &Request::Reexec {
                executable: Some("/nonexistent".into()),
            },
            &[],
        )
        .unwrap()
        .0;
    assert!(matches!(failed, Reply::Failed { errno: 2, .. }), "{failed:?}");
    assert_eq!(daemon.call(&Request::Retrieve { name }, &[]).unwrap().1.len(), 1);
    std::fs::write(node.path("stop"), "").unwrap();
    let record = exited(&mut daemon);
    assert_eq!(record.outcome, code(5));
    let lines = node.lines("log");
    assert!(lines.len() > 1, "it logged while the image was replaced");
    assert_eq!(record.log.entries, lines.len() as u64);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("line {number}"));
    }
}

#[test]
fn a_killed_supervisor_leaves_children_that_the_next_one_adopts() {
    let mut first = Node::start(&[]);
    let mut daemon = first.daemon();
    let (pid, _, fds) = started(
        daemon
            .call(&start("a", "read x; echo $x; exit 9", PIPES, None), &[])
            .unwrap(),
    );
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    sys::pidfd::signal(&fds[0], 0).expect("the child lives on");

    let second = Node::start(&[]);
    let mut daemon = second.daemon();
    let streams = Streams {
        input: true,
        output: true,
        error: true,
    };
    let adopt = Request::Adopt {
        key: key("a"),
        pid,
        stdio: PIPES,
        streams,
        log: second.log("log"),
    };
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    assert_eq!(daemon.call(&adopt, &borrowed).unwrap().0, Reply::Done {});
    sys::pipe::write(&fds[1], b"adopted\n").unwrap();
    let record = exited(&mut daemon);
    match sys::pidfd::exit_info(&fds[0]) {
        Ok(_) => assert_eq!(record.outcome, code(9)),
        Err(_) => assert_eq!(record.outcome, Outcome::Unknown {}),
    }
    assert_eq!(second.lines("log"), ["adopted"]);
}

#[test]
fn two_hundred_containers_leave_descriptors_and_memory_flat() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    println!("PSS of an idle supervisor: {} KiB", node.memory("Pss:"));
    let mut round = |prefix: &str| {
        for number in 0..100 {
            let name = format!("{prefix}{number}");
            started(
                daemon
                    .call(&start(&name, "echo x", NO_INPUT, node.log(&name)), &[])
                    .unwrap(),
            );
        }
        let last = (0..100)
            .map(|_| exited(&mut daemon))
            .map(|record| record.sequence)
            .max()
            .unwrap();
        done(&mut daemon, &Request::Ack { through: last });
        // An answer from the pump proves that it has closed what was acknowledged before.
        started(
            daemon
                .call(&start(prefix, "echo x", NO_INPUT, node.log(prefix)), &[])
                .unwrap(),
        );
        let last = exited(&mut daemon).sequence;
        done(&mut daemon, &Request::Ack { through: last });
        // Anonymous only: the share of the executable depends on how many tests run it.
        (node.descriptors(), node.memory("Pss_Anon:"))
    };
    let (warm, again) = (round("a"), round("b"));
    println!("descriptors and anonymous KiB after 100 and 200 containers: {warm:?} {again:?}");
    assert!(again.0 <= warm.0 + 4, "{warm:?} {again:?}");
    assert!(again.1 <= warm.1 + 256, "{warm:?} {again:?}");
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
fn a_sync_point_waits_for_an_answer_even_from_the_next_daemon() {
    let node = Node::start(&[]);
    let mut old = node.daemon();
    let Request::Start { mut start } = start("a", "exit 0", Stdio::Null {}, None) else {
        unreachable!()
    };
    start.program = Some(program("exit 0", true).into());
    old.send(&Request::Start { start }, &[]).unwrap();
    assert_eq!(
        old.event().unwrap(),
        Event::Synced {
            key: key("a"),
            point: 7
        }
    );
    let mut new = node.daemon();
    assert_eq!(old.event().unwrap(), Event::Superseded {});
    let refused = old
        .call(
            &Request::Continue {
                key: key("a"),
                point: 7,
            },
            &[],
        )
        .unwrap()
        .0;
    assert_eq!(
        refused,
        Reply::Refused {
            reason: Reason::Superseded {}
        }
    );
    assert_eq!(entries(&mut new)[0].0.phase, Phase::Starting { point: Some(7) });
    done(
        &mut new,
        &Request::Continue {
            key: key("a"),
            point: 7,
        },
    );
    assert_eq!(exited(&mut new).outcome, code(0));
}

#[test]
fn a_terminal_echoes_resizes_and_is_copied_to_who_attaches() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let script = "read x; stty size; exit 0";
    let terminal = Stdio::Terminal {
        rows: 24,
        columns: 80,
    };
    let Request::Start { start: mut request } = start("a", script, terminal, node.log("log")) else {
        unreachable!()
    };
    request.attach = true;
    let (_, streams, fds) = started(daemon.call(&Request::Start { start: request }, &[]).unwrap());
    assert_eq!(
        streams,
        Streams {
            input: true,
            output: true,
            error: false
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
                error: true
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
    // A reader that goes away must not keep the pump busy.
    drop((output, error));
    let ticks = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.process.id())).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .split(' ')
            .skip(12)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum()
    };
    let before = ticks();
    assert!(Command::new("sleep").arg("0.3").status().unwrap().success());
    assert!(ticks() - before < 10, "an idle supervisor uses no time");
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
    let mut daemon = node.daemon();
    let script = "read x; echo $x; read x; echo $x";
    let (_, _, fds) = started(
        daemon
            .call(&start("a", script, PIPES, node.log("log")), &[])
            .unwrap(),
    );
    sys::pipe::write(&fds[1], b"before\n").unwrap();
    while node.lines("log").is_empty() {
        std::thread::yield_now();
    }
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
fn a_worker_s_answer_is_its_end_and_it_does_not_outlive_its_deadline() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    let mut run = |script: &str, deadline| {
        let arguments = ["/bin/sh", "-c", script].map(Into::into).to_vec();
        let key = Key::worker("unpack".parse().unwrap(), 1);
        let worker = Worker {
            key,
            namespaces: 0,
            arguments,
            environment: vec![],
            cgroup: false,
            deadline,
        };
        daemon
            .call(
                &Request::Worker { worker },
                &[null.as_fd(), null.as_fd(), null.as_fd()],
            )
            .unwrap()
            .0
    };
    assert_eq!(run("exit 3", 60_000), Reply::WorkerDone { outcome: code(3) });
    let killed = Some(ExitStatus::Signal {
        number: 9,
        core: false,
    })
    .into();
    assert_eq!(
        run("while :; do :; done", 50),
        Reply::WorkerDone { outcome: killed }
    );
    assert!(entries(&mut daemon).is_empty());
}

#[test]
fn what_cannot_start_says_which_operation_failed_and_leaves_nothing() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let Request::Start { mut start } = start("a", "", Stdio::Null {}, None) else {
        unreachable!()
    };
    let mut builder = Builder::new(3);
    let (name, search) = (builder.text("/nonexistent"), builder.text(""));
    let (arguments, environment) = (builder.texts(["x"]), builder.texts([""; 0]));
    builder
        .push(Op::Setsid {})
        .push(Op::Lookup { name, search })
        .push(Op::Exec {
            arguments,
            environment,
        });
    start.program = None;
    let memfd = sys::memfd::sealed("program", builder.finish().unwrap().as_bytes()).unwrap();
    let failed = daemon
        .call(&Request::Start { start: start.clone() }, &[memfd.as_fd()])
        .unwrap()
        .0;
    assert_eq!(
        failed,
        Reply::Failed {
            operation: 1,
            errno: 2
        }
    );
    start.log = Some(spec(Path::new("/nonexistent/log")));
    let failed = daemon
        .call(&Request::Start { start }, &[memfd.as_fd()])
        .unwrap()
        .0;
    assert_eq!(
        failed,
        Reply::Failed {
            operation: u32::MAX,
            errno: 2
        }
    );
    assert!(entries(&mut daemon).is_empty());
}

#[test]
fn a_daemon_that_dies_is_started_again_with_a_new_connection() {
    // A daemon that writes its id and lives until it is killed.
    let ids = tempfile::NamedTempFile::new().unwrap();
    let script = format!(
        "[ -S /proc/self/fd/3 ] && echo $$ >> {}; exec sleep 1000",
        ids.path().display()
    );
    let _node = Node::start(&["/bin/sh", "-c", &script]);
    for number in 0..2 {
        let id = loop {
            let text = std::fs::read_to_string(ids.path()).unwrap();
            match text
                .split_inclusive('\n')
                .nth(number)
                .filter(|line| line.ends_with('\n'))
            {
                Some(line) => break line.trim().parse().unwrap(),
                None => std::thread::yield_now(),
            }
        };
        let pidfd = sys::pidfd::open(Pid::from_raw(id).unwrap()).unwrap();
        sys::pidfd::signal(&pidfd, 9).unwrap();
    }
}
