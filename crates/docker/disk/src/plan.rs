//! What goes, and in which order. Pure: a snapshot of everything in, a list of removals out.
//!
//! Things are made of parts that they share. A part is free when the last thing that has it goes, so what a removal
//! frees depends on those before it. Things are taken in the order of their last use; one that others were built upon
//! waits for those. What then turns out to have freed nothing is not removed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quota::{Quota, human};

/// A collection begins above so many hundredths of the quota, and ends below so many.
pub const BEGIN: u64 = 80;
/// See [`BEGIN`]. It is less, so that not every little thing begins another one.
pub const END: u64 = 75;

/// What a thing on the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A volume.
    Volume,
    /// A container's own files.
    Container,
    /// What containers and the daemon have written to logs.
    Log,
    /// The node's and the cluster's tables.
    Store,
    /// What is on its way in: uploads that are open, pulls and builds under way, beginnings of what broke off.
    Unfinished,
    /// An image, or another blob, that has a name in the node's own registry.
    Pushed,
    /// An image that was built, loaded, committed or imported here, or has a name that was given here.
    OnlyHere,
    /// An image that its registry has.
    Repullable,
    /// A step of a build.
    Cache,
    /// A directory of `RUN --mount=type=cache`.
    CacheMount,
    /// An image of some registry that has lost its tags.
    Dangling,
}

impl Class {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Volume,
        Self::Container,
        Self::Log,
        Self::Store,
        Self::Unfinished,
        Self::Pushed,
        Self::OnlyHere,
        Self::Repullable,
        Self::Cache,
        Self::CacheMount,
        Self::Dangling,
    ];

    /// Whether things of this class may go without anybody's asking.
    #[must_use]
    pub const fn may_go(self) -> bool {
        matches!(
            self,
            Self::Repullable | Self::Cache | Self::CacheMount | Self::Dangling
        )
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Volume => "Volumes",
            Self::Container => "Containers",
            Self::Log => "Logs",
            Self::Store => "Store",
            Self::Unfinished => "Unfinished",
            Self::Pushed => "Registry",
            Self::OnlyHere => "Images only here",
            Self::Repullable => "Pulled images",
            Self::Cache => "Build cache",
            Self::CacheMount => "Cache mounts",
            Self::Dangling => "Dangling images",
        }
    }

    /// Why things of this class go, or never do.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Volume => "never: a volume is data",
            Self::Container => "never: it goes with its container",
            Self::Log => "never: a log goes with its container, or is rotated",
            Self::Store => "never: it says what all the rest is",
            Self::Unfinished => "by itself: it ends, is given up, or is cleared by the next start",
            Self::Pushed => "never: clients of the node's registry rely on it",
            Self::OnlyHere => "never: it exists nowhere else",
            Self::Repullable => "when unused: it can be pulled again",
            Self::Cache => "when unused: it can be built again",
            Self::CacheMount => "when unused: it is filled again",
            Self::Dangling => "when unused: it has lost its name",
        }
    }
}

/// Who keeps a thing from going, beside its class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// A container was made of it.
    Container(String),
    /// A pod asks for it.
    Pod(String),
    /// A pull, push, build, save or start has it right now.
    Lease,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => write!(f, "container {name}"),
            Self::Pod(name) => write!(f, "pod {name}"),
            Self::Lease => f.write_str("something under way"),
        }
    }
}

/// Bytes that things may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many.
    pub bytes: u64,
    /// Whether they stay even when no thing has them any more.
    pub pinned: bool,
}

/// A thing that may go, or not, as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub class: Class,
    /// Its parts, by their places in [`Snapshot::parts`]; each once.
    pub parts: Vec<usize>,
    /// In microseconds since 1970.
    pub last_used: i64,
    /// What it was built upon, by its place in [`Snapshot::items`].
    pub parent: Option<usize>,
    /// Who uses it.
    pub holds: Vec<Hold>,
}

/// A file system. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// What there is, used or free.
    pub total: u64,
    /// What is used, by whomever.
    pub used: u64,
}

impl Space {
    /// Hundredths that are used, cut off.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.used) * 100 / u128::from(self.total.max(1));
        u64::try_from(percent).map_or(100, |percent| percent.min(100))
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Microseconds since 1970.
    pub now: i64,
    /// What was used within so long is about to be used again, since a pull comes before a run: it stays.
    pub minimum_age: Duration,
    /// The file system.
    pub space: Space,
    /// All parts.
    pub parts: Vec<Part>,
    /// All things.
    pub items: Vec<Item>,
}

/// Why something has to go, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Bytes that are to become free.
    pub bytes: u64,
    /// Why.
    pub reason: Reason,
}

/// Why something has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The disk is fuller than it should be: hundredths that are used, and that may be.
    Disk(u64, u64),
    /// What may go has more bytes than it should have: its bytes, and how many it may have.
    Bytes(u64, u64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(used, most) => write!(f, "the disk is {used}% full, over {most}%"),
            Self::Bytes(used, most) => {
                write!(f, "caches take {}, over {}", human(*used), human(*most))
            }
        }
    }
}

/// A thing that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Its place in [`Snapshot::items`].
    pub item: usize,
    /// Bytes that become free with it, once those before it are gone.
    pub frees: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Why; none if nothing is to be done.
    pub need: Option<Need>,
    /// In this order.
    pub removals: Vec<Removal>,
}

impl Plan {
    /// Bytes that become free.
    #[must_use]
    pub fn frees(&self) -> u64 {
        self.removals.iter().map(|removal| removal.frees).sum()
    }

    /// Bytes that do not become free although they should.
    #[must_use]
    pub fn short(&self) -> u64 {
        self.need
            .map_or(0, |need| need.bytes.saturating_sub(self.frees()))
    }
}

/// What goes now.
#[must_use]
pub fn plan(snapshot: &Snapshot, quota: Quota) -> Plan {
    let need = need(quota, snapshot.space, snapshot.cached());
    let removals = need.map_or(Vec::new(), |need| choose(snapshot, need.bytes));
    Plan { need, removals }
}

/// What has to go; `cached` are the bytes of what may go.
#[must_use]
pub fn need(quota: Quota, space: Space, cached: u64) -> Option<Need> {
    let (percent, bytes) = match quota {
        Quota::Percent(percent) => (u64::from(percent), None),
        Quota::Bytes(bytes) => (100, Some(bytes)),
    };
    let most = |of: u64, percent: u64, part: u64| {
        u64::try_from(u128::from(of) * u128::from(percent) * u128::from(part) / 10_000).unwrap_or(u64::MAX)
    };
    let of_disk = Need {
        bytes: space.used.saturating_sub(most(space.total, percent, END)),
        reason: Reason::Disk(space.percent(), percent * BEGIN / 100),
    };
    let of_disk = (space.used > most(space.total, percent, BEGIN)).then_some(of_disk);
    let of_bytes = bytes
        .filter(|bytes| cached > most(*bytes, 100, BEGIN))
        .map(|bytes| Need {
            bytes: cached.saturating_sub(most(bytes, 100, END)),
            reason: Reason::Bytes(cached, most(bytes, 100, BEGIN)),
        });
    of_disk.into_iter().chain(of_bytes).max_by_key(|need| need.bytes)
}

/// What goes so that so many bytes become free, or as many as can.
#[must_use]
pub fn choose(snapshot: &Snapshot, bytes: u64) -> Vec<Removal> {
    let mut choice = Choice::new(snapshot);
    let mut freed = 0;
    while freed < bytes
        && let Some(removal) = choice.next()
    {
        freed += removal.frees;
        choice.taken.push(removal);
    }
    choice.without_pointless()
}

impl Snapshot {
    /// Why a thing does not go now; none if it may.
    #[must_use]
    pub fn stays(&self, item: usize) -> Option<String> {
        let item = &self.items[item];
        if !item.class.may_go() {
            return Some(item.class.why().to_owned());
        }
        if let Some(hold) = item.holds.first() {
            return Some(format!("used by {hold}"));
        }
        let age = u64::try_from(self.now.saturating_sub(item.last_used)).unwrap_or(0);
        let young = Duration::from_micros(age) < self.minimum_age;
        young.then(|| format!("used within the last {:?}", self.minimum_age))
    }

    /// Bytes of everything that nothing but things of these classes has.
    #[must_use]
    pub fn cached(&self) -> u64 {
        let mut kept = vec![true; self.parts.len()];
        for place in self.items.iter().flat_map(|item| &item.parts) {
            kept[*place] = false;
        }
        for item in self.items.iter().filter(|item| !item.class.may_go()) {
            item.parts.iter().for_each(|place| kept[*place] = true);
        }
        let cached = self.parts.iter().zip(kept).filter(|(_, kept)| !kept);
        cached.map(|(part, _)| part.bytes).sum()
    }
}

/// A choice under way.
struct Choice<'s> {
    snapshot: &'s Snapshot,
    /// How many things have each part.
    having: Vec<usize>,
    /// How many things were built upon each.
    children: Vec<usize>,
    /// What can go next, by its last use.
    ready: BTreeSet<(i64, usize)>,
    taken: Vec<Removal>,
}

impl<'s> Choice<'s> {
    fn new(snapshot: &'s Snapshot) -> Self {
        let mut having = vec![0; snapshot.parts.len()];
        let mut children = vec![0; snapshot.items.len()];
        for item in &snapshot.items {
            item.parts.iter().for_each(|place| having[*place] += 1);
            item.parent.into_iter().for_each(|parent| children[parent] += 1);
        }
        let mut choice = Self {
            snapshot,
            having,
            children,
            ready: BTreeSet::new(),
            taken: Vec::new(),
        };
        (0..snapshot.items.len()).for_each(|item| choice.offer(item));
        choice
    }

    fn offer(&mut self, item: usize) {
        if self.children[item] == 0 && self.snapshot.stays(item).is_none() {
            self.ready.insert((self.snapshot.items[item].last_used, item));
        }
    }

    fn next(&mut self) -> Option<Removal> {
        let (_, place) = self.ready.pop_first()?;
        let item = &self.snapshot.items[place];
        let mut frees = 0;
        for part in &item.parts {
            self.having[*part] -= 1;
            let part_is_free = self.having[*part] == 0 && !self.snapshot.parts[*part].pinned;
            frees += if part_is_free {
                self.snapshot.parts[*part].bytes
            } else {
                0
            };
        }
        if let Some(parent) = item.parent {
            self.children[parent] -= 1;
            self.offer(parent);
        }
        Some(Removal { item: place, frees })
    }

    /// The last first: what something that goes was waiting for goes as well.
    fn without_pointless(self) -> Vec<Removal> {
        let mut goes = vec![false; self.snapshot.items.len()];
        let mut kept = Vec::new();
        for removal in self.taken.into_iter().rev() {
            let item = &self.snapshot.items[removal.item];
            let free = |part: &usize| {
                let bytes = self.snapshot.parts[*part];
                self.having[*part] == 0 && !bytes.pinned && bytes.bytes > 0
            };
            let waited_for = item.parent.is_some_and(|parent| goes[parent]);
            if waited_for || item.parts.iter().any(free) {
                goes[removal.item] = true;
                kept.push(removal);
            }
        }
        kept.reverse();
        kept
    }
}

#[cfg(test)]
mod tests;
