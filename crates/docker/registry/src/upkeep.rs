//! Clearing up beside the requests: uploads that nobody goes on with, blobs that no manifest names.
//!
//! A timer runs only while there is something that may become due. Blobs may after any request about one; so there is one
//! collection a while after the last such request, and none on a registry that nobody uses.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use driver::{Clock, Instant};
use image::Collected;
use tokio::sync::{Mutex, Notify};

use crate::content::Content;
use crate::error::Fault;
use crate::state::{State, blocking};

pub(crate) struct Upkeep {
    clock: Arc<dyn Clock>,
    grace: Duration,
    wake: Notify,
    /// Whether links may become due, and when they were last changed or asked for (milliseconds of the clock).
    links: AtomicBool,
    last: AtomicU64,
    /// Whether uploads are open. A new one is due after all others.
    uploads: AtomicBool,
    /// One collection at a time.
    collecting: Mutex<()>,
}

impl Upkeep {
    /// What an earlier run has left may be due, too.
    pub(crate) fn new(clock: Arc<dyn Clock>, grace: Duration) -> Self {
        let upkeep = Self {
            clock,
            grace,
            wake: Notify::new(),
            links: AtomicBool::new(false),
            last: AtomicU64::new(0),
            uploads: AtomicBool::new(false),
            collecting: Mutex::default(),
        };
        upkeep.links();
        upkeep
    }

    /// Notes that a blob was linked, asked for or let go.
    pub(crate) fn links(&self) {
        self.last.store(millis(self.clock.now()), Ordering::SeqCst);
        if !self.links.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Notes that an upload has begun.
    pub(crate) fn uploads(&self) {
        if !self.uploads.swap(true, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Takes away what is due.
    pub(crate) async fn collect(&self, content: &Arc<dyn Content>) -> Result<Collected, Fault> {
        let _alone = self.collecting.lock().await;
        let (content, grace) = (content.clone(), self.grace);
        let collected = blocking(move || content.collect(grace)).await?;
        if collected != Collected::default() {
            let Collected { links, blobs, bytes } = collected;
            tracing::info!(links, blobs, bytes, "the registry's garbage was collected");
        }
        Ok(collected)
    }

    /// When links may be due; none if nothing has happened since the last collection.
    fn links_due(&self) -> Option<Instant> {
        let pending = self.links.load(Ordering::SeqCst);
        let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
        // A moment more, so that what was linked last is over its time, and not just at its end.
        pending.then(|| Instant::from_origin(last).saturating_add(self.grace + Duration::from_secs(1)))
    }
}

fn millis(instant: Instant) -> u64 {
    let since = instant.saturating_since(Instant::default());
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Runs until the registry is gone.
pub(crate) async fn run(state: Weak<State>) {
    loop {
        let Some(alive) = state.upgrade() else { return };
        let upkeep = alive.upkeep.clone();
        let due = tend(&alive).await;
        drop(alive);
        let left = due.map(|due| due.saturating_since(upkeep.clock.now()));
        // Both arms only wait: what was noted meanwhile is a permit that is kept.
        tokio::select! {
            () = upkeep.wake.notified() => {}
            () = tokio::time::sleep(left.unwrap_or_default()), if left.is_some() => {}
        }
    }
}

/// Does what is due, and answers when there will be more.
async fn tend(state: &Arc<State>) -> Option<Instant> {
    let (shared, now) = (state.clone(), state.clock.now());
    // Whoever begins one from now on says so again.
    state.upkeep.uploads.store(false, Ordering::SeqCst);
    // Files of what goes are deleted.
    let expired = blocking(move || Ok::<_, Fault>(shared.uploads.expire(now))).await;
    let (uploads, gone) = expired.unwrap_or_default();
    if uploads.is_some() {
        state.upkeep.uploads.store(true, Ordering::SeqCst);
    }
    if gone > 0 {
        tracing::info!(gone, "uploads that nobody went on with were given up");
    }
    let mut links = state.upkeep.links_due();
    if links.is_some_and(|due| due <= now) {
        state.upkeep.links.store(false, Ordering::SeqCst);
        // What failed is in the log, and is tried again when something happens.
        drop(state.upkeep.collect(&state.content).await);
        links = state.upkeep.links_due();
    }
    [uploads, links].into_iter().flatten().min()
}
