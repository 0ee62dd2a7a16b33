//! Port-forward over SPDY: streams in pairs (upstream's `httpStreamHandler`).

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinSet;

use super::Forward;
use super::carry::{Down, Up, carry};
use crate::spdy::{Command, Happened, Headers, Reader, Reset, Writer};
use crate::wire::{Encode, Inbound, QUEUE, send};

/// The most streams that a client has open: two for each connection.
const MAX_STREAMS: usize = 512;

/// Pieces that wait for a pod to take them.
const BACKLOG: usize = 8;

struct Mouth(Writer);

impl Encode for Mouth {
    type Command = Command;

    fn encode(&mut self, command: &Command, out: &mut BytesMut) {
        self.0.write(command, out);
    }
}

/// Serves a client until it leaves; then every connection of its is dropped.
pub(super) async fn serve(forward: Forward, connection: impl AsyncRead + AsyncWrite + Unpin + Send) {
    let (reading, writing) = tokio::io::split(connection);
    let (tell, commands) = mpsc::channel(QUEUE);
    let handler = Handler {
        forward,
        tell,
        waiting: BTreeMap::new(),
        open: BTreeMap::new(),
        carried: JoinSet::new(),
    };
    tokio::select! {
        biased;
        _ = send(writing, Mouth(Writer::default()), commands) => {}
        () = handler.listen(Inbound::new(reading)) => {}
    }
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Error,
    Data,
}

/// The streams of a connection that has not both of them yet.
#[derive(Debug, Default)]
struct Pair {
    error: Option<u32>,
    data: Option<u32>,
}

struct Handler {
    forward: Forward,
    tell: Sender<Command>,
    /// By the request's id.
    waiting: BTreeMap<String, Pair>,
    /// Where the bytes of a data stream go.
    open: BTreeMap<u32, Sender<Up>>,
    /// Each connection is a task of its own, so that one that stands still holds up nobody until its backlog is full.
    carried: JoinSet<()>,
}

impl Handler {
    async fn listen(mut self, mut inbound: Inbound<impl AsyncRead + Unpin>) {
        let mut reader = Reader::default();
        loop {
            let more = match reader.next(&mut inbound.buffer) {
                Ok(Some(Happened::GoAway)) => false,
                Ok(Some(happened)) => self.hear(happened).await,
                Ok(None) => inbound.more().await,
                Err(fault) => {
                    tracing::debug!(%fault, "a client breaks its protocol");
                    false
                }
            };
            if !more {
                return;
            }
        }
    }

    /// Whether the client is still there.
    async fn hear(&mut self, happened: Happened) -> bool {
        let answer = match happened {
            Happened::Opened { stream, headers, .. } => match self.opened(stream, &headers) {
                Ok(()) => Command::Reply(stream),
                Err(why) => {
                    tracing::debug!(stream, why, "a stream is refused");
                    Command::Reset(stream, Reset::Refused)
                }
            },
            Happened::Data { stream, bytes } if !bytes.is_empty() => {
                self.hand_on(stream, Up::Bytes(bytes)).await;
                return true;
            }
            Happened::Ended(stream) => {
                self.hand_on(stream, Up::End).await;
                return true;
            }
            Happened::Reset(stream) => {
                self.open.remove(&stream);
                return true;
            }
            Happened::Bad(stream) => Command::Reset(stream, Reset::ProtocolError),
            Happened::Ping(id) => Command::Pong(id),
            Happened::Data { .. } | Happened::GoAway => return true,
        };
        self.tell.send(answer).await.is_ok()
    }

    async fn hand_on(&mut self, stream: u32, up: Up) {
        if let Some(to) = self.open.get(&stream)
            && to.send(up).await.is_err()
        {
            self.open.remove(&stream);
        }
    }

    /// Takes a stream, and begins the connection that it makes whole.
    fn opened(&mut self, stream: u32, headers: &Headers) -> Result<(), &'static str> {
        while self.carried.try_join_next().is_some() {}
        if self.waiting.len() + 2 * self.carried.len() >= MAX_STREAMS {
            return Err("too many streams");
        }
        let port = headers.get("port").parse().ok().filter(|port| *port > 0_u16);
        let port = port.ok_or("no port")?;
        let purpose = match headers.get("streamtype") {
            "error" => Purpose::Error,
            "data" => Purpose::Data,
            _ => return Err("neither error nor data"),
        };
        let id = request_id(stream, headers.get("requestid"), purpose);
        let pair = self.waiting.entry(id.clone()).or_default();
        let place = match purpose {
            Purpose::Error => &mut pair.error,
            Purpose::Data => &mut pair.data,
        };
        if place.replace(stream).is_some() {
            return Err("the stream is there already");
        }
        if let Pair {
            error: Some(error),
            data: Some(data),
        } = *pair
        {
            self.waiting.remove(&id);
            self.begin(port, error, data);
        }
        Ok(())
    }

    fn begin(&mut self, port: u16, error: u32, data: u32) {
        self.open.retain(|_, to| !to.is_closed());
        let (to, coming) = mpsc::channel(BACKLOG);
        self.open.insert(data, to);
        let (forward, tell) = (self.forward.clone(), self.tell.clone());
        self.carried.spawn(async move {
            let say = |down| match down {
                Down::Bytes(bytes) => of(data, bytes, false),
                Down::Error(text) => of(error, text.into(), true),
                Down::End => of(data, Bytes::new(), true),
            };
            carry(forward, port, coming, tell.clone(), say).await;
            // Its end says that nothing failed; where something did, it is not heard again.
            drop(tell.send(of(error, Bytes::new(), true)).await);
        });
    }
}

const fn of(stream: u32, bytes: Bytes, end: bool) -> Command {
    Command::Data { stream, bytes, end }
}

/// Which streams belong together. Clients that do not say it open the error stream first, and the data stream next.
fn request_id(stream: u32, given: &str, purpose: Purpose) -> String {
    match (given, purpose) {
        ("", Purpose::Error) => stream.to_string(),
        ("", Purpose::Data) => stream.saturating_sub(2).to_string(),
        (given, _) => given.to_owned(),
    }
}
