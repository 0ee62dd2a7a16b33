//! A blob that comes from another registry, and everybody who reads it meanwhile.
//!
//! It is written as fast as it comes, by a task of its own: a reader that is slow, or goes, holds up nobody. Readers read
//! what is written, each at its own pace. The last byte is given out only when all of it is kept and is what its digest
//! says: whoever has the whole blob has the right one.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http_body::{Body, Frame, SizeHint};
use image::Digest;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::content::{Arrived, Incoming};
use crate::error::Fault;
use crate::state::blocking;
use crate::uploads::receive::STALLED;
use crate::upstream::{BlobStream, UpstreamBlob};

/// Bytes that are written, or given out, at a time.
const PIECE: usize = 512 << 10;

/// How far a blob has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are written.
    Written(u64),
    /// All of it is kept.
    Kept,
    /// It will not come.
    Failed,
}

/// A blob that is coming. Clones are the same.
#[derive(Clone)]
pub(crate) struct Coming {
    pub(crate) size: u64,
    arrived: Arc<dyn Arrived>,
    state: watch::Receiver<State>,
}

/// Whoever writes one.
pub(super) struct Writer {
    incoming: Box<dyn Incoming>,
    bytes: BlobStream,
    size: u64,
    state: watch::Sender<State>,
}

/// Begins to take a blob in.
pub(super) fn begin(blob: UpstreamBlob, mut incoming: Box<dyn Incoming>) -> Result<(Coming, Writer), Fault> {
    let (sender, state) = watch::channel(State::Written(0));
    let coming = Coming {
        size: blob.size,
        arrived: incoming.arrived()?,
        state,
    };
    let writer = Writer {
        incoming,
        bytes: blob.bytes,
        size: blob.size,
        state: sender,
    };
    Ok((coming, writer))
}

impl Writer {
    /// Takes all of it in, as the blob `digest` of a repository. `kept` is called before anybody has the last byte, and in
    /// any case.
    pub(super) async fn run(self, digest: Digest, repository: String, kept: impl FnOnce()) {
        let (state, size) = (self.state, self.size);
        let stored = store(self.incoming, self.bytes, size, &state, digest, repository).await;
        kept();
        let end = match stored {
            Ok(()) => State::Kept,
            Err(why) => {
                tracing::warn!(%digest, why, "a blob of another registry is not kept");
                State::Failed
            }
        };
        state.send_replace(end);
    }
}

async fn store(
    mut incoming: Box<dyn Incoming>,
    mut bytes: BlobStream,
    size: u64,
    state: &watch::Sender<State>,
    digest: Digest,
    repository: String,
) -> Result<(), String> {
    let failed = |fault: Fault| format!("{fault:?}");
    while let Some(piece) = next(&mut bytes).await? {
        let written = incoming.size() + piece.len() as u64;
        if written > size {
            return Err("it is longer than was said".to_owned());
        }
        let appended = blocking(move || {
            incoming.append(&piece)?;
            Ok::<_, Fault>(incoming)
        });
        incoming = appended.await.map_err(failed)?;
        state.send_replace(State::Written(written));
    }
    if incoming.size() != size {
        return Err("it is shorter than was said".to_owned());
    }
    let finished = blocking(move || Ok::<_, Fault>(incoming.finish(&digest, &repository)?));
    finished.await.map(drop).map_err(failed)
}

/// What has come, as much as is written at once.
async fn next(bytes: &mut BlobStream) -> Result<Option<Vec<u8>>, String> {
    let Ok(first) = timeout(STALLED, bytes.next()).await else {
        return Err("nothing came for too long".to_owned());
    };
    let Some(first) = first else { return Ok(None) };
    let mut piece = first.map_err(|error| error.to_string())?.to_vec();
    while piece.len() < PIECE {
        match bytes.next().now_or_never() {
            Some(Some(more)) => piece.extend_from_slice(&more.map_err(|error| error.to_string())?),
            // The end is heard of again.
            Some(None) | None => break,
        }
    }
    Ok(Some(piece))
}

impl Coming {
    /// Waits until something of `place` and what follows can be given out, and reads it; at most `left` bytes.
    async fn read(mut self, place: u64, left: u64) -> io::Result<Bytes> {
        let broken = || io::Error::other("the other registry did not give all of it");
        let until = loop {
            // A copy: what was seen is not held while it is waited for more.
            let state = *self.state.borrow_and_update();
            let until = match state {
                State::Kept => self.size,
                State::Written(written) => written.min(self.size.saturating_sub(1)),
                State::Failed => return Err(broken()),
            };
            if until > place {
                break until;
            }
            self.state.changed().await.map_err(|_| broken())?;
        };
        let most = (until - place).min(left).min(PIECE as u64);
        let (arrived, most) = (self.arrived, usize::try_from(most).unwrap_or(PIECE));
        let read = spawn_blocking(move || arrived.read_at(place, most)).await;
        let bytes = read.map_err(io::Error::other)??;
        if bytes.is_empty() {
            Err(broken())
        } else {
            Ok(bytes)
        }
    }

    /// A part of it.
    pub(crate) fn body(self, start: u64, length: u64) -> ComingBody {
        ComingBody {
            coming: self,
            place: start,
            left: length,
            reading: None,
        }
    }
}

/// A part of a blob that is coming, as an answer's body. It ends with an error where the blob does not come.
pub struct ComingBody {
    coming: Coming,
    place: u64,
    left: u64,
    reading: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl fmt::Debug for ComingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, left, .. } = self;
        f.debug_struct("ComingBody")
            .field("place", place)
            .field("left", left)
            .finish_non_exhaustive()
    }
}

impl Body for ComingBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let (coming, place, left) = (&this.coming, this.place, this.left);
        let reading = this
            .reading
            .get_or_insert_with(|| Box::pin(coming.clone().read(place, left)));
        let read = std::task::ready!(reading.as_mut().poll(cx));
        this.reading = None;
        Poll::Ready(Some(match read {
            Ok(bytes) => {
                this.place += bytes.len() as u64;
                this.left = this.left.saturating_sub(bytes.len() as u64);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                this.left = 0;
                Err(error)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Logs why a blob cannot even begin.
pub(super) fn refused(digest: &Digest, size: u64, most: u64) -> bool {
    let refused = size > most;
    if refused {
        tracing::warn!(%digest, size, most, "a blob of another registry is larger than blobs may be");
    }
    refused
}
