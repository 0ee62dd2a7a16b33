//! Frames of RFC 6455 §5, read as they come.
//!
//! A message's payload is handed on in the pieces that arrive, so that no message is too long and none is held: whoever
//! needs it whole bounds it. Only a frame's head and the payload of a control frame wait for the rest of their bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The largest payload of a control frame (§5.5).
const MAX_CONTROL: usize = 125;

/// What a frame is (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation,
    /// A message of text.
    Text,
    /// A message of bytes.
    Binary,
    /// The end.
    Close,
    /// A question whether the other is there.
    Ping,
    /// The answer.
    Pong,
}

impl Opcode {
    const ALL: [(u8, Self); 6] = [
        (0, Self::Continuation),
        (1, Self::Text),
        (2, Self::Binary),
        (8, Self::Close),
        (9, Self::Ping),
        (10, Self::Pong),
    ];

    fn of(bits: u8) -> Result<Self, Fault> {
        let found = Self::ALL.iter().find(|(code, _)| *code == bits);
        found.map(|(_, opcode)| *opcode).ok_or(Fault::Opcode(bits))
    }

    fn bits(self) -> u8 {
        let found = Self::ALL.iter().find(|(_, opcode)| *opcode == self);
        found.map_or(0, |(code, _)| *code)
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of a message.
    Data {
        /// Its first: the message begins.
        first: bool,
        /// Its last: the message is over.
        last: bool,
        /// The bytes; none, if a message is empty or ends late.
        payload: Bytes,
    },
    /// To be answered with the same bytes.
    Ping(Bytes),
    /// Nobody asked.
    Pong,
    /// The client ends the connection, with a code if it gave one.
    Close(Option<u16>),
}

/// How a client breaks the protocol. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Extensions were not agreed on (§5.2).
    #[error("reserved bits are set")]
    Reserved,
    /// Not defined (§5.2).
    #[error("opcode {0} is not known")]
    Opcode(u8),
    /// Clients mask (§5.1).
    #[error("a frame is not masked")]
    Unmasked,
    /// A control frame is short and whole (§5.5).
    #[error("a control frame is too long or in pieces")]
    Control,
    /// Messages come one after the other (§5.4).
    #[error("a message begins or goes on out of turn")]
    Order,
    /// The highest bit of a length is not set (§5.2).
    #[error("a frame is too long")]
    Length,
}

/// The frame that is being read.
#[derive(Clone, Copy, Debug)]
struct Head {
    opcode: Opcode,
    last: bool,
    left: u64,
    mask: [u8; 4],
    /// Bytes of the payload so far, modulo 4: where in the mask it goes on.
    phase: usize,
    /// Nothing of the message was handed on.
    first: bool,
}

/// Reads what a client sends.
#[derive(Debug, Default)]
pub struct Decoder {
    head: Option<Head>,
    /// A message is not over.
    within: bool,
}

impl Decoder {
    /// The next event in `input`, which loses the bytes it was made of; none until there are more.
    ///
    /// # Errors
    /// See [`Fault`]; the decoder is of no use then.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Fault> {
        let Some(mut head) = self
            .head
            .take()
            .map_or_else(|| self.head(input), |head| Ok(Some(head)))?
        else {
            return Ok(None);
        };
        if head.opcode.is_control() {
            return Ok(self.control(head, input));
        }
        let there = usize::try_from(head.left).unwrap_or(usize::MAX).min(input.len());
        if there == 0 && head.left > 0 {
            self.head = Some(head);
            return Ok(None);
        }
        let payload = head.take(input, there);
        let over = head.left == 0;
        let event = Event::Data {
            first: std::mem::take(&mut head.first),
            last: over && head.last,
            payload,
        };
        self.within = !(over && head.last);
        self.head = (!over).then_some(head);
        Ok(Some(event))
    }

    /// The head of the next frame, once all of it is there.
    fn head(&mut self, input: &mut BytesMut) -> Result<Option<Head>, Fault> {
        let [flags, length, ..] = **input else {
            return Ok(None);
        };
        if flags & 0x70 != 0 {
            return Err(Fault::Reserved);
        }
        let (opcode, last) = (Opcode::of(flags & 0x0f)?, flags & 0x80 != 0);
        if length & 0x80 == 0 {
            return Err(Fault::Unmasked);
        }
        let short = usize::from(length & 0x7f);
        self.check(opcode, last, short)?;
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if input.len() < 2 + extended + 4 {
            return Ok(None);
        }
        input.advance(2);
        let left = match extended {
            0 => short as u64,
            _ => input.get_uint(extended),
        };
        if left >> 63 != 0 {
            return Err(Fault::Length);
        }
        let mut mask = [0; 4];
        input.copy_to_slice(&mut mask);
        Ok(Some(Head {
            opcode,
            last,
            left,
            mask,
            phase: 0,
            first: opcode != Opcode::Continuation,
        }))
    }

    fn check(&self, opcode: Opcode, last: bool, length: usize) -> Result<(), Fault> {
        if opcode.is_control() {
            let whole = last && length <= MAX_CONTROL;
            return if whole { Ok(()) } else { Err(Fault::Control) };
        }
        match (opcode == Opcode::Continuation) == self.within {
            true => Ok(()),
            false => Err(Fault::Order),
        }
    }

    /// A control frame, once all of it is there. It may stand between the frames of a message.
    fn control(&mut self, mut head: Head, input: &mut BytesMut) -> Option<Event> {
        let length = usize::try_from(head.left).unwrap_or(usize::MAX);
        if input.len() < length {
            self.head = Some(head);
            return None;
        }
        let mut payload = head.take(input, length);
        Some(match head.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong,
            _ => Event::Close(payload.try_get_u16().ok()),
        })
    }
}

impl Head {
    /// Takes `length` bytes of the payload and takes the mask off (§5.3).
    fn take(&mut self, input: &mut BytesMut, length: usize) -> Bytes {
        let mut payload = input.split_to(length);
        let mut mask = self.mask;
        mask.rotate_left(self.phase);
        for chunk in payload.chunks_mut(4) {
            chunk.iter_mut().zip(mask).for_each(|(byte, key)| *byte ^= key);
        }
        self.phase = (self.phase + length) % 4;
        self.left -= length as u64;
        payload.freeze()
    }
}

/// Writes one whole message or control frame: `prefix`, then `payload`. Servers do not mask.
pub fn encode(opcode: Opcode, prefix: &[u8], payload: &[u8], out: &mut BytesMut) {
    let length = prefix.len() + payload.len();
    out.reserve(length + 10);
    out.put_u8(0x80 | opcode.bits());
    match length {
        0..=125 => out.put_uint(length as u64, 1),
        126..=0xffff => {
            out.put_u8(126);
            out.put_uint(length as u64, 2);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(prefix);
    out.put_slice(payload);
}

/// Writes the end of a connection (§5.5.1): 1000 is a normal one, 1002 a broken protocol.
pub fn close(code: u16, out: &mut BytesMut) {
    encode(Opcode::Close, &code.to_be_bytes(), &[], out);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as clients write it.
    pub(crate) fn masked(flags: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![flags];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let keys = mask.iter().cycle();
        frame.extend(payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
        frame
    }

    /// Everything that comes of these bytes, in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> Result<Vec<Event>, Fault> {
        let (mut decoder, mut input, mut events) = (Decoder::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size.max(1)) {
            input.extend_from_slice(piece);
            while let Some(event) = decoder.next(&mut input)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Messages whole, whatever pieces they came in.
    fn joined(events: Vec<Event>) -> Vec<Event> {
        let (mut all, mut open) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Data { first, last, payload } => {
                    assert_eq!(first, open.is_empty() && first);
                    open.extend_from_slice(&payload);
                    if last {
                        let payload = std::mem::take(&mut open).into();
                        all.push(Event::Data {
                            first: true,
                            last,
                            payload,
                        });
                    }
                }
                other => all.push(other),
            }
        }
        all
    }

    #[test]
    fn examples_of_the_specification() {
        // §5.7
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let data = |payload: &'static [u8]| Event::Data {
            first: true,
            last: true,
            payload: payload.into(),
        };
        assert_eq!(read(&hello, 99).unwrap(), [data(b"Hello")]);
        let mut out = BytesMut::new();
        encode(Opcode::Text, b"Hel", b"lo", &mut out);
        assert_eq!(out[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        out.clear();
        encode(Opcode::Binary, &[], &[7; 256], &mut out);
        assert_eq!(out[..4], [0x82, 0x7e, 0x01, 0x00]);
        out.clear();
        encode(Opcode::Binary, &[], &[7; 65536], &mut out);
        assert_eq!(out[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_kubectl_sends_first() {
        for hex in ["8282ef8b28a0108b", "8282fef3dbbc01f3", "8282d6c58f2e29c5"] {
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let payload = Bytes::from_static(&[255, 0]);
            assert_eq!(
                joined(read(&bytes, 1).unwrap()),
                [Event::Data {
                    first: true,
                    last: true,
                    payload
                }]
            );
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let mask = [1, 2, 3, 4];
        let long = [&[0x89, 0xfe, 0, 126][..], &mask, &[0; 126]].concat();
        let endless = [&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &mask].concat();
        let cases = [
            (masked(0xc2, mask, b"x"), Fault::Reserved),
            (masked(0x83, mask, b"x"), Fault::Opcode(3)),
            (vec![0x82, 1, 0], Fault::Unmasked),
            (masked(0x09, mask, b"x"), Fault::Control),
            (long, Fault::Control),
            (masked(0x80, mask, b"x"), Fault::Order),
            (
                [masked(0x02, mask, b"x"), masked(0x82, mask, b"y")].concat(),
                Fault::Order,
            ),
            (endless, Fault::Length),
        ];
        for (bytes, fault) in cases {
            assert_eq!(read(&bytes, 3).unwrap_err(), fault);
        }
    }

    #[test]
    fn control_frames_stand_between_the_frames_of_a_message() {
        let mask = [9, 8, 7, 6];
        let bytes = [
            masked(0x02, mask, b"ab"),
            masked(0x89, mask, b"ping"),
            masked(0x00, mask, b""),
            masked(0x80, mask, b"cd"),
            masked(0x8a, mask, b""),
            masked(0x88, mask, &1000_u16.to_be_bytes()),
            masked(0x88, mask, b""),
        ]
        .concat();
        for size in 1..bytes.len() {
            let events = joined(read(&bytes, size).unwrap());
            let message = Event::Data {
                first: true,
                last: true,
                payload: "abcd".into(),
            };
            assert_eq!(
                events,
                [
                    Event::Ping("ping".into()),
                    message,
                    Event::Pong,
                    Event::Close(Some(1000)),
                    Event::Close(None)
                ]
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However a stream is cut, the same messages come of it, and no bytes panic.
        #[test]
        fn where_bytes_are_cut_means_nothing(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
            mask in any::<[u8; 4]>(),
            size in 1_usize..400,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| masked(0x82, mask, message)).collect();
            let events = joined(read(&bytes, size).unwrap());
            let wanted: Vec<Event> = messages
                .iter()
                .map(|message| Event::Data { first: true, last: true, payload: message.clone().into() })
                .collect();
            prop_assert_eq!(events, wanted);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
            drop(read(&bytes, size));
        }
    }
}
