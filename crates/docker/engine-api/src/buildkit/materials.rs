//! What results are made of besides the client's own files, noted as it is asked for: a provenance names it by its digests.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ::buildkit::Material;
use builder::{Authorization, Fetch, Fetched, GitSource, Repository, Sent};
use image::{Digest, Hasher, Images, Reference};

use crate::api::blocking;
use crate::error::ApiError;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Notes what was fetched, and which images were used.
pub(super) struct Materials {
    fetch: Option<Arc<dyn Fetch>>,
    found: Arc<Mutex<BTreeSet<Material>>>,
}

impl Materials {
    /// Over what fetches.
    pub(super) fn over(fetch: Option<Arc<dyn Fetch>>) -> Self {
        let found = Arc::default();
        Self { fetch, found }
    }

    /// All of it, each once.
    pub(super) fn found(&self) -> Vec<Material> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().cloned().collect()
    }

    /// Notes an image. One that is asked for by its id is another build's result, and is no material of its own.
    pub(super) fn image(&self, images: &Images, reference: &str, id: &Digest) {
        let parsed = Reference::parse(reference).map(Reference::with_default_tag);
        if reference.starts_with("sha256:") {
            return;
        }
        let (Ok(name), Some(image)) = (parsed, images.get(id)) else {
            return;
        };
        let tagged = images.target(&name).filter(|target| target.image == Some(*id));
        let manifest = tagged.and_then(|target| target.manifest).or(image.manifest);
        note(
            &self.found,
            Material::Image {
                reference: name.to_string(),
                platform: builder_platform(&image.config.platform()),
                digest: manifest.unwrap_or(*id).to_string(),
            },
        );
    }

    fn fetcher(&self) -> Result<Arc<dyn Fetch>, String> {
        let missing = || "this builder fetches nothing from addresses".to_owned();
        self.fetch.clone().ok_or_else(missing)
    }
}

fn note(found: &Mutex<BTreeSet<Material>>, material: Material) {
    found
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(material);
}

fn builder_platform(platform: &image::Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if let Some(variant) = platform.variant.as_deref().filter(|variant| !variant.is_empty()) {
        text = format!("{text}/{variant}");
    }
    text
}

impl Fetch for Materials {
    fn http(&self, url: &str, who: &Authorization) -> Sent<Result<Fetched, String>> {
        let (fetch, found, url) = (self.fetcher(), self.found.clone(), url.to_owned());
        let who = who.clone();
        Box::pin(async move {
            let fetched = fetch?.http(&url, &who).await?;
            let hashed = blocking(move || {
                let digest = hash(&fetched.file);
                let digest = digest.map_err(|cause| ApiError::internal(cause.to_string()))?;
                Ok::<_, ApiError>((fetched, digest))
            });
            let (fetched, digest) = hashed.await.map_err(|error| error.message)?;
            let digest = digest.to_string();
            note(&found, Material::Http { url, digest });
            Ok(fetched)
        })
    }

    fn git(&self, source: &GitSource, agent: Option<PathBuf>) -> Sent<Result<Repository, String>> {
        let (fetch, found, source) = (self.fetcher(), self.found.clone(), source.clone());
        Box::pin(async move {
            let repository = fetch?.git(&source, agent).await?;
            let url = match &*source.reference {
                "" => source.remote.clone(),
                reference => format!("{}#{reference}", source.remote),
            };
            let commit = repository.commit.clone();
            note(&found, Material::Git { url, commit });
            Ok(repository)
        })
    }

    fn prune(&self) -> Sent<u64> {
        match &self.fetch {
            Some(fetch) => fetch.prune(),
            None => Box::pin(async { 0 }),
        }
    }
}

/// The digest of a file, read by position: whoever has it open reads on where it was.
fn hash(file: &File) -> io::Result<Digest> {
    let (mut hasher, mut piece, mut offset) = (Hasher::default(), vec![0; PIECE], 0);
    loop {
        let read = file.read_at(&mut piece, offset)?;
        if read == 0 {
            return Ok(hasher.digest());
        }
        hasher.update(&piece[..read]);
        offset += read as u64;
    }
}
