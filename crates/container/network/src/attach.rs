//! A container gets its namespace, addresses, names and ports, and gives them back.
//!
//! Everything that takes long lies ready (see [`crate::pool`]): what is left is one call into the
//! namespace, one transaction of the table where ports are published, and a row. Addresses and
//! ports are reserved in memory first, so that whoever comes second hears so at once; when a later
//! step fails, what was done is taken back by the same code that detaches.

use std::sync::Arc;

use sys::netlink::Netlink;
use sys::netns::Namespace;

use crate::detach::{detach, dismantle};
use crate::dns::{Asker, server};
use crate::files;
use crate::join::{Names, endpoint_sysctls, join, set_sysctls};
use crate::links::{self, LinkPlan};
use crate::networks::{Networks, State, lock};
use crate::pool::{Kind, Port, Ready, ReadyLink, plug};
use crate::publish::{self, Bound};
use crate::row::{self, SandboxRow, VERSION};
use crate::sandboxes::{Live, Open, cidrs, live};
use crate::upkeep::Job;
use crate::{Attach, EndpointSpec, Error, Sandbox};

/// The name under which a container's name server sockets are held.
pub(crate) fn dns_key(container: &str) -> String {
    format!("network.dns.{container}")
}

/// The name under which a container's published ports are held.
pub(crate) fn ports_key(container: &str, part: usize) -> String {
    format!("network.ports.{container}.{part}")
}

impl Networks {
    /// Gives a container its namespace, addresses, names and ports.
    ///
    /// # Errors
    /// When a network does not exist, an address or port is taken, or the kernel refuses; nothing
    /// is left of it then.
    pub fn attach(&self, request: Attach) -> Result<Arc<Sandbox>, Error> {
        let state = &*self.0;
        let _claim = state.claim_to_attach(&request.container)?;
        // What a start that was cut off has left.
        detach(state, &request.container)?;
        let mut building = Building::reserve(state, &request)?;
        match building.finish(state, &request) {
            Ok(live) => Ok(state.settle(live)),
            Err(error) => {
                building.undo(state);
                Err(error)
            }
        }
    }

    /// Takes everything back. Addresses and ports are free when this returns; links and the
    /// namespace go in the background. A container that is not attached is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub fn detach(&self, container: &str) -> Result<(), Error> {
        let _claim = self.0.claim(container);
        detach(&self.0, container)
    }
}

impl State {
    /// Makes a finished sandbox known.
    fn settle(&self, live: Live) -> Arc<Sandbox> {
        let view = live.view.clone();
        self.registry().sandboxes.insert(live.row.container.clone(), live);
        view
    }
}

/// A sandbox that is being made.
struct Building {
    row: SandboxRow,
    ports: Vec<Port>,
    sockets: Vec<Bound>,
    open: Open,
    redirected: bool,
}

impl Building {
    /// Reserves addresses on all networks that were asked for, or on none.
    fn reserve(state: &State, request: &Attach) -> Result<Self, Error> {
        files::refuse_extra_hosts(&request.extra_hosts, &state.host_files().gateway)?;
        let mut registry = state.registry();
        let mut row = blank(state, request);
        let host =
            matches!(&request.networks[..], [(only, _)] if registry.find(only)?.network.driver == "host");
        row.namespace = (!host).then(String::new);
        let mut ports = Vec::new();
        let none = [("none".to_owned(), EndpointSpec::default())];
        let networks = if request.networks.is_empty() {
            &none[..]
        } else {
            &request.networks
        };
        for (reference, spec) in networks {
            let taken: Vec<_> = row
                .joined
                .iter()
                .map(|joined| joined.endpoint.interface.clone())
                .collect();
            match join(
                &mut registry,
                &request.container,
                Names::of(request),
                reference,
                spec,
                &taken,
                &state.unique(),
            ) {
                Ok((joined, port)) => {
                    row.joined.push(joined);
                    ports.extend(port);
                }
                Err(error) => {
                    drop(registry);
                    state.free_row(&row);
                    return Err(error);
                }
            }
        }
        Ok(Self {
            row,
            ports,
            sockets: Vec::new(),
            open: Open::default(),
            redirected: false,
        })
    }

    fn finish(&mut self, state: &State, request: &Attach) -> Result<Live, Error> {
        self.sockets = publish::bind(state, &self.row, &request.ports)?;
        self.row.published = self.sockets.iter().map(|(published, _)| *published).collect();
        if self.row.namespace.is_some() {
            self.enter(state, request)?;
        }
        self.redirect(state)?;
        let kept = row::put_sandbox(&*state.store, &self.row);
        let live = self.live(state)?;
        kept.wait()?;
        Ok(live)
    }

    /// Takes a namespace and sets it up.
    fn enter(&mut self, state: &State, request: &Attach) -> Result<(), Error> {
        let kind = Kind {
            port: self.ports.first().cloned(),
            sysctls: request.sysctls.clone(),
        };
        let mut ready = take(state, &kind)?;
        self.row.namespace = Some(ready.name.clone());
        if let (Some(link), Some(joined)) = (
            &ready.link,
            self.row
                .joined
                .iter_mut()
                .find(|joined| !joined.endpoint.interface.is_empty()),
        ) {
            (joined.link, joined.index) = (link.host.clone(), link.index);
        }
        self.open.namespace = Some(Arc::new(ready.namespace));
        self.plug_others(state)?;
        let configured = configure(&mut ready.inside, &self.row);
        configured.map_err(Error::kernel("cannot set the container's addresses"))?;
        self.endpoint_sysctls(request)?;
        self.open.inside = Some(ready.inside).into();
        self.serve_names(state)
    }

    /// Links beside the first.
    fn plug_others(&mut self, state: &State) -> Result<(), Error> {
        let Some(namespace) = &self.open.namespace else {
            return Ok(());
        };
        let later = self
            .row
            .joined
            .iter_mut()
            .filter(|joined| joined.link.is_empty() && !joined.endpoint.interface.is_empty());
        for (joined, port) in later.zip(self.ports.iter().skip(1)) {
            let link = plug_in(state, namespace, port)?;
            (joined.link, joined.index) = (link.host, link.index);
        }
        Ok(())
    }

    fn endpoint_sysctls(&self, request: &Attach) -> Result<(), Error> {
        let Some(namespace) = &self.open.namespace else {
            return Ok(());
        };
        let pairs = self.row.joined.iter().zip(&request.networks);
        let sysctls: Vec<_> = pairs
            .flat_map(|(joined, (_, spec))| endpoint_sysctls(spec, &joined.endpoint.interface))
            .collect();
        set_sysctls(namespace, &sysctls)
    }

    /// A name server of its own, on networks where containers have names.
    fn serve_names(&self, state: &State) -> Result<(), Error> {
        match &self.open.namespace {
            Some(namespace) if self.row.named() => serve_names(state, &self.row, &self.open, namespace),
            _ => Ok(()),
        }
    }

    /// Publishes the ports: sockets to the supervisor and the proxy, elements to the table.
    fn redirect(&mut self, state: &State) -> Result<(), Error> {
        if self.row.published.is_empty() {
            return Ok(());
        }
        let forwards = self.row.forwards();
        state
            .table
            .replace_forwards(&[], &forwards)
            .map_err(Error::kernel("cannot redirect published ports"))?;
        self.redirected = true;
        publish::serve(state, &self.row, &self.open, std::mem::take(&mut self.sockets))
    }

    fn live(&mut self, state: &State) -> Result<Live, Error> {
        Ok(live(state, self.row.clone(), std::mem::take(&mut self.open)))
    }

    /// Takes back what was done so far.
    fn undo(self, state: &State) {
        let redirected = if self.redirected {
            self.row.forwards()
        } else {
            Vec::new()
        };
        dismantle(state, &self.row, Arc::new(self.open), &redirected);
        if let Err(error) = row::delete_sandbox(&*state.store, &self.row.container) {
            tracing::warn!(%error, container = self.row.container, "a row stays");
        }
    }
}

fn blank(state: &State, request: &Attach) -> SandboxRow {
    SandboxRow {
        version: VERSION,
        id: state.unique(),
        container: request.container.clone(),
        name: request.name.clone(),
        hostname: request.hostname.clone(),
        domainname: request.domainname.clone(),
        namespace: None,
        joined: Vec::new(),
        published: Vec::new(),
        dns: request.dns.clone(),
        extra_hosts: request.extra_hosts.clone(),
        ipv6: state.ipv6 && !request.sysctls.iter().any(switches_ipv6_off),
    }
}

/// Whether the loopback of a namespace with this sysctl has no `::1`.
fn switches_ipv6_off((name, value): &(String, String)) -> bool {
    let names = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.lo.disable_ipv6"];
    names.contains(&name.as_str()) && value.trim() == "1"
}

/// From the shelf, or made now. Either way the shelf is looked after later.
pub(crate) fn take(state: &State, kind: &Kind) -> Result<Ready, Error> {
    let ready = state.namespaces.take(kind);
    state.upkeep.later(Job::Refill(kind.clone()));
    let make = || state.namespaces.make(kind, &state.unique());
    ready
        .map_or_else(make, Ok)
        .map_err(Error::kernel("cannot make a network namespace"))
}

/// One more link for a namespace.
pub(crate) fn plug_in(state: &State, namespace: &Namespace, port: &Port) -> Result<ReadyLink, Error> {
    let (name, group) = (state.naming.veth(&state.unique()), state.naming.group());
    let hairpin = links::bridges_pass_netfilter();
    let plugged = links::open().and_then(|mut host| {
        namespace.run(|| {
            let mut inside = links::open()?;
            plug(port, &mut host, &mut inside, &name, group, hairpin)
        })?
    });
    plugged.map_err(Error::kernel("cannot make a link into the container"))
}

/// Sets all addresses and routes in one call.
fn configure(inside: &mut Netlink, row: &SandboxRow) -> std::io::Result<()> {
    let gateway = row.gateway().map(|joined| joined.index);
    links::send(inside, |messages| {
        for joined in row.joined.iter().filter(|joined| joined.index > 0) {
            let own_gateways = gateway == Some(joined.index);
            let plan = LinkPlan {
                addresses: cidrs(joined).collect(),
                mac: Some(joined.endpoint.mac),
                gateways: if own_gateways { row.gateways() } else { Vec::new() },
            };
            links::configure(messages, joined.index, &plan);
        }
    })
}

/// Binds, holds and serves a container's name server.
pub(crate) fn serve_names(
    state: &State,
    row: &SandboxRow,
    open: &Open,
    namespace: &Arc<Namespace>,
) -> Result<(), Error> {
    let failed = "cannot start the container's name server";
    let sockets = namespace
        .run(server::bind)
        .and_then(|sockets| sockets)
        .map_err(Error::kernel(failed))?;
    let borrowed = sockets.each_ref().map(std::os::fd::AsFd::as_fd);
    state
        .holder
        .hold(&dns_key(&row.container), &borrowed)
        .map_err(Error::kernel(failed))?;
    let serving = state.resolver.serve(
        Asker::Container(row.container.clone()),
        namespace.clone(),
        sockets,
        &state.runtime,
    );
    *lock(&open.serving) = Some(serving.map_err(Error::kernel(failed))?);
    Ok(())
}
