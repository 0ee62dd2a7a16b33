//! Expressions of nf_tables: what a rule is made of. linux/netfilter/nf_tables.h
//!
//! Values pass through 32-bit registers; a concatenation is a row of neighbouring ones.

use super::attribute::Attributes;

/// A 32-bit register, counted from 0 (`NFT_REG32_00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u32);

impl Register {
    const fn number(self) -> u32 {
        8 + self.0
    }

    /// The register behind this one and `bytes` more.
    pub(crate) const fn after(self, bytes: u32) -> Self {
        Self(self.0 + bytes.div_ceil(4))
    }
}

/// What `meta` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    InputName = 6,
    OutputName = 7,
    Family = 15,
    Transport = 16,
}

/// What [`Expression::Update`] does to an element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// Adds it unless it is there; one that is there keeps its value and begins its time anew.
    Renew = 1,
    Delete = 2,
}

/// What `ct` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ct {
    State = 0,
    Status = 2,
    DestinationPort = 12,
    Destination4 = 20,
}

/// Where a rule ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Drop,
    Accept,
}

/// One step of a rule. A step that does not match ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Loads a fact about the packet.
    Meta(Meta, Register),
    /// Loads a fact about the connection.
    Ct(Ct, Register),
    /// Loads a fact about the first packet of the connection, as it came.
    CtOriginal(Ct, Register),
    /// Loads bytes of the network header.
    Network { offset: u32, length: u32, to: Register },
    /// Loads bytes of the transport header.
    Transport { offset: u32, length: u32, to: Register },
    /// Loads these bytes.
    Value(Register, Vec<u8>),
    /// Writes bytes of the transport header, and corrects the checksum that it has at `checksum`.
    SetTransport {
        offset: u32,
        length: u32,
        from: Register,
        checksum: u32,
    },
    /// Loads the type of the destination address, as routing sees it.
    DestinationType(Register),
    /// Keeps the bits of a mask.
    Mask(Register, Vec<u8>),
    /// Goes on if the register holds these bytes.
    Equal(Register, Vec<u8>),
    /// Goes on if the register holds other bytes.
    Different(Register, Vec<u8>),
    /// Goes on if the set has the key; a map's value goes to the second register.
    Lookup(&'static str, Register, Option<Register>),
    /// Goes on if the set does not have the key.
    Missing(&'static str, Register),
    /// Does what a map of verdicts has for the key; goes on if it has none.
    Dispatch(&'static str, Register),
    /// Loads a random number below this one, in the machine's order.
    Random(u32, Register),
    /// Changes a set: the key, the value of a map, the seconds that it is kept.
    Update {
        set: &'static str,
        operation: Update,
        key: Register,
        value: Option<Register>,
        seconds: u32,
    },
    /// Refuses with a TCP reset.
    Reset,
    /// Refuses with "port unreachable".
    Unreachable,
    /// Rewrites the destination to the address in the register and the port behind it.
    Dnat {
        v6: bool,
        address: Register,
        port: Register,
    },
    /// Rewrites the source to the address of the link that the packet leaves by.
    Masquerade,
    /// Counts; iptables lists no rule without.
    Counter,
    /// Ends.
    Verdict(Verdict),
}

impl Expression {
    /// Writes the elements of `NFTA_RULE_EXPRESSIONS`.
    pub(crate) fn write(list: &[Self], attributes: &mut Attributes<'_>) {
        for expression in list {
            attributes.nest(1, |element| {
                element.text(1, expression.name());
                element.nest(2, |data| expression.data(data));
            });
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Ct(..) | Self::CtOriginal(..) => "ct",
            Self::Network { .. } | Self::Transport { .. } | Self::SetTransport { .. } => "payload",
            Self::DestinationType(_) => "fib",
            Self::Mask(..) => "bitwise",
            Self::Equal(..) | Self::Different(..) => "cmp",
            Self::Lookup(..) | Self::Missing(..) | Self::Dispatch(..) => "lookup",
            Self::Random(..) => "numgen",
            Self::Update { .. } => "dynset",
            Self::Reset | Self::Unreachable => "reject",
            Self::Dnat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
            Self::Verdict(_) | Self::Value(..) => "immediate",
        }
    }

    /// Attribute numbers are those of each expression's `enum nft_*_attributes`.
    fn data(&self, data: &mut Attributes<'_>) {
        match self {
            Self::Meta(key, to) => plain(data, &[(1, to.number()), (2, *key as u32)]),
            Self::Ct(key, to) => plain(data, &[(1, to.number()), (2, *key as u32)]),
            Self::CtOriginal(key, to) => {
                plain(data, &[(1, to.number()), (2, *key as u32)]);
                data.bytes(3, &[0]);
            }
            Self::Network { offset, length, to } => payload(data, 1, *offset, *length, *to),
            Self::Transport { offset, length, to } => payload(data, 2, *offset, *length, *to),
            Self::Value(to, bytes) => {
                data.be32(1, to.number());
                value(data, 2, bytes);
            }
            // The Internet's checksum is type 1.
            Self::SetTransport {
                offset,
                length,
                from,
                checksum,
            } => {
                plain(
                    data,
                    &[
                        (2, 2),
                        (3, *offset),
                        (4, *length),
                        (5, from.number()),
                        (6, 1),
                        (7, *checksum),
                    ],
                );
            }
            // Result: address type (3); of the destination (2).
            Self::DestinationType(to) => plain(data, &[(1, to.number()), (2, 3), (3, 2)]),
            Self::Mask(register, mask) => bitwise(data, *register, mask),
            Self::Equal(register, bytes) => compare(data, *register, 0, bytes),
            Self::Different(register, bytes) => compare(data, *register, 1, bytes),
            Self::Lookup(set, key, value) => lookup(data, set, *key, value.map(Register::number)),
            Self::Missing(set, key) => {
                lookup(data, set, *key, None);
                data.be32(5, 1);
            }
            // The verdict register is 0.
            Self::Dispatch(set, key) => lookup(data, set, *key, Some(0)),
            // The kind of numbers: random (1).
            Self::Random(below, to) => plain(data, &[(1, to.number()), (2, *below), (3, 1), (4, 0)]),
            Self::Update {
                set,
                operation,
                key,
                value,
                seconds,
            } => {
                data.text(1, set);
                plain(data, &[(3, *operation as u32), (4, key.number())]);
                if let Some(value) = value {
                    data.be32(5, value.number());
                }
                if *seconds > 0 {
                    data.be64(6, u64::from(*seconds) * 1000);
                }
            }
            Self::Reset => plain(data, &[(1, 1)]),
            // By the family's ICMP (2): port unreachable (1).
            Self::Unreachable => {
                data.be32(1, 2).bytes(2, &[1]);
            }
            Self::Dnat { v6, address, port } => {
                let family = if *v6 { 10 } else { 2 };
                plain(
                    data,
                    &[(1, 1), (2, family), (3, address.number()), (5, port.number())],
                );
            }
            Self::Masquerade => {}
            Self::Counter => {
                data.be64(1, 0).be64(2, 0);
            }
            Self::Verdict(verdict) => immediate(data, verdict),
        }
    }
}

fn plain(data: &mut Attributes<'_>, values: &[(u16, u32)]) {
    for (kind, value) in values {
        data.be32(*kind, *value);
    }
}

fn payload(data: &mut Attributes<'_>, base: u32, offset: u32, length: u32, to: Register) {
    plain(data, &[(1, to.number()), (2, base), (3, offset), (4, length)]);
}

fn bitwise(data: &mut Attributes<'_>, register: Register, mask: &[u8]) {
    let length = u32::try_from(mask.len()).unwrap_or(0);
    plain(
        data,
        &[(1, register.number()), (2, register.number()), (3, length)],
    );
    value(data, 4, mask);
    value(data, 5, &vec![0; mask.len()]);
}

fn compare(data: &mut Attributes<'_>, register: Register, operation: u32, bytes: &[u8]) {
    plain(data, &[(1, register.number()), (2, operation)]);
    value(data, 3, bytes);
}

fn lookup(data: &mut Attributes<'_>, set: &str, key: Register, to: Option<u32>) {
    data.text(1, set).be32(2, key.number());
    if let Some(to) = to {
        data.be32(3, to);
    }
}

fn immediate(data: &mut Attributes<'_>, verdict: &Verdict) {
    let code = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
    };
    // The verdict register (0), and NFTA_DATA_VERDICT with NFTA_VERDICT_CODE.
    data.be32(1, 0).nest(2, |data| {
        data.nest(2, |verdict| {
            verdict.be32(1, code);
        });
    });
}

/// `NFTA_DATA_VALUE` within an attribute.
pub(crate) fn value(attributes: &mut Attributes<'_>, kind: u16, bytes: &[u8]) {
    attributes.nest(kind, |data| {
        data.bytes(1, bytes);
    });
}
