//! Who is bringing which layer: what two pulls want at once is brought by one, and the other waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use image::Digest;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Layers on their way, by chain id.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Digest, Arc<Turn<()>>>>);

/// The right to bring a layer. The next who wants it has its turn when this goes.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    chain: Digest,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    /// Waits until nobody else brings the layer. Whoever had to wait looks first whether it is here now.
    pub(crate) async fn take(&self, chain: Digest) -> Flight<'_> {
        let turn = self.lock().entry(chain).or_default().clone();
        let turn = Some(turn.lock_owned().await);
        Flight {
            flights: self,
            chain,
            turn,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Turn<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        self.turn = None;
        // Nobody takes a turn from the map meanwhile: one count is the map's.
        if flights
            .get(&self.chain)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            flights.remove(&self.chain);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_layer_is_brought_by_one_at_a_time_and_forgotten_after() {
        let flights = Flights::default();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let first = flights.take(a).await;
        let other = flights.take(b).await;
        let waited = tokio::time::timeout(Duration::from_secs(1), flights.take(a)).await;
        assert!(waited.is_err());
        drop(first);
        let second = flights.take(a).await;
        drop((second, other));
        assert!(flights.lock().is_empty());
    }
}
