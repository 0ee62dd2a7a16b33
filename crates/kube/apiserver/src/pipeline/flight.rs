//! How many requests are being answered, and the end of them.
//!
//! Upstream's limits without priority and fairness: 400 that read, 200 that write; administrators and watches hold
//! no seat. A request that finds none is told to come again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use auth::UserInfo;
use http::Method;

const MAX_READING: usize = 400;
const MAX_WRITING: usize = 200;

/// The requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    reading: Arc<AtomicUsize>,
    writing: Arc<AtomicUsize>,
    exempt: Arc<AtomicUsize>,
    draining: AtomicBool,
    drained: Arc<Mutex<Vec<Waker>>>,
}

/// A request's place; dropped, it is free.
#[derive(Debug)]
pub(crate) struct Seat {
    count: Arc<AtomicUsize>,
    drained: Arc<Mutex<Vec<Waker>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        let wakers = std::mem::take(&mut *self.drained.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Flight {
    /// A seat, if one is free. Those who are not counted against a limit always get one.
    pub(crate) fn enter(&self, method: &Method, long_running: bool, user: &UserInfo) -> Option<Seat> {
        let exempt = long_running || user.groups.iter().any(|group| group == "system:masters");
        let (count, limit) = match *method {
            _ if exempt => (&self.exempt, usize::MAX),
            Method::GET | Method::HEAD | Method::OPTIONS => (&self.reading, MAX_READING),
            _ => (&self.writing, MAX_WRITING),
        };
        let entered = count.fetch_add(1, Ordering::AcqRel);
        let seat = Seat {
            count: count.clone(),
            drained: self.drained.clone(),
        };
        (entered < limit).then_some(seat)
    }

    /// How many are being answered: reading, writing, without limit.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [&self.reading, &self.writing, &self.exempt].map(|count| count.load(Ordering::Acquire))
    }

    /// Whether new requests are refused.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Refuses new requests from now on.
    pub(crate) fn close(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Ends when nobody is in flight.
    pub(crate) async fn empty(&self) {
        std::future::poll_fn(|cx| self.poll_empty(cx)).await;
    }

    fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        // The waker first: a seat that is given back in between wakes it.
        self.drained
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(cx.waker().clone());
        if self.counts() == [0; 3] {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn seats_are_given_back_and_bounded() {
        let flight = Flight::default();
        let user = UserInfo::default();
        let seats: Vec<Option<Seat>> = (0..MAX_WRITING + 1)
            .map(|_| flight.enter(&Method::POST, false, &user))
            .collect();
        assert_eq!(seats.iter().filter(|seat| seat.is_some()).count(), MAX_WRITING);
        assert_eq!(flight.counts(), [0, MAX_WRITING, 0]);
        assert!(flight.enter(&Method::GET, false, &user).is_some());
        drop(seats);
        assert_eq!(flight.counts(), [0; 3]);
        assert!(flight.empty().now_or_never().is_some());
    }

    #[test]
    fn administrators_find_a_seat() {
        let flight = Flight::default();
        let nobody = UserInfo::default();
        let _full: Vec<_> = (0..MAX_WRITING)
            .map(|_| flight.enter(&Method::PUT, false, &nobody))
            .collect();
        let admin = UserInfo {
            groups: vec!["system:masters".to_owned()],
            ..UserInfo::default()
        };
        assert!(flight.enter(&Method::PUT, false, &nobody).is_none());
        assert!(flight.enter(&Method::PUT, false, &admin).is_some());
    }
}
