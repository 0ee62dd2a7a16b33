//! The disk for people: every class, every thing, what would go next and what never does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::PoisonError;

use engine::Owner;
use serde::{Deserialize, Serialize};

use crate::plan::{BEGIN, Class, Snapshot, Space, choose, plan};
use crate::quota::Quota;
use crate::survey::Surveyed;
use crate::{Disk, Error};

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    /// The file system of DATA.
    pub space: Space,
    /// What is kept within.
    pub quota: Quota,
    /// Bytes of what may go by itself: what a quota in bytes is for.
    #[serde(default)]
    pub cached: u64,
    /// Hundredths of the quota above which something goes.
    pub begin: u64,
    /// One row for each class, in order.
    pub classes: Vec<ClassRow>,
    /// Everything that is held or may go: images and cache mounts, then volumes and containers.
    pub items: Vec<ItemRow>,
    /// Why something has to go now, if it has to.
    pub need: Option<String>,
    /// What went by itself, the last one last.
    pub recent: Vec<Recent>,
}

/// A class.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClassRow {
    /// Which.
    pub class: Class,
    /// How many things.
    pub count: u64,
    /// Bytes; what several classes share is the first one's that never goes.
    pub bytes: u64,
    /// Bytes of those that would become free if all that may go did.
    pub may_go: u64,
}

/// A thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemRow {
    /// What it is.
    pub class: Class,
    /// What it is called.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Bytes of all its parts, shared or not.
    pub bytes: u64,
    /// When it was last used, in seconds since 1970; none if nobody counts.
    pub last_used: Option<i64>,
    /// Who holds it.
    pub held_by: Vec<String>,
    /// The how-manieth to go it is, counted from 1; none if it stays.
    pub turn: Option<u64>,
    /// Whether it goes now.
    pub now: bool,
    /// Why it goes, or stays.
    pub why: String,
}

/// A thing that went by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recent {
    /// What it was called.
    pub name: String,
    /// What it was.
    pub class: Class,
    /// Bytes that became free.
    pub bytes: u64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// Why.
    pub reason: String,
}

impl Disk {
    /// Looks at everything. Blocks for as long as it takes to count all volumes and containers.
    ///
    /// # Errors
    /// The disk cannot be looked at.
    pub fn report(&self) -> Result<Report, Error> {
        let surveyed = self.survey()?;
        let plan = plan(&surveyed.snapshot, self.0.quota);
        let going: Vec<usize> = plan.removals.iter().map(|removal| removal.item).collect();
        let mut items = rows(&surveyed, &going);
        let mut classes = classes(&surveyed.snapshot);
        for row in self.others() {
            let class = classes.entry(row.class).or_default();
            (class.0, class.1) = (class.0 + 1, class.1 + row.bytes);
            items.push(row);
        }
        let class = |class: &Class| {
            let (count, bytes, may_go) = classes.get(class).copied().unwrap_or_default();
            ClassRow {
                class: *class,
                count,
                bytes,
                may_go,
            }
        };
        let recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Report {
            space: surveyed.snapshot.space,
            quota: self.0.quota,
            cached: surveyed.snapshot.cached(),
            begin: BEGIN,
            classes: Class::ALL.iter().map(class).collect(),
            items,
            need: plan.need.map(|need| need.reason.to_string()),
            recent: recent.clone(),
        })
    }

    /// What never goes by itself.
    fn others(&self) -> Vec<ItemRow> {
        let (engine, mut rows) = (&self.0.engine, Vec::new());
        for volume in engine.volumes().list() {
            let bytes = engine.volumes().size(&volume.name).unwrap_or(0);
            let users = engine.volumes().users(&volume.name);
            let users = users.iter().filter_map(|id| engine.find(id).ok());
            let held_by = users.map(|user| format!("container {}", user.name)).collect();
            rows.push(stays(Class::Volume, &volume.name, bytes, held_by));
        }
        for container in engine.list() {
            let rootfs = engine.images().rootfs(&container.id);
            let bytes = rootfs.and_then(|rootfs| rootfs.size().ok()).unwrap_or(0);
            let held_by = match &container.owner {
                Owner::Docker => Vec::new(),
                Owner::Build => vec!["a build".to_owned()],
                Owner::Pod { namespace, name, .. } => vec![format!("pod {namespace}/{name}")],
            };
            rows.push(stays(Class::Container, &container.name, bytes, held_by));
            if let Some(log) = &container.log_path {
                let bytes = rotated(log);
                rows.push(stays(
                    Class::Log,
                    &container.name,
                    bytes,
                    vec![format!("container {}", container.name)],
                ));
            }
        }
        rows.push(stays(
            Class::Log,
            "daemon",
            below(&self.0.data.join("log")),
            Vec::new(),
        ));
        for (name, bytes) in engine.images().unfinished().into_iter().flatten() {
            rows.push(stays(Class::Unfinished, name, bytes, Vec::new()));
        }
        for store in ["node", "store"] {
            rows.push(stays(
                Class::Store,
                store,
                below(&self.0.data.join(store)),
                Vec::new(),
            ));
        }
        rows
    }
}

fn stays(class: Class, name: &str, bytes: u64, held_by: Vec<String>) -> ItemRow {
    ItemRow {
        class,
        name: name.to_owned(),
        id: name.to_owned(),
        bytes,
        last_used: None,
        held_by,
        turn: None,
        now: false,
        why: class.why().to_owned(),
    }
}

/// A log and those that it was before it was rotated: `X.log`, `X.log.1`, `X.log.2.gz`.
fn rotated(log: &Path) -> u64 {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else {
        return 0;
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    ours.filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Bytes of the files in a directory of files.
fn below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

fn rows(surveyed: &Surveyed, going: &[usize]) -> Vec<ItemRow> {
    let snapshot = &surveyed.snapshot;
    let order = choose(snapshot, u64::MAX);
    let turns: BTreeMap<usize, u64> = order
        .iter()
        .zip(1..)
        .map(|(removal, turn)| (removal.item, turn))
        .collect();
    let row = |(at, item): (usize, &crate::plan::Item)| {
        let thing = &surveyed.things[at];
        let turn = turns.get(&at).copied();
        let mut held_by: Vec<String> = item.holds.iter().map(ToString::to_string).collect();
        let upon = snapshot
            .items
            .iter()
            .enumerate()
            .filter(|(_, other)| other.parent == Some(at));
        held_by
            .extend(upon.map(|(child, _)| format!("image {}, built upon it", surveyed.things[child].name())));
        let why = match (snapshot.stays(at), turn) {
            (Some(why), _) => why,
            (None, Some(_)) => item.class.why().to_owned(),
            (None, None) => "stays: it would free nothing, or something was built upon it".to_owned(),
        };
        ItemRow {
            class: item.class,
            name: thing.name(),
            id: thing.id(),
            bytes: item.parts.iter().map(|part| snapshot.parts[*part].bytes).sum(),
            last_used: Some(item.last_used / 1_000_000),
            held_by,
            turn,
            now: going.contains(&at),
            why,
        }
    };
    snapshot.items.iter().enumerate().map(row).collect()
}

/// Count, bytes, and bytes that may go of each class. A part that several share is counted once, for the first of
/// them that never goes; one that no image has is an upload or an artifact of the registry's.
fn classes(snapshot: &Snapshot) -> BTreeMap<Class, (u64, u64, u64)> {
    let mut of_part: Vec<Option<Class>> = vec![None; snapshot.parts.len()];
    let mut classes: BTreeMap<Class, (u64, u64, u64)> = BTreeMap::new();
    for item in &snapshot.items {
        classes.entry(item.class).or_default().0 += 1;
        for part in &item.parts {
            let known = of_part[*part].unwrap_or(item.class);
            of_part[*part] = Some(known.min(item.class));
        }
    }
    for (part, class) in snapshot.parts.iter().zip(of_part) {
        classes.entry(class.unwrap_or(Class::Pushed)).or_default().1 += part.bytes;
    }
    for removal in choose(snapshot, u64::MAX) {
        let class = snapshot.items[removal.item].class;
        classes.entry(class).or_default().2 += removal.frees;
    }
    classes
}
