//! Answers out of a cluster's zone (kubernetes/dns specification 1.1.0; where it is silent, as
//! CoreDNS gives them): negative answers with the zone's beginning, the addresses of the hosts of
//! services with those, names that stand for others followed to their end. Pure.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::answer::{Asked, Transport, dotted};
use super::zone::{self, Found, RecordData, RecordKind, Zone};

/// For how many seconds clients may keep that there is nothing. The usual setup's of CoreDNS.
const NOTHING_TTL: u32 = 30;
/// How many names are followed from one to the next.
const STEPS: usize = 8;
/// The longest answer over UDP that is surely in one piece on every path (DNS Flag Day 2020).
const LARGEST: usize = 1232;

/// A cluster's names, and whom to ask for others.
pub(crate) struct Names {
    pub(crate) zone: Arc<dyn Zone>,
    /// What the names end in.
    pub(crate) domain: String,
    /// Rises with each process.
    pub(crate) serial: u32,
    /// The host's servers, as they are now.
    pub(crate) servers: Box<dyn Fn() -> Vec<SocketAddr> + Send + Sync>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// An answer whose end lies outside: `query` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    asked: Asked,
    reply: Message,
    pub(super) query: Vec<u8>,
}

/// What the zone says to a question.
pub(super) enum Said {
    Reply(Message),
    Follow(Box<Followed>),
}

impl Names {
    /// `None` for names that are somebody else's.
    pub(super) fn consult(&self, asked: &Asked) -> Option<Said> {
        let question = asked
            .question()
            .filter(|question| question.query_class() == DNSClass::IN)?;
        let (name, kind) = (dotted(question.name()), kind(question.query_type()));
        if kind == RecordKind::Soa && name == self.domain {
            let mut reply = authoritative(asked, ResponseCode::NoError);
            reply.add_answers(self.begin(&name));
            return Some(Said::Reply(reply));
        }
        let reply = match self.zone.resolve(&name, kind) {
            Found::NotOurs => return None,
            Found::NoName => self.nothing(asked, &name, ResponseCode::NXDomain),
            Found::NoData => self.nothing(asked, &name, ResponseCode::NoError),
            Found::Records(records) => return Some(self.positive(asked, question, kind, &records)),
        };
        Some(Said::Reply(reply))
    }

    fn positive(&self, asked: &Asked, question: &Query, kind: RecordKind, found: &[zone::Record]) -> Said {
        let mut reply = authoritative(asked, ResponseCode::NoError);
        reply.add_answers(records(question.name(), found));
        if let Some(end) = self.follow(&mut reply, question.query_type(), found) {
            let query = query(asked.id(), &end, question.query_type());
            return Said::Follow(Box::new(Followed {
                asked: asked.clone(),
                reply,
                query,
            }));
        }
        if kind == RecordKind::Srv {
            self.add_hosts(&mut reply, found);
        }
        Said::Reply(reply)
    }

    /// Follows names that stand for others as far as they are the zone's; the first that is not.
    fn follow(&self, reply: &mut Message, kind: RecordType, found: &[zone::Record]) -> Option<Name> {
        let mut target = stands_for(kind, found)?;
        for _ in 0..STEPS {
            let name = absolute(&target)?;
            match self.zone.resolve(&target.to_lowercase(), self::kind(kind)) {
                Found::NotOurs => return Some(name),
                Found::NoData | Found::NoName => return None,
                Found::Records(found) => {
                    reply.add_answers(records(&name, &found));
                    target = stands_for(kind, &found)?;
                }
            }
        }
        None
    }

    /// Clients need the addresses of a service's hosts next.
    fn add_hosts(&self, reply: &mut Message, found: &[zone::Record]) {
        let mut targets: Vec<&str> = found.iter().filter_map(target).collect();
        targets.dedup();
        for target in targets {
            let found = self.zone.resolve(&target.to_lowercase(), RecordKind::A);
            if let (Found::Records(found), Some(name)) = (found, absolute(target)) {
                reply.add_additionals(records(&name, &found));
            }
        }
    }

    /// That there is nothing, and for how long that may be kept (RFC 2308 §3).
    fn nothing(&self, asked: &Asked, name: &str, code: ResponseCode) -> Message {
        let mut reply = authoritative(asked, code);
        let zone = ["in-addr.arpa", "ip6.arpa"]
            .into_iter()
            .find(|zone| name.ends_with(zone));
        reply.add_authorities(self.begin(zone.unwrap_or(&self.domain)));
        reply
    }

    /// The beginning of a zone (RFC 1035 §3.3.13).
    fn begin(&self, zone: &str) -> Option<Record> {
        let name = |name: &str| absolute(&format!("{name}.{}", self.domain));
        let (server, person) = (name("ns.dns")?, name("hostmaster")?);
        let begin = SOA::new(server, person, self.serial, 7200, 1800, 86_400, NOTHING_TTL);
        Some(Record::from_rdata(
            absolute(zone)?,
            NOTHING_TTL,
            RData::SOA(begin),
        ))
    }
}

impl Followed {
    /// The whole answer: with what was heard from outside, if anything was.
    pub(super) fn finish(mut self, heard: Option<&[u8]>, transport: Transport) -> Vec<u8> {
        let heard = heard.and_then(|bytes| Message::from_vec(bytes).ok());
        self.reply
            .add_answers(heard.into_iter().flat_map(|heard| heard.answers));
        encode(&self.asked, self.reply, transport)
    }
}

/// The bytes of an answer. What was not asked for is left out first where room is short.
pub(super) fn encode(asked: &Asked, mut reply: Message, transport: Transport) -> Vec<u8> {
    if transport == Transport::Udp && !reply.additionals.is_empty() {
        let whole = reply.to_vec().unwrap_or_default();
        if whole.len() > asked.room(transport, LARGEST) {
            reply.additionals.clear();
        }
    }
    asked.encode(reply, asked.room(transport, LARGEST))
}

fn authoritative(asked: &Asked, code: ResponseCode) -> Message {
    let mut reply = asked.reply(code);
    reply.metadata.authoritative = true;
    reply
}

/// The query for the end of a chain, with the number of the client's.
fn query(id: u16, name: &Name, kind: RecordType) -> Vec<u8> {
    let mut query = Message::new(id, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name.clone(), kind));
    query.to_vec().unwrap_or_default()
}

fn kind(kind: RecordType) -> RecordKind {
    match kind {
        RecordType::A => RecordKind::A,
        RecordType::AAAA => RecordKind::Aaaa,
        RecordType::CNAME => RecordKind::Cname,
        RecordType::NS => RecordKind::Ns,
        RecordType::PTR => RecordKind::Ptr,
        RecordType::SOA => RecordKind::Soa,
        RecordType::SRV => RecordKind::Srv,
        RecordType::TXT => RecordKind::Txt,
        other => RecordKind::Other(other.into()),
    }
}

/// The name that stands behind the one asked for, where addresses were asked for.
fn stands_for(kind: RecordType, found: &[zone::Record]) -> Option<String> {
    let addresses = [RecordType::A, RecordType::AAAA].contains(&kind);
    match found {
        [
            zone::Record {
                data: RecordData::Cname(target),
                ..
            },
        ] if addresses => Some(target.clone()),
        _ => None,
    }
}

fn target(record: &zone::Record) -> Option<&str> {
    match &record.data {
        RecordData::Srv { target, .. } => Some(target),
        _ => None,
    }
}

/// The records of a name; those with names that cannot be written are left out.
fn records(name: &Name, found: &[zone::Record]) -> Vec<Record> {
    let record =
        |record: &zone::Record| Some(Record::from_rdata(name.clone(), record.ttl, data(&record.data)?));
    found.iter().filter_map(record).collect()
}

fn data(data: &RecordData) -> Option<RData> {
    Some(match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Cname(name) => RData::CNAME(CNAME(absolute(name)?)),
        RecordData::Ns(name) => RData::NS(NS(absolute(name)?)),
        RecordData::Ptr(name) => RData::PTR(PTR(absolute(name)?)),
        RecordData::Srv {
            priority,
            weight,
            port,
            target,
        } => RData::SRV(SRV::new(*priority, *weight, *port, absolute(target)?)),
        RecordData::Txt(texts) => RData::TXT(TXT::new(texts.clone())),
    })
}

fn absolute(name: &str) -> Option<Name> {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).ok()
}

#[cfg(test)]
mod tests;
