//! The death of the supervisor: what the daemon holds goes to the next one.

use std::os::fd::OwnedFd;

use supervisor::client::Client;
use supervisor::protocol::{LogSpec, Outcome, Reason, Reply, Request, Stdio, Streams};

use crate::fixture::*;
use crate::watch::Watch;

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
