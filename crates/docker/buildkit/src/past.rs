//! Builds that are over: rows in memory, and beside each a file with what it told, so that the history outlives the daemon.
//! Formats: `docs/formats/build-history.md`.
//!
//! A file is written when its build ends and is not synced: after a loss of power the last builds may be missing from the
//! history, and no build waits for a disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::Digest;
use prost::Message;

use crate::proto::control::{BuildHistoryRecord, StatusResponse};

/// The longest file that is read: what a build may tell is bounded below it.
const MAX_FILE: u64 = 64 << 20;
/// How a file begins.
const MAGIC: &[u8] = b"gantry build 1\n";

/// A build that is over.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) id: String,
    /// It is not for the history.
    pub(crate) internal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    record: BuildHistoryRecord,
    /// What it told, as long as that is not on the disk.
    told: Option<Vec<StatusResponse>>,
    forgotten: bool,
}

impl Past {
    pub(crate) fn new(record: BuildHistoryRecord, told: Vec<StatusResponse>, internal: bool) -> Self {
        Self {
            id: record.r#ref.clone(),
            internal,
            state: Mutex::new(State {
                record,
                told: Some(told),
                forgotten: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its row of the history.
    pub(crate) fn record(&self) -> BuildHistoryRecord {
        self.state().record.clone()
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.state().record.pinned
    }

    pub(crate) fn pin(&self, pinned: bool) {
        self.state().record.pinned = pinned;
    }
}

/// All that a build told.
#[derive(Clone, PartialEq, Message)]
struct Told {
    #[prost(message, repeated, tag = "1")]
    messages: Vec<StatusResponse>,
}

/// Where files of builds are. Without a directory there are none, and everything stays in memory.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Option<PathBuf>);

impl Shelf {
    /// Opens a directory and reads what is there, the oldest first. What is no build goes.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn open(directory: PathBuf) -> io::Result<(Self, Vec<Past>)> {
        fs::create_dir_all(&directory)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some() {
                // Somebody was cut off while he wrote it.
                fs::remove_file(&path)?;
                continue;
            }
            match read(&path) {
                Ok((record, _)) => found.push(Past {
                    id: record.r#ref.clone(),
                    internal: false,
                    state: Mutex::new(State {
                        record,
                        told: None,
                        forgotten: false,
                    }),
                }),
                Err(cause) => {
                    tracing::warn!(path = %path.display(), %cause, "a build of the history cannot be read");
                    fs::remove_file(&path)?;
                }
            }
        }
        found.sort_by_key(|past| {
            let ended = past.record().completed_at.unwrap_or_default();
            (ended.seconds, ended.nanos, past.id.clone())
        });
        Ok((Self(Some(directory)), found))
    }

    fn place(&self, id: &str) -> Option<PathBuf> {
        let directory = self.0.as_ref()?;
        Some(directory.join(Digest::of(id.as_bytes()).hex()))
    }

    /// Writes a build, unless it was forgotten meanwhile. One that cannot be written stays in memory.
    pub(crate) fn put(&self, past: &Past) {
        let Some(place) = self.place(&past.id).filter(|_| !past.internal) else {
            return;
        };
        let mut state = past.state();
        if state.forgotten {
            return;
        }
        let written = match &state.told {
            Some(told) => write(&place, &state.record, told.clone()),
            None => read(&place).and_then(|(_, told)| write(&place, &state.record, told)),
        };
        match written {
            Ok(()) => state.told = None,
            Err(cause) => tracing::warn!(build = past.id, %cause, "a build's history is not kept"),
        }
    }

    /// Removes a build's file. Nobody writes it again.
    pub(crate) fn remove(&self, past: &Past) {
        let mut state = past.state();
        state.forgotten = true;
        if let Some(place) = self.place(&past.id).filter(|_| !past.internal) {
            match fs::remove_file(place) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(build = past.id, %cause, "a build's history stays");
                }
                _ => {}
            }
        }
    }

    /// What a build told.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn told(&self, past: &Past) -> io::Result<Vec<StatusResponse>> {
        let state = past.state();
        match (&state.told, self.place(&past.id)) {
            (Some(told), _) => Ok(told.clone()),
            (None, Some(place)) => read(&place).map(|(_, told)| told),
            (None, None) => Ok(Vec::new()),
        }
    }
}

fn write(place: &Path, record: &BuildHistoryRecord, messages: Vec<StatusResponse>) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(record.encode_length_delimited_to_vec());
    Told { messages }.encode(&mut bytes).map_err(io::Error::other)?;
    bytes.extend(Digest::of(&bytes).hex().as_bytes());
    let new = place.with_extension("new");
    File::create(&new)?.write_all(&bytes)?;
    fs::rename(new, place)
}

fn read(place: &Path) -> io::Result<(BuildHistoryRecord, Vec<StatusResponse>)> {
    const HASH: usize = 64;
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    File::open(place)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    let (text, hash) = bytes
        .split_at_checked(bytes.len().saturating_sub(HASH))
        .ok_or_else(damaged)?;
    if Digest::of(text).hex().as_bytes() != hash {
        return Err(damaged());
    }
    let mut rest = text.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let record = BuildHistoryRecord::decode_length_delimited(&mut rest).map_err(io::Error::other)?;
    let told = Told::decode(rest).map_err(io::Error::other)?;
    Ok((record, told.messages))
}

/// What a shelf holds, and the shelf.
pub(crate) type Opened = (Arc<Shelf>, Vec<Arc<Past>>);

/// Opens a shelf, or begins without one.
pub(crate) fn open(directory: Option<PathBuf>) -> Opened {
    let opened = directory.map(Shelf::open).transpose();
    match opened {
        Ok(opened) => {
            let (shelf, found) = opened.unwrap_or_default();
            (shelf.into(), found.into_iter().map(Arc::new).collect())
        }
        Err(cause) => {
            tracing::warn!(%cause, "the history of builds is not kept");
            (Arc::default(), Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Timestamp;

    fn past(id: &str, seconds: i64) -> Past {
        let record = BuildHistoryRecord {
            r#ref: id.to_owned(),
            completed_at: Some(Timestamp { seconds, nanos: 0 }),
            ..BuildHistoryRecord::default()
        };
        Past::new(record, vec![StatusResponse::default(); 3], false)
    }

    #[test]
    fn builds_are_there_again_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("history");
        let (shelf, found) = Shelf::open(place.clone()).unwrap();
        assert!(found.is_empty());
        for (id, seconds) in [("b", 2), ("../a", 1), ("c", 3)] {
            shelf.put(&past(id, seconds));
        }
        let gone = past("c", 3);
        shelf.remove(&gone);
        shelf.put(&gone);
        fs::write(place.join("torn"), MAGIC).unwrap();
        fs::write(place.join("ab.new"), MAGIC).unwrap();
        let (shelf, found) = Shelf::open(place.clone()).unwrap();
        let ids: Vec<&str> = found.iter().map(|past| &*past.id).collect();
        assert_eq!(ids, ["../a", "b"]);
        assert_eq!(shelf.told(&found[1]).unwrap().len(), 3);
        found[1].pin(true);
        shelf.put(&found[1]);
        let (shelf, found) = Shelf::open(place).unwrap();
        assert!(found[1].is_pinned() && shelf.told(&found[1]).unwrap().len() == 3);
        assert_eq!(fs::read_dir(directory.path().join("history")).unwrap().count(), 2);
    }
}
