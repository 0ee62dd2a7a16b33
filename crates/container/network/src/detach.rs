//! A container gives everything back.

use std::sync::Arc;

use crate::Error;
use crate::cidr::Cidr;
use crate::links;
use crate::networks::{State, lock};
use crate::proxy::Proxy;
use crate::publish;
use crate::row::{self, SandboxRow};
use crate::sandboxes::{Open, cidrs};
use crate::table::Forward;
use crate::upkeep::{Job, Rubbish};

/// See [`crate::Networks::detach`].
pub(crate) fn detach(state: &State, container: &str) -> Result<(), Error> {
    let Some(live) = state.registry().sandboxes.remove(container) else {
        return Ok(());
    };
    dismantle(state, &live.row, live.open, &live.row.forwards());
    row::delete_sandbox(&*state.store, container)
}

/// Takes back all that a sandbox has, in an order that leaves nothing half: nobody is sent to it,
/// it answers for no address, its address and ports are free; links and namespace follow.
pub(crate) fn dismantle(state: &State, row: &SandboxRow, open: Arc<Open>, redirected: &[Forward]) {
    state
        .resolver
        .change(|directory| directory.remove(&row.container));
    drop(lock(&open.serving).take());
    let proxy = lock(&open.proxy).take();
    proxy.into_iter().for_each(Proxy::stop);
    if let Err(error) = state.table.replace_forwards(redirected, &[]) {
        tracing::warn!(%error, container = row.container, "ports stay redirected");
    }
    publish::forget(state, &row.published);
    publish::release(state, row);
    if open.namespace.is_some() {
        silence(state, row, &open);
    }
    state.free_row(row);
    let links = row
        .joined
        .iter()
        .map(|joined| joined.link.clone())
        .filter(|link| !link.is_empty())
        .collect();
    let namespace = row.namespace.clone().filter(|name| !name.is_empty());
    state.upkeep.later(Job::Dismantle(Rubbish {
        links,
        namespace,
        open: Some(open),
    }));
}

/// Takes the addresses from the links, which live on for a moment: they must not answer for an
/// address that the next container may have.
fn silence(state: &State, row: &SandboxRow, open: &Open) {
    let addresses: Vec<(u32, Cidr)> = row
        .joined
        .iter()
        .flat_map(|joined| cidrs(joined).map(move |cidr| (joined.index, cidr)))
        .collect();
    let silenced = state.inside(open, |inside| {
        links::send(inside, |messages| {
            addresses
                .iter()
                .for_each(|(index, cidr)| messages.delete_address(*index, *cidr));
        })
    });
    if let Err(error) = links::gone_is_fine(silenced) {
        tracing::debug!(%error, container = row.container, "a container that goes keeps its address for a moment");
    }
}
