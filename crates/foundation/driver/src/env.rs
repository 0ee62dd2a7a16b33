//! The seam of tasks: what asynchronous rooms need of an executor, and nothing more.
//!
//! The control plane is written against [`Env`], so that one program runs on tokio in production and, with a
//! seed and virtual time, on [`crate::Sim`] in tests: same seed, same interleaving, same answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use crate::{Clock, Instant, Rng};

/// Something to be run until it ends.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that a seam promises: boxed, so that its code stands in the room that does it.
pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A wait for a moment; dropped, it is forgotten.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where tasks run.
pub trait Env: Send + Sync {
    /// The clock that [`Env::sleep_until`] goes by.
    fn clock(&self) -> &dyn Clock;

    /// Ends once the clock reads `at` or later.
    fn sleep_until(&self, at: Instant) -> Sleep;

    /// Runs a task beside the others. A task that shall end is told so by what it waits for.
    fn spawn(&self, task: Task);

    /// A stream of random numbers of its own. Not for keys.
    fn rng(&self) -> Rng;

    /// A reading of the clock.
    fn now(&self) -> Instant {
        self.clock().now()
    }

    /// The time of day.
    fn wall(&self) -> SystemTime {
        self.clock().wall()
    }

    /// Ends after a while.
    fn sleep(&self, delay: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(delay))
    }
}

/// The wait was over before the work was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

/// The work's result, if it is there before `env`'s clock reads `at`. Work that never has to wait needs no timer, and
/// none is made for it.
///
/// # Errors
/// [`Elapsed`]; the work has then been dropped.
pub async fn until<T>(env: &dyn Env, at: Instant, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut sleep: Option<Sleep> = None;
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        // The work first: a result that is there counts, however late it is looked at.
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        let sleep = sleep.get_or_insert_with(|| env.sleep_until(at));
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// The work's result, if it is there before the wait is over.
///
/// # Errors
/// [`Elapsed`]; the work has then been dropped.
pub async fn timeout<T>(sleep: Sleep, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut sleep = sleep;
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        // The work first: a result that is there counts, however late it is looked at.
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
