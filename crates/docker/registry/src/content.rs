//! What the registry asks of the store.
//!
//! [`Images`] is the one store of a node; tests have one in memory, so that the protocol is tried without a disk. Everything
//! blocks but [`Content::known`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use image::{
    Blob, BlobUpload, Collected, Descriptor, Digest, DigestAlgorithm, Error, Images, LeftUpload, Push,
    Pushed, Reference, ServedManifest, Target, Unlinked,
};

/// What has come of a blob that is on its way in, for others to read meanwhile.
pub trait Arrived: Send + Sync {
    /// At most `most` bytes from a place on; fewer only where no more have come.
    ///
    /// # Errors
    /// The disk's.
    fn read_at(&self, place: u64, most: usize) -> io::Result<Bytes>;
}

impl Arrived for File {
    fn read_at(&self, place: u64, most: usize) -> io::Result<Bytes> {
        let (mut bytes, mut read) = (vec![0; most], 0);
        while read < most {
            match FileExt::read_at(self, &mut bytes[read..], place + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

/// A blob on its way in; dropped, it leaves nothing.
pub trait Incoming: Send {
    /// What has come, and will.
    ///
    /// # Errors
    /// The disk's.
    fn arrived(&mut self) -> Result<Arc<dyn Arrived>, Error>;

    /// Lets one that has a name stay, for a later process to go on with.
    fn leave(self: Box<Self>);

    /// Says that all the rest comes now: none that has not begun before needs to survive this process.
    fn ends(&mut self);

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// The disk's.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// How many bytes have come.
    fn size(&self) -> u64;

    /// What came is the blob `digest` of a repository, until [`Content::settle`] for this process and those after it, then
    /// whatever happens.
    ///
    /// # Errors
    /// [`Error::WrongDigest`]; the disk's.
    fn finish(self: Box<Self>, digest: &Digest, repository: &str) -> Result<u64, Error>;
}

/// The store. Repositories are named whole: `localhost:5000/team/app`.
#[expect(clippy::missing_errors_doc, reason = "the disk's and the store's throughout")]
pub trait Content: Send + Sync + 'static {
    /// The digest of the manifest that a name stands for, if it has one already. In memory.
    fn known(&self, reference: &Reference) -> Option<Digest>;
    /// The manifest that a name stands for; an image without one gets it now.
    fn manifest(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error>;
    /// Stores a manifest that was pushed.
    fn push_manifest(&self, push: &Push<'_>, bytes: Bytes) -> Result<Pushed, Error>;
    /// Stores a manifest that came from another registry, and lets the name stand for it. What it names may come later.
    fn cache_manifest(&self, reference: &Reference, manifest: ServedManifest) -> Result<(), Error>;
    /// Takes a tag away; false if there is none.
    fn untag(&self, reference: &Reference) -> Result<bool, Error>;
    /// Takes a manifest out of a repository, and its tags.
    fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<Option<Unlinked>, Error>;
    /// Repositories of a registry that have names, by the rest of theirs, those after `after`, in order.
    fn repositories(&self, domain: &str, after: &str, limit: usize) -> Vec<String>;
    /// Whole names of repositories that may have a blob.
    fn may_have(&self, digest: &Digest, limit: usize) -> Vec<String>;
    /// Tags after `after`, in order; none if there is no such repository.
    fn tags(&self, repository: &str, after: &str, limit: usize) -> Option<Vec<String>>;
    /// Manifests about another one, without their notes.
    fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Descriptor>;
    /// The notes of a manifest.
    fn annotations(&self, digest: &Digest) -> Result<BTreeMap<String, String>, Error>;
    /// A blob of a repository.
    fn blob(&self, repository: &str, digest: &Digest) -> Result<Option<Blob>, Error>;
    /// Begins an upload of a blob whose digest is likely made by `algorithm`. In memory, until bytes come.
    fn upload(&self, algorithm: DigestAlgorithm) -> Box<dyn Incoming>;
    /// Begins an upload that has a name, good as a file's, and survives the death of this process with a note. In memory, until
    /// bytes come.
    fn lasting_upload(&self, name: &str, note: &[u8], algorithm: DigestAlgorithm) -> Box<dyn Incoming>;
    /// Uploads with names that earlier processes have left.
    fn left_uploads(&self) -> Result<Vec<LeftUpload>, Error>;
    /// Goes on with one of them.
    fn resume_upload(&self, name: &str, algorithm: DigestAlgorithm) -> Result<Box<dyn Incoming>, Error>;
    /// Clears one of them.
    fn drop_upload(&self, name: &str) -> Result<(), Error>;
    /// Makes a blob that was uploaded durable.
    fn settle(&self, repository: &str, digest: &Digest) -> Result<(), Error>;
    /// Links a blob of one repository to another; false if the first one does not have it.
    fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> Result<bool, Error>;
    /// Takes a blob out of a repository; false if it does not have it.
    fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error>;
    /// Takes away what no manifest names and nobody has asked for within `grace`.
    fn collect(&self, grace: Duration) -> Result<Collected, Error>;
}

impl Content for Images {
    fn known(&self, reference: &Reference) -> Option<Digest> {
        self.offered(reference)?.manifest
    }

    fn manifest(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error> {
        self.manifest_in(reference)
    }

    fn push_manifest(&self, push: &Push<'_>, bytes: Bytes) -> Result<Pushed, Error> {
        Self::push_manifest(self, push, &bytes)
    }

    fn cache_manifest(&self, reference: &Reference, manifest: ServedManifest) -> Result<(), Error> {
        let lease = self.lease(&format!("registry cache {reference}"))?;
        let digest = manifest.digest;
        self.put_manifest(&lease, digest.algorithm(), &manifest.media_type, &manifest.bytes)?;
        let image = self
            .target(reference)
            .filter(|target| target.manifest == Some(digest));
        let target = image.unwrap_or(Target::manifest(digest, None));
        self.tag_under(&lease, reference, target)?;
        lease.keep()
    }

    fn untag(&self, reference: &Reference) -> Result<bool, Error> {
        Ok(Self::untag(self, reference)?.is_some())
    }

    fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<Option<Unlinked>, Error> {
        Self::delete_manifest(self, repository, digest)
    }

    fn repositories(&self, domain: &str, after: &str, limit: usize) -> Vec<String> {
        Self::repositories(self, domain, after, limit)
    }

    fn may_have(&self, digest: &Digest, limit: usize) -> Vec<String> {
        Self::may_have(self, digest, limit)
    }

    fn tags(&self, repository: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        self.tags_in(repository, after, limit)
    }

    fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Descriptor> {
        Self::referrers(self, repository, subject)
    }

    fn annotations(&self, digest: &Digest) -> Result<BTreeMap<String, String>, Error> {
        Self::annotations(self, digest)
    }

    fn blob(&self, repository: &str, digest: &Digest) -> Result<Option<Blob>, Error> {
        self.blob_in(repository, digest)
    }

    fn upload(&self, algorithm: DigestAlgorithm) -> Box<dyn Incoming> {
        Box::new(Uploading {
            images: self.clone(),
            upload: self.begin_blob(algorithm),
        })
    }

    fn lasting_upload(&self, name: &str, note: &[u8], algorithm: DigestAlgorithm) -> Box<dyn Incoming> {
        Box::new(Uploading {
            images: self.clone(),
            upload: self.begin_lasting_blob(name, note, algorithm),
        })
    }

    fn left_uploads(&self) -> Result<Vec<LeftUpload>, Error> {
        self.left_blobs()
    }

    fn resume_upload(&self, name: &str, algorithm: DigestAlgorithm) -> Result<Box<dyn Incoming>, Error> {
        let upload = self.resume_blob(name, algorithm)?;
        Ok(Box::new(Uploading {
            images: self.clone(),
            upload,
        }))
    }

    fn drop_upload(&self, name: &str) -> Result<(), Error> {
        self.drop_left_blob(name)
    }

    fn settle(&self, repository: &str, digest: &Digest) -> Result<(), Error> {
        self.settle_blob(repository, digest)
    }

    fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> Result<bool, Error> {
        Self::mount_blob(self, from, to, digest)
    }

    fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        Self::delete_blob(self, repository, digest)
    }

    fn collect(&self, grace: Duration) -> Result<Collected, Error> {
        Self::collect(self, grace)
    }
}

struct Uploading {
    images: Images,
    upload: BlobUpload,
}

impl Incoming for Uploading {
    fn arrived(&mut self) -> Result<Arc<dyn Arrived>, Error> {
        Ok(Arc::new(self.upload.reader()?))
    }

    fn leave(self: Box<Self>) {
        self.upload.leave();
    }

    fn ends(&mut self) {
        self.upload.ends();
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.upload.append(bytes)
    }

    fn size(&self) -> u64 {
        self.upload.size()
    }

    fn finish(self: Box<Self>, digest: &Digest, repository: &str) -> Result<u64, Error> {
        self.images.finish_blob(self.upload, digest, repository)
    }
}
