//! Which backends a service's frontends have on one node.
//!
//! A backend that is ready is used; where none is, those that end and still answer are, for that beats a refusal. A policy
//! `Local` leaves those of this node; if only others have backends, clients are left in silence, since whoever spreads
//! them over nodes tries another then. Where there is no backend at all they are refused at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use views::{EndpointView, ServiceKind, ServicePort, ServiceView, SlicePort, SliceView, TrafficPolicy};

use crate::map::{Balanced, Frontend, Map, Unanswered};

/// A service's frontends on `node`. Services without an address, and those that are another proxy's, have none; nor has
/// what is not IPv4.
pub fn plan(service: &ServiceView, slices: &[&SliceView], node: &str) -> Map {
    if service.proxied_elsewhere || service.kind == ServiceKind::ExternalName || service.is_headless() {
        return Map::new();
    }
    let ports = service.ports.iter();
    ports
        .flat_map(|port| frontends(service, port, &Endpoints::of(port, slices, node)))
        .collect()
}

fn frontends(service: &ServiceView, port: &ServicePort, endpoints: &Endpoints) -> Vec<(Frontend, Balanced)> {
    let balanced = |policy| Balanced {
        affinity: service.affinity,
        ..endpoints.balanced(policy)
    };
    let (internal, external) = (balanced(service.internal), balanced(service.external));
    let at = |ip| Frontend::Address {
        ip,
        protocol: port.protocol,
        port: port.port,
    };
    let node_port = (port.node_port != 0).then_some(Frontend::NodePort {
        protocol: port.protocol,
        port: port.node_port,
    });
    let inside = v4(&service.ips)
        .map(at)
        .map(|frontend| (frontend, internal.clone()));
    let outside = v4(&service.external_ips).chain(v4(open_ingress(service)));
    let outside = outside.filter(is_anybodys).map(at).chain(node_port);
    inside
        .chain(outside.map(|frontend| (frontend, external.clone())))
        .collect()
}

/// A load balancer's addresses, unless only some may use them: what cannot be kept from others is kept from all.
fn open_ingress(service: &ServiceView) -> &[IpAddr] {
    match &*service.source_ranges {
        [] => &service.ingress_ips,
        _ => &[],
    }
}

/// Whether an address that a user wrote down may lead to a service here: nobody takes the node's own loopback.
fn is_anybodys(address: &Ipv4Addr) -> bool {
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}

fn v4(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

/// What slices say of one backend, taken together: while an endpoint moves it is in two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    ready: bool,
    /// It ends, and still answers.
    ending: bool,
    local: bool,
}

/// The backends of one port.
struct Endpoints(BTreeMap<SocketAddrV4, State>);

impl Endpoints {
    fn of(port: &ServicePort, slices: &[&SliceView], node: &str) -> Self {
        let mut all: BTreeMap<SocketAddrV4, State> = BTreeMap::new();
        for slice in slices {
            let serves = |own: &&SlicePort| own.name == port.name && own.protocol == port.protocol;
            for number in slice.ports.iter().filter(serves).filter_map(|own| own.port) {
                for (address, state) in slice
                    .endpoints
                    .iter()
                    .filter_map(|each| backend(each, number, node))
                {
                    let known = all.entry(address).or_default();
                    known.ready |= state.ready;
                    known.ending |= state.ending;
                    known.local |= state.local;
                }
            }
        }
        Self(all)
    }

    fn balanced(&self, policy: TrafficPolicy) -> Balanced {
        let backends = self.usable(policy);
        let elsewhere = backends.iter().any(|address| !self.0[address].local);
        let any = policy == TrafficPolicy::Local && !self.usable(TrafficPolicy::Cluster).is_empty();
        Balanced {
            backends,
            affinity: None,
            elsewhere,
            none: if any { Unanswered::Drop } else { Unanswered::Reject },
        }
    }

    /// Those that are ready; else those that end and still answer.
    fn usable(&self, policy: TrafficPolicy) -> Arc<[SocketAddrV4]> {
        let within = |state: &State| policy == TrafficPolicy::Cluster || state.local;
        let those = |is: fn(&State) -> bool| -> Arc<[SocketAddrV4]> {
            let found = self.0.iter().filter(|(_, state)| within(state) && is(state));
            found.map(|(address, _)| *address).collect()
        };
        let ready = those(|state| state.ready);
        if ready.is_empty() {
            those(|state| state.ending)
        } else {
            ready
        }
    }
}

fn backend(endpoint: &EndpointView, port: u16, node: &str) -> Option<(SocketAddrV4, State)> {
    let Some(IpAddr::V4(address)) = endpoint.addresses.first().filter(|_| port != 0) else {
        return None;
    };
    let state = State {
        ready: endpoint.ready,
        ending: endpoint.serving && endpoint.terminating,
        local: endpoint.node.as_deref() == Some(node),
    };
    Some((SocketAddrV4::new(*address, port), state))
}

#[cfg(test)]
mod tests;
