//! How many requests are being answered, and the end of them. Whose turn it is decides `fairness`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use http::Method;

use super::bodies::Bodies;

/// The requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    reading: Arc<AtomicUsize>,
    writing: Arc<AtomicUsize>,
    long: Arc<AtomicUsize>,
    /// What they have sent.
    pub(super) bodies: Bodies,
    draining: AtomicBool,
    drained: Arc<Mutex<Vec<Waker>>>,
}

/// A request's place; dropped, it is over.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: Arc<AtomicUsize>,
    drained: Arc<Mutex<Vec<Waker>>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        let wakers = std::mem::take(&mut *self.drained.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Flight {
    /// Counts a request until what is answered is dropped.
    pub(crate) fn enter(&self, method: &Method, long_running: bool) -> InFlight {
        let count = match *method {
            _ if long_running => &self.long,
            Method::GET | Method::HEAD | Method::OPTIONS => &self.reading,
            _ => &self.writing,
        };
        count.fetch_add(1, Ordering::AcqRel);
        InFlight {
            count: count.clone(),
            drained: self.drained.clone(),
        }
    }

    /// How many are being answered: reading, writing, as long as the client likes.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [&self.reading, &self.writing, &self.long].map(|count| count.load(Ordering::Acquire))
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
        // The waker first: a request that ends in between wakes it.
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
    fn requests_are_counted_until_they_are_over() {
        let flight = Flight::default();
        let held = [Method::POST, Method::GET, Method::PUT].map(|method| flight.enter(&method, false));
        let watch = flight.enter(&Method::GET, true);
        assert_eq!(flight.counts(), [1, 2, 1]);
        assert!(flight.empty().now_or_never().is_none());
        drop((held, watch));
        assert_eq!(flight.counts(), [0; 3]);
        assert!(flight.empty().now_or_never().is_some());
    }
}
