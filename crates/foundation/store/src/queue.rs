//! The bounded queue in front of the writer. Everything that waits goes into the next batch,
//! which is all there is to group commit.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::background::Finished;
use crate::{Completer, Error, Op, Write, Written};

/// What a request costs besides its key and value, in bytes.
const OVERHEAD: usize = 256;

/// A write and who waits for it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) write: Write,
    pub(crate) done: Completer<Written>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    wake: Condvar,
    limit: usize,
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) finished: Option<Finished>,
    pub(crate) closed: bool,
    bytes: usize,
    /// Whether the writer sleeps: waking it is a system call that a busy one can do without.
    asleep: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            limit,
        }
    }

    /// Adds a request, or answers it at once if it cannot be.
    pub(crate) fn push(&self, request: Request) {
        let mut state = self.state();
        let cost = cost(&request.write.op);
        let refusal = match () {
            () if state.closed => Error::Closed,
            // An empty queue takes anything, or the largest value would never pass a small limit.
            () if state.bytes > 0 && state.bytes + cost > self.limit => Error::Busy,
            () => {
                state.bytes += cost;
                state.requests.push_back(request);
                return self.rouse(state);
            }
        };
        drop(state);
        request.done.complete(Err(refusal));
    }

    pub(crate) fn finish(&self, finished: Finished) {
        let mut state = self.state();
        state.finished = Some(finished);
        self.rouse(state);
    }

    /// Takes no more requests.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.rouse(state);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Takes everything that waits.
    pub(crate) fn take(&self) -> Waiting {
        let mut state = self.state();
        let closed = state.closed;
        std::mem::replace(
            &mut state,
            Waiting {
                closed,
                ..Waiting::default()
            },
        )
    }

    /// Sleeps until something waits, or for so long.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let mut state = self.state();
        let idle = |state: &mut Waiting| {
            state.asleep = state.requests.is_empty() && state.finished.is_none() && !state.closed;
            state.asleep
        };
        state = match timeout {
            None => self
                .wake
                .wait_while(state, idle)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.wake
                    .wait_timeout_while(state, timeout, idle)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        state.asleep = false;
    }

    fn rouse(&self, state: MutexGuard<'_, Waiting>) {
        let asleep = state.asleep;
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(op: &Op) -> usize {
    OVERHEAD
        + match op {
            Op::Put { key, value, .. } => key.len() + value.len(),
            Op::Delete { key, .. } => key.len(),
            Op::Grant { .. } | Op::KeepAlive { .. } | Op::Revoke { .. } => 0,
        }
}
