//! Whole images between registries and the node's own content.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image::{Images, Lease, Reference};
use tokio::sync::Semaphore;

use crate::flights::Flights;
use crate::registry::Repository;
use crate::{Client, Credentials, Error, Kind};

/// Layers that come at once, for all pulls together, and that go (dockerd's numbers).
const DOWNLOADS: usize = 3;
const UPLOADS: usize = 5;

/// All registries, as a node sees them: it pulls from them into its own content, and pushes from it. Clones are the same.
#[derive(Clone)]
pub struct Registries(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) images: Images,
    pub(crate) flights: Flights,
    pub(crate) downloads: Semaphore,
    pub(crate) uploads: Semaphore,
    own: Option<u16>,
    serial: AtomicU64,
}

/// Why an image was not pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What the registry said, or that it said nothing.
    #[error(transparent)]
    Registry(#[from] Error),
    /// What the node's content said.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// The node's own registry has no such name.
    #[error("manifest for {0} not found: manifest unknown: manifest unknown")]
    NoManifest(String),
    /// An index has nothing for a platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(String),
    /// It is for another platform than was asked for.
    #[error(
        "image with reference {reference} was found but does not provide the specified platform ({platform})"
    )]
    OtherPlatform {
        /// The image.
        reference: String,
        /// What was asked for.
        platform: String,
    },
    /// It is something, but no image.
    #[error("{0}")]
    NoImage(String),
    /// A document makes no sense.
    #[error("{what}: {why}")]
    Document {
        /// Which.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The work ended without an answer.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Fault {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Registry(error) => error.kind(),
            Self::Image(error) => match error.kind() {
                image::Kind::NotFound => Kind::NotFound,
                image::Kind::InvalidParameter | image::Kind::Conflict => Kind::Invalid,
                image::Kind::System => Kind::System,
            },
            Self::NoManifest(_) | Self::NoPlatform(_) | Self::OtherPlatform { .. } => Kind::NotFound,
            Self::NoImage(_) | Self::Document { .. } => Kind::Invalid,
            Self::Internal(_) => Kind::System,
        }
    }

    /// Dockerd's sentence for a pull that failed so.
    #[must_use]
    pub fn pulling(&self, reference: &Reference) -> String {
        match self {
            Self::Registry(error) => error.pulling(reference),
            other => chain(other),
        }
    }

    /// BuildKit's sentence for a base, as it was written, that cannot be brought for this.
    #[must_use]
    pub fn resolving(&self, written: &str, reference: &Reference) -> String {
        let whole = reference.clone().with_default_tag();
        let why = match self {
            Self::Registry(error) => error.resolving(&whole),
            Self::NoManifest(_) => format!("{whole}: not found"),
            Self::NoPlatform(_) => "no match for platform in manifest: not found".to_owned(),
            other => chain(other),
        };
        format!("{written}: failed to resolve source metadata for {whole}: {why}")
    }

    /// Dockerd's sentence for a push that failed so.
    #[must_use]
    pub fn pushing(&self) -> String {
        match self {
            Self::Registry(error) => error.pushing(),
            other => chain(other),
        }
    }
}

/// An error with its reasons.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(error) = reason {
        text = format!("{text}: {error}");
        reason = error.source();
    }
    text
}

impl Registries {
    /// `own` is the port of the node's own registry: what has its name is here, or nowhere.
    #[must_use]
    pub fn new(client: Client, images: Images, own: Option<u16>) -> Self {
        Self(Arc::new(Inner {
            client,
            images,
            flights: Flights::default(),
            downloads: Semaphore::new(DOWNLOADS),
            uploads: Semaphore::new(UPLOADS),
            own,
            serial: AtomicU64::new(0),
        }))
    }

    /// Who speaks to registries.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Whether a registry is this node's own: what its names say is in the node's content.
    #[must_use]
    pub fn is_own(&self, domain: &str) -> bool {
        let port = domain
            .strip_prefix("localhost:")
            .and_then(|port| port.parse().ok());
        port.is_some() && port == self.0.own
    }

    pub(crate) fn repository(&self, reference: &Reference, credentials: &Credentials) -> Repository {
        let (host, name) = (&reference.domain, &reference.path);
        self.0.client.repository(host, name, credentials.clone())
    }

    /// A lease for one pull or push.
    pub(crate) fn lease(&self, purpose: &str) -> Result<Arc<Lease>, Fault> {
        let serial = self.0.serial.fetch_add(1, Ordering::Relaxed);
        let lease = self.0.images.lease(&format!("{purpose}/registry/{serial}"))?;
        Ok(Arc::new(lease))
    }
}

/// Runs what waits for a disk on a thread that may.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Fault>
where
    T: Send + 'static,
    E: Into<Fault> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(Fault::Internal(error.to_string())),
    }
}
