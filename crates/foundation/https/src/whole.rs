//! Bodies that are read into memory whole. A bound on each is not enough: whoever opens a thousand connections and never ends
//! what it sends on any holds a thousand of them. So the large ones share a budget, and wait for their seat before they are read.

use std::pin::{Pin, pin};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies up to this size take no seat: most are a few kilobytes, and are not held up by others' large ones.
const FREE: usize = 64 << 10;
/// What seats are counted in, in bytes.
const UNIT: usize = 1 << 10;

/// So many bytes of memory, for the bodies of all clients together.
#[derive(Debug)]
pub struct Budget(Semaphore);

/// A body that has come whole. It counts in its budget until this goes.
#[derive(Debug)]
pub struct Whole<'a> {
    /// All of it.
    pub bytes: Bytes,
    seat: Option<SemaphorePermit<'a>>,
}

/// Why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub enum WholeError<E> {
    /// It is larger than it may be.
    #[error("the body is too large")]
    TooLarge,
    /// It was broken off.
    #[error("the body was broken off")]
    Broken(#[source] E),
}

impl Budget {
    /// A budget of so many bytes: several of the largest bodies that are read by it.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self(Semaphore::const_new(bytes / UNIT))
    }

    /// Reads a body of at most `most` bytes. A large one waits, unread, while others have the budget: first come, first served.
    /// Whoever calls bounds the time. May be dropped at any moment.
    ///
    /// # Errors
    /// It is larger than `most`, or was broken off.
    pub async fn read<B>(&self, body: B, most: usize) -> Result<Whole<'_>, WholeError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = pin!(body);
        let said = body.size_hint().exact();
        let said = said.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if said.is_some_and(|said| said > most) {
            return Err(Self::skim(body, most).await);
        }
        let mut seat = self.seat(said.unwrap_or(0)).await;
        // Of its own, since a piece may be a byte of a large buffer.
        let mut bytes = BytesMut::with_capacity(said.unwrap_or(0));
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(WholeError::Broken)?.into_data() else {
                continue;
            };
            if piece.len() > most - bytes.len() {
                return Err(WholeError::TooLarge);
            }
            if seat.is_none() && bytes.len() + piece.len() > FREE {
                seat = self.seat(most).await;
            }
            bytes.extend_from_slice(&piece);
        }
        let bytes = bytes.freeze();
        Ok(Whole { bytes, seat })
    }

    /// Reads what nobody keeps: a client that is told while it sends may not hear it.
    async fn skim<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, most: usize) -> WholeError<B::Error> {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
                Err(error) => return WholeError::Broken(error),
            }
            if read > most {
                break;
            }
        }
        WholeError::TooLarge
    }

    async fn seat(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        if bytes <= FREE {
            return None;
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        // It is never closed.
        self.0.acquire_many(units).await.ok()
    }
}

impl Whole<'_> {
    /// The bytes, which count no more.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        drop(self.seat);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const LARGE: usize = FREE + 1;

    /// Of no length that is known, and ended by nobody if it is not `whole`.
    fn pieces(sizes: &[usize], whole: bool) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
        let frames: Vec<_> = sizes
            .iter()
            .map(|size| Ok(Frame::data(vec![0; *size].into())))
            .collect();
        let rest = if whole {
            stream::empty().left_stream()
        } else {
            stream::pending().right_stream()
        };
        StreamBody::new(stream::iter(frames).chain(rest))
    }

    fn full(size: usize) -> Full<Bytes> {
        Full::new(vec![7; size].into())
    }

    #[test]
    fn a_body_has_its_bound_however_it_comes() {
        let budget = Budget::new(1 << 20);
        let read = |sizes: &[usize]| {
            budget
                .read(pieces(sizes, true), 2 * LARGE)
                .now_or_never()
                .unwrap()
        };
        assert_eq!(read(&[1, LARGE, 2]).unwrap().bytes.len(), LARGE + 3);
        assert!(matches!(read(&[LARGE, LARGE, 1]), Err(WholeError::TooLarge)));
        let said = budget.read(full(2 * LARGE + 1), 2 * LARGE).now_or_never().unwrap();
        assert!(matches!(said, Err(WholeError::TooLarge)));
        let said = budget.read(full(LARGE), LARGE).now_or_never().unwrap().unwrap();
        assert_eq!(said.bytes, vec![7; LARGE]);
    }

    #[test]
    fn large_ones_wait_for_others_and_small_ones_do_not() {
        // Two of the largest, said or not.
        let budget = Budget::new(2 * (LARGE + UNIT));
        let mut unfinished: Vec<_> = [&[LARGE - 1][..], &[1, LARGE - 2], &[LARGE - 1, 1]]
            .iter()
            .map(|sizes| Box::pin(budget.read(pieces(sizes, false), LARGE)))
            .collect();
        for body in &mut unfinished {
            assert!(body.now_or_never().is_none());
        }
        // Only the third is above what is free.
        let mut first = Box::pin(budget.read(full(LARGE), LARGE));
        let first = first.as_mut().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(budget.read(full(LARGE), LARGE));
        assert!(second.as_mut().now_or_never().is_none(), "there is no seat");
        assert!(budget.read(full(FREE), LARGE).now_or_never().is_some());
        drop(unfinished);
        let second = second.now_or_never().unwrap().unwrap();
        assert!(budget.read(full(LARGE), LARGE).now_or_never().is_none());
        // What has come whole counts until it is given away.
        drop(first.into_bytes());
        assert!(budget.read(full(LARGE), LARGE).now_or_never().is_some());
        drop(second);
    }
}
