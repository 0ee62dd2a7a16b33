//! Bodies as they come and go: bounded in, shared bytes out.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use driver::{Env, Instant};
use futures_util::Stream;
use http_body::Frame;
use http_body_util::combinators::BoxBody;

/// What broke while a request's body was read: the client went away, or sent what HTTP does not allow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub String);

/// A request's body, whatever transport brings it. Nobody has bounded it yet.
pub type Incoming = BoxBody<Bytes, BodyError>;

/// The client did not take the answer in the time that its request has. What it got is torn, and has to look so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was not taken in the request's time")]
pub struct NotTaken;

/// The largest frame that a body gives at once, in bytes: what a transport holds of a whole answer is a share of the
/// answer's one buffer, but it is asked for the next frame, and may end there.
const FRAME: usize = 128 << 10;

/// A response's body.
pub struct Body {
    inner: Inner,
    lasting: Option<Lasting>,
    begun: bool,
}

enum Inner {
    /// Shared pieces, sent in order; a list answers with the bytes that the cache holds.
    Pieces(VecDeque<Bytes>),
    /// Frames as they come: watches, logs.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// What lasts as long as an answer is being sent.
struct Lasting {
    env: Arc<dyn Env>,
    deadline: Instant,
    /// The request's seat and its count; dropped with the body.
    _held: Box<dyn Any + Send>,
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::of(Inner::Pieces(VecDeque::new()))
    }

    /// One piece.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::pieces([bytes.into()])
    }

    /// Pieces that are sent one after the other.
    pub fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self::of(Inner::Pieces(
            pieces.into_iter().filter(|piece| !piece.is_empty()).collect(),
        ))
    }

    /// The pieces, not yet sent, of a body that is no stream; none of one that is.
    pub(crate) fn into_pieces(self) -> Vec<Bytes> {
        match self.inner {
            Inner::Pieces(pieces) => pieces.into(),
            Inner::Stream(_) => Vec::new(),
        }
    }

    /// Frames as they come. Dropping the body drops the stream: that is how a client that went away is noticed.
    pub fn stream(frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::of(Inner::Stream(Box::pin(frames)))
    }

    fn of(inner: Inner) -> Self {
        let (lasting, begun) = (None, false);
        Self {
            inner,
            lasting,
            begun,
        }
    }

    /// Keeps `held` until the body is sent or dropped, and gives nothing more after `deadline` once it has begun: as
    /// upstream, which cuts off what is not sent when a request's time is over.
    pub(crate) fn lasting(&mut self, env: Arc<dyn Env>, deadline: Instant, held: impl Any + Send) {
        self.lasting = Some(Lasting {
            env,
            deadline,
            _held: Box::new(held),
        });
    }

    fn too_late(&self) -> bool {
        let lasting = self.lasting.as_ref().filter(|_| self.begun);
        lasting.is_some_and(|lasting| lasting.env.now() > lasting.deadline)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = NotTaken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotTaken>>> {
        let this = self.get_mut();
        if !this.is_end_stream() && this.too_late() {
            this.inner = Inner::Pieces(VecDeque::new());
            return Poll::Ready(Some(Err(NotTaken)));
        }
        let next = match &mut this.inner {
            Inner::Pieces(pieces) => Poll::Ready(next_piece(pieces)),
            Inner::Stream(frames) => frames.as_mut().poll_next(cx),
        };
        this.begun |= next.is_ready();
        next.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.inner {
            Inner::Pieces(pieces) => {
                http_body::SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Inner::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

fn next_piece(pieces: &mut VecDeque<Bytes>) -> Option<Bytes> {
    let first = pieces.front_mut()?;
    if first.len() > FRAME {
        return Some(first.split_to(FRAME));
    }
    pieces.pop_front()
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            Inner::Pieces(pieces) => write!(f, "Body({} pieces)", pieces.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::Sim;
    use futures_util::FutureExt;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use std::time::Duration;

    fn next(body: &mut Body) -> Option<Result<usize, NotTaken>> {
        let frame = body.frame().now_or_never().unwrap()?;
        Some(frame.map(|frame| frame.into_data().unwrap().len()))
    }

    #[test]
    fn a_whole_answer_is_given_in_frames() {
        let mut body = Body::full(vec![0; 2 * FRAME + 1]);
        let sizes: Vec<_> = std::iter::from_fn(|| next(&mut body)).flatten().collect();
        assert_eq!(sizes, [FRAME, FRAME, 1]);
    }

    #[test]
    fn an_answer_holds_its_seat_until_it_is_dropped_and_ends_with_its_time() {
        let sim = Sim::new(1);
        let (env, seat): (Arc<dyn Env>, _) = (Arc::new(sim.clone()), Arc::new(()));
        let mut body = Body::full(vec![0; 3 * FRAME]);
        body.lasting(env.clone(), env.now(), seat.clone());
        let slept = env.sleep(Duration::from_millis(1));
        sim.block_on(slept);
        // It was there in time, however late it is taken.
        assert_eq!(next(&mut body), Some(Ok(FRAME)));
        assert_eq!(next(&mut body), Some(Err(NotTaken)));
        assert_eq!(next(&mut body), None);
        assert!(body.is_end_stream());
        assert_eq!(Arc::strong_count(&seat), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&seat), 1);
    }
}
