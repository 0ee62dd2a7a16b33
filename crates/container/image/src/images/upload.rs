//! Blobs of our own registry's repositories: uploads, mounts, links.
//!
//! A blob lies in the store once; that a repository has it is a row. The row is written when the blob is durable.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use store::Durability;

use super::repository::named;
use super::{Blob, Images};
use crate::content::{BlobWriter, Written};
use crate::inner::Inner;
use crate::rows::{LinkName, LinkRow};
use crate::{Digest, DigestAlgorithm, Error, claims};

/// A blob being uploaded. It may be handed from request to request; dropped, it leaves nothing.
pub struct BlobUpload {
    inner: Arc<Inner>,
    algorithm: DigestAlgorithm,
    /// The name and the note by which a later process finds it.
    lasting: Option<(String, Vec<u8>)>,
    /// Nothing lies on the disk before the first byte: most uploads come in one piece, and need no place that lasts.
    writer: Option<BlobWriter>,
}

impl fmt::Debug for BlobUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("BlobUpload");
        shown
            .field("lasting", &self.lasting)
            .field("writer", &self.writer);
        shown.finish_non_exhaustive()
    }
}

impl BlobUpload {
    /// Takes in the next bytes.
    ///
    /// # Errors
    /// The disk's. What came before may be incomplete then, so the upload has to begin again.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.writer().and_then(|writer| writer.write_all(bytes));
        written.map_err(Error::io("write a blob"))
    }

    fn writer(&mut self) -> io::Result<&mut BlobWriter> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            empty => {
                let (content, algorithm) = (&self.inner.content, self.algorithm);
                let writer = match &self.lasting {
                    Some((name, note)) => content.lasting(name, note, algorithm),
                    None => content.writer(algorithm),
                };
                Ok(empty.insert(writer?))
            }
        }
    }

    fn end(mut self) -> io::Result<Written> {
        self.writer()?.catch_up()?;
        let writer = self.writer.take().ok_or(io::ErrorKind::NotFound)?;
        Ok(writer.finish())
    }

    /// Says that what comes next is all the rest: if nothing has come before, nothing survives this process either.
    pub fn ends(&mut self) {
        self.lasting = None;
    }

    /// How many bytes have come.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.writer.as_ref().map_or(0, BlobWriter::size)
    }

    /// Lets one with a name stay, for a later process to go on with, if anything of it has come.
    pub fn leave(self) {
        if let Some(mut writer) = self.writer {
            writer.leave();
        }
    }

    /// What has come, to be read while more comes.
    ///
    /// # Errors
    /// The disk's.
    pub fn reader(&mut self) -> Result<File, Error> {
        let file = self.writer().and_then(|writer| writer.file());
        file.map_err(Error::io("read a blob"))
    }
}

/// An upload with a name that an earlier process has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftUpload {
    /// Its name.
    pub name: String,
    /// What was noted of it.
    pub note: Vec<u8>,
    /// When bytes came last.
    pub written: SystemTime,
}

impl Images {
    /// Begins an upload of a blob whose digest is likely made by `algorithm`. Nothing of it survives this process.
    #[must_use]
    pub fn begin_blob(&self, algorithm: DigestAlgorithm) -> BlobUpload {
        self.upload(algorithm, None, None)
    }

    fn upload(
        &self,
        algorithm: DigestAlgorithm,
        lasting: Option<(String, Vec<u8>)>,
        writer: Option<BlobWriter>,
    ) -> BlobUpload {
        BlobUpload {
            inner: self.inner.clone(),
            algorithm,
            lasting,
            writer,
        }
    }

    /// As [`Self::begin_blob`]. It has a name, which is good as a file's, and survives this process with a note, once bytes
    /// have come: the death of it, not a loss of power.
    #[must_use]
    pub fn begin_lasting_blob(&self, name: &str, note: &[u8], algorithm: DigestAlgorithm) -> BlobUpload {
        self.upload(algorithm, Some((name.to_owned(), note.to_owned())), None)
    }

    /// Uploads with names that earlier processes have left.
    ///
    /// # Errors
    /// The disk's.
    pub fn left_blobs(&self) -> Result<Vec<LeftUpload>, Error> {
        let begun = self.inner.content.begun();
        let begun = begun.map_err(Error::io("read the uploads"))?.into_iter();
        let left = begun.map(|begun| LeftUpload {
            name: begun.name,
            note: begun.note,
            written: begun.written,
        });
        Ok(left.collect())
    }

    /// Goes on with an upload that was left.
    ///
    /// # Errors
    /// The disk's.
    pub fn resume_blob(&self, name: &str, algorithm: DigestAlgorithm) -> Result<BlobUpload, Error> {
        let writer = self.inner.content.resume(name, algorithm);
        let writer = writer.map_err(Error::io("read a blob"))?;
        Ok(self.upload(algorithm, None, Some(writer)))
    }

    /// Clears an upload that was left.
    ///
    /// # Errors
    /// The disk's.
    pub fn drop_left_blob(&self, name: &str) -> Result<(), Error> {
        let forgotten = self.inner.content.forget(name);
        forgotten.map_err(Error::io("clear an upload"))
    }

    /// Ends an upload: what came is the blob `digest` of the repository; answers its size. It survives the death of this
    /// process when this returns, and a loss of power once it is settled ([`Self::settle_blob`]), which a manifest that names
    /// it waits for.
    ///
    /// # Errors
    /// [`Error::WrongDigest`]; the disk's or the store's.
    pub fn finish_blob(&self, upload: BlobUpload, digest: &Digest, repository: &str) -> Result<u64, Error> {
        let mut written = upload.end().map_err(Error::io("read a blob"))?;
        let renamed = written.rename(digest.algorithm());
        renamed.map_err(Error::io("read a blob"))?;
        if written.digest != *digest {
            return Err(Error::WrongDigest {
                expected: *digest,
                actual: written.digest,
            });
        }
        let linked = {
            let _claim = self.inner.claims.take([claims::blob(digest)]);
            let kept = self.inner.content.keep(&written);
            kept.map_err(Error::io("keep a blob"))
                .and_then(|()| self.inner.link_unsettled(repository, digest, written.size))
        };
        if linked.is_err() {
            drop(self.inner.discard_blob(digest));
        }
        linked.map(|()| written.size)
    }

    /// Links a blob of one repository to another, durably; false if the first one does not have it.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> Result<bool, Error> {
        match self.blob_in(from, digest)? {
            None => Ok(false),
            // A configuration that is kept with its image is no blob yet.
            Some(Blob::Bytes(bytes)) => {
                let mut upload = self.begin_blob(digest.algorithm());
                upload.append(&bytes)?;
                self.finish_blob(upload, digest, to).map(|_| true)
            }
            Some(Blob::File(..)) => {
                let lease = self.inner.own_lease("mount")?;
                if !lease.hold_blob(digest) {
                    return Ok(false);
                }
                let _claim = self.inner.claims.take([claims::blob(digest)]);
                self.inner.link(to, digest).map(|()| true)
            }
        }
    }

    /// A blob of a repository: one that was uploaded or mounted there, or that a manifest or an image with a
    /// name there has.
    ///
    /// # Errors
    /// The disk's; [`Error::Reference`] about the name.
    pub fn blob_in(&self, repository: &str, digest: &Digest) -> Result<Option<Blob>, Error> {
        let named = named(repository)?;
        let second = self.inner.now().as_second();
        let there = {
            let table = self.inner.read();
            table.touch_link(repository, digest, second) || table.has_blob_in(&named, digest)
        };
        if there { self.open_blob(digest) } else { Ok(None) }
    }

    /// Takes the link of a blob to a repository away, durably; false if there is none. Manifests keep the blobs
    /// that they name.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn unlink_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        let inner = &self.inner;
        let claim = inner.claims.take([claims::blob(digest)]);
        let freed = inner.write().remove_link(repository, digest);
        let Some(freed) = freed else { return Ok(false) };
        inner.unlink(repository, digest, Durability::Durable)?;
        drop(claim);
        inner.discard(freed);
        Ok(true)
    }

    /// Takes a blob out of a repository of our registry, durably; false if it does not have it. Nobody has it from there any
    /// more, be it that manifests there name it, until it is uploaded or mounted there again or docker pushes what it belongs to.
    /// Whatever names it keeps its bytes: docker's images are not the registry's to break.
    ///
    /// # Errors
    /// The disk's or the store's; [`Error::Reference`] about the name.
    pub fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        let named = named(repository)?;
        let inner = &self.inner;
        let claim = inner.claims.take([claims::blob(digest)]);
        let is_named = inner.read().has_blob_in(&named, digest);
        if is_named {
            let row = LinkRow::deleted(inner.now());
            let name = LinkName {
                repository: repository.to_owned(),
                digest: *digest,
            };
            inner.rows.put(&name, &row, Durability::Durable)?;
            let freed = {
                let mut table = inner.write();
                table.set_deleted(repository, digest, true);
                table.remove_link(repository, digest)
            };
            drop(claim);
            freed.into_iter().for_each(|freed| inner.discard(freed));
            return Ok(true);
        }
        drop(claim);
        self.unlink_blob(repository, digest)
    }

    /// A blob, wherever it belongs. Hold a [`crate::Lease`] on what needs it.
    ///
    /// # Errors
    /// The disk's.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<Blob>, Error> {
        let opened = match self.inner.content.open_blob(digest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(self
                    .get(digest)
                    .map(|image| Blob::Bytes(image.config_bytes.clone())));
            }
            other => other.and_then(|file| Ok((file.metadata()?.len(), file))),
        };
        let (size, file) = opened.map_err(Error::io("open a blob"))?;
        Ok(Some(Blob::File(file, size)))
    }
}

impl Inner {
    /// Notes that a repository has a blob, which is in its place; the caller has its claim. All of it is durable
    /// when this returns: the blob's bytes, its name, the row.
    pub(super) fn link(&self, repository: &str, digest: &Digest) -> Result<(), Error> {
        named(repository)?;
        let now = self.now();
        if self.read().touch_link(repository, digest, now.as_second()) {
            return Ok(());
        }
        let synced = self.content.sync(digest);
        synced.map_err(Error::io("make a blob durable"))?;
        let name = LinkName {
            repository: repository.to_owned(),
            digest: *digest,
        };
        self.rows.put(&name, &LinkRow::new(now), Durability::Durable)?;
        self.write().add_link(repository, *digest, now.as_second());
        Ok(())
    }

    /// A blob may be had from a repository again, if what is there names it.
    pub(super) fn undelete(&self, repository: &str, digest: &Digest) -> Result<(), Error> {
        let _claim = self.claims.take([claims::blob(digest)]);
        if self.write().set_deleted(repository, digest, false) {
            self.unlink(repository, digest, Durability::Relaxed)?;
        }
        Ok(())
    }

    /// Deletes the row of a link that is out of the table; the caller has the blob's claim.
    pub(super) fn unlink(
        &self,
        repository: &str,
        digest: &Digest,
        durability: Durability,
    ) -> Result<(), Error> {
        let name = LinkName {
            repository: repository.to_owned(),
            digest: *digest,
        };
        self.rows.delete::<LinkRow>(&name, durability)
    }
}
