//! One watcher: a bounded queue between the writer and whoever reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::hub::Hub;
use crate::pending::block_on;
use crate::{Error, Event, Revision};

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// Keys that begin with this.
    pub prefix: Vec<u8>,
    /// The first revision of interest: one more than the last that was seen. `None`: from now on.
    /// A revision still to come is waited for.
    pub from: Option<Revision>,
    /// How many events may wait to be read, besides those that had happened before the watch
    /// began. One more, and the watch ends with [`Error::Lagged`].
    pub capacity: usize,
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchItem {
    /// Something happened.
    Event(Arc<Event>),
    /// Everything up to this revision has been told.
    Progress(Revision),
}

/// A running watch. It ends when dropped, or with an error, which is then its last item.
#[derive(Debug)]
pub struct Watch {
    queue: Arc<WatchQueue>,
    hub: Arc<Hub>,
}

impl Watch {
    pub(crate) fn new(queue: Arc<WatchQueue>, hub: Arc<Hub>) -> Self {
        Self { queue, hub }
    }

    /// Waits for the next item.
    ///
    /// # Errors
    /// [`Error::Compacted`], [`Error::Lagged`] or [`Error::Closed`]; the watch has then ended.
    pub fn recv(&mut self) -> Result<WatchItem, Error> {
        block_on(std::future::poll_fn(|cx| self.poll_recv(cx)))
    }

    /// The next item if it is there.
    pub fn try_recv(&mut self) -> Option<Result<WatchItem, Error>> {
        self.queue.state().take()
    }

    /// As [`Self::recv`], for an executor.
    pub fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Result<WatchItem, Error>> {
        let mut state = self.queue.state();
        match state.take() {
            Some(item) => Poll::Ready(item),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Asks for a [`WatchItem::Progress`] behind the events that have happened.
    pub fn request_progress(&self) {
        self.hub.progress(&self.queue);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.remove(&self.queue);
    }
}

/// The queue of a watcher, shared between it and the hub.
#[derive(Debug)]
pub(crate) struct WatchQueue {
    pub(crate) prefix: Vec<u8>,
    state: Mutex<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    from: Revision,
    limit: usize,
    items: VecDeque<WatchItem>,
    end: Option<Error>,
    waker: Option<Waker>,
}

impl QueueState {
    fn take(&mut self) -> Option<Result<WatchItem, Error>> {
        self.items
            .pop_front()
            .map(Ok)
            .or_else(|| self.end.clone().map(Err))
    }
}

impl WatchQueue {
    /// A queue that begins with events that have happened.
    pub(crate) fn new(request: &WatchRequest, from: Revision, past: VecDeque<WatchItem>) -> Self {
        let limit = past.len() + request.capacity;
        let state = QueueState {
            from,
            limit,
            items: past,
            ..QueueState::default()
        };
        Self {
            prefix: request.prefix.clone(),
            state: Mutex::new(state),
        }
    }

    /// Adds an item; false if the watch is over and should be forgotten.
    pub(crate) fn push(&self, item: WatchItem) -> bool {
        let mut state = self.state();
        let early = matches!(&item, WatchItem::Event(event) if event.revision < state.from);
        if early || state.end.is_some() {
            return early;
        }
        if state.items.len() >= state.limit {
            // What it did not read by now it can read again from the window; its memory is needed.
            state.items = VecDeque::new();
            state.end = Some(Error::Lagged);
        } else {
            state.items.push_back(item);
        }
        let alive = state.end.is_none();
        wake(state);
        alive
    }

    /// Ends the watch behind what waits in it.
    pub(crate) fn end(&self, error: Error) {
        let mut state = self.state();
        state.end.get_or_insert(error);
        wake(state);
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the reader after the lock is gone, so that it does not run into it.
fn wake(mut state: MutexGuard<'_, QueueState>) {
    let waker = state.waker.take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}
