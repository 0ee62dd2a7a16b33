//! A query turned into an answer, or into the decision that others have to be asked. Pure.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::directory::{Directory, Found};

/// Upstream's time to live of its own answers, in seconds.
const TTL: u32 = 600;
/// Most bytes of an answer over UDP to a client that does not say what it takes.
const UDP: u16 = 512;

/// What to do with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Send this.
    Reply(Vec<u8>),
    /// Ask the other servers.
    Forward,
    /// It is no query: say nothing.
    Nothing,
}

/// Answers `container`'s query. `turn` counts up, so that names that several containers have name
/// each of them first in turn.
pub(crate) fn answer(directory: &Directory, container: &str, query: &[u8], turn: usize, tcp: bool) -> Answer {
    let Ok(query) = Message::from_vec(query) else {
        return Answer::Nothing;
    };
    let (MessageType::Query, [question]) = (query.metadata.message_type, &query.queries[..]) else {
        return Answer::Nothing;
    };
    let records = match question.query_type() {
        RecordType::A => addresses(directory, container, question.name(), false, turn),
        RecordType::AAAA => addresses(directory, container, question.name(), true, turn),
        // The name exists: whoever wants to send mail is to use its address (RFC 5321 §5.1).
        RecordType::MX => addresses(directory, container, question.name(), false, turn).map(|_| Vec::new()),
        RecordType::PTR => pointer(directory, container, question.name()),
        _ => None,
    };
    match records {
        Some(records) => reply(&query, records, tcp),
        None if stays_here(directory, container, question.name(), question.query_type()) => {
            reply(&query, Vec::new(), tcp)
        }
        None => Answer::Forward,
    }
}

/// An answer without records that says why there are none.
pub(crate) fn failure(query: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let query = Message::from_vec(query).ok()?;
    let mut response = respond(&query);
    response.metadata.response_code = code;
    response.to_vec().ok()
}

/// The name without the root's dot, as users write it.
fn plain(name: &Name) -> String {
    name.to_utf8().trim_end_matches('.').to_owned()
}

fn addresses(
    directory: &Directory,
    container: &str,
    name: &Name,
    ipv6: bool,
    turn: usize,
) -> Option<Vec<Record>> {
    let Found::Addresses(mut found) = directory.resolve(container, &plain(name), ipv6) else {
        return None;
    };
    if !found.is_empty() {
        let first = turn % found.len();
        found.rotate_left(first);
    }
    let record = |address| Record::from_rdata(name.clone(), TTL, data(address));
    Some(found.into_iter().map(record).collect())
}

const fn data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

fn pointer(directory: &Directory, container: &str, name: &Name) -> Option<Vec<Record>> {
    let network = name.parse_arpa_name().ok()?;
    (network.prefix_len() == network.max_prefix_len()).then_some(())?;
    let host = directory.reverse(container, network.addr())?;
    let target = Name::from_utf8(format!("{host}.")).ok()?;
    Some(vec![Record::from_rdata(
        name.clone(),
        TTL,
        RData::PTR(PTR(target)),
    )])
}

/// Where names without a dot are searched for first, the answer to the bare name is "not that
/// one", so that the client goes on with its search list.
fn stays_here(directory: &Directory, container: &str, name: &Name, kind: RecordType) -> bool {
    let address = matches!(kind, RecordType::A | RecordType::AAAA);
    address && !plain(name).contains('.') && directory.forward(container).searches_first
}

fn respond(query: &Message) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_queries(query.queries.iter().cloned());
    response
}

fn reply(query: &Message, records: Vec<Record>, tcp: bool) -> Answer {
    let mut response = respond(query);
    response.add_answers(records);
    let Ok(bytes) = response.to_vec() else {
        return Answer::Nothing;
    };
    let room = if tcp {
        u16::MAX
    } else {
        query.max_payload().max(UDP)
    };
    if bytes.len() <= usize::from(room) {
        return Answer::Reply(bytes);
    }
    response
        .truncate()
        .to_vec()
        .map_or(Answer::Nothing, Answer::Reply)
}

#[cfg(test)]
mod tests {
    use super::super::directory::{Forward, Member, Place};
    use super::*;
    use hickory_proto::op::{OpCode, Query};
    use proptest::prelude::*;

    fn directory(containers: u8, searches_first: bool) -> Directory {
        let mut directory = Directory::default();
        for number in 1..=containers {
            let place = Place {
                network: "id".to_owned(),
                network_name: "shop".to_owned(),
                ipv4: Some([10, 0, 0, number].into()),
                names: vec![format!("web{number}"), "web".to_owned()],
                ..Place::default()
            };
            let forward = Forward {
                searches_first,
                ..Forward::default()
            };
            let places = vec![place];
            directory.put(&format!("c{number}"), Member { places, forward });
        }
        directory
    }

    fn query(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_utf8(name).unwrap(), kind));
        message.to_vec().unwrap()
    }

    fn ask(directory: &Directory, name: &str, kind: RecordType, turn: usize) -> Option<Message> {
        match answer(directory, "c1", &query(name, kind), turn, false) {
            Answer::Reply(bytes) => Some(Message::from_vec(&bytes).unwrap()),
            Answer::Forward => None,
            Answer::Nothing => panic!("no answer"),
        }
    }

    #[test]
    fn names_have_addresses_in_turn() {
        let directory = directory(3, false);
        let first = |turn| match ask(&directory, "web.", RecordType::A, turn).unwrap().answers[0].data {
            RData::A(A(address)) => address.octets()[3],
            _ => 0,
        };
        assert_eq!([first(0), first(1), first(2), first(3)], [1, 2, 3, 1]);
        let message = ask(&directory, "web2.", RecordType::A, 0).unwrap();
        assert_eq!((message.metadata.id, message.answers[0].ttl), (7, TTL));
        assert!(message.metadata.recursion_available && message.metadata.recursion_desired);
    }

    #[test]
    fn a_known_name_without_the_kind_of_record_is_empty_and_an_unknown_one_is_asked_for() {
        let directory = directory(1, false);
        for kind in [RecordType::AAAA, RecordType::MX] {
            assert!(ask(&directory, "web1.", kind, 0).unwrap().answers.is_empty());
        }
        for (name, kind) in [
            ("nobody.", RecordType::A),
            ("web1.", RecordType::TXT),
            ("9.0.0.10.in-addr.arpa.", RecordType::PTR),
        ] {
            assert!(ask(&directory, name, kind, 0).is_none(), "{name}");
        }
        let pointer = ask(&directory, "1.0.0.10.in-addr.arpa.", RecordType::PTR, 0).unwrap();
        assert_eq!(pointer.answers[0].data.to_string(), "web1.shop.");
    }

    #[test]
    fn a_bare_name_stays_here_where_it_is_searched_for_first() {
        let directory = directory(1, true);
        assert!(
            ask(&directory, "nobody.", RecordType::A, 0)
                .unwrap()
                .answers
                .is_empty()
        );
        assert!(ask(&directory, "nobody.example.", RecordType::A, 0).is_none());
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        let directory = directory(200, false);
        let message = ask(&directory, "web.", RecordType::A, 0).unwrap();
        assert!(message.metadata.truncation && message.answers.is_empty());
        let Answer::Reply(bytes) = answer(&directory, "c1", &query("web.", RecordType::A), 0, true) else {
            panic!()
        };
        assert_eq!(Message::from_vec(&bytes).unwrap().answers.len(), 200);
    }

    #[test]
    fn a_failure_keeps_the_question() {
        let bytes = failure(&query("web.", RecordType::A), ResponseCode::ServFail).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(
            (message.metadata.response_code, message.queries.len()),
            (ResponseCode::ServFail, 1)
        );
    }

    proptest! {
        #[test]
        fn bytes_nobody_vouches_for_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = answer(&directory(1, false), "c1", &bytes, 0, false);
            let _ = failure(&bytes, ResponseCode::Refused);
        }
    }
}
