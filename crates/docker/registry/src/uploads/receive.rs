//! A request's body on its way into an upload: while one piece is hashed and written, the next one comes.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, Sleep, sleep};

use super::Incoming;
use super::session::Length;
use super::table::Turn;
use crate::error::{Code, Fault, internal};

/// How long a client may send nothing of what it has announced: meanwhile nobody else can go on with the upload.
pub(crate) const STALLED: Duration = Duration::from_secs(120);
/// Bytes that are written at a time. So much is held twice for each request.
const PIECE: usize = 512 << 10;
/// What comes in parts that are smaller is copied.
const SMALL: usize = 4 << 10;

/// What has come of an upload: the end of it is not written yet.
pub(crate) struct Received {
    turn: Turn,
    rest: Piece,
}

impl Received {
    /// Writes the rest, which may take a while.
    ///
    /// # Errors
    /// The disk's: how much was written nobody knows then, and it is over.
    pub(crate) fn write(mut self) -> Result<Turn, image::Error> {
        if self.rest.length > 0
            && let Some(incoming) = self.turn.as_mut()
            && let Err(error) = self.rest.write_to(&mut **incoming)
        {
            self.turn.take();
            return Err(error);
        }
        Ok(self.turn)
    }
}

/// Adds a body to an upload. What has come before an error stays in it.
pub(crate) async fn receive<B: Incoming>(
    mut body: B,
    turn: Turn,
    allowed: Length,
) -> Result<Received, Fault> {
    let mut writer = Writer::Idle(turn);
    let mut stalled = pin!(sleep(STALLED));
    let (mut piece, mut taken) = (Piece::default(), 0);
    let end = loop {
        let bytes = match next(&mut body, stalled.as_mut()).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break allowed.end(taken),
            Err(fault) => break Err(fault),
        };
        if let Err(fault) = allowed.take(taken, bytes.len()) {
            break Err(fault);
        }
        taken += bytes.len() as u64;
        piece.add(bytes);
        if piece.length >= PIECE {
            writer = writer.write(std::mem::take(&mut piece)).await?;
        }
    };
    match end {
        Ok(()) => Ok(Received {
            turn: writer.idle().await?,
            rest: piece,
        }),
        // A client that has gone comes back for what is missing, and what it has sent is here.
        Err(fault) => {
            writer.write(piece).await?.idle().await?;
            Err(fault)
        }
    }
}

async fn next<B: Incoming>(body: &mut B, mut stalled: Pin<&mut Sleep>) -> Result<Option<Bytes>, Fault> {
    let frame = tokio::select! {
        // A timer that is not looked at while bytes come costs nothing.
        biased;
        frame = body.frame() => frame,
        () = stalled.as_mut() => {
            let fault = Fault::from(Code::BlobUploadInvalid).status(StatusCode::REQUEST_TIMEOUT);
            return Err(fault.detail("nothing came for too long"));
        }
    };
    match frame {
        None => Ok(None),
        Some(Ok(frame)) => {
            stalled.reset(Instant::now() + STALLED);
            Ok(Some(frame.into_data().unwrap_or_default()))
        }
        Some(Err(error)) => {
            tracing::debug!(%error, "an upload was broken off");
            Err(Code::BlobUploadInvalid.into())
        }
    }
}

/// What is written next.
#[derive(Default)]
struct Piece {
    parts: Vec<Bytes>,
    /// The end of it, in small parts.
    small: BytesMut,
    length: usize,
}

impl Piece {
    /// Small parts are copied, so that a body in tiny chunks holds no more than it is long.
    fn add(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() < SMALL {
            self.small.extend_from_slice(&bytes);
        } else {
            self.end();
            self.parts.push(bytes);
        }
    }

    fn end(&mut self) {
        if !self.small.is_empty() {
            self.parts.push(self.small.split().freeze());
        }
    }

    fn write_to(mut self, incoming: &mut dyn crate::content::Incoming) -> Result<(), image::Error> {
        self.end();
        self.parts.iter().try_for_each(|part| incoming.append(part))
    }
}

/// Whoever has the turn.
enum Writer {
    Idle(Turn),
    Writing(JoinHandle<Result<Turn, image::Error>>),
}

impl Writer {
    /// Begins to write a piece once the last one is written.
    async fn write(self, piece: Piece) -> Result<Self, Fault> {
        let received = Received {
            turn: self.idle().await?,
            rest: piece,
        };
        Ok(Self::Writing(spawn_blocking(move || received.write())))
    }

    async fn idle(self) -> Result<Turn, Fault> {
        match self {
            Self::Idle(turn) => Ok(turn),
            Self::Writing(writing) => Ok(writing.await.map_err(|ended| internal(&ended))??),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::StreamExt;
    use futures_util::stream::{iter, pending};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use image::{Digest, Error};

    use super::*;
    use crate::content;

    /// Shows what has come.
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl content::Incoming for Shown {
        fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(())
        }

        fn arrived(&mut self) -> Result<Arc<dyn content::Arrived>, Error> {
            unreachable!("nobody reads it")
        }

        fn ends(&mut self) {}

        fn leave(self: Box<Self>) {}

        fn size(&self) -> u64 {
            self.0.lock().unwrap().len() as u64
        }

        fn finish(self: Box<Self>, _digest: &Digest, _repository: &str) -> Result<u64, Error> {
            Ok(self.size())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_for_too_long_lets_others_go_on() {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let incoming: Box<dyn content::Incoming> = Box::new(Shown(bytes.clone()));
        let slot = Arc::new(tokio::sync::Mutex::new(Some(incoming)));
        let first = iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"first")))]);
        let body = StreamBody::new(first.chain(pending()));
        let turn = slot.clone().lock_owned().await;
        let fault = receive(body, turn, Length::Exactly(10)).await.err().unwrap();
        assert_eq!(fault.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(*bytes.lock().unwrap(), b"first", "what has come stays");
        assert!(slot.try_lock().is_ok());
    }
}
