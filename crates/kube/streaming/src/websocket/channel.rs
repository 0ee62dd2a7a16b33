//! Several channels in one WebSocket (`channel.k8s.io` and its later versions): a message's first byte names the channel,
//! the rest is the channel's next bytes. In the base64 variants that byte is a digit and the rest is base64, as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::frame::{Opcode, encode};

/// How bytes stand in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As they are.
    Binary,
    /// As base64 in text.
    Base64,
}

/// From version 5 on: the next byte names a channel that is at its end.
const CLOSE: u8 = 255;

/// A piece of a message, as [`super::Event::Data`] has it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The message begins.
    pub first: bool,
    /// The message is over.
    pub last: bool,
    /// Its bytes.
    pub payload: Bytes,
}

/// What a piece of a message brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next bytes of a channel.
    Bytes(u8, Bytes),
    /// A channel is at its end.
    Ended(u8),
    /// Nothing yet, or nothing that means something.
    Nothing,
}

/// Reads and writes messages of one connection.
#[derive(Debug)]
pub struct Channels {
    coding: Coding,
    closes: bool,
    /// The channel of the message that is being read.
    current: Option<u8>,
    /// Characters of base64 that are not four yet.
    rest: Vec<u8>,
}

impl Channels {
    /// `closes`: a client may say that a channel is at its end (version 5).
    pub fn new(coding: Coding, closes: bool) -> Self {
        Self {
            coding,
            closes,
            current: None,
            rest: Vec::new(),
        }
    }

    /// Takes a piece of a message. What is no base64 is left out, as upstream does, which goes on with the next message.
    pub fn take(&mut self, piece: Piece) -> Step {
        let mut payload = piece.payload;
        if piece.first {
            self.current = None;
            self.rest.clear();
        }
        let channel = match self.current {
            Some(channel) => channel,
            None if payload.is_empty() => return Step::Nothing,
            None => {
                let named = payload.split_to(1)[0];
                let channel = match self.coding {
                    Coding::Binary => named,
                    Coding::Base64 => named.wrapping_sub(b'0'),
                };
                self.current = Some(channel);
                channel
            }
        };
        if self.closes && channel == CLOSE {
            return payload.first().map_or(Step::Nothing, |ended| Step::Ended(*ended));
        }
        let bytes = match self.coding {
            Coding::Binary => payload,
            Coding::Base64 => self.decoded(&payload),
        };
        if bytes.is_empty() {
            return Step::Nothing;
        }
        Step::Bytes(channel, bytes)
    }

    fn decoded(&mut self, payload: &[u8]) -> Bytes {
        self.rest.extend_from_slice(payload);
        let whole = self.rest.len() / 4 * 4;
        let ready: Vec<u8> = self.rest.drain(..whole).collect();
        STANDARD.decode(ready).unwrap_or_default().into()
    }

    /// Writes a message of a channel.
    pub fn write(&self, channel: u8, bytes: &[u8], out: &mut BytesMut) {
        match self.coding {
            Coding::Binary => encode(Opcode::Binary, &[channel], bytes, out),
            Coding::Base64 => {
                let text = STANDARD.encode(bytes);
                encode(Opcode::Text, &[b'0'.wrapping_add(channel)], text.as_bytes(), out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first: bool, last: bool, payload: &'static [u8]) -> Piece {
        Piece {
            first,
            last,
            payload: payload.into(),
        }
    }

    #[test]
    fn a_messages_first_byte_names_its_channel() {
        let mut channels = Channels::new(Coding::Binary, true);
        assert_eq!(channels.take(piece(true, true, b"")), Step::Nothing);
        assert_eq!(
            channels.take(piece(true, false, b"\x00ab")),
            Step::Bytes(0, "ab".into())
        );
        assert_eq!(
            channels.take(piece(false, true, b"cd")),
            Step::Bytes(0, "cd".into())
        );
        assert_eq!(channels.take(piece(true, false, b"\x04")), Step::Nothing);
        assert_eq!(
            channels.take(piece(false, true, b"{}")),
            Step::Bytes(4, "{}".into())
        );
        assert_eq!(channels.take(piece(true, true, b"\xff\x00")), Step::Ended(0));
    }

    #[test]
    fn before_version_five_no_channel_has_an_end() {
        let mut channels = Channels::new(Coding::Binary, false);
        assert_eq!(
            channels.take(piece(true, true, b"\xff\x00")),
            Step::Bytes(255, "\0".into())
        );
    }

    #[test]
    fn base64_is_decoded_however_it_is_cut() {
        let mut channels = Channels::new(Coding::Base64, false);
        assert_eq!(channels.take(piece(true, false, b"0Zm")), Step::Nothing);
        assert_eq!(
            channels.take(piece(false, false, b"9vC")),
            Step::Bytes(0, "foo".into())
        );
        assert_eq!(
            channels.take(piece(false, true, b"g==")),
            Step::Bytes(0, "\n".into())
        );
        assert_eq!(channels.take(piece(true, true, b"0!!!!")), Step::Nothing);
        let mut out = BytesMut::new();
        channels.write(1, b"\n", &mut out);
        assert_eq!(out[..], *b"\x81\x051Cg==");
    }
}
