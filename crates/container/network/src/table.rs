//! The instance's nf_tables table: its program, which never changes, and its sets, which follow
//! networks and published ports.
//!
//! Whatever happens to containers only adds or removes elements: a packet meets a handful of
//! rules and a few lookups however many ports and networks there are, and a change costs one
//! small transaction. The program is data; [`Table::program`] puts all of it in place in one
//! transaction, in place of what was there.
//!
//! What the program means:
//! * A packet to an address of the host and a published port is redirected to the container, from
//!   outside, from containers and from the host itself; its source stays, except where the answer
//!   could not find back: a loopback source, and a source on the container's own bridge.
//! * Containers on a bridge reach each other; nobody else reaches them but by published ports;
//!   `internal` networks reach nothing.
//! * What leaves by another link than its own bridge gets the host's address.
//! * Bridges let loopback destinations in for the answers to the redirected (route_localnet), and
//!   a redirection comes before the kernel judges a loopback destination: so a packet that names one and does not
//!   come from the host itself is dropped before anything else sees it.

mod balance;
mod cluster;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

pub(crate) use balance::{
    Balancer, Change, backend, elsewhere, frontend, member, node_port, service, unanswered,
};
use cluster::{ANSWERS, HAIRPIN, OF_SERVICES, QUESTIONS, Scope};
use program::{
    ANY4, ANY6, AT4, AT6, BRIDGES, CHAINS, INTERNAL, LOCAL4, LOCAL6, MASQUERADE4, MASQUERADE6, SETS, WITHIN,
    rules,
};
use rustix::io::Errno;
use sys::netlink::{Family, Netlink};

use crate::cidr::Cidr;
use crate::links;
use crate::naming::Naming;
use crate::networks::lock;
use crate::wire::attribute::Messages;
use crate::wire::nftables::{self, Element};
use crate::{Cluster, Protocol};

/// What the table has to know about a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) link: String,
    pub(crate) subnets: Vec<Cidr>,
    pub(crate) internal: bool,
    /// Containers may talk to each other.
    pub(crate) icc: bool,
    pub(crate) masquerade: bool,
}

/// A published port: packets to `host` (unspecified: any address of the host) go to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) protocol: Protocol,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) to: IpAddr,
    pub(crate) to_port: u16,
}

/// What the table has from the start.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) segments: Vec<Segment>,
    pub(crate) forwards: Vec<Forward>,
    pub(crate) pods: Vec<Ipv4Addr>,
    pub(crate) names: Option<NamePorts>,
}

impl Contents {
    fn elements(&self) -> impl Iterator<Item = (&'static str, Element)> {
        let segments = self.segments.iter().flat_map(elements_of);
        let ports = self.forwards.iter().map(element_of);
        let pods = self.pods.iter().map(|pod| hairpin(*pod));
        let names = self.names.into_iter().flat_map(NamePorts::elements);
        segments.chain(ports).chain(pods).chain(names)
    }
}

/// The elements of services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services(pub(crate) Elements);

impl Services {
    /// The chains that they lead to.
    pub(crate) fn balancers(&self) -> BTreeSet<Balancer> {
        let chains = self.0.iter().filter_map(|(_, element)| element.chain.as_deref());
        chains.filter_map(Balancer::named).collect()
    }
}

fn list(netlink: &mut Netlink, table: &str, set: &str) -> io::Result<Vec<Element>> {
    let mut messages = Messages::new();
    messages.get_elements(table, set);
    let mut found = Vec::new();
    netlink.dump(&mut messages.0, |_, payload| {
        found.extend(nftables::elements(payload));
    })?;
    Ok(found)
}

/// The ports of the cluster's name server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamePorts {
    pub(crate) udp: u16,
    pub(crate) tcp: u16,
}

impl NamePorts {
    fn elements(self) -> Elements {
        const NAMES: u16 = 53;
        let element = |protocol: Protocol, from: u16, to: u16| Element {
            value: Some(to.to_be_bytes().to_vec()),
            ..Element::of([[protocol.number(), 0, 0, 0], port(from)].concat())
        };
        let carriers = [(Protocol::Udp, self.udp), (Protocol::Tcp, self.tcp)];
        let both = carriers.into_iter().flat_map(|(protocol, own)| {
            [
                (QUESTIONS, element(protocol, NAMES, own)),
                (ANSWERS, element(protocol, own, NAMES)),
            ]
        });
        both.collect()
    }
}

pub(crate) type Elements = Vec<(&'static str, Element)>;

/// The table of one instance.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    cluster: Option<Scope>,
    /// Sockets for the next transactions. To close one waits, in the kernel, until all readers
    /// have let go of what the last transaction took away: some ten milliseconds.
    sockets: Mutex<Vec<Netlink>>,
}

/// Sockets that are kept.
const SOCKETS: usize = 8;

impl Table {
    pub(crate) fn new(naming: &Naming, cluster: Option<&Cluster>) -> Self {
        Self {
            name: naming.table().to_owned(),
            cluster: cluster.map(|cluster| Scope::new(naming, cluster)),
            sockets: Mutex::default(),
        }
    }

    /// Puts the whole table in place, in one transaction, with the services of the table that was
    /// there, if they can be read; these are returned. An earlier daemon's clients do not notice
    /// that there is another one.
    pub(crate) fn program(&self, contents: &Contents) -> io::Result<Services> {
        let services = self.services();
        if self.replace(contents, &services).is_ok() {
            return Ok(services);
        }
        // An older program may have had other keys.
        let none = Services::default();
        self.replace(contents, &none).map(|()| none)
    }

    /// Puts the table in place again if somebody has taken it away.
    pub(crate) fn mend(&self, contents: impl FnOnce() -> (Contents, Services)) -> io::Result<()> {
        if self.is_there()? {
            return Ok(());
        }
        tracing::warn!(
            table = self.name,
            "somebody has taken our table away: it is made again"
        );
        let (contents, services) = contents();
        self.replace(&contents, &services)
    }

    fn is_there(&self) -> io::Result<bool> {
        let mut messages = Messages::new();
        messages.get_table(&self.name);
        match self.with_socket(|netlink| netlink.get(&mut messages.0)) {
            Ok(_) => Ok(true),
            Err(error) if links::is(&error, Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn replace(&self, contents: &Contents, services: &Services) -> io::Result<()> {
        let mut messages = Messages::begin();
        messages.add_table(&self.name);
        messages.delete_table(&self.name);
        self.write(&mut messages);
        for balancer in services.balancers() {
            balancer.write(&mut messages, &self.name);
        }
        let elements = contents.elements().chain(services.0.iter().cloned());
        self.change(&mut messages, Messages::add_elements, elements.collect());
        self.send(messages)
    }

    /// The services of the table that is there; none if there is none.
    fn services(&self) -> Services {
        let sets = self.cluster.iter().flat_map(|_| OF_SERVICES);
        let elements = sets.flat_map(|set| {
            let found = self.with_socket(|netlink| list(netlink, &self.name, set));
            found
                .unwrap_or_default()
                .into_iter()
                .map(move |element| (set, element))
        });
        Services(elements.collect())
    }

    fn write(&self, messages: &mut Messages) {
        messages.add_table(&self.name);
        let (sets, chains) = match &self.cluster {
            Some(_) => (cluster::SETS, cluster::CHAINS),
            None => (&[][..], &[][..]),
        };
        for (id, set) in (1..).zip(SETS.iter().chain(sets)) {
            messages.add_set(&self.name, set, id);
        }
        for chain in CHAINS.iter().chain(chains) {
            messages.add_chain(&self.name, chain);
        }
        for (chain, rule) in rules(self.cluster.as_ref()) {
            messages.add_rule(&self.name, chain, &rule);
        }
    }

    /// Adds a network.
    pub(crate) fn add_segment(&self, segment: &Segment) -> io::Result<()> {
        self.transact(Messages::add_elements, elements_of(segment))
    }

    /// Takes a network away.
    pub(crate) fn remove_segment(&self, segment: &Segment) -> io::Result<()> {
        self.transact(Messages::delete_elements, elements_of(segment))
    }

    /// Takes the ports `old` away and adds `new` in one transaction.
    pub(crate) fn replace_forwards(&self, old: &[Forward], new: &[Forward]) -> io::Result<()> {
        if old.is_empty() && new.is_empty() {
            return Ok(());
        }
        let mut messages = Messages::begin();
        self.change(
            &mut messages,
            Messages::delete_elements,
            old.iter().map(element_of).collect(),
        );
        self.change(
            &mut messages,
            Messages::add_elements,
            new.iter().map(element_of).collect(),
        );
        self.send(messages)
    }

    /// A pod is there, and these ports lead to it.
    pub(crate) fn add_pod(&self, address: Ipv4Addr, forwards: &[Forward]) -> io::Result<()> {
        self.transact(Messages::add_elements, elements_of_pod(address, forwards))
    }

    /// A pod is gone.
    pub(crate) fn remove_pod(&self, address: Ipv4Addr, forwards: &[Forward]) -> io::Result<()> {
        self.transact(Messages::delete_elements, elements_of_pod(address, forwards))
    }

    /// Names are asked for at port 53 and answered at these, and no others.
    pub(crate) fn serve_names(&self, ports: NamePorts) -> io::Result<()> {
        let mut messages = Messages::begin();
        for set in [QUESTIONS, ANSWERS] {
            messages.flush_set(&self.name, set);
        }
        self.change(&mut messages, Messages::add_elements, ports.elements());
        self.send(messages)
    }

    /// Takes the table away.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut messages = Messages::begin();
        messages.add_table(&self.name);
        messages.delete_table(&self.name);
        self.send(messages)
    }

    fn transact(&self, operation: Operation, elements: Elements) -> io::Result<()> {
        let mut messages = Messages::begin();
        self.change(&mut messages, operation, elements);
        self.send(messages)
    }

    fn send(&self, messages: Messages) -> io::Result<()> {
        self.with_socket(|socket| socket.transaction(&mut messages.end().0))
    }

    /// Talks to the kernel's netfilter; also about connections.
    pub(crate) fn with_socket<T>(&self, work: impl FnOnce(&mut Netlink) -> io::Result<T>) -> io::Result<T> {
        let kept = lock(&self.sockets).pop();
        let mut socket = kept.map_or_else(|| Netlink::open(Family::Netfilter), Ok)?;
        let result = work(&mut socket);
        let mut sockets = lock(&self.sockets);
        if sockets.len() < SOCKETS {
            sockets.push(socket);
        }
        result
    }

    /// Elements of one set go into one message.
    fn change(&self, messages: &mut Messages, operation: Operation, elements: Elements) {
        let mut sets: BTreeMap<&str, Vec<Element>> = BTreeMap::new();
        for (set, element) in elements {
            sets.entry(set).or_default().push(element);
        }
        for (set, elements) in sets {
            operation(messages, &self.name, set, &elements);
        }
    }
}

type Operation = fn(&mut Messages, &str, &str, &[Element]);

fn elements_of(segment: &Segment) -> Elements {
    let link = link_key(&segment.link);
    let mut elements = vec![(BRIDGES, Element::of(link.clone()))];
    if segment.internal {
        elements.push((INTERNAL, Element::of(link.clone())));
    }
    if segment.icc {
        elements.push((WITHIN, Element::of([link.clone(), link.clone()].concat())));
    }
    for subnet in &segment.subnets {
        let v4 = subnet.address.is_ipv4();
        let (local, masquerade) = if v4 {
            (LOCAL4, MASQUERADE4)
        } else {
            (LOCAL6, MASQUERADE6)
        };
        elements.push((local, range(&link, *subnet)));
        if segment.masquerade && !segment.internal {
            let family = if v4 { 2 } else { 10 };
            elements.push((masquerade, range(&[family, 0, 0, 0], *subnet)));
        }
    }
    elements
}

fn elements_of_pod(address: Ipv4Addr, forwards: &[Forward]) -> Elements {
    let ports = forwards.iter().map(element_of);
    ports.chain([hairpin(address)]).collect()
}

fn hairpin(pod: Ipv4Addr) -> (&'static str, Element) {
    (HAIRPIN, Element::of([pod.octets(), pod.octets()].concat()))
}

fn range(prefix: &[u8], subnet: Cidr) -> Element {
    let key = |address: IpAddr| [prefix, &octets(address)].concat();
    Element {
        key_end: Some(key(subnet.last())),
        ..Element::of(key(subnet.masked().address))
    }
}

fn element_of(forward: &Forward) -> (&'static str, Element) {
    let set = match (forward.host.is_ipv4(), forward.host.is_unspecified()) {
        (true, true) => ANY4,
        (false, true) => ANY6,
        (true, false) => AT4,
        (false, false) => AT6,
    };
    let address = if forward.host.is_unspecified() {
        Vec::new()
    } else {
        octets(forward.host)
    };
    let key = [
        &address[..],
        &[forward.protocol.number(), 0, 0, 0],
        &port(forward.port),
    ]
    .concat();
    let value = Some([&octets(forward.to)[..], &port(forward.to_port)].concat());
    (
        set,
        Element {
            value,
            ..Element::of(key)
        },
    )
}

/// A port fills a register.
const fn port(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn link_key(link: &str) -> Vec<u8> {
    let mut key = link.as_bytes().to_vec();
    key.resize(16, 0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn the_program_is_these_bytes() {
        let mut messages = Messages::begin();
        Table::new(&Naming::new("gantry"), None).write(&mut messages);
        insta::assert_snapshot!("program", crate::wire::hex(&messages.end().0));
    }

    #[test]
    fn elements_follow_networks_and_ports() {
        let cidr = |text: &str| text.parse().unwrap_or_else(|()| panic!());
        let segment = Segment {
            link: "gantry0".to_owned(),
            subnets: vec![cidr("172.17.0.0/16"), cidr("fd00::/64")],
            internal: false,
            icc: true,
            masquerade: true,
        };
        let sets = |segment: &Segment| {
            elements_of(segment)
                .into_iter()
                .map(|(set, _)| set)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            sets(&segment),
            [BRIDGES, WITHIN, LOCAL4, MASQUERADE4, LOCAL6, MASQUERADE6]
        );
        let closed = Segment {
            internal: true,
            icc: false,
            ..segment
        };
        assert_eq!(sets(&closed), [BRIDGES, INTERNAL, LOCAL4, LOCAL6]);
        let forward = |host: &str| {
            let host = host.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            let (set, element) = element_of(&Forward {
                protocol: Protocol::Tcp,
                host,
                port: 0x1f90,
                to: [172, 17, 0, 2].into(),
                to_port: 80,
            });
            (set, element.key, element.value.unwrap_or_default())
        };
        let value = vec![172, 17, 0, 2, 0, 80, 0, 0];
        assert_eq!(
            forward("0.0.0.0"),
            (ANY4, vec![6, 0, 0, 0, 0x1f, 0x90, 0, 0], value.clone())
        );
        assert_eq!(
            forward("127.0.0.1"),
            (AT4, vec![127, 0, 0, 1, 6, 0, 0, 0, 0x1f, 0x90, 0, 0], value)
        );
    }
}
