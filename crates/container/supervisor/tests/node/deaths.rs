//! The death of the daemon, of the supervisor, and the replacement of its image.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{SealFlags, StatVfsMountFlags};
use supervisor::client::Client;
use supervisor::protocol::{LogSpec, Name, Outcome, Reason, Reply, Request, Role, Stdio, Streams};
use sys::pidfd::Pid;

use crate::fixture::*;

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
    // Either it has ended before, or the new daemon is told.
    let record = match daemon.call(&Request::Exits { after: 0 }, &[]).unwrap().0 {
        Reply::ExitList { mut records, .. } if !records.is_empty() => records.remove(0),
        _ => exited(&mut daemon),
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
fn a_daemon_that_dies_is_started_again_with_a_new_connection() {
    // A daemon that writes its id and lives until it is killed.
    let directory = tempfile::tempdir().unwrap();
    let (ids, mut watch) = (directory.path().join("ids"), Watch::new(directory.path()));
    let script = format!(
        "[ -S /proc/self/fd/3 ] && echo $$ >> {}; exec sleep 1000",
        ids.display()
    );
    let _node = Node::start(&["/bin/sh", "-c", &script]);
    for number in 0..2 {
        let id = watch.until(|| {
            let text = std::fs::read_to_string(&ids).unwrap_or_default();
            let line = text.split_inclusive('\n').nth(number)?;
            line.strip_suffix('\n')?.parse().ok()
        });
        let pidfd = sys::pidfd::open(Pid::from_raw(id).unwrap()).unwrap();
        sys::pidfd::signal(&pidfd, 9).unwrap();
    }
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
    let name: Name = "netns".parse().unwrap();
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

/// A process whose supervisor has been killed, and what the daemon holds of it.
struct Orphan {
    pid: u32,
    stdio: Stdio,
    streams: Streams,
    fds: Vec<OwnedFd>,
}

impl Orphan {
    fn of(script: &str, stdio: Stdio, log: Option<LogSpec>) -> Self {
        let mut node = Node::start(&[]);
        let request = start("a", script, stdio.clone(), log);
        let (pid, streams, fds) = started(node.daemon().call(&request, &[]).unwrap());
        node.kill();
        sys::pidfd::signal(&fds[0], 0).expect("the child lives on");
        Self {
            pid,
            stdio,
            streams,
            fds,
        }
    }

    fn adopt(&self, daemon: &mut Client, log: Option<LogSpec>) -> Reply {
        let adopt = Request::Adopt {
            key: key("a"),
            pid: self.pid,
            stdio: self.stdio.clone(),
            streams: self.streams,
            log,
        };
        daemon.call(&adopt, &borrow(&self.fds)).unwrap().0
    }

    /// Through its pidfd, where the kernel can tell.
    fn outcome(&self, code: Outcome) -> Outcome {
        sys::pidfd::exit_info(&self.fds[0]).map_or(Outcome::Unknown {}, |_| code)
    }
}

#[test]
fn a_killed_supervisor_leaves_children_that_the_next_one_adopts() {
    let orphan = Orphan::of("read x; echo $x; exit 9", PIPES, None);
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    assert_eq!(orphan.adopt(&mut daemon, None), Reply::Done {});
    sys::pipe::write(&orphan.fds[1], b"adopted\n").unwrap();
    assert_eq!(exited(&mut daemon).outcome, orphan.outcome(code(9)));
    let mut said = [0; 8];
    assert_eq!(sys::pipe::read(&orphan.fds[2], &mut said).unwrap(), 8);
    assert_eq!(&said, b"adopted\n", "what is not logged is the daemon's to read");
}

#[test]
fn a_log_goes_on_under_the_next_supervisor_and_nothing_in_the_pipe_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (log, mut watch) = (directory.path().join("log"), Watch::new(directory.path()));
    let at = directory.path().display();
    let script = format!(
        "i=0; while [ ! -e {at}/stop ]; do echo line $i; i=$((i+1)); done; echo $i > {at}/done; exit 9"
    );
    let mut orphan = Orphan::of(&script, NO_INPUT, Some(spec(&log)));
    let deaths = 3;
    for death in 1..=deaths {
        let mut node = Node::start(&[]);
        let mut daemon = node.daemon();
        assert_eq!(orphan.adopt(&mut daemon, Some(spec(&log))), Reply::Done {});
        // The daemon dies besides: the next one gets everything from the supervisor.
        let (entry, fds) = entries(&mut node.daemon()).remove(0);
        assert_eq!((entry.streams, fds.len()), (orphan.streams, orphan.fds.len()));
        orphan.fds = fds;
        let size = || std::fs::metadata(&log).unwrap().len();
        let before = size();
        watch.until(|| (size() > before + 32 * 1024).then_some(()));
        if death < deaths {
            node.kill();
            continue;
        }
        let mut daemon = node.daemon();
        std::fs::write(directory.path().join("stop"), "").unwrap();
        assert_eq!(exited(&mut daemon).outcome, orphan.outcome(code(9)));
    }
    let written: u64 = std::fs::read_to_string(directory.path().join("done"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // Every line is whole, and in order. What a supervisor had read when it died and had not yet
    // written is lost: at most one read, 64 KiB, for each death.
    let mut expected = 0;
    let mut lost = Vec::new();
    for line in lines(&log) {
        let number: u64 = line
            .strip_prefix("line ")
            .and_then(|number| number.parse().ok())
            .expect(&line);
        assert!(number >= expected, "{line} comes twice");
        if number > expected {
            lost.push(
                (expected..number)
                    .map(|number| format!("line {number}\n").len())
                    .sum::<usize>(),
            );
        }
        expected = number + 1;
    }
    assert_eq!(expected, written, "the last line");
    assert!(
        lost.len() <= deaths && lost.iter().all(|bytes| *bytes <= 64 * 1024),
        "{lost:?}"
    );
}

#[test]
fn a_terminal_outlives_its_supervisor_and_is_logged_by_the_next() {
    let node = Node::start(&[]);
    let terminal = Stdio::Terminal {
        rows: 24,
        columns: 80,
    };
    let script = "read x; echo got $x; exit 9";
    let orphan = Orphan::of(script, terminal, node.log("log"));
    let mut daemon = node.daemon();
    assert_eq!(orphan.adopt(&mut daemon, node.log("log")), Reply::Done {});
    let resize = Request::Resize {
        key: key("a"),
        rows: 50,
        columns: 132,
    };
    done(&mut daemon, &resize);
    sys::pipe::write(&orphan.fds[1], b"it\n").unwrap();
    assert_eq!(exited(&mut daemon).outcome, orphan.outcome(code(9)));
    assert_eq!(node.lines("log"), ["it\r", "got it\r"]);
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_and_the_adopted_process_goes_on_to_its_record() {
    let directory = tempfile::tempdir().unwrap();
    let script = "read x; echo $x; read x; echo $x; exit 9";
    let orphan = Orphan::of(script, PIPES, Some(spec(&directory.path().join("log"))));
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let missing = directory.path().join("missing");
    let refused = orphan.adopt(&mut daemon, Some(spec(&missing.join("log"))));
    assert_eq!(
        refused,
        Reply::Failed {
            operation: u32::MAX,
            errno: 2
        }
    );
    let copies = daemon.call(&Request::Attach { key: key("a") }, &[]).unwrap().1;
    sys::pipe::write(&orphan.fds[1], b"lost\n").unwrap();
    assert_eq!(
        sys::pipe::read(&copies[1], &mut [0; 8]).unwrap(),
        5,
        "it has been read, and dropped"
    );
    std::fs::create_dir(&missing).unwrap();
    done(
        &mut daemon,
        &Request::ReopenLog {
            key: key("a"),
            suffix: None,
        },
    );
    sys::pipe::write(&orphan.fds[1], b"kept\n").unwrap();
    let record = exited(&mut daemon);
    assert_eq!(record.outcome, orphan.outcome(code(9)));
    assert_eq!(
        (record.log.entries, record.log.dropped_entries, record.log.errno),
        (1, 1, 0)
    );
    assert_eq!(lines(&missing.join("log")), ["kept"]);
}

#[test]
fn an_adoption_with_streams_that_nobody_would_read_is_refused() {
    let orphan = Orphan::of("exec sleep 1000", NO_INPUT, None);
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    let refused = |reason| Reply::Refused { reason };
    assert_eq!(
        orphan.adopt(&mut daemon, node.log("log")),
        refused(Reason::Invalid {})
    );
    let short = Orphan {
        fds: Vec::new(),
        streams: Streams::default(),
        stdio: NO_INPUT,
        pid: orphan.pid,
    };
    assert_eq!(short.adopt(&mut daemon, None), refused(Reason::Descriptors {}));
    assert!(entries(&mut daemon).is_empty());
    sys::pidfd::signal(&orphan.fds[0], 9).unwrap();
}

/// Whether a process that got at the supervisor's executable could write to it (CVE-2019-5736).
fn runs_sealed(node: &Node) -> bool {
    let executable = File::open(node.executable()).unwrap();
    let flags = rustix::fs::fstatvfs(&executable).unwrap().f_flag;
    let seals = rustix::fs::fcntl_get_seals(&executable).unwrap_or(SealFlags::empty());
    flags.contains(StatVfsMountFlags::RDONLY) || seals.contains(SealFlags::WRITE)
}

#[test]
fn every_image_runs_sealed_and_a_new_one_is_the_file_that_was_named() {
    let node = Node::start(&[]);
    let mut daemon = node.daemon();
    assert!(runs_sealed(&node));
    done(&mut daemon, &Request::Reexec { executable: None });
    assert!(runs_sealed(&node));
    let upgrade = node.path("upgrade");
    // The same program, told apart by a byte behind its end.
    let mut bytes = std::fs::read(node.executable()).unwrap();
    bytes.push(0);
    std::fs::write(&upgrade, &bytes).unwrap();
    std::fs::set_permissions(&upgrade, PermissionsExt::from_mode(0o755)).unwrap();
    let executable = Some(upgrade.as_os_str().as_bytes().into());
    done(&mut daemon, &Request::Reexec { executable });
    assert!(runs_sealed(&node));
    assert!(std::fs::read(node.executable()).unwrap() == bytes);
    started(
        daemon
            .call(&start("a", "exit 5", Stdio::Null {}, None), &[])
            .unwrap(),
    );
    assert_eq!(exited(&mut daemon).outcome, code(5));
}

#[test]
fn what_runs_as_the_daemon_can_be_set_at_once_and_for_its_next_start() {
    let node = Node::start(&[]);
    let (mut operator, mut watch) = (node.connect(Role::Operator {}), node.watch());
    let at = node.path("ids").display().to_string();
    let mut set = |name: &str| {
        let script = format!("echo {name} $$ $VARIABLE >> {at}; exec sleep 1000");
        let arguments = ["/bin/sh", "-c", &script].map(Into::into).to_vec();
        let environment = vec!["PATH=/usr/bin:/bin".into(), "VARIABLE=set".into()];
        let request = Request::SetDaemon {
            arguments,
            environment,
        };
        done(&mut operator, &request);
    };
    let mut nth = |number| {
        watch.until(|| {
            let text = std::fs::read_to_string(&at).unwrap_or_default();
            let line = text.split_inclusive('\n').nth(number)?.strip_suffix('\n')?;
            let fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Some(fields)
        })
    };
    set("first");
    let first = nth(0);
    assert_eq!((&*first[0], &*first[2]), ("first", "set"));
    set("second");
    let pid = Pid::from_raw(first[1].parse().unwrap()).unwrap();
    sys::pidfd::signal(sys::pidfd::open(pid).unwrap(), 9).unwrap();
    assert_eq!(nth(1)[0], "second");
}
