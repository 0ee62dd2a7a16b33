//! From where one waits without blocking to where one reads: the bytes of a blob, for the thread that unpacks them.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::Error;
use crate::registry::BlobStream;

/// Pieces that may wait to be read: what a registry sends ahead of a disk.
const WAITING: usize = 16;

/// What came last from the registry, if that was an error.
type Failure = Arc<Mutex<Option<Error>>>;

/// Reads what a [`Pump`] sends.
pub(crate) struct Feed {
    pieces: Receiver<Option<Bytes>>,
    current: Bytes,
    ended: bool,
}

/// Sends a blob to its [`Feed`].
pub(crate) struct Pump {
    pieces: Sender<Option<Bytes>>,
    failure: Failure,
}

/// Both ends, and where to look for the reason of a feed that failed.
pub(crate) fn feed() -> (Pump, Feed, Failure) {
    let (sender, pieces) = channel(WAITING);
    let failure = Failure::default();
    let pump = Pump {
        pieces: sender,
        failure: failure.clone(),
    };
    let feed = Feed {
        pieces,
        current: Bytes::new(),
        ended: false,
    };
    (pump, feed, failure)
}

/// The reason of a feed that failed.
pub(crate) fn reason(failure: &Failure) -> Option<Error> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Pump {
    /// Sends all of it, or as much as is wanted, and gives the blob back. An error ends the feed with one.
    pub(crate) async fn run(self, mut blob: BlobStream) -> BlobStream {
        loop {
            let piece = match blob.piece().await {
                Ok(piece) => piece,
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return blob;
                }
            };
            let last = piece.is_none();
            // Who does not read on has a reason of its own.
            if self.pieces.send(piece).await.is_err() || last {
                return blob;
            }
        }
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.current = piece,
                Some(None) => self.ended = true,
                // The pump has gone without an end: it failed, or whoever pulls has given up.
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
