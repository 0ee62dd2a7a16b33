//! `down`: nothing of this instance stays in the kernel.

use sys::netlink::Netlink;
use sys::netns;

use crate::links;
use crate::neighbours;
use crate::networks::{Networks, State, lock};
use crate::open::{files, report};
use crate::proxy::Proxy;
use crate::publish;
use crate::row::SandboxRow;
use crate::sandboxes::Open;
use crate::services;
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
        neighbours::update(&state.naming, &neighbours::Open::default());
        report("the nf_tables table stays", state.table.remove());
        report("links stay", remove_links(state));
        report("namespaces stay", remove_namespaces(state));
    }
}

fn let_go(state: &State, row: &SandboxRow, open: &Open) {
    drop(lock(&open.serving).take());
    let proxy = lock(&open.proxy).take();
    proxy.into_iter().for_each(Proxy::stop);
    publish::release(state, row);
}

fn remove_links(state: &State) -> std::io::Result<()> {
    let mut host = links::open()?;
    for group in [state.naming.group(), state.naming.dead_group()] {
        links::gone_is_fine(links::send(&mut host, |messages| messages.delete_group(group)))?;
    }
    give_back(state, &mut host)
}

/// A bridge that was there before us loses the addresses that we gave it.
fn give_back(state: &State, host: &mut Netlink) -> std::io::Result<()> {
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
    let away = |messages: &mut Messages| {
        addresses
            .iter()
            .for_each(|(index, address)| messages.delete_address(*index, *address));
    };
    links::gone_is_fine(links::send(host, away))
}

fn remove_namespaces(state: &State) -> std::io::Result<()> {
    let directory = state.namespaces.directory();
    files(directory)
        .iter()
        .try_for_each(|name| netns::unpin(&state.namespaces.path(name)))?;
    netns::unshelter(directory)
}
