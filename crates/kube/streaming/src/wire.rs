//! A connection's two halves: bytes that come, and commands that become bytes. They run beside each other, so that a
//! client who does not read is still heard.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// The most bytes that are read at once, and that are written at once unless one command is longer.
const PIECE: usize = 64 << 10;

/// How long a client has to end a connection after the server has said everything. Until then what it sends is read: a
/// socket that is closed over unread bytes is reset, and what was sent last is lost with it.
const GOODBYE: Duration = Duration::from_secs(5);

/// Commands that wait for a client to read.
pub(crate) const QUEUE: usize = 8;

/// What comes, and what is left of it.
#[derive(Debug)]
pub(crate) struct Inbound<R> {
    half: R,
    pub(crate) buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Inbound<R> {
    pub(crate) fn new(half: R) -> Self {
        let buffer = BytesMut::new();
        Self { half, buffer }
    }

    /// Waits for more bytes; false when the client has gone. Cancel-safe.
    pub(crate) async fn more(&mut self) -> bool {
        self.buffer.reserve(PIECE);
        let mut limited = (&mut self.half).take(PIECE as u64);
        let read = limited.read_buf(&mut self.buffer).await;
        read.is_ok_and(|read| read > 0)
    }

    /// Reads what nobody wants, until the client has gone or its time is over.
    pub(crate) async fn linger(mut self) {
        let gone = async {
            while self.more().await {
                self.buffer.clear();
            }
        };
        drop(timeout(GOODBYE, gone).await);
    }
}

/// Talks, and says what comes of it. What is left to be said when the talking is over is said in the time of a goodbye;
/// true if all of it was.
pub(crate) async fn told(
    talking: impl Future<Output = ()>,
    speaking: impl Future<Output = io::Result<()>>,
) -> bool {
    let mut speaking = std::pin::pin!(speaking);
    tokio::select! {
        biased;
        // Only a client who is gone ends the speaking first.
        _ = speaking.as_mut() => return false,
        () = talking => {}
    }
    matches!(timeout(GOODBYE, speaking).await, Ok(Ok(())))
}

/// Makes bytes of commands.
pub(crate) trait Encode {
    /// What there is to say.
    type Command;

    /// Writes a command behind what `out` holds.
    fn encode(&mut self, command: &Self::Command, out: &mut BytesMut);
}

/// Writes commands until nobody has one any more, then shuts the half.
///
/// # Errors
/// The client has gone.
pub(crate) async fn send<E: Encode>(
    mut half: impl AsyncWrite + Unpin,
    mut encoder: E,
    mut commands: Receiver<E::Command>,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    while let Some(command) = commands.recv().await {
        encoder.encode(&command, &mut out);
        while out.len() < PIECE
            && let Ok(command) = commands.try_recv()
        {
            encoder.encode(&command, &mut out);
        }
        half.write_all(&out).await?;
        out.clear();
        half.flush().await?;
    }
    half.shutdown().await
}
