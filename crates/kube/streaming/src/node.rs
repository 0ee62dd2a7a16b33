//! What a node does for these protocols: the seam between bytes on a connection and containers.
//!
//! Everything is a bounded channel or a pipe, so that a client who does not read holds up its own container's output and
//! nothing else, and whoever implements [`Node`] knows no protocol.

use std::io;

use bytes::Bytes;
use driver::env::Doing;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{Receiver, Sender};

/// Which pod is meant. All three are known: whoever answers a request has found the pod before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodRef {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
}

/// Which container of a pod is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerRef {
    /// The pod.
    pub pod: PodRef,
    /// The container's name in the pod's specification.
    pub container: String,
}

/// What a client wants to be connected with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Io {
    /// It sends input.
    pub stdin: bool,
    /// It takes output.
    pub stdout: bool,
    /// It takes the error output. Never with a terminal, which has one output.
    pub stderr: bool,
    /// The program gets a terminal.
    pub tty: bool,
}

/// Where a program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A program that runs, or a container, with a client at it.
///
/// Dropping a session takes the client away and ends no program: it sees the end of its input, and its output goes
/// nowhere (as where containers run elsewhere).
pub struct Session {
    /// Takes input; dropped, the program's input is at its end. None where none was asked for.
    pub input: Option<Sender<Bytes>>,
    /// What is written. Closed when all outputs are at their end.
    pub output: Receiver<(Stream, Bytes)>,
    /// Takes sizes of the client's terminal: columns, rows.
    pub resize: Sender<(u16, u16)>,
    /// The program's exit code, once it has ended and its last output is in `output`. Of an attached container: 0.
    pub ended: Doing<Result<i32, StreamFault>>,
}

/// Why there is no session, or why one ended without an exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// The pod has no running container of this name.
    #[error("the container is not there")]
    NotFound,
    /// Anything else, in words for the user.
    #[error("{0}")]
    Failed(String),
}

/// What is wanted of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// What comes too, until the container has ended.
    pub follow: bool,
    /// The last lines only, of both outputs together; none for all.
    pub tail: Option<u64>,
    /// Nothing from before; nanoseconds since 1970.
    pub since: Option<i128>,
}

/// One line that a container wrote, or a part of a very long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When, in nanoseconds since 1970.
    pub time: i128,
    /// Where.
    pub stream: Stream,
    /// What, with its newline unless it is a part.
    pub text: Bytes,
}

/// Why there is no log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// There is no such container any more.
    #[error("the container is not there")]
    NotFound,
    /// The log cannot be read.
    #[error("{0}")]
    Failed(String),
}

/// A connection to a port of a pod.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// The containers of a node, as these protocols need them.
pub trait Node: Send + Sync {
    /// Whether the pod has a running container of this name. Asked before a connection is taken over, so that a client
    /// hears of its mistake in HTTP; nothing is promised for the next moment.
    fn runs(&self, of: &ContainerRef) -> bool;

    /// Runs a command in a running container. The answer comes when the program has started.
    fn exec(&self, of: ContainerRef, command: Vec<String>, io: Io) -> Doing<Result<Session, StreamFault>>;

    /// Connects a client with a running container's own program.
    fn attach(&self, of: ContainerRef, io: Io) -> Doing<Result<Session, StreamFault>>;

    /// Connects to a port on the pod's loopback interface (`127.0.0.1`, then `::1`), inside its network namespace.
    fn forward(&self, pod: PodRef, port: u16) -> Doing<io::Result<Box<dyn Pipe>>>;

    /// Reads the log of one container that ran for the pod: `id` is what stands behind `://` in a status' `containerID`.
    /// The channel closes after the last line, or after an error; dropped, the reading ends.
    fn logs(
        &self,
        of: ContainerRef,
        id: String,
        query: LogQuery,
    ) -> Doing<Result<Receiver<io::Result<LogLine>>, LogFault>>;
}
