//! The node's networks: the one handle that the rest of Gantry holds. This file has the networks
//! themselves; [`crate::attach`] and [`crate::connect`] have the containers on them.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use driver::{Clock, Rng};
use store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::create;
use crate::dns::Resolver;
use crate::dns::server::Serving;
use crate::files::ResolvConf;
use crate::naming::Naming;
use crate::pool::Pool as Namespaces;
use crate::registry::Registry;
use crate::row;
use crate::sandboxes::{HostFiles, addresses};
use crate::services::Known;
use crate::table::Table;
use crate::upkeep::{Job, Upkeep};
use crate::{Cluster, EndpointInfo, Error, Holder, LinkCounters, Network, NetworkSpec, Pool, Sandbox};

/// How a node's networks are set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--name`: every link, table and namespace file is named for it.
    pub instance: String,
    /// RUN: namespace files lie in `netns` below it.
    pub run_dir: PathBuf,
    /// Where subnets of networks without a configured one are taken from, in this order;
    /// [`Pool::defaults`] are upstream's.
    pub pools: Vec<Pool>,
    /// The address that ports are published on unless the user names one; unspecified for all.
    pub publish_on: IpAddr,
    /// How many namespaces are kept ready for the network `bridge`; 0 keeps none of any.
    pub ready: usize,
    /// The host's `resolv.conf`.
    pub resolv_conf: PathBuf,
    /// The host's `hosts`.
    pub hosts: PathBuf,
    /// Pods and services, if the node is part of a cluster.
    pub cluster: Option<Cluster>,
}

impl Config {
    /// The usual setup: upstream's pools, ports on all addresses, eight namespaces ready, the
    /// files in `/etc`.
    pub fn new(instance: &str, run_dir: PathBuf) -> Self {
        Self {
            instance: instance.to_owned(),
            run_dir,
            pools: Pool::defaults(),
            publish_on: crate::ports::ANY4,
            ready: 8,
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            cluster: None,
        }
    }
}

/// The networks of a node. A cheap handle: clones share everything.
///
/// Calls block (on netlink, for tens of microseconds, or on the store); call them from a thread
/// that may. All threads that call must be in the network namespace in which it was opened.
#[derive(Clone)]
pub struct Networks(pub(crate) Arc<State>);

pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) naming: Naming,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) holder: Arc<dyn Holder>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<Mutex<Rng>>,
    pub(crate) runtime: Handle,
    pub(crate) registry: Mutex<Registry>,
    /// Told when nobody works on some container any more.
    pub(crate) free: Condvar,
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) table: Table,
    pub(crate) services: Mutex<Known>,
    pub(crate) names: Mutex<Option<Serving>>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) upkeep: Upkeep,
    pub(crate) background: Mutex<Option<Background>>,
    pub(crate) ephemeral: (u16, u16),
    pub(crate) ipv6: bool,
}

/// What runs besides, until [`Networks::close`].
pub(crate) struct Background {
    pub(crate) upkeep: thread::JoinHandle<()>,
    pub(crate) watch: Option<JoinHandle<()>>,
}

impl Networks {
    /// All networks, by name.
    pub fn list(&self) -> Vec<Arc<Network>> {
        let mut networks: Vec<_> = self
            .0
            .registry()
            .nets
            .values()
            .map(|net| net.network.clone())
            .collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        networks
    }

    /// The network with this id, name or unambiguous beginning of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Invalid`] if several begin like this.
    pub fn find(&self, reference: &str) -> Result<Arc<Network>, Error> {
        self.0.registry().find(reference).map(|net| net.network.clone())
    }

    /// Makes a network. It is kept durably.
    ///
    /// # Errors
    /// Upstream's, for names, subnets and options; [`Error::NotFound`] for a driver we have not.
    pub fn create(&self, spec: NetworkSpec) -> Result<Arc<Network>, Error> {
        create::create(&self.0, spec)
    }

    /// Takes a network away.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one in use or predefined.
    pub fn remove(&self, reference: &str) -> Result<(), Error> {
        create::remove(&self.0, reference)
    }

    /// Takes every unused network away that is not predefined and that `matches`; their names.
    ///
    /// # Errors
    /// When the store or the kernel fails; what was taken away until then is gone.
    pub fn prune(&self, matches: &dyn Fn(&Network) -> bool) -> Result<Vec<String>, Error> {
        let unused =
            |network: &Arc<Network>| !network.predefined() && matches(network) && !self.in_use(&network.id);
        let mut pruned = Vec::new();
        for network in self.list().iter().filter(|network| unused(network)) {
            match create::remove(&self.0, &network.id) {
                Ok(()) => pruned.push(network.name.clone()),
                // Somebody has begun to use it, or was faster.
                Err(Error::Forbidden(_) | Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pruned)
    }

    fn in_use(&self, id: &str) -> bool {
        self.0.registry().nets.get(id).is_some_and(|net| net.in_use())
    }

    /// The containers that are on a network, by container id.
    pub fn endpoints(&self, network_id: &str) -> Vec<EndpointInfo> {
        let registry = self.0.registry();
        let rows = registry.sandboxes.values().map(|live| &live.row);
        let joined = rows.flat_map(|row| row.joined.iter().map(move |joined| (row, &joined.endpoint)));
        joined
            .filter(|(_, endpoint)| endpoint.network_id == network_id)
            .map(|(row, endpoint)| EndpointInfo {
                container_id: row.container.clone(),
                container_name: row.name.clone(),
                endpoint_id: endpoint.endpoint_id.clone(),
                mac: endpoint.mac,
                ipv4: endpoint.ipv4,
                ipv6: endpoint.ipv6,
            })
            .collect()
    }

    /// What [`Self::attach`] gave, as it stands now.
    pub fn sandbox(&self, container: &str) -> Option<Arc<Sandbox>> {
        self.0
            .registry()
            .sandboxes
            .get(container)
            .map(|live| live.view.clone())
    }

    /// What went through the links of a container or a pod.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] for a container that is not attached; when the namespace is
    /// gone. A container on the host's network has no links of its own: the list is empty.
    pub fn counters(&self, container: &str) -> io::Result<Vec<LinkCounters>> {
        let (row, open) = self
            .0
            .registry()
            .attached(container)
            .ok_or(io::ErrorKind::NotFound)?;
        let names: Vec<_> = row
            .joined
            .iter()
            .map(|joined| joined.endpoint.interface.clone())
            .collect();
        let links = self.0.inside(&open, crate::links::list)?;
        let links = links.into_iter().filter(|link| names.contains(&link.name));
        Ok(links.map(|link| link.counters).collect())
    }
}

impl State {
    /// The lock is for lookups and reservations: nobody waits for the kernel or the store under it.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// 64 hex digits that nobody else has.
    pub(crate) fn unique(&self) -> String {
        unique(&self.rng)
    }

    /// The host's files as they are now.
    pub(crate) fn host_files(&self) -> HostFiles {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let gateway = self
            .registry()
            .named("bridge")
            .map(|net| net.gateways())
            .unwrap_or_default();
        let resolv_conf = resolv_conf(&self.config.resolv_conf);
        let stub = resolv_conf.is_systemd_stub();
        HostFiles {
            reachable_resolv_conf: if stub {
                self::resolv_conf(Path::new(ResolvConf::SYSTEMD_PATH))
            } else {
                resolv_conf.clone()
            },
            resolv_conf,
            hosts: read(&self.config.hosts),
            gateway: gateway.into_iter().map(|cidr| cidr.address).collect(),
        }
    }

    /// Tells the table of other people's firewalls about our bridges, later.
    pub(crate) fn neighbours_later(&self) {
        self.upkeep.later(Job::Neighbours);
    }

    /// Gives addresses and ports of a row back.
    pub(crate) fn free_row(&self, row: &row::SandboxRow) {
        let mut registry = self.registry();
        registry.pods.release(row);
        for joined in &row.joined {
            if let Some(net) = registry.nets.get_mut(&joined.endpoint.network_id) {
                net.release(&row.container, addresses(&joined.endpoint));
            }
        }
        row.published
            .iter()
            .for_each(|published| registry.ports.release(published));
    }
}

/// A file that is not there is empty, and not named.
fn resolv_conf(path: &Path) -> ResolvConf {
    let text = std::fs::read_to_string(path);
    text.map(|text| ResolvConf::parse(&text, &path.to_string_lossy()))
        .unwrap_or_default()
}

pub(crate) fn unique(rng: &Mutex<Rng>) -> String {
    let mut rng = lock(rng);
    (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
