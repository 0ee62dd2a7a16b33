//! Chains that pick a backend, and the elements that lead to them.
//!
//! What such a chain says depends on how many backends there are, and on how long a client is
//! remembered, not on the frontend: its rules build the frontend's key from the packet once more.
//! A node port has the address 0.0.0.0 there, so each chain comes in two forms.
//!
//! Between a packet's lookup of its frontend and that of its backend the frontend may shrink: a
//! backend that is not there any more is replaced by the first, which is there as long as any is.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::cluster::{
    AFFINITY, BACKENDS, DROPPED, ELSEWHERE, MEMBERS, NODEPORTS, REFUSED, SERVICES, frontend as load_frontend,
};
use super::program::{R0, network};
use super::{Elements, Operation, Table, port};
use crate::Protocol;
use crate::wire::attribute::Messages;
use crate::wire::expression::{Expression, Register, Update};
use crate::wire::nftables::Element;

/// A chain that picks one of so many backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Balancer {
    /// Frontends are ports of the node.
    pub(crate) node_port: bool,
    /// How many there are.
    pub(crate) backends: u32,
    /// For how many seconds a client goes to the same one.
    pub(crate) affinity: Option<u32>,
}

/// Elements and chains that go and come, in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) new: Vec<Balancer>,
    pub(crate) remove: Elements,
    pub(crate) add: Elements,
    pub(crate) gone: Vec<Balancer>,
}

impl Change {
    /// How many elements change.
    pub(crate) const fn size(&self) -> usize {
        self.remove.len() + self.add.len()
    }
}

impl Table {
    /// Changes frontends.
    pub(crate) fn balance(&self, change: &Change) -> std::io::Result<()> {
        let mut messages = Messages::begin();
        for balancer in &change.new {
            balancer.write(&mut messages, &self.name);
        }
        // A key is given another value by taking it away first.
        let order: [(Operation, &Elements); 2] = [
            (Messages::delete_elements, &change.remove),
            (Messages::add_elements, &change.add),
        ];
        for (operation, elements) in order {
            self.change(&mut messages, operation, elements.clone());
        }
        for balancer in &change.gone {
            messages.delete_chain(&self.name, &balancer.name());
        }
        self.send(messages)
    }
}

/// One more register than the key of a frontend takes.
const BEHIND: Register = R0.after(12);

impl Balancer {
    fn name(&self) -> String {
        let form = if self.node_port { "np" } else { "lb" };
        match self.affinity {
            None => format!("{form}-{}", self.backends),
            Some(seconds) => format!("{form}-{}-{seconds}", self.backends),
        }
    }

    /// The chain of this name, if it is one of these.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (form, rest) = name.split_once('-')?;
        let (backends, affinity) = match rest.split_once('-') {
            None => (rest, None),
            Some((backends, seconds)) => (backends, Some(seconds.parse().ok()?)),
        };
        Some(Self {
            node_port: match form {
                "lb" => false,
                "np" => true,
                _ => return None,
            },
            backends: backends.parse().ok()?,
            affinity,
        })
    }

    pub(super) fn write(&self, messages: &mut Messages, table: &str) {
        let chain = self.name();
        messages.add_empty_chain(table, &chain);
        for rule in self.rules() {
            messages.add_rule(table, &chain, &rule);
        }
    }

    fn rules(&self) -> Vec<Vec<Expression>> {
        let remembering = self.affinity.map(|seconds| self.remembering(seconds));
        let any = (self.backends > 1).then(|| self.pick(Expression::Random(self.backends, BEHIND)));
        let first = self.pick(Expression::Value(BEHIND, vec![0; 4]));
        remembering
            .into_iter()
            .flatten()
            .chain(any)
            .chain([first])
            .collect()
    }

    /// Looks up the backend with the number that `index` loads.
    fn pick(&self, index: Expression) -> Vec<Expression> {
        let address = BEHIND.after(4);
        let found = [
            Expression::Lookup(BACKENDS, R0, Some(address)),
            translate(address),
        ];
        [&self.frontend(R0)[..], &[index], &found].concat()
    }

    /// A client that is remembered, and whose backend is one still; then one that is not. When no
    /// more can be remembered, the rules behind these balance all the same.
    fn remembering(&self, seconds: u32) -> [Vec<Expression>; 2] {
        let key = R0.after(4);
        let (backend, index) = (R0.after(16), R0.after(16));
        let client = network(12, 4, R0);
        let remember = |value| Expression::Update {
            set: AFFINITY,
            operation: Update::Renew,
            key: R0,
            value: Some(value),
            seconds,
        };
        let known = [
            Expression::Lookup(AFFINITY, R0, Some(backend)),
            Expression::Lookup(MEMBERS, key, None),
            remember(backend),
            translate(backend),
        ];
        let chosen = index.after(4);
        let new = [
            Expression::Update {
                set: AFFINITY,
                operation: Update::Delete,
                key: R0,
                // The kernel wants a register with a value, and does not look at it.
                value: Some(R0),
                seconds: 0,
            },
            Expression::Random(self.backends, index),
            Expression::Lookup(BACKENDS, key, Some(chosen)),
            remember(chosen),
            translate(chosen),
        ];
        let begin = [&[client][..], &self.frontend(key)].concat();
        [[&begin[..], &known].concat(), [&begin[..], &new].concat()]
    }

    /// Loads the key of the frontend that the packet is for.
    fn frontend(&self, to: Register) -> Vec<Expression> {
        let address = if self.node_port {
            Expression::Value(to, vec![0; 4])
        } else {
            network(16, 4, to)
        };
        load_frontend(address, to)
    }
}

const fn translate(address: Register) -> Expression {
    Expression::Dnat {
        v6: false,
        address,
        port: address.after(4),
    }
}

/// The key of a frontend.
pub(crate) fn frontend(ip: Ipv4Addr, protocol: Protocol, number: u16) -> Vec<u8> {
    [&ip.octets()[..], &transport(protocol, number)].concat()
}

fn transport(protocol: Protocol, number: u16) -> Vec<u8> {
    [[protocol.number(), 0, 0, 0], port(number)].concat()
}

fn place(backend: SocketAddrV4) -> Vec<u8> {
    [backend.ip().octets(), port(backend.port())].concat()
}

type Named = (&'static str, Element);

/// A frontend goes to a chain.
pub(crate) fn service(key: Vec<u8>, balancer: &Balancer) -> Named {
    (SERVICES, going(key, balancer))
}

/// A port of the node goes to a chain.
pub(crate) fn node_port(protocol: Protocol, number: u16, balancer: &Balancer) -> Named {
    (NODEPORTS, going(transport(protocol, number), balancer))
}

fn going(key: Vec<u8>, balancer: &Balancer) -> Element {
    Element {
        chain: Some(balancer.name()),
        ..Element::of(key)
    }
}

/// A frontend's backend with a number.
pub(crate) fn backend(key: &[u8], index: u32, backend: SocketAddrV4) -> Named {
    let element = Element {
        value: Some(place(backend)),
        ..Element::of([key, &index.to_ne_bytes()].concat())
    };
    (BACKENDS, element)
}

/// A backend that clients of a frontend may stay with.
pub(crate) fn member(key: &[u8], backend: SocketAddrV4) -> Named {
    (MEMBERS, Element::of([key, &place(backend)].concat()))
}

/// A frontend without backends.
pub(crate) fn unanswered(key: Vec<u8>, dropped: bool) -> Named {
    (if dropped { DROPPED } else { REFUSED }, Element::of(key))
}

/// Clients of a frontend are given an address of the node.
pub(crate) fn elsewhere(key: Vec<u8>) -> Named {
    (ELSEWHERE, Element::of(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn chains_are_these_bytes() {
        let bytes = |balancer: Balancer| {
            let mut messages = Messages::new();
            balancer.write(&mut messages, "gantry");
            crate::wire::hex(&messages.0)
        };
        let plain = Balancer {
            node_port: false,
            backends: 3,
            affinity: None,
        };
        let sticky = Balancer {
            node_port: true,
            affinity: Some(10_800),
            ..plain
        };
        insta::assert_snapshot!("balancer", bytes(plain));
        insta::assert_snapshot!("sticky", bytes(sticky));
    }

    #[test]
    fn names_tell_chains_apart() {
        let balancer = |node_port, backends, affinity| Balancer {
            node_port,
            backends,
            affinity,
        };
        for (name, balancer) in [
            ("lb-3", balancer(false, 3, None)),
            ("np-3-10", balancer(true, 3, Some(10))),
        ] {
            assert_eq!(
                (balancer.name().as_str(), Balancer::named(name)),
                (name, Some(balancer))
            );
        }
        assert_eq!(
            ["forward", "lb-", "lb-3-x", "xx-3"].map(Balancer::named),
            [None; 4]
        );
        assert_eq!(balancer(false, 1, None).rules().len(), 1);
        assert_eq!(balancer(false, 2, Some(9)).rules().len(), 4);
    }
}
