//! Frames (SPDY draft 3 §2.2), read as they come: control frames whole, data frames in the pieces that arrive.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The largest control frame that is read, without its head: a header block of 64 KiB and what stands before it.
const MAX_CONTROL: usize = (64 << 10) + 16;

/// What a control frame's first two bytes are: the control bit, and version 3.
const CONTROL: u16 = 0x8003;

/// This side, or the other, is done with a stream.
const FIN: u8 = 0x01;

/// How a client breaks the protocol. The connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Only version 3 is spoken.
    #[error("version {0} is not spoken")]
    Version(u16),
    /// A control frame has a bound.
    #[error("a control frame of {0} bytes is too long")]
    TooLong(usize),
    /// A control frame has the members that its type says.
    #[error("a control frame is too short")]
    TooShort,
    /// A header block cannot be unpacked, or holds too much.
    #[error("a header block cannot be read")]
    Headers,
}

/// Why a stream is reset (§2.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The other broke the protocol.
    ProtocolError = 1,
    /// It shall not be.
    Refused = 3,
    /// Nobody needs it any more.
    Cancel = 5,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A stream begins.
    SynStream { stream: u32, end: bool, block: Bytes },
    /// More headers of a stream, or the answer to one: they must be unpacked, since blocks share one dictionary.
    Headers { stream: u32, end: bool, block: Bytes },
    /// A stream is over.
    RstStream { stream: u32 },
    /// To be answered, if the client asked.
    Ping(u32),
    /// The client opens no more streams and ends.
    GoAway,
    /// Settings, windows, and what is not known.
    Other,
    /// The next bytes of a stream.
    Data { stream: u32, bytes: Bytes },
    /// The client sends no more on a stream.
    End { stream: u32 },
}

/// Reads frames.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The data frame that is being read: its stream, whether it ends it, and the bytes that are missing.
    data: Option<(u32, bool, usize)>,
}

impl Decoder {
    /// The next frame in `input`, which loses the bytes it was made of; none until there are more.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        if self.data.is_none() {
            let Some(first) = input.first_chunk::<8>().copied() else {
                return Ok(None);
            };
            let length = usize::from(first[5]) << 16 | usize::from(first[6]) << 8 | usize::from(first[7]);
            if first[0] & 0x80 != 0 {
                return control(first, length, input);
            }
            input.advance(8);
            let stream = u32::from_be_bytes([first[0], first[1], first[2], first[3]]);
            self.data = Some((stream, first[4] & FIN != 0, length));
        }
        Ok(self.piece(input))
    }

    fn piece(&mut self, input: &mut BytesMut) -> Option<Frame> {
        let (stream, end, left) = self.data.take()?;
        if left > 0 && input.is_empty() {
            self.data = Some((stream, end, left));
            return None;
        }
        let bytes = input.split_to(left.min(input.len())).freeze();
        if left == 0 && end {
            return Some(Frame::End { stream });
        }
        let left = left - bytes.len();
        if left > 0 || end {
            self.data = Some((stream, end, left));
        }
        Some(Frame::Data { stream, bytes })
    }
}

/// A control frame, once all of it is there.
fn control(head: [u8; 8], length: usize, input: &mut BytesMut) -> Result<Option<Frame>, Fault> {
    let version = u16::from_be_bytes([head[0], head[1]]);
    if version != CONTROL {
        return Err(Fault::Version(version & 0x7fff));
    }
    if length > MAX_CONTROL {
        return Err(Fault::TooLong(length));
    }
    if input.len() < 8 + length {
        return Ok(None);
    }
    input.advance(8);
    let body = input.split_to(length).freeze();
    let (kind, end) = (u16::from_be_bytes([head[2], head[3]]), head[4] & FIN != 0);
    read_control(kind, end, body).map(Some)
}

fn read_control(kind: u16, end: bool, mut body: Bytes) -> Result<Frame, Fault> {
    let number = |body: &mut Bytes| body.try_get_u32().map_err(|_| Fault::TooShort);
    Ok(match kind {
        1 => {
            let stream = number(&mut body)? & 0x7fff_ffff;
            // The associated stream, the priority and the slot say nothing here.
            if body.len() < 6 {
                return Err(Fault::TooShort);
            }
            body.advance(6);
            Frame::SynStream {
                stream,
                end,
                block: body,
            }
        }
        2 | 8 => Frame::Headers {
            stream: number(&mut body)? & 0x7fff_ffff,
            end,
            block: body,
        },
        3 => Frame::RstStream {
            stream: number(&mut body)? & 0x7fff_ffff,
        },
        6 => Frame::Ping(number(&mut body)?),
        7 => Frame::GoAway,
        _ => Frame::Other,
    })
}

fn write_control(kind: u16, parts: &[&[u8]], out: &mut BytesMut) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.put_u16(CONTROL);
    out.put_u16(kind);
    out.put_uint(length as u64, 4);
    parts.iter().for_each(|part| out.put_slice(part));
}

/// Accepts a stream, with a block of headers.
pub(super) fn write_reply(stream: u32, block: &[u8], out: &mut BytesMut) {
    write_control(2, &[&stream.to_be_bytes(), block], out);
}

/// Resets a stream.
pub(super) fn write_reset(stream: u32, why: Reset, out: &mut BytesMut) {
    write_control(3, &[&stream.to_be_bytes(), &(why as u32).to_be_bytes()], out);
}

/// Answers a ping.
pub(super) fn write_ping(id: u32, out: &mut BytesMut) {
    write_control(6, &[&id.to_be_bytes()], out);
}

/// Ends the connection; `last` is the client's last stream that was seen to.
pub(super) fn write_goaway(last: u32, out: &mut BytesMut) {
    write_control(7, &[&last.to_be_bytes(), &0_u32.to_be_bytes()], out);
}

/// The largest data frame that is written.
const MAX_DATA: usize = 64 << 10;

/// Writes a stream's next bytes; `end`: and its last.
pub(super) fn write_data(stream: u32, bytes: &[u8], end: bool, out: &mut BytesMut) {
    let mut left = bytes;
    loop {
        let (piece, rest) = left.split_at(left.len().min(MAX_DATA));
        left = rest;
        let flags = if end && left.is_empty() { FIN } else { 0 };
        out.put_u32(stream);
        out.put_u8(flags);
        out.put_uint(piece.len() as u64, 3);
        out.put_slice(piece);
        if left.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, Fault> {
        let (mut decoder, mut input, mut frames) = (Decoder::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size.max(1)) {
            input.extend_from_slice(piece);
            while let Some(frame) = decoder.next(&mut input)? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[test]
    fn control_frames_are_read_whole() {
        let mut out = BytesMut::new();
        write_reset(5, Reset::Cancel, &mut out);
        write_ping(9, &mut out);
        write_goaway(7, &mut out);
        write_reply(3, b"block", &mut out);
        write_control(4, &[&[0; 8]], &mut out);
        for size in 1..out.len() {
            assert_eq!(
                read(&out, size).unwrap(),
                [
                    Frame::RstStream { stream: 5 },
                    Frame::Ping(9),
                    Frame::GoAway,
                    Frame::Headers {
                        stream: 3,
                        end: false,
                        block: "block".into()
                    },
                    Frame::Other
                ]
            );
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let cases = [
            (vec![0x80, 2, 0, 1, 0, 0, 0, 0], Fault::Version(2)),
            (vec![0x80, 3, 0, 1, 0, 0xff, 0, 0], Fault::TooLong(0xff_0000)),
            (vec![0x80, 3, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1], Fault::TooShort),
            (vec![0x80, 3, 0, 6, 0, 0, 0, 1, 0], Fault::TooShort),
        ];
        for (bytes, fault) in cases {
            assert_eq!(read(&bytes, 99).unwrap_err(), fault);
        }
    }

    #[test]
    fn an_end_without_bytes_is_a_frame_of_its_own() {
        let mut out = BytesMut::new();
        write_data(1, b"", true, &mut out);
        assert_eq!(read(&out, 1).unwrap(), [Frame::End { stream: 1 }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn where_bytes_are_cut_means_nothing(
            pieces in proptest::collection::vec((1_u32..4, proptest::collection::vec(any::<u8>(), 0..70_000)), 0..4),
            size in 1_usize..9000,
        ) {
            let mut out = BytesMut::new();
            pieces.iter().for_each(|(stream, bytes)| write_data(*stream, bytes, true, &mut out));
            let (mut got, mut open) = (Vec::new(), Vec::new());
            for frame in read(&out, size).unwrap() {
                match frame {
                    Frame::Data { bytes, .. } => open.extend_from_slice(&bytes),
                    Frame::End { stream } => got.push((stream, std::mem::take(&mut open))),
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(got, pieces);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
            drop(read(&bytes, size));
        }
    }
}
