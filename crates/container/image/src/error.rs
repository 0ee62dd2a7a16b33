//! What can go wrong, in the words of Docker's engine where it has some.

use std::io;

use crate::{Digest, ReferenceError};

/// Why a call on [`crate::Images`] did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No image has this name or id.
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// No image has this tag (`docker save`).
    #[error("reference does not exist")]
    NoSuchReference,
    /// The text is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The reference cannot be a tag.
    #[error("{0}")]
    InvalidTag(String),
    /// Somebody uses what was to be removed.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Another prune has not ended.
    #[error("a prune operation is already running")]
    PruneRunning,
    /// The configuration of an image is not what the specification says.
    #[error("invalid image configuration: {0}")]
    Config(String),
    /// More layers than an overlay mount takes.
    #[error("max depth exceeded")]
    TooManyLayers,
    /// An archive that was to be loaded or imported is refused.
    #[error("invalid archive: {0}")]
    Archive(String),
    /// A manifest that says nothing.
    #[error("invalid manifest, manifest cannot be null (but can be [])")]
    NullManifest,
    /// The manifest of an archive and the image's configuration disagree.
    #[error("invalid manifest, layers length mismatch: expected {manifest}, got {config}")]
    LayerCount {
        /// Layers in the manifest.
        manifest: usize,
        /// Layers in the configuration.
        config: usize,
    },
    /// An image for another operating system.
    #[error("cannot load {0} image on linux")]
    OtherSystem(String),
    /// A layer is not what the configuration says.
    #[error("invalid diffID for layer {layer}: expected {expected:?}, got {actual:?}", expected = .expected.to_string(), actual = .actual.to_string())]
    DiffId {
        /// Counted from the bottom, from 0.
        layer: usize,
        /// What the configuration says.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// Content is not what its name says.
    #[error("content does not match its digest: expected {expected}, got {actual}")]
    WrongDigest {
        /// Its name.
        expected: Digest,
        /// What the bytes are.
        actual: Digest,
    },
    /// Content is longer or shorter than its descriptor says.
    #[error("content has {actual} bytes, its descriptor says {expected}")]
    WrongSize {
        /// What the descriptor says.
        expected: u64,
        /// What came; of content that is too long, what was read of it.
        actual: u64,
    },
    /// A layer is what its descriptor says, but what is in it is not what the configuration says.
    #[error(
        "layer {blob} does not contain what the image's configuration says: expected {expected}, got {actual}"
    )]
    WrongDiffId {
        /// The layer's blob.
        blob: Digest,
        /// What the configuration says.
        expected: Digest,
        /// What is in it.
        actual: Digest,
    },
    /// A manifest is refused.
    #[error("invalid manifest: {0}")]
    Manifest(String),
    /// A manifest names content that is not there.
    #[error("the manifest names content that is unknown here: {}", list(.0))]
    MissingContent(Vec<Digest>),
    /// A blob that the store should have is missing or damaged.
    #[error("blob {digest} of image {image} is damaged: {why}; pull or push the image again")]
    Damaged {
        /// The image that needs it.
        image: Digest,
        /// The blob.
        digest: Digest,
        /// What is wrong with it.
        why: String,
    },
    /// Whoever sends the content failed.
    #[error("receive content")]
    Source(#[source] io::Error),
    /// No writable snapshot has this owner.
    #[error("no snapshot of {0}")]
    NoSuchSnapshot(String),
    /// The lease was ended, or another one has its name.
    #[error("lease {0} is in use")]
    LeaseInUse(String),
    /// The worker could not be run, or died.
    #[error("unpacking failed: {0}")]
    Worker(String),
    /// The disk or the kernel failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// How it failed.
        source: io::Error,
    },
    /// The node's store failed.
    #[error("the node's store")]
    Store(#[from] store::Error),
    /// A row of the store is not one of ours.
    #[error("row {key} cannot be read")]
    Row {
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// What an error means to whoever asked; each front door maps these once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was named is not there.
    NotFound,
    /// It is, but is used.
    Conflict,
    /// The request makes no sense.
    InvalidParameter,
    /// It is our fault, or the machine's.
    System,
}

impl Error {
    /// What the error means to whoever asked.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::NoSuchImage(_) | Self::NoSuchReference | Self::NoSuchSnapshot(_) => Kind::NotFound,
            Self::Conflict(_) | Self::PruneRunning | Self::LeaseInUse(_) => Kind::Conflict,
            Self::Reference(_)
            | Self::InvalidTag(_)
            | Self::Config(_)
            | Self::TooManyLayers
            | Self::Archive(_)
            | Self::NullManifest
            | Self::LayerCount { .. }
            | Self::OtherSystem(_)
            | Self::DiffId { .. }
            | Self::WrongDigest { .. }
            | Self::WrongSize { .. }
            | Self::WrongDiffId { .. }
            | Self::Manifest(_)
            | Self::MissingContent(_) => Kind::InvalidParameter,
            Self::Damaged { .. }
            | Self::Source(_)
            | Self::Worker(_)
            | Self::Io { .. }
            | Self::Store(_)
            | Self::Row { .. } => Kind::System,
        }
    }

    /// For `map_err`: what was being done when the disk failed.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

fn list(digests: &[Digest]) -> String {
    let digests: Vec<String> = digests.iter().map(Digest::to_string).collect();
    digests.join(", ")
}
