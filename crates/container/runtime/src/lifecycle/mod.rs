//! The operations of the OCI runtime (runtime-spec 1.3 §runtime "Operations"), one file each.
//!
//! State lies in a directory, and every operation is complete in itself: there is no daemon. This
//! is what `gantry oci` calls; the engine drives the planner and the supervisor directly.

mod cgroups;
mod create;
mod delete;
mod exec;
mod home;
mod hooks;
mod identity;
mod record;
mod resources;
mod signal;
mod start;

pub use cgroups::{CgroupDirectories, Prepared};
pub use create::{Create, Created, own_namespaces};
pub use exec::Exec;
pub use record::Record;

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::cgroup;
use crate::host::Host;
use crate::launcher::LaunchError;
use crate::plan::PlanError;
use crate::seccomp::CompileError;
use crate::spec::{ContainerStatus, SpecError, State};
use record::Directory;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Not a container id.
    #[error("invalid container id {0:?}: letters, digits and _+-. make one")]
    InvalidId(String),
    /// The id is taken.
    #[error("container with id {0:?} already exists")]
    Exists(String),
    /// There is no such container.
    #[error("container {0:?} does not exist")]
    NotFound(String),
    /// The container is not in the state that the operation needs.
    #[error("{}", wrong_status(id, *status, operation))]
    Status {
        /// Which container.
        id: String,
        /// What it is.
        status: ContainerStatus,
        /// What was asked.
        operation: &'static str,
    },
    /// The container's directory cannot be read or written.
    #[error("state of container {id:?}")]
    State {
        /// Which container.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// The bundle cannot be read.
    #[error("bundle {path}")]
    Bundle {
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// `config.json` is not a configuration.
    #[error("config.json")]
    Spec(#[from] SpecError),
    /// `config.json` asks for what cannot be done.
    #[error("config.json")]
    Plan(#[from] PlanError),
    /// Its seccomp section has no filter.
    #[error("config.json")]
    Seccomp(#[from] CompileError),
    /// The container's process did not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A hook failed.
    #[error("{kind} hook {path}: {reason}")]
    Hook {
        /// Which list it is in.
        kind: &'static str,
        /// Its program.
        path: String,
        /// What happened.
        reason: String,
    },
    /// The process cannot be signalled.
    #[error("cannot signal container {id:?}")]
    Signal {
        /// Which container.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// `linux.cgroupsPath` leads out of the hierarchies.
    #[error("config.json: linux.cgroupsPath: {0:?} is not below the root, or has a .. in it")]
    CgroupsPath(String),
    /// `linux.resources` asks for what this host cannot limit.
    #[error("config.json")]
    Resources(#[from] cgroup::PlanError),
    /// The container's cgroup cannot be made, read or removed.
    #[error("cgroup of container {id:?}")]
    Cgroup {
        /// Which container.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// Something about this host cannot be read.
    #[error("cannot read this host's facts")]
    Host(#[source] io::Error),
}

/// Engines that drive an OCI runtime tell these cases apart by runc's words.
fn wrong_status(id: &str, status: ContainerStatus, operation: &str) -> String {
    match (operation, status) {
        ("kill", ContainerStatus::Stopped) => "container not running".to_owned(),
        ("exec", ContainerStatus::Stopped) => "cannot exec in a stopped container".to_owned(),
        ("start", ContainerStatus::Stopped) => "cannot start a container that has stopped".to_owned(),
        ("start", ContainerStatus::Running) => "cannot start an already running container".to_owned(),
        ("delete", status) => format!("cannot delete container {id} that is not stopped: {status}"),
        (operation, status) => format!("container {id:?} is {status}: cannot {operation} it"),
    }
}

impl RuntimeError {
    fn cgroup(id: &str, source: io::Error) -> Self {
        Self::Cgroup {
            id: id.to_owned(),
            source,
        }
    }

    fn state(id: &str, source: io::Error) -> Self {
        Self::State {
            id: id.to_owned(),
            source,
        }
    }
}

/// The runtime, over one directory of containers.
#[derive(Debug)]
pub struct Runtime {
    root: PathBuf,
    host: Host,
}

impl Runtime {
    /// A runtime whose containers are kept below `root`, which is made when the first one is.
    ///
    /// # Errors
    /// The host's facts cannot be read.
    pub fn new(root: PathBuf) -> Result<Self, RuntimeError> {
        Ok(Self {
            root,
            host: Host::read().map_err(RuntimeError::Host)?,
        })
    }

    /// The `state` operation.
    ///
    /// # Errors
    /// There is no such container.
    pub fn state(&self, id: &str) -> Result<State, RuntimeError> {
        let directory = Directory::of(&self.root, id)?;
        Ok(directory.read(id)?.state(&directory.gate()))
    }

    /// What was recorded when the container was created.
    ///
    /// # Errors
    /// There is no such container.
    pub fn record(&self, id: &str) -> Result<Record, RuntimeError> {
        Directory::of(&self.root, id)?.read(id)
    }

    /// Every container, by id. One that disappears meanwhile is left out.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Vec<(Record, State)>, RuntimeError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| RuntimeError::state("", source))?,
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        let found = |id: String| Some((self.record(&id).ok()?, self.state(&id).ok()?));
        Ok(names.into_iter().filter_map(found).collect())
    }

    /// The record of a container that is in one of the states `allowed`.
    fn expect(
        &self,
        id: &str,
        operation: &'static str,
        allowed: &[ContainerStatus],
    ) -> Result<(Directory, Record), RuntimeError> {
        let directory = Directory::of(&self.root, id)?;
        let record = directory.read(id)?;
        let status = record.state(&directory.gate()).status;
        if !allowed.contains(&status) {
            return Err(RuntimeError::Status {
                id: id.to_owned(),
                status,
                operation,
            });
        }
        Ok((directory, record))
    }
}
