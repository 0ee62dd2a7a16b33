//! The part of the program that a node of a cluster has beside docker's: pods and services.
//!
//! * A service's address and port, or a node port on any address of the host, is looked up in one
//!   map, whose verdict goes to a chain for so many backends ([`super::balance`]); what such a chain
//!   says depends on the number only, so services are elements.
//! * A frontend without backends is refused at once, or dropped if it has some elsewhere only; what
//!   nobody has of services' and pods' addresses is refused too: it would leave by their own link.
//! * Pods reach everything but docker's internal networks; they are reached by each other, by
//!   containers, and through services and published ports.
//! * Sources stay, except where the answer could not find back: a pod that reaches itself, a client
//!   at 127.0.0.1, a backend on another node; and except for what leaves the cluster.
//! * The name server's address is nobody else's: what is published on all addresses of the host is
//!   not published there. Nor has it port 53 of all addresses: its sockets have ports that the kernel
//!   chose, and these are rewritten on the way, before and behind connection tracking (as for
//!   containers' servers). Whoever wants to be a name server on this host can.

use std::net::{IpAddr, Ipv4Addr};

use super::program::{
    ACCEPT, BRIDGES, DROP, GOING_ON, Placed, R0, REDIRECTED, any_local, chain, connection, from, loopback,
    map, network, set, v4,
};
use crate::Cluster;
use crate::cidr::Cidr;
use crate::naming::Naming;
use crate::wire::expression::{Ct, Expression, Meta, Register};
use crate::wire::nftables::{ADDRESS4, Chain, INDEX, PORT, PROTOCOL, Set, VERDICT};

pub(super) const SERVICES: &str = "services";
pub(super) const NODEPORTS: &str = "nodeports";
pub(super) const BACKENDS: &str = "backends";
pub(super) const MEMBERS: &str = "members";
pub(super) const AFFINITY: &str = "affinity";
pub(super) const REFUSED: &str = "refused";
pub(super) const DROPPED: &str = "dropped";
pub(super) const ELSEWHERE: &str = "elsewhere";
/// The sets that services alone fill.
pub(super) const OF_SERVICES: [&str; 7] = [
    SERVICES, NODEPORTS, BACKENDS, MEMBERS, REFUSED, DROPPED, ELSEWHERE,
];
pub(super) const HAIRPIN: &str = "hairpin";
pub(super) const QUESTIONS: &str = "questions";
pub(super) const ANSWERS: &str = "answers";

/// Clients that are remembered at most; further ones are balanced anew each time.
const CLIENTS: u32 = 262_144;

/// A frontend is an address, a protocol and a port; the address of a node port is 0.0.0.0.
pub(super) const SETS: &[Set] = &[
    map(SERVICES, &[ADDRESS4, PROTOCOL, PORT], &[VERDICT]),
    map(NODEPORTS, &[PROTOCOL, PORT], &[VERDICT]),
    map(BACKENDS, &[ADDRESS4, PROTOCOL, PORT, INDEX], &[ADDRESS4, PORT]),
    set(MEMBERS, &[ADDRESS4, PROTOCOL, PORT, ADDRESS4, PORT], false),
    Set {
        remembers: Some(CLIENTS),
        ..map(AFFINITY, &[ADDRESS4, ADDRESS4, PROTOCOL, PORT], &[ADDRESS4, PORT])
    },
    set(REFUSED, &[ADDRESS4, PROTOCOL, PORT], false),
    set(DROPPED, &[ADDRESS4, PROTOCOL, PORT], false),
    set(ELSEWHERE, &[ADDRESS4, PROTOCOL, PORT], false),
    set(HAIRPIN, &[ADDRESS4, ADDRESS4], false),
    map(QUESTIONS, &[PROTOCOL, PORT], &[PORT]),
    map(ANSWERS, &[PROTOCOL, PORT], &[PORT]),
];

/// Before connection tracking and behind everything, for names; on `NF_INET_LOCAL_IN` and
/// `NF_INET_LOCAL_OUT` behind whatever translates, for what is refused.
pub(super) const CHAINS: &[Chain] = &[
    chain("ask_in", "filter", 0, -300),
    chain("ask_out", "filter", 3, -300),
    chain("answer", "filter", 4, 300),
    chain("refuse_in", "filter", 1, 0),
    chain("refuse_out", "filter", 3, 0),
];

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Protocols that names are asked over, and where their headers have the checksum.
const CARRIERS: [(u8, u32); 2] = [(UDP, 6), (TCP, 16)];
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;

/// What the rules have to know of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// What names of pods' links begin with.
    links: Vec<u8>,
    pods: Cidr,
    /// The name of the link that nobody is on.
    nobodys: Vec<u8>,
    dns: Ipv4Addr,
}

type Rule = Vec<Expression>;

impl Scope {
    pub(super) fn new(naming: &Naming, cluster: &Cluster) -> Self {
        Self {
            links: naming.pods().into_bytes(),
            pods: cluster.pods,
            nobodys: [naming.services().as_bytes(), &[0]].concat(),
            dns: cluster.dns,
        }
    }

    /// Chains `prerouting` and `output`, before docker's redirections.
    pub(super) fn services(&self) -> [Rule; 2] {
        [
            [&v4()[..], &self.to_dns(), &[ACCEPT]].concat(),
            [
                &v4()[..],
                &frontend(network(DESTINATION, 4, R0), R0),
                &[dispatch(SERVICES)],
            ]
            .concat(),
        ]
    }

    /// Chains `prerouting` and `output`, behind docker's redirections.
    pub(super) fn node_ports(&self) -> Rule {
        [&v4()[..], &any_local(), &port(R0), &[dispatch(NODEPORTS)]].concat()
    }

    /// Chain `forward`, behind what goes on.
    pub(super) fn refusing(&self) -> Vec<Rule> {
        let mut rules = refusals(&frontend(network(DESTINATION, 4, R0), R0));
        rules.extend(refuse(&self.to_nobody()));
        rules
    }

    /// Chain `refuse_out`. The host's own packets are told the link that they would have left by
    /// before they were translated.
    pub(super) fn refusing_out(&self) -> Vec<Rule> {
        let untranslated = [
            Expression::Ct(Ct::Status, R0),
            Expression::Mask(R0, REDIRECTED.to_ne_bytes().to_vec()),
            Expression::Equal(R0, vec![0; 4]),
        ];
        let mut rules = vec![going_on()];
        rules.extend(refusals(&frontend(network(DESTINATION, 4, R0), R0)));
        rules.extend(refuse(&[&self.to_nobody()[..], &untranslated].concat()));
        rules
    }

    /// Chains `ask_in`, `ask_out` and `answer`: the port that clients know is another one.
    pub(super) fn rewriting(&self) -> Vec<Placed> {
        let rewrite = |address: [Expression; 2], at: u32, map, (protocol, checksum)| {
            let found = R0.after(8);
            let look_up = [
                Expression::Meta(Meta::Transport, R0),
                Expression::Equal(R0, vec![protocol]),
                transport_port(at, R0.after(4)),
                Expression::Lookup(map, R0, Some(found)),
                Expression::SetTransport {
                    offset: at,
                    length: 2,
                    from: found,
                    checksum,
                },
            ];
            [&v4()[..], &address, &look_up].concat()
        };
        let mut rules = Vec::new();
        for carrier in CARRIERS {
            let question = rewrite(self.to_dns(), 2, QUESTIONS, carrier);
            rules.extend(["ask_in", "ask_out"].map(|chain| (chain, question.clone())));
            rules.push(("answer", rewrite(self.by_dns(), 0, ANSWERS, carrier)));
        }
        rules
    }

    /// Chain `refuse_in`: node ports too, and what the name server's address has beside names.
    pub(super) fn refusing_in(&self) -> Vec<Rule> {
        let mut rules = vec![going_on()];
        for (protocol, _) in CARRIERS {
            let asked = [&v4()[..], &self.to_dns(), &transport(protocol)].concat();
            // With a value that nobody needs: to older kernels (Linux 6.1) a map is not a set too.
            let value = Some(R0.after(8));
            let served = [
                transport_port(2, R0.after(4)),
                Expression::Lookup(ANSWERS, R0, value),
                ACCEPT,
            ];
            rules.push([&asked[..], &served].concat());
            rules.extend(refuse(&asked));
        }
        rules.extend(refusals(&frontend(network(DESTINATION, 4, R0), R0)));
        rules.extend(refusals(&frontend(Expression::Value(R0, vec![0; 4]), R0)));
        rules
    }

    /// Chain `forward`, behind the internal networks.
    pub(super) fn forwarding(&self) -> [Rule; 4] {
        let translated = connection(Ct::Status, REDIRECTED);
        [
            [&self.out_of_pods()[..], &[ACCEPT]].concat(),
            [&from(BRIDGES)[..], &self.to_pods(), &[ACCEPT]].concat(),
            [&self.to_pods()[..], &translated, &[ACCEPT]].concat(),
            [&self.to_pods()[..], &[DROP]].concat(),
        ]
    }

    /// Chain `postrouting`, before docker's.
    pub(super) fn sources(&self) -> Vec<Rule> {
        let itself = [
            network(SOURCE, 4, R0),
            network(DESTINATION, 4, R0.after(4)),
            Expression::Lookup(HAIRPIN, R0, None),
        ];
        let leaving = [
            Expression::Meta(Meta::OutputName, R0),
            Expression::Missing(BRIDGES, R0),
            Expression::Masquerade,
        ];
        let original = original_port(R0.after(4));
        let elsewhere = |address: Expression| {
            let translated = connection(Ct::Status, REDIRECTED);
            let found = [Expression::Lookup(ELSEWHERE, R0, None), Expression::Masquerade];
            [&v4()[..], &translated, &[address], &original, &found].concat()
        };
        vec![
            [
                &v4()[..],
                &loopback(SOURCE),
                &self.to_pods(),
                &[Expression::Masquerade],
            ]
            .concat(),
            [&v4()[..], &self.to_pods(), &itself, &[Expression::Masquerade]].concat(),
            [&self.to_pods()[..], &[ACCEPT]].concat(),
            elsewhere(Expression::CtOriginal(Ct::Destination4, R0)),
            elsewhere(Expression::Value(R0, vec![0; 4])),
            [
                &v4()[..],
                &within(SOURCE, self.pods),
                &beyond(DESTINATION, self.pods),
                &leaving,
            ]
            .concat(),
        ]
    }

    fn out_of_pods(&self) -> [Expression; 2] {
        [
            Expression::Meta(Meta::InputName, R0),
            Expression::Equal(R0, self.links.clone()),
        ]
    }

    fn to_pods(&self) -> [Expression; 2] {
        [
            Expression::Meta(Meta::OutputName, R0),
            Expression::Equal(R0, self.links.clone()),
        ]
    }

    fn to_nobody(&self) -> [Expression; 2] {
        [
            Expression::Meta(Meta::OutputName, R0),
            Expression::Equal(R0, self.nobodys.clone()),
        ]
    }

    fn to_dns(&self) -> [Expression; 2] {
        self.dns_at(DESTINATION)
    }

    fn by_dns(&self) -> [Expression; 2] {
        self.dns_at(SOURCE)
    }

    fn dns_at(&self, offset: u32) -> [Expression; 2] {
        [
            network(offset, 4, R0),
            Expression::Equal(R0, self.dns.octets().to_vec()),
        ]
    }
}

fn going_on() -> Rule {
    [&connection(Ct::State, GOING_ON)[..], &[ACCEPT]].concat()
}

const fn dispatch(map: &'static str) -> Expression {
    Expression::Dispatch(map, R0)
}

/// The key of a frontend: the address, which is loaded `to`, protocol and port.
pub(super) fn frontend(address: Expression, to: Register) -> Vec<Expression> {
    [&[address][..], &port(to.after(4))].concat()
}

/// Protocol and destination port.
const fn port(at: Register) -> [Expression; 2] {
    [
        Expression::Meta(Meta::Transport, at),
        transport_port(2, at.after(4)),
    ]
}

/// The port at this offset of the transport header.
const fn transport_port(offset: u32, to: Register) -> Expression {
    Expression::Transport {
        offset,
        length: 2,
        to,
    }
}

/// Protocol and destination port that the connection began with.
const fn original_port(at: Register) -> [Expression; 2] {
    [
        Expression::Meta(Meta::Transport, at),
        Expression::CtOriginal(Ct::DestinationPort, at.after(4)),
    ]
}

fn transport(protocol: u8) -> [Expression; 2] {
    [
        Expression::Meta(Meta::Transport, R0),
        Expression::Equal(R0, vec![protocol]),
    ]
}

/// What the sets of frontends without backends say about a key.
fn refusals(key: &[Expression]) -> Vec<Rule> {
    let known = |set| [&v4()[..], key, &[Expression::Lookup(set, R0, None)]].concat();
    let mut rules = vec![[&known(DROPPED)[..], &[DROP]].concat()];
    rules.extend(refuse(&known(REFUSED)));
    rules
}

/// Refuses what matches, as a host without a listener would.
fn refuse(matching: &[Expression]) -> [Rule; 2] {
    [
        [matching, &transport(TCP), &[Expression::Reset]].concat(),
        [matching, &[Expression::Unreachable]].concat(),
    ]
}

/// The address at this offset is in a range.
fn within(offset: u32, range: Cidr) -> [Expression; 3] {
    let (load, mask) = masked(offset, range);
    [load, mask, Expression::Equal(R0, network_of(range))]
}

/// The address at this offset is in another range.
fn beyond(offset: u32, range: Cidr) -> [Expression; 3] {
    let (load, mask) = masked(offset, range);
    [load, mask, Expression::Different(R0, network_of(range))]
}

fn masked(offset: u32, range: Cidr) -> (Expression, Expression) {
    (network(offset, 4, R0), Expression::Mask(R0, range.mask()))
}

fn network_of(range: Cidr) -> Vec<u8> {
    match range.masked().address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use crate::Cluster;
    use crate::naming::Naming;
    use crate::table::Table;
    use crate::wire::attribute::Messages;

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn the_program_of_a_cluster_is_these_bytes() {
        let cidr = |text: &str| text.parse().unwrap();
        let cluster = Cluster::new(cidr("10.42.0.0/16"), cidr("10.43.0.0/16"), [10, 43, 0, 10].into());
        let mut messages = Messages::begin();
        Table::new(&Naming::new("gantry"), Some(&cluster)).write(&mut messages);
        insta::assert_snapshot!("program", crate::wire::hex(&messages.end().0));
    }
}
