//! Ready namespaces. Making one costs milliseconds of the kernel's time (the namespace, the pair
//! of links, the bridge's port); a container should not wait for that, so a few lie ready and a
//! background thread makes more when some are taken.
//!
//! A shelf holds namespaces that are alike: same network, same sysctls. The network `bridge` has a
//! shelf from the start; others get a small one with their first container. A namespace is never
//! used twice: what ran in it may have left anything behind.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sys::netlink::Netlink;
use sys::netns::{self, Namespace};

use crate::links;
use crate::naming::Naming;
use crate::wire::route::Veth;

/// Most shelves beside that of the network `bridge`; the rest build their namespaces when needed.
const SHELVES: usize = 16;
/// How many a shelf of another network holds.
const SMALL: usize = 2;

/// What namespaces of a shelf have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// The network, if any link is wanted at all.
    pub(crate) port: Option<Port>,
    /// `net.*` values the user asked for.
    pub(crate) sysctls: Vec<(String, String)>,
}

impl Kind {
    fn network(&self) -> &str {
        self.port.as_ref().map_or("", |port| port.network.as_str())
    }
}

/// A link of a container, as far as it does not depend on the container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    pub(crate) network: String,
    /// Index of the bridge; without one, packets are routed to the host's end.
    pub(crate) master: Option<u32>,
    pub(crate) mtu: Option<u32>,
    /// Its name in the container.
    pub(crate) interface: String,
    pub(crate) ipv6: bool,
}

impl Port {
    /// The host's end is on no bridge.
    pub(crate) const fn routed(&self) -> bool {
        self.master.is_none()
    }
}

/// A namespace that is ready to be used.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Twelve hex digits: the name of its file.
    pub(crate) name: String,
    pub(crate) namespace: Namespace,
    /// A socket inside.
    pub(crate) inside: Netlink,
    pub(crate) link: Option<ReadyLink>,
}

/// The link of a ready namespace: up, without an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyLink {
    /// The host's end.
    pub(crate) host: String,
    /// Index in the namespace.
    pub(crate) index: u32,
}

/// Where namespaces are made.
#[derive(Debug)]
pub(crate) struct Pool {
    directory: PathBuf,
    naming: Naming,
    ready: usize,
    /// How many lie ready for a network, where it is not [`SMALL`].
    large: Mutex<BTreeMap<String, usize>>,
    shelves: Mutex<BTreeMap<Kind, Vec<Ready>>>,
}

impl Pool {
    pub(crate) const fn new(directory: PathBuf, naming: Naming, ready: usize) -> Self {
        Self {
            directory,
            naming,
            ready,
            large: Mutex::new(BTreeMap::new()),
            shelves: Mutex::new(BTreeMap::new()),
        }
    }

    /// The file of a namespace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A kind that gets a shelf at once, on which so many lie.
    pub(crate) fn set_large(&self, kind: &Kind, ready: usize) {
        lock(&self.large).insert(kind.network().to_owned(), ready);
        lock(&self.shelves).entry(kind.clone()).or_default();
    }

    /// A ready namespace, if one lies there; its kind has a shelf from now on.
    pub(crate) fn take(&self, kind: &Kind) -> Option<Ready> {
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get_mut(kind) {
            return shelf.pop();
        }
        if shelves.len() <= SHELVES + 1 && self.ready > 0 {
            shelves.insert(kind.clone(), Vec::new());
        }
        None
    }

    /// Fills the shelf of this kind by one, and says whether it needs more.
    pub(crate) fn refill(&self, kind: &Kind, unique: impl FnOnce() -> String) -> io::Result<bool> {
        if self.missing(kind) == 0 {
            return Ok(false);
        }
        let ready = self.make(kind, &unique())?;
        // The network may have gone while the namespace was being made.
        if let Err(orphan) = self.shelve(kind, ready) {
            self.discard(&orphan);
        }
        Ok(self.missing(kind) > 0)
    }

    /// Puts a namespace on its shelf, if there still is one.
    fn shelve(&self, kind: &Kind, ready: Ready) -> Result<(), Box<Ready>> {
        match lock(&self.shelves).get_mut(kind) {
            Some(shelf) => {
                shelf.push(ready);
                Ok(())
            }
            None => Err(Box::new(ready)),
        }
    }

    /// Whether there is a shelf for this kind with nothing on it: containers wait.
    pub(crate) fn bare(&self, kind: &Kind) -> bool {
        lock(&self.shelves).get(kind).is_some_and(Vec::is_empty)
    }

    fn missing(&self, kind: &Kind) -> usize {
        let large = lock(&self.large).get(kind.network()).copied();
        let large = large.filter(|_| kind.sysctls.is_empty());
        let wanted = large.unwrap_or_else(|| SMALL.min(self.ready));
        lock(&self.shelves)
            .get(kind)
            .map_or(0, |shelf| wanted.saturating_sub(shelf.len()))
    }

    /// Makes a namespace of this kind. `unique` is at least twelve hex digits.
    pub(crate) fn make(&self, kind: &Kind, unique: &str) -> io::Result<Ready> {
        let name: String = unique.chars().take(12).collect();
        let mut host = links::open()?;
        let hairpin = links::bridges_pass_netfilter();
        let routed = kind.port.as_ref().is_some_and(Port::routed);
        let end = if routed {
            self.naming.pod(&name)
        } else {
            self.naming.veth(&name)
        };
        let build = || furnish(kind, &mut host, &end, self.naming.group(), hairpin && !routed);
        let (namespace, furnished) = Namespace::create(build)?;
        let (inside, link) = furnished?;
        if routed {
            crate::pods::settle(&end)?;
        }
        namespace.pin(&self.path(&name))?;
        Ok(Ready {
            name,
            namespace,
            inside,
            link,
        })
    }

    /// Everything that lies ready, or what lies ready for one network. It is to be discarded.
    pub(crate) fn drain(&self, network: Option<&str>) -> Vec<Ready> {
        let mut shelves = lock(&self.shelves);
        let gone =
            |kind: &Kind| network.is_none_or(|id| kind.port.as_ref().is_some_and(|port| port.network == id));
        let kinds: Vec<_> = shelves.keys().filter(|kind| gone(kind)).cloned().collect();
        kinds
            .iter()
            .filter_map(|kind| shelves.remove(kind))
            .flatten()
            .collect()
    }

    /// Takes a namespace away that nobody uses.
    pub(crate) fn discard(&self, ready: &Ready) {
        let link = ready.link.as_ref().map(|link| link.host.clone());
        if let Err(error) = links::open().and_then(|mut host| {
            links::gone_is_fine(links::send(&mut host, |messages| {
                link.iter().for_each(|link| messages.delete_link(link));
            }))
        }) {
            tracing::warn!(%error, namespace = ready.name, "a link stays");
        }
        if let Err(error) = netns::unpin(&self.path(&ready.name)) {
            tracing::warn!(%error, namespace = ready.name, "a namespace stays");
        }
    }
}

/// Sysctls that upstream sets for every container: ports below 1024 and ping need no privilege
/// in a namespace that belongs to one container.
const SYSCTLS: &[(&str, &str)] = &[
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0\t2147483647"),
];

/// Runs in the new namespace: its loopback, its sysctls and its link.
fn furnish(
    kind: &Kind,
    host: &mut Netlink,
    host_name: &str,
    group: u32,
    hairpin: bool,
) -> io::Result<(Netlink, Option<ReadyLink>)> {
    /// Every namespace's first link.
    const LOOPBACK: u32 = 1;
    let mut inside = links::open()?;
    links::send(&mut inside, |messages| messages.link_up(LOOPBACK))?;
    for (name, value) in SYSCTLS {
        links::set_sysctl(name, value)?;
    }
    let link = kind.port.as_ref();
    let link = link
        .map(|port| plug(port, host, &mut inside, host_name, group, hairpin))
        .transpose()?;
    for (name, value) in &kind.sysctls {
        links::set_sysctl(name, value)?;
    }
    Ok((inside, link))
}

/// Makes the pair of links of a container, in whose namespace the caller is. The container's end
/// has the addresses of the other families switched off, and tells the neighbours when its
/// address changes.
pub(crate) fn plug(
    port: &Port,
    host: &mut Netlink,
    inside: &mut Netlink,
    host_name: &str,
    group: u32,
    hairpin: bool,
) -> io::Result<ReadyLink> {
    let here = Namespace::current()?;
    let namespace = here.as_fd().as_raw_fd();
    set_default_ipv6(port.ipv6)?;
    links::send(host, |messages| {
        messages.add_veth(&Veth {
            host: host_name,
            group,
            master: port.master,
            mtu: port.mtu,
            mac: port.routed().then_some(crate::pods::HOST),
            peer: &port.interface,
            namespace: namespace.cast_unsigned(),
        });
        messages.set_port(host_name, hairpin);
    })?;
    set_default_ipv6(true)?;
    let link = links::find(inside, &port.interface)?.ok_or(io::ErrorKind::NotFound)?;
    if port.ipv6 {
        links::set_sysctl(&format!("net/ipv6/conf/{}/accept_dad", port.interface), "0")?;
    }
    links::set_sysctl(&format!("net/ipv4/conf/{}/arp_notify", port.interface), "1")?;
    links::send(inside, |messages| messages.link_up(link.index))?;
    Ok(ReadyLink {
        host: host_name.to_owned(),
        index: link.index,
    })
}

/// Whether links that come have IPv6. To switch it off for a link that is there, the kernel wants
/// its great lock, and lets the writer spin until it gets it.
fn set_default_ipv6(on: bool) -> io::Result<()> {
    const SWITCH: &str = "net/ipv6/conf/default/disable_ipv6";
    match links::sysctl(SWITCH) {
        Ok(_) => links::set_sysctl(SWITCH, if on { "0" } else { "1" }),
        // A kernel without IPv6.
        Err(_) => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
