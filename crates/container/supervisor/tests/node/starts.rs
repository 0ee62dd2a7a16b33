//! Starting processes: keys, sync points, workers, what fails.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use supervisor::protocol::{Event, Key, Phase, Reason, Reply, Request, Stdio, Streams, Worker};
use sys::pidfd::ExitStatus;
use sys::program::{Builder, Op, Slot};

use crate::fixture::*;

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
            logged_output: true,
            logged_error: true,
            ..Streams::default()
        }
    );
    assert_eq!(
        started(daemon.call(&request, &[]).unwrap()).0,
        pid,
        "the same request starts nothing"
    );
    let mut input = File::from(fds.into_iter().nth(1).unwrap());
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
fn a_sync_point_waits_for_an_answer_even_from_the_next_daemon() {
    let node = Node::start(&[]);
    let mut old = node.daemon();
    let request = change(start("a", "", Stdio::Null {}, None), |start| {
        start.program = Some(program("exit 0", 3, &[Op::Sync { code: 7 }]).into());
    });
    old.send(&request, &[]).unwrap();
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

/// A FIFO that its holder can open and read without anybody on the other side.
fn gate(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_process_at_its_start_gate_is_created_until_its_end() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let mut gate = gate(&node.path("gate"));
    let request = change(start("a", "", Stdio::Null {}, None), |start| {
        let wait = Op::WaitStart { gate: Slot(3) };
        start.program = Some(program("exit 5", 4, &[wait]).into());
    });
    let (pid, ..) = started(daemon.call(&request, &[gate.as_fd()]).unwrap());
    assert_eq!(entries(&mut daemon)[0].0.phase, Phase::Created {});
    assert_eq!(
        started(daemon.call(&request, &[gate.as_fd()]).unwrap()).0,
        pid,
        "the same request starts nothing"
    );
    gate.write_all(&[0]).unwrap();
    assert_eq!(exited(&mut daemon).outcome, code(5));
}

#[test]
fn a_program_that_moves_into_a_new_pid_namespace_is_followed() {
    const CLONE_NEWPID: u32 = 0x2000_0000;
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let unshare = Op::Unshare { kinds: CLONE_NEWPID };
    let request = change(start("a", "", PIPES, node.log("log")), |start| {
        let script = "echo $$; read x; exit 6";
        start.program = Some(program(script, 3, &[unshare, Op::Clone {}]).into());
    });
    let (pid, _, fds) = started(daemon.call(&request, &[]).unwrap());
    let info = format!("/proc/self/fdinfo/{}", fds[0].as_raw_fd());
    let info = std::fs::read_to_string(info).unwrap();
    assert!(info.contains(&format!("\nPid:\t{pid}\n")), "{info}");
    let namespaces = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(
        namespaces.contains(&format!("\nNSpid:\t{pid}\t1\n")),
        "{namespaces}"
    );
    sys::pipe::write(&fds[1], b"go\n").unwrap();
    let record = exited(&mut daemon);
    assert_eq!(
        (record.outcome, node.lines("log")),
        (code(6), vec!["1".to_owned()]),
        "not how the process before the move ended"
    );
}

/// A new group in the machine's cgroup v2 tree; the kernel lets it be removed once it is empty.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Self {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mount = mounts
            .lines()
            .map(fields)
            .find(|fields| fields[2] == "cgroup2")
            .unwrap();
        let path = Path::new(&mount[1]).join(format!("gantry-test-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn a_process_begins_in_the_cgroup_that_came_with_its_start() {
    let cgroup = Cgroup::new();
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let request = change(start("a", "read x; exit 5", PIPES, None), |start| {
        start.cgroup = true;
    });
    let directory = File::open(&cgroup.0).unwrap();
    let (pid, _, fds) = started(daemon.call(&request, &[directory.as_fd()]).unwrap());
    let inside = std::fs::read_to_string(cgroup.0.join("cgroup.procs")).unwrap();
    assert_eq!(inside, format!("{pid}\n"));
    sys::pipe::write(&fds[1], b"go\n").unwrap();
    assert_eq!(exited(&mut daemon).outcome, code(5));
    let missing = change(start("b", "exit 0", PIPES, None), |start| start.cgroup = true);
    let failed = daemon.call(&missing, &[]).unwrap().0;
    assert!(
        matches!(
            failed,
            Reply::Failed {
                operation: u32::MAX,
                errno: 22
            }
        ),
        "no descriptor, no start: {failed:?}"
    );
}
