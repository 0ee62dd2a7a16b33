//! Work that several want at once is done once for all of them: syncing a directory.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Work that several may want at once, and that one can do for all who wanted it before it began.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    begun: u64,
    /// The last round that went well.
    done: u64,
    running: bool,
}

impl Shared {
    /// Has the work done by somebody who begins after this call.
    pub(crate) fn run(&self, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        let wanted = state.begun + 1;
        while state.done < wanted {
            if state.running {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            state.running = true;
            let round = state.begun;
            drop(state);
            let result = work();
            state = self.lock();
            state.running = false;
            if result.is_ok() {
                state.done = state.done.max(round);
            }
            self.ended.notify_all();
            result?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Rounds> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn whoever_waits_has_work_done_that_began_after_it_asked() {
        let shared = Shared::default();
        let (asked, done) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mine = asked.fetch_add(1, Ordering::SeqCst) + 1;
                        let work = || {
                            done.fetch_max(asked.load(Ordering::SeqCst), Ordering::SeqCst);
                            Ok(())
                        };
                        shared.run(work).unwrap();
                        assert!(done.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
        let failing = || Err(io::ErrorKind::StorageFull.into());
        assert!(shared.run(failing).is_err());
        shared.run(|| Ok(())).unwrap();
    }
}
