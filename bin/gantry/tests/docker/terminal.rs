//! Interactive use: the real client on a terminal of ours.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use sys::pty::{self, Size};
use testkit::daemon::{Daemon, Kind};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that believes a person sits before it.
pub struct Session {
    client: Child,
    master: File,
    seen: String,
}

impl Session {
    /// docker.
    fn start(daemon: &Daemon, arguments: &[&str]) -> Self {
        Self::of(daemon, "docker", arguments)
    }

    /// Another client, by the words of its command.
    pub fn of(daemon: &Daemon, program: &str, arguments: &[&str]) -> Self {
        let size = Size {
            rows: 30,
            columns: 100,
        };
        let pty = pty::open(size, 0, 0).unwrap();
        let copy = |fd: &OwnedFd| fd.try_clone().unwrap();
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .args(program.split(' '))
            .args(arguments)
            .env("DOCKER_HOST", daemon.host())
            .env("KUBECONFIG", daemon.directory.join("data/kubeconfig"))
            .env("DOCKER_CONFIG", daemon.directory.join("config"))
            .stdin(copy(&pty.slave))
            .stdout(copy(&pty.slave))
            .stderr(copy(&pty.slave));
        Self {
            client: command.spawn().unwrap(),
            master: pty.master.into(),
            seen: String::new(),
        }
    }

    /// Presses keys.
    pub fn type_(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Reads on until `text` has appeared since the last time.
    #[track_caller]
    pub fn see(&mut self, text: &str) -> &mut Self {
        while !self.seen.contains(text) {
            let more = sys::poll::readable_within(&self.master, PATIENCE).unwrap();
            assert!(more, "{text:?} does not come; seen: {:?}", self.seen);
            let mut buffer = [0; 4096];
            // The last slave's end shows as EIO.
            let read = self.master.read(&mut buffer).unwrap_or(0);
            assert!(read > 0, "it ended before {text:?}; seen: {:?}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let rest = self.seen.split_once(text).unwrap().1.to_owned();
        self.seen = rest;
        self
    }

    /// The client's end, reading on meanwhile.
    pub fn end(mut self) -> ExitStatus {
        let mut rest = [0; 4096];
        while sys::poll::readable_within(&self.master, PATIENCE).unwrap()
            && matches!(self.master.read(&mut rest), Ok(1..))
        {}
        self.client.wait().unwrap()
    }
}

fn daemon(kind: Kind) -> Daemon {
    let daemon = Daemon::start(kind);
    daemon.load_images();
    daemon
}

impl Session {
    /// Gives the terminal another size; the client is told by its signal.
    pub fn resize(&self, size: Size) {
        pty::resize(&self.master, size).unwrap();
        rustix::process::kill_process(client(self), rustix::process::Signal::WINCH).unwrap();
    }
}

pub fn a_shell_on_a_terminal(kind: Kind) {
    let daemon = daemon(kind);
    let mut session = Session::start(&daemon, &["run", "--rm", "-it", "--name", "shell", "busybox"]);
    session
        .see("# ")
        .type_("echo $((6*7)); tty\n")
        .see("42")
        .see("/dev/pts/0");
    session.type_("stty size\n").see("30 100");
    let size = Size {
        rows: 41,
        columns: 77,
    };
    session.resize(size);
    // The new size travels by a request of its own.
    session
        .type_("until stty size | grep '41 77'; do :; done; echo resi'zed'\n")
        .see("resized");
    session
        .type_("sh -c 'echo sta''rted; sleep 100'\n")
        .see("started");
    session
        .type_("\u{3}")
        .type_("echo inter'rupted'\n")
        .see("interrupted");
    session.type_("exit 7\n");
    assert_eq!(session.end().code(), Some(7));
    assert_eq!(daemon.ok(&["ps", "-aq"]), "");
}

/// The client itself: the child of `setsid`, which only waits.
fn client(session: &Session) -> rustix::process::Pid {
    let children = format!("/proc/{0}/task/{0}/children", session.client.id());
    let pid = std::fs::read_to_string(children).unwrap();
    let pid = pid.trim().parse().unwrap_or(session.client.id().cast_signed());
    rustix::process::Pid::from_raw(pid).unwrap()
}

pub fn detach_keys_leave_it_running(kind: Kind) {
    let daemon = daemon(kind);
    let mut session = Session::start(&daemon, &["run", "-it", "--name", "shell", "busybox"]);
    session.see("# ").type_("\u{10}\u{11}");
    assert!(session.end().success());
    assert_eq!(
        daemon.ok(&["inspect", "-f", "{{.State.Running}}", "shell"]),
        "true\n"
    );

    let mut session = Session::start(&daemon, &["attach", "--detach-keys", "a,b", "shell"]);
    session
        .type_("\necho back\n")
        .see("back\r\n")
        .type_("ab")
        .see("read escape sequence");
    session.end();

    let mut session = Session::start(&daemon, &["exec", "-it", "shell", "sh"]);
    session
        .see("# ")
        .type_("tty\n")
        .see("/dev/pts/1")
        .type_("exit 3\n");
    assert_eq!(session.end().code(), Some(3));
    daemon.ok(&["rm", "-f", "shell"]);
}

pub fn a_shell_is_started_again(kind: Kind) {
    let daemon = daemon(kind);
    let mut session = Session::start(&daemon, &["run", "-it", "--name", "shell", "busybox"]);
    session.see("# ").type_("exit 4\n");
    assert_eq!(session.end().code(), Some(4));
    for round in 1..=2 {
        let mut session = Session::start(&daemon, &["start", "-ai", "shell"]);
        session.see("# ").type_(&format!("echo round $(({round}+0))\n"));
        session.see(&format!("round {round}"));
        session.type_("until stty size | grep '30 100'; do :; done; exit 5\n");
        assert_eq!(session.end().code(), Some(5));
    }
    daemon.ok(&["rm", "shell"]);
}

pub fn without_a_terminal_ctrl_c_reaches_the_program(kind: Kind) {
    let daemon = daemon(kind);
    let script = "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 0.1; done";
    let mut session = Session::start(&daemon, &["run", "--name", "trap", "busybox", "sh", "-c", script]);
    session.see("up").type_("\u{3}").see("caught");
    assert_eq!(session.end().code(), Some(5));
}
