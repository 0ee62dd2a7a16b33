//! Creating and removing networks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use sys::netlink::Netlink;

use crate::cidr::Cidr;
use crate::cluster::Cluster;
use crate::links;
use crate::naming::Naming;
use crate::networks::State;
use crate::registry::{Net, Registry};
use crate::row::{self, NetworkRow, VERSION};
use crate::subnets::{Choice, New, choose, config, gateway, plain, subnets_of};
use crate::validate::{self, Options, Subnet};
use crate::wire::route::Bridge;
use crate::{Error, Ipam, Mac, Network, NetworkSpec};

/// See [`crate::Networks::create`].
pub(crate) fn create(state: &State, spec: NetworkSpec) -> Result<Arc<Network>, Error> {
    let row = prepare(state, spec)?;
    let coming = Coming {
        state,
        name: &row.network.name,
    };
    let net = bring_up(state, &row)?;
    if let Err(error) = row::put_network(&*state.store, &row) {
        take_down(state, &net);
        return Err(error);
    }
    let network = net.network.clone();
    state.registry().nets.insert(network.id.clone(), net);
    drop(coming);
    state.neighbours_later();
    Ok(network)
}

/// While it lives, nobody else can create a network of this name.
struct Coming<'a> {
    state: &'a State,
    name: &'a str,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.state.registry().coming.remove(self.name);
    }
}

/// Judges the request and chooses what the user left open. What is wrong is found in upstream's
/// order, so that of several faults clients hear of the same one.
fn prepare(state: &State, spec: NetworkSpec) -> Result<NetworkRow, Error> {
    let (subnets, options) = judge(state, &spec)?;
    let in_the_way = reserved_elsewhere(state);
    let id = state.unique();
    let link = options.link.clone().unwrap_or_else(|| state.naming.bridge(&id));
    let mut registry = state.registry();
    refuse_conflicts(&registry, &spec, &link)?;
    let configured =
        [true, false].map(|v4| subnets.iter().any(|subnet| subnet.subnet.address.is_ipv4() == v4));
    let new = New {
        pools: &state.config.pools,
        rng: &state.rng,
        id: &id,
        link: &link,
        spec: &spec,
        in_the_way: &in_the_way,
    };
    let Choice { ipam, gateways } = choose(&registry, &new, &subnets)?;
    registry.coming.insert(spec.name.clone(), subnets_of(&ipam));
    Ok(NetworkRow {
        version: VERSION,
        network: Network {
            id,
            name: spec.name,
            driver: "bridge".to_owned(),
            created: state.clock.wall(),
            internal: spec.internal,
            attachable: spec.attachable,
            ipv4: spec.ipv4,
            ipv6: spec.ipv6,
            ipam,
            options: spec.options,
            labels: spec.labels,
            link: Some(link),
        },
        configured,
        gateways,
        borrowed: false,
    })
}

fn judge(state: &State, spec: &NetworkSpec) -> Result<(Vec<Subnet>, Options), Error> {
    if matches!(spec.name.as_str(), "bridge" | "host" | "none" | "default") {
        // The space at the end is upstream's.
        return Err(Error::Forbidden(format!(
            "operation is not permitted on predefined {} network ",
            spec.name
        )));
    }
    let subnets = validate::ipam(spec)?;
    if spec.name.trim().is_empty() {
        return Err(Error::Invalid("invalid name: name is empty".to_owned()));
    }
    refuse_name(&state.registry(), &spec.name)?;
    validate::driver(&spec.driver)?;
    if !matches!(spec.ipam.driver.as_str(), "" | "default") {
        return Err(Error::NotFound(format!(
            "failed to get default address space: unknown ipam type \"{}\"",
            spec.ipam.driver
        )));
    }
    let options = validate::options(&spec.options)?;
    if !spec.ipv4 && !spec.ipv6 {
        return Err(Error::Invalid("IPv4 or IPv6 must be enabled".to_owned()));
    }
    Ok((subnets, options))
}

fn refuse_name(registry: &Registry, name: &str) -> Result<(), Error> {
    if registry.named(name).is_none() && !registry.coming.contains_key(name) {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "network with name {name} already exists"
    )))
}

fn refuse_conflicts(registry: &Registry, spec: &NetworkSpec, link: &str) -> Result<(), Error> {
    refuse_name(registry, &spec.name)?;
    let same = registry
        .nets
        .values()
        .find(|net| net.network.link.as_deref() == Some(link));
    same.map_or(Ok(()), |net| {
        Err(Error::Forbidden(format!(
            "cannot create network {} ({link}): conflicts with network {} ({link}): networks have same bridge name",
            spec.name, net.network.id
        )))
    })
}

/// Subnets that a network of docker's keeps out of: what the host has ways to, and what the
/// cluster has.
pub(crate) fn reserved_elsewhere(state: &State) -> Vec<Cidr> {
    let cluster = state.config.cluster.iter().flat_map(Cluster::ranges);
    elsewhere(state).into_iter().chain(cluster).collect()
}

/// Subnets that the host has routes to: a container must still reach them. Links of ours and the
/// default route are no hindrance.
pub(crate) fn elsewhere(state: &State) -> Vec<Cidr> {
    let routes = links::open().and_then(|mut host| {
        let ours: Vec<_> = links::list(&mut host)?
            .into_iter()
            .filter(|link| link.group == state.naming.group())
            .collect();
        let mut routes = links::routes(&mut host)?;
        routes.retain(|(_, index)| !ours.iter().any(|link| link.index == *index));
        Ok(routes)
    });
    let routes = routes.unwrap_or_else(|error| {
        tracing::warn!(%error, "the host's routes are not known");
        Vec::new()
    });
    let host = state.host_files().reachable_resolv_conf;
    let servers = host.servers().iter();
    let servers = servers.map(|&server| Cidr::new(server, crate::cidr::width(server)));
    routes
        .into_iter()
        .map(|(subnet, _)| subnet)
        .chain(servers)
        .collect()
}

/// Makes or adopts the bridge of a network and puts it into the table.
fn bring_up(state: &State, row: &NetworkRow) -> Result<Net, Error> {
    let net = link_up(&state.naming, row)?;
    if let Some(segment) = net.segment() {
        state.table.add_segment(&segment).map_err(|error| {
            delete_bridge(&net);
            Error::kernel("cannot change the nf_tables table")(error)
        })?;
    }
    Ok(net)
}

/// Makes or adopts the bridge of a network: its link, its addresses, its sysctls. Not its part of
/// the table.
pub(crate) fn link_up(naming: &Naming, row: &NetworkRow) -> Result<Net, Error> {
    let mut net = Net::new(row, 0)?;
    let Some(name) = &row.network.link else {
        return Ok(net);
    };
    let doing = "cannot make the network's bridge";
    let mut host = links::open().map_err(Error::kernel(doing))?;
    let there = links::find(&mut host, name).map_err(Error::kernel(doing))?;
    if there.as_ref().is_some_and(|link| link.kind != "bridge") {
        // Upstream's words.
        return Err(Error::Exhausted(format!(
            "existing interface {name} is not a bridge"
        )));
    }
    net.borrowed = there.as_ref().is_some_and(|link| link.group != naming.group());
    net.master = make_bridge(&mut host, naming, &net, name, there.is_some()).map_err(Error::kernel(doing))?;
    Ok(net)
}

/// Makes the bridge unless it is there, and gives it what the network has; answers its index.
fn make_bridge(
    host: &mut Netlink,
    naming: &Naming,
    net: &Net,
    name: &str,
    there: bool,
) -> std::io::Result<u32> {
    if !there {
        let mac = bridge_mac(&net.network.id);
        let bridge = Bridge {
            name,
            mac,
            mtu: net.options.mtu,
            group: naming.group(),
        };
        links::send(host, |messages| messages.add_bridge(&bridge))?;
    }
    let index = links::find(host, name)?
        .ok_or(std::io::ErrorKind::NotFound)?
        .index;
    bridge_sysctls(name, net)?;
    links::send(host, |messages| {
        net.gateways()
            .into_iter()
            .for_each(|address| messages.add_address(index, address));
        messages.link_up(index);
    })?;
    Ok(index)
}

/// Answers to clients at 127.0.0.1 come in here with a loopback destination (the table keeps all
/// others out).
fn bridge_sysctls(name: &str, net: &Net) -> std::io::Result<()> {
    links::set_sysctl(&format!("net/ipv4/conf/{name}/route_localnet"), "1")?;
    if net.gateway6.is_some() {
        links::set_sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "0")?;
        links::set_sysctl("net.ipv6.conf.all.forwarding", "1")?;
        // The addresses are ours alone. While the kernel makes sure of that, it would ask for no
        // neighbour, and a network's first second would be lost.
        links::set_sysctl(&format!("net/ipv6/conf/{name}/accept_dad"), "0")?;
    }
    Ok(())
}

/// A bridge takes the lowest address of its ports unless it has one of its own; that would change
/// under the containers' feet.
fn bridge_mac(id: &str) -> Mac {
    let mut mac = [0x02, 0x42, 0, 0, 0, 0];
    for (at, byte) in mac.iter_mut().enumerate().skip(2) {
        *byte = u8::from_str_radix(id.get(at * 2..at * 2 + 2).unwrap_or_default(), 16).unwrap_or(0);
    }
    Mac(mac)
}

/// Undoes [`bring_up`].
fn take_down(state: &State, net: &Net) {
    if let Some(segment) = net.segment()
        && let Err(error) = state.table.remove_segment(&segment)
    {
        tracing::warn!(%error, network = net.network.name, "a network stays in the nf_tables table");
    }
    delete_bridge(net);
}

fn delete_bridge(net: &Net) {
    let Some(link) = net.network.link.as_ref().filter(|_| !net.borrowed) else {
        return;
    };
    let delete =
        links::open().and_then(|mut host| links::send(&mut host, |messages| messages.delete_link(link)));
    if let Err(error) = links::gone_is_fine(delete) {
        tracing::warn!(%error, link, "a bridge stays");
    }
}

/// See [`crate::Networks::remove`].
pub(crate) fn remove(state: &State, reference: &str) -> Result<(), Error> {
    let net = {
        let mut registry = state.registry();
        let net = registry.find(reference)?;
        refuse_removal(&registry, net)?;
        let id = net.network.id.clone();
        registry.nets.remove(&id)
    };
    // It was there under the same lock.
    let Some(net) = net else { return Ok(()) };
    if let Err(error) = row::delete_network(&*state.store, &net.network.id) {
        state.registry().nets.insert(net.network.id.clone(), net);
        return Err(error);
    }
    for ready in state.namespaces.drain(Some(&net.network.id)) {
        state.namespaces.discard(&ready);
    }
    take_down(state, &net);
    state.neighbours_later();
    Ok(())
}

fn refuse_removal(registry: &Registry, net: &Net) -> Result<(), Error> {
    let network = &net.network;
    if network.predefined() {
        let text = format!("{} is a pre-defined network and cannot be removed", network.name);
        return Err(Error::Forbidden(text));
    }
    if !net.in_use() {
        return Ok(());
    }
    let rows = registry.sandboxes.values().map(|live| &live.row);
    let users = rows.flat_map(|row| row.joined.iter().map(move |joined| (row, &joined.endpoint)));
    let users = users.filter(|(_, endpoint)| endpoint.network_id == network.id);
    let users: Vec<_> = users
        .map(|(row, endpoint)| format!("name:{:?} id:\"{:.12}\"", row.name, endpoint.endpoint_id))
        .collect();
    Err(Error::Forbidden(format!(
        "error while removing network: network {} has active endpoints ({})",
        network.name,
        users.join(", ")
    )))
}

/// The rows of the networks that every node has; `bridge` with this subnet.
pub(crate) fn predefined(state: &State, name: &str, driver: &str, subnet: Option<Cidr>) -> NetworkRow {
    let link = subnet.map(|_| state.naming.default_bridge());
    // The lowest address of a subnet that was just chosen is nobody's.
    let chosen = subnet
        .map(plain)
        .and_then(|subnet| Some((gateway(&subnet).ok()?, subnet)));
    let configs = chosen
        .iter()
        .map(|(gateway, subnet)| config(subnet, *gateway))
        .collect();
    NetworkRow {
        version: VERSION,
        network: Network {
            id: state.unique(),
            name: name.to_owned(),
            driver: driver.to_owned(),
            created: state.clock.wall(),
            internal: false,
            attachable: false,
            ipv4: true,
            ipv6: false,
            ipam: Ipam {
                driver: "default".to_owned(),
                configs,
                options: None,
            },
            options: link
                .as_deref()
                .map(|link| default_options(link, state.config.publish_on))
                .unwrap_or_default(),
            labels: BTreeMap::new(),
            link,
        },
        configured: [false; 2],
        gateways: chosen.iter().map(|(gateway, _)| *gateway).collect(),
        borrowed: false,
    }
}

/// What upstream shows of its network `bridge`.
fn default_options(link: &str, publish_on: IpAddr) -> BTreeMap<String, String> {
    let publish_on = publish_on.to_string();
    let options = [
        ("com.docker.network.bridge.default_bridge", "true"),
        ("com.docker.network.bridge.enable_icc", "true"),
        ("com.docker.network.bridge.enable_ip_masquerade", "true"),
        ("com.docker.network.bridge.host_binding_ipv4", &publish_on),
        ("com.docker.network.bridge.name", link),
        ("com.docker.network.driver.mtu", "1500"),
    ];
    options
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
