//! Answers.

use std::net::{Ipv4Addr, Ipv6Addr};

/// For how many seconds an answer may be kept: as CoreDNS is usually set up.
pub(crate) const TTL: u32 = 30;

/// A type of records (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
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
    /// A host and a port of a service.
    Srv,
    /// Text.
    Txt,
    /// Any other; the zone has none.
    Other,
}

/// What the zone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These. For a question about a name that stands for another one, a single [`RecordData::Cname`].
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
    /// Text.
    Txt(String),
}

impl Found {
    /// What a name that is there has of a kind.
    pub(crate) fn there(data: impl IntoIterator<Item = RecordData>) -> Self {
        let record = |data| Record { ttl: TTL, data };
        let records: Vec<Record> = data.into_iter().map(record).collect();
        if records.is_empty() {
            Self::NoData
        } else {
            Self::Records(records)
        }
    }
}
