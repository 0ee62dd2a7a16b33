//! Where the node's registry gets what it mirrors: from other people's registries, as nobody.

use std::io;

use distribution::{Credentials, Error, Kind, Registries, Repository, Subject};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use image::{Descriptor, Digest, Hasher, Reference, ServedManifest};
use registry::{Upstream, UpstreamBlob, UpstreamError};

/// Other people's registries, for a pull-through cache. Who asks there is what `registries.yaml` says.
pub(crate) struct Others(pub(crate) Registries);

impl Others {
    fn repository(&self, host: &str, path: &str) -> Repository {
        self.0.client().repository(host, path, Credentials::Anonymous)
    }

    fn of(&self, reference: &Reference) -> (Repository, Subject) {
        let tag = reference.tag.clone().unwrap_or_else(|| "latest".to_owned());
        let subject = reference.digest.map_or(Subject::Tag(tag), Subject::Digest);
        (self.repository(&reference.domain, &reference.path), subject)
    }
}

/// What is not there is no error.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, UpstreamError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Upstream for Others {
    fn head(&self, reference: Reference) -> BoxFuture<'static, Result<Option<Digest>, UpstreamError>> {
        let (repository, subject) = self.of(&reference);
        Box::pin(async move {
            let found = found(repository.resolve(&subject).await)?;
            Ok(found.map(|descriptor| descriptor.digest))
        })
    }

    fn manifest(
        &self,
        reference: Reference,
    ) -> BoxFuture<'static, Result<Option<ServedManifest>, UpstreamError>> {
        let (repository, subject) = self.of(&reference);
        Box::pin(async move {
            let found = found(repository.manifest(&subject).await)?;
            Ok(found.map(|document| ServedManifest {
                digest: document.descriptor.digest,
                media_type: document.descriptor.media_type,
                bytes: document.bytes,
            }))
        })
    }

    fn blob(
        &self,
        repository: String,
        digest: Digest,
    ) -> BoxFuture<'static, Result<Option<UpstreamBlob>, UpstreamError>> {
        let (host, path) = repository.split_once('/').unwrap_or((&repository, ""));
        let repository = self.repository(host, path);
        Box::pin(async move {
            // The length comes first: without it nobody could tell a whole blob from the half of one.
            let Some(size) = found(repository.has_blob(digest).await)?.flatten() else {
                return Ok(None);
            };
            let blob = repository.blob(
                &Descriptor::new("", digest, size),
                Hasher::new(digest.algorithm()),
            );
            let bytes = blob.into_stream().map_err(io::Error::other).boxed();
            Ok(Some(UpstreamBlob { size, bytes }))
        })
    }
}
