//! Carrying out plans: when something was written, when somebody has seen that the disk is full, never by the clock.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::events::{Actor, Event, EventQuery, Kind};
use image::Removed;
use jiff::Timestamp;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::plan::{Need, Plan, plan};
use crate::quota::{Quota, human};
use crate::survey::{Surveyed, Thing};
use crate::{Disk, Error, Node, Recent, Told};

/// How often a plan is made anew when what was planned has come into use meanwhile.
const ROUNDS: usize = 3;
/// For so long it is at most not tried again where not enough could go, unless the disk fills further. Earlier, what was
/// too young may be old enough.
const PATIENCE: Duration = Duration::from_secs(300);
/// For so long in any case.
const SHORT: Duration = Duration::from_secs(1);
/// How many removals are remembered for people.
const REMEMBERED: usize = 32;

/// What looks after a disk; it ends when this is dropped.
pub struct Collector(JoinHandle<()>);

impl Drop for Collector {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What may go was not enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stuck {
    used: u64,
    since: i64,
}

impl Disk {
    /// Begins to look after the disk. `node` says what else is in use, and hears what happens. In an executor.
    #[must_use]
    pub fn start(&self, node: Arc<dyn Node>) -> Collector {
        drop(self.0.node.set(node));
        let told = self.clone();
        self.0.engine.images().on_written(Box::new(move || told.look()));
        let disk = self.clone();
        Collector(tokio::spawn(async move { disk.run().await }))
    }

    /// Has the disk looked at soon: something may have been written. It costs nothing to speak of while there is room,
    /// and does not block.
    pub fn look(&self) {
        self.0.woken.notify_one();
    }

    async fn run(&self) {
        self.look();
        let mut events = self.0.engine.events().subscribe(EventQuery::default());
        loop {
            // Both are cancel-safe: what is not taken now stays where it is.
            tokio::select! {
                biased;
                () = self.0.woken.notified() => {}
                event = events.next() => match event {
                    Some(event) if is_about_space(&event) => self.0.asked.store(true, Ordering::Relaxed),
                    Some(_) => continue,
                    // It was too slow, so it may have missed something.
                    None => {
                        events = self.0.engine.events().subscribe(EventQuery::default());
                        self.0.asked.store(true, Ordering::Relaxed);
                    }
                }
            }
            // One look does for all that has happened.
            while let Some(event) = events.next_now() {
                self.0.asked.fetch_or(is_about_space(&event), Ordering::Relaxed);
            }
            let disk = self.clone();
            // It is never aborted; should it panic, the next one begins afresh.
            drop(spawn_blocking(move || disk.collect_and_tell()).await);
        }
    }

    fn collect_and_tell(&self) {
        if let Err(error) = self.collect() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the disk cannot be collected"
            );
            self.tell(&Told::Failed(chain(&error)));
        }
    }

    /// Removes what has to go, if anything has to. Blocks.
    ///
    /// # Errors
    /// The disk cannot be looked at, or refuses.
    pub fn collect(&self) -> Result<(), Error> {
        let asked = self.0.asked.swap(false, Ordering::Relaxed);
        if !self.is_due(asked)? {
            return Ok(());
        }
        let _alone = self.0.alone.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ROUNDS {
            let surveyed = self.survey()?;
            let plan = plan(&surveyed.snapshot, self.0.quota);
            let Some(need) = plan.need.filter(|_| surveyed.settled) else {
                *self.stuck() = None;
                return Ok(());
            };
            // They are nobody's, and only save a download.
            self.0.engine.images().drop_beginnings()?;
            let freed = self.perform(&surveyed, &plan, need)?;
            if plan.short() > 0 {
                self.give_up(need, freed)?;
                return Ok(());
            }
            *self.stuck() = None;
            if freed == plan.frees() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether it is worth while to look at everything.
    fn is_due(&self, asked: bool) -> io::Result<bool> {
        let space = self.space()?;
        let over = crate::plan::need(self.0.quota, space, 0).is_some();
        let by_bytes = matches!(self.0.quota, Quota::Bytes(_));
        if !over && !by_bytes {
            *self.stuck() = None;
            return Ok(false);
        }
        let stuck = *self.stuck();
        let is_stuck = stuck.is_some_and(|stuck| {
            let waited = u64::try_from(self.0.now().saturating_sub(stuck.since)).unwrap_or(0);
            let patience = self.0.minimum_age.clamp(SHORT, PATIENCE);
            Duration::from_micros(waited) < patience && space.used < stuck.used + space.total / 100
        });
        Ok((over || asked || stuck.is_some()) && !is_stuck)
    }

    fn stuck(&self) -> std::sync::MutexGuard<'_, Option<Stuck>> {
        self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers how many bytes have become free.
    fn perform(&self, surveyed: &Surveyed, plan: &Plan, need: Need) -> Result<u64, Error> {
        let (mut freed, mut names) = (0, Vec::new());
        for removal in &plan.removals {
            let thing = &surveyed.things[removal.item];
            let removed = self.remove(thing)?;
            let Some(removed) = removed else { continue };
            freed += removal.frees;
            let class = surveyed.snapshot.items[removal.item].class;
            let name = thing.name();
            tracing::info!(name, class = class.title(), freed = removal.frees, reason = %need.reason, "removed");
            self.publish_removed(thing, &removed, need);
            self.remember(Recent {
                name: name.clone(),
                class,
                bytes: removal.frees,
                at: self.0.now() / 1_000_000,
                reason: need.reason.to_string(),
            });
            names.push(name);
        }
        if !names.is_empty() {
            self.0.engine.images().settle();
            self.publish(
                Kind::Image,
                "prune",
                "",
                &[
                    ("reclaimed", &freed.to_string()),
                    ("reason", &need.reason.to_string()),
                ],
            );
            self.tell(&Told::Removed(sentence(&names, freed, need)));
        }
        Ok(freed)
    }

    /// Removes one thing if nobody uses it; answers what went of it.
    fn remove(&self, thing: &Thing) -> Result<Option<Vec<Removed>>, Error> {
        match thing {
            Thing::Image { image, last_used, .. } => Ok(self.0.engine.images().evict(image, *last_used)?),
            Thing::Mount { id, .. } => Ok(self.0.builder.evict_mount(id)?.then(Vec::new)),
            Thing::Fetched {
                repository,
                last_used,
            } => {
                let evicted = self.0.engine.images().evict_fetched(repository, *last_used)?;
                Ok(evicted.then(Vec::new))
            }
        }
    }

    fn give_up(&self, need: Need, freed: u64) -> Result<(), Error> {
        let stuck = Stuck {
            used: self.space()?.used,
            since: self.0.now(),
        };
        // Told once for each time that it begins.
        if self.stuck().replace(stuck).is_none() || freed > 0 {
            tracing::warn!(wanted = need.bytes, freed, reason = %need.reason, "what may be removed is not enough");
            self.tell(&Told::Short {
                wanted: need.bytes,
                found: freed,
            });
        }
        Ok(())
    }

    fn tell(&self, told: &Told) {
        if let Some(node) = self.0.node.get() {
            node.tell(told);
        }
    }

    fn remember(&self, recent: Recent) {
        let mut all = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REMEMBERED {
            all.remove(0);
        }
        all.push(recent);
    }

    /// As a removal that somebody has asked for is told, with the reason beside it.
    fn publish_removed(&self, thing: &Thing, removed: &[Removed], need: Need) {
        let reason = need.reason.to_string();
        for one in removed {
            let (id, action) = match one {
                Removed::Untagged { image, .. } => (image.to_string(), "untag"),
                Removed::Deleted(id) => (id.to_string(), "delete"),
                Removed::Layer(_) => continue,
            };
            self.publish(
                Kind::Image,
                action,
                &id,
                &[("name", &thing.name()), ("reason", &reason)],
            );
        }
        if let Thing::Mount { id, .. } = thing {
            self.publish(Kind::Builder, "prune", id, &[("reason", &reason)]);
        }
    }

    fn publish(&self, kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)]) {
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.0.engine.events().publish(Event {
            kind,
            action: action.to_owned(),
            actor: Actor {
                id: id.to_owned(),
                attributes: attributes.collect(),
            },
            time: Timestamp::try_from(self.0.clock.wall()).unwrap_or_default(),
        });
    }
}

/// Whether an event is one after which there may be more on the disk, or less in use. (Probes are events, too.)
fn is_about_space(event: &Event) -> bool {
    match event.kind {
        Kind::Image | Kind::Builder => !event.actor.attributes.contains_key("reason"),
        Kind::Container => matches!(&*event.action, "die" | "destroy"),
        Kind::Volume | Kind::Network | Kind::Daemon => false,
    }
}

/// At most so many names are in one sentence.
const NAMED: usize = 5;

fn sentence(names: &[String], freed: u64, need: Need) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut shown = names[..names.len().min(NAMED)].join(", ");
    if more > 0 {
        shown.push_str(&format!(" and {more} more"));
    }
    format!("Removed {shown} ({}): {}", human(freed), need.reason)
}

/// An error with its reasons.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text = format!("{text}: {error}");
        reason = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Reason;

    #[test]
    fn what_went_is_told_in_a_sentence() {
        let need = Need {
            bytes: 1,
            reason: Reason::Disk(91, 80),
        };
        let names: Vec<String> = (1..=7).map(|number| format!("i:{number}")).collect();
        assert_eq!(
            sentence(&names, 2_500_000, need),
            "Removed i:1, i:2, i:3, i:4, i:5 and 2 more (2.5MB): the disk is 91% full, over 80%"
        );
        assert_eq!(
            sentence(&names[..1], 0, need),
            "Removed i:1 (0B): the disk is 91% full, over 80%"
        );
    }
}
