//! An answer's body on its way out: asked for more only while its connection has room, and there until it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::account::{Account, Piece};
use crate::idle::Busy;

/// An answer up to this size ends with its last piece. The end of a larger one follows when all of it is written: as
/// long as the client has not taken it, its stream can be cut off and the service knows that it is not over.
const SMALL: usize = 16 << 10;

/// A service's body, charged to an account.
pub(crate) struct Outgoing<B> {
    body: B,
    account: Arc<Account>,
    given: usize,
    ended: bool,
    _busy: Busy,
}

impl<B> Outgoing<B> {
    pub(crate) fn new(body: B, account: Arc<Account>, busy: Busy) -> Self {
        Self {
            body,
            account,
            given: 0,
            ended: false,
            _busy: busy,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Piece;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, B::Error>>> {
        let this = self.get_mut();
        if !this.ended {
            ready!(this.account.poll_room(cx));
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(frame) => return Poll::Ready(Some(frame.map(|frame| this.charge(frame)))),
                None => this.ended = true,
            }
        }
        this.account.poll_empty(cx).map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        self.given <= SMALL && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Outgoing<B> {
    fn charge(&mut self, frame: Frame<Bytes>) -> Frame<Piece> {
        frame.map_data(|bytes| {
            self.given += bytes.len();
            self.account.charge(bytes)
        })
    }
}
