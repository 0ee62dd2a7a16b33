//! Output: one reader, many clients.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use super::input::InputState;
use super::{BACKLOG, CHUNK};
use crate::readiness;
use crate::request::Stream;
use crate::supervised::Streams;

/// The clients of one process: of one run of a container, or of an exec.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Whoever asks the supervisor for a copy; others wait until it is there.
    pub(crate) opening: tokio::sync::Mutex<()>,
    /// The process's input, for those who write to it.
    input: watch::Sender<InputState>,
    /// Whether the process has ended: a reader that sees it takes what is left and goes.
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    clients: Vec<Client>,
    /// How many streams are being read.
    readers: usize,
    /// Whether the process has ended, or never began.
    ended: bool,
}

/// How it stands with a client that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is served.
    Served,
    /// Nothing is read yet.
    Unserved,
    /// It was not added: the process has ended, and the client hears so at once.
    Late,
}

/// Somebody who wants output.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    stdout: bool,
    stderr: bool,
    sender: mpsc::Sender<(Stream, Bytes)>,
}

impl Client {
    /// A client of these streams, and where its output arrives.
    pub(crate) fn new(stdout: bool, stderr: bool) -> (Self, mpsc::Receiver<(Stream, Bytes)>) {
        let (sender, output) = mpsc::channel(BACKLOG);
        let client = Self {
            stdout,
            stderr,
            sender,
        };
        (client, output)
    }

    const fn wants(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        }
    }

    /// Hands over a chunk, waiting for room; whether the client is still there.
    pub(crate) async fn give(&self, stream: Stream, chunk: Bytes) -> bool {
        if self.wants(stream) {
            self.sender.send((stream, chunk)).await.is_ok()
        } else {
            !self.sender.is_closed()
        }
    }

    /// Waits until it has gone.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            input: watch::Sender::new(InputState::Waiting),
            ended: watch::Sender::new(false),
        }
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a client. What is left of an ended process is for those who came before its end.
    pub(crate) fn add(&self, client: Client) -> Added {
        let mut state = self.state();
        if state.ended {
            return Added::Late;
        }
        state.clients.retain(|client| !client.sender.is_closed());
        state.clients.push(client);
        if state.readers > 0 {
            Added::Served
        } else {
            Added::Unserved
        }
    }

    /// Whether the process has ended, or never began.
    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Whether anybody is attached.
    pub(crate) fn has_clients(&self) -> bool {
        let mut state = self.state();
        state.clients.retain(|client| !client.sender.is_closed());
        !state.clients.is_empty()
    }

    /// Whether somebody is attached and nothing is read for them.
    pub(crate) fn is_starved(&self) -> bool {
        self.has_clients() && self.state().readers == 0
    }

    pub(super) fn input(&self) -> watch::Receiver<InputState> {
        self.input.subscribe()
    }

    /// The process runs: its input is this, and whoever is attached is served from these copies.
    pub(crate) fn open(self: &Arc<Self>, streams: Streams) {
        let input = streams.input.map_or(InputState::Ended, InputState::Open);
        let output = streams.output.map(|fd| (Stream::Stdout, fd));
        let error = streams.error.map(|fd| (Stream::Stderr, fd));
        let streams: Vec<_> = output.into_iter().chain(error).collect();
        {
            let mut state = self.state();
            state.readers += streams.len();
            if !state.ended {
                self.input.send_replace(input);
            }
        }
        for (stream, fd) in streams {
            let (hub, ended) = (self.clone(), self.ended.subscribe());
            tokio::spawn(async move {
                if let Err(error) = hub.pass_on(stream, fd, ended).await {
                    tracing::debug!(%error, "a copy of output");
                }
                hub.leave();
            });
        }
    }

    /// The process has ended, or never began: clients get what is left, and their end.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.ended = true;
        self.input.send_replace(InputState::Ended);
        self.ended.send_replace(true);
        if state.readers == 0 {
            state.clients.clear();
        }
    }

    /// Nobody writes to the process any more.
    pub(crate) fn close_input(&self) {
        self.input.send_replace(InputState::Ended);
    }

    /// Reads one stream until it ends, the process has and nothing is left, or nobody listens.
    async fn pass_on(&self, stream: Stream, fd: OwnedFd, mut ended: watch::Receiver<bool>) -> io::Result<()> {
        sys::pipe::set_nonblocking(&fd)?;
        let copy = readiness::watched(fd)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = copy.async_io(Interest::READABLE, |fd| sys::pipe::read(fd.as_fd(), &mut buffer));
            let length = tokio::select! {
                biased;
                read = read => read?,
                _ = ended.wait_for(|ended| *ended) => match sys::pipe::read(copy.get_ref(), &mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    other => other?,
                },
            };
            if length == 0 || !self.give(stream, Bytes::copy_from_slice(&buffer[..length])).await {
                return Ok(());
            }
        }
    }

    /// Hands a chunk to everybody; whether anybody is left.
    async fn give(&self, stream: Stream, chunk: Bytes) -> bool {
        let clients = self.state().clients.clone();
        for client in &clients {
            client.give(stream, chunk.clone()).await;
        }
        self.has_clients()
    }

    /// A reader goes. The last one of a process that has ended takes the clients along.
    fn leave(&self) {
        let mut state = self.state();
        state.readers = state.readers.saturating_sub(1);
        if state.readers == 0 && state.ended {
            state.clients.clear();
        }
    }
}
