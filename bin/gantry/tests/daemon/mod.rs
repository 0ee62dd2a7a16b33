//! A daemon to talk to: Gantry, or a real dockerd that proves the cases themselves. Each lives in a network
//! namespace and directories of its own, so any number run side by side.
//!
//! A watchdog takes everything down when the test lets go of it, and so also when the test was killed.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of a test binary")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::cases::{path, text, unique};

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Gantry,
    Dockerd,
}

/// A process that ends when its standard input does.
struct Held(Child);

impl Held {
    fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A network namespace with a loopback.
pub struct Namespace(Held);

impl Namespace {
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "sh",
                "-c",
                "busybox ip link set lo up && echo ready && exec cat",
            ])
            .stdout(Stdio::piped());
        let mut held = Held::spawn(&mut command);
        let mut line = String::new();
        BufReader::new(held.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Self(held)
    }

    /// What to put before a command to run it there.
    pub fn enter(&self) -> String {
        format!("nsenter --net=/proc/{}/ns/net", self.0.0.id())
    }

    pub fn command(&self, program: &str) -> Command {
        let mut words = self.enter();
        words.push(' ');
        words.push_str(program);
        let mut words = words.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdin(Stdio::null());
        command
    }
}

/// A running daemon; dropping it leaves nothing of it.
pub struct Daemon {
    pub kind: Kind,
    pub directory: PathBuf,
    pub name: String,
    // In this order: the daemon goes before its namespace.
    _watchdog: Held,
    pub namespace: Namespace,
}

impl Daemon {
    pub fn start(kind: Kind) -> Self {
        let daemon = Self::prepare(kind);
        match kind {
            Kind::Gantry => daemon.start_gantry(),
            Kind::Dockerd => daemon.start_dockerd(),
        }
        daemon
    }

    /// Everything but the daemon itself.
    pub fn prepare(kind: Kind) -> Self {
        let (name, namespace) = (short_name(), Namespace::new());
        let directory = std::env::temp_dir().join(unique("docker"));
        std::fs::create_dir_all(&directory).unwrap();
        let script = match kind {
            Kind::Gantry => format!(
                "cat; {} {} down --timeout 1s; rm -rf {}",
                namespace.enter(),
                gantry_in(&name, &directory),
                path(&directory)
            ),
            Kind::Dockerd => format!("cat; {STOP_DOCKERD} rmdir /sys/fs/cgroup/*/{name}; rm -rf {}", path(&directory)),
        };
        let mut command = Command::new("setsid");
        command
            .args(["--wait", "sh", "-c", &script])
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            kind,
            name,
            _watchdog: Held::spawn(&mut command),
            directory,
            namespace,
        }
    }

    /// The command line of `gantry` for this node.
    pub fn gantry(&self, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command(&gantry_in(&self.name, &self.directory));
        command.args(arguments);
        command
    }

    /// The standard output of a `gantry` command that succeeds.
    #[track_caller]
    pub fn gantry_ok(&self, arguments: &[&str]) -> String {
        let output = self.gantry(arguments).output().unwrap();
        assert!(output.status.success(), "gantry {arguments:?}: {}", all(&output));
        text(&output.stdout)
    }

    /// The exit status and standard error of a `gantry` command that fails.
    #[track_caller]
    pub fn gantry_fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.gantry(arguments).output().unwrap();
        assert!(!output.status.success(), "gantry {arguments:?}: {}", all(&output));
        (output.status.code().unwrap(), text(&output.stderr))
    }

    /// The daemon's RUN directory.
    pub fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    fn start_gantry(&self) {
        let output = self.gantry(&["up", "--detach"]).output().unwrap();
        assert!(
            output.status.success(),
            "gantry up: {}{}",
            text(&output.stderr),
            std::fs::read_to_string(self.directory.join("data/log/gantry.log")).unwrap_or_default()
        );
    }

    fn start_dockerd(&self) {
        let at = |name: &str| format!("{}/{name}", path(&self.directory));
        let log = std::fs::File::create(at("log")).unwrap();
        let mut command = self.namespace.command("dockerd");
        command
            .args(["--data-root", &at("data"), "--exec-root", &at("run")])
            .args(["--pidfile", &at("pid"), "--host", &self.host()])
            .args(["--cgroup-parent", &self.name])
            .stdout(Stdio::null())
            .stderr(log);
        let mut daemon = command.spawn().unwrap();
        // dockerd has no other sign than its socket, and answers there once it is ready.
        let mut probe = Command::new("timeout");
        probe
            .args(["60", "sh", "-c", "until docker version; do :; done"])
            .env("DOCKER_HOST", self.host());
        let ready = probe.output().unwrap();
        if !ready.status.success() {
            let _ = daemon.kill();
            let _ = daemon.wait();
            panic!("dockerd: {}", std::fs::read_to_string(at("log")).unwrap());
        }
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        match self.kind {
            Kind::Gantry => format!("unix://{}/run/docker.sock", path(&self.directory)),
            Kind::Dockerd => format!("unix://{}/docker.sock", path(&self.directory)),
        }
    }

    /// The real docker client.
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CONFIG", self.directory.join("config"))
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", all(&output));
        text(&output.stdout)
    }

    /// Loads the images that cases use: `busybox`, and `probe`, which holds nothing but the probe.
    pub fn load_images(&self) {
        for (name, image) in [("busybox", testkit::image::busybox()), ("probe", testkit::image::probe())] {
            let archive = self.directory.join(format!("{name}.tar"));
            std::fs::write(&archive, image).unwrap();
            let loaded = self.ok(&["load", "--input", path(&archive)]);
            assert!(loaded.contains(name), "{loaded}");
        }
    }
}

/// Its own children first: containers that a killed dockerd leaves would outlive it.
const STOP_DOCKERD: &str = "kill $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do :; done; \
    for each in $(grep -o \"$PWD[^ ]*\" /proc/self/mountinfo); do umount -l $each; done;";

fn gantry_in(name: &str, directory: &Path) -> String {
    let at = path(directory);
    format!(
        "env GANTRY_NAME={name} GANTRY_DATA_DIR={at}/data GANTRY_RUN_DIR={at}/run {}",
        env!("CARGO_BIN_EXE_gantry")
    )
}

/// Unique on this host among what runs now: the process id, and a number within it.
fn short_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("g{:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn all(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
