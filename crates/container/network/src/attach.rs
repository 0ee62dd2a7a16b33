//! A container gets its namespace, addresses, names and ports, and gives them back.
//!
//! Everything that takes long lies ready (see [`crate::pool`]): what is left is one call into the
//! namespace, one transaction of the table where ports are published, and a row. Addresses and
//! ports are reserved in memory first, so that whoever comes second hears so at once; when a later
//! step fails, what was done is taken back by the same code that detaches.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use sys::netlink::Netlink;
use sys::netns::Namespace;

use crate::cidr::Cidr;
use crate::dns::server;
use crate::files::{self, Host};
use crate::links::{self, LinkPlan};
use crate::networks::{Networks, State, lock};
use crate::pool::{Kind, Port, Ready, ReadyLink, plug};
use crate::ports::Published;
use crate::publish;
use crate::registry::{Net, Registry, Reserved};
use crate::row::{self, Joined, SandboxRow, VERSION};
use crate::sandboxes::{self, Live, Open, addresses, cidrs};
use crate::upkeep::Job;
use crate::{Attach, Endpoint, EndpointSpec, Error, Mac, Sandbox};

/// The name under which a container's name server sockets are held.
pub(crate) fn dns_key(container: &str) -> String {
    format!("network/dns/{container}")
}

/// The name under which a container's published ports are held.
pub(crate) fn ports_key(container: &str, part: usize) -> String {
    format!("network/ports/{container}/{part}")
}

impl Networks {
    /// Gives a container its namespace, addresses, names and ports.
    ///
    /// # Errors
    /// When a network does not exist, an address or port is taken, or the kernel refuses; nothing
    /// is left of it then.
    pub fn attach(&self, request: Attach) -> Result<Arc<Sandbox>, Error> {
        let state = &*self.0;
        let _claim = state.claim(&request.container);
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
        drop(waited.unwrap_or_else(std::sync::PoisonError::into_inner));
        Claim {
            state: self,
            container: container.to_owned(),
        }
    }

    /// Makes a finished sandbox known.
    fn settle(&self, live: Live) -> Arc<Sandbox> {
        let view = live.view.clone();
        self.registry().sandboxes.insert(live.row.container.clone(), live);
        view
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

/// A sandbox that is being made.
struct Building {
    row: SandboxRow,
    ports: Vec<Port>,
    sockets: Vec<(Published, Option<OwnedFd>)>,
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
        publish::forget(&self.row.published);
        let sockets = std::mem::take(&mut self.sockets);
        let proxy = publish::hold(state, &self.row, sockets)?;
        *lock(&self.open.proxy) = Some(proxy);
        Ok(())
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
        dismantle(state, &self.row, &self.open, &redirected);
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

/// The names of a container, as far as they are the same on all networks.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) container: &'a str,
    pub(crate) name: &'a str,
    pub(crate) hostname: &'a str,
}

impl<'a> Names<'a> {
    fn of(request: &'a Attach) -> Self {
        Self {
            container: &request.container,
            name: &request.name,
            hostname: &request.hostname,
        }
    }

    /// Upstream's order: the name, the aliases, the short id, the host name; each once.
    pub(crate) fn with(self, aliases: &[String]) -> Vec<String> {
        let short: String = self.container.chars().take(12).collect();
        let own = [self.name.to_owned()];
        let all = own
            .iter()
            .chain(aliases)
            .cloned()
            .chain([short, self.hostname.to_owned()]);
        let mut names: Vec<String> = Vec::new();
        for name in all.filter(|name| !name.is_empty()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Reserves a place on a network. `taken` are the names of links that the container has already.
pub(crate) fn join(
    registry: &mut Registry,
    container: &str,
    names: Names<'_>,
    reference: &str,
    spec: &EndpointSpec,
    taken: &[String],
    unique: &str,
) -> Result<(Joined, Option<Port>), Error> {
    let id = registry.find(reference)?.network.id.clone();
    let links = resolve_links(registry, &id, &spec.links)?;
    // It was found under the same lock.
    let net = registry
        .nets
        .get_mut(&id)
        .ok_or_else(|| Error::NotFound(format!("network {reference} not found")))?;
    validate(net, spec)?;
    let bridged = net.network.driver == "bridge";
    let reserved = if bridged {
        net.reserve(container, spec)?
    } else {
        net.reserve(container, &EndpointSpec::default())?
    };
    let interface = if bridged {
        interface(net, spec, taken)
    } else {
        String::new()
    };
    let port = bridged.then(|| net.port(interface.clone()));
    Ok((place(net, names, spec, reserved, interface, links, unique), port))
}

fn place(
    net: &Net,
    names: Names<'_>,
    spec: &EndpointSpec,
    reserved: Reserved,
    interface: String,
    links: Vec<(String, String)>,
    unique: &str,
) -> Joined {
    let ipv4 = reserved.ipv4.and_then(|cidr| {
        if let IpAddr::V4(ip) = cidr.address {
            Some((ip, cidr.prefix))
        } else {
            None
        }
    });
    let ipv6 = reserved.ipv6.and_then(|cidr| {
        if let IpAddr::V6(ip) = cidr.address {
            Some((ip, cidr.prefix))
        } else {
            None
        }
    });
    let outside = !net.network.internal;
    let gateway4 = net.gateway4.filter(|_| outside && ipv4.is_some());
    let gateway6 = net.gateway6.filter(|_| outside && ipv6.is_some());
    let bridged = !interface.is_empty();
    let endpoint = Endpoint {
        endpoint_id: if bridged { unique.to_owned() } else { String::new() },
        network_id: net.network.id.clone(),
        network_name: net.network.name.clone(),
        mac: if bridged {
            spec.mac.unwrap_or_else(|| mac(ipv4.map(|(ip, _)| ip), unique))
        } else {
            Mac::default()
        },
        interface,
        ipv4,
        ipv4_gateway: gateway4.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
        ipv6,
        ipv6_gateway: gateway6.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
        aliases: spec.aliases.clone(),
        dns_names: if net.named() {
            names.with(&spec.aliases)
        } else {
            Vec::new()
        },
    };
    Joined {
        endpoint,
        link: String::new(),
        index: 0,
        links,
        gw_priority: spec.gw_priority,
        internal: net.network.internal,
        named: net.named(),
    }
}

/// Derived from the IPv4 address; without one, from chance.
fn mac(ipv4: Option<std::net::Ipv4Addr>, unique: &str) -> Mac {
    ipv4.map_or_else(
        || {
            let bits = u32::from_str_radix(unique.get(..8).unwrap_or_default(), 16).unwrap_or(0);
            Mac::of(bits.into())
        },
        Mac::of,
    )
}

/// Upstream's rules and words.
fn validate(net: &Net, spec: &EndpointSpec) -> Result<(), Error> {
    let mut faults = Vec::new();
    let asked: Vec<IpAddr> = spec
        .ipv4
        .map(IpAddr::V4)
        .into_iter()
        .chain(spec.ipv6.map(IpAddr::V6))
        .collect();
    if net.network.predefined() {
        if !asked.is_empty() {
            faults.push("user specified IP address is supported on user defined networks only".to_owned());
        }
        if !spec.aliases.is_empty() {
            faults.push(
                "network-scoped alias is supported only for containers in user defined networks".to_owned(),
            );
        }
    }
    faults.extend(asked.iter().filter_map(|address| net.refuse_static(*address)));
    faults.extend(sysctl_faults(spec));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(format!(
            "invalid endpoint settings:\n{}",
            crate::validate::join(&faults)
        )))
    }
}

const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

fn sysctl_faults(spec: &EndpointSpec) -> Vec<String> {
    let list = spec
        .driver_opts
        .get(SYSCTLS)
        .map(|list| list.split(','))
        .into_iter()
        .flatten();
    let bad = |sysctl: &&str| {
        let parts: Vec<_> = sysctl.splitn(5, '.').collect();
        !matches!(parts[..], [_, "ipv4" | "ipv6" | "mpls", _, "IFNAME" | "ifname", last] if last.contains('='))
    };
    let text = |sysctl| {
        format!(
            "unrecognised network interface sysctl '{sysctl}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
        )
    };
    list.filter(bad).map(text).collect()
}

/// The sysctls of an endpoint with the link's name filled in.
pub(crate) fn endpoint_sysctls(spec: &EndpointSpec, interface: &str) -> Vec<(String, String)> {
    let list = spec
        .driver_opts
        .get(SYSCTLS)
        .map(|list| list.split(','))
        .into_iter()
        .flatten();
    let pairs = list.filter_map(|sysctl| sysctl.split_once('='));
    let named = |(name, value): (&str, &str)| {
        let parts: Vec<_> = name.splitn(5, '.').collect();
        let path: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(at, part)| if at == 3 { interface } else { part })
            .collect();
        (path.join("/"), value.to_owned())
    };
    pairs.map(named).collect()
}

/// Sets sysctls inside; a wrong name or value fails with its name.
pub(crate) fn set_sysctls(namespace: &Namespace, sysctls: &[(String, String)]) -> Result<(), Error> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let set = || {
        sysctls
            .iter()
            .try_for_each(|(name, value)| links::set_sysctl(name, value))
    };
    namespace
        .run(set)
        .and_then(|result| result)
        .map_err(Error::kernel("cannot set a sysctl of the container's interface"))
}

/// The name that was asked for, or the first free number.
fn interface(net: &Net, spec: &EndpointSpec, taken: &[String]) -> String {
    if let Some(name) = spec.driver_opts.get("com.docker.network.endpoint.ifname") {
        return name.clone();
    }
    let mut names = (0..).map(|number: u32| format!("{}{number}", net.options.prefix));
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// `CONTAINER` or `CONTAINER:ALIAS` on a network; the container must be there, by name or id.
fn resolve_links(
    registry: &Registry,
    network: &str,
    links: &[String],
) -> Result<Vec<(String, String)>, Error> {
    let resolve = |link: &String| {
        let (wanted, alias) = link.split_once(':').unwrap_or((link, link));
        let on_network = |live: &&Live| {
            live.row
                .joined
                .iter()
                .any(|joined| joined.endpoint.network_id == network)
        };
        let called = |live: &&Live| live.row.name == wanted || live.row.container.starts_with(wanted);
        let found = registry.sandboxes.values().filter(on_network).find(called);
        let found = found.ok_or_else(|| {
            Error::Invalid(format!(
                "could not get container for {wanted}: No such container: {wanted}"
            ))
        })?;
        Ok((alias.to_owned(), found.row.container.clone()))
    };
    links.iter().map(resolve).collect()
}

/// From the shelf, or made now. Either way the shelf is looked after later.
fn take(state: &State, kind: &Kind) -> Result<Ready, Error> {
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
    let serving = state
        .resolver
        .serve(&row.container, namespace.clone(), sockets, &state.runtime);
    *lock(&open.serving) = Some(serving.map_err(Error::kernel(failed))?);
    Ok(())
}

/// A sandbox with its look, known to the name server.
pub(crate) fn live(state: &State, row: SandboxRow, open: Open) -> Live {
    let host = state.host_files();
    let key = row.namespace.as_ref().map(|name| state.namespaces.path(name));
    let view = sandboxes::view(&row, key, &host, &linked(state, &row));
    introduce(state, &row, &host.resolv_conf);
    Live {
        row: Arc::new(row),
        view: Arc::new(view),
        open: Arc::new(open),
    }
}

/// Tells the name server about a container.
pub(crate) fn introduce(state: &State, row: &SandboxRow, host: &files::ResolvConf) {
    let mut member = row.member();
    if !member.places.is_empty() {
        member.forward = sandboxes::forward(row, host);
        state
            .resolver
            .change(|directory| directory.put(&row.container, member));
    }
}

/// Links on the network `bridge` are lines of the hosts file.
fn linked(state: &State, row: &SandboxRow) -> Vec<Host> {
    let registry = state.registry();
    let mut hosts = Vec::new();
    for (alias, container) in unnamed(row).flat_map(|joined| &joined.links) {
        let Some(other) = registry.sandboxes.get(container).map(|other| &other.row) else {
            continue;
        };
        let names = files::linked_names(alias, &other.hostname, &other.name);
        let addresses = unnamed(other).flat_map(|joined| addresses(&joined.endpoint));
        hosts.extend(addresses.map(|address| Host {
            address,
            names: names.clone(),
        }));
    }
    hosts
}

/// The places of a container where there is no name server.
fn unnamed(row: &SandboxRow) -> impl Iterator<Item = &Joined> {
    row.joined.iter().filter(|joined| !joined.named)
}

fn detach(state: &State, container: &str) -> Result<(), Error> {
    let Some(live) = state.registry().sandboxes.remove(container) else {
        return Ok(());
    };
    dismantle(state, &live.row, &live.open, &live.row.forwards());
    row::delete_sandbox(&*state.store, container)
}

/// Takes back all that a sandbox has, in an order that leaves nothing half: nobody is sent to it,
/// it answers for no address, its address and ports are free; links and namespace follow.
fn dismantle(state: &State, row: &SandboxRow, open: &Open, redirected: &[crate::table::Forward]) {
    state
        .resolver
        .change(|directory| directory.remove(&row.container));
    drop(lock(&open.serving).take());
    drop(lock(&open.proxy).take());
    if let Err(error) = state.table.replace_forwards(redirected, &[]) {
        tracing::warn!(%error, container = row.container, "ports stay redirected");
    }
    publish::forget(&row.published);
    publish::release(state, row);
    if open.namespace.is_some() {
        silence(state, row, open);
    }
    state.free_row(row);
    let links = row
        .joined
        .iter()
        .map(|joined| joined.link.clone())
        .filter(|link| !link.is_empty())
        .collect();
    let namespace = row.namespace.clone().filter(|name| !name.is_empty());
    state.upkeep.later(Job::Dismantle { links, namespace });
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
                .for_each(|(index, cidr)| messages.delete_address(*index, *cidr))
        })
    });
    if let Err(error) = links::gone_is_fine(silenced) {
        tracing::debug!(%error, container = row.container, "a container that goes keeps its address for a moment");
    }
}

/// Which container has which endpoint's names, for `rename`.
pub(crate) fn renamed(row: &SandboxRow, name: &str) -> SandboxRow {
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
