//! What is on its way to clients, counted for each connection and each of its streams.
//!
//! HTTP/2's windows let a client ask for much and read nothing, and what hyper and h2 hold then is bounded for each
//! stream only. So every piece of an answer is charged to its stream and its connection until it has been written or
//! dropped: a connection that holds too much is given nothing more, and whoever takes nothing is cut off.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::watch;
use tokio::time::Sleep;

/// A client that takes this much, or all there is, within the time for it goes on: about 4 KiB a second.
pub(crate) const PROGRESS: u64 = 128 << 10;

tokio::task_local! {
    /// The account of the connection or stream that is being polled.
    pub(crate) static ACCOUNT: Arc<Account>;
}

/// What one connection or stream holds.
#[derive(Debug)]
pub(crate) struct Account {
    /// The connection's, of a stream; none is a connection.
    connection: Option<Arc<Self>>,
    limit: usize,
    held: AtomicUsize,
    moved: AtomicU64,
    waiting: Mutex<VecDeque<Waker>>,
    /// Whether anybody stands there: nearly always nobody, and then no lock is taken.
    awaited: AtomicBool,
}

impl Account {
    /// A connection's; it is given no more while it holds `limit` bytes.
    pub(crate) fn of_connection(limit: usize) -> Arc<Self> {
        Arc::new(Self::new(limit, None))
    }

    /// That of one of a connection's streams, or of a stream's sibling.
    pub(crate) fn stream(self: &Arc<Self>) -> Arc<Self> {
        let connection = self.connection.as_ref().unwrap_or(self);
        Arc::new(Self::new(usize::MAX, Some(connection.clone())))
    }

    fn new(limit: usize, connection: Option<Arc<Self>>) -> Self {
        Self {
            connection,
            limit,
            held: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            waiting: Mutex::default(),
            awaited: AtomicBool::new(false),
        }
    }

    /// Counts a piece until it is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: Bytes) -> Piece {
        let size = bytes.len();
        self.each(|account| {
            account.held.fetch_add(size, Ordering::SeqCst);
        });
        Piece {
            bytes,
            size,
            account: self.clone(),
        }
    }

    /// Ready when the connection may hold more.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let connection = self.connection.as_deref().unwrap_or(self);
        connection.poll_held(cx, |held| held < connection.limit)
    }

    /// Ready when everything has been written.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll_held(cx, |held| held == 0)
    }

    fn poll_held(&self, cx: &Context<'_>, enough: impl Fn(usize) -> bool) -> Poll<()> {
        if enough(self.held()) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting();
        // Once each, however often a client has its stream polled.
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push_back(cx.waker().clone());
        }
        self.awaited.store(true, Ordering::SeqCst);
        drop(waiting);
        // What was written before the waker stood there has woken nobody.
        if enough(self.held()) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, size: usize) {
        // In one order for all: either the one who comes to wait sees this, or this sees that somebody waits.
        let held = self.held.fetch_sub(size, Ordering::SeqCst) - size;
        if self.awaited.load(Ordering::SeqCst) {
            let woken = self.woken(held);
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Whose turn it is: the first, where a connection has room again; all, when nothing is held any more, so that it does
    /// not matter if somebody who was woken had left.
    fn woken(&self, held: usize) -> VecDeque<Waker> {
        let mut waiting = self.waiting();
        let room = self.connection.is_none() && held < self.limit;
        let count = match held {
            0 => waiting.len(),
            _ => usize::from(room).min(waiting.len()),
        };
        let rest = waiting.split_off(count);
        self.awaited.store(!rest.is_empty(), Ordering::SeqCst);
        std::mem::replace(&mut *waiting, rest)
    }

    /// This account, and the one above it.
    fn each(&self, act: impl Fn(&Self)) {
        act(self);
        if let Some(connection) = &self.connection {
            act(connection);
        }
    }
}

/// Bytes that are on their way.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    size: usize,
    account: Arc<Account>,
}

impl Piece {
    fn moved(&self, count: usize) {
        self.account.each(|account| {
            account.moved.fetch_add(count as u64, Ordering::Relaxed);
        });
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.moved(count);
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        self.moved(count);
        self.bytes.copy_to_bytes(count)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.account.each(|account| account.release(self.size));
    }
}

/// Ends when what is held has not moved for a while: between one and two times `unread`, since only one timer is
/// kept, and none while nothing is held. To be polled after whatever moves it, in the same task.
#[derive(Debug)]
pub(crate) struct Stalled {
    account: Arc<Account>,
    unread: Duration,
    crowd: Option<Crowd>,
    since: Option<Since>,
}

/// Whether others wait for a seat, and how much time there is while they do.
#[derive(Debug)]
struct Crowd {
    now: watch::Receiver<bool>,
    unread: Duration,
}

impl Crowd {
    fn is_there(&self) -> bool {
        *self.now.borrow()
    }

    fn comes(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut now = self.now.clone();
        Box::pin(async move { drop(now.wait_for(|crowded| *crowded).await) })
    }
}

struct Since {
    timer: Pin<Box<Sleep>>,
    /// The crowd that is waited for; none once it has come, and the time is its.
    crowd: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    hurried: bool,
    /// How far it had moved, and how far it has to.
    moved: u64,
    wanted: u64,
}

impl std::fmt::Debug for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Since")
            .field("moved", &self.moved)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl Stalled {
    pub(crate) fn new(account: Arc<Account>, unread: Duration) -> Self {
        Self {
            account,
            unread,
            crowd: None,
            since: None,
        }
    }

    /// The same, with less time where others wait for the connection's seat.
    pub(crate) fn when_full(self, crowded: watch::Receiver<bool>, unread: Duration) -> Self {
        let crowd = Some(Crowd { now: crowded, unread });
        Self { crowd, ..self }
    }

    fn begin(&self, unread: Duration, crowd: Option<&Crowd>) -> Option<Since> {
        let held = self.account.held() as u64;
        (held > 0).then(|| Since {
            timer: Box::pin(tokio::time::sleep(unread)),
            crowd: crowd.map(Crowd::comes),
            hurried: false,
            moved: self.account.moved.load(Ordering::Relaxed),
            wanted: held.min(PROGRESS),
        })
    }
}

impl Future for Stalled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if this.since.is_none() {
                this.since = this.begin(this.unread, this.crowd.as_ref());
            }
            let Some(since) = &mut this.since else {
                return Poll::Pending;
            };
            let comes = since.crowd.as_mut().map(|crowd| crowd.as_mut().poll(cx));
            if comes.is_some_and(|comes| comes.is_ready())
                && let Some(crowd) = &this.crowd
            {
                this.since = this.begin(crowd.unread, None).map(|since| Since {
                    hurried: true,
                    ..since
                });
                continue;
            }
            ready!(since.timer.as_mut().poll(cx));
            let moved = this.account.moved.load(Ordering::Relaxed);
            let due = !since.hurried || this.crowd.as_ref().is_some_and(Crowd::is_there);
            let since = this.since.take();
            let stands = since.is_some_and(|since| moved.wrapping_sub(since.moved) < since.wanted);
            if stands && due && this.account.held() > 0 {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const SHORT: Duration = Duration::from_millis(10);

    fn room(account: &Account) -> bool {
        account.poll_room(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn streams_share_the_room_of_their_connection() {
        let connection = Account::of_connection(10);
        let (one, other) = (connection.stream(), connection.stream());
        let piece = one.charge(Bytes::from_static(b"0123456789"));
        assert!(!room(&other) && !room(&connection));
        assert!(other.poll_empty(&Context::from_waker(Waker::noop())).is_ready());
        drop(piece);
        assert!(room(&other));
    }

    #[tokio::test]
    async fn whoever_takes_nothing_stands_still() {
        let account = Account::of_connection(10).stream();
        let mut stalled = Stalled::new(account.clone(), SHORT);
        assert!((&mut stalled).now_or_never().is_none());
        let mut piece = account.charge(Bytes::from_static(b"0123"));
        assert!((&mut stalled).now_or_never().is_none());
        // Something has moved, but not all of the little there is.
        piece.advance(3);
        stalled.await;
    }

    #[tokio::test]
    async fn whoever_takes_what_there_is_goes_on() {
        let account = Account::of_connection(10).stream();
        let mut stalled = Stalled::new(account.clone(), SHORT);
        for _ in 0..3 {
            let mut piece = account.charge(Bytes::from_static(b"0123"));
            assert!((&mut stalled).now_or_never().is_none());
            piece.advance(4);
            let next = account.charge(Bytes::from_static(b"4567"));
            drop(piece);
            // However late it is looked at, it has moved.
            tokio::time::sleep(2 * SHORT).await;
            assert!((&mut stalled).now_or_never().is_none());
            drop(next);
        }
    }
}
