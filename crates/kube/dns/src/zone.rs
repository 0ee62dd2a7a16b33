//! Keeping the names as the cluster is.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_channel::{Receiver, Sender};
use client::{Changes, Following, Informers, Resource};
use driver::{Env, Rng};
use futures_util::FutureExt;
use futures_util::future::select;

use crate::names::Names;
use crate::record::{Found, Kind};

static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
static SLICES: Resource = Resource::new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);
static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);

/// A zone that follows the cluster. What keeps it ends when it is dropped.
pub struct Zone {
    names: Arc<RwLock<Names>>,
    rng: Mutex<Rng>,
    /// Closes when everything that was there at the start has its name.
    synced: Receiver<()>,
    /// The task ends when it is dropped.
    _going: Sender<()>,
}

impl Zone {
    /// The zone of a cluster's domain: `cluster.local`.
    pub fn start(informers: &Informers, domain: &str, env: &Arc<dyn Env>) -> Arc<Self> {
        let names = Arc::new(RwLock::new(Names::new(domain)));
        let (syncing, synced) = async_channel::bounded(1);
        let (going, stop) = async_channel::bounded(1);
        let keeper = Keeper {
            names: names.clone(),
            services: informers.of(&SERVICES).follow(),
            slices: informers.of(&SLICES).follow(),
            namespaces: informers.of(&NAMESPACES).follow(),
            stop,
        };
        env.spawn(Box::pin(keeper.run(syncing)));
        let rng = Mutex::new(env.rng());
        Arc::new(Self {
            names,
            rng,
            synced,
            _going: going,
        })
    }

    /// What there is of a kind at a name, which is in lower case and without the last dot: from memory, never waiting.
    /// Where there is more than one, the order is another each time, so that clients who take the first spread.
    pub fn resolve(&self, name: &str, kind: Kind) -> Found {
        let mut found = self
            .names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .resolve(name, kind);
        if let Found::Records(records) = &mut found
            && records.len() > 1
        {
            shuffle(
                records,
                &mut self.rng.lock().unwrap_or_else(PoisonError::into_inner),
            );
        }
        found
    }

    /// Ends once everything that was there at the start has its name.
    pub async fn synced(&self) {
        // Nothing is ever sent: it closes.
        let _closed = self.synced.recv().await;
    }
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for end in (1..items.len()).rev() {
        let bound = u64::try_from(end).unwrap_or(u64::MAX).saturating_add(1);
        let other = usize::try_from(rng.below(bound)).unwrap_or(end);
        items.swap(end, other);
    }
}

/// What the task holds.
struct Keeper {
    names: Arc<RwLock<Names>>,
    services: Following,
    slices: Following,
    namespaces: Following,
    /// Closes at the end.
    stop: Receiver<()>,
}

/// Which of the three was heard of.
#[derive(Clone, Copy)]
enum Of {
    Services,
    Slices,
    Namespaces,
}

impl Keeper {
    async fn run(mut self, syncing: Sender<()>) {
        let mut syncing = Some(syncing);
        let mut heard = [false; 3];
        while let Some((of, changes)) = self.next().await {
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            match of {
                Of::Services => names.services(&changes),
                Of::Slices => names.slices(&changes),
                Of::Namespaces => names.namespaces(&changes),
            }
            drop(names);
            heard[of as usize] = true;
            if heard == [true; 3] {
                syncing = None;
            }
        }
        drop(syncing);
    }

    /// Following is cancel-safe: what is not taken now is there the next time.
    async fn next(&mut self) -> Option<(Of, Changes)> {
        let services = heard(&mut self.services, Of::Services);
        let slices = heard(&mut self.slices, Of::Slices);
        let namespaces = heard(&mut self.namespaces, Of::Namespaces);
        let stop = self.stop.recv().map(|_| None);
        let of_services = select(Box::pin(services), Box::pin(slices)).map(|either| either.factor_first().0);
        let others = select(Box::pin(stop), Box::pin(namespaces)).map(|either| either.factor_first().0);
        select(others, of_services).await.factor_first().0
    }
}

async fn heard(following: &mut Following, of: Of) -> Option<(Of, Changes)> {
    following.next().await.map(|changes| (of, changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_first_now_and_then() {
        let mut rng = Rng::from_seed(3);
        let mut firsts = [0; 4];
        for _ in 0..400 {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items, &mut rng);
            firsts[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(firsts.iter().all(|times| *times > 60), "{firsts:?}");
    }
}
