//! One connection's two directions. Both are state machines over bytes, apart from each other, so that a client who reads
//! nothing does not keep its own words from being read.

use bytes::{Bytes, BytesMut};

use super::frame::{self, Decoder, Fault, Frame, Reset};
use super::headers::{Headers, Packer, Unpacker};

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It opened a stream.
    Opened {
        /// The stream's number.
        stream: u32,
        /// What it is for.
        headers: Headers,
        /// The client sends nothing on it.
        end: bool,
    },
    /// It sent bytes.
    Data {
        /// The stream's number.
        stream: u32,
        /// The bytes.
        bytes: Bytes,
    },
    /// It sends no more on a stream.
    Ended(u32),
    /// It gave a stream up.
    Reset(u32),
    /// It opened what it must not: to be reset.
    Bad(u32),
    /// It asks whether the server is there: to be answered.
    Ping(u32),
    /// It ends the connection.
    GoAway,
}

/// What a client sends.
#[derive(Debug)]
pub struct Reader {
    decoder: Decoder,
    unpacker: Unpacker,
    /// The last stream that was opened; their numbers are odd and grow (§2.3.2).
    last: u32,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            decoder: Decoder::default(),
            unpacker: Unpacker::new(),
            last: 0,
        }
    }
}

impl Reader {
    /// The next that happened according to `input`, which loses the bytes it was made of; none until there are more.
    ///
    /// # Errors
    /// See [`Fault`]; the connection is of no use then.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Happened>, Fault> {
        while let Some(frame) = self.decoder.next(input)? {
            if let Some(happened) = self.read(frame)? {
                return Ok(Some(happened));
            }
        }
        Ok(None)
    }

    fn read(&mut self, frame: Frame) -> Result<Option<Happened>, Fault> {
        Ok(Some(match frame {
            Frame::SynStream { stream, end, block } => {
                let headers = self.unpacker.unpack(&block)?;
                if stream % 2 == 0 || stream <= self.last {
                    return Ok(Some(Happened::Bad(stream)));
                }
                self.last = stream;
                Happened::Opened { stream, headers, end }
            }
            Frame::Headers { stream, end, block } => {
                self.unpacker.unpack(&block)?;
                return Ok(end.then_some(Happened::Ended(stream)));
            }
            Frame::RstStream { stream } => Happened::Reset(stream),
            // Even ones would answer the server's, which asks nothing.
            Frame::Ping(id) if id % 2 == 1 => Happened::Ping(id),
            Frame::Ping(_) | Frame::Other => return Ok(None),
            Frame::GoAway => Happened::GoAway,
            Frame::Data { stream, bytes } => Happened::Data { stream, bytes },
            Frame::End { stream } => Happened::Ended(stream),
        }))
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Takes a stream that was opened.
    Reply(u32),
    /// Resets one.
    Reset(u32, Reset),
    /// The next bytes of one.
    Data {
        /// The stream's number.
        stream: u32,
        /// The bytes.
        bytes: Bytes,
        /// They are the last.
        end: bool,
    },
    /// Answers a ping.
    Pong(u32),
    /// Ends the connection.
    GoAway,
}

/// What a server sends.
#[derive(Debug)]
pub struct Writer {
    packer: Packer,
    last: u32,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            packer: Packer::new(),
            last: 0,
        }
    }
}

impl Writer {
    /// Writes a command's frames.
    pub fn write(&mut self, command: &Command, out: &mut BytesMut) {
        match command {
            Command::Reply(stream) => {
                self.last = self.last.max(*stream);
                let block = self.packer.pack(&Headers::default());
                frame::write_reply(*stream, &block, out);
            }
            Command::Reset(stream, why) => frame::write_reset(*stream, *why, out),
            Command::Data { stream, bytes, end } => frame::write_data(*stream, bytes, *end, out),
            Command::Pong(id) => frame::write_ping(*id, out),
            Command::GoAway => frame::write_goaway(self.last, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = (0..hex.len()).step_by(2);
        digits
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Vec<Happened>, Fault> {
        let (mut reader, mut input, mut all) = (Reader::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size) {
            input.extend_from_slice(piece);
            while let Some(happened) = reader.next(&mut input)? {
                all.push(happened);
            }
        }
        Ok(all)
    }

    /// The first bytes of kubectl 1.27's exec and 1.30's port-forward.
    const EXEC: &str =
        "80030001000000290000000100000000000078f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff";
    const FORWARD: &str = "800300010000003d0000000100000000000078f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45a024cc6461c0c0c0c0590489c44c50e2663400000000ffff";

    #[test]
    fn what_kubectl_sends_first() {
        for (hex, wanted) in [
            (EXEC, vec![("streamtype", "error")]),
            (
                FORWARD,
                vec![("streamtype", "error"), ("port", "80"), ("requestid", "0")],
            ),
        ] {
            for size in [1, 7, 1000] {
                let all = read(&bytes(hex), size).unwrap();
                let [
                    Happened::Opened {
                        stream: 1,
                        headers,
                        end: false,
                    },
                ] = &all[..]
                else {
                    panic!("{all:?}");
                };
                assert_eq!(headers.0.len(), wanted.len());
                wanted
                    .iter()
                    .for_each(|(name, value)| assert_eq!(headers.get(name), *value));
            }
        }
    }

    #[test]
    fn numbers_of_streams_are_odd_and_grow() {
        let mut twice = bytes(EXEC);
        let mut reader = Reader::default();
        let mut input = BytesMut::from(&twice[..]);
        assert!(matches!(
            reader.next(&mut input),
            Ok(Some(Happened::Opened { stream: 1, .. }))
        ));
        // The same stream again, with a block that goes on where the first one ended: no headers.
        let block = {
            let mut packer = Packer::new();
            packer.pack(&Headers(vec![("streamtype".to_owned(), "error".to_owned())]));
            packer.pack(&Headers::default())
        };
        twice.truncate(18);
        twice[7] = u8::try_from(10 + block.len()).unwrap();
        twice.extend_from_slice(&block);
        input.extend_from_slice(&twice);
        assert_eq!(reader.next(&mut input), Ok(Some(Happened::Bad(1))));
    }

    #[test]
    fn a_servers_frames_are_read_by_a_client() {
        let (mut writer, mut out) = (Writer::default(), BytesMut::new());
        let data = |bytes: &'static str, end| Command::Data {
            stream: 3,
            bytes: bytes.into(),
            end,
        };
        for command in [
            Command::Reply(3),
            Command::Reply(1),
            data("abc", false),
            data("", true),
            Command::Reset(1, Reset::Refused),
            Command::Pong(1),
            Command::GoAway,
        ] {
            writer.write(&command, &mut out);
        }
        let all = [
            Happened::Data {
                stream: 3,
                bytes: "abc".into(),
            },
            Happened::Ended(3),
            Happened::Reset(1),
            Happened::Ping(1),
            Happened::GoAway,
        ];
        assert_eq!(read(&out, 5).unwrap(), all);
    }
}
