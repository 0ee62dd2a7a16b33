//! The seam to other registries, for the pull-through cache.

use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use image::{Digest, Reference, ServedManifest};

/// Why another registry gave nothing.
pub type UpstreamError = Box<dyn std::error::Error + Send + Sync>;

/// A blob as it comes.
pub type BlobStream = BoxStream<'static, io::Result<Bytes>>;

/// A blob that another registry has.
pub struct UpstreamBlob {
    /// How many bytes it has: a stream of fewer or more is an error.
    pub size: u64,
    /// They, as they come.
    pub bytes: BlobStream,
}

/// Asks other registries. `None` is "not there", an error is anything else: no way, no credentials, no sense.
pub trait Upstream: Send + Sync + 'static {
    /// The digest of the manifest that a tag names now.
    fn head(&self, reference: Reference) -> BoxFuture<'static, Result<Option<Digest>, UpstreamError>>;

    /// The manifest of a tag or a digest.
    fn manifest(
        &self,
        reference: Reference,
    ) -> BoxFuture<'static, Result<Option<ServedManifest>, UpstreamError>>;

    /// A blob of a repository (`docker.io/library/debian`).
    fn blob(
        &self,
        repository: String,
        digest: Digest,
    ) -> BoxFuture<'static, Result<Option<UpstreamBlob>, UpstreamError>>;
}
