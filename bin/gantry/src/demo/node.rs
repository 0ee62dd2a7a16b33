//! The demo's node: its directories, its command line, and its end.

use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Deserializer, Value};
use sys::clock::boottime;
use tempfile::TempDir;

use super::failed;
use crate::client::http::Daemon;
use crate::failure::Failure;

/// Variables of whoever runs the demo that would make it somebody else's node.
const FOREIGN: [&str; 8] = [
    "GANTRY_BIND",
    "GANTRY_CLUSTER_DOMAIN",
    "GANTRY_CONFIG",
    "GANTRY_DOCKER_SOCKET",
    "GANTRY_NODE_IP",
    "GANTRY_NODE_PORT_RANGE",
    "GANTRY_READY_NAMESPACES",
    "GANTRY_WAIT",
];

/// How long an object may take to become what it should.
const PATIENCE: Duration = Duration::from_secs(120);

/// Taken down when dropped, however far it has come.
pub(super) struct Node {
    directory: TempDir,
    name: String,
}

impl Node {
    /// Nothing runs yet.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("gantry-demo-").tempdir()?;
        fs::create_dir(directory.path().join("context"))?;
        Ok(Self {
            directory,
            // A name has at most 11 characters, a process id at most 22 bits.
            name: format!("demo-{:x}", std::process::id()),
        })
    }

    /// The directory that an image is built from.
    pub(super) fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    /// The directory of the example shop.
    pub(super) fn shop(&self) -> PathBuf {
        self.directory.path().join("shop")
    }

    pub(super) fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// Its API.
    pub(super) fn api(&self) -> Daemon {
        Daemon::new(self.run_dir().join("docker.sock"))
    }

    /// This executable as a command line for this node.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        for variable in FOREIGN {
            command.env_remove(variable);
        }
        command
            .args(words)
            .env("GANTRY_NAME", &self.name)
            .env("GANTRY_DATA_DIR", self.directory.path().join("data"))
            .env("GANTRY_RUN_DIR", self.run_dir())
            .env("GANTRY_API_PORT", "0")
            .env("GANTRY_KUBELET_PORT", "0")
            .env("GANTRY_REGISTRY_PORT", "0")
            .stdin(Stdio::null());
        for (variable, subnet) in ["GANTRY_POD_CIDR", "GANTRY_SERVICE_CIDR"].iter().zip(subnets()) {
            command.env(variable, subnet);
        }
        command
    }

    /// The standard output of a command that must succeed.
    pub(super) fn gantry(&self, words: &[&str]) -> Result<String, Failure> {
        let output = self.command(words).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(format!(
            "`gantry {}` ended with {}: {}{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim_end()
        )))
    }

    /// What `gantry get` shows as JSON.
    pub(super) fn object(&self, which: &[&str]) -> Result<Value, Failure> {
        let shown = self.gantry(&[&["get", "--output", "json"][..], which].concat())?;
        Ok(serde_json::from_str(&shown)?)
    }

    /// An object of those that `gantry get --watch` shows, as soon as it is as `holds` says.
    pub(super) fn until(&self, which: &[&str], holds: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let mut watch = self.command(&[&["get", "--watch", "--output", "json"][..], which].concat());
        let mut watch = watch.stdout(Stdio::piped()).spawn()?;
        let found = watch.stdout.take().map(|out| Patient::new(out).find(holds));
        watch.kill()?;
        watch.wait()?;
        let never = |why: String| failed(format!("{} is not as it should be: {why}", which.join(" ")));
        found
            .unwrap_or_else(|| Err("it is not shown".to_owned()))
            .map_err(never)
    }

    /// Takes it down and looks whether anything is left.
    pub(super) fn end(self) -> Result<(), Failure> {
        self.gantry(&["down", "--timeout", "1s"])?;
        let left = self.left()?;
        if !left.is_empty() {
            return Err(failed(format!("after `down` there is still {}", left.join(", "))));
        }
        let path = self.directory.path().to_owned();
        fs::remove_dir_all(&path)?;
        Ok(())
    }

    fn left(&self) -> Result<Vec<String>, Failure> {
        let directory = self.directory.path().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let mounts = mounts.lines().filter(|line| line.contains(&directory));
        let mut left: Vec<String> = mounts.map(|line| format!("the mount {line}")).collect();
        left.extend(self.processes(&directory)?);
        left.extend(self.groups()?);
        for link in fs::read_dir("/sys/class/net")? {
            let link = link?.file_name().to_string_lossy().into_owned();
            if link.starts_with(&self.name) {
                left.push(format!("the link {link}"));
            }
        }
        Ok(left)
    }

    /// Those of the node: its directory is on their command lines.
    fn processes(&self, directory: &str) -> Result<Vec<String>, Failure> {
        let mut left = Vec::new();
        for process in fs::read_dir("/proc")? {
            // One that has ended since has left nothing.
            let command = fs::read(process?.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            if command.contains(directory) {
                left.push(format!("the process {command}"));
            }
        }
        Ok(left)
    }

    /// In every hierarchy.
    fn groups(&self) -> Result<Vec<String>, Failure> {
        let root = Path::new("/sys/fs/cgroup");
        let mut places = vec![root.join(&self.name)];
        for hierarchy in fs::read_dir(root)? {
            places.push(hierarchy?.path().join(&self.name));
        }
        let left = places.iter().filter(|place| place.exists());
        Ok(left
            .map(|place| format!("the group {}", place.display()))
            .collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.run_dir().exists() {
            // The failure that has brought us here is the one to tell.
            drop(self.command(&["down", "--timeout", "1s"]).output());
        }
    }
}

/// A watch's output, not waited for beyond a moment.
struct Patient {
    out: ChildStdout,
    late: Duration,
}

impl Patient {
    fn new(out: ChildStdout) -> Self {
        let late = boottime() + PATIENCE;
        Self { out, late }
    }

    /// The first object that `holds`, or why there is none.
    fn find(self, holds: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let mut last = Value::Null;
        for object in Deserializer::from_reader(BufReader::new(self)).into_iter() {
            match object {
                Ok(object) if holds(&object) => return Ok(object),
                Ok(object) => last = object,
                Err(error) => return Err(format!("{error}; last seen: {last}")),
            }
        }
        Err(format!("the watch has ended; last seen: {last}"))
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.late.saturating_sub(boottime());
        if sys::poll::readable_within(&self.out, left)? {
            return self.out.read(buffer);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "not in time"))
    }
}

/// Of pods and services: not those of a node with the defaults, nor, mostly, of another demo.
fn subnets() -> [String; 2] {
    let second = 128 + std::process::id() % 64 * 2;
    [second, second + 1].map(|second| format!("10.{second}.0.0/16"))
}
