//! The protocol (distribution-spec 1.1): one file for each part of it.
//!
//! A request goes through [`call`]: authorised by what its server was found to want, redirected without credentials, tried
//! again while that may help. What it is for decides which of a registry's endpoints are asked; a mirror that fails leads
//! to the next endpoint, and one that was not there is left alone for half a minute.

mod answer;
mod authorize;
mod blobs;
mod call;
pub(crate) mod follow;
mod lists;
mod login;
mod manifests;
mod source;
mod tour;
mod uploads;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use driver::Rng;
use image::{Descriptor, Digest, Hasher};

use crate::auth::{AuthConfig, Login};
use crate::config::{ConfigError, Endpoint, Followed, Proxies, Sources};
use crate::transport::Transport;
use crate::{Config, Credentials, Error};

pub use answer::RateLimit;
pub use blobs::BlobStream;
pub use lists::{Page, Referrer, referrers_tag};
pub use manifests::Document;
pub use source::{FileSource, Reader, Source};
pub use uploads::{Mounted, Upload};

/// Something that is asked of a registry. It is boxed, so that its code stands in this room.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Hears how many bytes of an upload are under way. After a failure it may be fewer.
pub type Sent = Arc<dyn Fn(u64) + Send + Sync>;

/// How patient a client is, and how much it takes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a body may make no progress, and an answer take to begin.
    pub idle: Duration,
    /// How often one endpoint is asked for the same thing.
    pub attempts: u32,
    /// The first wait between attempts; each further one is twice as long, up to [`Settings::patience`], with jitter.
    pub backoff: Duration,
    /// The longest wait; a server that asks for more (`Retry-After`) is not waited for.
    pub patience: Duration,
    /// The largest manifest, and the largest page of a list, in bytes.
    pub manifest: usize,
    /// The largest answer of a token service, in bytes.
    pub token: usize,
    /// What goes through a proxy.
    pub proxies: Proxies,
    /// `User-Agent`.
    pub agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            attempts: 5,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(60),
            manifest: 4 << 20,
            token: 1 << 20,
            proxies: Proxies::default(),
            agent: concat!("gantry/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Asks registries. Clones share connections, tokens and what was learned of servers.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: RwLock<Arc<Config>>,
    followed: Option<Followed>,
    settings: Settings,
    transport: Transport,
    chance: Mutex<Rng>,
    /// What each server wants to be shown, by its origin.
    challenges: Mutex<HashMap<String, authorize::Wanted>>,
    tokens: authorize::Tokens,
    resting: tour::Resting,
}

impl Client {
    /// A client for the whole process; `chance` is for jitter.
    #[must_use]
    pub fn new(config: Config, settings: Settings, chance: Rng) -> Self {
        Self::with(config, None, settings, chance)
    }

    /// One that reads its configuration from files, now and again when they have changed; the texts are warnings. A change
    /// that makes no sense is told in the log, and what was read before stays.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn following(
        sources: Sources,
        settings: Settings,
        chance: Rng,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let (followed, config, warnings) = Followed::read(sources)?;
        Ok((Self::with(config, Some(followed), settings, chance), warnings))
    }

    fn with(config: Config, followed: Option<Followed>, settings: Settings, chance: Rng) -> Self {
        let machine = config.machine().clone();
        let transport = Transport::new(machine, settings.proxies.clone(), settings.idle);
        Self(Arc::new(Inner {
            config: RwLock::new(Arc::new(config)),
            followed,
            settings,
            transport,
            chance: Mutex::new(chance),
            challenges: Mutex::default(),
            tokens: authorize::Tokens::default(),
            resting: tour::Resting::default(),
        }))
    }

    /// Takes another configuration for repositories that are asked for from now on. The machine's authorities stay.
    pub fn configure(&self, config: Config) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Takes what the files say by now.
    fn refresh(&self) {
        let Some(changed) = self.0.followed.as_ref().and_then(Followed::changed) else {
            return;
        };
        match changed {
            Ok((config, warnings)) => {
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                tracing::info!("the configuration of registries was read again");
                self.configure(config);
            }
            Err(error) => tracing::error!(%error, "the configuration of registries stays as it was"),
        }
    }

    fn config(&self) -> Arc<Config> {
        self.0
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Repository `name` (`library/busybox`) of registry `host` (`docker.io`), as somebody. Only the registry itself
    /// is ever shown these credentials.
    #[must_use]
    pub fn repository(&self, host: &str, name: &str, credentials: Credentials) -> Repository {
        self.refresh();
        Repository(Arc::new(Place {
            client: self.clone(),
            host: host.to_owned(),
            name: name.to_owned(),
            credentials,
            endpoints: self.config().endpoints(host),
            distrusted: Mutex::default(),
            notes: Mutex::default(),
        }))
    }

    /// Whether the registry takes these credentials (`POST /auth`, `docker login`).
    ///
    /// # Errors
    /// Docker's words, when it does not.
    pub fn login<'a>(&'a self, who: &'a AuthConfig) -> Asking<'a, Login> {
        Box::pin(login::login(self, who))
    }

    /// The repositories of registry `host`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn catalog<'a>(
        &'a self,
        host: &str,
        credentials: Credentials,
        page: Page,
    ) -> Asking<'a, Vec<String>> {
        let place = self.repository(host, "", credentials).0;
        Box::pin(async move { place.catalog(&page).await })
    }
}

/// A tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// One repository, as seen by one user.
#[derive(Clone)]
pub struct Repository(Arc<Place>);

struct Place {
    client: Client,
    host: String,
    name: String,
    credentials: Credentials,
    endpoints: Vec<Endpoint>,
    /// Endpoints whose content was not what it should be.
    distrusted: Mutex<BTreeSet<usize>>,
    notes: Mutex<answer::Notes>,
}

impl Repository {
    /// What a tag or digest names, without its bytes.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn resolve<'a>(&'a self, subject: &'a Subject) -> Asking<'a, Descriptor> {
        Box::pin(self.0.resolve(subject))
    }

    /// A manifest or an index. Its digest is checked.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn manifest<'a>(&'a self, subject: &'a Subject) -> Asking<'a, Document> {
        Box::pin(self.0.manifest(subject))
    }

    /// A blob's bytes, from where `hasher` (which has seen all before) is. Digest and length are checked at the end. An
    /// endpoint that gave other bytes is not asked again for anything of this repository.
    #[must_use]
    pub fn blob(&self, descriptor: &Descriptor, hasher: Hasher) -> BlobStream {
        BlobStream::new(self.clone(), descriptor, hasher)
    }

    /// Whether the registry has a blob, where it takes pushes, and its size.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn has_blob(&self, digest: Digest) -> Asking<'_, Option<u64>> {
        Box::pin(self.0.has_blob(digest))
    }

    /// Asks for a blob of repository `from`. Whatever the registry says against it, an upload has begun then.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn mount<'a>(&'a self, digest: Digest, from: &'a str) -> Asking<'a, Mounted> {
        Box::pin(self.0.mount(digest, from))
    }

    /// Sends a blob, in one piece where the registry takes that. `begun` is what [`Repository::mount`] left.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn upload(
        &self,
        begun: Option<Upload>,
        digest: Digest,
        source: Arc<dyn Source>,
        sent: Sent,
    ) -> Asking<'_, ()> {
        Box::pin(self.0.upload(begun, digest, source, sent))
    }

    /// Stores a manifest under a tag, or its digest alone; what the registry calls it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn put_manifest<'a>(
        &'a self,
        subject: &'a Subject,
        media_type: &'a str,
        bytes: Bytes,
    ) -> Asking<'a, Stored> {
        Box::pin(self.0.put_manifest(subject, media_type, bytes))
    }

    /// What refers to manifest `digest`, of one artifact type or of all.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn referrers<'a>(
        &'a self,
        digest: Digest,
        artifact_type: Option<&'a str>,
    ) -> Asking<'a, Vec<Referrer>> {
        Box::pin(self.0.referrers(digest, artifact_type))
    }

    /// The repository's tags.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn tags(&self, page: Page) -> Asking<'_, Vec<String>> {
        Box::pin(async move { self.0.tags(&page).await })
    }

    /// Removes a manifest or a tag.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn delete_manifest<'a>(&'a self, subject: &'a Subject) -> Asking<'a, ()> {
        Box::pin(self.0.delete_manifest(subject))
    }

    /// Removes a blob.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn delete_blob(&self, digest: Digest) -> Asking<'_, ()> {
        Box::pin(self.0.delete_blob(digest))
    }

    /// How many more requests the registry allows, as it last said (`ratelimit-limit`, `ratelimit-remaining`).
    #[must_use]
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.0.notes().rate_limit.clone()
    }

    /// What the registry warns about (distribution-spec §Warnings), each text once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.0.notes().warnings.clone()
    }
}

/// A manifest that a registry has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it is called.
    pub digest: Digest,
    /// Whether the registry keeps track of what it refers to (`OCI-Subject`); if not, whoever pushed it has to keep the
    /// referrers' tag.
    pub subject: bool,
}

impl Place {
    fn notes(&self) -> MutexGuard<'_, answer::Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn distrusted(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
