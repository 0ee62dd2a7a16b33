//! The directories of snapshots: `N/fs`, and `N/work` where it is writable.
//!
//! A number is never used twice in the life of a process, and at the start the next one is beyond
//! all that are there; so a directory is made without asking whether it exists.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::init;
use crate::trash::Trash;

/// The directory of all snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    root: PathBuf,
    next: AtomicU64,
    trash: Trash,
}

/// Mode of a root directory that no layer says anything about.
const ROOT_MODE: u32 = 0o755;
/// Only root looks into snapshots: what is in them has set-id bits of foreign making.
const PRIVATE: u32 = 0o700;
/// Names in the directory that are no numbers.
const TRASH: &str = "trash";
const EMPTY: [&str; 2] = ["empty", "void"];
/// The init layer upon nothing.
const INIT: &str = "init";

impl Snapshots {
    /// Opens or makes the directory; what `keep` does not let stay goes.
    pub(crate) fn open(root: PathBuf, keep: impl Fn(u64) -> bool) -> io::Result<Self> {
        for empty in EMPTY {
            fs::create_dir_all(root.join(empty))?;
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(PRIVATE))?;
        make_init(&root.join(INIT))?;
        fs::create_dir_all(root.join(TRASH))?;
        let (there, leaving) = (numbers(&root)?, numbers(&root.join(TRASH))?);
        let next = there
            .iter()
            .chain(&leaving)
            .max()
            .map_or(1, |last| last.saturating_add(1));
        let trash = Trash::open(root.join(TRASH))?;
        for number in there.into_iter().filter(|number| !keep(*number)) {
            trash.take(&root.join(number.to_string()), &number.to_string())?;
        }
        Ok(Self {
            root,
            next: AtomicU64::new(next),
            trash,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Directories that are empty for ever. Overlay wants something below, two things under a
    /// read-only view, and none of them twice.
    pub(crate) fn empty(&self) -> [PathBuf; 2] {
        EMPTY.map(|name| self.root.join(name))
    }

    /// The init layer of containers without an image, or with one that has no layers.
    pub(crate) fn init(&self) -> PathBuf {
        self.root.join(INIT)
    }

    pub(crate) fn fs(&self, number: u64) -> PathBuf {
        self.root.join(format!("{number}/fs"))
    }

    pub(crate) fn work(&self, number: u64) -> PathBuf {
        self.root.join(format!("{number}/work"))
    }

    /// A number that no snapshot has had.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a new snapshot's directories. Its root looks as that of the snapshot `like`, since
    /// overlay shows the topmost one.
    pub(crate) fn make(&self, number: u64, like: Option<u64>, writable: bool) -> io::Result<()> {
        let fs = self.fs(number);
        fs::create_dir(self.root.join(number.to_string()))?;
        fs::create_dir(&fs)?;
        match like {
            Some(like) => self.dress(number, like)?,
            None => fs::set_permissions(&fs, fs::Permissions::from_mode(ROOT_MODE))?,
        }
        if writable {
            fs::create_dir(self.work(number))?;
        }
        Ok(())
    }

    /// Makes a snapshot's root look as that of another one.
    pub(crate) fn dress(&self, number: u64, like: u64) -> io::Result<()> {
        let fs = self.fs(number);
        let (mode, uid, gid) = self.looks(like)?;
        if (uid, gid) != (0, 0) {
            chown(&fs, Some(uid), Some(gid))?;
        }
        fs::set_permissions(&fs, fs::Permissions::from_mode(mode))
    }

    fn looks(&self, number: u64) -> io::Result<(u32, u32, u32)> {
        let metadata = fs::metadata(self.fs(number))?;
        Ok((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()))
    }

    /// Opens the root of a snapshot.
    pub(crate) fn open_fs(&self, number: u64) -> io::Result<OwnedFd> {
        Ok(File::open(self.fs(number))?.into())
    }

    /// A writable snapshot becomes a layer: its scratch directory goes.
    pub(crate) fn seal(&self, number: u64) -> io::Result<()> {
        self.trash.take(&self.work(number), &format!("{number}-work"))
    }

    /// Waits until all that was deleted so far is gone.
    pub(crate) fn drained(&self) {
        self.trash.drained();
    }

    /// Deletes a snapshot: aside at once, gone in a while.
    pub(crate) fn discard(&self, number: u64) -> io::Result<()> {
        self.trash
            .take(&self.root.join(number.to_string()), &number.to_string())
    }
}

/// What is there stays untouched: containers may be running upon it.
fn make_init(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let opened = File::open(path)?;
    if init::is_filled(opened.as_fd())? {
        return Ok(());
    }
    Ok(init::fill(opened.as_fd())?)
}

/// The numbers that names in a directory begin with.
fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.split('-').next());
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// Whether a snapshot's directory is there.
pub(crate) fn exists(root: &Path, number: u64) -> bool {
    root.join(format!("{number}/fs")).is_dir()
}
