//! As much of a SPDY client as tests need: headers are stored, not compressed, which zlib's format allows.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A client's end.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    begun: bool,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Reply(u32),
    Reset(u32, u32),
    Ping(u32),
    GoAway,
    Data(u32, Vec<u8>, bool),
}

impl Client {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        let begun = false;
        Self { stream, begun }
    }

    /// Opens a stream.
    pub(crate) async fn open(&mut self, stream: u32, headers: &[(&str, &str)]) {
        let mut plain = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            plain.extend(text.as_bytes());
        }
        // RFC 1950 §2.2 with the dictionary's sum once, then a stored block of RFC 1951 §3.2.4 each time.
        let mut block = Vec::new();
        if !self.begun {
            block.extend([0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2]);
            self.begun = true;
        }
        let length = u16::try_from(plain.len()).unwrap();
        block.push(0);
        block.extend(length.to_le_bytes());
        block.extend((!length).to_le_bytes());
        block.extend(plain);
        let mut body = stream.to_be_bytes().to_vec();
        body.extend([0; 6]);
        body.extend(block);
        self.control(1, &body).await;
    }

    pub(crate) async fn control(&mut self, kind: u8, body: &[u8]) {
        let mut frame = vec![0x80, 3, 0, kind];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body);
        self.stream.write_all(&frame).await.unwrap();
    }

    pub(crate) async fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        let mut frame = stream.to_be_bytes().to_vec();
        let length = u32::try_from(bytes.len()).unwrap() | if end { 1 << 24 } else { 0 };
        frame.extend(length.to_be_bytes());
        frame.extend(bytes);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next that the server says; none when it has closed.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        let first = self.stream.read_u32().await.ok()?;
        let length = self.stream.read_u32().await.unwrap();
        let mut body = vec![0; usize::try_from(length & 0xff_ffff).unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        if first >> 31 == 0 {
            return Some(Said::Data(first, body, length >> 24 == 1));
        }
        let number = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        Some(match first & 0xff {
            2 => Said::Reply(number(0)),
            3 => Said::Reset(number(0), number(4)),
            6 => Said::Ping(number(0)),
            7 => Said::GoAway,
            other => panic!("frame {other}"),
        })
    }

    /// Everything that comes until so many streams have ended, by stream.
    pub(crate) async fn until_ended(&mut self, streams: &[u32]) -> BTreeMap<u32, String> {
        let (mut all, mut left) = (BTreeMap::<u32, String>::new(), streams.to_vec());
        while !left.is_empty() {
            if let Said::Data(stream, bytes, end) = self.next().await.unwrap() {
                all.entry(stream)
                    .or_default()
                    .push_str(&String::from_utf8(bytes).unwrap());
                if end {
                    left.retain(|waiting| *waiting != stream);
                }
            }
        }
        all
    }
}
