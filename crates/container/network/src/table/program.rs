//! The program of the table as data: its sets, its chains, its rules. What it means is said in
//! [`super`].

use super::cluster::Scope;
use crate::wire::expression::{Ct, Expression, Meta, Register, Verdict};
use crate::wire::nftables::{ADDRESS4, ADDRESS6, Chain, FAMILY, Field, LINK, PORT, PROTOCOL, Set};

pub(super) const BRIDGES: &str = "bridges";
pub(super) const INTERNAL: &str = "internal";
pub(super) const WITHIN: &str = "within";
pub(super) const LOCAL4: &str = "local4";
pub(super) const LOCAL6: &str = "local6";
pub(super) const MASQUERADE4: &str = "masquerade4";
pub(super) const MASQUERADE6: &str = "masquerade6";
pub(super) const ANY4: &str = "published4";
pub(super) const ANY6: &str = "published6";
pub(super) const AT4: &str = "published_at4";
pub(super) const AT6: &str = "published_at6";

pub(super) const fn set(name: &'static str, key: &'static [Field], interval: bool) -> Set {
    Set {
        name,
        key,
        value: &[],
        interval,
        remembers: None,
    }
}

pub(super) const fn map(name: &'static str, key: &'static [Field], value: &'static [Field]) -> Set {
    Set {
        name,
        key,
        value,
        interval: false,
        remembers: None,
    }
}

pub(super) const SETS: &[Set] = &[
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
pub(super) const CHAINS: &[Chain] = &[
    chain("loopback", "filter", 0, -300),
    chain("prerouting", "nat", 0, -100),
    chain("output", "nat", 3, -100),
    chain("forward", "filter", 2, 0),
    chain("postrouting", "nat", 4, 100),
];

pub(super) const fn chain(name: &'static str, kind: &'static str, hook: u32, priority: i32) -> Chain {
    Chain {
        name,
        kind,
        hook,
        priority,
    }
}

pub(super) const R0: Register = Register(0);
const R4: Register = Register(4);
/// `IFNAMSIZ`.
const LINK_NAME: usize = 16;
/// `RTN_LOCAL`.
const LOCAL: u32 = 2;
/// `NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)`.
pub(super) const GOING_ON: u32 = 2 | 4;
/// `IPS_DST_NAT`.
pub(super) const REDIRECTED: u32 = 1 << 5;

/// A chain and a rule of it.
pub(super) type Placed = (&'static str, Vec<Expression>);

/// The program, chain by chain; with a cluster's part, if the node has one.
pub(super) fn rules(cluster: Option<&Scope>) -> Vec<Placed> {
    let mut rules = vec![("loopback", guarding())];
    for chain in ["prerouting", "output"] {
        let services = cluster.into_iter().flat_map(Scope::services);
        let all = services
            .chain(redirections())
            .chain(cluster.map(Scope::node_ports));
        rules.extend(all.map(|rule| (chain, rule)));
    }
    rules.extend(forwarding(cluster).into_iter().map(|rule| ("forward", rule)));
    let own = cluster.map(Scope::sources).unwrap_or_default();
    rules.extend(own.into_iter().chain(sources()).map(|rule| ("postrouting", rule)));
    rules.extend(cluster.into_iter().flat_map(Scope::rewriting));
    let refusing = cluster.map(|cluster| {
        [
            ("refuse_in", cluster.refusing_in()),
            ("refuse_out", cluster.refusing_out()),
        ]
    });
    for (chain, refusing) in refusing.into_iter().flatten() {
        rules.extend(refusing.into_iter().map(|rule| (chain, rule)));
    }
    rules
}

/// What is published on 127.0.0.1 is the host's own: the kernel looks whether such an address may come over a wire only
/// after it has been redirected.
fn guarding() -> Vec<Expression> {
    let mut own = b"lo".to_vec();
    own.resize(LINK_NAME, 0);
    let from_elsewhere = [
        Expression::Meta(Meta::InputName, R0),
        Expression::Different(R0, own),
    ];
    [&from_elsewhere[..], &v4(), &loopback(16), &[DROP]].concat()
}

pub(super) const DROP: Expression = Expression::Verdict(Verdict::Drop);
pub(super) const ACCEPT: Expression = Expression::Verdict(Verdict::Accept);

/// An address that was named when publishing wins over "any address".
fn redirections() -> impl Iterator<Item = Vec<Expression>> {
    let any = any_local();
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

/// The destination is an address of the host.
pub(super) fn any_local() -> [Expression; 2] {
    [
        Expression::DestinationType(R0),
        Expression::Equal(R0, LOCAL.to_ne_bytes().to_vec()),
    ]
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

fn forwarding(cluster: Option<&Scope>) -> Vec<Vec<Expression>> {
    let within = [
        Expression::Meta(Meta::InputName, R0),
        Expression::Meta(Meta::OutputName, R4),
        Expression::Lookup(WITHIN, R0, None),
    ];
    let mut rules = vec![[&connection(Ct::State, GOING_ON)[..], &[ACCEPT]].concat()];
    rules.extend(cluster.into_iter().flat_map(Scope::refusing));
    rules.extend([
        [&within[..], &[ACCEPT]].concat(),
        [&from(INTERNAL)[..], &[DROP]].concat(),
        [&to(INTERNAL)[..], &[DROP]].concat(),
    ]);
    rules.extend(cluster.into_iter().flat_map(Scope::forwarding));
    rules.extend([
        [&to(BRIDGES)[..], &connection(Ct::Status, REDIRECTED), &[ACCEPT]].concat(),
        [&to(BRIDGES)[..], &[DROP]].concat(),
    ]);
    rules
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

pub(super) fn v4() -> [Expression; 2] {
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

pub(super) const fn network(offset: u32, length: u32, to: Register) -> Expression {
    Expression::Network { offset, length, to }
}

/// The address at this offset of an IPv4 header is in 127.0.0.0/8.
pub(super) fn loopback(offset: u32) -> [Expression; 3] {
    [
        network(offset, 4, R0),
        Expression::Mask(R0, vec![255, 0, 0, 0]),
        Expression::Equal(R0, vec![127, 0, 0, 0]),
    ]
}

pub(super) fn from(set: &'static str) -> [Expression; 2] {
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
pub(super) fn connection(key: Ct, bits: u32) -> [Expression; 3] {
    [
        Expression::Ct(key, R0),
        Expression::Mask(R0, bits.to_ne_bytes().to_vec()),
        Expression::Different(R0, vec![0; 4]),
    ]
}
