//! What becomes of things that happen again and again; client-go's rules and numbers (`tools/record/events_cache.go`).

use std::collections::BTreeSet;

use driver::Rng;
use jiff::{SignedDuration, Timestamp};

use super::recent::Recent;
use super::{Happened, Level, Subject};

/// Keys that each rule keeps.
const KEYS: usize = 4_096;

/// From so many different messages on, similar things are one event.
const SIMILAR: usize = 10;

/// Similar things are no more so after this long without one.
const INTERVAL: SignedDuration = SignedDuration::from_secs(600);

/// Events about one object that may come at once.
const BURST: f64 = 25.0;

/// Events about one object for each second after these.
const RATE: f64 = 1.0 / 300.0;

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// An event as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Of the event.
    pub(super) name: Box<str>,
    pub(super) happened: Happened,
    /// When it happened first.
    pub(super) first: Timestamp,
    /// How often it happened; above one the event is there already.
    pub(super) count: u32,
}

/// Things that differ by their messages alone; the first of a key is the object without the part of it.
type Similar = (Subject, Level, Box<str>);

/// One thing, or with `None` all similar ones.
type Same = (Similar, Option<(Box<str>, Box<str>)>);

#[derive(Default)]
struct Group {
    messages: BTreeSet<Box<str>>,
    last: Option<Timestamp>,
}

#[derive(Default)]
struct Seen {
    name: Box<str>,
    first: Timestamp,
    count: u32,
}

/// A bucket of tokens; it begins full.
#[derive(Default)]
struct Bucket {
    spent: f64,
    at: Timestamp,
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.spent = (self.spent - passed * RATE).max(0.0);
        self.at = now;
        let there = self.spent + 1.0 <= BURST;
        if there {
            self.spent += 1.0;
        }
        there
    }
}

/// What one component has told lately.
pub(super) struct Correlator {
    groups: Recent<Similar, Group>,
    seen: Recent<Same, Seen>,
    buckets: Recent<(Subject, Level), Bucket>,
    /// What the last name was made from: names are never the same, whatever the clock says.
    last: i128,
}

impl Default for Correlator {
    fn default() -> Self {
        Self {
            groups: Recent::new(KEYS),
            seen: Recent::new(KEYS),
            buckets: Recent::new(KEYS),
            last: 0,
        }
    }
}

impl Correlator {
    /// What is to be written of something that happened; nothing if its source says too much.
    pub(super) fn correlate(&mut self, happened: Happened, rng: &mut Rng) -> Option<Entry> {
        let whole = Subject {
            resource_version: Box::default(),
            field_path: Box::default(),
            ..happened.subject.clone()
        };
        let (level, now) = (happened.level, happened.at);
        let (key, happened) = self.combine((whole.clone(), level, happened.reason.clone()), happened);
        let entry = self.count(key, happened, rng);
        self.buckets.entry((whole, level)).take(now).then_some(entry)
    }

    /// Makes one of many that are similar.
    fn combine(&mut self, similar: Similar, mut happened: Happened) -> (Same, Happened) {
        let group = self.groups.entry(similar.clone());
        if group
            .last
            .is_some_and(|last| happened.at.duration_since(last) > INTERVAL)
        {
            group.messages.clear();
        }
        group.last = Some(happened.at);
        group.messages.insert(happened.message.clone());
        if group.messages.len() < SIMILAR {
            let itself = (happened.subject.field_path.clone(), happened.message.clone());
            return ((similar, Some(itself)), happened);
        }
        group.messages.pop_first();
        happened.message = format!("(combined from similar events): {}", happened.message).into();
        ((similar, None), happened)
    }

    fn count(&mut self, key: Same, happened: Happened, rng: &mut Rng) -> Entry {
        let seen = self.seen.entry(key);
        if seen.count == 0 {
            self.last = happened.at.as_nanosecond().max(self.last + 1);
            seen.name = name(&happened.subject.name, self.last, rng);
            seen.first = happened.at;
        }
        seen.count = seen.count.saturating_add(1);
        Entry {
            name: seen.name.clone(),
            first: seen.first,
            count: seen.count,
            happened,
        }
    }
}

/// The name of an event: the object's and a time, or a uuid where that is no name.
fn name(object: &str, time: i128, rng: &mut Rng) -> Box<str> {
    let name = format!("{object}.{time:x}");
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if name.len() <= MAX_NAME && name.bytes().all(allowed) {
        return name.into();
    }
    let (high, low) = (rng.next_u64(), rng.next_u64());
    let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    let (fourth, last) = (0x8000 | (low >> 50), low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{last:012x}").into()
}
