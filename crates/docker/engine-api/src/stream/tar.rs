//! An archive as an answer: written by a thread, told as an error as long as nothing has been
//! written, torn afterwards.

use std::io::{self, Write};

use http::HeaderValue;
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::server::body::BodySender;
use crate::server::reply::Reply;

/// Answers with what `write` writes.
///
/// # Errors
/// What `write` fails with before its first byte.
pub(crate) async fn tar_reply(
    media_type: HeaderValue,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ApiError> + Send + 'static,
) -> Result<Reply, ApiError> {
    let (sender, reply) = Reply::stream(media_type);
    let (begun, first) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut out = Announcing {
            sender,
            begun: Some(begun),
        };
        match (write(&mut out), out.begun.take()) {
            (Ok(()), Some(begun)) => drop(begun.send(Ok(()))),
            (Err(error), Some(begun)) => drop(begun.send(Err(error))),
            (Err(error), None) => out.sender.blocking_tear(io::Error::other(error)),
            (Ok(()), None) => {}
        }
    });
    match first.await {
        Ok(outcome) => outcome.map(|()| reply),
        Err(_) => Err(ApiError::internal("writing the archive ended unexpectedly")),
    }
}

/// Says when the first byte is written.
struct Announcing {
    sender: BodySender,
    begun: Option<oneshot::Sender<Result<(), ApiError>>>,
}

impl Write for Announcing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(begun) = self.begun.take() {
            // Whoever waits has gone with its client; the next write notices that.
            let _ = begun.send(Ok(()));
        }
        self.sender.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
