//! Row 23: the registry. Blobs and manifests come from it, from Debian's docker-registry, and as the same bytes from nginx,
//! which is the ceiling; pushes go to the two registries. One client, one kept connection each.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use testkit::daemon::Daemon;
use testkit::registry::Registry;

use super::mix::{hex, noise};
use super::peers::Running;
use super::turns::{Peer, compare, timed};
use crate::Outcome;
use crate::kube::enter;
use crate::subject::version;

const GANTRY: u16 = 5000;
const DOCKER: u16 = 5055;
const NGINX: u16 = 5056;
/// Bytes of the blob that is read, and of each that is pushed.
const BLOB: usize = 100 << 20;
const PUSHED: usize = 1 << 20;
/// Requests of a turn.
const BLOBS: u32 = 5;
const MANIFESTS: u32 = 2000;
const PUSHES: u32 = 50;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A server, and the connection to it.
struct Server {
    name: &'static str,
    port: u16,
    connection: BufReader<TcpStream>,
    /// Who counts its processor time.
    cpu: Box<dyn Fn() -> Option<Duration>>,
    /// Makes the content of each push different.
    pushed: u64,
}

impl Peer for Server {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn cpu(&self) -> Option<Duration> {
        (self.cpu)()
    }
}

impl Server {
    fn connect(name: &'static str, port: u16, cpu: Box<dyn Fn() -> Option<Duration>>) -> io::Result<Self> {
        Ok(Self {
            name,
            port,
            connection: connection(port)?,
            cpu,
            pushed: 0,
        })
    }

    /// Who pulls has not pushed over the same connection before.
    fn reconnect(&mut self) -> io::Result<()> {
        self.connection = connection(self.port)?;
        Ok(())
    }

    /// Sends a request and reads the answer, whose body is dropped; answers `Location`.
    fn exchange(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<String> {
        // As clients ask: a GET has no body, and no word of one.
        let about = match method {
            "GET" => String::new(),
            _ => format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()),
        };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {MANIFEST}\r\n{about}\r\n");
        self.connection.get_mut().write_all(head.as_bytes())?;
        self.connection.get_mut().write_all(body)?;
        let status = self.line()?;
        let (mut length, mut location) = (0, String::new());
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(io::Error::other)?,
                "location" => value.clone_into(&mut location),
                _ => {}
            }
        }
        io::copy(&mut (&mut self.connection).take(length), &mut io::sink())?;
        match status.split(' ').nth(1) {
            Some(code) if code.starts_with('2') => Ok(location),
            _ => Err(io::Error::other(format!(
                "{}: {method} {path}: {status}",
                self.name
            ))),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn get(&mut self, path: &str, times: u32) -> io::Result<()> {
        (0..times).try_for_each(|_| self.exchange("GET", path, "text/plain", b"").map(drop))
    }

    /// Puts a blob there as clients do.
    fn push_blob(&mut self, blob: &[u8], digest: &str) -> io::Result<()> {
        let location = self.exchange("POST", "/v2/bench/blobs/uploads/", "text/plain", b"")?;
        // Some servers say the whole address.
        let at = location
            .find("/v2/")
            .map_or(location.as_str(), |at| &location[at..]);
        let separator = if at.contains('?') { '&' } else { '?' };
        let path = format!("{at}{separator}digest={digest}");
        self.exchange("PUT", &path, "application/octet-stream", blob)
            .map(drop)
    }

    /// Two blobs and a manifest.
    fn push(&mut self, image: &Image, tag: &str) -> io::Result<()> {
        self.push_blob(&image.layer, &image.layer_digest)?;
        self.push_blob(&image.config, &image.config_digest)?;
        let path = format!("/v2/bench/manifests/{tag}");
        self.exchange("PUT", &path, MANIFEST, &image.manifest).map(drop)
    }

    /// As many images as a turn takes that nobody has seen.
    fn new_images(&mut self) -> io::Result<Vec<Image>> {
        let mut file = noise(PUSHED);
        let mut make = |_| {
            self.pushed += 1;
            file[..8].copy_from_slice(&self.pushed.to_le_bytes());
            Image::new(tar_of(&file)?)
        };
        (0..PUSHES).map(&mut make).collect()
    }
}

fn connection(port: u16) -> io::Result<BufReader<TcpStream>> {
    let connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_nodelay(true)?;
    Ok(BufReader::with_capacity(256 << 10, connection))
}

/// An image of one layer, ready to be pushed.
struct Image {
    layer: Vec<u8>,
    layer_digest: String,
    config: Vec<u8>,
    config_digest: String,
    manifest: Vec<u8>,
}

impl Image {
    fn new(layer: Vec<u8>) -> io::Result<Self> {
        let digest = |bytes: &[u8]| format!("sha256:{}", hex(bytes));
        let layer_digest = digest(&layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        });
        let config = serde_json::to_vec(&config)?;
        let config_digest = digest(&config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": layer.len(),
            }],
        });
        Ok(Self {
            manifest: serde_json::to_vec(&manifest)?,
            layer,
            layer_digest,
            config,
            config_digest,
        })
    }
}

/// Row 23.
pub(crate) fn run() -> Outcome {
    let daemon = Daemon::gantry_with(&[]);
    let registry = Registry::start(&daemon.namespace, DOCKER);
    enter(&daemon)?;
    let pid = registry.pid();
    let mut servers = vec![
        Box::new(Server::connect(
            "gantry",
            GANTRY,
            Box::new(move || Some(Duration::from_nanos(daemon.cpu()))),
        )?),
        Box::new(Server::connect(
            "docker-registry",
            DOCKER,
            Box::new(move || used(pid)),
        )?),
    ];
    println!("peers: {}", version("docker-registry").unwrap_or_default());
    println!("{PUSHES} pushes of an image with a layer of {} MB", PUSHED >> 20);
    compare(&mut servers, "docker-registry", PUSHES, |server, _| {
        let images = server.new_images()?;
        Ok(timed(|| images.iter().try_for_each(|image| server.push(image, "pushed")))? / PUSHES)
    })?;
    let large = Image::new(tar_of(&noise(BLOB))?)?;
    servers
        .iter_mut()
        .try_for_each(|server| server.push(&large, "large").and_then(|()| server.reconnect()))?;
    let directory = tempfile::tempdir()?;
    let (blob, manifest) = (
        format!("/v2/bench/blobs/{}", large.layer_digest),
        "/v2/bench/manifests/large",
    );
    for (path, content) in [(&*blob, &large.layer), (manifest, &large.manifest)] {
        let file = directory.path().join(&path[1..]);
        fs::create_dir_all(file.parent().unwrap_or(directory.path()))?;
        fs::write(file, content)?;
    }
    let (nginx, _running) = nginx(directory.path())?;
    servers.push(Box::new(nginx));
    for (what, path, times) in [
        ("blob of 100 MB", &*blob, BLOBS),
        ("manifest", manifest, MANIFESTS),
    ] {
        println!("GET of a {what}");
        compare(&mut servers, "docker-registry", times, |server, _| {
            Ok(timed(|| server.get(path, times))? / times)
        })?;
    }
    Ok(())
}

fn tar_of(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "file", file)?;
    tar.into_inner()
}

/// nginx as its users set it up for large files, in one process.
fn nginx(root: &Path) -> io::Result<(Server, Running)> {
    let at = root.display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; server {{ \
         listen 127.0.0.1:{NGINX}; root {at}; }} }}\n"
    );
    let file = root.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = std::process::Command::new("nginx");
    command.arg("-c").arg(&file).arg("-e").arg(root.join("error.log"));
    let running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let pid = running.0.id();
    loop {
        match Server::connect("nginx", NGINX, Box::new(move || used(pid))) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            connected => return Ok((connected?, running)),
        }
    }
}

/// Processor time of a process, in the kernel's ticks of a hundredth of a second.
fn used(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_millis((user + system) * 10))
}
