//! One watch on a collection.
//!
//! A watcher begins in the collection's window, reads on until it has caught up, and is then told each event as it
//! happens. If it does not keep up it goes back to the window; if the window has moved on, it is cut off. So
//! nobody waits for a slow watcher, and an idle one costs a few hundred bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use schema::object::Revision;

use super::event::Event;
use super::seats::{Scope, Seat, Standing};
use super::state::Shared;

/// Events read from the window at a time.
const CHUNK: usize = 64;

/// Why a watch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The watcher was so slow, or began so long ago, that events are lost to it.
    #[error("events are lost")]
    Lost,
    /// The server closes, or had to read everything anew.
    #[error("the watch was closed")]
    Closed,
}

/// A running watch. Dropped, it is forgotten.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    prefix: Arc<str>,
    id: u64,
    seat: Arc<Seat>,
    /// Everything up to here has been told.
    told: Revision,
    read: VecDeque<Arc<Event>>,
}

impl Watcher {
    pub(super) fn new(shared: Arc<Shared>, prefix: &str, id: u64, scope: Scope, after: Revision) -> Self {
        Self {
            shared,
            prefix: prefix.into(),
            id,
            seat: Arc::new(Seat::new(scope)),
            told: after,
            read: VecDeque::new(),
        }
    }

    /// The next event, in order of revision, none left out.
    ///
    /// # Errors
    /// [`Ended`]: there will be no more.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Result<Arc<Event>, Ended>> {
        loop {
            if let Some(event) = self.read.pop_front() {
                // A watch that begins in the future is told nothing of before.
                let due = event.revision > self.told && self.seat.scope.holds(event.key());
                self.told = self.told.max(event.revision);
                if due {
                    return Poll::Ready(Ok(event));
                }
                continue;
            }
            let mut state = self.seat.state();
            match state.standing {
                Standing::Ended => return Poll::Ready(Err(Ended::Closed)),
                Standing::Live if state.queue.is_empty() => {
                    state.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Standing::Live => self.read = std::mem::take(&mut state.queue),
                Standing::Behind => {
                    drop(state);
                    if let Err(ended) = self.catch_up() {
                        return Poll::Ready(Err(ended));
                    }
                }
            }
        }
    }

    /// The next event.
    ///
    /// # Errors
    /// See [`Self::poll_next`].
    pub async fn next(&mut self) -> Result<Arc<Event>, Ended> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Reads a part of the window; at its end takes the seat, so that nothing can happen in between.
    fn catch_up(&mut self) -> Result<(), Ended> {
        let mut state = self.shared.state();
        let closed = state.closed;
        let collection = state.collection(&self.prefix);
        let events = collection.window.since(self.told, CHUNK).ok_or(Ended::Lost)?;
        if closed {
            return Err(Ended::Closed);
        }
        if events.is_empty() {
            self.seat.state().standing = Standing::Live;
            collection.seats.add(self.id, self.seat.clone());
        }
        self.read = events.into();
        Ok(())
    }

    /// The revision up to which this watcher has been told everything, if nothing waits for it: what a bookmark says.
    pub fn caught_up(&self) -> Option<Revision> {
        let state = self.shared.state();
        let seat = self.seat.state();
        let idle = self.read.is_empty() && seat.queue.is_empty() && seat.standing == Standing::Live;
        idle.then_some(state.revision)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(collection) = state.collections.get_mut(&self.prefix) {
            collection.seats.remove(self.id, &self.seat.scope);
        }
    }
}
