//! Bodies that are read into memory whole. A bound on each is not enough: whoever opens a thousand connections and never ends
//! what it sends on any holds a thousand of them. So the large ones share a budget, and wait for their seat before they are read.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies up to this size take no seat: most are a few kilobytes, and are not held up by others' large ones.
const FREE: usize = 64 << 10;
/// What seats are counted in, in bytes.
const UNIT: usize = 1 << 10;

/// While others wait, who has a seat brings [`LEAST`] bytes each time so much has gone by, or gives it up.
const PATIENCE: Duration = Duration::from_secs(5);
/// See [`PATIENCE`].
const LEAST: usize = 256 << 10;

/// So many bytes of memory, for the bodies of all clients together.
#[derive(Debug)]
pub struct Budget {
    seats: Semaphore,
    waiting: AtomicUsize,
}

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
    /// It came so slowly that others had to wait.
    #[error("the body comes too slowly")]
    Slow,
}

impl Budget {
    /// A budget of so many bytes: several of the largest bodies that are read by it.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self {
            seats: Semaphore::const_new(bytes / UNIT),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Reads a body of at most `most` bytes. A large one waits, unread, while others have the budget: first come, first served;
    /// and who has it must bring something then. Whoever calls bounds the time. May be dropped at any moment.
    ///
    /// # Errors
    /// It is larger than `most`, was broken off, or comes slowly while others wait.
    pub async fn read<B>(&self, body: B, most: usize) -> Result<Whole<'_>, WholeError<B::Error>>
    where
        B: Body<Data = Bytes>,
    {
        let body = pin!(body);
        let said = body.size_hint().exact();
        let said = said.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if said.is_some_and(|said| said > most) {
            return Err(Self::skim(body, most).await);
        }
        let seat = self.seat(said.unwrap_or(0)).await;
        let came = AtomicUsize::new(0);
        let all = self.all(body, (said.unwrap_or(0), most), seat, &came);
        match select(pin!(all), pin!(self.too_slow(&came))).await {
            Either::Left((whole, _)) => whole,
            Either::Right(_) => Err(WholeError::Slow),
        }
    }

    /// Reads a body, and takes a seat for it when it turns out to need one.
    async fn all<'a, B: Body<Data = Bytes>>(
        &'a self,
        mut body: Pin<&mut B>,
        (said, most): (usize, usize),
        mut seat: Option<SemaphorePermit<'a>>,
        came: &AtomicUsize,
    ) -> Result<Whole<'a>, WholeError<B::Error>> {
        // Of its own, since a piece may be a byte of a large buffer.
        let mut bytes = BytesMut::with_capacity(said);
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(WholeError::Broken)?.into_data() else {
                continue;
            };
            if piece.len() > most - bytes.len() {
                return Err(WholeError::TooLarge);
            }
            if seat.is_none() && bytes.len() + piece.len() > FREE {
                came.store(WAITS, Ordering::Relaxed);
                seat = self.seat(most).await;
            }
            bytes.extend_from_slice(&piece);
            came.store(bytes.len(), Ordering::Relaxed);
        }
        let bytes = bytes.freeze();
        Ok(Whole { bytes, seat })
    }

    /// Returns when others wait and too little has come for a while.
    async fn too_slow(&self, came: &AtomicUsize) {
        let mut before = 0;
        loop {
            tokio::time::sleep(PATIENCE).await;
            let now = came.load(Ordering::Relaxed);
            if now == WAITS {
                continue;
            }
            if self.waiting.load(Ordering::Relaxed) > 0 && now < before + LEAST {
                return;
            }
            before = now;
        }
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
        if let Ok(seat) = self.seats.try_acquire_many(units) {
            return Some(seat);
        }
        let _waits = Waits::begin(&self.waiting);
        // It is never closed.
        self.seats.acquire_many(units).await.ok()
    }
}

/// What has come of a body whose turn has not.
const WAITS: usize = usize::MAX;

/// Somebody waits for a seat, as long as this lasts.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    #[tokio::test]
    async fn a_body_has_its_bound_however_it_comes() {
        let budget = Budget::new(1 << 20);
        let read = |sizes: &[usize]| {
            budget
                .read(pieces(sizes, true), 2 * LARGE)
                .now_or_never()
                .unwrap()
        };
        assert_eq!(read(&[1, LARGE, 2]).unwrap().bytes.len(), LARGE + 3);
        assert!(matches!(read(&[LARGE, LARGE, 1]), Err(WholeError::TooLarge)));
        let said = budget
            .read(full(2 * LARGE + 1), 2 * LARGE)
            .now_or_never()
            .unwrap();
        assert!(matches!(said, Err(WholeError::TooLarge)));
        let said = budget.read(full(LARGE), LARGE).now_or_never().unwrap().unwrap();
        assert_eq!(said.bytes, vec![7; LARGE]);
    }

    #[tokio::test]
    async fn large_ones_wait_for_others_and_small_ones_do_not() {
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

    #[tokio::test(start_paused = true)]
    async fn who_brings_nothing_makes_room_for_who_waits() {
        let budget = Budget::new(LARGE + UNIT);
        let begin = async || {
            let stalled = pieces(&[1, LARGE - 1], false);
            let stalled = budget.read(stalled, LARGE);
            tokio::time::timeout(24 * PATIENCE, stalled).await
        };
        assert!(begin().await.is_err(), "nobody waits, so it may take its time");
        let (slow, next) = tokio::join!(begin(), budget.read(full(LARGE), LARGE));
        assert!(matches!(slow, Ok(Err(WholeError::Slow))));
        assert_eq!(next.unwrap().bytes.len(), LARGE);
        // Nor does one in its turn lose it for having waited.
        let held = budget.read(full(LARGE), LARGE).await.unwrap();
        let late = budget.read(pieces(&[1, LARGE - 1], true), LARGE);
        let end = async {
            tokio::time::sleep(3 * PATIENCE).await;
            drop(held);
        };
        let (late, ()) = tokio::join!(late, end);
        assert_eq!(late.unwrap().bytes.len(), LARGE);
    }
}
