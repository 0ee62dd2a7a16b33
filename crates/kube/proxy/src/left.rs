//! Whether new connections still come to a pod, as far as the datapath knows: what a pod that ends waits for before it is
//! told to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use crate::world::Turn;

/// The addresses that services lead to.
#[derive(Debug, Default)]
pub(crate) struct Leading(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// To how many services each address is a ready backend.
    ready: BTreeMap<Ipv4Addr, usize>,
    /// Those that some service has ever led to, until they are done with: connections may be open to them.
    led: BTreeSet<Ipv4Addr>,
    /// Who waits for an address to be none any more. Nothing is ever sent: it closes.
    waiting: BTreeMap<Ipv4Addr, (Sender<()>, Receiver<()>)>,
}

impl Leading {
    /// Takes over what is in force now. First what comes, so that an address that one service hands to another is never
    /// seen to be nobody's.
    pub(crate) fn turn(&self, turns: &[Turn]) {
        let mut state = self.lock();
        for turn in turns.iter().filter(|turn| turn.ready) {
            *state.ready.entry(turn.address).or_default() += 1;
            state.led.insert(turn.address);
        }
        for turn in turns.iter().filter(|turn| !turn.ready) {
            state.lose(turn.address);
        }
    }

    /// Nothing when no service leads to the address; else what closes when none does.
    pub(crate) fn leads_to(&self, address: Ipv4Addr) -> Option<Receiver<()>> {
        let mut state = self.lock();
        state.ready.get(&address)?;
        let (_, closes) = state
            .waiting
            .entry(address)
            .or_insert_with(|| async_channel::bounded(1));
        Some(closes.clone())
    }

    /// Whether a connection through a service can be open to the address. To look costs a walk over all that the kernel
    /// remembers, so nobody looks for a pod that no service ever led to.
    pub(crate) fn has_led_to(&self, address: Ipv4Addr) -> bool {
        self.lock().led.contains(&address)
    }

    /// Whoever had the address is done with it.
    pub(crate) fn done(&self, address: Ipv4Addr) {
        let mut state = self.lock();
        if !state.ready.contains_key(&address) {
            state.led.remove(&address);
        }
    }

    /// Nobody learns anything any more.
    pub(crate) fn end(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lose(&mut self, address: Ipv4Addr) {
        let Some(services) = self.ready.get_mut(&address) else {
            return;
        };
        *services -= 1;
        if *services == 0 {
            self.ready.remove(&address);
            self.waiting.remove(&address);
        }
    }
}
