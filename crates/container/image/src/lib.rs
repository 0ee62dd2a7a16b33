//! Images: what they are, where their bytes lie, and how a container gets a root filesystem.
//!
//! [`Images`] is the room's one door: a table of images, tags, layers and writable snapshots in
//! memory, written through to the node's store, over two directories:
//!
//! - `content/blobs/sha256/HEX` (and `sha512`): layers as they were received or made, by the digest of their
//!   bytes (the OCI layout's own form, so a registry can serve them as they lie).
//! - `snapshots/N/{fs,work}`: unpacked layers, shared by every image that has them, and the
//!   writable directories of containers. The names are short numbers because the options of an
//!   overlay mount are limited in length.
//!
//! Every archive is foreign input. It is parsed and unpacked by [`worker_main`] in a short-lived
//! process without network and with few capabilities, whose root is the directory it fills; what
//! comes back is a digest and a size. A failure leaves nothing: whatever is made under a
//! [`Lease`] is undone unless the lease was kept, by the process itself or at the next open.
//!
//! Everything blocks; callers with an executor call from a blocking thread. Nothing here knows
//! what a container does.

#![forbid(unsafe_code)]

pub mod archive;
mod assemble;
mod claims;
mod compress;
mod compression;
mod config;
mod content;
mod digest;
mod error;
mod hot;
mod images;
mod init;
mod inner;
mod layers;
mod lease;
mod limits;
mod manifest;
mod reference;
mod rootfs;
mod rows;
mod shared;
mod snapshots;
mod soon;
mod standing;
mod table;
mod trash;
mod tree;
mod worker;

pub use config::{Empty, Healthcheck, HistoryRow, ImageConfig, RootFs, RunConfig};
pub use digest::{Digest, DigestAlgorithm, DigestError, Hasher};
pub use error::{Error, Kind};
pub use images::{
    Algorithm, Beginning, Blob, BlobUpload, Bundle, Collected, Export, Exported, ExportedIndex, Fetched,
    LeftUpload, Push, Pushed, Recast, Received, ServedManifest, StoredManifest, Target, Unlinked,
};
pub use images::{
    Commit, CommitLayer, Config, DiskUsage, HistoryEntry, Import, Listed, LoadEvent, Loaded, Part, Pruned,
    Remove, Removed, Survey, Surveyed, Use,
};
pub use images::{Image, Images, Layer, Step};
pub use layers::MAX_LAYERS;
pub use lease::Lease;
pub use limits::Limits;
pub use manifest::{Descriptor, Index, MAX_MANIFEST, Manifest, ManifestSummary, Platform, media_type};
pub use reference::{Reference, ReferenceError, fetched_from, fetched_name};
pub use rootfs::{Change, ChangeKind, Rootfs};
pub use worker::{Inline, WorkerJob, Workers, worker_main};

/// Doors for the property tests and fuzz targets of the decoders: bytes nobody vouches for.
pub mod fuzz {
    pub use crate::archive::fuzz as tar;
    pub use crate::config::fuzz as config;
    pub use crate::manifest::fuzz as manifest;
    pub use crate::reference::fuzz as reference;
}
