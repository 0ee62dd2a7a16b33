//! What goes in and out of [`crate::Images`] when content comes from, or goes to, a registry: somebody
//! else's (pull, push) or our own, which serves this very store.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Descriptor, Digest, ManifestSummary};

/// What a name stands for: a manifest, an image, or both.
///
/// An image that was built or loaded here has no manifest until somebody asks for one; an artifact,
/// or an index without this machine's platform, has no image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The image.
    pub image: Option<Digest>,
    /// The manifest: of an index that was asked for, the index itself.
    pub manifest: Option<Digest>,
}

impl Target {
    /// An image without a manifest.
    #[must_use]
    pub const fn image(id: Digest) -> Self {
        Self {
            image: Some(id),
            manifest: None,
        }
    }

    /// An image, or none, with the manifest it is known by.
    #[must_use]
    pub const fn manifest(manifest: Digest, image: Option<Digest>) -> Self {
        Self {
            image,
            manifest: Some(manifest),
        }
    }
}

/// A blob, open. Configurations are no files: they are kept with their images.
#[derive(Debug)]
pub enum Blob {
    /// A file with its length.
    File(File, u64),
    /// Bytes in memory.
    Bytes(Bytes),
}

impl Blob {
    /// Its length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match self {
            Self::File(_, size) => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// A manifest as a registry serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedManifest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A manifest that was pushed to our own registry.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// The repository's whole name: `localhost:5000/team/app`.
    pub repository: &'a str,
    /// The digest that the client gave, if it gave one: the bytes must have it.
    pub digest: Option<Digest>,
    /// Tags to set.
    pub tags: &'a [String],
    /// Its media type.
    pub media_type: &'a str,
}

/// What [`crate::Images::push_manifest`] has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the bytes.
    pub digest: Digest,
    /// What the manifest says it is about (`OCI-Subject`).
    pub subject: Option<Digest>,
    /// The image that it is, or that it has for this machine.
    pub image: Option<Digest>,
    /// What each tag that was set named before, in the order of the tags.
    pub previous: Vec<Option<Target>>,
}

/// What [`crate::Images::delete_manifest`] took away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlinked {
    /// Tags that named it.
    pub tags: Vec<String>,
    /// Images that went with their last name: those that nobody had run yet.
    pub images: Vec<Digest>,
}

/// What [`crate::Images::collect`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Links of blobs to repositories.
    pub links: u64,
    /// Blobs that went with their last use.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
}

/// How layers are compressed on the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// gzip, as every client understands it.
    #[default]
    Gzip,
    /// zstd; in OCI manifests only.
    Zstd,
}

impl Algorithm {
    /// How a media type's suffix, and a row's key, call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What [`crate::Images::export`] makes where there is no manifest yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// How layers that lie here uncompressed are compressed.
    pub algorithm: Algorithm,
    /// OCI's form rather than Docker's schema 2 (which is what `docker push` sends). A layer that only
    /// OCI's form can name (zstd) makes the manifest OCI's anyway.
    pub oci: bool,
}

/// How layers are wanted ([`crate::Images::recast`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recast {
    /// How those are compressed that lie here uncompressed; `None` for not at all.
    pub algorithm: Option<Algorithm>,
    /// How hard: 0 to 9 of gzip, 0 to 22 of zstd; the default of either where nothing is said. What is compressed so is not
    /// remembered.
    pub level: Option<i32>,
    /// Whether those that came in another form are made anew.
    pub force: bool,
}

/// An image ready to be pushed. Its blobs stay while the lease does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The image.
    pub image: Digest,
    /// The manifest.
    pub manifest: ServedManifest,
    /// Its configuration; the bytes are [`crate::Image::config_bytes`].
    pub config: Descriptor,
    /// Its layers, bottom first; opened by [`crate::Images::open_blob`].
    pub layers: Vec<Descriptor>,
}

/// An index as it is pushed or saved, with what is here of all that it lists; or the manifest of one platform.
#[derive(Clone, Debug)]
pub struct ExportedIndex {
    /// Configurations and layers; opened by [`crate::Images::open_blob`].
    pub blobs: Vec<Descriptor>,
    /// Manifests, and the index behind them: the last is what the name stands for.
    pub manifests: Vec<ServedManifest>,
    /// What it lists and is not here, or not all of it.
    pub missing: Vec<Digest>,
}

/// A manifest with its bytes.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    /// What it says.
    pub summary: Arc<ManifestSummary>,
    /// Its bytes.
    pub bytes: Bytes,
}
