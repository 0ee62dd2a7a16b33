//! The names of one service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use views::{EndpointView, Protocol, ServiceKind, ServiceView, SliceView};

use crate::question::{Part, address_name};
use crate::record::{Found, Kind, RecordData};

/// A service whose names are asked for.
pub(crate) struct Asked<'a, S> {
    /// `SERVICE.NAMESPACE.svc.DOMAIN`
    pub(crate) name: String,
    pub(crate) service: &'a ServiceView,
    pub(crate) slices: S,
}

/// One of those that a name stands for.
#[derive(Clone, Debug)]
struct Host {
    address: IpAddr,
    /// Below which name it is found alone.
    name: String,
    /// None where the service has no ports at all.
    port: Option<u16>,
}

impl<'a, S: Iterator<Item = &'a SliceView>> Asked<'a, S> {
    /// What there is of a kind.
    pub(crate) fn find(self, part: Part<'_>, kind: Kind) -> Found {
        if self.service.kind == ServiceKind::ExternalName {
            return external(&self.service.external_name, part, kind);
        }
        let hosts = match part {
            Part::Endpoint(_) => self.endpoints(part),
            _ if self.service.is_headless() => self.endpoints(part),
            _ => self.addresses(part),
        };
        match &*hosts {
            [] => Found::NoName,
            hosts => Found::there(records(hosts, kind)),
        }
    }

    /// The service's own addresses, once for each port: what they weigh depends on it.
    fn addresses(&self, part: Part<'_>) -> Vec<Host> {
        let ports = self.service.ports.iter();
        let asked = ports.filter(|port| is_asked(part, &port.name, port.protocol));
        asked
            .flat_map(|port| {
                self.service.ips.iter().map(|address| Host {
                    address: *address,
                    name: self.name.clone(),
                    port: Some(port.port),
                })
            })
            .collect()
    }

    /// The endpoints that are ready, once for each port.
    fn endpoints(self, part: Part<'_>) -> Vec<Host> {
        let Self { name, slices, .. } = self;
        let mut hosts = Vec::new();
        for slice in slices {
            let ports = ports(slice, part);
            for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready) {
                for address in &endpoint.addresses {
                    let own = host_name(endpoint, *address);
                    let asked = |host: &str| matches!(part, Part::Endpoint(one) if one != host);
                    if asked(&own) {
                        continue;
                    }
                    let host = |port: &Option<u16>| Host {
                        address: *address,
                        name: format!("{own}.{name}"),
                        port: *port,
                    };
                    hosts.extend(ports.iter().map(host));
                }
            }
        }
        hosts
    }
}

/// The numbers of a slice's ports that are asked for. A slice without any has one that is none: its endpoints have names.
fn ports(slice: &SliceView, part: Part<'_>) -> Vec<Option<u16>> {
    if slice.ports.is_empty() && !matches!(part, Part::Port { .. }) {
        return vec![None];
    }
    let asked = slice
        .ports
        .iter()
        .filter(|port| is_asked(part, &port.name, port.protocol));
    asked.map(|port| port.port).collect()
}

fn is_asked(part: Part<'_>, name: &str, protocol: Protocol) -> bool {
    match part {
        Part::Whole | Part::Endpoint(_) => true,
        Part::Port {
            name: asked,
            protocol: spoken,
        } => asked.eq_ignore_ascii_case(name) && spoken.eq_ignore_ascii_case(protocol.as_str()),
    }
}

/// What an endpoint is called below its service.
pub(crate) fn host_name(endpoint: &EndpointView, address: IpAddr) -> String {
    match endpoint.hostname.as_deref() {
        None | Some("") => address_name(address),
        Some(name) => name.to_lowercase(),
    }
}

/// A name that stands for another one has nothing else, and nothing below it. One that stands for an address is none.
fn external(target: &str, part: Part<'_>, kind: Kind) -> Found {
    if part != Part::Whole || target.parse::<IpAddr>().is_ok() || target.is_empty() {
        return Found::NoName;
    }
    match kind {
        Kind::A | Kind::Aaaa | Kind::Cname => {
            let target = target.strip_suffix('.').unwrap_or(target);
            Found::there([RecordData::Cname(target.to_owned())])
        }
        _ => Found::NoData,
    }
}

fn records(hosts: &[Host], kind: Kind) -> Vec<RecordData> {
    match kind {
        Kind::Srv => servers(hosts),
        kind => addresses(hosts.iter().map(|host| host.address), kind),
    }
}

/// The addresses of a kind, each once.
pub(crate) fn addresses(all: impl Iterator<Item = IpAddr>, kind: Kind) -> Vec<RecordData> {
    let each: BTreeSet<IpAddr> = all.collect();
    let of_kind = each.into_iter().filter_map(|address| match (address, kind) {
        (IpAddr::V4(address), Kind::A) => Some(RecordData::A(address)),
        (IpAddr::V6(address), Kind::Aaaa) => Some(RecordData::Aaaa(address)),
        _ => None,
    });
    of_kind.collect()
}

/// Hosts and ports, each once. All weigh the same: together a hundred, each at least one.
fn servers(hosts: &[Host]) -> Vec<RecordData> {
    let weight = u16::try_from(100 / hosts.len().max(1)).unwrap_or(1).max(1);
    let each: BTreeSet<(&str, u16)> = hosts
        .iter()
        .filter_map(|host| Some((&*host.name, host.port?)))
        .collect();
    let server = |(target, port): (&str, u16)| RecordData::Srv {
        priority: 0,
        weight,
        port,
        target: target.to_owned(),
    };
    each.into_iter().map(server).collect()
}
