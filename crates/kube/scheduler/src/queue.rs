//! Pods that have no node yet: who is next, and who waits for what.
//!
//! A pod that did not fit waits until something happens that a plugin which refused it says may help, or for five minutes.
//! Then it is tried again, but not sooner than its back-off allows, unless nobody else wants to be tried (upstream's
//! `SchedulerPopFromBackoffQ`): a node that frees up is used at once. Only after an error of our own is the back-off
//! always waited for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use driver::Instant;
use views::PodView;

use crate::plugins::{Happened, Incoming, PluginSet};
use crate::snapshot::Key;

/// How long a pod waits after its first failure; twice as long after each further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// How long it waits at most.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How long a pod waits for something to happen.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Where a pod stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It may be tried.
    Active,
    /// It may be tried from then on; sooner, if nobody else is there and `strict` is not set.
    Backoff { until: Instant, strict: bool },
    /// It waits for something to happen.
    Waiting { since: Instant, why: PluginSet },
    /// It has scheduling gates.
    Gated,
    /// It is being tried, or its binding is being written.
    Out,
}

#[derive(Clone, Debug)]
struct Entry {
    pod: Arc<PodView>,
    place: Place,
    /// Its number in the order of arrival.
    arrival: u64,
    attempts: u32,
    /// When it was tried last.
    tried: Instant,
    /// Something is being written about it: it is not tried until that is done.
    held: bool,
}

impl Entry {
    /// The most important first, then who came first.
    fn rank(&self, key: &Key) -> Rank {
        (Reverse(self.pod.priority), self.arrival, key.clone())
    }

    fn backoff(&self) -> Instant {
        let doublings = self.attempts.saturating_sub(1).min(10);
        self.tried
            .saturating_add((FIRST_BACKOFF * (1 << doublings)).min(LONGEST_BACKOFF))
    }
}

type Rank = (Reverse<i32>, u64, Key);

/// The pods that have no node yet.
#[derive(Debug, Default)]
pub struct Queue {
    entries: BTreeMap<Key, Entry>,
    active: BTreeSet<Rank>,
    /// By when they may be tried.
    backoff: BTreeSet<(Instant, bool, Key)>,
    /// By since when they wait.
    waiting: BTreeSet<(Instant, Key)>,
    arrivals: u64,
}

impl Queue {
    /// A queue without pods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a pod in, or hears how it is now. One that is known moves only if what it asks for has changed.
    pub fn put(&mut self, key: &Key, pod: &Arc<PodView>, now: Instant) {
        let Some((key, mut entry)) = self.entries.remove_entry(key) else {
            self.admit(key, pod, now);
            return;
        };
        // Its rank may be another.
        self.unlist(&key, &entry);
        let before = std::mem::replace(&mut entry.pod, pod.clone());
        self.list(&key, &entry);
        let place = entry.place;
        self.entries.insert(key.clone(), entry);
        match place {
            Place::Gated if !pod.gated => self.move_to(&key, Place::Active),
            Place::Waiting { .. } if asks_for_else(&before, pod) => self.wake(&key, now),
            _ => {}
        }
    }

    fn admit(&mut self, key: &Key, pod: &Arc<PodView>, now: Instant) {
        self.arrivals += 1;
        let entry = Entry {
            pod: pod.clone(),
            place: Place::Out,
            arrival: self.arrivals,
            attempts: 0,
            tried: now,
            held: false,
        };
        self.entries.insert(key.clone(), entry);
        self.move_to(key, if pod.gated { Place::Gated } else { Place::Active });
    }

    /// The pod has a node, or is gone.
    pub fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.unlist(&key, &entry);
        }
    }

    /// The pod to try now, until it is [removed](Self::remove) or has [failed](Self::failed).
    pub fn next(&mut self, now: Instant) -> Option<(Key, Arc<PodView>)> {
        self.ripen(now);
        let active = self.active.first().map(|(_, _, key)| key.clone());
        let key = active.or_else(|| self.impatient())?;
        self.move_to(&key, Place::Out);
        let entry = self.entries.get_mut(&key)?;
        entry.attempts += 1;
        entry.tried = now;
        Some((key, entry.pod.clone()))
    }

    /// The next of those whose back-off is not over but need not be waited for.
    fn impatient(&self) -> Option<Key> {
        let mut lax = self.backoff.iter().filter(|(_, strict, _)| !strict);
        lax.next().map(|(_, _, key)| key.clone())
    }

    /// Moves those whose time has come.
    fn ripen(&mut self, now: Instant) {
        while let Some((since, key)) = self.waiting.first().cloned()
            && since.saturating_add(LONGEST_WAIT) <= now
        {
            self.wake(&key, now);
        }
        while let Some((until, _, key)) = self.backoff.first().cloned()
            && until <= now
        {
            self.move_to(&key, Place::Active);
        }
    }

    /// No node took the pod, for these plugins' reasons; if there are none, anything may help.
    pub fn failed(&mut self, key: &str, why: PluginSet, now: Instant) {
        let out = self
            .entries
            .get_key_value(key)
            .filter(|(_, entry)| entry.place == Place::Out);
        if let Some(key) = out.map(|(key, _)| key.clone()) {
            self.move_to(&key, Place::Waiting { since: now, why });
        }
    }

    /// What was decided could not be written: the pod is tried again after its back-off, whatever happens.
    pub fn not_written(&mut self, key: &str) {
        let known = self
            .entries
            .get_key_value(key)
            .map(|(key, entry)| (key.clone(), entry.backoff()));
        if let Some((key, until)) = known {
            self.move_to(&key, Place::Backoff { until, strict: true });
        }
    }

    /// Keeps a pod from being tried until it is [released](Self::release). It goes on to hear what happens.
    pub fn hold(&mut self, key: &str) {
        self.set_held(key, true);
    }

    /// Ends what [`Queue::hold`] began.
    pub fn release(&mut self, key: &str) {
        self.set_held(key, false);
    }

    fn set_held(&mut self, key: &str, held: bool) {
        if let Some((key, mut entry)) = self.entries.remove_entry(key) {
            self.unlist(&key, &entry);
            entry.held = held;
            self.list(&key, &entry);
            self.entries.insert(key, entry);
        }
    }

    /// Wakes the pods that this may help.
    pub fn happened(&mut self, event: &Happened<'_>, now: Instant) {
        let helped: Vec<Key> = self
            .waiting
            .iter()
            .map(|(_, key)| key)
            .filter(|key| {
                self.entries
                    .get(*key)
                    .is_some_and(|entry| helps(key, entry, event))
            })
            .cloned()
            .collect();
        for key in helped {
            self.wake(&key, now);
        }
    }

    fn wake(&mut self, key: &Key, now: Instant) {
        let Some(until) = self.entries.get(key).map(Entry::backoff) else {
            return;
        };
        let place = if until <= now {
            Place::Active
        } else {
            Place::Backoff { until, strict: false }
        };
        self.move_to(key, place);
    }

    /// When [`Queue::next`] may have somebody; none if not before something happens.
    pub fn wake_at(&self) -> Option<Instant> {
        let ripe = self.backoff.first().map(|(until, _, _)| *until);
        let waited = self
            .waiting
            .first()
            .map(|(since, _)| since.saturating_add(LONGEST_WAIT));
        ripe.into_iter().chain(waited).min()
    }

    /// Whether [`Queue::next`] has somebody without waiting.
    pub fn is_ready(&self, now: Instant) -> bool {
        let ripe = self.wake_at().is_some_and(|at| at <= now);
        ripe || !self.active.is_empty() || self.impatient().is_some()
    }

    /// Whether the pod is here, and how it is.
    pub fn get(&self, key: &str) -> Option<&Arc<PodView>> {
        self.entries.get(key).map(|entry| &entry.pod)
    }

    /// All pods that are here.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.keys()
    }

    fn unlist(&mut self, key: &Key, entry: &Entry) {
        match entry.place {
            Place::Active => drop(self.active.remove(&entry.rank(key))),
            Place::Backoff { until, strict } => drop(self.backoff.remove(&(until, strict, key.clone()))),
            Place::Waiting { since, .. } => drop(self.waiting.remove(&(since, key.clone()))),
            Place::Gated | Place::Out => {}
        }
    }

    fn list(&mut self, key: &Key, entry: &Entry) {
        match entry.place {
            Place::Active if !entry.held => drop(self.active.insert(entry.rank(key))),
            Place::Backoff { until, strict } if !entry.held => {
                self.backoff.insert((until, strict, key.clone()));
            }
            Place::Waiting { since, .. } => drop(self.waiting.insert((since, key.clone()))),
            _ => {}
        }
    }

    fn move_to(&mut self, key: &Key, place: Place) {
        if let Some((key, mut entry)) = self.entries.remove_entry(key) {
            self.unlist(&key, &entry);
            entry.place = place;
            self.list(&key, &entry);
            self.entries.insert(key, entry);
        }
    }
}

/// Whether a waiting pod may be helped by this.
fn helps(key: &Key, entry: &Entry, event: &Happened<'_>) -> bool {
    let Place::Waiting { why, .. } = entry.place else {
        return false;
    };
    let pod = Incoming {
        key,
        view: &entry.pod,
    };
    why.is_empty() || why.plugins().any(|plugin| plugin.wakes(event, pod))
}

/// Whether the change of a pod may make it fit.
fn asks_for_else(before: &PodView, now: &PodView) -> bool {
    before.requests != now.requests
        || before.labels != now.labels
        || before.tolerations != now.tolerations
        || before.placement != now.placement
}

#[cfg(test)]
mod tests;
