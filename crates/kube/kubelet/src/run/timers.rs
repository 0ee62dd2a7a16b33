//! The one timer of a kubelet.

use std::sync::Arc;

use async_channel::Receiver;
use futures_util::future::select;

use super::core::{Core, lock};

/// Wakes pods when they want to be. Nothing is due: nothing is waited for but the bell.
pub(super) async fn run(core: Arc<Core>, rung: Receiver<()>) {
    loop {
        let next = lock(&core.wheel).next();
        let ring = std::pin::pin!(rung.recv());
        match next {
            Some(at) => drop(select(core.env.sleep_until(at), ring).await),
            None => drop(ring.await),
        }
        let due = lock(&core.wheel).due(core.env.now());
        core.ring(&due);
    }
}
