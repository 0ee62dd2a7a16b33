//! The simulated directory: names as the machine sees them, names as the disk has them, and the
//! operations in between.

use std::collections::BTreeMap;

use super::Keep;
use crate::Rng;

/// Index of a file.
pub(super) type Ino = usize;

#[derive(Debug, Default)]
pub(super) struct Names {
    live: BTreeMap<String, Ino>,
    durable: BTreeMap<String, Ino>,
    unsynced: Vec<Change>,
}

/// One directory operation: a name that goes, a name that comes, or both at once.
#[derive(Debug)]
struct Change {
    ino: Ino,
    unlink: Option<String>,
    link: Option<String>,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<Ino> {
        self.live.get(name).copied()
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }

    pub(super) fn inos(&self) -> impl Iterator<Item = Ino> {
        self.live.values().copied()
    }

    pub(super) fn link(&mut self, name: &str, ino: Ino) {
        self.change(Change {
            ino,
            unlink: None,
            link: Some(name.to_owned()),
        });
    }

    pub(super) fn unlink(&mut self, name: &str, ino: Ino) {
        self.change(Change {
            ino,
            unlink: Some(name.to_owned()),
            link: None,
        });
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, ino: Ino) {
        self.change(Change {
            ino,
            unlink: Some(from.to_owned()),
            link: Some(to.to_owned()),
        });
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.durable.clone_from(&self.live);
    }

    /// Loses the power: any subset of the unsynced operations reached the disk.
    pub(super) fn crash(&mut self, keep: Keep, rng: &mut Rng) {
        for change in std::mem::take(&mut self.unsynced) {
            let kept = match keep {
                Keep::Nothing => false,
                Keep::Everything => true,
                Keep::Some => rng.one_in(2),
            };
            if kept {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }
}

impl Change {
    /// A name goes only if it still means the same file: an operation it depended on may be lost.
    fn apply(&self, names: &mut BTreeMap<String, Ino>) {
        if let Some(name) = &self.unlink
            && names.get(name) == Some(&self.ino)
        {
            names.remove(name);
        }
        if let Some(name) = &self.link {
            names.insert(name.clone(), self.ino);
        }
    }
}
