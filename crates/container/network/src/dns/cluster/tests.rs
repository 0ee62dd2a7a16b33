//! Questions about a small cluster, and the answers as texts.

use std::collections::BTreeMap;

use driver::Rng;
use hickory_proto::op::Edns;
use proptest::prelude::*;

use super::super::answer::{Answer, View, answer};
use super::super::directory::Directory;
use super::*;

/// What the zone has, by name and kind.
struct Fixed(BTreeMap<&'static str, Vec<(RecordKind, Vec<RecordData>)>>);

impl Zone for Fixed {
    fn resolve(&self, name: &str, kind: RecordKind) -> Found {
        if !name.ends_with("cluster.local") && !name.ends_with("43.10.in-addr.arpa") {
            return Found::NotOurs;
        }
        let Some(kinds) = self.0.get(name) else {
            return Found::NoName;
        };
        let record = |data: &RecordData| zone::Record {
            ttl: 30,
            data: data.clone(),
        };
        let found = kinds.iter().find(|(there, _)| *there == kind);
        found.map_or(Found::NoData, |(_, data)| {
            Found::Records(data.iter().map(record).collect())
        })
    }
}

fn names() -> Names {
    let a = |last: u8| RecordData::A([10, 42, 0, last].into());
    let name = |name: &str| vec![RecordData::Cname(name.to_owned())];
    let srv = |target: &str| RecordData::Srv {
        priority: 0,
        weight: 50,
        port: 80,
        target: target.to_owned(),
    };
    let both = |target: &str| vec![(RecordKind::A, name(target)), (RecordKind::Cname, name(target))];
    let zone = BTreeMap::from([
        (
            "web.shop.svc.cluster.local",
            vec![(RecordKind::A, vec![RecordData::A([10, 43, 0, 9].into())])],
        ),
        ("one.db.shop.svc.cluster.local", vec![(RecordKind::A, vec![a(1)])]),
        ("two.db.shop.svc.cluster.local", vec![(RecordKind::A, vec![a(2)])]),
        (
            "_pg._tcp.db.shop.svc.cluster.local",
            vec![(
                RecordKind::Srv,
                vec![
                    srv("one.db.shop.svc.cluster.local"),
                    srv("two.db.shop.svc.cluster.local"),
                ],
            )],
        ),
        (
            "many.shop.svc.cluster.local",
            vec![(RecordKind::A, (0..100).map(a).collect())],
        ),
        ("near.shop.svc.cluster.local", both("web.shop.svc.cluster.local")),
        ("far.shop.svc.cluster.local", both("Example.com")),
        ("self.shop.svc.cluster.local", both("self.shop.svc.cluster.local")),
        (
            "dns-version.cluster.local",
            vec![(RecordKind::Txt, vec![RecordData::Txt(vec!["1.1.0".to_owned()])])],
        ),
        (
            "9.0.43.10.in-addr.arpa",
            vec![(
                RecordKind::Ptr,
                vec![RecordData::Ptr("web.shop.svc.cluster.local".to_owned())],
            )],
        ),
        ("svc.cluster.local", vec![]),
    ]);
    Names {
        zone: Arc::new(Fixed(zone)),
        domain: "cluster.local".to_owned(),
        serial: 7,
        servers: Box::new(Vec::new),
    }
}

fn packet(name: &str, kind: RecordType, size: Option<u16>) -> Vec<u8> {
    let mut query = Message::new(9, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Some(size) = size {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        query.set_edns(edns);
    }
    query.to_vec().unwrap()
}

fn asked(packet: &[u8], transport: Transport) -> Answer {
    let names = names();
    let view = View {
        directory: &Directory::default(),
        container: None,
        cluster: Some(&names),
    };
    answer(packet, transport, &view, &mut Rng::from_seed(1))
}

fn reply(name: &str, kind: RecordType) -> Message {
    match asked(&packet(name, kind, None), Transport::Udp) {
        Answer::Reply(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn check(name: &str, kind: RecordType, expected: &str) {
    let reply = reply(name, kind);
    let list = |section: &[Record]| {
        let texts: Vec<_> = section.iter().map(ToString::to_string).collect();
        texts.join("; ")
    };
    assert!(reply.metadata.authoritative && reply.metadata.recursion_available);
    let text = format!(
        "{:?} [{}] [{}] [{}]",
        reply.metadata.response_code,
        list(&reply.answers),
        list(&reply.authorities),
        list(&reply.additionals)
    );
    assert_eq!(text, expected, "{name} {kind}");
}

const BEGIN: &str =
    "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 30";

#[test]
fn names_are_answered_in_the_case_that_was_asked() {
    check(
        "Web.shop.SVC.cluster.local.",
        RecordType::A,
        "NoError [Web.shop.SVC.cluster.local. 30 IN A 10.43.0.9] [] []",
    );
    check(
        "dns-version.cluster.local.",
        RecordType::TXT,
        "NoError [dns-version.cluster.local. 30 IN TXT 1.1.0] [] []",
    );
    check(
        "9.0.43.10.in-addr.arpa.",
        RecordType::PTR,
        "NoError [9.0.43.10.in-addr.arpa. 30 IN PTR web.shop.svc.cluster.local.] [] []",
    );
}

#[test]
fn hosts_of_services_come_with_their_addresses() {
    check(
        "_pg._tcp.db.shop.svc.cluster.local.",
        RecordType::SRV,
        "NoError [_pg._tcp.db.shop.svc.cluster.local. 30 IN SRV 0 50 80 one.db.shop.svc.cluster.local.; \
         _pg._tcp.db.shop.svc.cluster.local. 30 IN SRV 0 50 80 two.db.shop.svc.cluster.local.] [] \
         [one.db.shop.svc.cluster.local. 30 IN A 10.42.0.1; two.db.shop.svc.cluster.local. 30 IN A 10.42.0.2]",
    );
}

#[test]
fn that_there_is_nothing_may_be_kept_for_a_while() {
    check(
        "web.shop.svc.cluster.local.",
        RecordType::AAAA,
        &format!("NoError [] [{BEGIN}] []"),
    );
    check(
        "svc.cluster.local.",
        RecordType::ANY,
        &format!("NoError [] [{BEGIN}] []"),
    );
    check(
        "nope.cluster.local.",
        RecordType::A,
        &format!("NXDomain [] [{BEGIN}] []"),
    );
    check(
        "cluster.local.",
        RecordType::SOA,
        &format!("NoError [{BEGIN}] [] []"),
    );
    let reverse = BEGIN.replacen("cluster.local.", "in-addr.arpa.", 1);
    check(
        "8.0.43.10.in-addr.arpa.",
        RecordType::PTR,
        &format!("NXDomain [] [{reverse}] []"),
    );
}

#[test]
fn a_name_that_stands_for_another_is_followed_within_the_zone() {
    check(
        "near.shop.svc.cluster.local.",
        RecordType::A,
        "NoError [near.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local.; \
         web.shop.svc.cluster.local. 30 IN A 10.43.0.9] [] []",
    );
    check(
        "near.shop.svc.cluster.local.",
        RecordType::CNAME,
        "NoError [near.shop.svc.cluster.local. 30 IN CNAME web.shop.svc.cluster.local.] [] []",
    );
    let circle = reply("self.shop.svc.cluster.local.", RecordType::A);
    assert_eq!(circle.answers.len(), 1 + STEPS);
}

#[test]
fn its_end_is_asked_for_outside() {
    let far = || match asked(
        &packet("far.shop.svc.cluster.local.", RecordType::A, None),
        Transport::Udp,
    ) {
        Answer::Follow(followed) => *followed,
        other => panic!("{other:?}"),
    };
    let query = Message::from_vec(&far().query).unwrap();
    assert_eq!(
        (query.metadata.id, query.queries[0].name().to_string()),
        (9, "Example.com.".to_owned())
    );
    let mut heard = query.clone();
    heard.metadata.message_type = MessageType::Response;
    let end = RData::A(A([192, 0, 2, 7].into()));
    heard.add_answer(Record::from_rdata(query.queries[0].name().clone(), 60, end));
    let whole = |heard: Option<&[u8]>| {
        let reply = Message::from_vec(&far().finish(heard, Transport::Udp)).unwrap();
        reply
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        whole(Some(&heard.to_vec().unwrap())),
        ["Example.com.", "192.0.2.7"]
    );
    assert_eq!(whole(None), ["Example.com."]);
    assert_eq!(whole(Some(b"noise")), ["Example.com."]);
}

#[test]
fn others_names_are_forwarded() {
    for (name, kind) in [
        ("example.com.", RecordType::A),
        ("1.0.0.127.in-addr.arpa.", RecordType::PTR),
    ] {
        assert_eq!(asked(&packet(name, kind, None), Transport::Udp), Answer::Forward);
    }
}

#[test]
fn what_is_too_long_is_cut_and_whole_over_tcp() {
    let lengths = |size: Option<u16>, transport| {
        let packet = packet("many.shop.svc.cluster.local.", RecordType::A, size);
        let Answer::Reply(bytes) = asked(&packet, transport) else {
            panic!("no reply")
        };
        let reply = Message::from_vec(&bytes).unwrap();
        (bytes.len(), reply.metadata.truncation, reply.answers.len())
    };
    for (size, limit) in [(None, 512), (Some(1000), 1000), (Some(4096), LARGEST)] {
        let (length, cut, count) = lengths(size, Transport::Udp);
        assert!(
            length <= limit && length > limit - 32 && cut && count > 0,
            "{length} {count}"
        );
    }
    assert_eq!(lengths(None, Transport::Tcp).2, 100);
}

proptest! {
    #[test]
    fn any_bytes_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..60, with in any::<u8>()) {
        let _ = asked(&bytes, Transport::Udp);
        let mut packet = packet("far.shop.svc.cluster.local.", RecordType::A, Some(1232));
        let at = at % packet.len();
        packet[at] = with;
        if let Answer::Reply(reply) = asked(&packet, Transport::Udp) {
            prop_assert!(reply.len() <= LARGEST);
        }
    }
}
