//! Everything that has a name, and what the names say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use client::Changes;
use schema::object::Obj;
use views::{Joined, ServiceKey};

use crate::question::{Question, pod_address};
use crate::record::{Found, Kind, Record, RecordData};
use crate::service::{Asked, addresses, host_name};

/// The version of the specification that names follow, and for how many seconds it may be kept.
const VERSION: &str = "1.1.0";
const VERSION_TTL: u32 = 28_800;

/// The service under whose address the zone is served.
const SERVER: &str = "kube-system/kube-dns";

/// The zone as of now.
#[derive(Clone, Debug)]
pub struct Names {
    domain: Box<str>,
    joined: Joined,
    namespaces: BTreeSet<Box<str>>,
    /// The services that each address belongs to, as its own or as an endpoint's.
    reverse: BTreeMap<IpAddr, BTreeSet<ServiceKey>>,
    /// The addresses of each service.
    addresses: BTreeMap<ServiceKey, BTreeSet<IpAddr>>,
}

impl Names {
    /// A zone in which nothing is.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.trim_end_matches('.').to_lowercase().into(),
            joined: Joined::default(),
            namespaces: BTreeSet::new(),
            reverse: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    /// Hears of namespaces.
    pub fn namespaces(&mut self, changes: &Changes) {
        match changes {
            Changes::All(snapshot) => {
                self.namespaces = snapshot.iter().map(|namespace| namespace.key.clone()).collect();
            }
            Changes::One(change) => match (&change.object, &change.previous) {
                (Some(there), _) => drop(self.namespaces.insert(there.key.clone())),
                (None, Some(gone)) => drop(self.namespaces.remove(&gone.key)),
                (None, None) => {}
            },
        }
    }

    /// Hears of services.
    pub fn services(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => self.service(change.either(), change.object.as_ref()),
            Changes::All(snapshot) => {
                let before = self.joined.clear_services();
                snapshot
                    .iter()
                    .for_each(|service| self.service(Some(service), Some(service)));
                before.iter().for_each(|key| self.index(key));
            }
        }
    }

    fn service(&mut self, which: Option<&Arc<Obj>>, now: Option<&Arc<Obj>>) {
        if let Some(which) = which {
            self.joined.set_service(&which.key, now.map(|now| &**now));
            self.index(&which.key);
        }
    }

    /// Hears of slices.
    pub fn slices(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => self.slice(change.either(), change.object.as_ref()),
            Changes::All(snapshot) => {
                let before = self.joined.clear_slices();
                snapshot
                    .iter()
                    .for_each(|slice| self.slice(Some(slice), Some(slice)));
                before.iter().for_each(|key| self.index(key));
            }
        }
    }

    fn slice(&mut self, which: Option<&Arc<Obj>>, now: Option<&Arc<Obj>>) {
        if let Some(which) = which {
            let touched = self.joined.set_slice(&which.key, now.map(|now| &**now));
            touched.iter().for_each(|key| self.index(key));
        }
    }

    /// Takes down anew which addresses a service has.
    fn index(&mut self, key: &ServiceKey) {
        let new = self.addresses_of(key);
        let old = self.addresses.remove(key).unwrap_or_default();
        for address in old.difference(&new) {
            if let Some(services) = self.reverse.get_mut(address) {
                services.remove(key);
                if services.is_empty() {
                    self.reverse.remove(address);
                }
            }
        }
        for address in new.difference(&old) {
            self.reverse.entry(*address).or_default().insert(key.clone());
        }
        if !new.is_empty() {
            self.addresses.insert(key.clone(), new);
        }
    }

    fn addresses_of(&self, key: &str) -> BTreeSet<IpAddr> {
        let Some(service) = self.joined.service(key) else {
            return BTreeSet::new();
        };
        let endpoints = self.joined.slices(key).flat_map(|slice| &*slice.endpoints);
        let ready = endpoints.filter(|endpoint| endpoint.ready);
        let addresses = ready.flat_map(|endpoint| &*endpoint.addresses);
        service.ips.iter().chain(addresses).copied().collect()
    }

    /// What there is of a kind at a name, which is in lower case and without the last dot.
    pub fn resolve(&self, name: &str, kind: Kind) -> Found {
        let Some(question) = Question::of(name, &self.domain) else {
            return Found::NotOurs;
        };
        match question {
            Question::Domain => self.domain(kind),
            Question::Version => version(kind),
            Question::NameServer => self.name_server(kind),
            Question::Between => Found::NoData,
            Question::Namespace(namespace) if self.namespaces.contains(namespace) => Found::NoData,
            Question::Pod { namespace, name } if self.namespaces.contains(namespace) => pod(name, kind),
            Question::Service {
                namespace,
                name,
                part,
            } => {
                let key = format!("{namespace}/{name}");
                let asked = self.joined.service(&key).map(|service| Asked {
                    name: self.full(&key),
                    service,
                    slices: self.joined.slices(&key),
                });
                asked.map_or(Found::NoName, |asked| asked.find(part, kind))
            }
            Question::Address(address) => self.names_of(address, kind),
            Question::Namespace(_) | Question::Pod { .. } | Question::Nothing => Found::NoName,
        }
    }

    /// `SERVICE.NAMESPACE.svc.DOMAIN`
    fn full(&self, key: &str) -> String {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        format!("{name}.{namespace}.svc.{}", self.domain)
    }

    fn domain(&self, kind: Kind) -> Found {
        let server = match self.joined.service(SERVER) {
            Some(_) => self.full(SERVER),
            None => format!("ns.dns.{}", self.domain),
        };
        Found::there((kind == Kind::Ns).then_some(RecordData::Ns(server)))
    }

    fn name_server(&self, kind: Kind) -> Found {
        let service = self.joined.service(SERVER);
        let own = service.into_iter().flat_map(|service| &*service.ips);
        Found::there(addresses(own.copied(), kind))
    }

    /// The service that an address is of, else all endpoints that it is of. An address that nobody here has may be known
    /// to others.
    fn names_of(&self, address: IpAddr, kind: Kind) -> Found {
        let Some(services) = self.reverse.get(&address) else {
            return Found::NotOurs;
        };
        let has = |key: &&ServiceKey| {
            self.joined
                .service(key)
                .is_some_and(|service| service.ips.contains(&address))
        };
        let names = match services.iter().find(has) {
            Some(key) => vec![self.full(key)],
            None => services
                .iter()
                .flat_map(|key| self.hosts_at(key, address))
                .collect(),
        };
        Found::there(
            names
                .into_iter()
                .filter(|_| kind == Kind::Ptr)
                .map(RecordData::Ptr),
        )
    }

    fn hosts_at(&self, key: &str, address: IpAddr) -> BTreeSet<String> {
        let service = self.full(key);
        let endpoints = self.joined.slices(key).flat_map(|slice| &*slice.endpoints);
        endpoints
            .filter(|endpoint| endpoint.ready && endpoint.addresses.contains(&address))
            .map(|endpoint| format!("{}.{service}", host_name(endpoint, address)))
            .collect()
    }
}

fn version(kind: Kind) -> Found {
    match kind {
        Kind::Txt => Found::Records(vec![Record {
            ttl: VERSION_TTL,
            data: RecordData::Txt(VERSION.to_owned()),
        }]),
        _ => Found::NoData,
    }
}

/// Names that say an address say it whether a pod has it or not.
fn pod(name: &str, kind: Kind) -> Found {
    match pod_address(name) {
        Some(address) => Found::there(addresses([address].into_iter(), kind)),
        None => Found::NoName,
    }
}

#[cfg(test)]
mod tests;
