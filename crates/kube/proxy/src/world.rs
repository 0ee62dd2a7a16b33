//! The services and slices that are there, and the map that follows: kept up to date from what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use client::{Change as Event, Changes};
use schema::object::Obj;
use views::{EndpointView, ServiceView, SliceView};

use crate::map::{Balanced, Change, Frontend, Map, diff};
use crate::plan::plan;

/// Slices that say so are not for proxies: nobody balances to what has no address, or is another proxy's.
const NOT_OURS: [&str; 2] = [
    "service.kubernetes.io/headless",
    "service.kubernetes.io/service-proxy-name",
];

/// `namespace/name` of a service.
type Key = Box<str>;

/// What is known, and what follows.
#[derive(Debug)]
pub(crate) struct World {
    node: Box<str>,
    services: BTreeMap<Key, Arc<ServiceView>>,
    slices: BTreeMap<Key, BTreeMap<Box<str>, Arc<SliceView>>>,
    /// Which service each slice was last of.
    owners: BTreeMap<Box<str>, Key>,
    /// What each service wants.
    planned: BTreeMap<Key, Planned>,
    /// Who wants each frontend. Where several do the first has it, by name.
    claims: BTreeMap<Frontend, BTreeSet<Key>>,
    /// Services that have to be looked at.
    dirty: BTreeSet<Key>,
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
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            owners: BTreeMap::new(),
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
            Changes::One(change) => self.service(change),
            Changes::All(snapshot) => {
                self.dirty.extend(std::mem::take(&mut self.services).into_keys());
                snapshot.iter().for_each(|service| self.service(&there(service)));
            }
        }
    }

    fn service(&mut self, change: &Event) {
        let Some(key) = change.either().map(|object| object.key.clone()) else {
            return;
        };
        match change.object.as_ref().and_then(|object| object.view().ok()) {
            Some(view) => drop(self.services.insert(key.clone(), view)),
            None => drop(self.services.remove(&key)),
        }
        self.dirty.insert(key);
    }

    /// Hears of slices.
    pub(crate) fn slices(&mut self, changes: &Changes) {
        match changes {
            Changes::One(change) => self.slice(change),
            Changes::All(snapshot) => {
                self.dirty.extend(std::mem::take(&mut self.slices).into_keys());
                self.owners.clear();
                snapshot.iter().for_each(|slice| self.slice(&there(slice)));
            }
        }
    }

    fn slice(&mut self, change: &Event) {
        let Some(slice) = change.either() else {
            return;
        };
        if let Some(owner) = self.owners.remove(&slice.key) {
            self.slices.entry(owner.clone()).or_default().remove(&slice.key);
            self.dirty.insert(owner);
        }
        if let Some((owner, view)) = change.object.as_ref().and_then(owned) {
            let slices = self.slices.entry(owner.clone()).or_default();
            slices.insert(slice.key.clone(), view);
            self.owners.insert(slice.key.clone(), owner.clone());
            self.dirty.insert(owner);
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
        self.planned.get(first)?.map.get(frontend)
    }

    fn look(&mut self, key: &Key) {
        if self.slices.get(key).is_some_and(BTreeMap::is_empty) {
            self.slices.remove(key);
        }
        let new = self.plan(key);
        let old = self.planned.remove(key).unwrap_or_default();
        let change = diff(&old.map, &new.map);
        for frontend in &change.remove {
            self.release(frontend, key);
        }
        for frontend in new.map.keys() {
            self.claims.entry(*frontend).or_default().insert(key.clone());
        }
        self.pending
            .extend(change.set.into_iter().map(|(frontend, _)| frontend));
        self.pending.extend(change.remove);
        self.turned.extend(turns(&old.ready, &new.ready));
        if !new.map.is_empty() {
            self.planned.insert(key.clone(), new);
        }
    }

    fn release(&mut self, frontend: &Frontend, key: &Key) {
        if let Some(claims) = self.claims.get_mut(frontend) {
            claims.remove(key);
            if claims.is_empty() {
                self.claims.remove(frontend);
            }
        }
    }

    fn plan(&self, key: &Key) -> Planned {
        let Some(service) = self.services.get(key) else {
            return Planned::default();
        };
        let slices = self.slices.get(key).into_iter().flat_map(BTreeMap::values);
        let slices: Vec<&SliceView> = slices.map(|slice| &**slice).collect();
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

fn there(object: &Arc<Obj>) -> Event {
    Event {
        object: Some(object.clone()),
        previous: None,
    }
}

/// The service that a slice is of, unless it is none for proxies.
fn owned(slice: &Arc<Obj>) -> Option<(Key, Arc<SliceView>)> {
    let view = slice.view::<SliceView>().ok()?;
    let ours = NOT_OURS.iter().all(|label| slice.meta.label(label).is_none());
    let service = format!("{}/{}", slice.meta.namespace, view.service);
    (ours && !view.service.is_empty()).then(|| (service.into(), view))
}

#[cfg(test)]
mod tests;
