//! What pulling costs once the bytes are here: a root filesystem is cut into layers as real images have them,
//! and received on some threads by confined workers. Prints milliseconds for each phase. Root.
//!
//! `cargo run --profile profiling -p image --example receive -- ROOTFS.tar DIRECTORY [gzip|zstd|plain] [ROUNDS] [THREADS]`
//! (the compressed layers are kept in DIRECTORY for the next run).
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement reads the clock, prints, and ends where something fails"
)]

use std::collections::VecDeque;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driver::{RealDir, Rng, SystemClock};
use image::{Config, Descriptor, Digest, Images, Limits, WorkerJob, Workers, media_type};
use store::{Embedded, Options};
use sys::launch::{Event, Launch, launch, next};
use sys::program::{Builder, Op, Slot};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is a layer of its own; the rest is the bottom one.
const PARTS: &[&str] = &[
    "./usr/lib/python3",
    "./usr/share/",
    "./var/",
    "./etc/",
    "./usr/sbin/",
    "./opt/",
];

struct Layer {
    descriptor: Descriptor,
    diff_id: Digest,
    file: PathBuf,
}

fn main() -> Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "worker") {
        std::process::exit(image::worker_main(&arguments[1..]).into());
    }
    let text = |at: usize| arguments.get(at).and_then(|text| text.to_str());
    let (Some(archive), Some(directory)) = (text(0), text(1)) else {
        return Err("ROOTFS.tar DIRECTORY [gzip|zstd|plain] [ROUNDS] [THREADS]".into());
    };
    let algorithm = text(2).unwrap_or("gzip");
    let rounds: usize = text(3).unwrap_or("5").parse()?;
    let threads: usize = text(4).unwrap_or("3").parse()?;
    let layers = layers(Path::new(archive), Path::new(directory), algorithm)?;
    for layer in &layers {
        println!(
            "layer {:>10} bytes {}",
            layer.descriptor.size,
            layer.descriptor.digest.short()
        );
    }
    println!("{algorithm}, {threads} threads: received  attached  durable   total (ms)");
    // They go at the end only: an ext4 that has just deleted many files is slow to make new ones.
    let mut nodes = Vec::new();
    for _ in 0..rounds {
        let node = tempfile::tempdir_in(directory)?;
        let times = pull(node.path(), &layers, threads)?;
        nodes.push(node);
        let shown: Vec<String> = times
            .iter()
            .map(|time| format!("{:9.1}", time.as_secs_f64() * 1e3))
            .collect();
        println!("{}", shown.join(" "));
    }
    Ok(())
}

/// One image into an empty node: its layers received, attached, made durable; and all of it.
fn pull(directory: &Path, layers: &[Layer], threads: usize) -> Result<[Duration; 4]> {
    let images = open(directory)?;
    let start = Instant::now();
    let lease = images.lease("pull")?;
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..layers.len()).collect());
    let received: Vec<Mutex<Option<image::Received>>> = layers.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(at) = { waiting.lock().ok().and_then(|mut waiting| waiting.pop_front()) } {
                    let Layer {
                        descriptor,
                        diff_id,
                        file,
                    } = &layers[at];
                    let begun = Instant::now();
                    let mut source = File::open(file).unwrap();
                    let layer = images.receive_layer(descriptor, *diff_id, &mut source, &mut |_| {});
                    *received[at].lock().unwrap() = Some(layer.unwrap());
                    if std::env::var_os("EACH").is_some() {
                        println!("  layer {at}: {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
                    }
                }
            });
        }
    });
    let done = Instant::now();
    let mut below = None;
    for layer in received {
        let layer = layer.into_inner()?.ok_or("a layer is missing")?;
        below = Some(images.attach_layer(&lease, below, layer)?);
    }
    let attached = Instant::now();
    lease.keep()?;
    let kept = Instant::now();
    Ok([done - start, attached - done, kept - attached, kept - start])
}

fn open(path: &Path) -> Result<Images> {
    let rows = path.join("node");
    fs::create_dir(&rows)?;
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
    Ok(Images::open(config, Arc::new(store), Arc::new(Forked), clock)?)
}

/// The layers of the archive, compressed, as files.
fn layers(archive: &Path, directory: &Path, algorithm: &str) -> Result<Vec<Layer>> {
    fs::create_dir_all(directory)?;
    let plain = |part: usize| directory.join(format!("{part}.tar"));
    if !plain(0).exists() {
        split(archive, &plain)?;
    }
    (0..=PARTS.len())
        .map(|part| layer(&plain(part), algorithm))
        .collect()
}

fn split(archive: &Path, plain: &dyn Fn(usize) -> PathBuf) -> Result<()> {
    let create = |part| Ok(tar::Builder::new(io::BufWriter::new(File::create(plain(part))?)));
    let mut parts = (0..=PARTS.len()).map(create).collect::<Result<Vec<_>>>()?;
    let mut source = tar::Archive::new(io::BufReader::new(File::open(archive)?));
    for entry in source.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.to_string_lossy().into_owned();
        let name = if name.starts_with("./") {
            name
        } else {
            format!("./{name}")
        };
        let linked = entry.header().entry_type().is_hard_link();
        let part = PARTS
            .iter()
            .position(|part| name.starts_with(part) && !linked)
            .map_or(0, |part| part + 1);
        let mut header = entry.header().clone();
        if let (true, Some(target)) = (linked || header.entry_type().is_symlink(), entry.link_name()?) {
            let target = target.into_owned();
            parts[part].append_link(&mut header, &path, target)?;
        } else {
            parts[part].append_data(&mut header, &path, &mut entry)?;
        }
    }
    for part in parts {
        part.into_inner()?.flush()?;
    }
    Ok(())
}

fn layer(plain: &Path, algorithm: &str) -> Result<Layer> {
    let bytes = fs::read(plain)?;
    let file = plain.with_extension(algorithm);
    if !file.exists() {
        let encoded = match algorithm {
            "gzip" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&bytes)?;
                encoder.finish()?
            }
            "zstd" => zstd::encode_all(&*bytes, 3)?,
            _ => bytes.clone(),
        };
        fs::write(&file, encoded)?;
    }
    let mut encoded = Vec::new();
    File::open(&file)?.read_to_end(&mut encoded)?;
    let descriptor = Descriptor::new(media_type::LAYER_GZIP, Digest::of(&encoded), encoded.len() as u64);
    let diff_id = Digest::of(&bytes);
    Ok(Layer {
        descriptor,
        diff_id,
        file,
    })
}

/// Starts this program again, as the supervisor starts a worker.
struct Forked;

impl Workers for Forked {
    fn run(&self, job: WorkerJob<'_>) -> io::Result<ExitStatus> {
        let me = std::env::current_exe()?;
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let arguments = [text(me.as_os_str()), "worker".to_owned(), text(&job.arguments[0])];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let count = u8::try_from(job.descriptors.len()).map_err(io::Error::other)?;
        let mut builder = Builder::new(count);
        for number in 0..count {
            builder.push(Op::Dup {
                from: Slot(number),
                to: number.into(),
            });
        }
        builder.push(Op::CloseFrom {
            first: count.into(),
            keep: Slot::NONE,
        });
        let (name, search) = (builder.text(arguments[0]), builder.text(""));
        let (arguments, environment) = (builder.texts(&arguments), builder.texts([""; 0]));
        builder.push(Op::Lookup { name, search }).push(Op::Exec {
            arguments,
            environment,
        });
        let program = builder
            .finish()
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        let owned: io::Result<Vec<_>> = job.descriptors.iter().map(|fd| fd.try_clone_to_owned()).collect();
        let owned = owned?;
        let slots: Vec<_> = owned.iter().map(AsFd::as_fd).collect();
        let launched = launch(&Launch {
            program: &program,
            slots: &slots,
            namespaces: 0,
            inherit: 3,
            cgroup: None,
        })?;
        while !matches!(next(&launched.channel)?, Event::Started) {}
        let mut readable = [rustix::event::PollFd::new(
            &launched.pidfd,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut readable, None)?;
        let status = sys::pidfd::reap(&launched.pidfd)?.ok_or_else(|| io::Error::other("it lives on"))?;
        Ok(ExitStatus::from_raw(status.to_wait()))
    }
}
