//! The answer to a call, which may not be there yet: waited for by a thread, or polled as a
//! `Future` under any executor. `std` only.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::Error;

/// An answer to come. Dropping it does not undo the call.
#[derive(Debug)]
pub struct Pending<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    Ready(Option<Result<T, Error>>),
    Waiting(Arc<Mutex<Slot<T>>>),
}

#[derive(Debug)]
enum Slot<T> {
    Empty(Option<Waker>),
    Done(Result<T, Error>),
    Taken,
}

/// The other end of a [`Pending`]. Dropped without an answer, it answers [`Error::Closed`].
#[derive(Debug)]
pub struct Completer<T>(Arc<Mutex<Slot<T>>>);

impl<T> Pending<T> {
    /// An answer that is there already.
    pub const fn ready(answer: Result<T, Error>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// An answer that the completer will give.
    pub fn channel() -> (Completer<T>, Self) {
        let slot = Arc::new(Mutex::new(Slot::Empty(None)));
        (Completer(slot.clone()), Self(State::Waiting(slot)))
    }
}

impl<T: Unpin> Pending<T> {
    /// Blocks the thread until the answer is there.
    ///
    /// # Errors
    /// The answer's own.
    pub fn wait(self) -> Result<T, Error> {
        block_on(self)
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(answer.take().unwrap_or(Err(Error::Closed))),
            State::Waiting(slot) => lock(slot).take(cx),
        }
    }
}

impl<T> Slot<T> {
    fn take(&mut self, cx: &Context<'_>) -> Poll<Result<T, Error>> {
        match std::mem::replace(self, Self::Taken) {
            Self::Empty(_) => {
                *self = Self::Empty(Some(cx.waker().clone()));
                Poll::Pending
            }
            Self::Done(answer) => Poll::Ready(answer),
            Self::Taken => Poll::Ready(Err(Error::Closed)),
        }
    }
}

impl<T> Completer<T> {
    /// Gives the answer.
    pub fn complete(self, answer: Result<T, Error>) {
        self.settle(answer);
    }

    fn settle(&self, answer: Result<T, Error>) {
        let mut slot = lock(&self.0);
        if let Slot::Empty(waker) = &mut *slot {
            let waker = waker.take();
            *slot = Slot::Done(answer);
            drop(slot);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        self.settle(Err(Error::Closed));
    }
}

fn lock<T>(slot: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, which sleeps while the future waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_crosses_threads() {
        let (completer, pending) = Pending::channel();
        let waiter = thread::spawn(move || pending.wait().unwrap());
        completer.complete(Ok(7));
        assert_eq!(waiter.join().unwrap(), 7);
    }

    #[test]
    fn a_dropped_completer_closes() {
        let (completer, pending) = Pending::<()>::channel();
        drop(completer);
        assert!(matches!(pending.wait(), Err(Error::Closed)));
    }
}
