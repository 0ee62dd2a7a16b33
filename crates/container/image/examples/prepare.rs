//! What a container's root filesystem costs: `prepare`, `mount` and `release`, median and p99 of
//! so many rounds upon an image of so many layers, in microseconds. Root.
//!
//! `cargo run --release -p image --example prepare -- [ROUNDS] [LAYERS]`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::{RealDir, Rng, SystemClock};
use image::{Commit, CommitLayer, Config, Digest, HistoryRow, ImageConfig, Images, Inline, Limits};
use store::{Embedded, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let rounds = numbers.next().transpose()?.unwrap_or(2000);
    let layers = numbers.next().transpose()?.unwrap_or(5);
    let directory = tempfile::tempdir()?;
    let images = open(directory.path())?;
    let image = stack(&images, layers)?;
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..rounds {
        let owner = format!("{round:064x}");
        let start = Instant::now();
        let rootfs = images.prepare(&owner, image.as_ref())?;
        let prepared = Instant::now();
        let mounted = rootfs.mount()?;
        let done = Instant::now();
        drop(mounted);
        let release = Instant::now();
        images.release(&owner)?;
        times[0].push(prepared - start);
        times[1].push(done - prepared);
        times[2].push(release.elapsed());
    }
    println!("{rounds} rounds upon {layers} layers, µs");
    for (name, times) in ["prepare", "mount", "release"].iter().zip(&mut times) {
        times.sort_unstable();
        let at = |fraction: usize| times[times.len() * fraction / 100].as_micros();
        println!("{name:8} p50 {:5}  p99 {:5}", at(50), at(99));
    }
    Ok(())
}

fn open(path: &std::path::Path) -> Result<Images, Box<dyn Error>> {
    let rows = path.join("node");
    std::fs::create_dir(&rows)?;
    let clock = Arc::new(SystemClock::new());
    let store = Embedded::open(
        Arc::new(RealDir::open(&rows)?),
        clock.clone(),
        Rng::from_os()?,
        Options::default(),
    )?;
    let config = Config {
        content: path.join("content"),
        snapshots: path.join("snapshots"),
        limits: Limits::default(),
    };
    Ok(Images::open(config, Arc::new(store), Arc::new(Inline), clock)?)
}

/// An image of so many layers of one file each.
fn stack(images: &Images, layers: usize) -> Result<Option<Digest>, Box<dyn Error>> {
    let mut top = None;
    for layer in 0..layers {
        let rootfs = images.prepare("build", top.as_ref())?;
        if let Some(upper) = &rootfs.upper {
            std::fs::write(upper.join(layer.to_string()), "x")?;
        }
        let commit = Commit {
            hidden: false,
            parent: top.as_ref(),
            layer: CommitLayer::Move("build"),
            config: ImageConfig::for_host(),
            history: HistoryRow::default(),
            reference: None,
            lease: None,
        };
        top = Some(images.commit(commit)?.id);
    }
    Ok(top)
}
