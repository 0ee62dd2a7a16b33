//! Queries and their answers as texts.

use std::collections::BTreeSet;

use driver::Rng;
use proptest::prelude::*;

use super::*;
use crate::dns::{Forward, Member, Place};

fn place(names: &[&str], ipv4: [u8; 4], ipv6: Option<Ipv6Addr>) -> Place {
    Place {
        network: "id".to_owned(),
        network_name: "net".to_owned(),
        ipv4: Some(ipv4.into()),
        ipv6,
        names: names.iter().map(|&name| name.to_owned()).collect(),
        links: vec![("cache".to_owned(), "my_web".to_owned())],
    }
}

fn directory_with(ndots_set: bool) -> Directory {
    let mut directory = Directory::default();
    let forward = Forward {
        ndots_set,
        ..Forward::default()
    };
    let mut put = |container: &str, place| {
        directory.put(
            container,
            Member {
                places: vec![place],
                forward: forward.clone(),
            },
        );
    };
    put(
        "1",
        place(
            &["My_Web", "web", "0123456789ab", "shared"],
            [10, 0, 0, 2],
            "fd00::2".parse().ok(),
        ),
    );
    put("2", place(&["db", "shared"], [10, 0, 0, 3], None));
    directory
}

fn directory() -> Directory {
    directory_with(false)
}

const fn view(directory: &Directory) -> View<'_> {
    View {
        directory,
        container: Some("1"),
        cluster: None,
    }
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    query
}

fn ask(directory: &Directory, query: &Message, transport: Transport) -> Answer {
    answer(
        &query.to_vec().unwrap(),
        transport,
        &view(directory),
        &mut Rng::from_seed(1),
    )
}

fn message(answer: Answer) -> Message {
    match answer {
        Answer::Reply(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The code and the data of an answer, sorted.
fn brief(answer: Answer) -> String {
    if answer == Answer::Forward {
        return "forward".to_owned();
    }
    let message = message(answer);
    let mut data: Vec<_> = message
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    data.sort();
    format!("{:?} {}", message.metadata.response_code, data.join(" "))
        .trim()
        .to_owned()
}

#[test]
fn names_are_answered_or_forwarded() {
    use RecordType as R;
    let directory = directory();
    for (name, kind, expected) in [
        ("web.", R::A, "NoError 10.0.0.2"),
        ("web", R::A, "NoError 10.0.0.2"),
        ("WEB.", R::A, "NoError 10.0.0.2"),
        ("my_web.", R::A, "NoError 10.0.0.2"),
        ("web.net.", R::A, "NoError 10.0.0.2"),
        ("0123456789ab.", R::A, "NoError 10.0.0.2"),
        ("cache.", R::A, "NoError 10.0.0.2"),
        ("shared.", R::A, "NoError 10.0.0.2 10.0.0.3"),
        ("web.", R::AAAA, "NoError fd00::2"),
        ("db.", R::AAAA, "NoError"),
        ("db.", R::MX, "NoError"),
        ("2.0.0.10.in-addr.arpa.", R::PTR, "NoError My_Web.net."),
        (
            "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
            R::PTR,
            "NoError My_Web.net.",
        ),
        ("9.0.0.10.in-addr.arpa.", R::PTR, "forward"),
        ("0.0.10.in-addr.arpa.", R::PTR, "forward"),
        ("2.0.0.10.in-addr.arpa.example.", R::PTR, "forward"),
        ("x.ip6.arpa.", R::PTR, "forward"),
        ("nobody.", R::A, "forward"),
        ("nobody.", R::MX, "forward"),
        ("web.other.", R::A, "forward"),
        ("web.", R::TXT, "forward"),
        ("web.", R::SRV, "forward"),
        ("web.", R::HTTPS, "forward"),
        ("example.com.", R::A, "forward"),
        (".", R::NS, "forward"),
    ] {
        assert_eq!(
            brief(ask(&directory, &query(name, kind), Transport::Udp)),
            expected,
            "{name} {kind}"
        );
    }
}

#[test]
fn a_single_label_stays_here_if_the_client_searches_itself() {
    let directory = directory_with(true);
    for (name, kind, expected) in [
        ("nobody.", RecordType::A, "NoError"),
        ("nobody.", RecordType::AAAA, "NoError"),
        ("nobody.", RecordType::TXT, "forward"),
        ("nobody.example.", RecordType::A, "forward"),
        ("web.", RecordType::A, "NoError 10.0.0.2"),
    ] {
        assert_eq!(
            brief(ask(&directory, &query(name, kind), Transport::Udp)),
            expected,
            "{name} {kind}"
        );
    }
}

#[test]
fn an_answer_repeats_its_question() {
    let mut query = query("wEb.", RecordType::A);
    query.metadata.checking_disabled = true;
    let reply = message(ask(&directory(), &query, Transport::Udp));
    let metadata = &reply.metadata;
    assert_eq!((metadata.id, metadata.message_type), (7, MessageType::Response));
    assert!(metadata.recursion_desired && metadata.recursion_available && metadata.checking_disabled);
    assert!(!metadata.authoritative && !metadata.truncation);
    assert_eq!(
        reply.queries[0].name().to_ascii(),
        "wEb.",
        "some clients tell forged answers by the case"
    );
    assert_eq!(
        (reply.answers[0].name.to_ascii(), reply.answers[0].ttl),
        ("wEb.".to_owned(), 600)
    );
    assert!(reply.edns.is_none());
}

#[test]
fn options_are_answered_with_options() {
    let mut query = query("web.", RecordType::A);
    query.set_edns(Edns::new());
    let reply = message(ask(&directory(), &query, Transport::Udp));
    assert_eq!(reply.edns.unwrap().max_payload(), QUERY_SIZE);
}

#[test]
fn other_classes_are_not_ours() {
    let mut query = query("web.", RecordType::A);
    query.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(ask(&directory(), &query, Transport::Udp), Answer::Forward);
}

#[test]
fn what_is_no_proper_query_is_refused_or_ignored() {
    let reply = |change: &dyn Fn(&mut Message)| {
        let mut query = query("web.", RecordType::A);
        change(&mut query);
        ask(&directory(), &query, Transport::Udp)
    };
    let twice = |query: &mut Message| {
        query.add_query(Query::query(Name::root(), RecordType::A));
    };
    assert_eq!(brief(reply(&twice)), "FormErr");
    assert_eq!(brief(reply(&|query| query.queries.clear())), "FormErr");
    assert_eq!(
        brief(reply(&|query| query.metadata.op_code = OpCode::Update)),
        "NotImp"
    );
    assert_eq!(
        reply(&|query| query.metadata.message_type = MessageType::Response),
        Answer::Ignore
    );
    let mut rng = Rng::from_seed(1);
    assert_eq!(
        answer(&[0; 11], Transport::Udp, &view(&directory()), &mut rng),
        Answer::Ignore
    );
    let cut = &query("web.", RecordType::A).to_vec().unwrap()[..15];
    assert_eq!(
        brief(answer(cut, Transport::Udp, &view(&directory()), &mut rng)),
        "FormErr"
    );
}

fn crowd(count: u8) -> Directory {
    let mut directory = Directory::default();
    for number in 0..count {
        let ipv6 = Ipv6Addr::from_bits((0xfd << 120) + u128::from(number));
        let places = vec![place(&["web"], [10, 0, 1, number], Some(ipv6))];
        directory.put(
            &number.to_string(),
            Member {
                places,
                forward: Forward::default(),
            },
        );
    }
    directory
}

#[test]
fn long_answers_are_cut_over_udp() {
    let directory = crowd(200);
    for (kind, payload, transport, expected) in [
        (RecordType::A, None, Transport::Udp, 30),
        (RecordType::AAAA, None, Transport::Udp, 17),
        (RecordType::A, Some(100), Transport::Udp, 30),
        (RecordType::A, Some(1232), Transport::Udp, 75),
        (RecordType::A, Some(4096), Transport::Udp, 200),
        (RecordType::A, None, Transport::Tcp, 200),
        (RecordType::AAAA, None, Transport::Tcp, 200),
    ] {
        let mut query = query("web.", kind);
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            query.set_edns(edns);
        }
        let Answer::Reply(bytes) = ask(&directory, &query, transport) else {
            panic!("no reply")
        };
        let limit = if transport == Transport::Udp {
            payload.unwrap_or(0).max(512)
        } else {
            u16::MAX
        };
        assert!(bytes.len() <= limit.into(), "{} bytes", bytes.len());
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(
            (reply.answers.len(), reply.metadata.truncation),
            (expected, expected < 200)
        );
    }
}

#[test]
fn every_bearer_of_a_name_comes_first_now_and_then() {
    let (directory, mut rng) = (crowd(5), Rng::from_seed(3));
    let query = query("web.", RecordType::A).to_vec().unwrap();
    let firsts: BTreeSet<_> = (0..100)
        .map(|_| {
            message(answer(&query, Transport::Udp, &view(&directory), &mut rng)).answers[0]
                .data
                .to_string()
        })
        .collect();
    assert_eq!(firsts.len(), 5);
}

#[test]
fn foreign_packets_are_told_from_answers() {
    let asked = query("example.com.", RecordType::A);
    let verdict = |change: &dyn Fn(&mut Message)| {
        let mut packet = asked.clone();
        packet.metadata.message_type = MessageType::Response;
        change(&mut packet);
        judge(&asked.to_vec().unwrap(), &packet.to_vec().unwrap())
    };
    assert_eq!(verdict(&|_| {}), Verdict::Answer);
    assert_eq!(
        verdict(&|packet| packet.metadata.response_code = ResponseCode::NXDomain),
        Verdict::Answer
    );
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        assert_eq!(
            verdict(&|packet| packet.metadata.response_code = code),
            Verdict::Failure
        );
    }
    assert_eq!(verdict(&|packet| packet.metadata.id = 8), Verdict::Alien);
    assert_eq!(
        verdict(&|packet| packet.metadata.message_type = MessageType::Query),
        Verdict::Alien
    );
    assert_eq!(
        verdict(&|packet| packet.queries[0] = Query::query(Name::root(), RecordType::A)),
        Verdict::Alien
    );
    assert_eq!(judge(&asked.to_vec().unwrap(), &[0; 5]), Verdict::Alien);
    let bare = |code| {
        verdict(&|packet: &mut Message| {
            packet.metadata.response_code = code;
            packet.queries.clear();
        })
    };
    assert_eq!(
        bare(ResponseCode::FormErr),
        Verdict::Answer,
        "the client asks again without options"
    );
    assert_eq!(bare(ResponseCode::NoError), Verdict::Alien);
}

#[test]
fn failures_are_answers() {
    let asked = query("example.com.", RecordType::A).to_vec().unwrap();
    let reply = Message::from_vec(&failure(&asked, ResponseCode::ServFail).unwrap()).unwrap();
    assert_eq!(
        (reply.metadata.id, reply.metadata.response_code),
        (7, ResponseCode::ServFail)
    );
    assert_eq!(reply.queries.len(), 1);
    assert_eq!(failure(&[1, 2, 3], ResponseCode::ServFail), None);
}

proptest! {
    /// Noise, and queries with some bytes changed, are answered with messages that can be read.
    #[test]
    fn hostile_packets_do_no_harm(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (directory, mut rng) = (directory(), Rng::from_seed(1));
        let mut changed = query("shared.", RecordType::A);
        changed.set_edns(Edns::new());
        let mut changed = changed.to_vec().unwrap();
        for (index, byte) in changes {
            let at = index.index(changed.len());
            changed[at] = byte;
        }
        let cut = &changed[..cut.index(changed.len())];
        for packet in [&noise[..], &changed[..], cut] {
            for transport in [Transport::Udp, Transport::Tcp] {
                if let Answer::Reply(reply) = answer(packet, transport, &view(&directory), &mut rng) {
                    prop_assert!(Message::from_vec(&reply).is_ok());
                    prop_assert_eq!(&reply[..2], &packet[..2]);
                }
            }
            judge(packet, &noise);
            failure(packet, ResponseCode::ServFail);
        }
    }
}
