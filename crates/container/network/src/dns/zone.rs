//! What a cluster calls its services and pods: asked for by the name servers here, known by others.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The names of a cluster. Asked for every query, so it must answer from memory.
pub trait Zone: Send + Sync {
    /// What there is of a kind at a name: in lower case, without the last dot; for reverse
    /// questions, a name below `in-addr.arpa` or `ip6.arpa`.
    fn resolve(&self, name: &str, kind: RecordKind) -> Found;
}

/// A type of records (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// A name server.
    Ns,
    /// The name of an address.
    Ptr,
    /// The beginning of a zone.
    Soa,
    /// A host and a port of a service.
    Srv,
    /// Text.
    Txt,
    /// Any other, by its number.
    Other(u16),
}

/// What a zone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These, in this order. For a question about addresses of a name that stands for another one,
    /// a single [`RecordData::Cname`].
    Records(Vec<Record>),
    /// The name is there, but nothing of this kind.
    NoData,
    /// There is no such name.
    NoName,
    /// The name is somebody else's.
    NotOurs,
}

/// A record, whose name is the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: RecordData,
}

/// What a record says. Names are without the last dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name.
    Cname(String),
    /// A name server.
    Ns(String),
    /// The name of an address.
    Ptr(String),
    /// A host and a port of a service.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// Text; each at most 255 bytes.
    Txt(Vec<String>),
}
