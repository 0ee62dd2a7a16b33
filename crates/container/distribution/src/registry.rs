//! The protocol (distribution-spec 1.1).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::env::Doing;
use image::{Descriptor, Digest, Hasher};
use tokio::io::AsyncRead;

use crate::auth::{AuthConfig, Login};
use crate::config::Proxies;
use crate::{Config, Credentials, Error};

/// How patient a client is, and how much it takes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a body may make no progress, and an answer take to begin.
    pub idle: Duration,
    /// How often one endpoint is asked for the same thing.
    pub attempts: u32,
    /// The first wait between attempts; each further one is twice as long, up to a minute, with jitter.
    pub backoff: Duration,
    /// The largest manifest.
    pub manifest: usize,
    /// What goes through a proxy.
    pub proxies: Proxies,
    /// `User-Agent`.
    pub agent: String,
}

/// Asks registries. Clones share connections and tokens.
#[derive(Clone)]
pub struct Client(Arc<()>);

impl Client {
    /// A client for the whole process.
    #[must_use]
    pub fn new(_config: Config, _settings: Settings, _chance: driver::Rng) -> Self {
        unimplemented!()
    }

    /// Takes a new configuration from now on.
    pub fn configure(&self, _config: Config) {}

    /// Repository `name` (`library/busybox`) of registry `host` (`docker.io`), as somebody.
    #[must_use]
    pub fn repository(&self, _host: &str, _name: &str, _credentials: Credentials) -> Repository {
        unimplemented!()
    }

    /// Whether the registry takes these credentials (`POST /auth`, `docker login`).
    ///
    /// # Errors
    /// Docker's words, when it does not.
    pub async fn login(&self, _who: &AuthConfig) -> Result<Login, Error> {
        unimplemented!()
    }

    /// The repositories of registry `host`, a page at a time.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn catalog(
        &self,
        _host: &str,
        _credentials: Credentials,
        _page: Page,
    ) -> Result<Vec<String>, Error> {
        unimplemented!()
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most so many; all of them without.
    pub limit: Option<usize>,
    /// What the last page ended with.
    pub last: Option<String>,
}

/// A manifest or index as it came, its digest checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is called, what it is, how long it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

/// What refers to a manifest.
#[derive(Clone, Debug, Default)]
pub struct Referrers {
    /// Their descriptors, as they came.
    pub manifests: Vec<serde_json::Value>,
}

/// Whether a blob came from another repository of the same registry.
#[derive(Debug)]
pub enum Mounted {
    /// It is there.
    Yes,
    /// The registry has begun an upload instead.
    No(Upload),
}

/// An upload that a registry has begun.
#[derive(Debug)]
pub struct Upload {}

/// Bytes to upload. They can be read again from any place, because a connection may break.
pub trait Source: Send + Sync {
    /// How many.
    fn size(&self) -> u64;
    /// A reader of what follows the first `from` bytes.
    fn open(&self, from: u64) -> Doing<io::Result<Box<dyn AsyncRead + Send + Unpin>>>;
}

/// One repository, as seen by one user.
#[derive(Clone)]
pub struct Repository(Arc<()>);

impl Repository {
    /// What a tag or digest names, without its bytes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve(&self, _subject: &Subject) -> Result<Descriptor, Error> {
        unimplemented!()
    }

    /// A manifest or an index.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn manifest(&self, _subject: &Subject) -> Result<Document, Error> {
        unimplemented!()
    }

    /// A blob's bytes, from where `hasher` (which has seen all before) is. Digest and length are checked at the end.
    #[must_use]
    pub fn blob(&self, _descriptor: &Descriptor, _hasher: Hasher) -> BlobStream {
        unimplemented!()
    }

    /// Whether the registry (no mirror) has a blob, and its size.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn has_blob(&self, _digest: Digest) -> Result<Option<u64>, Error> {
        unimplemented!()
    }

    /// Asks for a blob of repository `from`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mount(&self, _digest: Digest, _from: &str) -> Result<Mounted, Error> {
        unimplemented!()
    }

    /// Sends a blob; `sent` hears how many bytes are under way, which may fall back after a failure.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn upload(
        &self,
        _begun: Option<Upload>,
        _digest: Digest,
        _source: &dyn Source,
        _sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Stores a manifest under a tag, or its digest alone.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn put_manifest(
        &self,
        _subject: &Subject,
        _media_type: &str,
        _bytes: Bytes,
    ) -> Result<Digest, Error> {
        unimplemented!()
    }

    /// What refers to manifest `digest`, of one artifact type or of all.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn referrers(&self, _digest: Digest, _artifact_type: Option<&str>) -> Result<Referrers, Error> {
        unimplemented!()
    }

    /// The repository's tags.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tags(&self, _page: Page) -> Result<Vec<String>, Error> {
        unimplemented!()
    }

    /// Removes a manifest or a tag.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_manifest(&self, _subject: &Subject) -> Result<(), Error> {
        unimplemented!()
    }

    /// Removes a blob.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_blob(&self, _digest: Digest) -> Result<(), Error> {
        unimplemented!()
    }
}

/// A blob on its way in.
pub struct BlobStream {}

impl BlobStream {
    /// The next bytes; after the last ones, nothing. A broken connection is taken up where it broke.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        unimplemented!()
    }

    /// How many bytes came, those before this stream included.
    #[must_use]
    pub fn position(&self) -> u64 {
        unimplemented!()
    }
}
