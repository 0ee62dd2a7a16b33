//! The demo's node: its directories, its command line, and its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::failed;
use crate::client::http::Daemon;
use crate::failure::Failure;

/// Variables of whoever runs the demo that would make it somebody else's node.
const FOREIGN: [&str; 9] = [
    "GANTRY_BIND",
    "GANTRY_CLUSTER_DOMAIN",
    "GANTRY_CONFIG",
    "GANTRY_DOCKER_SOCKET",
    "GANTRY_NODE_IP",
    "GANTRY_NODE_PORT_RANGE",
    "GANTRY_READY_NAMESPACES",
    "GANTRY_SERVICE_CIDR",
    "GANTRY_WAIT",
];

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
            .stdin(Stdio::null());
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
