//! What callers of the [`Engine`](crate::Engine) ask and get.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::attach::Input;
use crate::container::{ContainerId, ImageRef, Owner};
use crate::spec::{ContainerSpec, ExecSpec, Resources, RestartPolicy};

/// A container to be made.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// Its name without slash; absent for a made-up one.
    pub name: Option<String>,
    /// What it is, complete.
    pub spec: ContainerSpec,
    /// Its image; absent for an empty root file system.
    pub image: Option<ImageRef>,
    /// Whose it is.
    pub owner: Owner,
    /// What the door keeps beside it.
    pub door: Value,
}

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What was asked for and means nothing here, in upstream's words.
    pub warnings: Vec<String>,
}

/// How a container is stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// The signal; absent for the container's own.
    pub signal: Option<String>,
    /// Seconds until SIGKILL; -1 for never, absent for the container's own.
    pub timeout: Option<i64>,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remove {
    /// Whether it is killed first.
    pub force: bool,
    /// Whether its anonymous volumes go too.
    pub volumes: bool,
}

/// A change of a container's limits.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// All limits as they are to be; absent to keep them.
    pub resources: Option<Resources>,
    /// The restart policy; absent to keep it.
    pub restart: Option<RestartPolicy>,
    /// What the door keeps from now on; absent to keep it.
    pub door: Option<Value>,
}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// It does not run; also if it never did.
    #[default]
    NotRunning,
    /// Its next exit.
    NextExit,
    /// Its removal.
    Removed,
}

/// Which streams a client attaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attach {
    /// Input, where the container has it open.
    pub stdin: bool,
    /// Output.
    pub stdout: bool,
    /// Errors.
    pub stderr: bool,
    /// Whether what was logged comes first.
    pub logs: bool,
    /// Whether what is written from now on comes.
    pub stream: bool,
}

/// An output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, or all there is of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A client's end of a process's streams.
#[derive(Debug)]
pub struct Attached {
    /// Whether there is a terminal: then output is one raw stream.
    pub tty: bool,
    /// Output; ends when the process has ended and all of it has come.
    pub output: mpsc::Receiver<(Stream, Bytes)>,
    /// Input, if it was asked for and is there.
    pub input: Option<Input>,
}

/// A further process that has run to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSync {
    /// How it ended; absent if it was killed when its time was up.
    pub code: Option<i32>,
    /// The beginning of what it wrote, as it came.
    pub output: Vec<(Stream, Bytes)>,
}

impl ExecSync {
    /// Output and errors as they came.
    #[must_use]
    pub fn all(&self) -> Vec<u8> {
        let chunks = self.output.iter();
        chunks.flat_map(|(_, chunk)| chunk.iter().copied()).collect()
    }

    /// What came of one stream.
    #[must_use]
    pub fn of(&self, stream: Stream) -> Vec<u8> {
        let chunks = self.output.iter().filter(|(from, _)| *from == stream);
        chunks.flat_map(|(_, chunk)| chunk.iter().copied()).collect()
    }
}

/// A further process of a container, as `GET /exec/ID/json` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
    /// Its container.
    pub container: ContainerId,
    /// What it is.
    pub spec: ExecSpec,
    /// Whether it runs.
    pub running: bool,
    /// Its process id on the host; 0 if it does not run.
    pub pid: u32,
    /// How it ended; absent before.
    pub exit_code: Option<i32>,
}
