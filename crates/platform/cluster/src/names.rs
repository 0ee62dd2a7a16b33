//! The cluster's names in the network's words: neither room knows the other.

use std::sync::Arc;

use dns::{Found, Kind, Record, RecordData, Zone};
use network::{RecordKind, Zone as NetworkZone};

/// The zone that the node's name servers ask.
pub(crate) struct Names(pub(crate) Arc<Zone>);

impl NetworkZone for Names {
    fn resolve(&self, name: &str, kind: RecordKind) -> network::Found {
        match self.0.resolve(name, asked(kind)) {
            Found::Records(records) => network::Found::Records(records.into_iter().map(record).collect()),
            Found::NoData => network::Found::NoData,
            Found::NoName => network::Found::NoName,
            Found::NotOurs => network::Found::NotOurs,
        }
    }
}

const fn asked(kind: RecordKind) -> Kind {
    match kind {
        RecordKind::A => Kind::A,
        RecordKind::Aaaa => Kind::Aaaa,
        RecordKind::Cname => Kind::Cname,
        RecordKind::Ns => Kind::Ns,
        RecordKind::Ptr => Kind::Ptr,
        RecordKind::Srv => Kind::Srv,
        RecordKind::Txt => Kind::Txt,
        RecordKind::Soa | RecordKind::Other(_) => Kind::Other,
    }
}

fn record(record: Record) -> network::Record {
    use network::RecordData as To;
    let data = match record.data {
        RecordData::A(address) => To::A(address),
        RecordData::Aaaa(address) => To::Aaaa(address),
        RecordData::Cname(name) => To::Cname(name),
        RecordData::Ns(name) => To::Ns(name),
        RecordData::Ptr(name) => To::Ptr(name),
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => To::Srv {
            priority,
            weight,
            port,
            target,
        },
        RecordData::Txt(text) => To::Txt(vec![text]),
    };
    network::Record {
        ttl: record.ttl,
        data,
    }
}
