//! Connections that owe nothing: how long they may stay, and that they make room where the door is full.
//!
//! Whoever has shaken hands holds a seat before anybody knows who it is. So a connection without a request under way
//! is closed after a while, and at once where others wait for its seat; clients connect again when they need to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// The requests of one connection that are under way, from their heads to the ends of their answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    /// When the connection began.
    origin: Instant,
    busy: AtomicUsize,
    /// When the last one ended, in milliseconds since `origin`.
    ended: AtomicU64,
    changed: Notify,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            busy: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Busy(Presence);

impl Presence {
    pub(crate) fn enter(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) > 0
    }

    /// When the connection will have been idle for so long, should nothing be asked any more.
    fn due(&self, most: Duration) -> Instant {
        let ended = Duration::from_millis(self.0.ended.load(Ordering::SeqCst));
        self.0.origin + ended + most
    }

    /// Returns when nothing has been under way for so long, or nothing is and the door is crowded.
    ///
    /// A request costs it nothing: one timer is kept, and when it rings it is set to what is left.
    pub(crate) async fn idle(self, most: Duration, mut crowded: watch::Receiver<bool>) {
        let mut timer = std::pin::pin!(sleep_until(self.due(most)));
        loop {
            tokio::select! {
                biased;
                _ = crowded.wait_for(|crowded| *crowded) => if !self.is_busy() { return },
                () = timer.as_mut() => {}
            }
            if self.is_busy() {
                // A permit that is left over from before only makes the loop look again.
                self.0.changed.notified().await;
            } else if timer.is_elapsed() && self.due(most) <= timer.deadline() {
                return;
            }
            timer.as_mut().reset(self.due(most));
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let counted = &self.0.0;
        let now = u64::try_from(counted.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        counted.ended.store(now, Ordering::SeqCst);
        if counted.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            counted.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const MOST: Duration = Duration::from_secs(90);

    #[tokio::test(start_paused = true)]
    async fn only_silence_is_counted() {
        let (presence, crowded) = (Presence::default(), watch::Sender::new(false));
        let idle = tokio::spawn(presence.clone().idle(MOST, crowded.subscribe()));
        let begin = Instant::now();
        for _ in 0..3 {
            sleep(Duration::from_secs(60)).await;
            drop(presence.enter());
        }
        let long = presence.enter();
        sleep(Duration::from_secs(200)).await;
        drop(long);
        idle.await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 3 * 60 + 200 + 90);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_has_the_seat_once_nothing_is_under_way() {
        let (presence, crowded) = (Presence::default(), watch::Sender::new(false));
        let idle = tokio::spawn(presence.clone().idle(MOST, crowded.subscribe()));
        let busy = presence.enter();
        crowded.send_replace(true);
        sleep(Duration::from_secs(300)).await;
        assert!(!idle.is_finished());
        let begin = Instant::now();
        drop(busy);
        idle.await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
}
