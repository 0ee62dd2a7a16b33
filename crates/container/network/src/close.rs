//! `down`: nothing of this instance stays in the kernel.

use std::io;
use std::path::Path;

use sys::netns;

use crate::links;
use crate::naming::Naming;
use crate::neighbours;
use crate::networks::{Networks, State, lock};
use crate::open::{DIRECTORY, files, report};
use crate::proxy::Proxy;
use crate::publish;
use crate::row::SandboxRow;
use crate::sandboxes::Open;
use crate::services;
use crate::table::Table;
use crate::wire::attribute::Messages;

impl Networks {
    /// `down`: takes away every kernel object of this instance. Networks stay in the store, and
    /// are back when it is opened again; containers must have ended before. What is being attached
    /// just now is waited for, and nothing can be attached any more.
    pub fn close(&self) {
        let state = &*self.0;
        state.settle_down();
        let background = lock(&state.background).take();
        if let Some(background) = background {
            background.watch.iter().for_each(tokio::task::JoinHandle::abort);
            state.upkeep.stop();
            // It logs what goes wrong; a panic in it has been reported as such.
            let _ = background.upkeep.join();
        }
        let sandboxes = std::mem::take(&mut state.registry().sandboxes);
        for live in sandboxes.values() {
            let_go(state, &live.row, &live.open);
        }
        drop(sandboxes);
        let pods = state.registry().pods.take_all();
        for (row, open) in &pods {
            let_go(state, row, open);
        }
        services::stop_serving(state);
        drop(state.namespaces.drain(None));
        report("a bridge keeps an address of ours", give_back(state));
        if let Err(error) = take_away(&state.naming, &state.table, state.namespaces.directory()) {
            tracing::warn!(%error, "something of the network stays");
        }
    }
}

/// Takes away what an instance has in the kernel, for a node whose daemon was killed and cannot do it. It knows names
/// only: an address that a bridge of somebody else's was lent stays there.
///
/// # Errors
/// The first thing that stays; everything was tried.
pub fn sweep(instance: &str, run_dir: &Path) -> io::Result<()> {
    let naming = Naming::new(instance);
    take_away(&naming, &Table::new(&naming, None), &run_dir.join(DIRECTORY))
}

fn take_away(naming: &Naming, table: &Table, directory: &Path) -> io::Result<()> {
    neighbours::update(naming, &neighbours::Open::default());
    let table = about("the nf_tables table", table.remove());
    let links = about("links", remove_links(naming));
    let namespaces = about("namespaces", remove_namespaces(directory));
    table.and(links).and(namespaces)
}

fn about(what: &str, result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}

fn let_go(state: &State, row: &SandboxRow, open: &Open) {
    drop(lock(&open.serving).take());
    let proxy = lock(&open.proxy).take();
    proxy.into_iter().for_each(Proxy::stop);
    publish::release(state, row);
}

fn remove_links(naming: &Naming) -> io::Result<()> {
    let mut host = links::open()?;
    for group in [naming.group(), naming.dead_group()] {
        links::gone_is_fine(links::send(&mut host, |messages| messages.delete_group(group)))?;
    }
    Ok(())
}

/// A bridge that was there before us loses the addresses that we gave it.
fn give_back(state: &State) -> io::Result<()> {
    let registry = state.registry();
    let borrowed = registry.nets.values().filter(|net| net.borrowed);
    let addresses: Vec<_> = borrowed
        .flat_map(|net| {
            net.gateways()
                .into_iter()
                .map(move |address| (net.master, address))
        })
        .collect();
    drop(registry);
    if addresses.is_empty() {
        return Ok(());
    }
    let mut host = links::open()?;
    let away = |messages: &mut Messages| {
        addresses
            .iter()
            .for_each(|(index, address)| messages.delete_address(*index, *address));
    };
    links::gone_is_fine(links::send(&mut host, away))
}

/// All of them are tried: one that stays is no reason for the others.
fn remove_namespaces(directory: &Path) -> io::Result<()> {
    let unpinned = files(directory)
        .iter()
        .map(|name| netns::unpin(&directory.join(name)))
        .fold(Ok(()), io::Result::and);
    unpinned.and(netns::unshelter(directory))
}
