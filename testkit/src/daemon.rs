//! A daemon to talk to: Gantry, or a real dockerd that proves the cases themselves. Each lives in a network
//! namespace and directories of its own, so any number run side by side.
//!
//! A watchdog takes everything down when the test lets go of it, and so also when the test was killed.
//! Everything here panics when the host refuses what every test needs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::leftovers::Traces;

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This workspace's.
    Gantry,
    /// Debian's, the peer.
    Dockerd,
}

/// A process that ends when its standard input does.
#[derive(Debug)]
struct Held(Child);

impl Held {
    fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::piped()).spawn().expect("a process"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A network namespace with a loopback.
#[derive(Debug)]
pub struct Namespace(Held);

impl Namespace {
    /// Makes one; it goes with this value.
    ///
    /// # Panics
    /// The host refuses.
    #[must_use]
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "sh",
            "-c",
            "busybox ip link set lo up && echo ready && exec cat",
        ]);
        Self::held_by(command)
    }

    /// The one that the tests are in, with its way out. Names and addresses there are to be nobody else's.
    ///
    /// # Panics
    /// There is no shell.
    #[must_use]
    pub fn here() -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "echo ready && exec cat"]);
        Self::held_by(command)
    }

    fn held_by(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut held = Held::spawn(&mut command);
        let mut line = String::new();
        let out = held.0.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "unshare and busybox make a network namespace");
        Self(held)
    }

    /// A process that is there, for commands that name a namespace by one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.0.id()
    }

    /// What to put before a command to run it there.
    #[must_use]
    pub fn enter(&self) -> String {
        format!("nsenter --net=/proc/{}/ns/net", self.0.0.id())
    }

    /// A command to run there; its words are separated by blanks.
    ///
    /// # Panics
    /// Never: there is a first word.
    #[must_use]
    pub fn command(&self, words: &str) -> Command {
        let words = format!("{} {words}", self.enter());
        let mut words = words.split(' ');
        let mut command = Command::new(words.next().expect("a first word"));
        command.args(words).stdin(Stdio::null());
        command
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

/// Looks, when everything else of a node is gone, whether it is.
#[derive(Debug)]
struct Guard {
    kind: Kind,
    node: Traces,
}

impl Guard {
    fn left(&self) -> Vec<String> {
        match self.kind {
            Kind::Gantry => self.node.all(),
            // What else a peer leaves goes with its namespace, and has no name that a node may have later.
            Kind::Dockerd => self.node.groups(),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let left = self.left();
        assert!(
            left.is_empty(),
            "left of {} after its end: {left:#?}",
            self.node.name
        );
    }
}

/// A running daemon; dropping it leaves nothing of it, and panics where Gantry has left something in the kernel.
#[derive(Debug)]
pub struct Daemon {
    /// Which one.
    pub kind: Kind,
    /// Where all of it lies.
    pub directory: PathBuf,
    /// What its groups are named.
    pub name: String,
    /// Further variables of its environment: addresses of its own, where it is not alone.
    settings: String,
    // In this order: the daemon goes, it is seen to be gone, and then its namespace goes.
    _watchdog: Held,
    guard: Guard,
    /// Where it runs.
    pub namespace: Arc<Namespace>,
}

/// Whoever reads of a test's failure reads what its node said last.
impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "beside the words of the panic")]
    fn drop(&mut self) {
        if std::thread::panicking() && self.kind == Kind::Gantry {
            eprintln!("the last lines of {}'s log:\n{}", self.name, self.last_words());
        }
    }
}

impl Daemon {
    /// Starts one and waits until it serves.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(kind: Kind) -> Self {
        Self::start_in(kind, Arc::new(Namespace::new()))
    }

    /// Starts one beside others.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_in(kind: Kind, namespace: Arc<Namespace>) -> Self {
        let daemon = Self::prepare_in(kind, namespace);
        match kind {
            Kind::Gantry => daemon.start_gantry(&[]),
            Kind::Dockerd => daemon.start_dockerd(),
        }
        daemon
    }

    /// Starts a Gantry with more options.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn gantry_with(options: &[&str]) -> Self {
        let daemon = Self::prepare(Kind::Gantry);
        daemon.start_gantry(options);
        daemon
    }

    /// Starts a Gantry that serves the Kubernetes API and does nothing about workloads: what a test makes stays as it
    /// was made.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn api() -> Self {
        let still = STILL.map(|name| format!("-{name}-controller")).join(",");
        Self::gantry_with(&["--without=kubelet,scheduler", &format!("--controllers=*,{still}")])
    }

    /// Everything but the daemon itself.
    ///
    /// # Panics
    /// The host has no room for it.
    #[must_use]
    pub fn prepare(kind: Kind) -> Self {
        Self::prepare_with(kind, Arc::new(Namespace::new()), String::new())
    }

    /// Everything but the daemon itself, beside others.
    ///
    /// # Panics
    /// The host has no room for it.
    #[must_use]
    pub fn prepare_in(kind: Kind, namespace: Arc<Namespace>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % 64;
        let (pods, services) = (64 + number, 128 + number);
        let own = format!(
            "GANTRY_REGISTRY_PORT=0 GANTRY_POD_CIDR=10.{pods}.0.0/16 GANTRY_SERVICE_CIDR=10.{services}.0.0/16"
        );
        Self::prepare_with(kind, namespace, own)
    }

    fn prepare_with(kind: Kind, namespace: Arc<Namespace>, settings: String) -> Self {
        let name = short_name();
        let directory = std::env::temp_dir().join(format!("gantry-{name}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let stop = match kind {
            Kind::Gantry => format!("{} down --timeout 1s", gantry_in(&name, &directory)),
            Kind::Dockerd => format!("NAME={name}; {STOP_DOCKERD}"),
        };
        // It is in the namespace itself: when the test is killed, nobody else may be left there.
        let mut command = namespace.command("setsid --wait sh -c");
        command
            .arg(format!("cat; {stop}; rm -rf {}", directory.display()))
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let guard = Guard {
            kind,
            node: Traces {
                name: name.clone(),
                directory: directory.clone(),
                process: namespace.pid(),
            },
        };
        Self {
            kind,
            name,
            settings,
            _watchdog: Held::spawn(&mut command),
            guard,
            directory,
            namespace,
        }
    }

    /// What Gantry has in the kernel: mounts, control groups, links, an nf_tables table. Nothing once it is down. Of a
    /// peer its control groups.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        self.guard.left()
    }

    /// Takes away what a reboot takes of a network.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn lose_network(&self) {
        self.guard.node.lose_network().expect("links and tables go");
    }

    /// The command line of `gantry` for this node.
    #[must_use]
    pub fn gantry(&self, arguments: &[&str]) -> Command {
        let mut command = self.namespace.command("env");
        command.args(self.settings.split_whitespace());
        command.args(gantry_in(&self.name, &self.directory).split(' '));
        command.args(arguments);
        command
    }

    /// The standard output of a `gantry` command that succeeds.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn gantry_ok(&self, arguments: &[&str]) -> String {
        succeeded("gantry", arguments, &mut self.gantry(arguments))
    }

    /// The exit status and standard error of a `gantry` command that fails.
    ///
    /// # Panics
    /// It succeeds.
    #[track_caller]
    pub fn gantry_fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.gantry(arguments).output().expect("gantry runs");
        assert!(!output.status.success(), "gantry {arguments:?}: {}", all(&output));
        (output.status.code().unwrap_or(-1), text(&output.stderr))
    }

    /// Gantry's RUN directory.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// The end of Gantry's log.
    fn last_words(&self) -> String {
        const LINES: usize = 60;
        let log = std::fs::read_to_string(self.directory.join("data/log/gantry.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn start_gantry(&self, options: &[&str]) {
        let output = self.gantry(&["up", "--detach"]).args(options).output();
        let output = output.expect("gantry runs");
        assert!(output.status.success(), "gantry up: {}", text(&output.stderr));
    }

    fn start_dockerd(&self) {
        let at = |name: &str| format!("{}/{name}", self.directory.display());
        let log = std::fs::File::create(at("log")).expect("a log file");
        // A group of its own, so that its processor time can be told from everybody else's.
        let group = format!("{DOCKERD_GROUP}{}/daemon", self.name);
        let script = format!("mkdir -p {group} && echo 0 > {group}/cgroup.procs; dockerd \"$@\" &");
        let mut command = self.namespace.command("sh -c");
        command
            .args([&script, "dockerd"])
            .args(["--data-root", &at("data"), "--exec-root", &at("run")])
            .args(["--pidfile", &at("pid"), "--host", &self.host()])
            .args(["--cgroup-parent", &self.name])
            .stdout(Stdio::null())
            .stderr(log);
        command.status().expect("a shell runs");
        // dockerd has no other sign than its socket, and answers there once it is ready.
        let mut probe = Command::new("timeout");
        probe
            .args(["60", "sh", "-c", "until docker version; do :; done"])
            .env("DOCKER_HOST", self.host());
        let ready = probe.output().expect("the client runs");
        let log = std::fs::read_to_string(at("log")).unwrap_or_default();
        assert!(ready.status.success(), "dockerd: {log}");
    }

    /// Where it serves.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        match self.kind {
            Kind::Gantry => self.directory.join("run/docker.sock"),
            Kind::Dockerd => self.directory.join("docker.sock"),
        }
    }

    /// For `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The real docker client.
    #[must_use]
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

    /// The standard output of a `docker` command that succeeds.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        succeeded("docker", arguments, &mut self.docker(arguments))
    }

    /// Loads the images that cases use: `busybox`, and `probe`, which holds nothing but the probe.
    ///
    /// # Panics
    /// They cannot be made, or the daemon does not take them.
    pub fn load_images(&self) {
        for (name, image) in [
            ("busybox", crate::image::busybox()),
            ("probe", crate::image::probe()),
        ] {
            let archive = self.directory.join(format!("{name}.tar"));
            std::fs::write(&archive, image).expect("a file");
            let loaded = self.ok(&["load", "--input", &archive.to_string_lossy()]);
            assert!(loaded.contains(name), "{loaded}");
        }
    }

    /// Processor time of the daemon and of every container so far, in nanoseconds.
    #[must_use]
    pub fn cpu(&self) -> u64 {
        let read = |path: String| std::fs::read_to_string(path).ok();
        let v1 = read(format!("{DOCKERD_GROUP}{}/cpuacct.usage", self.name));
        if let Some(nanos) = v1 {
            return nanos.trim().parse().unwrap_or(0);
        }
        let v2 = read(format!("/sys/fs/cgroup/{}/cpu.stat", self.name)).unwrap_or_default();
        let micros = v2.lines().find_map(|line| line.strip_prefix("usage_usec "));
        micros.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) * 1000
    }
}

/// The controllers that act on workloads.
const STILL: [&str; 9] = [
    "deployment",
    "replicaset",
    "job",
    "ttl-after-finished",
    "endpointslice",
    "endpoints",
    "node-lifecycle",
    "taint-eviction",
    "pod-garbage-collector",
];

/// The hierarchy that counts processor time (v1 here, as the peer needs it).
const DOCKERD_GROUP: &str = "/sys/fs/cgroup/cpuacct/";

/// Its mounts too: containers that a killed dockerd leaves keep them. And all of its groups, with those that it and
/// runc have made in them and whoever is still there: a later node may be given the same name, and is asked what it
/// leaves. A group whose last process has just been killed is busy for a moment.
const STOP_DOCKERD: &str = "kill $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do :; done; \
    for each in $(grep -o \"$PWD[^ ]*\" /proc/self/mountinfo); do umount -l $each; done; \
    for _ in $(seq 2000); do \
        ls -d /sys/fs/cgroup/*/$NAME || break; \
        kill -KILL $(find /sys/fs/cgroup/*/$NAME -name cgroup.procs -exec cat {} +); \
        find /sys/fs/cgroup/*/$NAME -depth -type d -exec rmdir {} \\;; \
    done";

fn gantry_in(name: &str, directory: &Path) -> String {
    let at = directory.display();
    format!(
        "env GANTRY_NAME={name} GANTRY_API_PORT=0 GANTRY_KUBELET_PORT=0 GANTRY_DATA_DIR={at}/data GANTRY_RUN_DIR={at}/run {}",
        super::beside_tests("gantry").display()
    )
}

/// Unique on this host among what runs now: the process id, and a number within it.
fn short_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "g{:x}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

#[track_caller]
fn succeeded(program: &str, arguments: &[&str], command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        all(&output)
    );
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output and error, one after the other.
#[must_use]
pub fn all(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}
