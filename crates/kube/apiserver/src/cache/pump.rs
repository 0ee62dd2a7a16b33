//! The one task that carries what the store tells into the cache.

use std::sync::Arc;
use std::task::{Context, Poll};

use schema::object::{Obj, Revision};
use store::{Error, KeyRange, KeyValue, RangeRequest, Store, Watch, WatchItem, WatchRequest};

use super::place::{ROOT, place};
use super::reading::object;
use super::state::Shared;

/// Events that may wait for the pump; one more, and it reads everything anew.
const CAPACITY: usize = 1 << 16;

/// Items taken in under one lock.
const BATCH: usize = 256;

/// Keys read at a time when the cache is filled.
const PAGE: usize = 4096;

pub(super) struct Pump {
    pub(super) store: Arc<dyn Store>,
    pub(super) shared: Arc<Shared>,
}

/// A change, read outside the lock.
struct Read {
    revision: Revision,
    prefix: String,
    key: String,
    object: Option<Arc<Obj>>,
}

impl Pump {
    /// Reads everything and begins to watch from there.
    pub(super) async fn fill(&self) -> Result<Watch, Error> {
        let mut request = RangeRequest {
            range: KeyRange::prefix(ROOT.as_bytes()),
            revision: None,
            limit: Some(PAGE),
        };
        let mut objects = Vec::new();
        let revision = loop {
            let page = self.store.range(&request).await?;
            objects.extend(page.rows.iter().filter_map(|row| read_object(row)));
            match page.rows.last() {
                Some(last) if page.rows.len() < page.count => request.range = request.range.after(&last.key),
                _ => break page.revision,
            }
            request.revision = Some(page.revision);
        };
        self.shared
            .change(|state, wakers| state.refill(Revision(revision.0), objects, wakers));
        Ok(self.store.watch(&WatchRequest {
            prefix: ROOT.as_bytes().to_vec(),
            from: Some(revision.next()),
            capacity: CAPACITY,
        }))
    }

    /// Runs until the store closes.
    pub(super) async fn run(self, mut watch: Watch) {
        loop {
            let item = std::future::poll_fn(|cx| self.poll(&mut watch, cx)).await;
            match item {
                Ok(item) => self.take_in(item, &mut watch),
                // What could not be followed is read anew.
                Err(Error::Lagged | Error::Compacted { .. }) => match self.fill().await {
                    Ok(anew) => watch = anew,
                    Err(Error::Compacted { .. }) => {}
                    Err(error) => return self.close(&error),
                },
                Err(error) => return self.close(&error),
            }
        }
    }

    fn poll(&self, watch: &mut Watch, cx: &mut Context<'_>) -> Poll<Result<WatchItem, Error>> {
        let asked = {
            let mut state = self.shared.state();
            state.pump = Some(cx.waker().clone());
            std::mem::take(&mut state.asked)
        };
        if asked {
            watch.request_progress();
        }
        watch.poll_recv(cx)
    }

    /// Takes in an item and what waits behind it.
    fn take_in(&self, first: WatchItem, watch: &mut Watch) {
        let mut reached = Revision(0);
        let mut changes = Vec::new();
        let mut item = Some(first);
        while let Some(next) = item {
            match next {
                WatchItem::Event(event) => {
                    reached = Revision(event.revision.0);
                    changes.extend(read_event(&event));
                }
                WatchItem::Progress(revision) => reached = Revision(revision.0),
            }
            // An error is met again by the next poll.
            item = (changes.len() < BATCH)
                .then(|| watch.try_recv().and_then(Result::ok))
                .flatten();
        }
        self.shared.change(|state, wakers| {
            for change in changes {
                let collection = state.collection(&change.prefix);
                collection.apply(change.revision, &change.key, change.object, wakers);
            }
            state.reach(reached, wakers);
        });
    }

    fn close(&self, error: &Error) {
        if !matches!(error, Error::Closed) {
            tracing::error!(%error, "the watch cache cannot follow the store");
        }
        self.shared.change(|state, wakers| {
            state.closed = true;
            state.end_watches(wakers);
            state.reach(Revision(0), wakers);
        });
    }
}

fn read_event(event: &store::Event) -> Option<Read> {
    let key = std::str::from_utf8(event.key()).ok()?;
    let (prefix, _) = place(key)?;
    Some(Read {
        revision: Revision(event.revision.0),
        prefix: prefix.to_owned(),
        key: key[prefix.len()..].to_owned(),
        object: event.row.as_deref().and_then(object),
    })
}

fn read_object(row: &KeyValue) -> Option<(String, Arc<Obj>)> {
    let (prefix, _) = place(std::str::from_utf8(&row.key).ok()?)?;
    Some((prefix.to_owned(), object(row)?))
}
