//! What is kept of a container between two invocations: one directory below the runtime's root
//! with a JSON document, and the FIFO that its first process waits at while it is only created.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sys::pidfd::{self, Pid};

use super::RuntimeError;
use crate::spec::{self, ContainerStatus, OCI_VERSION, Spec, State};

const DOCUMENT: &str = "state.json";
const CONFIGURATION: &str = "config.json";
const GATE: &str = "start.fifo";

/// A container as it was created.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// Absolute path of its bundle.
    pub bundle: PathBuf,
    /// Absolute path of its root on the host.
    pub rootfs: PathBuf,
    /// Its first process.
    pub pid: i32,
    /// When that process started, in clock ticks since boot: tells it from a later one of the
    /// same id.
    pub start_time: u64,
    /// When the container was created (RFC 3339).
    pub created: String,
    /// Its cgroup, relative to each hierarchy; empty if it has none of its own.
    #[serde(default)]
    pub cgroup: String,
    /// Annotations of its configuration.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// The directory of one container.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// Where the container `id` is kept. An id is one file name, as runc has it.
    pub(super) fn of(root: &Path, id: &str) -> Result<Self, RuntimeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        if id.is_empty() || id.len() > 1024 || matches!(id, "." | "..") || !id.bytes().all(allowed) {
            return Err(RuntimeError::InvalidId(id.to_owned()));
        }
        Ok(Self(root.join(id)))
    }

    /// Claims the id.
    pub(super) fn create(&self, id: &str) -> Result<(), RuntimeError> {
        if let Some(root) = self.0.parent() {
            fs::create_dir_all(root).map_err(|source| RuntimeError::state(id, source))?;
        }
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(RuntimeError::Exists(id.to_owned()))
            }
            other => other.map_err(|source| RuntimeError::state(id, source)),
        }
    }

    pub(super) fn gate(&self) -> PathBuf {
        self.0.join(GATE)
    }

    /// Writes the document so that a reader sees the old one or the new one.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let next = self.0.join("state.json.new");
        let mut file = fs::File::create(&next)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        fs::rename(next, self.0.join(DOCUMENT))
    }

    pub(super) fn read(&self, id: &str) -> Result<Record, RuntimeError> {
        let bytes = fs::read(self.0.join(DOCUMENT)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => RuntimeError::NotFound(id.to_owned()),
            _ => RuntimeError::state(id, source),
        })?;
        serde_json::from_slice(&bytes).map_err(|source| RuntimeError::state(id, source.into()))
    }

    /// Keeps the configuration as it is now: what happens to the bundle's after `create` does not
    /// concern the container (runtime-spec 1.3 §lifecycle).
    pub(super) fn keep_configuration(&self, json: &[u8]) -> io::Result<()> {
        fs::write(self.0.join(CONFIGURATION), json)
    }

    /// The configuration that the container was created with.
    pub(super) fn spec(&self, id: &str) -> Result<Spec, RuntimeError> {
        let bytes = fs::read(self.0.join(CONFIGURATION)).map_err(|source| RuntimeError::state(id, source))?;
        Ok(spec::parse(&bytes)?)
    }

    /// Forgets the container.
    pub(super) fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| RuntimeError::state(id, source)),
        }
    }
}

impl Record {
    /// A descriptor for the container's first process, if it still runs.
    pub(super) fn process(&self) -> Option<std::os::fd::OwnedFd> {
        let pidfd = pidfd::open(Pid::from_raw(self.pid)?).ok()?;
        let alive = stat(self.pid).is_some_and(|stat| stat.start_time == self.start_time && !stat.zombie);
        alive.then_some(pidfd)
    }

    /// The state document (runtime-spec 1.3 §runtime "State").
    pub(super) fn state(&self, gate: &Path) -> State {
        let status = match (self.process().is_some(), gate.exists()) {
            (true, true) => ContainerStatus::Created,
            (true, false) => ContainerStatus::Running,
            (false, _) => ContainerStatus::Stopped,
        };
        State {
            oci_version: OCI_VERSION.to_owned(),
            id: self.id.clone(),
            status,
            bundle: self.bundle.display().to_string(),
            pid: (status != ContainerStatus::Stopped).then(|| self.pid.unsigned_abs()),
            annotations: self.annotations.clone(),
        }
    }
}

/// The fields of `/proc/PID/stat` that tell processes apart.
pub(super) struct Stat {
    pub(super) start_time: u64,
    pub(super) zombie: bool,
}

pub(super) fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

/// The process's name may hold anything, so fields are counted from its closing parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(") ")?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    Some(Stat {
        start_time,
        zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_shift_the_fields() {
        let text = "42 (a) Z 1 (x)) S 1 42 42 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 1 0 123456 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.start_time, stat.zombie), (123_456, false));
        assert!(parse_stat("garbage").is_none());
    }

    #[test]
    fn an_id_is_one_file_name() {
        for id in ["", ".", "..", "a/b", "a b", "\u{e9}"] {
            assert!(Directory::of(Path::new("/run"), id).is_err(), "{id:?}");
        }
        assert!(Directory::of(Path::new("/run"), "web_1+x-2.3").is_ok());
    }
}
