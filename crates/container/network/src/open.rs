//! Opening and closing: what the rows know is adopted or made again, what no row knows goes.
//!
//! A daemon that was killed has left everything in place: links, namespaces, the table, sockets
//! with the supervisor. Names and marks derived from the instance's name tell what is ours; the
//! table is written anew in one transaction, so that no packet meets half of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};

use driver::{Clock, Rng};
use store::Store;
use sys::netns::{self, Namespace};
use tokio::runtime::Handle;

use crate::attach::{self, dns_key};
use crate::cidr::Cidr;
use crate::cluster::Cluster;
use crate::create::{self, link_up};
use crate::dns::{Asker, Resolver};
use crate::ipam::{choose_subnet, refuse_pools};
use crate::links;
use crate::naming::Naming;
use crate::neighbours;
use crate::networks::{Background, Config, Networks, State, lock, unique};
use crate::pods;
use crate::pool::{Kind, Pool};
use crate::ports;
use crate::publish;
use crate::registry::{Net, Registry};
use crate::row::{self, NetworkRow, SandboxRow};
use crate::sandboxes::{self, Open, addresses};
use crate::services;
use crate::table::{Contents, Table};
use crate::upkeep::{Job, Upkeep, Worker};
use crate::{Error, Holder};

impl Networks {
    /// Opens the networks: makes or adopts `bridge`, `host` and `none`, restores what the rows
    /// in the store know, and takes away what none knows.
    ///
    /// # Errors
    /// When the kernel refuses links or nf_tables, or the store fails.
    pub fn open(
        config: Config,
        store: Arc<dyn Store>,
        holder: Arc<dyn Holder>,
        clock: Arc<dyn Clock>,
        rng: Rng,
        runtime: Handle,
    ) -> Result<Self, Error> {
        refuse_pools(&config.pools)?;
        config.cluster.iter().try_for_each(Cluster::refuse)?;
        let naming = Naming::new(&config.instance);
        let directory = config.run_dir.join(DIRECTORY);
        prepare(&directory)?;
        let namespaces = Arc::new(Pool::new(directory, naming.clone(), config.ready));
        let rng = Arc::new(Mutex::new(rng));
        let back = Arc::new(OnceLock::new());
        let (upkeep, thread) = start_upkeep(&back, &namespaces, &naming, &rng)?;
        let state = Arc::new(State {
            table: Table::new(&naming, config.cluster.as_ref()),
            services: Mutex::default(),
            names: Mutex::default(),
            naming,
            store,
            holder,
            clock,
            rng,
            runtime,
            registry: Mutex::new(Registry::default()),
            free: Condvar::new(),
            namespaces,
            resolver: Resolver::new(),
            upkeep,
            background: Mutex::new(None),
            ephemeral: ports::ephemeral(),
            ipv6: ports::has_ipv6(),
            config,
        });
        // It was made above and is set once.
        let _ = back.set(Arc::downgrade(&state));
        let watch = restore(&state)?;
        *lock(&state.background) = Some(Background {
            upkeep: thread,
            watch,
        });
        Ok(Self(state))
    }
}

/// Where the files of namespaces are, in RUN.
pub(crate) const DIRECTORY: &str = "netns";

pub(crate) fn report(what: &'static str, result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}

/// The directory of namespace files: what is mounted there is nobody else's business.
fn prepare(directory: &Path) -> Result<(), Error> {
    let made = std::fs::create_dir_all(directory).and_then(|()| netns::shelter(directory));
    made.map_err(Error::kernel(
        "cannot prepare the directory of network namespaces",
    ))
}

fn start_upkeep(
    back: &Arc<OnceLock<Weak<State>>>,
    namespaces: &Arc<Pool>,
    naming: &Naming,
    rng: &Arc<Mutex<Rng>>,
) -> Result<(Upkeep, std::thread::JoinHandle<()>), Error> {
    let (back, rng) = (back.clone(), rng.clone());
    Upkeep::start(Worker {
        pool: namespaces.clone(),
        naming: naming.clone(),
        unique: Box::new(move || unique(&rng)),
        neighbours: Box::new(move || {
            if let Some(state) = back.get().and_then(Weak::upgrade) {
                update_neighbours(&state);
            }
        }),
    })
}

/// Our place among other people's firewalls: the table is there, and they let through what is ours.
fn update_neighbours(state: &State) {
    report("the nf_tables table is gone", services::mend(state));
    let open = neighbours::Open {
        bridges: bridges(&state.registry()),
        names_of_pods: state.config.cluster.as_ref().map(|cluster| cluster.dns),
    };
    neighbours::update(&state.naming, &open);
}

fn bridges(registry: &Registry) -> Vec<String> {
    registry
        .nets
        .values()
        .filter_map(|net| net.network.link.clone())
        .collect()
}

/// Everything from the rows, then the rest away. The watch over other people's firewalls is
/// returned; without it they are looked at when our own networks change only.
fn restore(state: &Arc<State>) -> Result<Option<tokio::task::JoinHandle<()>>, Error> {
    links::set_sysctl("net.ipv4.ip_forward", "1").map_err(Error::kernel("cannot switch forwarding on"))?;
    let rows = row::sandboxes(&*state.store)?;
    restore_networks(state, &rows)?;
    for row in rows {
        restore_sandbox(state, row)?;
    }
    pods::restore(state)?;
    let programmed = state.table.program(&contents(state));
    let services = programmed.map_err(Error::kernel("cannot write the nf_tables table"))?;
    lock(&state.services).inherit(services);
    if let Some(cluster) = &state.config.cluster {
        let linked = services::link::link_up(&state.naming, cluster);
        linked.map_err(Error::kernel("cannot make the link of services"))?;
    }
    sweep(state);
    update_neighbours(state);
    fill_default_shelf(state);
    pods::fill_shelf(state);
    let weak = Arc::downgrade(state);
    let changed = move || weak.upgrade().iter().for_each(|state| state.neighbours_later());
    let watch = neighbours::watch(&state.naming, &state.runtime, Arc::new(changed));
    Ok(watch
        .inspect_err(|error| tracing::warn!(%error, "changes of the host's firewall go unnoticed"))
        .ok())
}

/// What the table is to have.
pub(crate) fn contents(state: &State) -> Contents {
    let names = services::kept_names(state);
    let registry = state.registry();
    Contents {
        segments: registry.nets.values().filter_map(Net::segment).collect(),
        forwards: registry.rows().flat_map(|row| row.forwards()).collect(),
        pods: registry.pods.addresses(),
        names,
    }
}

fn restore_networks(state: &State, sandboxes: &[SandboxRow]) -> Result<(), Error> {
    let mut rows = row::networks(&*state.store)?;
    let in_the_way = create::reserved_elsewhere(state);
    move_out_of_the_way(state, &mut rows, sandboxes, &in_the_way)?;
    for (name, driver) in [("bridge", "bridge"), ("host", "host"), ("none", "null")] {
        if !rows.iter().any(|row| row.network.name == name) {
            rows.push(predefined(state, name, driver, &rows, &in_the_way)?);
        }
    }
    for row in &rows {
        let net = link_up(&state.naming, row)?;
        state.registry().nets.insert(row.network.id.clone(), net);
    }
    Ok(())
}

/// The subnet of `bridge` was our choice: while nobody uses it, it makes room for what the host
/// has routes to by now.
fn move_out_of_the_way(
    state: &State,
    rows: &mut Vec<NetworkRow>,
    sandboxes: &[SandboxRow],
    in_the_way: &[Cidr],
) -> Result<(), Error> {
    let Some(at) = rows.iter().position(|row| row.network.name == "bridge") else {
        return Ok(());
    };
    let id = &rows[at].network.id;
    let used = sandboxes
        .iter()
        .flat_map(|row| &row.joined)
        .any(|joined| joined.endpoint.network_id == *id);
    let overlaps = |subnet: Cidr| in_the_way.iter().any(|other| other.overlaps(subnet));
    if !used && subnets(&rows[at]).any(overlaps) {
        row::delete_network(&*state.store, id)?;
        rows.remove(at);
    }
    Ok(())
}

fn subnets(row: &NetworkRow) -> impl Iterator<Item = Cidr> {
    row.network
        .ipam
        .configs
        .iter()
        .filter_map(|config| config.subnet.parse().ok())
}

fn predefined(
    state: &State,
    name: &str,
    driver: &str,
    rows: &[NetworkRow],
    in_the_way: &[Cidr],
) -> Result<NetworkRow, Error> {
    let taken: Vec<_> = rows
        .iter()
        .flat_map(subnets)
        .chain(in_the_way.iter().copied())
        .collect();
    let subnet = (driver == "bridge")
        .then(|| choose_subnet(&state.config.pools, false, &taken))
        .transpose()?;
    let row = create::predefined(state, name, driver, subnet);
    row::put_network(&*state.store, &row)?;
    Ok(row)
}

/// A sandbox whose namespace is still there goes on; after a reboot there is none, and the row
/// goes: the container will be attached again when it is started.
fn restore_sandbox(state: &State, row: SandboxRow) -> Result<(), Error> {
    let namespace = match &row.namespace {
        None => None,
        Some(name) => match Namespace::open(&state.namespaces.path(name)) {
            Ok(namespace) => Some(Arc::new(namespace)),
            Err(_) => return row::delete_sandbox(&*state.store, &row.container),
        },
    };
    let open = Open {
        namespace,
        ..Open::default()
    };
    reserve(state, &row);
    serve(state, &row, &open);
    let container = row.container.clone();
    let live = sandboxes::live(state, row, open);
    state.registry().sandboxes.insert(container, live);
    Ok(())
}

pub(crate) fn reserve(state: &State, row: &SandboxRow) {
    let mut registry = state.registry();
    registry.pods.reserve(row);
    for joined in &row.joined {
        if let Some(net) = registry.nets.get_mut(&joined.endpoint.network_id) {
            net.restore(&row.container, addresses(&joined.endpoint));
        }
    }
    for published in &row.published {
        let places: Vec<_> = published.places().iter().map(|place| place.ip).collect();
        if registry
            .ports
            .take(published.protocol, published.port, &places)
            .is_err()
        {
            tracing::warn!(
                port = published.port,
                container = row.container,
                "a port is published twice"
            );
        }
    }
}

/// The name server and the proxy go on with the sockets that the supervisor has kept.
pub(crate) fn serve(state: &State, row: &SandboxRow, open: &Open) {
    if !row.published.is_empty() {
        match publish::hold(state, row, publish::retrieve(state, row)) {
            Ok(proxy) => *lock(&open.proxy) = Some(proxy),
            Err(error) => {
                tracing::warn!(%error, container = row.container, "published ports are not served by IPv6");
            }
        }
    }
    let Some(namespace) = open.namespace.as_ref().filter(|_| row.named()) else {
        return;
    };
    let kept = state
        .holder
        .retrieve(&dns_key(&row.container))
        .unwrap_or_default();
    let served = match <[_; 2]>::try_from(kept) {
        Ok(sockets) => {
            let serving = state.resolver.serve(
                Asker::Container(row.container.clone()),
                namespace.clone(),
                sockets,
                &state.runtime,
            );
            serving
                .map(|serving| *lock(&open.serving) = Some(serving))
                .map_err(Error::kernel("cannot serve names"))
        }
        Err(_) => attach::serve_names(state, row, open, namespace),
    };
    if let Err(error) = served {
        tracing::warn!(%error, container = row.container, "a container has no name server");
    }
}

/// Takes away what is ours and no row knows: what an earlier daemon had made ready, or was making.
fn sweep(state: &State) {
    let (links, names, keys) = {
        let registry = state.registry();
        let rows: Vec<_> = registry.rows().cloned().collect();
        let ends = rows
            .iter()
            .flat_map(|row| row.joined.iter().map(|joined| joined.link.clone()));
        let services = state.config.cluster.as_ref().map(|_| state.naming.services());
        let links: BTreeSet<_> = ends.chain(bridges(&registry)).chain(services).collect();
        let names: BTreeSet<_> = rows.iter().filter_map(|row| row.namespace.clone()).collect();
        let keys: BTreeSet<_> = rows.iter().map(|row| row.container.clone()).collect();
        (links, names, keys)
    };
    report("links of an earlier daemon stay", sweep_links(state, &links));
    for name in files(state.namespaces.directory()) {
        if !names.contains(&name) {
            report(
                "a namespace of an earlier daemon stays",
                netns::unpin(&state.namespaces.path(&name)),
            );
        }
    }
    if state.config.cluster.is_none() {
        services::stop_serving(state);
    }
    for key in state.holder.held().unwrap_or_default() {
        let ours = key.strip_prefix("network.").and_then(|key| key.split('.').nth(1));
        if ours.is_some_and(|container| !keys.contains(container)) {
            report("a socket stays with the supervisor", state.holder.release(&key));
        }
    }
}

fn sweep_links(state: &State, known: &BTreeSet<String>) -> std::io::Result<()> {
    let mut host = links::open()?;
    let groups = [state.naming.group(), state.naming.dead_group()];
    let all = links::list(&mut host)?;
    let unknown = all
        .iter()
        .filter(|link| groups.contains(&link.group) && !known.contains(&link.name));
    let unknown: Vec<_> = unknown.map(|link| link.name.clone()).collect();
    links::gone_is_fine(links::send(&mut host, |messages| {
        unknown.iter().for_each(|link| messages.delete_link(link));
    }))
}

pub(crate) fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn fill_default_shelf(state: &State) {
    let port = state
        .registry()
        .named("bridge")
        .map(|net| net.port(format!("{}0", net.options.prefix)));
    if let Some(port) = port.filter(|_| state.config.ready > 0) {
        let kind = Kind {
            port: Some(port),
            sysctls: Vec::new(),
        };
        state.namespaces.set_large(&kind, state.config.ready);
        state.upkeep.later(Job::Refill(kind));
    }
}
