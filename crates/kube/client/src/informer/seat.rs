//! A consumer of a reflector: a bounded queue, and what happens when it overflows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::reflector::Reflector;
use super::{Change, Changes};

/// Changes that wait for one consumer at most; who is further behind looks at the whole again.
const CAPACITY: usize = 1024;

#[derive(Default)]
pub(super) struct Seat(Mutex<State>);

struct State {
    queue: VecDeque<Change>,
    /// The consumer has to look at the whole: changes are of no use to it until then.
    behind: bool,
    waker: Option<Waker>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            behind: true,
            waker: None,
        }
    }
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells one change; answers whom to wake.
    pub(super) fn tell(&self, change: &Change) -> Option<Waker> {
        let mut state = self.state();
        if state.behind {
            return None;
        }
        if state.queue.len() < CAPACITY {
            state.queue.push_back(change.clone());
            return state.waker.take();
        }
        drop(state);
        self.tell_all()
    }

    /// Everything was read anew; answers whom to wake.
    pub(super) fn tell_all(&self) -> Option<Waker> {
        let mut state = self.state();
        state.queue = VecDeque::new();
        state.behind = true;
        state.waker.take()
    }
}

/// A consumer's place.
pub(super) struct Following {
    pub(super) reflector: Arc<Reflector>,
    pub(super) seat: Arc<Seat>,
}

impl Following {
    pub(super) async fn next(&mut self) -> Option<Changes> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Changes>> {
        let mut state = self.seat.state();
        if let Some(change) = state.queue.pop_front() {
            return Poll::Ready(Some(Changes::One(change)));
        }
        if state.behind && self.reflector.synced() {
            // The seat is taken before the map: a change in between is told twice, never lost.
            state.behind = false;
            drop(state);
            return Poll::Ready(Some(Changes::All(self.reflector.snapshot())));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
