//! Where content comes from that a build names, besides images that are pulled: a repository, or a store of the client.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::buildkit::{Code, Session, Status};
use builder::Builder;
use bytes::Bytes;
use distribution::{Repository, Subject};
use image::{Descriptor, Digest, DigestAlgorithm, Hasher, ImageConfig, Images, Lease, Platform, media_type};
use serde_json::{Value, json};

use crate::api::blocking;
use crate::error::ApiError;

/// The largest document that is read.
pub(super) const MAX_CONFIG: u64 = 32 << 20;

/// Where content is.
#[derive(Clone)]
pub(super) enum Source {
    Registry(Repository),
    /// A session, and its store's name.
    Local(Arc<Session>, String),
}

pub(super) fn failed(what: impl std::fmt::Display) -> Status {
    Status::new(Code::Unknown, what.to_string())
}

pub(super) fn refused(error: ApiError) -> Status {
    failed(error.message)
}

impl Source {
    /// A manifest that an index lists.
    pub(super) async fn manifest(&self, descriptor: &Descriptor) -> Result<Bytes, Status> {
        match self {
            Self::Registry(repository) => {
                let subject = Subject::Digest(descriptor.digest);
                Ok(repository.manifest(&subject).await.map_err(failed)?.bytes)
            }
            Self::Local(..) => self.small(descriptor).await,
        }
    }

    /// Content that fits into memory, checked.
    pub(super) async fn small(&self, descriptor: &Descriptor) -> Result<Bytes, Status> {
        if descriptor.size > MAX_CONFIG {
            return Err(failed(format!("a cache config of more than {MAX_CONFIG} bytes")));
        }
        let mut bytes = Vec::new();
        self.read(descriptor, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .await?;
        match Digest::of(&bytes) == descriptor.digest {
            true => Ok(bytes.into()),
            false => Err(failed(format!("{} has other content", descriptor.digest))),
        }
    }

    async fn read(
        &self,
        descriptor: &Descriptor,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()> + Send,
    ) -> Result<(), Status> {
        match self {
            Self::Registry(repository) => {
                let mut blob = repository.blob(descriptor, Hasher::default());
                while let Some(piece) = blob.piece().await.map_err(failed)? {
                    take(&piece).map_err(failed)?;
                }
                Ok(())
            }
            Self::Local(session, store) => {
                let digest = descriptor.digest.to_string();
                session.read_content(store, &digest, descriptor.size, take).await
            }
        }
    }

    /// Makes an image of a configuration and layers: what is not here of them is brought.
    pub(super) async fn bring(
        &self,
        images: &Images,
        builder: &Builder,
        config: Bytes,
        layers: Vec<Descriptor>,
    ) -> Result<Digest, Status> {
        let parsed = ImageConfig::parse(&config).map_err(failed)?;
        if layers.len() != parsed.rootfs.diff_ids.len() {
            return Err(failed("an image has other layers than its configuration says"));
        }
        let lease = Arc::new(lease(images).map_err(failed)?);
        let mut parent = None;
        for (layer, diff_id) in layers.iter().zip(&parsed.rootfs.diff_ids) {
            let (diff_id, chain) = (*diff_id, Digest::chain(parent, *diff_id));
            if !lease.hold_layer(chain) {
                let file = self.fetch(builder, layer).await?;
                let (images, lease, layer) = (images.clone(), lease.clone(), layer.clone());
                let attached = blocking(move || {
                    let mut file = file;
                    let received = images.receive_layer(&layer, diff_id, &mut file, &mut |_| {})?;
                    images.attach_layer(&lease, parent, received)
                });
                attached.await.map_err(refused)?;
            }
            parent = Some(chain);
        }
        let images = images.clone();
        let registered = blocking(move || register(&images, lease, config, layers));
        registered.await.map_err(refused)
    }

    async fn fetch(&self, builder: &Builder, layer: &Descriptor) -> Result<File, Status> {
        let mut file = builder.spool().map_err(failed)?;
        let mut kept = file.try_clone().map_err(failed)?;
        self.read(layer, |piece| file.write_all(piece)).await?;
        kept.rewind().map_err(failed)?;
        Ok(kept)
    }

    /// Content in a file without a name, checked.
    pub(super) async fn file(&self, builder: &Builder, blob: &Descriptor) -> Result<File, Status> {
        let (mut file, mut hasher) = (
            builder.spool().map_err(failed)?,
            Hasher::new(blob.digest.algorithm()),
        );
        let mut kept = file.try_clone().map_err(failed)?;
        self.read(blob, |piece| {
            hasher.update(piece);
            file.write_all(piece)
        })
        .await?;
        if hasher.size() != blob.size || hasher.digest() != blob.digest {
            return Err(failed(format!("{} has other content", blob.digest)));
        }
        kept.rewind().map_err(failed)?;
        Ok(kept)
    }

    /// Brings the image of a layout that is for a platform, by the digest of its manifest or of an index.
    ///
    /// # Errors
    /// There is none, or its content is not what it should be.
    pub(super) async fn image(
        &self,
        images: &Images,
        builder: &Builder,
        digest: Digest,
        wanted: &Platform,
    ) -> Result<Digest, Status> {
        let mut document = self.document(digest).await?;
        // An index may name another, and that is as deep as it gets.
        for _ in 0..2 {
            let Some(entries) = document["manifests"].as_array() else {
                break;
            };
            let runs = |entry: &&Value| {
                let platform = serde_json::from_value::<Platform>(entry["platform"].clone());
                platform.map_or(true, |platform| wanted.runs(&platform))
            };
            let chosen = entries
                .iter()
                .find(runs)
                .and_then(|entry| entry["digest"].as_str());
            let chosen = chosen.ok_or_else(|| failed("the layout has no image for this platform"))?;
            document = self.document(chosen.parse().map_err(failed)?).await?;
        }
        let config: Descriptor = serde_json::from_value(document["config"].clone()).map_err(failed)?;
        let layers = serde_json::from_value(document["layers"].clone()).map_err(failed)?;
        let config = self.small(&config).await?;
        self.bring(images, builder, config, layers).await
    }

    async fn document(&self, digest: Digest) -> Result<Value, Status> {
        let bytes = self.small(&Descriptor::new("", digest, MAX_CONFIG)).await?;
        serde_json::from_slice(&bytes).map_err(failed)
    }
}

/// Serial numbers of leases.
pub(super) fn lease(images: &Images) -> Result<Lease, image::Error> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    images.lease(&format!(
        "buildkit/cache/{}",
        NEXT.fetch_add(1, Ordering::Relaxed)
    ))
}

/// Makes an image of a configuration whose layers are here.
pub(super) fn register(
    images: &Images,
    lease: Arc<Lease>,
    config: Bytes,
    layers: Vec<Descriptor>,
) -> Result<Digest, ApiError> {
    let descriptor = Descriptor::new(media_type::CONFIG, Digest::of(&config), config.len() as u64);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": descriptor, "layers": layers,
    });
    let manifest = Bytes::from(manifest.to_string());
    images.put_manifest(&lease, DigestAlgorithm::Sha256, media_type::MANIFEST, &manifest)?;
    images.receive_blob(&lease, &descriptor, &mut &*config)?;
    let image = images.register_pulled(&lease, &Digest::of(&manifest), config)?;
    if let Some(lease) = Arc::into_inner(lease) {
        lease.keep()?;
    }
    Ok(image.id)
}
