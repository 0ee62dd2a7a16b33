//! A running container's network side in memory, and how it looks from outside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use sys::netlink::Netlink;
use sys::netns::Namespace;

use crate::dns::Forward;
use crate::dns::server::Serving;
use crate::files::{self, Host, ResolvConf};
use crate::networks::State;
use crate::proxy::Proxy;
use crate::row::{Joined, SandboxRow};
use crate::{HostPort, Sandbox};

/// A sandbox: what is kept, how it looks, and what this process has open for it.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) row: Arc<SandboxRow>,
    pub(crate) view: Arc<Sandbox>,
    pub(crate) open: Arc<Open>,
}

/// What this process has open for a sandbox; all of it can be had again.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// `None` is the host's.
    pub(crate) namespace: Option<Arc<Namespace>>,
    /// A socket inside, taken out while it is used.
    pub(crate) inside: Mutex<Option<Netlink>>,
    pub(crate) serving: Mutex<Option<Serving>>,
    pub(crate) proxy: Mutex<Option<Proxy>>,
}

/// The host's files that those of containers are made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostFiles {
    pub(crate) resolv_conf: ResolvConf,
    /// What containers without a name server of their own have in its place: if systemd-resolved's
    /// stub is the host's only server, the servers behind it.
    pub(crate) reachable_resolv_conf: ResolvConf,
    pub(crate) hosts: String,
    /// What `host-gateway` means.
    pub(crate) gateway: Vec<IpAddr>,
}

/// How a sandbox looks. `key` is its namespace's file; `linked` are names for the hosts file.
pub(crate) fn view(
    row: &SandboxRow,
    key: Option<std::path::PathBuf>,
    host: &HostFiles,
    linked: &[Host],
) -> Sandbox {
    Sandbox {
        id: row.id.clone(),
        key,
        endpoints: row.joined.iter().map(|joined| joined.endpoint.clone()).collect(),
        ports: ports(row),
        resolv_conf: resolv_conf(row, host),
        hosts: hosts(row, host, linked),
    }
}

fn ports(row: &SandboxRow) -> BTreeMap<String, Vec<HostPort>> {
    let mut ports: BTreeMap<String, Vec<HostPort>> = BTreeMap::new();
    for published in &row.published {
        let port = format!("{}/{}", published.container_port, published.protocol);
        ports.entry(port).or_default().extend(published.places());
    }
    ports
}

fn resolv_conf(row: &SandboxRow, host: &HostFiles) -> String {
    let asked = |file: &ResolvConf| file.clone().overridden(&row.dns);
    let mut addresses = row
        .joined
        .iter()
        .flat_map(|joined| addresses(&joined.endpoint))
        .peekable();
    match row.namespace {
        None => asked(&host.resolv_conf).for_host(),
        Some(_) if row.named() => asked(&host.resolv_conf).for_embedded(),
        Some(_) if addresses.peek().is_none() => asked(&host.reachable_resolv_conf).for_host(),
        Some(_) => asked(&host.reachable_resolv_conf).for_bridge(addresses.any(|address| address.is_ipv6())),
    }
}

/// Where a container's name server asks for what it does not know.
pub(crate) fn forward(row: &SandboxRow, host: &ResolvConf) -> Forward {
    let asked = host.clone().overridden(&row.dns);
    let from_inside = !row.dns.servers.is_empty();
    Forward {
        servers: Forward::servers(asked.servers(), from_inside),
        from_inside,
        outside: row.gateway().is_some_and(|joined| !joined.internal),
        ndots_set: asked.has_option("ndots"),
    }
}

fn hosts(row: &SandboxRow, host: &HostFiles, linked: &[Host]) -> String {
    if row.namespace.is_none() && row.extra_hosts.is_empty() {
        return host.hosts.clone();
    }
    let extra = files::extra_hosts(&row.extra_hosts, &host.gateway);
    let names = files::own_names(&row.hostname, &row.domainname);
    let own = row
        .joined
        .iter()
        .flat_map(|joined| addresses(&joined.endpoint))
        .map(|address| Host {
            address,
            names: names.clone(),
        });
    files::hosts(&[&extra[..], linked].concat(), &own.collect::<Vec<_>>(), row.ipv6)
}

/// The addresses of a place.
pub(crate) fn addresses(endpoint: &crate::Endpoint) -> impl Iterator<Item = IpAddr> + use<> {
    let v4 = endpoint.ipv4.map(|(address, _)| IpAddr::V4(address));
    v4.into_iter()
        .chain(endpoint.ipv6.map(|(address, _)| IpAddr::V6(address)))
}

/// The addresses of a place with the lengths of their prefixes.
pub(crate) fn cidrs(joined: &Joined) -> impl Iterator<Item = crate::cidr::Cidr> + use<> {
    let v4 = joined
        .endpoint
        .ipv4
        .map(|(address, prefix)| crate::cidr::Cidr::new(address.into(), prefix));
    let v6 = joined
        .endpoint
        .ipv6
        .map(|(address, prefix)| crate::cidr::Cidr::new(address.into(), prefix));
    v4.into_iter().chain(v6)
}

/// A sandbox with its look, known to the name server.
pub(crate) fn live(state: &State, row: SandboxRow, open: Open) -> Live {
    let host = state.host_files();
    let key = row.namespace.as_ref().map(|name| state.namespaces.path(name));
    let view = view(&row, key, &host, &linked(state, &row));
    introduce(state, &row, &host.resolv_conf);
    Live {
        row: Arc::new(row),
        view: Arc::new(view),
        open: Arc::new(open),
    }
}

/// Tells the name server about a container.
pub(crate) fn introduce(state: &State, row: &SandboxRow, host: &ResolvConf) {
    let mut member = row.member();
    if !member.places.is_empty() {
        member.forward = forward(row, host);
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
