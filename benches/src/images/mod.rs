//! Rows 20 to 23: images. Here are the pulls from a registry on loopback (Debian's docker-registry, for everybody), by
//! Gantry, dockerd, podman and containerd's ctr.

pub(crate) mod build;
mod mix;
mod peers;
pub(crate) mod serve;
mod turns;

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use testkit::daemon::{Daemon, Kind, Namespace};
use testkit::registry::Registry;

use crate::Outcome;
use crate::docker::client::Client;
use crate::subject::version;
use peers::{Ctr, Podman, fill, image};
use turns::{Peer, TURNS, compare, timed};

/// Where the registry listens, in its namespace. It is not Gantry's own port.
const PORT: u16 = 5055;
/// Pulls of what is here already, in a turn.
const AGAIN: u32 = 20;

/// Somebody who pulls.
trait Puller: Peer {
    /// Pulls an image of the registry.
    fn pull(&mut self, image: &str) -> io::Result<()>;
}

/// One that speaks the Engine API.
struct Engine {
    name: &'static str,
    client: Client,
    daemon: Daemon,
}

impl Engine {
    fn start(name: &'static str, kind: Kind, namespace: &Arc<Namespace>) -> io::Result<Self> {
        let daemon = Daemon::start_in(kind, namespace.clone());
        Ok(Self {
            name,
            client: Client::connect(&daemon.socket())?,
            daemon,
        })
    }
}

impl Peer for Engine {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn cpu(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.daemon.cpu()))
    }
}

impl Puller for Engine {
    fn pull(&mut self, image: &str) -> io::Result<()> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let path = format!("/v1.41/images/create?fromImage={name}&tag={tag}");
        let said = self.client.text("POST", &path)?;
        if said.contains("\"error\"") || !said.contains("Status: ") {
            return Err(io::Error::other(said));
        }
        Ok(())
    }
}

/// Row 20: an image with gzip layers, nothing of it here.
pub(crate) fn pull_gzip() -> Outcome {
    pulled("gzip", true)
}

/// Row 21: the same with zstd layers, which dockerd 20.10 does not know.
pub(crate) fn pull_zstd() -> Outcome {
    pulled("zstd", false)
}

/// Each pulls as many images as there are turns, and removes none: ext4 is slow to make files where many have just been
/// removed, and would be for the next one too.
fn pulled(tag: &str, dockerd: bool) -> Outcome {
    let (registry, mut pullers) = stage(dockerd, tag, TURNS)?;
    let base = if dockerd { "dockerd" } else { "podman" };
    compare(&mut pullers, base, 1, |puller, round| {
        timed(|| puller.pull(&image(&registry, tag, round)))
    })?;
    Ok(())
}

/// Row 21: what is here already, and has not changed.
pub(crate) fn pull_again() -> Outcome {
    let (registry, mut pullers) = stage(true, "gzip", 1)?;
    let image = image(&registry, "gzip", 0);
    compare(&mut pullers, "dockerd", AGAIN, |puller, _| {
        let whole = timed(|| (0..AGAIN).try_for_each(|_| puller.pull(&image)))?;
        Ok(whole / AGAIN)
    })?;
    Ok(())
}

/// The registry, and who pulls from it.
type Stage = (Registry, Vec<Box<dyn Puller>>);

fn stage(dockerd: bool, tag: &str, images: usize) -> Result<Stage, Box<dyn std::error::Error>> {
    let namespace = Arc::new(Namespace::new());
    let registry = Registry::start(&namespace, PORT);
    (0..images).try_for_each(|number| fill(&registry, tag, number))?;
    let mut pullers: Vec<Box<dyn Puller>> =
        vec![Box::new(Engine::start("gantry", Kind::Gantry, &namespace)?)];
    if dockerd {
        pullers.push(Box::new(Engine::start("dockerd", Kind::Dockerd, &namespace)?));
    }
    pullers.push(Box::new(Podman::new(&namespace, registry.directory())));
    pullers.push(Box::new(Ctr::start(&namespace, registry.directory())?));
    println!("peers: {}", version("dockerd").unwrap_or_default());
    println!("       {}", version("podman").unwrap_or_default());
    println!("       {}", version("containerd").unwrap_or_default());
    Ok((registry, pullers))
}

/// Runs a command to its end, and has its error where it fails.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {said}")))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
