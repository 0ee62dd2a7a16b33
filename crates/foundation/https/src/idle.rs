//! Connections that owe nothing: how long they may stay, and that they make room where the door is full.
//!
//! Whoever has shaken hands holds a seat before anybody knows who it is. So a connection without a request under way
//! is closed after a while, and at once where others wait for its seat; clients connect again when they need to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// The requests of one connection that are under way, from their heads to the ends of their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    busy: AtomicUsize,
    changed: Notify,
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Busy(Presence);

impl Presence {
    pub(crate) fn enter(&self) -> Busy {
        if self.0.busy.fetch_add(1, Ordering::SeqCst) == 0 {
            self.0.changed.notify_one();
        }
        Busy(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) > 0
    }

    /// Returns when nothing has been under way for so long, or nothing is and the door is crowded.
    pub(crate) async fn idle(self, most: Duration, mut crowded: watch::Receiver<bool>) {
        loop {
            // A permit that is left over from before only makes the loop look again.
            if self.is_busy() {
                self.0.changed.notified().await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.0.changed.notified() => {}
                _ = crowded.wait_for(|crowded| *crowded) => return,
                () = tokio::time::sleep(most) => return,
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.0.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.0.changed.notify_one();
        }
    }
}
