//! The hubs of a container, one for each of its runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Hub;

/// Who is attached to a container: to the run that there is, or to the one that comes next.
#[derive(Debug, Default)]
pub(crate) struct Hubs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Of the latest run; of the next one where somebody waits for it, or it begins.
    latest: Arc<Hub>,
    /// No further run comes.
    over: bool,
}

impl Hubs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That of the latest run, also when it has ended and nobody waits for another.
    pub(crate) fn latest(&self) -> Arc<Hub> {
        self.state().latest.clone()
    }

    /// That of the next run if the latest has ended; of a container that is removed there is none,
    /// and the hub is one that has ended.
    pub(crate) fn next(&self) -> Arc<Hub> {
        let mut state = self.state();
        if state.latest.has_ended() && !state.over {
            state.latest = Arc::default();
        }
        state.latest.clone()
    }

    /// No run comes any more: whoever waits for one hears so.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.over = true;
        state.latest.close();
    }
}
