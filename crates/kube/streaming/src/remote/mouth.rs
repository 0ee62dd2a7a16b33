//! What a client is told, in its protocol.

use bytes::{Bytes, BytesMut};

use super::{Spoken, Version, channel};
use crate::spdy::{self, Command, Reset};
use crate::websocket::{self, Channels, Opcode};
use crate::wire::Encode;

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// The next bytes of a channel.
    Bytes(u8, Bytes),
    /// The answer to a WebSocket's ping.
    Pong(Bytes),
    /// The client's SPDY stream for a channel is taken.
    Named(u8, u32),
    /// A frame of SPDY.
    Frame(Command),
    /// Nothing more.
    Farewell,
}

/// Says it.
#[derive(Debug)]
pub(super) enum Mouth {
    /// In a WebSocket.
    WebSocket(Channels),
    /// In SPDY: the streams of the channels.
    Spdy(spdy::Writer, [Option<u32>; 5]),
}

impl Mouth {
    pub(super) fn new(spoken: Spoken) -> Self {
        match spoken {
            Spoken::WebSocket(version, coding) => {
                Self::WebSocket(Channels::new(coding, version >= Version::V5))
            }
            Spoken::Spdy(_) => Self::Spdy(spdy::Writer::default(), [None; 5]),
        }
    }
}

impl Encode for Mouth {
    type Command = Say;

    fn encode(&mut self, say: &Say, out: &mut BytesMut) {
        match self {
            Self::WebSocket(channels) => say_in_websocket(channels, say, out),
            Self::Spdy(writer, streams) => say_in_spdy(writer, streams, say, out),
        }
    }
}

/// A normal end (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;

fn say_in_websocket(channels: &Channels, say: &Say, out: &mut BytesMut) {
    match say {
        Say::Bytes(channel, bytes) => channels.write(*channel, bytes, out),
        Say::Pong(bytes) => websocket::encode(Opcode::Pong, &[], bytes, out),
        Say::Farewell => websocket::close(NORMAL, out),
        Say::Named(..) | Say::Frame(_) => {}
    }
}

fn say_in_spdy(writer: &mut spdy::Writer, streams: &mut [Option<u32>; 5], say: &Say, out: &mut BytesMut) {
    match say {
        Say::Bytes(channel, bytes) => {
            if let Some(stream) = streams[usize::from(*channel)] {
                writer.write(&data(stream, bytes.clone(), false), out);
            }
        }
        Say::Named(channel, stream) => {
            streams[usize::from(*channel)] = Some(*stream);
            writer.write(&Command::Reply(*stream), out);
        }
        Say::Frame(command) => writer.write(command, out),
        Say::Farewell => farewell(writer, streams, out),
        Say::Pong(_) => {}
    }
}

/// Ends what the server writes, gives up what the client writes, and then the connection.
fn farewell(writer: &mut spdy::Writer, streams: &[Option<u32>; 5], out: &mut BytesMut) {
    for channel in [channel::STDOUT, channel::STDERR, channel::ERROR] {
        if let Some(stream) = streams[usize::from(channel)] {
            writer.write(&data(stream, Bytes::new(), true), out);
        }
    }
    for channel in [channel::STDIN, channel::RESIZE] {
        if let Some(stream) = streams[usize::from(channel)] {
            writer.write(&Command::Reset(stream, Reset::Cancel), out);
        }
    }
    writer.write(&Command::GoAway, out);
}

const fn data(stream: u32, bytes: Bytes, end: bool) -> Command {
    Command::Data { stream, bytes, end }
}
