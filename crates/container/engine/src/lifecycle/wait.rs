//! Wait.

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Error;
use crate::request::WaitCondition;
use crate::state::Exit;
use crate::table::{Entry, Signals};

impl Engine {
    /// Waits for a condition and answers how the last run ended.
    ///
    /// # Errors
    /// There is no such container.
    pub async fn wait(&self, reference: &str, condition: WaitCondition) -> Result<Exit, Error> {
        self.waiter(reference, condition)?.await
    }

    /// As [`Engine::wait`], but the condition is watched from this call on, not from the first
    /// poll of what it answers: a door that first says that it waits misses nothing.
    ///
    /// # Errors
    /// There is no such container.
    pub fn waiter(
        &self,
        reference: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = Result<Exit, Error>> + Send + use<>, Error> {
        let entry = self.0.table.find(reference)?;
        let mut signals = entry.signals.subscribe();
        let seen = signals.borrow_and_update().ends;
        let state = entry.get().state.clone();
        let now = (condition == WaitCondition::NotRunning && !state.status.is_running()).then_some(Exit {
            code: state.exit_code,
            error: state.error,
        });
        Ok(async move {
            if let Some(exit) = now {
                return Ok(exit);
            }
            let met = |signals: &Signals| match condition {
                WaitCondition::NotRunning | WaitCondition::NextExit => {
                    signals.ends != seen || signals.removed
                }
                WaitCondition::Removed => signals.removed,
            };
            let signals = signals.wait_for(met).await;
            // The sender is in the entry, which the engine keeps until it is removed.
            let mut last = signals.map(|signals| signals.last.clone());
            if condition == WaitCondition::Removed {
                // A removal that succeeded has no error, whatever the last run ended with (upstream's rule).
                last = last.map(|exit| Exit { error: String::new(), ..exit });
            }
            Ok(last.unwrap_or_else(|_| Exit {
                code: entry.get().state.exit_code,
                error: String::new(),
            }))
        })
    }

    /// Waits for the end of the run that there is now, at once if there is none.
    pub(crate) fn end_of_run(&self, entry: &Arc<Entry>) -> impl Future<Output = ()> + Send + use<> {
        let mut signals = entry.signals.subscribe();
        let seen = signals.borrow_and_update().ends;
        let entry = entry.clone();
        async move {
            if entry.get().state.status.has_process() {
                // The entry holds the sender.
                let _ = signals
                    .wait_for(|signals| signals.ends != seen || signals.removed)
                    .await;
            }
        }
    }
}
