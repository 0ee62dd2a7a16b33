//! What is kept in the node's store: networks durably, running sandboxes so that they survive the
//! daemon (not a reboot, after which there is no namespace to go with them).
//!
//! Everything else is made from these rows: addresses in use, elements of the table, names.

use std::net::IpAddr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Durability, Expect, Key, KeyRange, Op, Pending, RangeRequest, Store, Write, Written};

use crate::dns::{Member, Place};
use crate::ports::Published;
use crate::table::Forward;
use crate::{DnsSpec, Endpoint, Error, Network};

const NETWORKS: &str = "/networks/";
const SANDBOXES: &str = "/sandboxes/";
const PODS: &str = "/podsandboxes/";

/// A network, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NetworkRow {
    pub(crate) version: u32,
    pub(crate) network: Network,
    /// Whether the user gave the subnet of IPv4, and of IPv6: only then may containers ask for
    /// addresses in it.
    pub(crate) configured: [bool; 2],
    /// The bridge's addresses. What clients are shown has only those that the user named, or that
    /// belong to subnets which he did not.
    pub(crate) gateways: Vec<IpAddr>,
    /// The link was there before us and stays when the network goes.
    pub(crate) borrowed: bool,
}

/// A running container's network side, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SandboxRow {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) container: String,
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) domainname: String,
    /// The namespace's file; `None` is the host's own namespace.
    pub(crate) namespace: Option<String>,
    pub(crate) joined: Vec<Joined>,
    pub(crate) published: Vec<Published>,
    pub(crate) dns: DnsSpec,
    pub(crate) extra_hosts: Vec<String>,
    /// IPv6 is not switched off in the namespace.
    pub(crate) ipv6: bool,
}

/// A place on a network, with what is needed to take it away again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) endpoint: Endpoint,
    /// The host's end of its link; empty on `host` and `none`.
    pub(crate) link: String,
    /// The link's index in the namespace.
    pub(crate) index: u32,
    /// Alias and container, by name or id: names only this container knows.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) gw_priority: i64,
    pub(crate) internal: bool,
    /// Containers find each other by name here.
    pub(crate) named: bool,
}

pub(crate) const VERSION: u32 = 1;

impl SandboxRow {
    /// The place that the default route and the published ports belong to: upstream's order is
    /// priority, not internal, most families, name.
    pub(crate) fn gateway(&self) -> Option<&Joined> {
        let rank = |joined: &&Joined| {
            let endpoint = &joined.endpoint;
            let families =
                usize::from(endpoint.ipv4_gateway.is_some()) + usize::from(endpoint.ipv6_gateway.is_some());
            (
                std::cmp::Reverse(joined.gw_priority),
                joined.internal,
                std::cmp::Reverse(families),
                endpoint.network_name.clone(),
            )
        };
        let reachable = |joined: &&Joined| {
            joined.endpoint.ipv4_gateway.is_some() || joined.endpoint.ipv6_gateway.is_some()
        };
        self.joined.iter().filter(reachable).min_by_key(rank)
    }

    /// Default gateways, at most one of each family.
    pub(crate) fn gateways(&self) -> Vec<IpAddr> {
        let endpoint = self.gateway().map(|joined| &joined.endpoint);
        let v4 = endpoint
            .and_then(|endpoint| endpoint.ipv4_gateway)
            .map(IpAddr::V4);
        let v6 = endpoint
            .and_then(|endpoint| endpoint.ipv6_gateway)
            .map(IpAddr::V6);
        v4.into_iter().chain(v6).collect()
    }

    /// What the table redirects for the published ports. Where the families differ, or the client
    /// is at ::1, nothing can be redirected and the proxy serves.
    pub(crate) fn forwards(&self) -> Vec<Forward> {
        let Some(endpoint) = self.gateway().map(|joined| &joined.endpoint) else {
            return Vec::new();
        };
        let places = self.published.iter().flat_map(|published| {
            published
                .places()
                .into_iter()
                .map(move |place| (published, place))
        });
        places
            .filter(|(_, place)| place.ip.is_ipv4() || !place.ip.is_loopback())
            .filter_map(|(published, place)| {
                let to = if place.ip.is_ipv4() {
                    endpoint.ipv4.map(|(ip, _)| ip.into())
                } else {
                    endpoint.ipv6.map(|(ip, _)| ip.into())
                };
                Some(Forward {
                    protocol: published.protocol,
                    host: place.ip,
                    port: place.port,
                    to: to?,
                    to_port: published.container_port,
                })
            })
            .collect()
    }

    /// Where the proxy connects to.
    pub(crate) fn target(&self) -> Option<IpAddr> {
        let endpoint = &self.gateway()?.endpoint;
        endpoint
            .ipv4
            .map(|(ip, _)| ip.into())
            .or(endpoint.ipv6.map(|(ip, _)| ip.into()))
    }

    /// Whether the container has a name server of its own.
    pub(crate) fn named(&self) -> bool {
        self.joined.iter().any(|joined| joined.named)
    }

    /// The names by which others find it. Forwarding is filled in by the caller.
    pub(crate) fn member(&self) -> Member {
        let place = |joined: &Joined| Place {
            network: joined.endpoint.network_id.clone(),
            network_name: joined.endpoint.network_name.clone(),
            ipv4: joined.endpoint.ipv4.map(|(ip, _)| ip),
            ipv6: joined.endpoint.ipv6.map(|(ip, _)| ip),
            names: joined.endpoint.dns_names.clone(),
            links: joined.links.clone(),
        };
        Member {
            places: self
                .joined
                .iter()
                .filter(|joined| joined.named)
                .map(place)
                .collect(),
            ..Member::default()
        }
    }
}

/// All rows of one kind; what cannot be read is reported and left alone.
fn load<T: DeserializeOwned>(store: &dyn Store, prefix: &str) -> Result<Vec<T>, Error> {
    let request = RangeRequest {
        range: KeyRange::prefix(prefix.as_bytes()),
        revision: None,
        limit: None,
    };
    let rows = store.range(&request).wait()?.rows;
    let read = |row: &store::KeyValue| {
        let read = serde_json::from_slice(&row.value);
        read.inspect_err(|error| tracing::error!(%error, key = ?row.key, "a row cannot be read"))
            .ok()
    };
    Ok(rows.iter().filter_map(|row| read(row)).collect())
}

pub(crate) fn networks(store: &dyn Store) -> Result<Vec<NetworkRow>, Error> {
    load(store, NETWORKS)
}

pub(crate) fn sandboxes(store: &dyn Store) -> Result<Vec<SandboxRow>, Error> {
    load(store, SANDBOXES)
}

/// The rows of pods have the form of containers' rows: one place, on no network.
pub(crate) fn pods(store: &dyn Store) -> Result<Vec<SandboxRow>, Error> {
    load(store, PODS)
}

/// Keeps a network; it is on disk when this returns.
pub(crate) fn put_network(store: &dyn Store, row: &NetworkRow) -> Result<(), Error> {
    put(store, NETWORKS, &row.network.id, row, Durability::Durable).wait()?;
    Ok(())
}

/// Forgets a network.
pub(crate) fn delete_network(store: &dyn Store, id: &str) -> Result<(), Error> {
    store.delete(key(NETWORKS, id), Expect::Any).wait()?;
    Ok(())
}

/// Keeps a sandbox: it survives this process when the answer is there.
pub(crate) fn put_sandbox(store: &dyn Store, row: &SandboxRow) -> Pending<Written> {
    put(store, SANDBOXES, &row.container, row, Durability::Relaxed)
}

/// Keeps a pod's sandbox, as [`put_sandbox`] does.
pub(crate) fn put_pod(store: &dyn Store, row: &SandboxRow) -> Pending<Written> {
    put(store, PODS, &row.container, row, Durability::Relaxed)
}

/// Forgets a sandbox.
pub(crate) fn delete_sandbox(store: &dyn Store, container: &str) -> Result<(), Error> {
    forget(store, key(SANDBOXES, container))
}

/// Forgets a pod's sandbox.
pub(crate) fn delete_pod(store: &dyn Store, pod: &str) -> Result<(), Error> {
    forget(store, key(PODS, pod))
}

fn forget(store: &dyn Store, key: Key) -> Result<(), Error> {
    let op = Op::Delete {
        key,
        expect: Expect::Any,
    };
    let durability = Durability::Relaxed;
    store.write(Write { op, durability }).wait()?;
    Ok(())
}

fn put(
    store: &dyn Store,
    prefix: &str,
    id: &str,
    row: &impl Serialize,
    durability: Durability,
) -> Pending<Written> {
    // A row is plain data with text keys: it always has a JSON form.
    let value = Bytes::from(serde_json::to_vec(row).unwrap_or_default());
    let op = Op::Put {
        key: key(prefix, id),
        value,
        expect: Expect::Any,
        lease: None,
    };
    store.write(Write { op, durability })
}

fn key(prefix: &str, id: &str) -> Key {
    [prefix, id].concat().as_str().into()
}
