//! Following a collection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use driver::env::Sleep;
use driver::{Env, Instant};
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use schema::object::{Obj, Revision};
use schema::status::Status;

use super::converter::Converter;
use super::frame::Frames;
use super::list::below;
use super::options::{ListOptions, parse_revision};
use super::read_error;
use crate::cache::{Change, ReadError, Scope, Watcher};
use crate::select::Selection;
use crate::server::State;
use crate::{Answer, Body, Call, Refused, Reply, Served, custom};

/// A watch that names no time ends after this long, and up to twice that: upstream's `--min-request-timeout`.
const MIN_TIMEOUT: Duration = Duration::from_secs(1800);

/// How often a watcher that nothing happens to is told how far it is.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// The last bookmark is so long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Begins a watch. What is wrong with the revision is told in the stream, as upstream does.
///
/// # Errors
/// 400, 406, 422.
pub(crate) async fn watch(state: &Arc<State>, call: &Call) -> Answer<Reply> {
    let (env, served) = (&state.env, call.served()?);
    let options = ListOptions::of(call, served, true)?;
    let frames = Frames::of(state, call, served)?;
    let revision = watch_revision(&options)?;
    if options.timeout_seconds.is_some_and(|seconds| seconds < 0) {
        return Ok(Reply::Http(respond(frames.content_type(), Body::empty())));
    }
    let deadline = deadline(env, &options);
    let body = match begin(state, call, served, &options, revision).await {
        Ok(begun) => {
            let timeout = env.sleep_until(deadline);
            let stream = WatchStream {
                timeout,
                bookmark: None,
                env: env.clone(),
                deadline,
                selection: options.selection,
                bookmarks: options.bookmarks,
                initial: begun.initial.into_iter(),
                end_bookmark: begun.end_bookmark,
                watcher: begun.watcher,
                converter: Converter::of(state, served),
                content_type: frames.content_type(),
                frames,
                ended: false,
            };
            return Ok(Reply::Http(stream.respond()));
        }
        Err(status) => Body::full(frames.error(&status)),
    };
    Ok(Reply::Http(respond(frames.content_type(), body)))
}

fn respond(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn watch_revision(options: &ListOptions) -> Answer<Revision> {
    // Upstream does not make this one a bad request.
    parse_revision(&options.resource_version, "")
        .map_err(|Refused(status)| Status::failure(500, "", status.message).into())
}

fn deadline(env: &Arc<dyn Env>, options: &ListOptions) -> Instant {
    let asked = options
        .timeout_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let lasts = asked.map(Duration::from_secs).unwrap_or_else(|| {
        let spread = env.rng().below(MIN_TIMEOUT.as_secs());
        MIN_TIMEOUT + Duration::from_secs(spread)
    });
    env.now().saturating_add(lasts)
}

/// Where a watch begins.
struct Begun {
    /// What is there already.
    initial: Vec<Arc<Obj>>,
    /// The revision of the bookmark that ends it.
    end_bookmark: Option<Revision>,
    watcher: Watcher,
}

async fn begin(
    state: &State,
    call: &Call,
    served: &Served,
    options: &ListOptions,
    revision: Revision,
) -> Result<Begun, Status> {
    let (cache, prefix) = (&state.cache, served.key_prefix());
    let (below, single) = below(call, served, options);
    let unset = options.resource_version.is_empty();
    let refused = |error: ReadError| read_error::status(&error, None);
    let with_state = options.send_initial_events == Some(true);
    let mut begun = (Vec::new(), None, revision);
    if with_state {
        let waited = if unset {
            cache.wait_for_newest().await
        } else {
            cache.wait(revision).await
        };
        waited.map_err(refused)?;
        let snapshot = cache.snapshot(&prefix);
        let found = snapshot
            .range(&below, "")
            .filter(|object| options.selection.matches(object));
        let found = found.filter(|object| !single || *object.key == *below);
        let end = options.bookmarks.then_some(snapshot.revision);
        begun = (found.cloned().collect(), end, snapshot.revision);
    } else if revision == Revision(0) {
        begun.2 = cache.revision();
    }
    let (mut initial, end_bookmark, after) = begun;
    let shown = custom::conversion::all_shown(state, served, &mut initial).await;
    shown.map_err(|refused| *refused.0)?;
    let watcher = cache
        .watch(&prefix, scope(&below, single), after)
        .map_err(|floor| Status::expired(format!("too old resource version: {} ({})", after.0, floor.0)))?;
    Ok(Begun {
        initial,
        end_bookmark,
        watcher,
    })
}

fn scope(below: &str, single: bool) -> Scope {
    match below.strip_suffix('/') {
        _ if single => Scope::Object(below.into()),
        Some(namespace) => Scope::Namespace(namespace.into()),
        None => Scope::All,
    }
}

/// The frames of one watch. Dropped, it is forgotten: that is how a client that went away is noticed.
struct WatchStream {
    timeout: Sleep,
    /// Made when the watch first waits.
    bookmark: Option<Sleep>,
    env: Arc<dyn Env>,
    deadline: Instant,
    selection: Selection,
    bookmarks: bool,
    initial: std::vec::IntoIter<Arc<Obj>>,
    end_bookmark: Option<Revision>,
    watcher: Watcher,
    converter: Option<Converter>,
    frames: Frames,
    content_type: &'static str,
    ended: bool,
}

impl WatchStream {
    fn respond(self) -> Response<Body> {
        respond(self.content_type, Body::stream(self))
    }

    /// What is there already, and the bookmark that says that this was all of it.
    fn next_initial(&mut self) -> Option<Bytes> {
        match self.initial.next() {
            Some(object) => Some(self.frames.object(Change::Added, &object)),
            None => self
                .end_bookmark
                .take()
                .map(|revision| self.frames.bookmark(revision, true)),
        }
    }

    fn next_event(&mut self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let event = match self.watcher.poll_next(cx) {
                Poll::Ready(Ok(event)) => event,
                // Whoever is cut off watches again from what it saw last, and is then told what is lost.
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            };
            let Some((change, object)) = event.told(&self.selection) else {
                continue;
            };
            let converter = self.converter.as_mut();
            if converter.is_some_and(|converter| converter.takes(change, object)) {
                return Poll::Pending;
            }
            return Poll::Ready(Some(self.frames.event(&event, change, object)));
        }
    }

    /// What a webhook has converted; an object that it cannot convert ends the watch.
    fn next_converted(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(converter) = &mut self.converter else {
            return Poll::Ready(None);
        };
        converter.poll(cx).map(|converted| match converted? {
            (change, Ok(object)) => Some(self.frames.object(change, &object)),
            (_, Err(Refused(status))) => {
                self.ended = true;
                Some(self.frames.error(&status))
            }
        })
    }

    /// Whether a webhook is at work on an event.
    fn converts(&self) -> bool {
        self.converter.as_ref().is_some_and(Converter::is_busy)
    }

    /// How far the watch is, each minute and shortly before its end.
    fn next_bookmark(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if !self.bookmarks {
            return None;
        }
        let sleep = match self.bookmark.take() {
            Some(sleep) => sleep,
            None => self.bookmark_sleep()?,
        };
        let sleep = self.bookmark.insert(sleep);
        if sleep.as_mut().poll(cx).is_pending() {
            return None;
        }
        self.bookmark = None;
        let revision = self.watcher.caught_up()?;
        Some(self.frames.bookmark(revision, false))
    }

    fn bookmark_sleep(&self) -> Option<Sleep> {
        let now = self.env.now();
        let left = self.deadline.saturating_since(now);
        let before_end = left.checked_sub(LAST_BOOKMARK).filter(|left| !left.is_zero())?;
        Some(self.env.sleep(before_end.min(BOOKMARKS)))
    }
}

impl Stream for WatchStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if this.ended || this.timeout.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Some(frame) = this.next_initial() {
            return Poll::Ready(Some(frame));
        }
        loop {
            match this.next_converted(cx) {
                Poll::Ready(None) => {}
                busy => return busy,
            }
            match this.next_event(cx) {
                Poll::Pending if this.converts() => {}
                Poll::Pending => break,
                ready => return ready,
            }
        }
        loop {
            match this.next_bookmark(cx) {
                Some(frame) => return Poll::Ready(Some(frame)),
                // A bookmark that fell due while events waited: the next one has to be waited for.
                None if this.bookmarks && this.bookmark.is_none() && this.bookmark_sleep().is_some() => {}
                None => return Poll::Pending,
            }
        }
    }
}
