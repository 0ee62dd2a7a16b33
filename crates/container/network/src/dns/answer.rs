//! From the bytes of a query to the bytes of an answer (RFC 1035 §4.1), without any I/O.
//!
//! Only what the answer depends on is read of a query: its header, its question, and the size of
//! answers that the client takes (RFC 6891 §6.2.3). What is forwarded, is as the client wrote it,
//! so that nothing that we know nothing of is lost on the way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use driver::Rng;
use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::cluster::{self, Followed, Names, Said};
use super::directory::Directory;

/// For how many seconds clients may keep an answer. Upstream's.
const TTL: u32 = 600;

/// The longest answer over UDP to a client that does not say more (RFC 1035 §2.3.4).
const UDP_SIZE: usize = 512;

/// The longest query over UDP that is taken: what we tell clients with EDNS.
pub(super) const QUERY_SIZE: u16 = 4096;

/// What carries a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// One datagram each way.
    Udp,
    /// With two bytes of length in front (RFC 1035 §4.2.2).
    Tcp,
}

/// What is to be done about a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Send this.
    Reply(Vec<u8>),
    /// Ask outside; the query goes as it is.
    Forward,
    /// Ask outside for the end of it.
    Follow(Box<Followed>),
    /// Say nothing: it was no query.
    Ignore,
}

/// What of the names is seen by whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) directory: &'a Directory,
    /// The container that asks, if one does: others see no networks.
    pub(crate) container: Option<&'a str>,
    /// The cluster's names, if there is a cluster.
    pub(crate) cluster: Option<&'a Names>,
}

/// Answers one query. Any bytes may come.
pub(crate) fn answer(query: &[u8], transport: Transport, view: &View<'_>, rng: &mut Rng) -> Answer {
    let Some(asked) = Asked::read(query) else {
        return Answer::Ignore;
    };
    let outcome = match asked.refusal() {
        Some(code) => Some(asked.reply(code)),
        None => asked.resolve(view, rng),
    };
    if let Some(reply) = outcome {
        return Answer::Reply(asked.encode(reply, asked.room(transport, usize::MAX)));
    }
    match view.cluster.and_then(|names| names.consult(&asked)) {
        Some(Said::Reply(reply)) => Answer::Reply(cluster::encode(&asked, reply, transport)),
        Some(Said::Follow(followed)) => Answer::Follow(followed),
        None => Answer::Forward,
    }
}

/// The answer to `query` that nobody can answer it: `SERVFAIL` if all servers failed, `REFUSED`
/// if there is too much to do. Nothing for what is no query.
pub(super) fn failure(query: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let asked = Asked::read(query)?;
    Some(asked.encode(asked.reply(code), asked.room(Transport::Tcp, usize::MAX)))
}

/// What a packet from an upstream server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer to our query.
    Answer,
    /// This server cannot answer it: another one may.
    Failure,
    /// No answer to our query. Somebody else's, or forged.
    Alien,
}

/// Judges a packet from the server that `query` was sent to.
pub(super) fn judge(query: &[u8], packet: &[u8]) -> Verdict {
    let read = |bytes| {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).ok()?;
        Some((header, Query::read(&mut decoder).ok()))
    };
    let (Some((asked, question)), Some((header, echo))) = (read(query), read(packet)) else {
        return Verdict::Alien;
    };
    if header.message_type != MessageType::Response || header.id != asked.id {
        return Verdict::Alien;
    }
    match header.response_code {
        ResponseCode::ServFail | ResponseCode::Refused => Verdict::Failure,
        // A server that does not understand a question need not repeat it.
        code if echo == question || (echo.is_none() && code != ResponseCode::NoError) => Verdict::Answer,
        _ => Verdict::Alien,
    }
}

/// A query as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    header: Header,
    question: Option<Query>,
    edns: Option<Edns>,
}

impl Asked {
    /// `None` for what must not be answered: noise, and answers (two servers would never stop
    /// answering each other).
    fn read(query: &[u8]) -> Option<Self> {
        let mut decoder = BinDecoder::new(query);
        let header = Header::read(&mut decoder).ok()?;
        if header.message_type == MessageType::Response {
            return None;
        }
        let question = Query::read(&mut decoder)
            .ok()
            .filter(|_| header.counts.queries == 1);
        let edns = question.is_some().then(|| edns(&mut decoder, &header)).flatten();
        Some(Self {
            header,
            question,
            edns,
        })
    }

    /// Why it is not looked at: the limits of the server library that upstream uses.
    fn refusal(&self) -> Option<ResponseCode> {
        let counts = &self.header.counts;
        if self.header.op_code != OpCode::Query {
            return Some(ResponseCode::NotImp);
        }
        let odd = counts.answers > 1 || counts.authorities > 1 || counts.additionals > 2;
        (odd || self.question.is_none()).then_some(ResponseCode::FormErr)
    }

    /// The answer out of the names of the networks; `None` if they have none.
    fn resolve(&self, view: &View<'_>, rng: &mut Rng) -> Option<Message> {
        let container = view.container?;
        let question = self
            .question
            .as_ref()
            .filter(|question| question.query_class() == DNSClass::IN)?;
        let name = dotted(question.name());
        match question.query_type() {
            RecordType::A | RecordType::AAAA => {
                self.resolve_address(&name, question, (view.directory, container), rng)
            }
            // "Implicit MX" (RFC 5321 §5.1): mail for a container goes to its address.
            RecordType::MX => view
                .directory
                .resolve(container, &name)
                .map(|_| self.reply(ResponseCode::NoError)),
            RecordType::PTR => {
                let target =
                    Name::from_ascii(view.directory.reverse(container, reversed(&name)?)? + ".").ok()?;
                Some(self.reply_with(vec![RData::PTR(PTR(target))]))
            }
            _ => None,
        }
    }

    fn resolve_address(
        &self,
        name: &str,
        question: &Query,
        (directory, container): (&Directory, &str),
        rng: &mut Rng,
    ) -> Option<Message> {
        let Some(mut found) = directory.resolve(container, name) else {
            let left_to_client = !name.contains('.') && directory.forward(container).ndots_set;
            return left_to_client.then(|| self.reply(ResponseCode::NoError));
        };
        found.retain(|address| address.is_ipv4() == (question.query_type() == RecordType::A));
        shuffle(&mut found, rng);
        Some(self.reply_with(found.into_iter().map(address_data).collect()))
    }

    fn reply_with(&self, data: Vec<RData>) -> Message {
        let mut reply = self.reply(ResponseCode::NoError);
        if let Some(question) = &self.question {
            let record = |data| Record::from_rdata(question.name().clone(), TTL, data);
            reply.add_answers(data.into_iter().map(record));
        }
        reply
    }

    pub(super) fn reply(&self, code: ResponseCode) -> Message {
        let mut reply = Message::error_msg(self.header.id, self.header.op_code, code);
        reply.metadata.recursion_desired = self.header.recursion_desired;
        reply.metadata.checking_disabled = self.header.checking_disabled;
        reply.metadata.recursion_available = true;
        reply.add_queries(self.question.clone());
        if self.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(QUERY_SIZE);
            reply.set_edns(edns);
        }
        reply
    }

    pub(super) const fn question(&self) -> Option<&Query> {
        self.question.as_ref()
    }

    /// The number by which the client knows the answer.
    pub(super) fn id(&self) -> u16 {
        self.header.id
    }

    /// How many bytes of an answer the client takes, over UDP no more than `largest`.
    pub(super) fn room(&self, transport: Transport, largest: usize) -> usize {
        let asked = self.edns.as_ref().map_or(0, |edns| edns.max_payload().into());
        match transport {
            Transport::Tcp => usize::from(u16::MAX),
            Transport::Udp => asked.min(largest).max(UDP_SIZE),
        }
    }

    /// The bytes of a reply, cut to what the client takes: it asks again over TCP then.
    pub(super) fn encode(&self, mut reply: Message, limit: usize) -> Vec<u8> {
        let whole = reply.to_vec().unwrap_or_default();
        if whole.len() <= limit {
            return whole;
        }
        reply.metadata.truncation = true;
        let cut = |count: usize| {
            let mut cut = reply.clone();
            cut.answers.truncate(count);
            cut.to_vec().unwrap_or_default()
        };
        let counts: Vec<_> = (1..=reply.answers.len()).collect();
        cut(counts.partition_point(|&count| cut(count).len() <= limit))
    }
}

/// The client's options, if what is between the question and them can be read.
fn edns(decoder: &mut BinDecoder<'_>, header: &Header) -> Option<Edns> {
    let counts = &header.counts;
    if counts.answers > 1 || counts.authorities > 1 || counts.additionals > 2 {
        return None;
    }
    for _ in 0..counts.answers + counts.authorities {
        Record::<RData>::read(decoder).ok()?;
    }
    let (_, edns, _) = Message::read_records(decoder, counts.additionals.into(), true, OpCode::Query).ok()?;
    edns
}

/// A name as containers are called: in lower case, without the last dot. What is no text stands
/// for no container.
pub(super) fn dotted(name: &Name) -> String {
    let labels: Vec<_> = name
        .iter()
        .map(|label| String::from_utf8_lossy(label).to_lowercase())
        .collect();
    labels.join(".")
}

/// The address that the name of a PTR query stands for (RFC 1035 §3.5, RFC 3596 §2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(name) = name.strip_suffix(".in-addr.arpa") {
        let ordered: Vec<_> = name.rsplit('.').collect();
        return ordered.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<_> = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    let bits = u128::from_str_radix(&nibbles.concat(), 16).ok()?;
    Some(Ipv6Addr::from_bits(bits).into())
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// Clients take the first address, so each must come first as often as the others.
fn shuffle(addresses: &mut [IpAddr], rng: &mut Rng) {
    for last in (1..addresses.len()).rev() {
        let bound = last as u64 + 1;
        let other = usize::try_from(rng.below(bound)).unwrap_or(last);
        addresses.swap(last, other);
    }
}

#[cfg(test)]
mod tests;
