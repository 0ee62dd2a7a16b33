use serde_json::json;

use super::*;
use crate::plugins::ALL;
use crate::plugins::tests::{node, pod, wants};

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn put(queue: &mut Queue, name: &str, pod: &Arc<PodView>) {
    queue.put(&name.into(), pod, at(0));
}

fn next(queue: &mut Queue, seconds: u64) -> Option<String> {
    queue.next(at(seconds)).map(|(key, _)| key.to_string())
}

/// The set of one plugin.
fn only(name: &str) -> PluginSet {
    let mut set = PluginSet::default();
    set.insert(ALL.iter().position(|plugin| plugin.name() == name).unwrap());
    set
}

fn new_node() -> Arc<views::NodeView> {
    node(json!({}))
}

#[test]
fn the_most_important_is_first_then_who_came_first() {
    let mut queue = Queue::new();
    let important = pod(json!({"spec": {"priority": 9}}));
    for (name, pod) in [("a", &wants("1")), ("b", &wants("1")), ("c", &important)] {
        put(&mut queue, name, pod);
    }
    let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, 0)).collect();
    assert_eq!(order, ["c", "a", "b"]);
    assert!(queue.wake_at().is_none() && !queue.is_ready(at(9)));
}

#[test]
fn a_pod_waits_for_what_the_plugin_that_refused_it_asks_for() {
    let mut queue = Queue::new();
    put(&mut queue, "a", &wants("1"));
    assert_eq!(next(&mut queue, 0).as_deref(), Some("a"));
    queue.failed("a", only("NodeResourcesFit"), at(0));
    let plain = new_node();
    let same = Happened::Node {
        before: Some(&plain),
        now: Some(&plain),
    };
    queue.happened(&same, at(1));
    assert_eq!(next(&mut queue, 1), None);
    let gone = wants("1");
    queue.happened(
        &Happened::Pod {
            before: Some(&gone),
            now: None,
        },
        at(1),
    );
    assert_eq!(next(&mut queue, 1).as_deref(), Some("a"));
    // Without a reason, anything helps.
    queue.failed("a", PluginSet::default(), at(1));
    queue.happened(&same, at(2));
    assert_eq!(next(&mut queue, 2).as_deref(), Some("a"));
}

#[test]
fn nobody_waits_longer_than_five_minutes() {
    let mut queue = Queue::new();
    put(&mut queue, "a", &wants("1"));
    next(&mut queue, 0);
    queue.failed("a", only("NodeResourcesFit"), at(0));
    assert_eq!((queue.wake_at(), next(&mut queue, 299)), (Some(at(300)), None));
    assert!(queue.is_ready(at(300)));
    assert_eq!(next(&mut queue, 300).as_deref(), Some("a"));
}

#[test]
fn a_backoff_doubles_and_others_go_first_meanwhile() {
    let mut queue = Queue::new();
    let waited = |queue: &Queue| queue.wake_at().unwrap();
    put(&mut queue, "a", &wants("1"));
    let mut now = 0;
    for expected in [1, 2, 4, 8, 10, 10] {
        assert_eq!(next(&mut queue, now).as_deref(), Some("a"));
        queue.not_written("a");
        assert_eq!(waited(&queue), at(now + expected));
        assert_eq!(
            next(&mut queue, now + expected - 1),
            None,
            "after an error it is always waited for"
        );
        now += expected;
    }
    next(&mut queue, now);
    queue.failed("a", PluginSet::default(), at(now));
    put(&mut queue, "b", &wants("1"));
    queue.happened(&Happened::Namespace, at(now));
    let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, now)).collect();
    assert_eq!(order, ["b", "a"]);
}

#[test]
fn who_is_held_hears_but_is_not_tried() {
    let mut queue = Queue::new();
    put(&mut queue, "a", &wants("1"));
    next(&mut queue, 0);
    queue.failed("a", PluginSet::default(), at(0));
    queue.hold("a");
    queue.happened(&Happened::Namespace, at(0));
    assert!(next(&mut queue, 20).is_none() && !queue.is_ready(at(20)));
    queue.release("a");
    assert_eq!(next(&mut queue, 20).as_deref(), Some("a"));
}

#[test]
fn gates_hold_a_pod_back_and_a_change_of_what_it_asks_wakes_it() {
    let mut queue = Queue::new();
    put(
        &mut queue,
        "a",
        &pod(json!({"spec": {"schedulingGates": [{"name": "g"}]}})),
    );
    assert_eq!(next(&mut queue, 0), None);
    put(&mut queue, "a", &wants("2"));
    assert_eq!(next(&mut queue, 0).as_deref(), Some("a"));
    queue.failed("a", only("TaintToleration"), at(0));
    put(&mut queue, "a", &wants("2"));
    assert_eq!(next(&mut queue, 5), None, "nothing has changed");
    put(&mut queue, "a", &wants("1"));
    assert_eq!(next(&mut queue, 5).as_deref(), Some("a"));
    queue.remove("a");
    queue.failed("a", PluginSet::default(), at(5));
    queue.not_written("a");
    assert!(next(&mut queue, 900).is_none() && queue.keys().next().is_none());
}
