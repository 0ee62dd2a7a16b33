//! One at a time works on a container.

use std::sync::PoisonError;

use sys::netlink::Netlink;

use crate::Error;
use crate::links;
use crate::networks::{State, lock};
use crate::registry::Registry;
use crate::sandboxes::Open;

/// The right to work on a container.
pub(crate) struct Claim<'a> {
    state: &'a State,
    container: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.state.registry().busy.remove(&self.container);
        self.state.free.notify_all();
    }
}

impl State {
    /// Waits until nobody else works on this container.
    pub(crate) fn claim(&self, container: &str) -> Claim<'_> {
        let busy = |registry: &mut Registry| !registry.busy.insert(container.to_owned());
        let waited = self.free.wait_while(self.registry(), busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Claim {
            state: self,
            container: container.to_owned(),
        }
    }

    /// The same, for whoever is about to attach something.
    pub(crate) fn claim_to_attach(&self, container: &str) -> Result<Claim<'_>, Error> {
        let claim = self.claim(container);
        if self.registry().closing {
            return Err(Error::Unavailable("this node's network is being closed".to_owned()));
        }
        Ok(claim)
    }

    /// Nothing is attached from now on; waits until nobody works on anything.
    pub(crate) fn settle_down(&self) {
        let mut registry = self.registry();
        registry.closing = true;
        let waited = self.free.wait_while(registry, |registry| !registry.busy.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Does something with a socket inside a sandbox. The socket is kept for the next time.
    pub(crate) fn inside<T>(
        &self,
        open: &Open,
        work: impl FnOnce(&mut Netlink) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        let Some(namespace) = &open.namespace else {
            return links::open().and_then(|mut host| work(&mut host));
        };
        let kept = lock(&open.inside).take();
        let mut socket = kept.map_or_else(|| namespace.run(links::open)?, Ok)?;
        let result = work(&mut socket)?;
        *lock(&open.inside) = Some(socket);
        Ok(result)
    }
}
