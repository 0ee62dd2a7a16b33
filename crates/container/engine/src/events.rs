//! The event bus: what happened to containers, images, networks and volumes (`docker events`).
//!
//! Publishing never waits. The last [`KEPT`] events answer `since`; a subscriber that falls
//! [`BACKLOG`] events behind is cut off, because an unbounded queue would be the daemon's memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Events that are remembered (dockerd's number).
pub const KEPT: usize = 256;
/// Live events that wait for a subscriber before it is cut off.
pub const BACKLOG: usize = 1024;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The build cache.
    Builder,
    /// A container.
    Container,
    /// The daemon itself.
    Daemon,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Builder,
        Self::Container,
        Self::Daemon,
        Self::Image,
        Self::Network,
        Self::Volume,
    ];

    /// The `Type` of an event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Container => "container",
            Self::Daemon => "daemon",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// Whom an event happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// Container or network id, image reference, volume name.
    pub id: String,
    /// Name, image, labels and what the action adds, such as `exitCode`.
    pub attributes: BTreeMap<String, String>,
}

/// One event (Engine API 1.50 `EventMessage`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub kind: Kind,
    /// What happened: `create`, `die`, `exec_start: ls`, `health_status: healthy` …
    pub action: String,
    /// To whom.
    pub actor: Actor,
    /// When.
    pub time: Timestamp,
}

/// Which events a subscriber wants: values by filter name, each name's values or-ed, names and-ed.
/// An unknown name matches everything, as upstream has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(BTreeMap<String, BTreeSet<String>>);

impl Filter {
    /// The filter of a request.
    #[must_use]
    pub fn new(values: BTreeMap<String, BTreeSet<String>>) -> Self {
        Self(values)
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let actor = &event.actor;
        self.exact("type", event.kind.as_str())
            && self.exact("scope", "local")
            && self.action(&event.action)
            && Kind::ALL
                .into_iter()
                .filter(|kind| *kind != Kind::Image)
                .all(|kind| self.names(kind, actor))
            && self.image(event)
            && self.labels(&actor.attributes)
    }

    fn values(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name).filter(|values| !values.is_empty())
    }

    fn exact(&self, name: &str, value: &str) -> bool {
        self.values(name).is_none_or(|values| values.contains(value))
    }

    /// A value is the beginning of what it matches.
    fn prefix(&self, name: &str, value: &str) -> bool {
        self.values(name)
            .is_none_or(|values| values.iter().any(|prefix| value.starts_with(prefix.as_str())))
    }

    /// Three actions carry an argument behind a colon; named without it they match any.
    fn action(&self, action: &str) -> bool {
        const OPEN: [&str; 3] = ["health_status", "exec_create", "exec_start"];
        let open = self
            .values("event")
            .is_some_and(|values| OPEN.iter().any(|name| values.contains(*name)));
        if open {
            self.prefix("event", action)
        } else {
            self.exact("event", action)
        }
    }

    fn names(&self, kind: Kind, actor: &Actor) -> bool {
        let name = actor.attributes.get("name").map_or("", String::as_str);
        self.prefix(kind.as_str(), &actor.id) || self.prefix(kind.as_str(), name)
    }

    /// An image is named by its id or its reference, with its tag or without.
    fn image(&self, event: &Event) -> bool {
        let attribute = if event.kind == Kind::Image {
            "name"
        } else {
            "image"
        };
        let name = event.actor.attributes.get(attribute).map_or("", String::as_str);
        [&event.actor.id, name]
            .into_iter()
            .any(|image| self.exact("image", image) || self.exact("image", without_tag(image)))
    }

    /// `KEY` or `KEY=VALUE`; all of them have to match.
    fn labels(&self, attributes: &BTreeMap<String, String>) -> bool {
        let matches = |label: &String| match label.split_once('=') {
            Some((key, value)) => attributes.get(key).is_some_and(|found| found == value),
            None => attributes.contains_key(label),
        };
        self.values("label")
            .is_none_or(|labels| labels.iter().all(matches))
    }
}

fn without_tag(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// What a subscriber asks for.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Remembered events from here on come first; none come without it.
    pub since: Option<Timestamp>,
    /// No event after this one; the caller ends the stream when that time has come.
    pub until: Option<Timestamp>,
    /// Which of them.
    pub filter: Filter,
}

impl EventQuery {
    fn admits(&self, event: &Event) -> bool {
        self.until.is_none_or(|until| event.time <= until) && self.filter.admits(event)
    }

    /// Remembered events are asked for by either bound, as upstream has it.
    fn wants_past(&self, event: &Event) -> bool {
        (self.since.is_some() || self.until.is_some())
            && self.since.is_none_or(|since| event.time >= since)
            && self.admits(event)
    }
}

/// A subscriber's end: first what was asked of the past, then everything that happens.
#[derive(Debug)]
pub struct Subscription {
    past: VecDeque<Arc<Event>>,
    live: mpsc::Receiver<Arc<Event>>,
}

impl Subscription {
    /// The next event; none when the subscriber was too slow and has been cut off, or the bus is
    /// gone. Cancel-safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.past.pop_front() {
            Some(event) => Some(event),
            None => self.live.recv().await,
        }
    }

    /// The next event if there is one already.
    pub fn next_now(&mut self) -> Option<Arc<Event>> {
        self.past.pop_front().or_else(|| self.live.try_recv().ok())
    }
}

/// The bus. Clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<Bus>>);

#[derive(Debug, Default)]
struct Bus {
    kept: VecDeque<Arc<Event>>,
    subscribers: Vec<(EventQuery, mpsc::Sender<Arc<Event>>)>,
}

impl Events {
    /// A bus on which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells an event to everyone who wants it. Never waits.
    pub fn publish(&self, event: Event) {
        let event = Arc::new(event);
        let mut bus = self.lock();
        if bus.kept.len() == KEPT {
            bus.kept.pop_front();
        }
        bus.kept.push_back(event.clone());
        bus.subscribers
            .retain(|(query, sender)| !query.admits(&event) || !is_lost(&sender.try_send(event.clone())));
    }

    /// Subscribes. No event is missed or told twice between the past and the live part.
    #[must_use]
    pub fn subscribe(&self, query: EventQuery) -> Subscription {
        let (sender, live) = mpsc::channel(BACKLOG);
        let mut bus = self.lock();
        let past = bus
            .kept
            .iter()
            .filter(|event| query.wants_past(event))
            .cloned()
            .collect();
        bus.subscribers.retain(|(_, sender)| !sender.is_closed());
        bus.subscribers.push((query, sender));
        Subscription { past, live }
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        let bus = self.lock();
        bus.subscribers
            .iter()
            .filter(|(_, sender)| !sender.is_closed())
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a subscriber has gone or is too far behind.
fn is_lost(sent: &Result<(), TrySendError<Arc<Event>>>) -> bool {
    sent.is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)], time: i64) -> Event {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Event {
            kind,
            action: action.into(),
            actor: Actor {
                id: id.into(),
                attributes: attributes.iter().map(own).collect(),
            },
            time: Timestamp::from_second(time).unwrap(),
        }
    }

    fn filter(values: &[(&str, &str)]) -> Filter {
        let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, value) in values {
            map.entry((*name).into()).or_default().insert((*value).into());
        }
        Filter::new(map)
    }

    #[test]
    fn filters_match_as_upstream_s_do() {
        let web = event(
            Kind::Container,
            "exec_start: ls",
            "abcdef",
            &[("name", "web"), ("image", "nginx:1"), ("tier", "front")],
            1,
        );
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("type", "container")], true),
            (&[("type", "network")], false),
            (&[("type", "network"), ("type", "container")], true),
            (&[("event", "exec_start")], true),
            (&[("event", "exec_start: ls")], true),
            (&[("event", "exec")], false),
            (&[("event", "die")], false),
            (&[("container", "abc")], true),
            (&[("container", "web")], true),
            (&[("container", "we")], true),
            (&[("container", "db")], false),
            (&[("container", "db"), ("container", "web")], true),
            (&[("container", "web"), ("event", "die")], false),
            (&[("network", "bridge")], false),
            (&[("image", "nginx:1")], true),
            (&[("image", "nginx")], true),
            (&[("image", "ngin")], false),
            (&[("label", "tier")], true),
            (&[("label", "tier=front")], true),
            (&[("label", "tier=back")], false),
            (&[("label", "tier"), ("label", "missing")], false),
            (&[("scope", "local")], true),
            (&[("scope", "swarm")], false),
            (&[("unheard-of", "x")], true),
        ];
        for (values, expected) in cases {
            assert_eq!(filter(values).admits(&web), *expected, "{values:?}");
        }
    }

    #[test]
    fn an_image_is_found_by_its_name_with_and_without_tag() {
        let pull = event(
            Kind::Image,
            "pull",
            "r.io:5000/a/b:2",
            &[("name", "r.io:5000/a/b")],
            1,
        );
        for (name, expected) in [
            ("r.io:5000/a/b:2", true),
            ("r.io:5000/a/b", true),
            ("r.io", false),
        ] {
            assert_eq!(filter(&[("image", name)]).admits(&pull), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn the_past_comes_first_then_what_happens_and_nothing_twice() {
        let bus = Events::new();
        for time in 1..=4 {
            bus.publish(event(Kind::Volume, "create", "v", &[], time));
        }
        let since = Some(Timestamp::from_second(3).unwrap());
        let mut all = bus.subscribe(EventQuery {
            since,
            ..EventQuery::default()
        });
        let mut live = bus.subscribe(EventQuery::default());
        bus.publish(event(Kind::Volume, "destroy", "v", &[], 5));
        for time in [3, 4, 5] {
            assert_eq!(all.next().await.unwrap().time.as_second(), time);
        }
        assert_eq!(live.next().await.unwrap().time.as_second(), 5);
        assert!(live.next_now().is_none());
    }

    #[test]
    fn until_bounds_the_past_and_the_future() {
        let bus = Events::new();
        for time in 1..=3 {
            bus.publish(event(Kind::Daemon, "reload", "d", &[], time));
        }
        let until = Some(Timestamp::from_second(2).unwrap());
        let mut some = bus.subscribe(EventQuery {
            until,
            ..EventQuery::default()
        });
        bus.publish(event(Kind::Daemon, "reload", "d", &[], 4));
        let times: Vec<i64> = std::iter::from_fn(|| some.next_now())
            .map(|event| event.time.as_second())
            .collect();
        assert_eq!(times, [1, 2]);
    }

    #[test]
    fn who_does_not_listen_in_time_is_cut_off_and_nobody_else() {
        let bus = Events::new();
        let mut slow = bus.subscribe(EventQuery::default());
        let mut fast = bus.subscribe(EventQuery::default());
        for time in 0..=i64::try_from(BACKLOG).unwrap() {
            bus.publish(event(Kind::Container, "die", "c", &[], time));
            assert!(fast.next_now().is_some());
        }
        assert_eq!(bus.listeners(), 1);
        let told = std::iter::from_fn(|| slow.next_now()).count();
        assert_eq!(
            told, BACKLOG,
            "what was queued is still told, then the stream ends"
        );
        assert!(slow.live.is_closed());
    }

    #[test]
    fn a_subscriber_that_left_is_forgotten() {
        let bus = Events::new();
        drop(bus.subscribe(EventQuery::default()));
        assert_eq!(bus.listeners(), 0);
        bus.publish(event(Kind::Container, "die", "c", &[], 0));
        assert!(bus.lock().subscribers.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// The past is the longest suffix of at most [`KEPT`] events, from `since` on, in order.
        #[test]
        fn the_past_is_the_kept_suffix(count in 0_i64..600, since in 0_i64..600) {
            let bus = Events::new();
            for time in 0..count {
                bus.publish(event(Kind::Image, "tag", "i", &[], time));
            }
            let query = EventQuery { since: Timestamp::from_second(since).ok(), ..EventQuery::default() };
            let mut events = bus.subscribe(query);
            let told: Vec<i64> = std::iter::from_fn(|| events.next_now()).map(|event| event.time.as_second()).collect();
            let first = since.max(count - i64::try_from(KEPT).unwrap());
            prop_assert_eq!(told, (first.max(0)..count).collect::<Vec<_>>());
        }
    }
}
