//! The frames that carry standard output and error in one stream: eight bytes of header (stream
//! number, three zeros, big-endian length), then the payload. A terminal's output has no frames.

use bytes::{BufMut, Bytes, BytesMut};
use engine::Stream;

/// Length of a frame's header in bytes.
const HEADER: usize = 8;

/// The number of a stream; 3 carries the engine's own errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// What went wrong with the stream itself.
    System = 3,
}

impl From<Stream> for Channel {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Stdout => Self::Stdout,
            Stream::Stderr => Self::Stderr,
        }
    }
}

/// How output is written to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As it is.
    Raw,
    /// In frames.
    Multiplexed,
}

impl Framing {
    /// A terminal is one stream and needs no frames.
    pub(crate) fn of(tty: bool) -> Self {
        if tty { Self::Raw } else { Self::Multiplexed }
    }

    /// The bytes that go to the client.
    pub(crate) fn wrap(self, channel: Channel, payload: Bytes) -> Bytes {
        match self {
            Self::Raw => payload,
            Self::Multiplexed => frame(channel, &payload),
        }
    }
}

/// Payloads come from pipes and log lines and are far below the 4 GiB a length can say; a longer
/// one is cut rather than framed wrongly.
fn frame(channel: Channel, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut framed = BytesMut::with_capacity(HEADER + payload.len());
    framed.put_slice(&[channel as u8, 0, 0, 0]);
    framed.put_u32(length);
    framed.put_slice(&payload[..length as usize]);
    framed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_byte_exact() {
        let wrap = |framing: Framing, channel| framing.wrap(channel, Bytes::from_static(b"hi")).to_vec();
        assert_eq!(
            wrap(Framing::of(false), Channel::Stdout),
            [1, 0, 0, 0, 0, 0, 0, 2, b'h', b'i']
        );
        assert_eq!(wrap(Framing::of(false), Channel::from(Stream::Stderr))[0], 2);
        assert_eq!(wrap(Framing::of(false), Channel::System)[0], 3);
        assert_eq!(wrap(Framing::of(true), Channel::Stderr), b"hi");
    }
}
