//! The content store: blobs by the digest of their bytes, in the form of an OCI layout.
//!
//! A blob is written under another name, hashed on the way, and gets its own only when it is
//! complete and is what it should be; so whatever has a digest for a name is that content. What
//! makes it survive a loss of power is the sync before the lease it was made under is kept.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::shared::Shared;
use crate::{Digest, DigestAlgorithm, Hasher};

/// What a blob that may outlive this process is called in its directory.
const BLOB: &str = "blob";
/// Beside it, what whoever writes it wants to know again.
const NOTE: &str = "note";

/// The directory of the content store.
#[derive(Debug)]
pub(crate) struct Content {
    root: PathBuf,
    /// Of digests by SHA-256, and by SHA-512.
    blobs: [Blobs; 2],
    ingest: PathBuf,
    /// What is being written and may outlive this process, by names of others.
    uploads: PathBuf,
    /// What had come of blobs before it broke off; cleared when the store is opened.
    beginnings: PathBuf,
    next: AtomicU64,
    meter: Arc<Meter>,
}

/// The blobs whose digests are made by one algorithm.
#[derive(Debug)]
struct Blobs {
    algorithm: DigestAlgorithm,
    path: PathBuf,
    names: Shared,
}

/// How deep anything lies that is on its way in: a directory of its own, and files in it.
const DEEPEST: usize = 2;

/// Bytes of the files below a directory. What goes meanwhile counts nothing.
fn below(directory: &Path, deepest: usize) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(found) if found.is_dir() && deepest > 0 => below(&entry.path(), deepest - 1).unwrap_or(0),
            _ => 0,
        };
    }
    Ok(bytes)
}

/// Counts what is written, and tells now and then.
#[derive(Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    listener: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Beginnings of blobs that are kept for who asks for the blob again: no more than so many, and none that is smaller.
const BEGINNINGS: usize = 8;
/// See [`BEGINNINGS`].
const LEAST: u64 = 1 << 20;

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

/// A place for what is not complete yet, a file or a directory; it goes away with this value.
#[derive(Debug)]
pub(crate) struct Ingest {
    path: PathBuf,
    /// Whether it stays all the same.
    stays: bool,
}

/// A blob being written.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    place: Ingest,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    /// Bytes of an earlier process that are yet to be hashed. Everything else is hashed as it is written.
    unread: u64,
    meter: Arc<Meter>,
}

/// A blob that an earlier process has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) name: String,
    pub(crate) note: Vec<u8>,
    pub(crate) written: SystemTime,
}

impl Content {
    /// Opens or makes the store, and clears what was being written when the last run ended.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let blobs = DigestAlgorithm::ALL.map(|algorithm| Blobs {
            algorithm,
            path: root.join("blobs").join(algorithm.name()),
            names: Shared::default(),
        });
        fs::create_dir_all(&root)?;
        // What one user may pull is not every user's to read.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))?;
        let ingest = root.join("ingest");
        sys::tree::remove(&ingest)?;
        for each in &blobs {
            fs::create_dir_all(&each.path)?;
        }
        let uploads = root.join("uploads");
        fs::create_dir_all(&ingest)?;
        let beginnings = root.join("beginnings");
        sys::tree::remove(&beginnings)?;
        fs::create_dir_all(&uploads)?;
        fs::create_dir_all(&beginnings)?;
        Ok(Self {
            root,
            blobs,
            ingest,
            uploads,
            beginnings,
            next: AtomicU64::new(0),
            meter: Arc::default(),
        })
    }

    /// Has somebody told after every 64 MiB that were written. Only the first one hears it.
    pub(crate) fn listen(&self, listener: Box<dyn Fn() + Send + Sync>) {
        drop(self.meter.listener.set(listener));
    }

    /// How many bytes the disk has room for.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory to write in.
    pub(crate) fn ingest(&self) -> io::Result<Ingest> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.ingest.join(number.to_string());
        fs::create_dir(&path)?;
        Ok(Ingest { path, stays: false })
    }

    /// A blob whose digest is not known yet, but how it is made.
    pub(crate) fn writer(&self, algorithm: DigestAlgorithm) -> io::Result<BlobWriter> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.ingest.join(number.to_string());
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(BlobWriter {
            place: Ingest {
                path: path.clone(),
                stays: false,
            },
            path,
            file,
            hasher: Hasher::new(algorithm),
            unread: 0,
            meter: self.meter.clone(),
        })
    }

    /// As [`Self::writer`]; a later process finds it by its name, a file name, with a note.
    pub(crate) fn lasting(
        &self,
        name: &str,
        note: &[u8],
        algorithm: DigestAlgorithm,
    ) -> io::Result<BlobWriter> {
        let place = Ingest {
            path: self.uploads.join(name),
            stays: false,
        };
        fs::create_dir(&place.path)?;
        fs::write(place.path.join(NOTE), note)?;
        let path = place.path.join(BLOB);
        Ok(BlobWriter {
            file: File::create_new(&path)?,
            path,
            place,
            hasher: Hasher::new(algorithm),
            unread: 0,
            meter: self.meter.clone(),
        })
    }

    /// Bytes of what is on its way in, by the directory in which it lies; those with nothing are left out.
    pub(crate) fn unfinished(&self) -> io::Result<Vec<(&'static str, u64)>> {
        let places = [
            ("uploads", &self.uploads),
            ("ingest", &self.ingest),
            ("beginnings", &self.beginnings),
        ];
        let mut found = Vec::new();
        for (name, path) in places {
            let bytes = below(path, DEEPEST)?;
            found.extend((bytes > 0).then_some((name, bytes)));
        }
        Ok(found)
    }

    /// What earlier processes have begun and not ended. Halves of a beginning are cleared.
    pub(crate) fn begun(&self) -> io::Result<Vec<Begun>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.uploads)? {
            let path = entry?.path();
            let read = || -> io::Result<Begun> {
                let name = path.file_name().and_then(|name| name.to_str());
                Ok(Begun {
                    name: name.ok_or(io::ErrorKind::InvalidData)?.to_owned(),
                    note: fs::read(path.join(NOTE))?,
                    written: fs::symlink_metadata(path.join(BLOB))?.modified()?,
                })
            };
            match read() {
                Ok(begun) => all.push(begun),
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "no upload: it is cleared");
                    sys::tree::remove(&path)?;
                }
            }
        }
        Ok(all)
    }

    /// Goes on with a blob that was begun. It is hashed when something is done with it.
    pub(crate) fn resume(&self, name: &str, algorithm: DigestAlgorithm) -> io::Result<BlobWriter> {
        let place = Ingest {
            path: self.uploads.join(name),
            stays: false,
        };
        let path = place.path.join(BLOB);
        let mut file = File::options().read(true).write(true).open(&path)?;
        let unread = file.seek(SeekFrom::End(0))?;
        Ok(BlobWriter {
            place,
            path,
            file,
            hasher: Hasher::new(algorithm),
            unread,
            meter: self.meter.clone(),
        })
    }

    /// Keeps what has come of a blob for who asks for it again in this process, if it is worth it. The one that was kept
    /// first makes room.
    pub(crate) fn keep_beginning(&self, digest: &Digest, writer: &BlobWriter) -> io::Result<()> {
        if writer.size() < LEAST {
            return Ok(());
        }
        fs::rename(&writer.path, self.beginnings.join(digest.hex()))?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.beginnings)? {
            let entry = entry?;
            // One that somebody has taken meanwhile is none.
            let written = entry.metadata().and_then(|file| file.modified());
            kept.extend(written.map(|time| (time, entry.path())));
        }
        kept.sort();
        let over = kept.len().saturating_sub(BEGINNINGS);
        for (_, path) in &kept[..over] {
            drop(fs::remove_file(path));
        }
        Ok(())
    }

    /// Takes what is kept of a blob.
    pub(crate) fn take_beginning(&self, digest: &Digest) -> io::Result<Option<(Ingest, File)>> {
        let kept = self.beginnings.join(digest.hex());
        if !kept.exists() {
            return Ok(None);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.ingest.join(number.to_string());
        let place = Ingest {
            path: path.clone(),
            stays: false,
        };
        match fs::rename(kept, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.and_then(|()| Ok(Some((place, File::open(path)?)))),
        }
    }

    /// Drops all that is kept so.
    pub(crate) fn drop_beginnings(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.beginnings)? {
            match fs::remove_file(entry?.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Clears what was begun.
    pub(crate) fn forget(&self, name: &str) -> io::Result<()> {
        sys::tree::remove(&self.uploads.join(name))
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

    /// As [`Self::adopt`], of a file that nobody else has: it loses its first name.
    pub(crate) fn keep(&self, written: &Written) -> io::Result<()> {
        let to = self.path(&written.digest);
        match renameat_with(CWD, &written.path, CWD, to, RenameFlags::NOREPLACE) {
            // What is here may be durable already, and is the same.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            // Not every file system can do it.
            Err(Errno::INVAL) => self.adopt(&written.path, &written.digest),
            Err(error) => Err(error.into()),
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

    /// Makes a blob durable, its bytes and its name.
    pub(crate) fn sync(&self, digest: &Digest) -> io::Result<()> {
        self.open_blob(digest)?.sync_data()?;
        self.sync_name(digest)
    }

    /// Whether what is called so is that content; all of it is read.
    pub(crate) fn is_sound(&self, digest: &Digest) -> io::Result<bool> {
        Ok(digest_of(&self.path(digest), digest.algorithm())? == *digest)
    }

    /// Makes the name of a blob durable. Those who ask while one sync is under way share the next.
    pub(crate) fn sync_name(&self, digest: &Digest) -> io::Result<()> {
        let blobs = self.blobs(digest);
        blobs.names.run(|| File::open(&blobs.path)?.sync_all())
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
        let mut all = HashSet::new();
        for blobs in &self.blobs {
            for entry in fs::read_dir(&blobs.path)? {
                all.extend(blobs.named(&entry?));
            }
        }
        Ok(all)
    }

    /// The length of each blob that is here.
    pub(crate) fn sizes(&self) -> io::Result<HashMap<Digest, u64>> {
        let mut sizes = HashMap::new();
        for blobs in &self.blobs {
            for entry in fs::read_dir(&blobs.path)? {
                let entry = entry?;
                // One that has gone meanwhile has none.
                if let (Some(digest), Ok(metadata)) = (blobs.named(&entry), entry.metadata()) {
                    sizes.insert(digest, metadata.len());
                }
            }
        }
        Ok(sizes)
    }

    /// Deletes every blob but those that `keep` lets stay.
    pub(crate) fn sweep(&self, keep: impl Fn(&Digest) -> bool) -> io::Result<()> {
        for blobs in &self.blobs {
            for entry in fs::read_dir(&blobs.path)? {
                let entry = entry?;
                if !blobs.named(&entry).is_some_and(|digest| keep(&digest)) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest).path.join(digest.hex())
    }

    const fn blobs(&self, digest: &Digest) -> &Blobs {
        let [sha256, sha512] = &self.blobs;
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => sha256,
            DigestAlgorithm::Sha512 => sha512,
        }
    }
}

impl Blobs {
    fn named(&self, entry: &fs::DirEntry) -> Option<Digest> {
        let digest = Digest::from_hex(entry.file_name().to_str()?).ok()?;
        (digest.algorithm() == self.algorithm).then_some(digest)
    }
}

impl Ingest {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = sys::tree::remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "left to the next start");
        }
    }
}

/// The digest of a whole file.
pub(crate) fn digest_of(file: &Path, algorithm: DigestAlgorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    hash(&mut File::open(file)?, &mut hasher)?;
    Ok(hasher.digest())
}

/// Hashes what is left of a file.
pub(crate) fn hash(file: &mut File, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A blob that is written and has no name yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) place: Ingest,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Written {
    /// A file that somebody else has written.
    pub(crate) fn of(place: Ingest, path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let mut hasher = Hasher::default();
        hash(&mut file, &mut hasher)?;
        let (digest, size) = (hasher.digest(), hasher.size());
        Ok(Self {
            place,
            path,
            file,
            digest,
            size,
        })
    }

    /// Calls it by a digest of another algorithm, for which all of it is read once more.
    pub(crate) fn rename(&mut self, algorithm: DigestAlgorithm) -> io::Result<()> {
        if self.digest.algorithm() != algorithm {
            self.digest = digest_of(&self.path, algorithm)?;
        }
        Ok(())
    }
}

impl BlobWriter {
    /// Hashes what an earlier process has written; nothing where that is done.
    pub(crate) fn catch_up(&mut self) -> io::Result<()> {
        if self.unread > 0 {
            // Nothing has been hashed yet, and nothing is half hashed should this fail.
            let mut hasher = self.hasher.clone();
            self.file.rewind()?;
            hash(&mut self.file, &mut hasher)?;
            (self.hasher, self.unread) = (hasher, 0);
        }
        Ok(())
    }

    /// Lets it stay for a later process.
    pub(crate) fn leave(&mut self) {
        self.place.stays = true;
    }

    /// The file so far, its digest and its size. The caller has caught up with what an earlier process wrote.
    pub(crate) fn finish(self) -> Written {
        Written {
            place: self.place,
            path: self.path,
            file: self.file,
            digest: self.hasher.digest(),
            size: self.hasher.size(),
        }
    }

    /// The digest of what has been written. The caller has caught up, as for [`Self::finish`].
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// How many bytes have been written.
    pub(crate) const fn size(&self) -> u64 {
        if self.unread > 0 {
            self.unread
        } else {
            self.hasher.size()
        }
    }

    /// The file, for others to read what has come.
    pub(crate) fn file(&self) -> io::Result<File> {
        File::open(&self.path)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.catch_up()?;
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
    fn nobody_else_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("content");
        // As an earlier release has left it.
        fs::create_dir(&root).unwrap();
        Content::open(root.clone()).unwrap();
        assert_eq!(fs::metadata(root).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_blob_has_its_name_only_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        let mut writer = content.writer(DigestAlgorithm::default()).unwrap();
        writer.write_all(b"abc").unwrap();
        assert_eq!(count(&content.blobs[0].path), 0);
        let written = writer.finish();
        let digest = written.digest;
        assert_eq!((digest, written.size), (Digest::of(b"abc"), 3));
        content.keep(&written).unwrap();
        drop(written);
        assert_eq!((count(&content.blobs[0].path), count(&content.ingest)), (1, 0));
        assert_eq!(
            io::read_to_string(content.open_blob(&digest).unwrap()).unwrap(),
            "abc"
        );
    }

    #[test]
    fn a_blob_may_be_called_by_another_algorithm_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        for (first, then) in [
            (DigestAlgorithm::Sha256, DigestAlgorithm::Sha512),
            (DigestAlgorithm::Sha512, DigestAlgorithm::Sha256),
            (DigestAlgorithm::Sha512, DigestAlgorithm::Sha512),
        ] {
            let mut writer = content.writer(first).unwrap();
            writer.write_all(b"abc").unwrap();
            let mut written = writer.finish();
            assert_eq!(written.digest, Digest::by(first, b"abc"));
            written.rename(then).unwrap();
            assert_eq!(written.digest, Digest::by(then, b"abc"));
            content.adopt(&written.path, &written.digest).unwrap();
            assert!(content.has(&Digest::by(then, b"abc")));
        }
        assert_eq!(content.all().unwrap().len(), 2);
        // What lies in the other's directory is nobody's.
        let stray = content.blobs[0]
            .path
            .join(Digest::by(DigestAlgorithm::Sha512, b"x").hex());
        fs::write(stray, "x").unwrap();
        assert_eq!(content.all().unwrap().len(), 2);
        content.sweep(|_| true).unwrap();
        assert_eq!(
            (count(&content.blobs[0].path), count(&content.blobs[1].path)),
            (1, 1)
        );
    }

    #[test]
    fn nothing_of_a_failed_write_stays() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        let mut writer = content.writer(DigestAlgorithm::default()).unwrap();
        writer.write_all(b"abc").unwrap();
        drop(writer);
        assert_eq!((count(&content.blobs[0].path), count(&content.ingest)), (0, 0));
        std::mem::forget(content.writer(DigestAlgorithm::default()).unwrap());
        assert_eq!(count(&content.ingest), 1);
        let content = Content::open(directory.path().to_owned()).unwrap();
        assert_eq!(count(&content.ingest), 0);
    }

    #[test]
    fn what_may_last_is_found_again_with_all_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Content::open(directory.path().to_owned()).unwrap();
        for algorithm in DigestAlgorithm::ALL {
            let content = open();
            let mut writer = content.lasting("one", b"mine", algorithm).unwrap();
            writer.write_all(b"ab").unwrap();
            // As the process dies.
            std::mem::forget(writer);
            // Cut off in its beginning.
            fs::create_dir(content.uploads.join("half")).unwrap();
            let content = open();
            let begun = content.begun().unwrap();
            let found: Vec<_> = begun.iter().map(|one| (&*one.name, &*one.note)).collect();
            assert_eq!(found, [("one", &b"mine"[..])]);
            assert_eq!(count(&content.uploads), 1, "the half of a beginning is cleared");
            // Resumed twice, since a process may die again before a byte has come.
            let mut writer = content.resume("one", algorithm).unwrap();
            assert_eq!(writer.size(), 2);
            writer.leave();
            drop(writer);
            let mut writer = content.resume("one", algorithm).unwrap();
            writer.write_all(b"c").unwrap();
            assert_eq!(writer.size(), 3);
            let written = writer.finish();
            assert_eq!((written.digest, written.size), (Digest::by(algorithm, b"abc"), 3));
            drop(written);
            assert_eq!(count(&content.uploads), 0);
        }
    }

    #[test]
    fn so_many_beginnings_are_kept_and_each_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        let keep = |name: usize, bytes: u64| {
            let mut writer = content.writer(DigestAlgorithm::default()).unwrap();
            let piece = vec![0; usize::try_from(bytes).unwrap()];
            writer.write_all(&piece).unwrap();
            content
                .keep_beginning(&Digest::of(&name.to_le_bytes()), &writer)
                .unwrap();
        };
        keep(0, LEAST - 1);
        assert_eq!(count(&content.beginnings), 0, "too little");
        (1..=BEGINNINGS + 3).for_each(|name| keep(name, LEAST));
        assert_eq!(
            (count(&content.beginnings), count(&content.ingest)),
            (BEGINNINGS, 0)
        );
        let names = (1..=BEGINNINGS + 3).map(|name| Digest::of(&name.to_le_bytes()));
        let taken = names
            .clone()
            .filter(|name| content.take_beginning(name).unwrap().is_some());
        assert_eq!(taken.count(), BEGINNINGS);
        assert!(
            names
                .clone()
                .all(|name| content.take_beginning(&name).unwrap().is_none())
        );
        keep(1, LEAST);
        content.drop_beginnings().unwrap();
        keep(2, LEAST);
        let content = Content::open(directory.path().to_owned()).unwrap();
        assert_eq!(count(&content.beginnings), 0, "no process has another's");
    }

    #[test]
    fn sweeping_leaves_what_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let content = Content::open(directory.path().to_owned()).unwrap();
        for text in ["a", "b"] {
            fs::write(content.path(&Digest::of(text.as_bytes())), text).unwrap();
        }
        fs::write(content.blobs[0].path.join("stray"), "").unwrap();
        content.sweep(|digest| *digest == Digest::of(b"a")).unwrap();
        assert_eq!(count(&content.blobs[0].path), 1);
        content.remove(&Digest::of(b"a")).unwrap();
        content.remove(&Digest::of(b"a")).unwrap();
        assert_eq!(count(&content.blobs[0].path), 0);
    }
}
