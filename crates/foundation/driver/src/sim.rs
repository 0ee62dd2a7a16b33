//! An executor for tests: one thread, a seeded order, and time that passes only when nobody can work.
//!
//! Which of the ready tasks runs next is drawn from the seed, so that each seed is another interleaving and
//! the same seed is the same run. When no task is ready the clock jumps to the next sleeper, so that an hour of
//! timers takes no time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::env::{Env, Sleep, Task};
use crate::{Clock, Instant, ManualClock, Rng};

/// The executor; clones share it.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
}

struct Shared {
    clock: ManualClock,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    next: u64,
    /// A task is taken out while it runs.
    tasks: BTreeMap<u64, Task>,
    ready: Vec<u64>,
    sleepers: BTreeMap<(Instant, u64), Waker>,
}

impl Sim {
    /// An executor whose order is drawn from `seed`, with its clock at the origin.
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: Rng::from_seed(seed),
            next: 0,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            sleepers: BTreeMap::new(),
        };
        let shared = Shared {
            clock: ManualClock::new(),
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Runs everything until this future is done.
    ///
    /// # Panics
    /// When nothing can run and nobody sleeps, so that it never will be: a deadlock.
    pub fn block_on<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        self.spawn(Box::pin(async move {
            let done = future.await;
            *lock(&slot) = Some(done);
        }));
        loop {
            if let Some(done) = lock(&result).take() {
                return done;
            }
            assert!(self.step(), "deadlock: no task is ready and none sleeps");
        }
    }

    /// Runs what can run without time passing.
    pub fn run_ready(&self) {
        while self.run_one() {}
    }

    /// Whether something can run without time passing.
    pub fn is_ready(&self) -> bool {
        !lock(&self.shared.state).ready.is_empty()
    }

    /// Runs one task, or lets time pass until one can run; false if there is nothing left to wait for.
    pub fn step(&self) -> bool {
        self.run_one() || self.pass_time()
    }

    fn run_one(&self) -> bool {
        let Some((id, mut task)) = self.draw() else {
            return false;
        };
        let waker = Waker::from(Arc::new(Ready {
            id,
            shared: self.shared.clone(),
        }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            lock(&self.shared.state).tasks.insert(id, task);
        }
        true
    }

    /// A ready task, drawn by lot. One that was woken after its end is passed over.
    fn draw(&self) -> Option<(u64, Task)> {
        let mut state = lock(&self.shared.state);
        while !state.ready.is_empty() {
            let bound = state.ready.len() as u64;
            let at = usize::try_from(state.rng.below(bound)).unwrap_or(0);
            let id = state.ready.swap_remove(at);
            if let Some(task) = state.tasks.remove(&id) {
                return Some((id, task));
            }
        }
        None
    }

    fn pass_time(&self) -> bool {
        let next = lock(&self.shared.state).sleepers.pop_first();
        let Some(((at, _), waker)) = next else {
            return false;
        };
        self.shared
            .clock
            .advance(at.saturating_since(self.shared.clock.now()));
        waker.wake();
        true
    }
}

impl Env for Sim {
    fn clock(&self) -> &dyn Clock {
        &self.shared.clock
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let id = lock(&self.shared.state).take_id();
        Box::pin(Sleeper {
            at,
            id,
            shared: self.shared.clone(),
        })
    }

    fn spawn(&self, task: Task) {
        let mut state = lock(&self.shared.state);
        let id = state.take_id();
        state.tasks.insert(id, task);
        state.ready.push(id);
    }

    fn rng(&self) -> Rng {
        let seed = lock(&self.shared.state).rng.next_u64();
        Rng::from_seed(seed)
    }
}

impl State {
    fn take_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Wakes a task by putting it among the ready ones, once.
struct Ready {
    id: u64,
    shared: Arc<Shared>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.shared.state);
        if !state.ready.contains(&self.id) {
            state.ready.push(self.id);
        }
    }
}

struct Sleeper {
    at: Instant,
    id: u64,
    shared: Arc<Shared>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.clock.now() >= self.at {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        lock(&self.shared.state)
            .sleepers
            .insert((self.at, self.id), waker);
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        lock(&self.shared.state).sleepers.remove(&(self.at, self.id));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Elapsed, timeout};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Four tasks say their name three times, yielding in between.
    fn interleaving(seed: u64) -> Vec<u64> {
        let sim = Sim::new(seed);
        let said = Arc::new(Mutex::new(Vec::new()));
        for name in 0..4 {
            let (said, env) = (said.clone(), sim.clone());
            sim.spawn(Box::pin(async move {
                for _ in 0..3 {
                    lock(&said).push(name);
                    env.sleep(Duration::from_nanos(1)).await;
                }
            }));
        }
        while sim.step() {}
        std::mem::take(&mut *lock(&said))
    }

    #[test]
    fn a_seed_is_a_run_and_seeds_differ() {
        assert_eq!(interleaving(7), interleaving(7));
        let runs: std::collections::BTreeSet<_> = (0..20).map(interleaving).collect();
        assert!(runs.len() > 5, "{} runs", runs.len());
    }

    #[test]
    fn time_passes_when_nobody_can_work() {
        let sim = Sim::new(1);
        let env = sim.clone();
        let slept = sim.block_on(async move {
            let before = env.now();
            env.sleep(HOUR).await;
            env.now().saturating_since(before)
        });
        assert_eq!(slept, HOUR);
    }

    #[test]
    fn what_takes_too_long_is_given_up_and_its_sleep_forgotten() {
        let sim = Sim::new(1);
        let env = sim.clone();
        let (late, early) = sim.block_on(async move {
            let late = timeout(env.sleep(HOUR), env.sleep(2 * HOUR)).await;
            (late, timeout(env.sleep(HOUR), async { 5 }).await)
        });
        assert_eq!((late, early), (Err(Elapsed), Ok(5)));
        assert!(!sim.step(), "nobody sleeps any more");
    }

    #[test]
    #[should_panic(expected = "deadlock")]
    fn a_deadlock_is_told() {
        Sim::new(1).block_on(std::future::pending::<()>());
    }
}
