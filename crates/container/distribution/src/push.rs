//! Pushing: images of this node to their registry.
//!
//! Layers go a few at a time. One that the registry has is not sent; one that it has in another repository is asked of it.
//! The configuration follows, and then the manifest, which makes the image count.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use driver::env::Doing;
use futures_util::future::try_join_all;
use image::{
    Blob, Descriptor, Digest, Export, Exported, ExportedIndex, Image, Images, Lease, Manifest, Platform,
    Reference, ServedManifest, Target,
};
use tokio::io::AsyncSeekExt;

use crate::progress::{Event, Progress, Step};
use crate::pull::enter;
use crate::registries::{Fault, Registries, blocking};
use crate::registry::{Mounted, Reader, Repository, Source, Subject};
use crate::{Credentials, Kind};

/// What to push.
#[derive(Clone)]
pub struct Push {
    /// Images with a tag each, all of one repository.
    pub references: Vec<Reference>,
    /// As whom.
    pub credentials: Credentials,
    /// Of names that stand for an index, the image of this platform alone.
    pub platform: Option<Platform>,
}

/// Something whose manifests were made for its push: an image, or an index of several. The node's content has it, and
/// whoever pushes keeps it there meanwhile.
#[derive(Clone)]
pub struct Parts {
    /// Where to.
    pub reference: Reference,
    /// As whom.
    pub credentials: Credentials,
    /// Layers and configurations.
    pub blobs: Vec<Descriptor>,
    /// Manifests, each behind those that it names; the last has the name.
    pub manifests: Vec<ServedManifest>,
}

impl Registries {
    /// Pushes what was made for it. What has a name of the node's own registry is in it; elsewhere its images can be had
    /// again from now on.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn push_parts(&self, parts: &Parts, progress: &Progress) -> Result<(), Fault> {
        if self.is_own(&parts.reference.domain) {
            return self.enter_parts(parts).await;
        }
        let repository = self.repository(&parts.reference, &parts.credentials);
        let sending = Sending {
            registries: self,
            repository: &repository,
            reference: &parts.reference,
            progress,
        };
        let blobs = parts.blobs.iter();
        try_join_all(blobs.map(|blob| sending.layer(blob, blob.digest))).await?;
        let last = parts.manifests.len().saturating_sub(1);
        for (number, manifest) in parts.manifests.iter().enumerate() {
            let subject = match (&parts.reference.tag, number == last) {
                (Some(tag), true) => Subject::Tag(tag.clone()),
                _ => Subject::Digest(manifest.digest),
            };
            repository
                .put_manifest(&subject, &manifest.media_type, manifest.bytes.clone())
                .await?;
        }
        let (images, reference) = (self.0.images.clone(), parts.reference.clone());
        let manifests = parts.manifests.clone();
        blocking(move || {
            let mut pushed = manifests
                .iter()
                .filter_map(|manifest| exported(&images, manifest));
            pushed.try_for_each(|image| match manifests.len() {
                1 => images.note_pushed(&reference, &image),
                // The index has the name.
                _ => images.note_part_pushed(&image.image),
            })
        })
        .await
    }

    /// Pushes images. Each counts in the registry as soon as its manifest is there; what was sent before a failure stays
    /// there, for the next try.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn push(&self, wish: &Push, progress: &Progress) -> Result<(), Fault> {
        let Some(first) = wish.references.first() else {
            return Ok(());
        };
        progress.tell(Event::PushingTo(first.name())).await;
        let repository = self.repository(first, &wish.credentials);
        for reference in &wish.references {
            self.push_one(&repository, reference, wish.platform.as_ref(), progress)
                .await?;
        }
        Ok(())
    }

    async fn push_one(
        &self,
        repository: &Repository,
        reference: &Reference,
        platform: Option<&Platform>,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let inner = &self.0;
        let image = inner.images.resolve(&reference.to_string())?;
        if self.is_own(&reference.domain) {
            return self.push_own((reference, platform), &image, progress).await;
        }
        // The topmost first, as dockerd tells them.
        for layer in image.layers.iter().rev() {
            progress.layer(&layer.diff_id.short(), Step::Preparing).await;
        }
        let lease = self.lease("push")?;
        let index = {
            let (images, lease, name) = (inner.images.clone(), lease.clone(), reference.clone());
            let platform = platform.cloned();
            blocking(move || images.export_index(&lease, &name, platform.as_ref())).await?
        };
        let instead_of = match index {
            Some(index) if is_in_full(repository, &index.missing).await? => {
                return self
                    .push_index(repository, reference, (&image, index), progress)
                    .await;
            }
            index => index.and_then(|index| index.manifests.last().map(described)),
        };
        let exported = {
            let (images, lease, id) = (inner.images.clone(), lease.clone(), image.id);
            blocking(move || images.export(&lease, &id, Export::default())).await?
        };
        let sending = Sending {
            registries: self,
            repository,
            reference,
            progress,
        };
        let layers = exported.layers.iter().zip(&image.layers);
        try_join_all(layers.map(|(descriptor, layer)| sending.layer(descriptor, layer.diff_id))).await?;
        sending.config(&exported, &image).await?;
        let told = sending.named(&exported.manifest).await?;
        let (images, reference, pushed) =
            (inner.images.clone(), reference.clone(), exported.manifest.clone());
        blocking(move || images.note_pushed(&reference, &exported)).await?;
        drop(lease);
        progress.tell(told).await;
        tell_instead(progress, instead_of, (&image, &pushed)).await;
        Ok(())
    }

    /// An index goes with all of it that is here; the registry has the rest.
    async fn push_index(
        &self,
        repository: &Repository,
        reference: &Reference,
        (image, index): (&Image, ExportedIndex),
        progress: &Progress,
    ) -> Result<(), Fault> {
        let sending = Sending {
            registries: self,
            repository,
            reference,
            progress,
        };
        let blobs = index.blobs.iter();
        try_join_all(blobs.map(|blob| sending.layer(blob, blob.digest))).await?;
        let Some((manifest, listed)) = index.manifests.split_last() else {
            return Err(Fault::NoManifest(reference.familiar()));
        };
        for each in listed {
            let subject = Subject::Digest(each.digest);
            repository
                .put_manifest(&subject, &each.media_type, each.bytes.clone())
                .await?;
        }
        let told = sending.named(manifest).await?;
        let exported = Exported {
            image: image.id,
            manifest: manifest.clone(),
            config: Descriptor::new("", image.id, image.config_bytes.len() as u64),
            layers: Vec::new(),
        };
        let (images, reference) = (self.0.images.clone(), reference.clone());
        blocking(move || images.note_pushed(&reference, &exported)).await?;
        progress.tell(told).await;
        Ok(())
    }

    /// What has a name of the node's own registry is in it.
    async fn push_own(
        &self,
        (reference, platform): (&Reference, Option<&Platform>),
        image: &Image,
        progress: &Progress,
    ) -> Result<(), Fault> {
        for layer in &image.layers {
            progress
                .layer(&layer.diff_id.short(), Step::LayerAlreadyExists)
                .await;
        }
        let lease = self.lease("push")?;
        let (one, instead_of) = {
            let (images, held, name) = (self.0.images.clone(), lease.clone(), reference.clone());
            let (platform, image) = (platform.cloned(), image.clone());
            blocking(move || one_of(&images, &held, (&name, platform.as_ref()), &image)).await?
        };
        let served = self.enter_own(reference, one).await?;
        drop(lease);
        let told = Event::Tagged {
            tag: reference.tag.clone().unwrap_or_default(),
            digest: served.digest,
            size: served.bytes.len() as u64,
        };
        progress.tell(told).await;
        tell_instead(progress, instead_of, (image, &served)).await;
        Ok(())
    }

    /// Has the node's own registry keep what was made for it, which may have no name yet.
    async fn enter_parts(&self, parts: &Parts) -> Result<(), Fault> {
        let missing = || Fault::NoManifest(parts.reference.familiar());
        let root = parts.manifests.last().ok_or_else(missing)?.digest;
        let lease = self.lease("push")?;
        let named = {
            let (images, lease, name) = (self.0.images.clone(), lease.clone(), parts.reference.clone());
            blocking(move || images.tag_under(&lease, &name, Target::manifest(root, None)))
        };
        named.await?;
        self.enter_own(&parts.reference, None).await?;
        blocking(move || Arc::into_inner(lease).map_or(Ok(()), Lease::keep)).await
    }

    /// Has the node's own registry keep what it serves by a name, or one manifest of that: from now on it was pushed.
    async fn enter_own(
        &self,
        reference: &Reference,
        one: Option<ServedManifest>,
    ) -> Result<ServedManifest, Fault> {
        let (images, name) = (self.0.images.clone(), reference.clone());
        let served = blocking(move || {
            images.offer(&name)?;
            let served = one.map_or_else(|| images.manifest_in(&name), |one| Ok(Some(one)))?;
            if let Some(served) = &served {
                // From now on it has a digest, and is known by it.
                let tags: Vec<String> = name
                    .tag
                    .clone()
                    .filter(|_| name.digest.is_none())
                    .into_iter()
                    .collect();
                enter(&images, &name, served, Some(&tags))?;
            }
            Ok::<_, image::Error>(served)
        });
        let served = served.await?;
        served.ok_or_else(|| Fault::NoManifest(reference.familiar()))
    }
}

/// Of an index, the one manifest that goes to the node's own registry: a platform's, or that of the image which is here if
/// the rest is not, and then the index as well.
fn one_of(
    images: &Images,
    lease: &Lease,
    (name, platform): (&Reference, Option<&Platform>),
    image: &Image,
) -> Result<(Option<ServedManifest>, Option<Descriptor>), image::Error> {
    let Some(index) = images.export_index(lease, name, platform)? else {
        return Ok((None, None));
    };
    let last = index.manifests.last();
    if platform.is_some() {
        return Ok((last.cloned(), None));
    }
    let is_here = |digest: &Digest| images.manifest(digest).is_some();
    if index.missing.iter().all(is_here) {
        return Ok((None, None));
    }
    let own = image.manifest.map(|digest| images.stored_manifest(&digest));
    let own = own.transpose()?.flatten().map(|stored| ServedManifest {
        digest: stored.summary.digest,
        media_type: stored.summary.media_type.clone(),
        bytes: stored.bytes,
    });
    let instead_of = last.filter(|_| own.is_some()).map(described);
    Ok((own, instead_of))
}

/// Whether a registry has the manifests that are not here: it has what they name, then.
async fn is_in_full(repository: &Repository, missing: &[Digest]) -> Result<bool, Fault> {
    for digest in missing {
        match repository.resolve(&Subject::Digest(*digest)).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Says that one image was pushed in place of an index, if it was.
async fn tell_instead(
    progress: &Progress,
    index: Option<Descriptor>,
    (image, pushed): (&Image, &ServedManifest),
) {
    let Some(index) = index else { return };
    let manifest = Descriptor {
        platform: Some(image.config.platform()),
        ..described(pushed)
    };
    let (index, manifest) = (Box::new(index), Box::new(manifest));
    progress.tell(Event::InsteadOf { index, manifest }).await;
}

fn described(manifest: &ServedManifest) -> Descriptor {
    Descriptor::new(&manifest.media_type, manifest.digest, manifest.bytes.len() as u64)
}

/// What a manifest is of that was made for a push, if that is an image of this node.
fn exported(images: &Images, manifest: &ServedManifest) -> Option<Exported> {
    let parsed: Manifest = serde_json::from_slice(&manifest.bytes).ok()?;
    Some(Exported {
        image: images.get(&parsed.config.digest)?.id,
        manifest: manifest.clone(),
        config: parsed.config,
        layers: parsed.layers,
    })
}

/// A push that sends blobs.
#[derive(Clone, Copy)]
struct Sending<'a> {
    registries: &'a Registries,
    repository: &'a Repository,
    reference: &'a Reference,
    progress: &'a Progress,
}

impl Sending<'_> {
    /// Gives the manifest of what was sent its name; what to tell of it.
    async fn named(self, manifest: &ServedManifest) -> Result<Event, Fault> {
        let tag = self.reference.tag.clone().unwrap_or_default();
        let subject = match self.reference.digest {
            Some(digest) => Subject::Digest(digest),
            None => Subject::Tag(tag.clone()),
        };
        self.repository
            .put_manifest(&subject, &manifest.media_type, manifest.bytes.clone())
            .await?;
        Ok(Event::Tagged {
            tag,
            digest: manifest.digest,
            size: manifest.bytes.len() as u64,
        })
    }

    async fn layer(self, descriptor: &Descriptor, diff_id: Digest) -> Result<(), Fault> {
        let _turn = self.registries.0.uploads.acquire().await;
        let id = diff_id.short();
        if self.repository.has_blob(descriptor.digest).await?.is_some() {
            self.progress.layer(&id, Step::LayerAlreadyExists).await;
            return Ok(());
        }
        let begun = match self.elsewhere(&descriptor.digest) {
            Some(from) => match self.repository.mount(descriptor.digest, &from).await? {
                Mounted::Yes => {
                    self.progress.layer(&id, Step::MountedFrom(from)).await;
                    return Ok(());
                }
                Mounted::No(upload) => Some(upload),
            },
            None => None,
        };
        let total = descriptor.size;
        let source = Stored {
            images: self.registries.0.images.clone(),
            digest: descriptor.digest,
            size: total,
        };
        let (progress, of, last) = (self.progress.clone(), id.clone(), Mutex::new(0));
        let tell = move |sent| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            progress.bytes(&mut last, &of, sent, |sent| Step::Pushing(sent, total));
        };
        self.repository
            .upload(begun, descriptor.digest, Arc::new(source), Arc::new(tell))
            .await?;
        self.progress.layer(&id, Step::Pushed).await;
        Ok(())
    }

    async fn config(self, exported: &Exported, image: &Image) -> Result<(), Fault> {
        let digest = exported.config.digest;
        if self.repository.has_blob(digest).await?.is_some() {
            return Ok(());
        }
        let source = Arc::new(image.config_bytes.clone());
        self.repository
            .upload(None, digest, source, Arc::new(|_| ()))
            .await?;
        Ok(())
    }

    /// Another repository of the same registry that has a blob, as far as names here tell.
    fn elsewhere(&self, digest: &Digest) -> Option<String> {
        let images = self.registries.0.images.list();
        let has = images.iter().filter(|image| {
            let mut blobs = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
            blobs.any(|blob| blob.digest == *digest)
        });
        // A name with a digest is one that was pulled or pushed.
        let names = has.flat_map(|image| &image.digests);
        names
            .filter_map(|name| Reference::parse(name).ok())
            .find(|known| known.domain == self.reference.domain && known.path != self.reference.path)
            .map(|known| known.path)
    }
}

/// A blob of the node's own content, to be sent. It stays as long as the push's lease does.
struct Stored {
    images: Images,
    digest: Digest,
    size: u64,
}

impl Source for Stored {
    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self, from: u64) -> Doing<io::Result<Reader>> {
        let (images, digest) = (self.images.clone(), self.digest);
        Box::pin(async move {
            let opened = blocking(move || images.open_blob(&digest)).await;
            match opened.map_err(io::Error::other)? {
                Some(Blob::File(file, _)) => {
                    let mut file = tokio::fs::File::from_std(file);
                    file.seek(io::SeekFrom::Start(from)).await?;
                    Ok(Box::new(file) as Reader)
                }
                Some(Blob::Bytes(bytes)) => Source::open(&bytes, from).await,
                None => Err(io::ErrorKind::NotFound.into()),
            }
        })
    }
}
