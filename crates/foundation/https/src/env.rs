//! Tokio as an [`Env`]: what the simulator is in tests.

use std::sync::{Mutex, PoisonError};

use driver::env::{Sleep, Task};
use driver::{Clock, Env, Instant, Rng, SystemClock};
use tokio::runtime::Handle;

/// Tasks on a tokio runtime, by the machine's clocks.
#[derive(Debug)]
pub struct TokioEnv {
    executor: Handle,
    clock: SystemClock,
    chance: Mutex<Rng>,
}

impl TokioEnv {
    /// On `executor`; streams of random numbers derive from `chance`.
    #[must_use]
    pub fn new(executor: Handle, chance: Rng) -> Self {
        Self {
            executor,
            clock: SystemClock::new(),
            chance: Mutex::new(chance),
        }
    }
}

impl Env for TokioEnv {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let left = at.saturating_since(self.clock.now());
        // A timer belongs to the runtime that it is made in.
        let _entered = self.executor.enter();
        Box::pin(tokio::time::sleep(left))
    }

    fn spawn(&self, task: Task) {
        self.executor.spawn(task);
    }

    fn rng(&self) -> Rng {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        Rng::from_seed(chance.next_u64())
    }
}
