//! The directory of a store: names, lock and stamp (`docs/formats/store-log.md`, Files).

use std::io;
use std::sync::Arc;

use driver::{Dir, DirLock, File, LockError, Rng};

use crate::wire::block::FORMAT;
use crate::{OpenError, Revision};

const LOCK: &str = "lock";
const STAMP: &str = "format";
const STAMP_START: &str = "gantry store, format ";

pub(crate) fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.log")
}

pub(crate) fn checkpoint_name(revision: Revision) -> String {
    format!("{:016x}.ckpt", revision.0)
}

/// The number in a name, if it is a name of that kind.
fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// What is in a store's directory.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Sequences of segments, ascending.
    pub(crate) segments: Vec<u64>,
    /// Revisions of checkpoints, ascending.
    pub(crate) checkpoints: Vec<Revision>,
    unfinished: Vec<String>,
    stamped: bool,
}

impl Contents {
    pub(crate) fn list(dir: &dyn Dir) -> io::Result<Self> {
        let mut contents = Self::default();
        for name in dir.list()? {
            if let Some(sequence) = number(&name, ".log") {
                contents.segments.push(sequence);
            } else if let Some(revision) = number(&name, ".ckpt") {
                contents.checkpoints.push(Revision(revision));
            } else if name.ends_with(".tmp") {
                contents.unfinished.push(name);
            } else if name == STAMP {
                contents.stamped = true;
            }
        }
        Ok(contents)
    }

    /// Whether a store was completely created here.
    pub(crate) fn is_store(&self) -> bool {
        self.stamped
    }

    /// Whether a store may be created here: nothing but what an interrupted creation leaves.
    pub(crate) fn is_vacant(&self) -> bool {
        self.checkpoints.is_empty() && matches!(self.segments[..], [] | [1])
    }

    pub(crate) fn remove_unfinished(&self, dir: &dyn Dir) -> io::Result<()> {
        self.unfinished.iter().try_for_each(|name| dir.remove(name))
    }
}

pub(crate) fn lock(dir: &dyn Dir) -> Result<Box<dyn DirLock>, OpenError> {
    dir.lock(LOCK).map_err(|error| match error {
        LockError::Held { pid } => OpenError::Locked { pid },
        LockError::Io(error) => error.into(),
    })
}

/// Writes the stamp, the last step of a creation, and returns nothing but success.
pub(crate) fn write_stamp(dir: &dyn Dir, id: u128) -> io::Result<()> {
    let text = format!("{STAMP_START}{FORMAT}, id {id:032x}\n");
    let temporary = format!("{STAMP}.tmp");
    let file = dir.create(&temporary)?;
    file.write_at(text.as_bytes(), 0)?;
    publish(dir, &*file, &temporary, STAMP)
}

/// Reads the store's id off the stamp.
pub(crate) fn read_stamp(dir: &dyn Dir) -> Result<u128, OpenError> {
    let file = dir.open(STAMP)?;
    let mut text = [0; 128];
    let length = file.read_at(&mut text, 0)?;
    let corrupt = || OpenError::corrupt(STAMP, 0, "not a stamp");
    let text = std::str::from_utf8(&text[..length]).map_err(|_| corrupt())?;
    let rest = text
        .strip_prefix(STAMP_START)
        .and_then(|rest| rest.strip_suffix('\n'));
    let (format, rest) = rest.and_then(|rest| rest.split_once(',')).ok_or_else(corrupt)?;
    let found = format.parse().map_err(|_| corrupt())?;
    if found != u64::from(FORMAT) {
        return Err(OpenError::Version {
            found,
            known: FORMAT.into(),
        });
    }
    let id = rest
        .strip_prefix(" id ")
        .filter(|id| id.len() == 32)
        .ok_or_else(corrupt)?;
    u128::from_str_radix(id, 16).map_err(|_| corrupt())
}

pub(crate) fn new_id(rng: &mut Rng) -> u128 {
    u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
}

/// Gives a file its final name once its bytes are durable, and makes the name durable.
pub(crate) fn publish(dir: &dyn Dir, file: &dyn File, temporary: &str, name: &str) -> io::Result<()> {
    file.sync_data()?;
    dir.rename(temporary, name)?;
    dir.sync()
}

/// Creates a file under a temporary name that an earlier failure may have left in use.
pub(crate) fn create_afresh(dir: &dyn Dir, temporary: &str) -> io::Result<Arc<dyn File>> {
    match dir.create(temporary) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            dir.remove(temporary)?;
            dir.create(temporary)
        }
        other => other,
    }
}
