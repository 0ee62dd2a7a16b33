//! Pods on the network. A pod is a key here: a namespace with one routed address, host ports and
//! sysctls.
//!
//! A pod is on no bridge. Its link's other end is on the host, which has a route to the one address
//! and answers as the pod's gateway; both know each other's hardware address from the start, so
//! nobody ever asks and no first packet waits. What is the same for all pods lies ready on a shelf
//! ([`shelf`]); the address and what depends on it is set when the pod comes ([`route`]). Host
//! ports are published by the code that publishes containers' ports, on a row of the same form.

mod route;
mod shelf;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::attach::take;
use crate::cidr::Cidr;
use crate::create;
use crate::detach::dismantle;
use crate::ipam::Addresses;
use crate::links;
use crate::networks::{Networks, State};
use crate::open;
use crate::publish;
use crate::row::{self, Joined, SandboxRow, VERSION};
use crate::sandboxes::Open;
use crate::{Endpoint, Error, Mac, PortBinding};

pub(crate) use route::HOST;
pub(crate) use shelf::{fill_shelf, settle};

/// In place of a network's id in the rows of pods.
const PODS: &str = "pods";
/// A pod's link, in the pod.
const INTERFACE: &str = "eth0";

/// A pod that is about to run.
#[derive(Clone, Debug, Default)]
pub struct PodAttach {
    /// Its key: text without a dot, unique on the node (its UID).
    pub pod: String,
    /// Its host ports.
    pub ports: Vec<PortBinding>,
    /// `net.*` values to set in its namespace.
    pub sysctls: Vec<(String, String)>,
}

/// The network side of a running pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSandbox {
    /// Its key.
    pub pod: String,
    /// The bind-mounted namespace file to join.
    pub key: PathBuf,
    /// Its address.
    pub address: Ipv4Addr,
}

/// The pods of the node, and which addresses they have. Pure.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    addresses: Option<Addresses>,
    last: Option<IpAddr>,
    /// Of their links.
    mtu: Option<u32>,
    live: BTreeMap<String, Live>,
}

/// A pod: what is kept, how it looks, and what this process has open for it.
#[derive(Clone, Debug)]
struct Live {
    row: Arc<SandboxRow>,
    view: Arc<PodSandbox>,
    open: Arc<Open>,
}

impl Pods {
    fn new(range: Cidr, mtu: Option<u32>) -> Self {
        Self {
            addresses: Some(Addresses::new(range, None)),
            mtu,
            ..Self::default()
        }
    }

    fn take(&mut self) -> Result<Ipv4Addr, Error> {
        let addresses = self.addresses.as_mut();
        let none = || Error::Exhausted("no address is left for a pod".to_owned());
        match addresses.and_then(|addresses| addresses.take_behind(self.last)) {
            Some(IpAddr::V4(address)) => {
                self.last = Some(address.into());
                Ok(address)
            }
            _ => Err(none()),
        }
    }

    /// Reserves the address of a row that is kept, if it is a pod's.
    pub(crate) fn reserve(&mut self, row: &SandboxRow) {
        for (addresses, address) in self.addresses.iter_mut().zip(address(row)) {
            if let Err(error) = addresses.take(address.into()) {
                tracing::warn!(%error, %address, pod = row.container, "a pod has an odd address");
            }
        }
        self.last = self.last.max(address(row).map(IpAddr::V4));
    }

    /// Gives the address of a row back, if it is a pod's.
    pub(crate) fn release(&mut self, row: &SandboxRow) {
        for (addresses, address) in self.addresses.iter_mut().zip(address(row)) {
            addresses.release(address.into());
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Arc<SandboxRow>> {
        self.live.values().map(|live| &live.row)
    }

    pub(crate) fn attached(&self, pod: &str) -> Option<(Arc<SandboxRow>, Arc<Open>)> {
        let live = self.live.get(pod)?;
        Some((live.row.clone(), live.open.clone()))
    }

    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        self.live.values().map(|live| live.view.address).collect()
    }

    /// All of them, which are none from now on.
    pub(crate) fn take_all(&mut self) -> Vec<(Arc<SandboxRow>, Arc<Open>)> {
        let all = std::mem::take(&mut self.live).into_values();
        all.map(|live| (live.row, live.open)).collect()
    }
}

/// The address of a pod's row; none of a container's.
fn address(row: &SandboxRow) -> Option<Ipv4Addr> {
    let pods = |joined: &&Joined| joined.endpoint.network_id == PODS;
    row.joined
        .iter()
        .find(pods)?
        .endpoint
        .ipv4
        .map(|(address, _)| address)
}

impl Networks {
    /// Gives a pod its namespace, address and host ports. What an earlier attempt has left of this
    /// pod goes first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] on a node without a cluster; [`Error::Exhausted`] when there is no
    /// address, or somebody has a host port; when the kernel refuses, a sysctl for example. Nothing
    /// is left of it then.
    pub fn attach_pod(&self, request: PodAttach) -> Result<Arc<PodSandbox>, Error> {
        let state = &*self.0;
        state.cluster()?;
        let _claim = state.claim_to_attach(&request.pod)?;
        detach(state, &request.pod)?;
        let mut building = Building::reserve(state, &request)?;
        match building.finish(state, &request) {
            Ok(live) => Ok(settle_in(state, live)),
            Err(error) => {
                building.undo(state);
                Err(error)
            }
        }
    }

    /// Takes everything of a pod back. Its address and ports are free when this returns; its link
    /// and its namespace go in the background. A pod that is not attached is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub fn detach_pod(&self, pod: &str) -> Result<(), Error> {
        let _claim = self.0.claim(pod);
        detach(&self.0, pod)
    }

    /// What [`Self::attach_pod`] gave.
    pub fn pod(&self, pod: &str) -> Option<Arc<PodSandbox>> {
        self.0.registry().pods.live.get(pod).map(|live| live.view.clone())
    }

    /// All pods that are attached, by key; of an earlier process too.
    pub fn pods(&self) -> Vec<Arc<PodSandbox>> {
        let registry = self.0.registry();
        registry
            .pods
            .live
            .values()
            .map(|live| live.view.clone())
            .collect()
    }
}

/// Makes a finished pod known.
fn settle_in(state: &State, live: Live) -> Arc<PodSandbox> {
    let view = live.view.clone();
    state.registry().pods.live.insert(view.pod.clone(), live);
    view
}

/// A pod that is being made.
struct Building {
    row: SandboxRow,
    address: Ipv4Addr,
    open: Open,
    /// The table knows of it.
    known: bool,
}

impl Building {
    fn reserve(state: &State, request: &PodAttach) -> Result<Self, Error> {
        let unique = state.unique();
        let address = state.registry().pods.take()?;
        Ok(Self {
            row: blank(request, address, unique, state.ipv6),
            address,
            open: Open::default(),
            known: false,
        })
    }

    fn finish(&mut self, state: &State, request: &PodAttach) -> Result<Live, Error> {
        let bound = publish::bind(state, &self.row, &request.ports)?;
        self.row.published = bound.iter().map(|(published, _)| *published).collect();
        self.enter(state, request)?;
        self.tell_table(state)?;
        publish::serve(state, &self.row, &self.open, bound)?;
        row::put_pod(&*state.store, &self.row).wait()?;
        Ok(live(state, self.row.clone(), std::mem::take(&mut self.open)))
    }

    fn tell_table(&mut self, state: &State) -> Result<(), Error> {
        let told = state.table.add_pod(self.address, &self.row.forwards());
        told.map_err(Error::kernel("cannot tell the nf_tables table of a pod"))?;
        self.known = true;
        Ok(())
    }

    /// Takes a namespace, and leads the address's packets there and back.
    fn enter(&mut self, state: &State, request: &PodAttach) -> Result<(), Error> {
        let mut ready = take(state, &shelf::kind(state, request.sysctls.clone()))?;
        self.row.namespace = Some(ready.name.clone());
        let link = ready.link.clone().unwrap_or_default();
        for joined in &mut self.row.joined {
            (joined.link, joined.index) = (link.host.clone(), link.index);
        }
        self.open.namespace = Some(Arc::new(ready.namespace));
        let routed = route::inside(&mut ready.inside, link.index, self.address)
            .and_then(|()| route::outside(&link.host, self.address));
        routed.map_err(Error::kernel("cannot set a pod's address"))?;
        self.open.inside = Some(ready.inside).into();
        Ok(())
    }

    /// Takes back what was done so far.
    fn undo(self, state: &State) {
        leave(state, &self.row, Arc::new(self.open), self.known);
        if let Err(error) = row::delete_pod(&*state.store, &self.row.container) {
            tracing::warn!(%error, pod = self.row.container, "a row stays");
        }
    }
}

fn blank(request: &PodAttach, address: Ipv4Addr, unique: String, ipv6: bool) -> SandboxRow {
    let endpoint = Endpoint {
        endpoint_id: unique.clone(),
        network_id: PODS.to_owned(),
        network_name: PODS.to_owned(),
        interface: INTERFACE.to_owned(),
        mac: Mac::of(address),
        ipv4: Some((address, 32)),
        ipv4_gateway: Some(route::GATEWAY),
        ipv6: None,
        ipv6_gateway: None,
        aliases: Vec::new(),
        dns_names: Vec::new(),
    };
    let joined = Joined {
        endpoint,
        link: String::new(),
        index: 0,
        links: Vec::new(),
        gw_priority: 0,
        internal: false,
        named: false,
    };
    SandboxRow {
        version: VERSION,
        id: unique,
        container: request.pod.clone(),
        name: request.pod.clone(),
        hostname: String::new(),
        domainname: String::new(),
        namespace: Some(String::new()),
        joined: vec![joined],
        published: Vec::new(),
        dns: crate::DnsSpec::default(),
        extra_hosts: Vec::new(),
        ipv6,
    }
}

fn live(state: &State, row: SandboxRow, open: Open) -> Live {
    let view = PodSandbox {
        pod: row.container.clone(),
        key: state
            .namespaces
            .path(row.namespace.as_deref().unwrap_or_default()),
        address: address(&row).unwrap_or(Ipv4Addr::UNSPECIFIED),
    };
    Live {
        row: Arc::new(row),
        view: Arc::new(view),
        open: Arc::new(open),
    }
}

fn detach(state: &State, pod: &str) -> Result<(), Error> {
    let Some(live) = state.registry().pods.live.remove(pod) else {
        return Ok(());
    };
    leave(state, &live.row, live.open, true);
    row::delete_pod(&*state.store, pod)
}

/// Nobody is led to the pod's address any more before it is somebody else's.
fn leave(state: &State, row: &SandboxRow, open: Arc<Open>, known: bool) {
    if let Some(address) = address(row) {
        if known {
            let told = state.table.remove_pod(address, &row.forwards());
            open::report("the nf_tables table knows a pod that is gone", told);
        }
        open::report("a route to a pod stays", route::forget(address));
    }
    dismantle(state, row, open, &[]);
}

/// Pods of an earlier process whose namespaces and links are still there go on.
pub(crate) fn restore(state: &State) -> Result<(), Error> {
    let Some(cluster) = &state.config.cluster else {
        return discard_all(state);
    };
    let elsewhere = create::elsewhere(state);
    cluster.refuse_overlap(&state.registry(), &elsewhere)?;
    let mtu = shelf::uplink().map_err(Error::kernel("cannot read the host's routes"))?;
    state.registry().pods = Pods::new(cluster.pods, mtu);
    for row in row::pods(&*state.store)? {
        let Some(open) = reopen(state, &row) else {
            row::delete_pod(&*state.store, &row.container)?;
            continue;
        };
        open::reserve(state, &row);
        open::serve(state, &row, &open);
        settle_in(state, live(state, row, open));
    }
    Ok(())
}

/// A node that is in no cluster any more has no pods.
fn discard_all(state: &State) -> Result<(), Error> {
    let rows = row::pods(&*state.store)?;
    rows.iter()
        .try_for_each(|row| row::delete_pod(&*state.store, &row.container))
}

fn reopen(state: &State, row: &SandboxRow) -> Option<Open> {
    let name = row.namespace.as_ref()?;
    let mut host = links::open().ok()?;
    let mut linked = row
        .joined
        .iter()
        .map(|joined| links::find(&mut host, &joined.link));
    if !linked.all(|link| link.is_ok_and(|link| link.is_some())) {
        return None;
    }
    let namespace = sys::netns::Namespace::open(&state.namespaces.path(name)).ok()?;
    Some(Open {
        namespace: Some(Arc::new(namespace)),
        ..Open::default()
    })
}
