//! What the registry holds, and those who pull beside daemons.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use testkit::daemon::Namespace;
use testkit::registry::Registry;

use super::turns::Peer;
use super::{Puller, mix, run, text};

/// What the commands that ran so far have used.
pub(super) fn children() -> Option<Duration> {
    sys::usage::children().ok().map(|usage| usage.cpu)
}

/// A process that is ended with this value.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Puts an image into a registry, compressed as its tag says: `gzip` or `zstd`.
pub(super) fn fill(registry: &Registry, tag: &str, number: usize) -> io::Result<()> {
    let archive = mix::archive(registry.directory(), number)?;
    let from = format!("docker-archive:{}", text(&archive));
    let to = format!("docker://{}", image(registry, tag, number));
    let format = if tag == "gzip" { "v2s2" } else { "oci" };
    let mut command = registry.command("skopeo copy --quiet --dest-tls-verify=false");
    command.args(["--format", format, "--dest-compress-format", tag, &from, &to]);
    run(&mut command)?;
    fs::remove_file(archive)
}

pub(super) fn image(registry: &Registry, tag: &str, number: usize) -> String {
    format!("{}/mix-{number}:{tag}", registry.host())
}

/// Podman, a process for each pull.
pub(super) struct Podman {
    namespace: Arc<Namespace>,
    root: PathBuf,
}

impl Podman {
    pub(super) fn new(namespace: &Arc<Namespace>, directory: &Path) -> Self {
        Self {
            namespace: namespace.clone(),
            root: directory.join("podman"),
        }
    }

    fn command(&self) -> Command {
        let mut command = self.namespace.command("podman");
        command.args(["--root", &text(&self.root.join("root"))]);
        command.args(["--runroot", &text(&self.root.join("run"))]);
        command.args(["--tmpdir", &text(&self.root.join("tmp"))]);
        command
    }
}

impl Peer for Podman {
    fn name(&self) -> String {
        "podman".to_owned()
    }

    fn cpu(&self) -> Option<Duration> {
        children()
    }
}

impl Puller for Podman {
    fn pull(&mut self, image: &str) -> io::Result<()> {
        run(self
            .command()
            .args(["pull", "--quiet", "--tls-verify=false", image]))
    }
}

/// containerd, asked by ctr.
pub(super) struct Ctr {
    _process: Running,
    namespace: Arc<Namespace>,
    socket: PathBuf,
}

impl Ctr {
    pub(super) fn start(namespace: &Arc<Namespace>, directory: &Path) -> io::Result<Self> {
        let directory = directory.join("containerd");
        fs::create_dir_all(&directory)?;
        let socket = directory.join("containerd.sock");
        let mut command = namespace.command("containerd --log-level error");
        command.args(["--root", &text(&directory.join("root"))]);
        command.args(["--state", &text(&directory.join("state"))]);
        command.args(["--address", &text(&socket)]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let this = Self {
            _process: Running(command.spawn()?),
            namespace: namespace.clone(),
            socket,
        };
        // It waits for the daemon to listen.
        run(this.command().args(["--timeout", "30s", "version"]))?;
        Ok(this)
    }

    fn command(&self) -> Command {
        let mut command = self.namespace.command("ctr");
        command.args(["--address", &text(&self.socket), "--namespace", "bench"]);
        command
    }
}

impl Peer for Ctr {
    fn name(&self) -> String {
        "ctr".to_owned()
    }

    /// Most of it is its daemon's.
    fn cpu(&self) -> Option<Duration> {
        None
    }
}

impl Puller for Ctr {
    fn pull(&mut self, image: &str) -> io::Result<()> {
        run(self.command().args(["images", "pull", "--plain-http", image]))
    }
}
