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
//! * Bridges let loopback destinations in for the answers to the redirected (route_localnet), so
//!   a packet from a container that names one is dropped before anything else sees it.

use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use sys::netlink::{Family, Netlink};

use crate::Protocol;
use crate::cidr::Cidr;
use crate::networks::lock;
use crate::wire::attribute::Messages;
use crate::wire::expression::{Ct, Expression, Meta, Register, Verdict};
use crate::wire::nftables::{ADDRESS4, ADDRESS6, Chain, Element, FAMILY, Field, LINK, PORT, PROTOCOL, Set};

const BRIDGES: &str = "bridges";
const INTERNAL: &str = "internal";
const WITHIN: &str = "within";
const LOCAL4: &str = "local4";
const LOCAL6: &str = "local6";
const MASQUERADE4: &str = "masquerade4";
const MASQUERADE6: &str = "masquerade6";
const ANY4: &str = "published4";
const ANY6: &str = "published6";
const AT4: &str = "published_at4";
const AT6: &str = "published_at6";

const fn set(name: &'static str, key: &'static [Field], interval: bool) -> Set {
    Set {
        name,
        key,
        value: &[],
        interval,
    }
}

const fn map(name: &'static str, key: &'static [Field], value: &'static [Field]) -> Set {
    Set {
        name,
        key,
        value,
        interval: false,
    }
}

const SETS: &[Set] = &[
    set(BRIDGES, &[LINK], false),
    set(INTERNAL, &[LINK], false),
    set(WITHIN, &[LINK, LINK], false),
    set(LOCAL4, &[LINK, ADDRESS4], true),
    set(LOCAL6, &[LINK, ADDRESS6], true),
    set(MASQUERADE4, &[FAMILY, ADDRESS4], true),
    set(MASQUERADE6, &[FAMILY, ADDRESS6], true),
    map(ANY4, &[PROTOCOL, PORT], &[ADDRESS4, PORT]),
    map(ANY6, &[PROTOCOL, PORT], &[ADDRESS6, PORT]),
    map(AT4, &[ADDRESS4, PROTOCOL, PORT], &[ADDRESS4, PORT]),
    map(AT6, &[ADDRESS6, PROTOCOL, PORT], &[ADDRESS6, PORT]),
];

/// Hooks are `NF_INET_*`; priorities those of `nft`'s `raw`, `dstnat`, `filter` and `srcnat`.
const CHAINS: &[Chain] = &[
    chain("loopback", "filter", 0, -300),
    chain("prerouting", "nat", 0, -100),
    chain("output", "nat", 3, -100),
    chain("forward", "filter", 2, 0),
    chain("postrouting", "nat", 4, 100),
];

const fn chain(name: &'static str, kind: &'static str, hook: u32, priority: i32) -> Chain {
    Chain {
        name,
        kind,
        hook,
        priority,
    }
}

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

type Elements = Vec<(&'static str, Element)>;

/// The table of one instance.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    /// Sockets for the next transactions. To close one waits, in the kernel, until all readers
    /// have let go of what the last transaction took away: some ten milliseconds.
    sockets: Mutex<Vec<Netlink>>,
}

/// Sockets that are kept.
const SOCKETS: usize = 8;

impl Table {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sockets: Mutex::default(),
        }
    }

    /// Puts the whole table in place, in one transaction.
    pub(crate) fn program(&self, segments: &[Segment], forwards: &[Forward]) -> io::Result<()> {
        let mut messages = Messages::begin();
        messages.add_table(&self.name);
        messages.delete_table(&self.name);
        self.write(&mut messages);
        let elements = segments
            .iter()
            .flat_map(elements_of)
            .chain(forwards.iter().map(element_of));
        self.change(&mut messages, Messages::add_elements, elements.collect());
        self.send(messages)
    }

    fn write(&self, messages: &mut Messages) {
        messages.add_table(&self.name);
        for (id, set) in (1..).zip(SETS) {
            messages.add_set(&self.name, set, id);
        }
        for chain in CHAINS {
            messages.add_chain(&self.name, chain);
        }
        for (chain, rule) in rules() {
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
        for set in SETS {
            let of_set = elements.iter().filter(|(name, _)| *name == set.name);
            let of_set: Vec<_> = of_set.map(|(_, element)| element.clone()).collect();
            operation(messages, &self.name, set.name, &of_set);
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

const R0: Register = Register(0);
const R4: Register = Register(4);
/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)`.
const GOING_ON: u32 = 2 | 4;
/// `IPS_DST_NAT`.
const REDIRECTED: u32 = 1 << 5;

/// The program, chain by chain.
fn rules() -> Vec<(&'static str, Vec<Expression>)> {
    let mut rules = vec![(
        "loopback",
        [&from(BRIDGES)[..], &v4(), &loopback(16), &[DROP]].concat(),
    )];
    for chain in ["prerouting", "output"] {
        rules.extend(redirections().map(|rule| (chain, rule)));
    }
    rules.extend(forwarding().map(|rule| ("forward", rule)));
    rules.extend(sources().map(|rule| ("postrouting", rule)));
    rules
}

const DROP: Expression = Expression::Verdict(Verdict::Drop);
const ACCEPT: Expression = Expression::Verdict(Verdict::Accept);

/// An address that was named when publishing wins over "any address".
fn redirections() -> impl Iterator<Item = Vec<Expression>> {
    let any = [
        Expression::DestinationType(R0),
        Expression::Equal(R0, LOCAL.to_ne_bytes().to_vec()),
    ];
    // A packet from ::1 cannot leave the host, whatever its destination becomes: the proxy on the
    // published socket serves it.
    let not_loopback6 = [
        network(24, 16, R0),
        Expression::Different(R0, [&[0; 15][..], &[1]].concat()),
    ];
    let at = |v6: bool| {
        let (offset, length, set) = if v6 { (24, 16, AT6) } else { (16, 4, AT4) };
        [&[network(offset, length, R0)][..], &redirect(set, length, v6)].concat()
    };
    [
        [&v4()[..], &at(false)].concat(),
        [&v4()[..], &any, &redirect(ANY4, 0, false)].concat(),
        [&v6()[..], &not_loopback6, &at(true)].concat(),
        [&v6()[..], &not_loopback6, &any, &redirect(ANY6, 0, true)].concat(),
    ]
    .into_iter()
}

/// Looks up protocol and port behind `before` bytes of the key, and goes where the map says.
fn redirect(set: &'static str, before: u32, v6: bool) -> Vec<Expression> {
    let protocol = R0.after(before);
    let port = protocol.after(4);
    let address = port.after(4);
    vec![
        Expression::Meta(Meta::Transport, protocol),
        Expression::Transport {
            offset: 2,
            length: 2,
            to: port,
        },
        Expression::Lookup(set, R0, Some(address)),
        Expression::Dnat {
            v6,
            address,
            port: address.after(if v6 { 16 } else { 4 }),
        },
    ]
}

fn forwarding() -> impl Iterator<Item = Vec<Expression>> {
    let within = [
        Expression::Meta(Meta::InputName, R0),
        Expression::Meta(Meta::OutputName, R4),
        Expression::Lookup(WITHIN, R0, None),
    ];
    [
        [&connection(Ct::State, GOING_ON)[..], &[ACCEPT]].concat(),
        [&within[..], &[ACCEPT]].concat(),
        [&from(INTERNAL)[..], &[DROP]].concat(),
        [&to(INTERNAL)[..], &[DROP]].concat(),
        [&to(BRIDGES)[..], &connection(Ct::Status, REDIRECTED), &[ACCEPT]].concat(),
        [&to(BRIDGES)[..], &[DROP]].concat(),
    ]
    .into_iter()
}

fn sources() -> impl Iterator<Item = Vec<Expression>> {
    let local = |v6: bool| {
        let (offset, length, set) = if v6 { (8, 16, LOCAL6) } else { (12, 4, LOCAL4) };
        [
            Expression::Meta(Meta::OutputName, R0),
            network(offset, length, R4),
            Expression::Lookup(set, R0, None),
        ]
    };
    let leaving = |v6: bool| {
        let (offset, length, set) = if v6 {
            (8, 16, MASQUERADE6)
        } else {
            (12, 4, MASQUERADE4)
        };
        [
            Expression::Meta(Meta::Family, R0),
            network(offset, length, Register(1)),
            Expression::Lookup(set, R0, None),
        ]
    };
    let redirected = connection(Ct::Status, REDIRECTED);
    let masquerade = [Expression::Masquerade];
    [
        [&v4()[..], &loopback(12), &to(BRIDGES), &masquerade].concat(),
        [&v4()[..], &local(false), &redirected, &masquerade].concat(),
        [&v6()[..], &local(true), &redirected, &masquerade].concat(),
        [&v4()[..], &local(false), &[ACCEPT]].concat(),
        [&v6()[..], &local(true), &[ACCEPT]].concat(),
        [&v4()[..], &leaving(false), &masquerade].concat(),
        [&v6()[..], &leaving(true), &masquerade].concat(),
    ]
    .into_iter()
}

fn v4() -> [Expression; 2] {
    family(2)
}

fn v6() -> [Expression; 2] {
    family(10)
}

fn family(number: u8) -> [Expression; 2] {
    [
        Expression::Meta(Meta::Family, R0),
        Expression::Equal(R0, vec![number]),
    ]
}

const fn network(offset: u32, length: u32, to: Register) -> Expression {
    Expression::Network { offset, length, to }
}

/// The address at this offset of an IPv4 header is in 127.0.0.0/8.
fn loopback(offset: u32) -> [Expression; 3] {
    [
        network(offset, 4, R0),
        Expression::Mask(R0, vec![255, 0, 0, 0]),
        Expression::Equal(R0, vec![127, 0, 0, 0]),
    ]
}

fn from(set: &'static str) -> [Expression; 2] {
    [
        Expression::Meta(Meta::InputName, R0),
        Expression::Lookup(set, R0, None),
    ]
}

fn to(set: &'static str) -> [Expression; 2] {
    [
        Expression::Meta(Meta::OutputName, R0),
        Expression::Lookup(set, R0, None),
    ]
}

/// Any of these bits is set.
fn connection(key: Ct, bits: u32) -> [Expression; 3] {
    [
        Expression::Ct(key, R0),
        Expression::Mask(R0, bits.to_ne_bytes().to_vec()),
        Expression::Different(R0, vec![0; 4]),
    ]
}
