//! What a client says, in its protocol.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncRead;
use tokio::sync::mpsc::Sender;

use super::mouth::Say;
use super::{Spoken, Version, channel};
use crate::Io;
use crate::spdy::{self, Command, Happened, Headers, Reset};
use crate::websocket::{self, Channels, Piece, Step};
use crate::wire::Inbound;

/// What a client may say before it has all its streams, in pieces.
const EARLY: usize = 64;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The next bytes of a channel.
    Bytes(u8, Bytes),
    /// A channel is at its end.
    Ended(u8),
}

/// Hears a client.
pub(super) struct Ears<R> {
    inbound: Inbound<R>,
    protocol: Protocol,
    tell: Sender<Say>,
    early: VecDeque<Heard>,
}

enum Protocol {
    WebSocket(websocket::Decoder, Channels),
    Spdy(spdy::Reader, Streams),
}

/// What comes of some bytes.
enum Turn {
    Heard(Heard),
    Answer(Say),
    Nothing,
    /// The client leaves.
    Left,
}

impl<R: AsyncRead + Unpin + Send> Ears<R> {
    pub(super) fn new(half: R, spoken: Spoken, io: Io, tell: Sender<Say>) -> Self {
        let protocol = match spoken {
            Spoken::WebSocket(version, coding) => Protocol::WebSocket(
                websocket::Decoder::default(),
                Channels::new(coding, version >= Version::V5),
            ),
            Spoken::Spdy(version) => Protocol::Spdy(spdy::Reader::default(), Streams::wanted(io, version)),
        };
        Self {
            inbound: Inbound::new(half),
            protocol,
            tell,
            early: VecDeque::new(),
        }
    }

    /// Waits until the client has all its streams; false if it left, or never stops talking before.
    pub(super) async fn open(&mut self) -> bool {
        while !self.protocol.is_open() {
            match self.turn().await {
                Some(Turn::Heard(_)) if self.early.len() >= EARLY => return false,
                Some(Turn::Heard(heard)) => self.early.push_back(heard),
                Some(_) => {}
                None => return false,
            }
        }
        true
    }

    /// The next that the client said; none when it has left.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        if let Some(early) = self.early.pop_front() {
            return Some(early);
        }
        loop {
            if let Turn::Heard(heard) = self.turn().await? {
                return Some(heard);
            }
        }
    }

    /// One step: what can be answered is answered. None when the client has left.
    async fn turn(&mut self) -> Option<Turn> {
        match self.protocol.turn(&mut self.inbound.buffer) {
            Ok(Some(Turn::Answer(say))) => self.tell.send(say).await.is_ok().then_some(Turn::Nothing),
            Ok(Some(Turn::Left)) => None,
            Ok(Some(turn)) => Some(turn),
            Ok(None) => self.inbound.more().await.then_some(Turn::Nothing),
            Err(fault) => {
                tracing::debug!(fault, "a client breaks its protocol");
                None
            }
        }
    }

    /// What is left of the connection.
    pub(super) fn into_inbound(self) -> Inbound<R> {
        self.inbound
    }
}

impl Protocol {
    fn is_open(&self) -> bool {
        match self {
            Self::WebSocket(..) => true,
            Self::Spdy(_, streams) => streams.missing.is_empty(),
        }
    }

    fn turn(&mut self, input: &mut BytesMut) -> Result<Option<Turn>, String> {
        match self {
            Self::WebSocket(decoder, channels) => {
                let event = decoder.next(input).map_err(|fault| fault.to_string())?;
                Ok(event.map(|event| in_websocket(channels, event)))
            }
            Self::Spdy(reader, streams) => {
                let happened = reader.next(input).map_err(|fault| fault.to_string())?;
                Ok(happened.map(|happened| streams.turn(happened)))
            }
        }
    }
}

fn in_websocket(channels: &mut Channels, event: websocket::Event) -> Turn {
    match event {
        websocket::Event::Data { first, last, payload } => {
            let piece = Piece { first, last, payload };
            match channels.take(piece) {
                Step::Bytes(channel, bytes) => Turn::Heard(Heard::Bytes(channel, bytes)),
                Step::Ended(channel) => Turn::Heard(Heard::Ended(channel)),
                Step::Nothing => Turn::Nothing,
            }
        }
        websocket::Event::Ping(bytes) => Turn::Answer(Say::Pong(bytes)),
        websocket::Event::Pong => Turn::Nothing,
        websocket::Event::Close(_) => Turn::Left,
    }
}

/// The streams that a client has opened, and those that it still has to.
struct Streams {
    missing: Vec<u8>,
    open: Vec<(u32, u8)>,
}

/// What streams are called in their headers.
const NAMES: [(&str, u8); 5] = [
    ("error", channel::ERROR),
    ("stdin", channel::STDIN),
    ("stdout", channel::STDOUT),
    ("stderr", channel::STDERR),
    ("resize", channel::RESIZE),
];

impl Streams {
    fn wanted(io: Io, version: Version) -> Self {
        let wanted = |channel: u8| match channel {
            channel::STDIN => io.stdin,
            channel::STDOUT => io.stdout,
            channel::STDERR => io.stderr,
            channel::RESIZE => io.tty && version >= Version::V3,
            _ => true,
        };
        let missing = NAMES.iter().map(|(_, channel)| *channel);
        Self {
            missing: missing.filter(|channel| wanted(*channel)).collect(),
            open: Vec::new(),
        }
    }

    fn turn(&mut self, happened: Happened) -> Turn {
        match happened {
            Happened::Opened { stream, headers, .. } => Turn::Answer(self.opened(stream, &headers)),
            Happened::Data { stream, bytes } => self.heard(stream, |channel| Heard::Bytes(channel, bytes)),
            Happened::Ended(stream) | Happened::Reset(stream) => self.heard(stream, Heard::Ended),
            Happened::Bad(stream) => Turn::Answer(Say::Frame(Command::Reset(stream, Reset::ProtocolError))),
            Happened::Ping(id) => Turn::Answer(Say::Frame(Command::Pong(id))),
            Happened::GoAway => Turn::Left,
        }
    }

    /// Takes a stream that is expected; others are refused.
    fn opened(&mut self, stream: u32, headers: &Headers) -> Say {
        let name = headers.get("streamtype");
        let channel = NAMES.iter().find(|(own, _)| *own == name).map(|row| row.1);
        let expected = channel.and_then(|channel| {
            let at = self.missing.iter().position(|missing| *missing == channel)?;
            Some(self.missing.swap_remove(at))
        });
        match expected {
            Some(channel) => {
                self.open.push((stream, channel));
                Say::Named(channel, stream)
            }
            None => Say::Frame(Command::Reset(stream, Reset::Refused)),
        }
    }

    fn heard(&self, stream: u32, of: impl FnOnce(u8) -> Heard) -> Turn {
        let open = self.open.iter().find(|(own, _)| *own == stream);
        open.map_or(Turn::Nothing, |(_, channel)| Turn::Heard(of(*channel)))
    }
}
