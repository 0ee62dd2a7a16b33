//! Builds that are over: rows in memory, and beside each a file with what it told, so that the history outlives the daemon.
//! Formats: `docs/formats/build-history.md`.
//!
//! A file is written and synced when its build ends, before the client hears that it did, as upstream has it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use image::Digest;
use prost::Message;

use crate::attachments::{self, Attachment};
use crate::proto::control::{BuildHistoryRecord, Descriptor, StatusResponse};

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
    /// What it told and what else it left, as long as that is not on the disk.
    kept: Option<Kept>,
    forgotten: bool,
}

impl Past {
    pub(crate) fn new(record: BuildHistoryRecord, kept: Kept, internal: bool) -> Self {
        Self {
            id: record.r#ref.clone(),
            internal,
            state: Mutex::new(State {
                record,
                kept: Some(kept),
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

/// All that a build told, and the documents that its row names.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Kept {
    #[prost(message, repeated, tag = "1")]
    pub(crate) messages: Vec<StatusResponse>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) documents: Vec<Attachment>,
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
                        kept: None,
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
        let written = match &state.kept {
            Some(kept) => write(&place, &state.record, kept),
            None => read(&place).and_then(|(_, kept)| write(&place, &state.record, &kept)),
        };
        match written {
            Ok(()) => state.kept = None,
            Err(cause) => tracing::warn!(build = past.id, %cause, "a build's history is not kept"),
        }
    }

    /// Gives a build another trace; the row says it, and so does the file.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn trace(
        &self,
        past: &Past,
        make: impl FnOnce(&BuildHistoryRecord, &[StatusResponse]) -> (Descriptor, Attachment),
    ) -> io::Result<()> {
        let mut kept = self.kept(past)?;
        {
            let mut state = past.state();
            let (descriptor, document) = make(&state.record, &kept.messages);
            let before = state.record.trace.replace(descriptor);
            kept.documents
                .retain(|known| before.as_ref().is_none_or(|before| before.digest != known.digest));
            kept.documents.push(document);
            state.kept = Some(kept);
        }
        self.put(past);
        Ok(())
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
        Ok(self.kept(past)?.messages)
    }

    /// A document that a build's row names, if it was kept.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn document(&self, past: &Past, digest: &str) -> io::Result<Option<Bytes>> {
        let kept = self.kept(past)?;
        let logs = past.record().logs;
        if logs.is_some_and(|logs| logs.digest == digest) {
            return Ok(Some(attachments::logs(&kept.messages)));
        }
        let mut documents = kept.documents.into_iter();
        let found = documents.find(|document| document.digest == digest);
        Ok(found.map(|document| document.data))
    }

    fn kept(&self, past: &Past) -> io::Result<Kept> {
        let state = past.state();
        match (&state.kept, self.place(&past.id)) {
            (Some(kept), _) => Ok(kept.clone()),
            (None, Some(place)) => read(&place).map(|(_, kept)| kept),
            (None, None) => Ok(Kept::default()),
        }
    }
}

fn write(place: &Path, record: &BuildHistoryRecord, kept: &Kept) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(record.encode_length_delimited_to_vec());
    kept.encode(&mut bytes).map_err(io::Error::other)?;
    bytes.extend(Digest::of(&bytes).hex().as_bytes());
    let new = place.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    fs::rename(new, place)?;
    place
        .parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn read(place: &Path) -> io::Result<(BuildHistoryRecord, Kept)> {
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
    let kept = Kept::decode(rest).map_err(io::Error::other)?;
    Ok((record, kept))
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
        let data = Bytes::from(format!("document of {id}"));
        let kept = Kept {
            messages: vec![StatusResponse::default(); 3],
            documents: vec![Attachment {
                digest: Digest::of(&data).to_string(),
                data,
            }],
        };
        Past::new(record, kept, false)
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
        let document = Digest::of(b"document of b").to_string();
        let found_document = |past| shelf.document(past, &document).unwrap();
        assert_eq!(found_document(&found[0]), None);
        assert_eq!(&found_document(&found[1]).unwrap()[..], b"document of b");
        let trace = attachments::descriptor("m", b"trace");
        let (named, digest) = (trace.clone(), trace.digest.clone());
        let data = Bytes::from_static(b"trace");
        let attachment = Attachment { digest, data };
        shelf
            .trace(&found[1], |_, messages| {
                assert_eq!(messages.len(), 3);
                (named, attachment)
            })
            .unwrap();
        assert!(
            shelf.document(&found[1], &trace.digest).unwrap().is_some()
                && found_document(&found[1]).is_some()
        );
        found[1].pin(true);
        shelf.put(&found[1]);
        let (shelf, found) = Shelf::open(place).unwrap();
        assert!(found[1].is_pinned() && shelf.told(&found[1]).unwrap().len() == 3);
        assert_eq!(fs::read_dir(directory.path().join("history")).unwrap().count(), 2);
    }
}
