//! Which ends have been processed: the supervisor forgets them up to a number, so what is told it
//! is the end of the run of numbers without a gap.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::supervised::Supervisor;

/// Processed ends.
#[derive(Debug, Default)]
pub(crate) struct Acks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Everything up to here is processed.
    through: u64,
    /// Processed, behind a gap.
    ahead: BTreeSet<u64>,
}

impl State {
    /// Enters a number; the end of the run if that has moved.
    fn done(&mut self, sequence: u64) -> Option<u64> {
        let before = self.through;
        if sequence > before {
            self.ahead.insert(sequence);
        }
        while self.ahead.remove(&(self.through + 1)) {
            self.through += 1;
        }
        (self.through > before).then_some(self.through)
    }
}

impl Acks {
    /// Numbers count from here on: the supervisor is another one, or this daemon is.
    pub(crate) fn restart(&self, through: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State {
            through,
            ahead: BTreeSet::new(),
        };
    }

    /// An end has been processed and is kept.
    pub(crate) async fn done(&self, supervisor: &Supervisor, sequence: u64) {
        let moved = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .done(sequence);
        if let Some(through) = moved
            && let Err(error) = supervisor.ack(through).await
        {
            // It tells them again when it is back.
            tracing::debug!(%error, through, "ends are not acknowledged");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn only_a_run_without_a_gap_is_told() {
        let mut state = State {
            through: 4,
            ..State::default()
        };
        let told: Vec<_> = [6, 5, 5, 3, 9, 7, 8].map(|number| state.done(number)).into();
        assert_eq!(told, [None, Some(6), None, None, None, Some(7), Some(9)]);
        assert!(state.ahead.is_empty());
    }
}
