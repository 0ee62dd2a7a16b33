//! Rows 20 and 21: pulls from a registry on loopback (Debian's docker-registry, for everybody), by Gantry, dockerd,
//! podman and containerd's ctr.

mod mix;
mod peers;

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::daemon::{Daemon, Kind, Namespace};
use testkit::registry::Registry;

use crate::Outcome;
use crate::docker::client::Client;
use crate::subject::version;
use peers::{Ctr, Podman, fill, image};

/// Where the registry listens, in its namespace. It is not Gantry's own port.
const PORT: u16 = 5055;
/// Turns that the subjects take.
const ROUNDS: usize = 5;
/// Pulls of what is here already, in a turn.
const AGAIN: usize = 20;

/// Somebody who pulls.
trait Puller {
    fn name(&self) -> String;
    /// Pulls an image of the registry.
    fn pull(&mut self, image: &str) -> io::Result<()>;
    /// Removes it, with all that it is made of.
    fn remove(&mut self, image: &str) -> io::Result<()>;
}

/// One that speaks the Engine API.
struct Engine {
    name: &'static str,
    client: Client,
    _daemon: Daemon,
}

impl Engine {
    fn start(name: &'static str, kind: Kind, namespace: &Arc<Namespace>) -> io::Result<Self> {
        let daemon = Daemon::start_in(kind, namespace.clone());
        Ok(Self {
            name,
            client: Client::connect(&daemon.socket())?,
            _daemon: daemon,
        })
    }
}

impl Puller for Engine {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn pull(&mut self, image: &str) -> io::Result<()> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let path = format!("/v1.41/images/create?fromImage={name}&tag={tag}");
        let said = self.client.text("POST", &path)?;
        if said.contains("\"error\"") || !said.contains("Status: ") {
            return Err(io::Error::other(said));
        }
        Ok(())
    }

    fn remove(&mut self, image: &str) -> io::Result<()> {
        self.client
            .text("DELETE", &format!("/v1.41/images/{image}?force=1"))
            .map(drop)
    }
}

/// Times of one puller.
struct Times {
    name: String,
    times: Vec<Duration>,
}

impl Times {
    fn at(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
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

fn pulled(tag: &str, dockerd: bool) -> Outcome {
    let (registry, mut pullers) = stage(dockerd)?;
    let image = image(&registry, tag);
    let mut times = take_turns(&mut pullers, |puller| {
        let took = timed(|| puller.pull(&image))?;
        puller.remove(&image)?;
        Ok(took)
    })?;
    print(&mut times, if dockerd { "dockerd" } else { "podman" });
    Ok(())
}

/// Row 21: what is here already, and has not changed.
pub(crate) fn pull_again() -> Outcome {
    let (registry, mut pullers) = stage(true)?;
    let image = image(&registry, "gzip");
    let mut times = take_turns(&mut pullers, |puller| {
        let mut whole = Duration::ZERO;
        for _ in 0..AGAIN {
            whole += timed(|| puller.pull(&image))?;
        }
        Ok(whole / u32::try_from(AGAIN).unwrap_or(1))
    })?;
    print(&mut times, "dockerd");
    Ok(())
}

/// The registry, and who pulls from it.
type Stage = (Registry, Vec<Box<dyn Puller>>);

fn stage(dockerd: bool) -> Result<Stage, Box<dyn std::error::Error>> {
    let namespace = Arc::new(Namespace::new());
    let registry = Registry::start(&namespace, PORT);
    fill(&registry)?;
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

fn take_turns(
    pullers: &mut [Box<dyn Puller>],
    mut turn: impl FnMut(&mut dyn Puller) -> io::Result<Duration>,
) -> io::Result<Vec<Times>> {
    let mut all: Vec<Times> = pullers
        .iter()
        .map(|puller| Times {
            name: puller.name(),
            times: Vec::new(),
        })
        .collect();
    for round in 0..=ROUNDS {
        for (puller, times) in pullers.iter_mut().zip(&mut all) {
            // What lies in the page cache of others is not to be written back in this one's time.
            rustix::fs::sync();
            let took = turn(&mut **puller)?;
            // The first round warms the registry's files.
            if round > 0 {
                times.times.push(took);
            }
        }
    }
    Ok(all)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn print(all: &mut [Times], base: &str) {
    let base = all.iter().find(|each| each.name == base).map(|each| each.at(50));
    println!(
        "{:<20} {:>10} {:>10} {:>9}",
        "", "median ms", "slowest ms", "faster"
    );
    for each in all {
        println!(
            "{:<20} {:>10.1} {:>10.1} {:>8.1}x",
            each.name,
            each.at(50),
            each.at(100),
            base.map_or(f64::NAN, |base| base / each.at(50)),
        );
    }
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
