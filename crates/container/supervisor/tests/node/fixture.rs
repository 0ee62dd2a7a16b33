//! A supervisor in a directory of its own, and what the tests say to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use supervisor::client::Client;
use supervisor::protocol::{
    Entry, Event, ExitRecord, Format, Key, Leftovers, LogSpec, Outcome, Owner, Reply, Request, Role, Start,
    Stdio, Streams,
};
use sys::pidfd::ExitStatus;
use sys::program::{Builder, Op, Slot};
use tempfile::TempDir;

use crate::watch::Watch;

/// A running supervisor; dropping it ends it and its containers.
pub(crate) struct Node {
    pub(crate) process: Child,
    directory: TempDir,
}

impl Node {
    /// Returns once the supervisor listens: it writes its id after that.
    pub(crate) fn start(daemon: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path());
        let process = Command::new(env!("CARGO_BIN_EXE_supervisor-under-test"))
            .arg(directory.path().join("socket"))
            .args(daemon)
            .spawn()
            .unwrap();
        let node = Self { process, directory };
        let written = || std::fs::read_to_string(node.path("socket.pid")).is_ok_and(|id| id.ends_with('\n'));
        watch.until(|| written().then_some(()));
        node
    }

    /// As the kernel's OOM killer would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(self.directory.path())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn connect(&self, role: Role) -> Client {
        Client::connect(&self.path("socket"), role).unwrap()
    }

    pub(crate) fn daemon(&self) -> Client {
        self.connect(Role::Daemon {})
    }

    /// The link to what the supervisor runs.
    pub(crate) fn executable(&self) -> PathBuf {
        format!("/proc/{}/exe", self.process.id()).into()
    }

    pub(crate) fn log(&self, name: &str) -> Option<LogSpec> {
        Some(spec(&self.path(name)))
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.path(name))
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .unwrap()
            .count()
    }

    /// The pump falls asleep, and nothing wakes it.
    pub(crate) fn assert_pump_idles(&self, client: &mut Client) {
        let pump = self.thread("log-pump");
        let mut ask = || drop(client.call(&Request::Exits { after: 0 }, &[]).unwrap());
        let asleep = (0..10_000).any(|_| {
            ask();
            pump("State:") == "S"
        });
        assert!(asleep, "an idle pump sleeps");
        let switches = || {
            (
                pump("voluntary_ctxt_switches:"),
                pump("nonvoluntary_ctxt_switches:"),
            )
        };
        let before = switches();
        (0..100).for_each(|_| ask());
        assert_eq!(switches(), before, "an idle pump is not woken");
    }

    /// Figures of a thread's `status` by name.
    pub(crate) fn thread(&self, name: &str) -> impl Fn(&str) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let named = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).unwrap().trim() == name;
        let task = tasks.map(|task| task.unwrap().path()).find(named).unwrap();
        move |figure| {
            let status = std::fs::read_to_string(task.join("status")).unwrap();
            let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        }
    }

    /// A figure of `smaps_rollup`, in KiB.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
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

/// The contents of a CRI log's entries; one that is being written does not count yet.
pub(crate) fn lines(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let content = |line: &str| line.splitn(4, ' ').nth(3).expect(line).to_owned();
    whole.map(content).collect()
}

pub(crate) fn spec(path: &Path) -> LogSpec {
    LogSpec {
        path: path.as_os_str().as_bytes().into(),
        format: Format::Cri {},
        max_size: 0,
        max_files: 0,
    }
}

/// A program that takes `first` steps and then runs a shell.
pub(crate) fn program(script: &str, slots: u8, first: &[Op]) -> Vec<u8> {
    let mut builder = Builder::new(slots);
    builder.push(Op::Setsid {});
    for op in first {
        builder.push(*op);
    }
    for number in 0..3 {
        builder.push(Op::Dup {
            from: Slot(number),
            to: number.into(),
        });
    }
    builder.push(Op::CloseFrom {
        first: 3,
        keep: Slot::NONE,
    });
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

pub(crate) fn key(name: &str) -> Key {
    Key::main(name.parse().unwrap(), 1)
}

pub(crate) fn start(name: &str, script: &str, stdio: Stdio, log: Option<LogSpec>) -> Request {
    Request::Start {
        start: Start {
            key: key(name),
            namespaces: 0,
            stdio,
            owner: Owner::default(),
            log,
            attach: false,
            cgroup: false,
            program: Some(program(script, 3, &[]).into()),
        },
    }
}

pub(crate) const PIPES: Stdio = Stdio::Pipes { stdin: true };
pub(crate) const NO_INPUT: Stdio = Stdio::Pipes { stdin: false };

pub(crate) fn started(answer: (Reply, Vec<OwnedFd>)) -> (u32, Streams, Vec<OwnedFd>) {
    match answer.0 {
        Reply::Started { pid, streams, .. } => (pid, streams, answer.1),
        other => panic!("not started: {other:?}"),
    }
}

pub(crate) fn exited(client: &mut Client) -> ExitRecord {
    loop {
        if let Event::Exited { record } = client.event().unwrap() {
            return record;
        }
    }
}

pub(crate) fn done(client: &mut Client, request: &Request) {
    assert_eq!(
        client.call(request, &[]).unwrap().0,
        Reply::Done {},
        "{request:?}"
    );
}

pub(crate) fn code(code: u8) -> Outcome {
    Some(ExitStatus::Code(code)).into()
}

pub(crate) fn entries(client: &mut Client) -> Vec<(Entry, Vec<OwnedFd>)> {
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

/// A start request of which a test changes something.
pub(crate) fn change(request: Request, change: impl FnOnce(&mut Start)) -> Request {
    let Request::Start { mut start } = request else {
        panic!("not a start: {request:?}")
    };
    change(&mut start);
    Request::Start { start }
}

pub(crate) fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
