//! The work queue of controllers: keys that have to be looked at, each by one worker at a time.
//!
//! A key that is added while it waits is one key; one that is added while a worker has it is looked at again
//! afterwards. A key that failed comes back after a pause that doubles (client-go's `workqueue`: 5 ms to 1,000 s). There
//! is one timer for all who wait, and none when nobody does. The queue is bounded: whoever adds waits for room, so that
//! what feeds it falls behind and looks at the whole again, instead of the queue growing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::{Env, Instant};

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1000);

/// A queue; clones share it.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

struct Shared<K> {
    env: Arc<dyn Env>,
    capacity: usize,
    state: Mutex<State<K>>,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Those that wait in `ready`, and those that a worker has and that changed meanwhile.
    dirty: BTreeSet<K>,
    /// Those that a worker has.
    held: BTreeSet<K>,
    /// Those that come back later, by when.
    later: BTreeSet<(Instant, K)>,
    due: BTreeMap<K, Instant>,
    failures: BTreeMap<K, u32>,
    closed: bool,
    workers: Vec<Waker>,
    adders: Vec<Waker>,
    timer: Option<Waker>,
}

/// A key that a worker has. Dropped, it is free to be taken again.
pub struct Held<K: Ord + Clone + Send + 'static> {
    key: K,
    queue: Queue<K>,
}

impl<K: Ord + Clone + Send + 'static> Queue<K> {
    /// A queue of at most `capacity` keys, with its timer on `env`. It lives until it is closed.
    pub fn new(env: Arc<dyn Env>, capacity: usize) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: BTreeSet::new(),
            held: BTreeSet::new(),
            later: BTreeSet::new(),
            due: BTreeMap::new(),
            failures: BTreeMap::new(),
            closed: false,
            workers: Vec::new(),
            adders: Vec::new(),
            timer: None,
        };
        let queue = Self {
            shared: Arc::new(Shared {
                env: env.clone(),
                capacity,
                state: Mutex::new(state),
            }),
        };
        env.spawn(Box::pin(queue.clone().keep_time()));
        queue
    }

    /// Adds a key, as soon as there is room.
    pub async fn add(&self, key: K) {
        let mut key = Some(key);
        poll_fn(|cx| {
            let mut state = self.state();
            let known = key.as_ref().is_some_and(|key| state.dirty.contains(key));
            if !known && !state.closed && state.dirty.len() >= self.shared.capacity {
                state.adders.push(cx.waker().clone());
                return Poll::Pending;
            }
            let worker = key.take().and_then(|key| state.add(key));
            drop(state);
            worker.into_iter().for_each(Waker::wake);
            Poll::Ready(())
        })
        .await;
    }

    /// Adds a key after a while, unless it comes sooner.
    pub fn add_after(&self, key: K, after: Duration) {
        let due = self.shared.env.now().saturating_add(after);
        let timer = self.state().add_later(key, due);
        timer.into_iter().for_each(Waker::wake);
    }

    /// The next key; none once the queue is closed.
    pub async fn take(&self) -> Option<Held<K>> {
        poll_fn(|cx| self.poll_take(cx)).await
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<Held<K>>> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(None);
        }
        let Some(key) = state.ready.pop_front() else {
            state.workers.push(cx.waker().clone());
            return Poll::Pending;
        };
        state.dirty.remove(&key);
        state.held.insert(key.clone());
        // All of them: one of them may have given up waiting.
        let adders = std::mem::take(&mut state.adders);
        drop(state);
        adders.into_iter().for_each(Waker::wake);
        let queue = self.clone();
        Poll::Ready(Some(Held { key, queue }))
    }

    /// Ends it: workers find nothing more, and what is added is dropped.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let mut wakers = std::mem::take(&mut state.workers);
        wakers.append(&mut state.adders);
        wakers.extend(state.timer.take());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Keys that wait now, those that wait for their time included.
    pub fn len(&self) -> usize {
        let state = self.state();
        state.dirty.len() + state.later.len()
    }

    /// Whether nothing waits and no worker has a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.state().held.is_empty()
    }

    /// Moves keys whose time has come; ends with the queue.
    async fn keep_time(self) {
        while let Some(due) = poll_fn(|cx| self.poll_due(cx)).await {
            self.sleep_until(due).await;
            self.release(self.shared.env.now());
        }
    }

    /// The earliest time that anybody waits for.
    fn poll_due(&self, cx: &Context<'_>) -> Poll<Option<Instant>> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(None);
        }
        match state.later.first() {
            Some((due, _)) => Poll::Ready(Some(*due)),
            None => {
                state.timer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ends when it is time, or when an earlier time or the end of the queue has to be looked at.
    async fn sleep_until(&self, due: Instant) {
        let mut sleep = self.shared.env.sleep_until(due);
        poll_fn(|cx| {
            let mut state = self.state();
            let earlier = state.later.first().is_none_or(|(first, _)| *first < due);
            if state.closed || earlier {
                return Poll::Ready(());
            }
            state.timer = Some(cx.waker().clone());
            drop(state);
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    fn release(&self, now: Instant) {
        let mut state = self.state();
        let mut workers = Vec::new();
        while state.later.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = state.later.pop_first() else {
                break;
            };
            state.due.remove(&key);
            workers.extend(state.add(key));
        }
        drop(state);
        workers.into_iter().for_each(Waker::wake);
    }
}

impl<K> Queue<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> State<K> {
    /// Answers a worker to wake.
    fn add(&mut self, key: K) -> Option<Waker> {
        if self.closed || !self.dirty.insert(key.clone()) || self.held.contains(&key) {
            return None;
        }
        self.ready.push_back(key);
        self.workers.pop()
    }

    /// The sooner of two times counts. Answers the timer, if it has to look.
    fn add_later(&mut self, key: K, due: Instant) -> Option<Waker> {
        if self.closed || self.due.get(&key).is_some_and(|known| *known <= due) {
            return None;
        }
        if let Some(known) = self.due.insert(key.clone(), due) {
            self.later.remove(&(known, key.clone()));
        }
        self.later.insert((due, key));
        self.timer.take()
    }
}

impl<K: Ord + Clone + Send + 'static> Held<K> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// It went well: the next failure is the first.
    pub fn done(self) {
        self.queue.state().failures.remove(&self.key);
    }

    /// It failed: it comes back after a pause, a longer one each time. Answers the pause.
    pub fn failed(self) -> Duration {
        let pause = {
            let mut state = self.queue.state();
            let failures = state.failures.entry(self.key.clone()).or_default();
            let pause = FIRST_PAUSE
                .saturating_mul(1 << (*failures).min(20))
                .min(LONGEST_PAUSE);
            *failures += 1;
            pause
        };
        self.come_back(pause);
        pause
    }

    /// It went well and has to be looked at again after a while.
    pub fn again(self, after: Duration) {
        self.queue.state().failures.remove(&self.key);
        self.come_back(after);
    }

    fn come_back(&self, after: Duration) {
        self.queue.add_after(self.key.clone(), after);
    }
}

impl<K: Ord + Clone + Send + 'static> Drop for Held<K> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.held.remove(&self.key);
        let worker = if state.dirty.contains(&self.key) && !state.closed {
            state.ready.push_back(self.key.clone());
            state.workers.pop()
        } else {
            None
        };
        drop(state);
        worker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sim;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn queue(capacity: usize) -> (Sim, Arc<dyn Env>, Queue<u32>) {
        let sim = Sim::new(3);
        let env: Arc<dyn Env> = Arc::new(sim.clone());
        let queue = Queue::new(env.clone(), capacity);
        (sim, env, queue)
    }

    #[test]
    fn a_key_is_one_key_and_has_one_worker() {
        let (sim, _, queue) = queue(8);
        sim.block_on(async move {
            queue.add(1).await;
            queue.add(1).await;
            let held = queue.take().await.unwrap();
            queue.add(1).await;
            queue.add(2).await;
            let other = queue.take().await.unwrap();
            assert_eq!((*held.key(), *other.key(), queue.len()), (1, 2, 1));
            held.done();
            let again = queue.take().await.unwrap();
            assert_eq!(*again.key(), 1);
            drop((other, again));
            assert!(queue.is_empty());
            queue.close();
            assert!(queue.take().await.is_none());
        });
    }

    #[test]
    fn failures_come_back_ever_later_and_success_forgets_them() {
        let (sim, env, queue) = queue(8);
        sim.block_on(async move {
            queue.add(1).await;
            let mut pauses = Vec::new();
            for _ in 0..25 {
                let before = env.now();
                let held = queue.take().await.unwrap();
                let waited = env.now().saturating_since(before);
                assert_eq!(waited, pauses.last().copied().unwrap_or_default());
                pauses.push(held.failed());
            }
            assert_eq!(pauses[..3], [5, 10, 20].map(Duration::from_millis));
            assert_eq!(pauses[24], LONGEST_PAUSE);
            queue.take().await.unwrap().done();
            queue.add(1).await;
            assert_eq!(queue.take().await.unwrap().failed(), FIRST_PAUSE);
        });
    }

    #[test]
    fn the_sooner_time_counts_and_the_timer_sees_it() {
        let (sim, env, queue) = queue(8);
        sim.block_on(async move {
            for (key, seconds) in [(1, 100), (2, 50), (3, 10)] {
                queue.add(key).await;
                queue.take().await.unwrap().again(Duration::from_secs(seconds));
            }
            let mut order = Vec::new();
            for _ in 0..3 {
                let held = queue.take().await.unwrap();
                order.push((
                    *held.key(),
                    env.now()
                        .saturating_since(Instant::from_origin(Duration::ZERO))
                        .as_secs(),
                ));
                held.done();
            }
            assert_eq!(order, [(3, 10), (2, 50), (1, 100)]);
        });
    }

    #[test]
    fn whoever_adds_waits_for_room() {
        let (sim, env, queue) = queue(2);
        let added = Arc::new(AtomicUsize::new(0));
        let (adder, count) = (queue.clone(), added.clone());
        env.spawn(Box::pin(async move {
            for key in 0..10 {
                adder.add(key).await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        }));
        sim.run_ready();
        assert_eq!(added.load(Ordering::Relaxed), 2);
        let taken = sim.block_on(async move {
            let mut taken = Vec::new();
            while taken.len() < 10 {
                let held = queue.take().await.unwrap();
                taken.push(*held.key());
                held.done();
            }
            taken
        });
        assert_eq!(taken, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn no_key_is_ever_with_two_workers() {
        for seed in 0..30 {
            let sim = Sim::new(seed);
            let env: Arc<dyn Env> = Arc::new(sim.clone());
            let queue: Queue<u32> = Queue::new(env.clone(), 4);
            let held: Arc<Mutex<BTreeMap<u32, u32>>> = Arc::default();
            for _ in 0..3 {
                let (queue, held, env2) = (queue.clone(), held.clone(), env.clone());
                env.spawn(Box::pin(async move {
                    while let Some(key) = queue.take().await {
                        let before = held.lock().unwrap().insert(*key.key(), 1);
                        assert_eq!(before, None);
                        env2.sleep(Duration::from_millis(1)).await;
                        held.lock().unwrap().remove(key.key());
                        key.done();
                    }
                }));
            }
            let adder = queue.clone();
            sim.block_on(async move {
                for round in 0..100 {
                    adder.add(round % 5).await;
                }
                while !adder.is_empty() {
                    env.sleep(Duration::from_millis(1)).await;
                }
                adder.close();
            });
        }
    }
}
