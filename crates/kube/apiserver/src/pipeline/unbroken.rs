//! Work that its caller's leaving ends, unless it has begun to write.
//!
//! A future that is dropped between a write and its acknowledgement would give back what the written object now has:
//! an address, a charged quota. So a request that has handed a write to the store goes on alone when its client has
//! left or its time is over; every other one ends there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use driver::Env;

use crate::call::Writing;

/// Work and the executor that it goes on with.
pub(super) struct Unbroken<T: Send + 'static> {
    env: Arc<dyn Env>,
    writing: Writing,
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T: Send + 'static> Unbroken<T> {
    /// `work` marks in `writing` what must not be dropped.
    pub(super) fn new(
        env: Arc<dyn Env>,
        writing: Writing,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let work = Some(Box::pin(work) as _);
        Self { env, writing, work }
    }
}

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let done = work.as_mut().poll(cx);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take().filter(|_| self.writing.begun()) {
            self.env.spawn(Box::pin(async move { drop(work.await) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driver::Sim;
    use futures_util::FutureExt;
    use std::time::Duration;

    #[test]
    fn only_what_has_begun_to_write_goes_on() {
        for begun in [false, true] {
            let sim = Sim::new(1);
            let (env, writing): (Arc<dyn Env>, _) = (Arc::new(sim.clone()), Writing::possible());
            let done = Arc::new(());
            let (slept, held, own) = (env.sleep(Duration::from_secs(1)), done.clone(), writing.clone());
            let mut work = Unbroken::new(env, writing, async move {
                if begun {
                    own.begin();
                }
                slept.await;
                drop(held);
            });
            assert!((&mut work).now_or_never().is_none());
            drop(work);
            assert_eq!(Arc::strong_count(&done), if begun { 2 } else { 1 });
            while sim.step() {}
            sim.run_ready();
            assert_eq!(Arc::strong_count(&done), 1);
        }
    }
}
