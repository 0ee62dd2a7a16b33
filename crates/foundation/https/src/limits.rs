//! What a door grants to connections, in one place.

use std::time::Duration;

/// Bounds of a door. The defaults are a kube-apiserver's (its `secure_serving.go`), where it has them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; the next ones wait in the kernel's queue.
    pub connections: usize,
    /// For the TLS handshake, from the accepted connection on.
    pub handshake: Duration,
    /// From the end of an answer to the end of the next request's head (HTTP/2: while no stream is open). Where the
    /// door is full, connections without a request end at once.
    pub head: Duration,
    /// Bytes of a request's head, and header lines in it.
    pub head_bytes: u32,
    /// Header lines of a request.
    pub headers: usize,
    /// HTTP/2: requests of one connection at once.
    pub streams: u32,
    /// HTTP/2: bytes of one request's body that may be under way.
    pub stream_window: u32,
    /// Bytes that a connection may hold for a client which does not read: HTTP/1.1 in all, HTTP/2 for each stream.
    pub send_buffer: usize,
    /// Bytes of answers that a connection may hold, with all its streams, before it is given more of them.
    pub connection_buffer: usize,
    /// How long a client may leave what it has asked for unread. A stream (HTTP/2) or connection that takes less than
    /// 128 KiB of what it was given in this time, and less than all of it, is cut off; so is a connection whose sent
    /// bytes stay unacknowledged.
    pub unread: Duration,
    /// The same while others wait for a seat at the door, of a whole connection. Whoever reads slowly keeps nobody out for longer.
    pub unread_when_full: Duration,
    /// How long a connection may be silent before the kernel asks whether its peer is still there.
    pub silent: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(90),
            head_bytes: 256 << 10,
            headers: 256,
            streams: 250,
            stream_window: 256 << 10,
            send_buffer: 256 << 10,
            connection_buffer: 1 << 20,
            unread: Duration::from_secs(30),
            unread_when_full: Duration::from_secs(3),
            silent: Duration::from_secs(120),
        }
    }
}
