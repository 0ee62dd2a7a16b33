//! What goes in and out of [`crate::Images`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Descriptor, Digest, HistoryRow, ImageConfig, Lease, Limits, Reference, Rootfs};

/// Where images lie.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of the content store (DATA/content).
    pub content: PathBuf,
    /// Directory of the snapshots (DATA/snapshots).
    pub snapshots: PathBuf,
    /// Bounds on archives.
    pub limits: Limits,
}

/// An image, as of one moment: tags may change, the rest never does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the bytes of its configuration.
    pub id: Digest,
    /// The configuration.
    pub config: ImageConfig,
    /// Its very bytes.
    pub config_bytes: Bytes,
    /// Layers, bottom first.
    pub layers: Vec<Layer>,
    /// Bytes of the files in all layers; of an image that sleeps, of its compressed layers.
    pub size: u64,
    /// Whether its layers are not unpacked yet ([`crate::Images::wake`]).
    pub asleep: bool,
    /// The manifest it came by, or was first pushed with.
    pub manifest: Option<Digest>,
    /// The image it was built upon here, if any.
    pub parent: Option<Digest>,
    /// Tags, in order.
    pub tags: Vec<Reference>,
    /// Names with a digest, in order, familiar: `busybox@sha256:…`.
    pub digests: Vec<String>,
    /// How many names it has that our registry keeps and docker was told to forget.
    pub kept: usize,
    /// When it was last given a tag.
    pub last_tagged: Option<Timestamp>,
    /// Whether it was built, loaded, committed or imported here: it may exist nowhere else, so it
    /// is never removed automatically.
    pub made_here: bool,
    /// Whether it is what a build without a name made, and somebody was told its id: it is no mere step of a build.
    pub result: bool,
    /// What it is to the build cache, if a step of a build made it that shows its clients results only.
    pub step: Option<Step>,
}

/// What an image that a step of BuildKit's made is: there, steps are the build cache's, and no images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The cache's alone: it has no name, and nobody was told of it. Clients do not see it.
    Hidden,
    /// The same, and the cache knows it no more: it goes with the last that was made upon it.
    Lost,
    /// An image, since it had a name or somebody was told its id. Removed, it is the cache's again.
    Shown,
    /// An image that the cache knows no more.
    Forgotten,
}

impl Image {
    /// The chain id of its topmost layer.
    pub(crate) fn top(&self) -> Option<Digest> {
        self.layers.last().map(|layer| layer.chain_id)
    }

    /// Whether it has no name, as far as docker goes.
    #[must_use]
    pub const fn is_dangling(&self) -> bool {
        self.tags.is_empty() && self.digests.is_empty()
    }

    /// The image it was built upon, where clients are told: steps of BuildKit's have none.
    #[must_use]
    pub fn shown_parent(&self) -> Option<Digest> {
        self.parent.filter(|_| self.step.is_none())
    }

    /// Whoever has a name, or was told of, is an image.
    pub(crate) const fn be_shown(&mut self) {
        self.step = match self.step {
            Some(Step::Hidden) => Some(Step::Shown),
            Some(Step::Lost) => Some(Step::Forgotten),
            other => other,
        };
    }

    /// The cache has it, or has forgotten it.
    pub(crate) const fn set_known(&mut self, known: bool) {
        self.step = match (self.step, known) {
            (Some(Step::Hidden), false) => Some(Step::Lost),
            (Some(Step::Shown), false) => Some(Step::Forgotten),
            (Some(Step::Lost), true) => Some(Step::Hidden),
            (Some(Step::Forgotten), true) => Some(Step::Shown),
            (other, _) => other,
        };
    }

    /// Whether it is the build cache's alone, or our registry's, and none of those that docker's clients see.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        matches!(self.step, Some(Step::Hidden | Step::Lost)) || self.is_put_away()
    }

    /// Whether docker has removed it and our registry keeps it. While its files are here it is an image without a name, as
    /// it is where there is no registry: somebody may be using it, or has made it once more.
    const fn is_put_away(&self) -> bool {
        let without_files = self.asleep || self.layers.is_empty();
        self.kept > 0 && self.is_dangling() && !self.result && without_files
    }
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the uncompressed layer.
    pub diff_id: Digest,
    /// The digest that stands for it and all below it.
    pub chain_id: Digest,
    /// Bytes of its files.
    pub size: u64,
    /// Its bytes in the content store, compressed as they came.
    pub blob: Option<Descriptor>,
}

/// Who uses an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The container's full id.
    pub container: String,
    /// Whether it runs.
    pub running: bool,
}

/// How to remove an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remove {
    /// Even if it has several names or a stopped container uses it.
    pub force: bool,
    /// Parents without a name go too (the default of `docker rmi`; not `--no-prune`).
    pub prune_parents: bool,
}

/// Something that was removed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A name of the image, familiar.
    Untagged {
        /// `busybox:latest`.
        reference: String,
        /// What it named.
        image: Digest,
    },
    /// An image.
    Deleted(Digest),
    /// A layer that no image had any more, by its chain id. (Listed as `Deleted`; no event.)
    Layer(Digest),
}

/// What [`crate::Images::prune`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// What went.
    pub removed: Vec<Removed>,
    /// Bytes of the files of the layers that went.
    pub reclaimed: u64,
}

/// A step of an image's making (`docker history`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image as of this step, or `<missing>`.
    pub id: String,
    /// Seconds since 1970; 0 if unknown.
    pub created: i64,
    /// The instruction or command.
    pub created_by: String,
    /// Tags of the image, familiar.
    pub tags: Vec<String>,
    /// Bytes of the step's layer.
    pub size: u64,
    /// Why.
    pub comment: String,
}

/// Progress of [`crate::Images::load`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadEvent {
    /// A layer that is not here yet is being unpacked (`Loading layer`).
    Layer {
        /// Its diff id.
        diff_id: Digest,
        /// Bytes so far.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A tag named another image before: `The image R already exists, renaming the old one with
    /// ID I to empty string`.
    Replaced {
        /// The tag.
        reference: Reference,
        /// The image it named.
        previous: Digest,
    },
}

/// What an index lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As the index names it.
    pub descriptor: Descriptor,
    /// Whether it is here, down to the last blob.
    pub is_whole: bool,
    /// Bytes of what is here of it.
    pub content: u64,
    /// The image's id, if its manifest is here.
    pub image: Option<Digest>,
    /// The manifest that it says something of, if it is an attestation.
    pub about: Option<Digest>,
}

/// An image that was loaded: once for each of its tags, or once without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its id.
    pub id: Digest,
    /// Its tag.
    pub reference: Option<Reference>,
}

/// What [`crate::Images::import`] makes.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Its tag.
    pub reference: Option<Reference>,
    /// Its configuration, without layers and history.
    pub config: ImageConfig,
    /// The comment of its history.
    pub message: String,
}

/// What [`crate::Images::commit`] makes.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The image below; `None` for `FROM scratch`.
    pub parent: Option<&'a Digest>,
    /// What comes on top.
    pub layer: CommitLayer<'a>,
    /// The configuration. Its layers and history are replaced by the parent's and the new one's.
    pub config: ImageConfig,
    /// The step that is added; `empty_layer` is set as the layer is.
    pub history: HistoryRow,
    /// Its tag.
    pub reference: Option<Reference>,
    /// Whether it is a step whose image clients do not see until it is named.
    pub hidden: bool,
    /// With a lease the image is durable once the lease is kept (a build's intermediate images
    /// then share one fsync); without one, when `commit` returns.
    pub lease: Option<&'a Lease>,
}

/// The layer that a commit adds.
#[derive(Clone, Copy, Debug)]
pub enum CommitLayer<'a> {
    /// None: only the configuration changes.
    None,
    /// A copy of what a snapshot has changed; the snapshot stays as it is (`docker commit`).
    Copy(&'a Rootfs),
    /// What this owner has changed; its writable directory itself becomes the layer, and the
    /// owner has none any more (a build step).
    Move(&'a str),
}

/// What lies on the disk (`docker system df`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of the files of the layers of all images that docker's clients see, each once.
    pub layers: u64,
    /// For each image, the bytes that it shares with others.
    pub shared: BTreeMap<Digest, u64>,
}
