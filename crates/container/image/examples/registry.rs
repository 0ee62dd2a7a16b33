//! What our own registry's store costs: a blob of 1 MB uploaded, a manifest pushed, a manifest read, in
//! microseconds, median and p99; and how long a node with so many manifests takes to open.
//!
//! `cargo run --release -p image --example registry -- DIRECTORY [MANIFESTS]`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driver::{RealDir, Rng, SystemClock};
use image::{Config, Descriptor, Digest, Images, Inline, Limits, Push, media_type};
use store::{Embedded, Options};

const REPOSITORY: &str = "localhost:5000/team/app";
const LAYERS: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let within = arguments.next().ok_or("DIRECTORY [MANIFESTS]")?;
    let manifests: usize = arguments.next().map_or(Ok(1000), |text| text.parse())?;
    let directory = tempfile::tempdir_in(within)?;
    std::fs::create_dir(directory.path().join("node"))?;
    let images = open(directory.path())?;
    let mut times: [Vec<Duration>; 3] = Default::default();
    let shared: Vec<Descriptor> = (0..LAYERS)
        .map(|layer| upload(&images, format!("layer {layer}").as_bytes()))
        .collect::<Result<_, _>>()?;
    for number in 0..manifests {
        let mut blob = vec![0_u8; 1 << 20];
        blob[..8].copy_from_slice(&number.to_le_bytes());
        if number < 200 {
            let start = Instant::now();
            upload(&images, &blob)?;
            times[0].push(start.elapsed());
        }
        let bytes = manifest(&images, number, &shared)?;
        let tags = [format!("t{number}")];
        let push = Push {
            repository: REPOSITORY,
            digest: None,
            tags: &tags,
            media_type: media_type::MANIFEST,
        };
        let start = Instant::now();
        images.push_manifest(&push, &bytes)?;
        times[1].push(start.elapsed());
        let reference = format!("{REPOSITORY}:t{number}").parse()?;
        let start = Instant::now();
        drop(images.manifest_in(&reference)?.ok_or("it is not there")?);
        times[2].push(start.elapsed());
    }
    for (name, times) in ["upload of 1 MB", "manifest pushed", "manifest read"]
        .iter()
        .zip(&mut times)
    {
        times.sort_unstable();
        let at = |fraction: usize| times[times.len() * fraction / 100].as_micros();
        println!("{name:16} p50 {:6}  p99 {:6} µs", at(50), at(99));
    }
    drop(images);
    let store = store(directory.path())?;
    let start = Instant::now();
    let images = with(directory.path(), store)?;
    println!(
        "{manifests} manifests, {} images: opened in {:.1} ms",
        images.list().len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn upload(images: &Images, bytes: &[u8]) -> Result<Descriptor, Box<dyn Error>> {
    let mut upload = images.begin_blob(image::DigestAlgorithm::default());
    upload.append(bytes)?;
    let digest = Digest::of(bytes);
    let size = images.finish_blob(upload, &digest, REPOSITORY)?;
    Ok(Descriptor::new(media_type::LAYER_GZIP, digest, size))
}

/// An image of its own for each number.
fn manifest(images: &Images, number: usize, layers: &[Descriptor]) -> Result<Bytes, Box<dyn Error>> {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = serde_json::json!({
        "architecture": image::Platform::host().architecture, "os": "linux", "author": number.to_string(),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let mut of_config = upload(images, config.to_string().as_bytes())?;
    of_config.media_type = media_type::CONFIG.to_owned();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": of_config, "layers": layers,
    });
    Ok(manifest.to_string().into())
}

fn store(path: &Path) -> Result<Embedded, Box<dyn Error>> {
    let rows = Arc::new(RealDir::open(&path.join("node"))?);
    let clock = Arc::new(SystemClock::new());
    Ok(Embedded::open(rows, clock, Rng::from_os()?, Options::default())?)
}

fn open(path: &Path) -> Result<Images, Box<dyn Error>> {
    with(path, store(path)?)
}

fn with(path: &Path, store: Embedded) -> Result<Images, Box<dyn Error>> {
    let config = Config {
        content: path.join("content"),
        snapshots: path.join("snapshots"),
        limits: Limits::default(),
    };
    Ok(Images::open(
        config,
        Arc::new(store),
        Arc::new(Inline),
        Arc::new(SystemClock::new()),
    )?)
}
