use std::sync::Mutex;

use bytes::Bytes;
use driver::{Rng, Sim};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::correlate::{Correlator, Entry};
use super::*;
use crate::{Answered, Transport, TransportError};

fn subject(name: &str) -> Subject {
    Subject {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: "x".into(),
        name: name.into(),
        uid: "u".into(),
        ..Subject::default()
    }
}

fn happened(message: &str, second: i64) -> Happened {
    Happened {
        subject: subject("web"),
        level: Level::Normal,
        reason: "Pulled".into(),
        message: message.into(),
        at: Timestamp::from_second(1_000_000 + second).unwrap(),
    }
}

/// What is written of messages that come at seconds.
fn told(messages: impl IntoIterator<Item = (String, i64)>) -> Vec<Option<Entry>> {
    let (mut correlator, mut rng) = (Correlator::default(), Rng::from_seed(1));
    let messages = messages.into_iter();
    messages
        .map(|(message, second)| correlator.correlate(happened(&message, second), &mut rng))
        .collect()
}

#[test]
fn the_same_thing_is_counted() {
    let entries = told([("a".to_owned(), 0), ("a".to_owned(), 5), ("b".to_owned(), 6)]);
    let [first, second, other] = &entries[..] else {
        panic!()
    };
    let (first, second, other) = (
        first.as_ref().unwrap(),
        second.as_ref().unwrap(),
        other.as_ref().unwrap(),
    );
    assert_eq!((first.count, second.count, other.count), (1, 2, 1));
    assert_eq!((&first.name, first.first), (&second.name, second.first));
    assert_ne!(first.name, other.name);
    assert_eq!(second.happened.at.as_second() - second.first.as_second(), 5);
}

#[test]
fn what_happens_in_one_moment_has_names_of_its_own() {
    let entries = told(["a", "b", "c"].map(|text| (text.to_owned(), 0)));
    let names: std::collections::BTreeSet<_> = entries.into_iter().map(|entry| entry.unwrap().name).collect();
    assert_eq!(names.len(), 3);
}

#[test]
fn parts_of_an_object_are_told_apart() {
    let (mut correlator, mut rng) = (Correlator::default(), Rng::from_seed(1));
    let mut of = |part: &str| {
        let mut happened = happened("a", 0);
        happened.subject = happened.subject.part(part);
        correlator.correlate(happened, &mut rng).unwrap().count
    };
    assert_eq!(
        [
            of("spec.containers{a}"),
            of("spec.containers{b}"),
            of("spec.containers{a}")
        ],
        [1, 1, 2]
    );
}

#[test]
fn many_similar_things_are_one() {
    let entries = told((0..12).map(|at| (format!("pod {at}"), at)));
    let texts: Vec<_> = entries
        .iter()
        .map(|entry| &*entry.as_ref().unwrap().happened.message)
        .collect();
    assert_eq!(texts[8], "pod 8");
    assert_eq!(texts[9], "(combined from similar events): pod 9");
    let last = entries[11].as_ref().unwrap();
    assert_eq!(last.count, 3);
    assert_eq!(last.name, entries[9].as_ref().unwrap().name);
}

#[test]
fn after_ten_quiet_minutes_things_are_not_similar() {
    let early = (0..9).map(|at| (format!("pod {at}"), at));
    let entries = told(early.chain([("late".to_owned(), 700)]));
    assert_eq!(&*entries[9].as_ref().unwrap().happened.message, "late");
}

#[test]
fn who_talks_too_much_is_not_heard() {
    let burst = (0..30).map(|_| ("a".to_owned(), 0));
    let entries = told(burst.chain([("a".to_owned(), 299), ("a".to_owned(), 301)]));
    let heard = |range: std::ops::Range<usize>| entries[range].iter().filter(|entry| entry.is_some()).count();
    assert_eq!([heard(0..25), heard(25..31), heard(31..32)], [25, 0, 1]);
    assert_eq!(
        entries[31].as_ref().unwrap().count,
        32,
        "what was not heard is counted"
    );
}

#[test]
fn a_name_that_is_none_becomes_a_uuid() {
    let (mut correlator, mut rng) = (Correlator::default(), Rng::from_seed(1));
    for bad in ["system:node", &"a".repeat(250)] {
        let mut happened = happened("a", 0);
        happened.subject.name = bad.into();
        let name = correlator.correlate(happened, &mut rng).unwrap().name;
        let parts: Vec<usize> = name.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{name}");
        assert!(
            name.as_bytes()[14] == b'4' && matches!(name.as_bytes()[19], b'8'..=b'b'),
            "{name}"
        );
    }
}

/// A server that keeps what it is asked, and answers as it is told.
#[derive(Default)]
struct Server {
    asked: Mutex<Vec<(String, Value)>>,
    answers: Mutex<Vec<u16>>,
}

impl Transport for Server {
    fn send(&self, request: http::Request<Bytes>) -> Answered<'_> {
        let line = format!("{} {}", request.method(), request.uri().path());
        let body = serde_json::from_slice(request.body()).unwrap();
        self.asked.lock().unwrap().push((line, body));
        let code = self.answers.lock().unwrap().pop().unwrap_or(201);
        let body = json!({"kind": "Status", "status": "Failure", "code": code}).to_string();
        Box::pin(async move {
            let body = Full::new(Bytes::from(body)).map_err(|never| -> TransportError { match never {} });
            Ok(http::Response::builder()
                .status(code)
                .body(body.boxed_unsync())
                .unwrap())
        })
    }
}

#[test]
fn an_event_is_made_then_counted_then_made_anew() {
    let sim = Sim::new(1);
    let env: Arc<dyn Env> = Arc::new(sim.clone());
    let server = Arc::new(Server::default());
    let client = Client::new(server.clone(), "tester");
    let recorder = Recorder::start(client, &env, "kubelet", "node-1");
    let subject = subject("web").part("spec.containers{c}");
    recorder.event(&subject, Level::Warning, "BackOff", "again");
    sim.run_ready();
    recorder.event(&subject, Level::Warning, "BackOff", "again");
    sim.run_ready();
    server.answers.lock().unwrap().push(404);
    recorder.event(&subject, Level::Warning, "BackOff", "again");
    sim.run_ready();
    let asked = server.asked.lock().unwrap();
    let lines: Vec<&str> = asked
        .iter()
        .map(|(line, _)| line.split(" /").next().unwrap())
        .collect();
    assert_eq!(lines, ["POST", "PATCH", "PATCH", "POST"]);
    assert_eq!(asked[0].1["involvedObject"]["fieldPath"], "spec.containers{c}");
    assert_eq!(
        asked[0].1["source"],
        json!({"component": "kubelet", "host": "node-1"})
    );
    assert_eq!(
        (&asked[1].1["count"], &asked[3].1["count"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(asked[3].1["metadata"]["name"], asked[0].1["metadata"]["name"]);
}

#[test]
fn telling_never_waits() {
    let sim = Sim::new(1);
    let env: Arc<dyn Env> = Arc::new(sim);
    let client = Client::new(Arc::new(Server::default()), "tester");
    let recorder = Recorder::start(client, &env, "kubelet", "");
    for _ in 0..2 * CAPACITY {
        recorder.event(&subject("web"), Level::Normal, "Pulled", "image");
    }
    assert_eq!(recorder.telling.len(), CAPACITY);
}
