//! The services and slices that are there, and the map that follows: kept up to date from what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use client::Changes;
use schema::object::Obj;
use views::{EndpointView, Joined, ServiceKey, SliceView};

use crate::map::{Balanced, Change, Frontend, Map, diff};
use crate::plan::plan;

/// Slices that say so are not for proxies: nobody balances to what has no address, or is another proxy's.
const NOT_OURS: [&str; 2] = [
    "service.kubernetes.io/headless",
    "service.kubernetes.io/service-proxy-name",
];

/// What is known, and what follows.
#[derive(Debug)]
pub(crate) struct World {
    node: Box<str>,
    joined: Joined,
    /// What each service wants.
    planned: BTreeMap<ServiceKey, Planned>,
    /// Who wants each frontend. Where several do the first has it.
    claims: BTreeMap<Frontend, BTreeSet<Claim>>,
    /// Services that have to be looked at.
    dirty: BTreeSet<ServiceKey>,
    /// Frontends whose state in the datapath may not be what it should be.
    pending: BTreeSet<Frontend>,
    /// Addresses that became ready, or ceased to be, for one service each.
    turned: Vec<Turn>,
    whole: bool,
}

/// An address is ready for new connections to one service more, or one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) address: Ipv4Addr,
    pub(crate) ready: bool,
}

/// Who wants a frontend, the one with the best right first: cluster IPs are given out by the API server, once each, while
/// everybody may write any address down as an external one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    outside: bool,
    service: ServiceKey,
}

/// What follows from one service.
#[derive(Clone, Debug, Default)]
struct Planned {
    map: Map,
    /// The addresses that new connections go to because they are ready. One that ends is none, even where the service
    /// publishes such: nobody waits for what will not come.
    ready: BTreeSet<Ipv4Addr>,
}

impl World {
    pub(crate) fn new(node: &str) -> Self {
        Self {
            node: node.into(),
            joined: Joined::default(),
            planned: BTreeMap::new(),
            claims: BTreeMap::new(),
            dirty: BTreeSet::new(),
            pending: BTreeSet::new(),
            turned: Vec::new(),
            whole: true,
        }
    }

    /// Hears of services.
    pub(crate) fn services(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => self.service(change.either(), change.object.as_ref()),
            Changes::All(snapshot) => {
                self.dirty.extend(self.joined.clear_services());
                snapshot
                    .iter()
                    .for_each(|service| self.service(Some(service), Some(service)));
            }
        }
    }

    fn service(&mut self, which: Option<&Arc<Obj>>, now: Option<&Arc<Obj>>) {
        if let Some(which) = which {
            self.joined.set_service(&which.key, now.map(|now| &**now));
            self.dirty.insert(which.key.clone());
        }
    }

    /// Hears of slices.
    pub(crate) fn slices(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => self.slice(change.either(), change.object.as_ref()),
            Changes::All(snapshot) => {
                self.dirty.extend(self.joined.clear_slices());
                snapshot
                    .iter()
                    .for_each(|slice| self.slice(Some(slice), Some(slice)));
            }
        }
    }

    fn slice(&mut self, which: Option<&Arc<Obj>>, now: Option<&Arc<Obj>>) {
        if let Some(which) = which {
            let now = now.map(|now| &**now).filter(|slice| is_for_proxies(slice));
            self.dirty.extend(self.joined.set_slice(&which.key, now));
        }
    }

    /// What has to change in the datapath. It is asked for again until [`World::done`].
    pub(crate) fn change(&mut self) -> Change {
        for key in std::mem::take(&mut self.dirty) {
            self.look(&key);
        }
        let mut change = Change {
            whole: self.whole,
            ..Change::default()
        };
        for frontend in &self.pending {
            match self.wanted(frontend) {
                Some(balanced) => change.set.push((*frontend, balanced.clone())),
                None => change.remove.push(*frontend),
            }
        }
        change
    }

    /// The change is in force; answers which addresses turned by it. Nothing was heard since it was asked for.
    pub(crate) fn done(&mut self) -> Vec<Turn> {
        self.pending.clear();
        self.whole = false;
        std::mem::take(&mut self.turned)
    }

    fn wanted(&self, frontend: &Frontend) -> Option<&Balanced> {
        let first = self.claims.get(frontend)?.first()?;
        self.planned.get(&first.service)?.map.get(frontend)
    }

    fn look(&mut self, key: &ServiceKey) {
        let new = self.plan(key);
        let old = self.planned.remove(key).unwrap_or_default();
        let change = diff(&old.map, &new.map);
        for frontend in &change.remove {
            self.release(frontend, key);
        }
        for frontend in new.map.keys() {
            self.claim(*frontend, key);
        }
        self.pending
            .extend(change.set.into_iter().map(|(frontend, _)| frontend));
        self.pending.extend(change.remove);
        self.turned.extend(turns(&old.ready, &new.ready));
        if !new.map.is_empty() {
            self.planned.insert(key.clone(), new);
        }
    }

    fn claim(&mut self, frontend: Frontend, key: &ServiceKey) {
        let claim = Claim {
            outside: self.is_outside(&frontend, key),
            service: key.clone(),
        };
        let claims = self.claims.entry(frontend).or_default();
        if !claims.contains(&claim) {
            claims.retain(|other| other.service != *key);
            claims.insert(claim);
            self.pending.insert(frontend);
        }
    }

    fn is_outside(&self, frontend: &Frontend, key: &ServiceKey) -> bool {
        let own = |ip: Ipv4Addr| {
            let service = self.joined.service(key);
            service.is_some_and(|service| service.ips.contains(&IpAddr::V4(ip)))
        };
        !matches!(frontend, Frontend::Address { ip, .. } if own(*ip))
    }

    fn release(&mut self, frontend: &Frontend, key: &ServiceKey) {
        if let Some(claims) = self.claims.get_mut(frontend) {
            claims.retain(|claim| claim.service != *key);
            if claims.is_empty() {
                self.claims.remove(frontend);
            }
        }
    }

    fn plan(&self, key: &ServiceKey) -> Planned {
        let Some(service) = self.joined.service(key) else {
            return Planned::default();
        };
        let slices: Vec<&SliceView> = self.joined.slices(key).collect();
        let map = plan(service, &slices, &self.node);
        let endpoints = slices.iter().flat_map(|slice| &*slice.endpoints);
        let stays = |endpoint: &&EndpointView| endpoint.ready && !endpoint.terminating;
        let ready = endpoints.filter(stays).filter(|_| !map.is_empty());
        let ready = ready.filter_map(|endpoint| match endpoint.addresses.first() {
            Some(IpAddr::V4(address)) => Some(*address),
            _ => None,
        });
        Planned {
            ready: ready.collect(),
            map,
        }
    }
}

fn turns<'a>(old: &'a BTreeSet<Ipv4Addr>, new: &'a BTreeSet<Ipv4Addr>) -> impl Iterator<Item = Turn> + 'a {
    let turn = |ready| {
        move |address: &Ipv4Addr| Turn {
            address: *address,
            ready,
        }
    };
    new.difference(old)
        .map(turn(true))
        .chain(old.difference(new).map(turn(false)))
}

fn is_for_proxies(slice: &Obj) -> bool {
    NOT_OURS.iter().all(|label| slice.meta.label(label).is_none())
}

#[cfg(test)]
mod tests;
