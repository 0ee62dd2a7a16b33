//! The last events of a collection, from which watchers begin and catch up.

use std::collections::VecDeque;
use std::sync::Arc;

use schema::object::Revision;

use super::event::Event;

/// Events that a collection keeps at most.
const MAX_EVENTS: usize = 8192;

/// Bytes of bodies that only the window keeps alive, at most: what was replaced or deleted.
const MAX_BYTES: usize = 16 << 20;

/// So many of the newest events keep their frames; whoever is further behind has them made again.
const FRAMED: usize = 128;

/// A bounded run of events without a gap.
#[derive(Debug, Default)]
pub(super) struct Window {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Everything after this revision is here.
    floor: u64,
}

fn weight(event: &Event) -> usize {
    event.previous.as_ref().map_or(0, |object| object.body().len())
}

impl Window {
    /// A window that begins after a revision.
    pub(super) fn after(floor: Revision) -> Self {
        Self {
            floor: floor.0,
            ..Self::default()
        }
    }

    /// The oldest revision from which on everything is known.
    pub(super) fn floor(&self) -> Revision {
        Revision(self.floor)
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.bytes += weight(&event);
        self.events.push_back(event);
        if let Some(cold) = self.events.len().checked_sub(FRAMED + 1) {
            self.events[cold].forget_frames();
        }
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= weight(&oldest);
            self.floor = oldest.revision.0;
        }
    }

    /// The next events after a revision, at most `limit`; none if some of them are no longer known.
    pub(super) fn since(&self, after: Revision, limit: usize) -> Option<Vec<Arc<Event>>> {
        if after.0 < self.floor {
            return None;
        }
        let first = self.events.partition_point(|event| event.revision <= after);
        Some(self.events.range(first..).take(limit).cloned().collect())
    }
}
