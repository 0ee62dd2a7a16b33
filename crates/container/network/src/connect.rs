//! A running container joins and leaves networks, and gets another name.
//!
//! Which network has the default route and the published ports follows from the row
//! ([`SandboxRow::gateway`]); after each change what is there is compared with what should be.

use std::net::IpAddr;

use crate::attach;
use crate::join::{self, Names};
use crate::links::{self, LinkPlan};
use crate::networks::{Networks, State, lock};
use crate::row::{self, Joined, SandboxRow};
use crate::sandboxes::{self, Live, addresses, cidrs};
use crate::upkeep::{Job, Rubbish};
use crate::{Endpoint, EndpointSpec, Error};

impl Networks {
    /// Puts a running container on one more network. [`Networks::sandbox`] has its new
    /// `resolv.conf` and `hosts` afterwards.
    ///
    /// # Errors
    /// As [`Networks::attach`]; [`Error::Conflict`] if it is there already, [`Error::Invalid`] if it
    /// has no namespace of its own or the network is none that can be joined.
    pub fn connect(&self, container: &str, network: &str, spec: EndpointSpec) -> Result<Endpoint, Error> {
        let state = &*self.0;
        let _claim = state.claim(container);
        let live = state.live(container)?;
        let mut row = (*live.row).clone();
        let (joined, port) = reserve(state, &row, network, &spec)?;
        row.joined.push(joined);
        let connected =
            plug(state, &live, &mut row, port, &spec).and_then(|()| update(state, &live, row.clone()));
        if let Err(error) = connected {
            unplug(state, &live, row.joined.last());
            return Err(error);
        }
        row.joined
            .pop()
            .map(|joined| joined.endpoint)
            .ok_or_else(|| Error::NotFound(format!("network {network} not found")))
    }

    /// Takes a running container off a network.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it is not there.
    pub fn disconnect(&self, container: &str, network: &str) -> Result<(), Error> {
        let state = &*self.0;
        let _claim = state.claim(container);
        let live = state.live(container)?;
        let (id, name) = {
            let registry = state.registry();
            let network = &registry.find(network)?.network;
            (network.id.clone(), network.name.clone())
        };
        let mut row = (*live.row).clone();
        let at = row
            .joined
            .iter()
            .position(|joined| joined.endpoint.network_id == id);
        let at = at.ok_or_else(|| {
            Error::Forbidden(format!(
                "container {container} is not connected to network {name}"
            ))
        })?;
        if live.open.namespace.is_none() {
            return Err(Error::Invalid(
                "cannot disconnect container from host network - container was created in host network mode"
                    .to_owned(),
            ));
        }
        let left = row.joined.remove(at);
        update(state, &live, row)?;
        unplug(state, &live, Some(&left));
        Ok(())
    }

    /// The container has a new name: DNS answers it from now on. Nothing happens to a container
    /// that is not attached.
    pub fn rename(&self, container: &str, name: &str) {
        let state = &*self.0;
        let _claim = state.claim(container);
        let Ok(live) = state.live(container) else { return };
        let row = renamed(&live.row, name);
        let kept = row::put_sandbox(&*state.store, &row);
        remember(state, &live, row);
        if let Err(error) = kept.wait() {
            tracing::warn!(%error, container, "a new name is known until the daemon ends");
        }
    }
}

impl State {
    fn live(&self, container: &str) -> Result<Live, Error> {
        let live = self.registry().sandboxes.get(container).cloned();
        live.ok_or_else(|| Error::NotFound(format!("sandbox for container {container} not found")))
    }
}

fn reserve(
    state: &State,
    row: &SandboxRow,
    network: &str,
    spec: &EndpointSpec,
) -> Result<(Joined, crate::pool::Port), Error> {
    let mut registry = state.registry();
    let net = registry.find(network)?;
    let (id, name, driver) = (
        net.network.id.clone(),
        net.network.name.clone(),
        net.network.driver.clone(),
    );
    refuse(row, &id, &name, &driver)?;
    let taken: Vec<_> = row
        .joined
        .iter()
        .map(|joined| joined.endpoint.interface.clone())
        .collect();
    let names = Names {
        container: &row.container,
        name: &row.name,
        hostname: &row.hostname,
    };
    let (joined, port) = join::join(
        &mut registry,
        &row.container,
        names,
        &id,
        spec,
        &taken,
        &state.unique(),
    )?;
    // Other drivers were refused.
    Ok((
        joined,
        port.ok_or_else(|| Error::Invalid(format!("network {name} cannot be joined")))?,
    ))
}

/// Upstream's words for what cannot be.
fn refuse(row: &SandboxRow, id: &str, name: &str, driver: &str) -> Result<(), Error> {
    if driver == "host" {
        return Err(Error::Invalid(
            "cannot connect container to host network - container must be created in host network mode"
                .to_owned(),
        ));
    }
    if row.namespace.is_none() {
        return Err(Error::Invalid(
            "container sharing network namespace with another container or host cannot be connected to any other network".to_owned(),
        ));
    }
    let none = |joined: &Joined| joined.endpoint.interface.is_empty();
    if driver == "null" || row.joined.iter().any(none) {
        return Err(Error::Invalid(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode".to_owned(),
        ));
    }
    if row.joined.iter().any(|joined| joined.endpoint.network_id == id) {
        let text = format!("endpoint with name {} already exists in network {name}", row.name);
        return Err(Error::Forbidden(text));
    }
    Ok(())
}

/// The new link with its addresses; routes come with [`update`].
fn plug(
    state: &State,
    live: &Live,
    row: &mut SandboxRow,
    port: crate::pool::Port,
    spec: &EndpointSpec,
) -> Result<(), Error> {
    let (Some(namespace), Some(joined)) = (&live.open.namespace, row.joined.last_mut()) else {
        return Ok(());
    };
    let link = attach::plug_in(state, namespace, &port)?;
    (joined.link, joined.index) = (link.host, link.index);
    let plan = LinkPlan {
        addresses: cidrs(joined).collect(),
        mac: Some(joined.endpoint.mac),
        gateways: Vec::new(),
    };
    let set = state.inside(&live.open, |inside| {
        links::send(inside, |messages| links::configure(messages, link.index, &plan))
    });
    set.map_err(Error::kernel("cannot set the container's addresses"))?;
    let interface = joined.endpoint.interface.clone();
    join::set_sysctls(namespace, &join::endpoint_sysctls(spec, &interface))
}

/// Takes a link away and gives its addresses back.
fn unplug(state: &State, live: &Live, joined: Option<&Joined>) {
    let Some(joined) = joined else { return };
    if !joined.link.is_empty() {
        let links = vec![joined.link.clone()];
        let gone = links::open()
            .and_then(|mut host| links::send(&mut host, |messages| messages.delete_link(&links[0])));
        if let Err(error) = links::gone_is_fine(gone) {
            tracing::warn!(%error, link = joined.link, "a link stays");
            state.upkeep.later(Job::Dismantle(Rubbish {
                links,
                ..Rubbish::default()
            }));
        }
    }
    if let Some(net) = state.registry().nets.get_mut(&joined.endpoint.network_id) {
        net.release(&live.row.container, addresses(&joined.endpoint));
    }
}

/// Makes routes, ports, names and the row what `row` says.
fn update(state: &State, live: &Live, row: SandboxRow) -> Result<(), Error> {
    reroute(state, live, &row)?;
    let (old, new) = (live.row.forwards(), row.forwards());
    if old != new {
        state
            .table
            .replace_forwards(&old, &new)
            .map_err(Error::kernel("cannot redirect published ports"))?;
        crate::publish::forget(state, &row.published);
        lock(&live.open.proxy)
            .iter()
            .for_each(|proxy| proxy.retarget(row.target()));
    }
    let serving = lock(&live.open.serving).is_some();
    if let Some(namespace) = live.open.namespace.as_ref().filter(|_| row.named() && !serving) {
        attach::serve_names(state, &row, &live.open, namespace)?;
    }
    let kept = row::put_sandbox(&*state.store, &row);
    remember(state, live, row);
    kept.wait()?;
    Ok(())
}

/// The default routes of the network that has them now.
fn reroute(state: &State, live: &Live, row: &SandboxRow) -> Result<(), Error> {
    let way = |row: &SandboxRow| -> (u32, Vec<IpAddr>) {
        (row.gateway().map_or(0, |joined| joined.index), row.gateways())
    };
    let (old, new) = (way(&live.row), way(row));
    if old == new {
        return Ok(());
    }
    let rerouted = state.inside(&live.open, |inside| {
        let away = links::send(inside, |messages| {
            old.1
                .iter()
                .for_each(|gateway| messages.delete_default_route(old.0, *gateway));
        });
        links::gone_is_fine(away)?;
        links::send(inside, |messages| {
            new.1
                .iter()
                .for_each(|gateway| messages.default_route(new.0, *gateway));
        })
    });
    rerouted.map_err(Error::kernel("cannot set the container's default route"))
}

/// The new row is in memory; what is open stays open.
fn remember(state: &State, live: &Live, row: SandboxRow) {
    let mut new = sandboxes::live(state, row, sandboxes::Open::default());
    new.open = live.open.clone();
    if new.row.member().places.is_empty() {
        state
            .resolver
            .change(|directory| directory.remove(&new.row.container));
    }
    state.registry().sandboxes.insert(new.row.container.clone(), new);
}

/// Which container has which endpoint's names, for `rename`.
fn renamed(row: &SandboxRow, name: &str) -> SandboxRow {
    let mut row = row.clone();
    row.name = name.to_owned();
    let (container, hostname) = (row.container.clone(), row.hostname.clone());
    let names = Names {
        container: &container,
        name,
        hostname: &hostname,
    };
    for joined in row.joined.iter_mut().filter(|joined| joined.named) {
        joined.endpoint.dns_names = names.with(&joined.endpoint.aliases);
    }
    row
}
