//! The content store: blobs by the digest of their bytes, in the form of an OCI layout.
//!
//! A blob is written under another name, hashed on the way, and gets its own only when it is
//! complete and is what it should be; so whatever has a digest for a name is that content. What
//! makes it survive a loss of power is the sync before the lease it was made under is kept.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::shared::Shared;
use crate::{Digest, Hasher};

/// What a blob that is being written is called in its ingest.
const BLOB: &str = "blob";

/// The directory of the content store.
#[derive(Debug)]
pub(crate) struct Content {
    root: PathBuf,
    blobs: PathBuf,
    ingest: PathBuf,
    next: AtomicU64,
    names: Shared,
    meter: Arc<Meter>,
}

/// Counts what is written, and tells now and then.
#[derive(Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    listener: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// How much is written between two looks at the disk.
const LOOK: u64 = 64 << 20;

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meter").field(&self.bytes).finish()
    }
}

impl Meter {
    fn count(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if before / LOOK != (before + bytes as u64) / LOOK
            && let Some(listener) = self.listener.get()
        {
            listener();
        }
    }
}

/// A place for what is not complete yet; it goes away with this value.
#[derive(Debug)]
pub(crate) struct Ingest {
    path: PathBuf,
}

/// A blob being written.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    place: Ingest,
    file: File,
    hasher: Hasher,
    meter: Arc<Meter>,
}

impl Content {
    /// Opens or makes the store, and clears what was being written when the last run ended.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let (blobs, ingest) = (root.join("blobs/sha256"), root.join("ingest"));
        sys::tree::remove(&ingest)?;
        fs::create_dir_all(&blobs)?;
        fs::create_dir_all(&ingest)?;
        Ok(Self {
            root,
            blobs,
            ingest,
            next: AtomicU64::new(0),
            names: Shared::default(),
            meter: Arc::default(),
        })
    }

    /// Has somebody told after every 64 MiB that were written. Only the first one hears it.
    pub(crate) fn listen(&self, listener: Box<dyn Fn() + Send + Sync>) {
        drop(self.meter.listener.set(listener));
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory to write in.
    pub(crate) fn ingest(&self) -> io::Result<Ingest> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.ingest.join(number.to_string());
        fs::create_dir(&path)?;
        Ok(Ingest { path })
    }

    /// A blob whose digest is not known yet.
    pub(crate) fn writer(&self) -> io::Result<BlobWriter> {
        let place = self.ingest()?;
        let file = File::create_new(place.path.join(BLOB))?;
        Ok(BlobWriter {
            place,
            file,
            hasher: Hasher::default(),
            meter: self.meter.clone(),
        })
    }

    /// Makes a complete file of an [`Ingest`] the blob `digest`. The caller has hashed it, and
    /// holds the claim on the blob. (The file keeps its first name while the ingest lasts: one file
    /// may be several layers of an image.)
    pub(crate) fn adopt(&self, file: &Path, digest: &Digest) -> io::Result<()> {
        match fs::hard_link(file, self.path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Opens a blob.
    pub(crate) fn open_blob(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.path(digest))
    }

    /// A blob that is known to be small.
    pub(crate) fn read(&self, digest: &Digest) -> io::Result<Bytes> {
        fs::read(self.path(digest)).map(Bytes::from)
    }

    /// Whether a blob is here.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Makes the names of blobs durable. Those who ask while one sync is under way share the next.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        self.names.run(|| File::open(&self.blobs)?.sync_all())
    }

    /// Deletes a blob. There being none is no error.
    pub(crate) fn remove(&self, digest: &Digest) -> io::Result<()> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// All blobs that are here.
    pub(crate) fn all(&self) -> io::Result<HashSet<Digest>> {
        let names = fs::read_dir(&self.blobs)?.map(|entry| Ok(named(&entry?)));
        names.filter_map(Result::transpose).collect()
    }

    /// The length of each blob that is here.
    pub(crate) fn sizes(&self) -> io::Result<HashMap<Digest, u64>> {
        let mut sizes = HashMap::new();
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            // One that has gone meanwhile has none.
            if let (Some(digest), Ok(metadata)) = (named(&entry), entry.metadata()) {
                sizes.insert(digest, metadata.len());
            }
        }
        Ok(sizes)
    }

    /// Deletes every blob but those that `keep` lets stay.
    pub(crate) fn sweep(&self, keep: impl Fn(&Digest) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            if !named(&entry).is_some_and(|digest| keep(&digest)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }
}

fn named(entry: &fs::DirEntry) -> Option<Digest> {
    Digest::from_hex(entry.file_name().to_str()?).ok()
}

impl Ingest {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if let Err(error) = sys::tree::remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "left to the next start");
        }
    }
}

/// A blob that is written and has no name yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) place: Ingest,
    pub(crate) file: File,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Written {
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path.join(BLOB)
    }
}

impl BlobWriter {
    /// The file so far, its digest and its size.
    pub(crate) fn finish(self) -> Written {
        Written {
            place: self.place,
            file: self.file,
            digest: self.hasher.digest(),
            size: self.hasher.size(),
        }
    }

    /// How many bytes have been written.
    pub(crate) const fn size(&self) -> u64 {
        self.hasher.size()
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.meter.count(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_blob_has_its_name_only_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        let mut writer = content.writer().unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(count(&content.blobs), 0);
        let written = writer.finish();
        let digest = written.digest;
        assert_eq!((digest, written.size), (Digest::of(b"abc"), 3));
        content.adopt(&written.path(), &digest).unwrap();
        drop(written);
        assert_eq!((count(&content.blobs), count(&content.ingest)), (1, 0));
        assert_eq!(
            io::read_to_string(content.open_blob(&digest).unwrap()).unwrap(),
            "abc"
        );
    }

    #[test]
    fn nothing_of_a_failed_write_stays() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        let mut writer = content.writer().unwrap();
        writer.write_all(b"abc").unwrap();
        drop(writer);
        assert_eq!((count(&content.blobs), count(&content.ingest)), (0, 0));
        std::mem::forget(content.writer().unwrap());
        assert_eq!(count(&content.ingest), 1);
        let content = Content::open(directory.path().to_owned()).unwrap();
        assert_eq!(count(&content.ingest), 0);
    }

    #[test]
    fn sweeping_leaves_what_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        for text in ["a", "b"] {
            fs::write(content.path(&Digest::of(text.as_bytes())), text).unwrap();
        }
        fs::write(content.blobs.join("stray"), "").unwrap();
        content.sweep(|digest| *digest == Digest::of(b"a")).unwrap();
        assert_eq!(count(&content.blobs), 1);
        content.remove(&Digest::of(b"a")).unwrap();
        content.remove(&Digest::of(b"a")).unwrap();
        assert_eq!(count(&content.blobs), 0);
    }
}
