//! One priority level at work: its seats, and the queues of those who wait for one.
//!
//! A request takes as many seats as it is wide. Where there are none it waits in one of the queues that its flow may use
//! (shuffle sharding: a flow that floods its queues spares nearly every other flow one of theirs). Queues are served by
//! start-time fair queuing: the one that has been served least, in seats, comes first.

use std::collections::VecDeque;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use http::HeaderValue;

use super::schema::Queuing;

/// What a level grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Seats; none for a level without a limit.
    pub(super) seats: Option<u32>,
    /// None refuses what finds no seat.
    pub(super) queuing: Option<Queuing>,
}

#[derive(Debug)]
pub(super) struct Level {
    pub(super) name: String,
    /// For the header that tells clients which one it was.
    pub(super) uid: HeaderValue,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
    state: Mutex<State>,
}

/// What has happened since the level is there.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) executing: AtomicU64,
    pub(super) dispatched: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) cancelled: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    seats: u32,
    waiting: usize,
    /// How far the fairest queue has been served, in seats.
    served: u64,
    /// Made when somebody has to wait.
    queues: Vec<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Ticket>>,
    /// How far this one has been served.
    served: u64,
    executing: u32,
    seats: u32,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Ticket {
    width: u32,
    queue: usize,
    pub(super) schema: String,
    pub(super) flow: String,
    pub(super) arrived: SystemTime,
    turn: Mutex<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    come: bool,
    waker: Option<Waker>,
}

/// What a request found.
pub(super) enum Found {
    Seat(Seat),
    Wait(Waiting),
    Nothing,
}

/// A request's seats; dropped, they are free.
#[derive(Debug)]
pub(crate) struct Seat {
    level: Arc<Level>,
    width: u32,
    queue: Option<usize>,
}

/// A request in a queue. Dropped, it has left.
pub(super) struct Waiting {
    level: Arc<Level>,
    ticket: Arc<Ticket>,
    seated: bool,
}

/// A queue as a dump shows it.
pub(super) struct QueueView {
    pub(super) waiting: Vec<Arc<Ticket>>,
    pub(super) executing: u32,
    pub(super) seats: u32,
    pub(super) served: u64,
}

impl Level {
    pub(super) fn new(name: &str, uid: HeaderValue, limits: Limits) -> Self {
        Self {
            name: name.to_owned(),
            uid,
            limits,
            counts: Counts::default(),
            state: Mutex::default(),
        }
    }

    /// A seat, a place in a queue, or nothing. `flow` is the schema's name and what tells its flows apart.
    pub(super) fn enter(self: &Arc<Self>, width: u32, flow: (&str, &str), now: SystemTime) -> Found {
        let Some(limit) = self.limits.seats else {
            return Found::Seat(self.seat(width, None));
        };
        let width = width.min(limit.max(1));
        let mut state = self.state();
        if state.waiting == 0 && state.fits(width, limit) {
            state.seats += width;
            drop(state);
            return Found::Seat(self.seat(width, None));
        }
        let found = self
            .limits
            .queuing
            .and_then(|queuing| state.choose(queuing, flow));
        let Some(queue) = found else {
            self.counts.rejected.fetch_add(1, Ordering::Relaxed);
            return Found::Nothing;
        };
        let ticket = Arc::new(Ticket {
            width,
            queue,
            schema: flow.0.to_owned(),
            flow: flow.1.to_owned(),
            arrived: now,
            turn: Mutex::default(),
        });
        state.join(ticket.clone());
        Found::Wait(Waiting {
            level: self.clone(),
            ticket,
            seated: false,
        })
    }

    fn seat(self: &Arc<Self>, width: u32, queue: Option<usize>) -> Seat {
        self.counts.executing.fetch_add(1, Ordering::Relaxed);
        self.counts.dispatched.fetch_add(1, Ordering::Relaxed);
        Seat {
            level: self.clone(),
            width,
            queue,
        }
    }

    /// Takes seats back, and calls those whose turn it is.
    fn give_back(&self, width: u32, queue: Option<usize>) {
        let Some(limit) = self.limits.seats else { return };
        let mut state = self.state();
        state.seats -= width;
        if let Some(queue) = queue.and_then(|at| state.queues.get_mut(at)) {
            queue.executing -= 1;
            queue.seats -= width;
        }
        let wakers = state.call(limit);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many wait, in how many queues.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        let active = state.queues.iter().filter(|queue| !queue.waiting.is_empty());
        (state.waiting, active.count())
    }

    pub(super) fn view(&self) -> Vec<QueueView> {
        let view = |queue: &Queue| QueueView {
            waiting: queue.waiting.iter().cloned().collect(),
            executing: queue.executing,
            seats: queue.seats,
            served: queue.served,
        };
        self.state().queues.iter().map(view).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A request as wide as all seats together still gets its turn.
    fn fits(&self, width: u32, limit: u32) -> bool {
        self.seats == 0 || self.seats + width <= limit
    }

    /// The queue of a flow's hand in which the least waits; none if that is full.
    fn choose(&mut self, queuing: Queuing, flow: (&str, &str)) -> Option<usize> {
        let count = queuing.queues.max(1) as usize;
        if self.queues.is_empty() {
            self.queues.resize_with(count, Queue::default);
        }
        let load = |at: &usize| self.queues[*at].waiting.len() + self.queues[*at].executing as usize;
        let best = hand(flow, count, queuing.hand_size as usize)
            .into_iter()
            .min_by_key(load)?;
        let room = self.queues[best].waiting.len() < queuing.queue_length_limit as usize;
        room.then_some(best)
    }

    fn join(&mut self, ticket: Arc<Ticket>) {
        self.waiting += 1;
        let queue = &mut self.queues[ticket.queue];
        if queue.waiting.is_empty() {
            // An idle queue saves nothing up.
            queue.served = queue.served.max(self.served);
        }
        queue.waiting.push_back(ticket);
    }

    /// Seats those whose turn it is.
    fn call(&mut self, limit: u32) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while self.waiting > 0 {
            let waiting = self.queues.iter_mut().filter(|queue| !queue.waiting.is_empty());
            let Some(queue) = waiting.min_by_key(|queue| queue.served) else {
                break;
            };
            let width = queue.waiting.front().map_or(0, |ticket| ticket.width);
            if self.seats > 0 && self.seats + width > limit {
                break;
            }
            let Some(ticket) = queue.waiting.pop_front() else {
                break;
            };
            self.served = queue.served;
            queue.served += u64::from(width);
            queue.executing += 1;
            queue.seats += width;
            self.seats += width;
            self.waiting -= 1;
            let mut turn = ticket.turn();
            turn.come = true;
            wakers.extend(turn.waker.take());
        }
        wakers
    }

    /// Takes somebody out of its queue; false if it was not waiting any more.
    fn leave(&mut self, ticket: &Arc<Ticket>) -> bool {
        let queue = &mut self.queues[ticket.queue].waiting;
        let Some(at) = queue.iter().position(|other| Arc::ptr_eq(other, ticket)) else {
            return false;
        };
        queue.remove(at);
        self.waiting -= 1;
        true
    }
}

/// The queues that a flow may use: cards dealt by its hash, no two the same.
fn hand(flow: (&str, &str), count: usize, size: usize) -> Vec<usize> {
    let mut hasher = DefaultHasher::new();
    flow.hash(&mut hasher);
    let mut hash = hasher.finish();
    let mut dealt: Vec<usize> = Vec::new();
    for left in (1..=count).rev().take(size.max(1)) {
        let card = usize::try_from(hash % left as u64).unwrap_or_default();
        hash = (hash / left as u64) ^ hash.rotate_left(32);
        // The card is the n-th of those that are left.
        let mut sorted = dealt.clone();
        sorted.sort_unstable();
        let at = sorted
            .iter()
            .fold(card, |at, taken| at + usize::from(*taken <= at));
        dealt.push(at);
    }
    dealt
}

impl Ticket {
    /// The seats that it takes.
    pub(super) fn width(&self) -> u32 {
        self.width
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Counts one whose time is over as that, and not as one that left.
    pub(super) fn timed_out(level: &Level) {
        level.counts.cancelled.fetch_sub(1, Ordering::Relaxed);
        level.counts.timed_out.fetch_add(1, Ordering::Relaxed);
    }
}

impl Future for Waiting {
    type Output = Seat;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Seat> {
        {
            let mut turn = self.ticket.turn();
            if !turn.come {
                turn.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        self.seated = true;
        Poll::Ready(self.level.seat(self.ticket.width, Some(self.ticket.queue)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.seated {
            return;
        }
        self.level.counts.cancelled.fetch_add(1, Ordering::Relaxed);
        let left = self.level.state().leave(&self.ticket);
        if !left {
            // Its turn had come, and nobody took the seats.
            self.level.give_back(self.ticket.width, Some(self.ticket.queue));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.level.counts.executing.fetch_sub(1, Ordering::Relaxed);
        self.level.give_back(self.width, self.queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn level(seats: u32, queuing: Option<Queuing>) -> Arc<Level> {
        let limits = Limits {
            seats: Some(seats),
            queuing,
        };
        Arc::new(Level::new("test", HeaderValue::from_static(""), limits))
    }

    const QUEUING: Queuing = Queuing {
        queues: 8,
        hand_size: 2,
        queue_length_limit: 3,
    };

    fn enter(level: &Arc<Level>, flow: &str) -> Found {
        level.enter(1, ("schema", flow), SystemTime::UNIX_EPOCH)
    }

    fn seat(found: Found) -> Seat {
        match found {
            Found::Seat(seat) => seat,
            _ => panic!("there is a seat"),
        }
    }

    fn waiting(found: Found) -> Waiting {
        match found {
            Found::Wait(waiting) => waiting,
            _ => panic!("it waits"),
        }
    }

    #[test]
    fn without_queues_what_finds_no_seat_is_refused() {
        let level = level(1, None);
        let held = seat(enter(&level, "a"));
        assert!(matches!(enter(&level, "a"), Found::Nothing));
        drop(held);
        drop(seat(enter(&level, "a")));
        assert_eq!(level.counts.rejected.load(Ordering::Relaxed), 1);
        assert_eq!(level.counts.dispatched.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_small_flow_does_not_wait_behind_a_large_one() {
        let level = level(1, Some(QUEUING));
        let held = seat(enter(&level, "large"));
        let mut large: Vec<Waiting> = (0..4).map(|_| waiting(enter(&level, "large"))).collect();
        let small = (0..50).map(|at| format!("small-{at}"));
        let spared = |name: &String| {
            let mine = hand(("schema", name), 8, 2);
            let theirs = hand(("schema", "large"), 8, 2);
            mine.iter().all(|queue| !theirs.contains(queue))
        };
        let name = small.into_iter().find(spared).unwrap();
        let mut small = waiting(enter(&level, &name));
        drop(held);
        // The large flow has two queues, so at most two of its requests come first.
        let turns = (0..3).position(|_| {
            if let Some(seat) = (&mut small).now_or_never() {
                drop(seat);
                return true;
            }
            let other = large
                .iter_mut()
                .filter(|each| !each.seated)
                .find_map(|each| each.now_or_never());
            assert!(other.is_some(), "somebody's turn has come");
            false
        });
        assert!(turns.is_some(), "the small flow was served among the first three");
    }

    #[test]
    fn a_full_queue_refuses_and_who_leaves_makes_room() {
        let queuing = Queuing {
            queues: 1,
            hand_size: 1,
            queue_length_limit: 2,
        };
        let level = level(1, Some(queuing));
        let held = seat(enter(&level, "a"));
        let (first, mut second) = (waiting(enter(&level, "a")), waiting(enter(&level, "b")));
        assert!(matches!(enter(&level, "c"), Found::Nothing));
        drop(first);
        assert_eq!(level.waiting(), (1, 1));
        assert!((&mut second).now_or_never().is_none());
        drop(held);
        let seated = (&mut second).now_or_never().unwrap();
        assert_eq!(level.counts.executing.load(Ordering::Relaxed), 1);
        drop((seated, second));
        // Everything is free again.
        drop(seat(enter(&level, "a")));
        assert_eq!(level.waiting(), (0, 0));
    }

    #[test]
    fn a_turn_that_nobody_takes_is_given_on() {
        let level = level(1, Some(QUEUING));
        let held = seat(enter(&level, "a"));
        let (first, mut second) = (waiting(enter(&level, "a")), waiting(enter(&level, "a")));
        drop(held);
        drop(first);
        assert!((&mut second).now_or_never().is_some());
    }

    #[test]
    fn a_hand_has_no_card_twice() {
        for at in 0..200 {
            let mut cards = hand(("schema", &at.to_string()), 16, 6);
            cards.sort_unstable();
            cards.dedup();
            assert_eq!(cards.len(), 6);
            assert!(cards.iter().all(|card| *card < 16));
        }
    }
}
