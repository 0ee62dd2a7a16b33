//! Pulling: what a reference names, from its registry into the node's own content.
//!
//! The configuration comes first, so that it is known which layers are here already. Those that are not come at once, a
//! few at a time; each goes in one pass through its hash and its unpacking to its place, and is put upon the one below as
//! soon as that is there. Everything is made under one lease: an image counts when its tag does, and a pull that fails
//! leaves nothing but what had come of a large layer, for the next one to go on from.

mod own;

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use image::{
    Beginning, Descriptor, Digest, DigestAlgorithm, Hasher, Image, ImageConfig, Images, Index, Lease,
    MAX_LAYERS, Manifest, Platform, Received, Reference, ServedManifest, Target, media_type,
};
use tokio::sync::oneshot;

use crate::Credentials;
use crate::feed::{self, feed};
use crate::progress::{Event, Progress, Step};
use crate::registries::{Fault, Registries, blocking};
use crate::registry::{Document, Page, Repository, Subject};

/// What to pull.
#[derive(Clone)]
pub struct Pull {
    /// Its name, with a tag or a digest.
    pub reference: Reference,
    /// What it has to run on; this machine's where nothing is said.
    pub platform: Option<Platform>,
    /// As whom.
    pub credentials: Credentials,
}

/// What was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The image that is here now.
    pub image: Arc<Image>,
    /// What the registry calls it: the digest of the index, where there is one.
    pub digest: Digest,
    /// Whether it, or its name, was not here before.
    pub newer: bool,
}

/// What of a pull gets a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// What was asked for.
    Asked,
    /// The image's own manifest, by its digest.
    Manifest,
}

impl Naming {
    /// What an image is called that was asked for so.
    fn of(self, asked: &Reference, manifest: Digest) -> Reference {
        match self {
            Self::Asked => asked.clone(),
            Self::Manifest => Reference {
                digest: Some(manifest),
                ..asked.repository()
            },
        }
    }
}

/// The largest configuration of an image (dockerd's).
const MAX_CONFIG: u64 = 4 << 20;

impl Registries {
    /// Pulls an image, or finds that what is here is what its name means. Whoever drops this gives the pull up; nothing
    /// of it stays.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn pull(&self, wish: &Pull, progress: &Progress) -> Result<Pulled, Fault> {
        self.pull_as(wish, Naming::Asked, progress).await
    }

    /// As [`Self::pull`], for a build whose base is for another platform than what the name stands for here: that stays
    /// what it is, and what is pulled is known by the digest of its own manifest. A manifest alone is what it is, whatever
    /// platform is asked for.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn pull_apart(&self, wish: &Pull, progress: &Progress) -> Result<Pulled, Fault> {
        self.pull_as(wish, Naming::Manifest, progress).await
    }

    async fn pull_as(&self, wish: &Pull, naming: Naming, progress: &Progress) -> Result<Pulled, Fault> {
        let reference = wish.reference.clone().with_default_tag();
        if self.is_own(&reference.domain) {
            let platform = wish.platform.clone();
            return self.own(&reference, (platform, naming), progress).await;
        }
        let repository = self.repository(&reference, &wish.credentials);
        let top = match self
            .still(&repository, &reference, wish.platform.as_ref())
            .await?
        {
            Still::Here(pulled) => {
                progress.tell(from(&reference)).await;
                progress.tell(Event::Digest(pulled.digest)).await;
                return Ok(pulled);
            }
            Still::Named(digest) => repository.manifest(&Subject::Digest(digest)).await?,
            Still::Unknown => repository.manifest(&subject(&reference)).await?,
        };
        progress.tell(from(&reference)).await;
        let lease = self.lease("pull")?;
        let digest = top.descriptor.digest;
        let mut wish = wish.clone();
        wish.platform
            .take_if(|_| naming == Naming::Manifest && !is_index(&top));
        let chosen = self.choose(&repository, &lease, top, &wish).await?;
        let image = self.bring(&repository, &lease, &chosen, &wish, progress).await?;
        let reference = naming.of(&reference, chosen.descriptor.digest);
        let pulled = Pulled {
            newer: standing_for(&self.0.images, &reference) != Some(image.id),
            image,
            digest: reference
                .digest
                .filter(|_| naming == Naming::Manifest)
                .unwrap_or(digest),
        };
        self.name(lease, reference, &pulled).await?;
        progress.tell(Event::Digest(digest)).await;
        Ok(pulled)
    }

    /// What the node's own registry has is here.
    async fn own(
        &self,
        reference: &Reference,
        (platform, naming): (Option<Platform>, Naming),
        progress: &Progress,
    ) -> Result<Pulled, Fault> {
        let (images, name) = (self.0.images.clone(), reference.clone());
        let pulled = blocking(move || own::find(&images, &name, platform.as_ref(), naming)).await?;
        progress.tell(from(reference)).await;
        progress.tell(Event::Digest(pulled.digest)).await;
        Ok(pulled)
    }

    /// The tags of a repository, for a pull of all of them.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn tags(&self, reference: &Reference, credentials: &Credentials) -> Result<Vec<String>, Fault> {
        let repository = self.repository(reference, credentials);
        Ok(repository.tags(Page::default()).await?)
    }

    /// Whether what is here is still what the registry means, for the platform that is asked for. It costs one question,
    /// and none for a digest.
    async fn still(
        &self,
        repository: &Repository,
        reference: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Still, Fault> {
        let images = &self.0.images;
        let here = images.resolve(&reference.to_string()).ok();
        let (Some(known), Some(image)) = (images.tagged_manifest(reference), here) else {
            return Ok(Still::Unknown);
        };
        let fits = match platform {
            Some(wanted) => runs(wanted, &image.config),
            // Of an index this machine's is meant; a manifest alone is what it is.
            None => image.manifest == Some(known) || runs(&Platform::host(), &image.config),
        };
        if !fits {
            return Ok(Still::Unknown);
        }
        let digest = match reference.digest {
            Some(digest) => digest,
            None => repository.resolve(&subject(reference)).await?.digest,
        };
        if digest != known {
            return Ok(Still::Named(digest));
        }
        Ok(Still::Here(Pulled {
            image,
            digest,
            newer: false,
        }))
    }

    /// The manifest of the image, out of an index if there is one; both are kept.
    async fn choose(
        &self,
        repository: &Repository,
        lease: &Arc<Lease>,
        top: Document,
        wish: &Pull,
    ) -> Result<Document, Fault> {
        let mut document = top;
        // An index may name another, and that is as deep as it gets.
        for _ in 0..2 {
            self.keep(lease, &document).await?;
            if !is_index(&document) {
                return Ok(document);
            }
            let index: Index = parse("manifest list", &document.bytes)?;
            let wanted = wish.platform.clone().unwrap_or_else(Platform::host);
            let chosen = pick(&index.manifests, &wanted);
            let chosen = chosen.ok_or_else(|| Fault::NoPlatform(written(&wanted)))?;
            document = repository.manifest(&Subject::Digest(chosen.digest)).await?;
        }
        self.keep(lease, &document).await?;
        Ok(document)
    }

    async fn keep(&self, lease: &Arc<Lease>, document: &Document) -> Result<(), Fault> {
        let (images, lease) = (self.0.images.clone(), lease.clone());
        let (descriptor, bytes) = (document.descriptor.clone(), document.bytes.clone());
        let algorithm = descriptor.digest.algorithm();
        blocking(move || {
            images
                .put_manifest(&lease, algorithm, &descriptor.media_type, &bytes)
                .map(drop)
        })
        .await
    }

    async fn bring(
        &self,
        repository: &Repository,
        lease: &Arc<Lease>,
        chosen: &Document,
        wish: &Pull,
        progress: &Progress,
    ) -> Result<Arc<Image>, Fault> {
        let manifest: Manifest = parse("manifest", &chosen.bytes)?;
        let config = self.config(repository, lease, &manifest.config).await?;
        let parsed = ImageConfig::parse(&config)?;
        let platform = wish.platform.as_ref();
        if let Some(wanted) = platform.filter(|wanted| !runs(wanted, &parsed)) {
            return Err(other_platform(&wish.reference, wanted));
        }
        let layers = Wanted::of(&manifest, &parsed)?;
        self.layers(repository, lease, layers, progress).await?;
        let (images, lease, digest) = (self.0.images.clone(), lease.clone(), chosen.descriptor.digest);
        blocking(move || images.register_pulled(&lease, &digest, config)).await
    }

    async fn config(
        &self,
        repository: &Repository,
        lease: &Arc<Lease>,
        descriptor: &Descriptor,
    ) -> Result<Bytes, Fault> {
        of_image(descriptor)?;
        let bytes = read_config(repository, descriptor).await?;
        let (images, lease, descriptor) = (self.0.images.clone(), lease.clone(), descriptor.clone());
        let kept = bytes.clone();
        blocking(move || images.receive_blob(&lease, &descriptor, &mut &*kept)).await?;
        Ok(bytes)
    }

    /// Brings what is not here of the layers, each as soon as there is room for it.
    async fn layers(
        &self,
        repository: &Repository,
        lease: &Arc<Lease>,
        layers: Vec<Wanted>,
        progress: &Progress,
    ) -> Result<(), Fault> {
        let mut missing = Vec::with_capacity(layers.len());
        for layer in layers {
            let here = lease.hold_layer(layer.chain);
            let step = if here {
                Step::AlreadyExists
            } else {
                Step::PullingFsLayer
            };
            progress.layer(&layer.id, step).await;
            missing.extend((!here).then_some(layer));
        }
        let mut below = None;
        let mut tasks = Vec::with_capacity(missing.len());
        for layer in missing {
            let (done, next) = oneshot::channel();
            let bringing = Bringing {
                registries: self,
                repository,
                lease,
                progress,
            };
            tasks.push(bringing.layer(layer, below.replace(next), done));
        }
        try_join_all(tasks).await.map(drop)
    }

    /// Gives the image its names, which makes it count.
    async fn name(&self, lease: Arc<Lease>, reference: Reference, pulled: &Pulled) -> Result<(), Fault> {
        let images = self.0.images.clone();
        let (id, digest) = (pulled.image.id, pulled.digest);
        let target = Target::manifest(digest, Some(id));
        let by_digest = Reference {
            tag: None,
            digest: Some(digest),
            ..reference.clone()
        };
        blocking(move || {
            images.tag_under(&lease, &by_digest, target)?;
            // What was asked for by its digest has no other name.
            if reference.digest.is_none() {
                images.tag_under(&lease, &reference, target)?;
            }
            Arc::into_inner(lease).map_or(Ok(()), Lease::keep_soon)
        })
        .await
    }
}

/// The image that a name stands for.
fn standing_for(images: &Images, reference: &Reference) -> Option<Digest> {
    images.target(reference)?.image
}

/// Enters what the node's own registry serves under its digest, so that docker knows it by that, or as what is `pushed` there
/// under tags; answers the image that it is.
pub(crate) fn enter(
    images: &Images,
    name: &Reference,
    served: &ServedManifest,
    pushed: Option<&[String]>,
) -> Result<Option<Arc<Image>>, image::Error> {
    let push = image::Push {
        repository: &name.name(),
        digest: Some(served.digest),
        tags: pushed.unwrap_or_default(),
        media_type: &served.media_type,
    };
    let pushed = match pushed {
        Some(_) => images.push_manifest(&push, &served.bytes)?,
        None => images.enter_manifest(&push, &served.bytes)?,
    };
    Ok(pushed.image.and_then(|id| images.get(&id)))
}

/// Refuses the configurations of artifacts.
fn of_image(config: &Descriptor) -> Result<(), Fault> {
    match config.media_type.as_str() {
        media_type::CONFIG | media_type::DOCKER_CONFIG | "" => Ok(()),
        other => Err(Fault::NoImage(format!("unsupported media type {other}"))),
    }
}

fn other_platform(reference: &Reference, wanted: &Platform) -> Fault {
    Fault::OtherPlatform {
        reference: reference.familiar(),
        platform: written(wanted),
    }
}

/// A configuration as a manifest names it. What the manifest says of its length comes from a stranger, too.
pub(crate) async fn read_config(repository: &Repository, descriptor: &Descriptor) -> Result<Bytes, Fault> {
    if descriptor.size > MAX_CONFIG {
        return Err(document("image configuration", "it is longer than 4 MiB"));
    }
    let mut blob = repository.blob(descriptor, Hasher::new(descriptor.digest.algorithm()));
    let mut bytes = Vec::new();
    while let Some(piece) = blob.piece().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(Bytes::from(bytes))
}

/// How the reference stands to what is here.
enum Still {
    Here(Pulled),
    /// It names this now.
    Named(Digest),
    Unknown,
}

/// A layer to bring.
struct Wanted {
    id: String,
    descriptor: Descriptor,
    diff_id: Digest,
    parent: Option<Digest>,
    chain: Digest,
}

impl Wanted {
    /// The layers of a manifest, bottom first, with what the configuration says of them.
    fn of(manifest: &Manifest, config: &ImageConfig) -> Result<Vec<Self>, Fault> {
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (layers, diffs) = (manifest.layers.len(), diff_ids.len());
            return Err(Fault::NoImage(format!(
                "invalid manifest, layer length mismatch: {layers} layers and {diffs} diff ids"
            )));
        }
        // Nobody brings what cannot be mounted.
        if diff_ids.len() > MAX_LAYERS {
            return Err(Fault::Image(image::Error::TooManyLayers));
        }
        let mut parent = None;
        let layers = manifest.layers.iter().zip(diff_ids).map(|(descriptor, diff_id)| {
            let chain = Digest::chain(parent, *diff_id);
            Self {
                id: descriptor.digest.short(),
                descriptor: descriptor.clone(),
                diff_id: *diff_id,
                parent: parent.replace(chain),
                chain,
            }
        });
        Ok(layers.collect())
    }
}

/// A pull that brings layers.
#[derive(Clone, Copy)]
struct Bringing<'a> {
    registries: &'a Registries,
    repository: &'a Repository,
    lease: &'a Arc<Lease>,
    progress: &'a Progress,
}

impl Bringing<'_> {
    /// Brings a layer, unless it is here. It is put upon the one below when that is there (`below`), and then says so
    /// (`done`).
    async fn layer(
        self,
        layer: Wanted,
        below: Option<oneshot::Receiver<()>>,
        done: oneshot::Sender<()>,
    ) -> Result<(), Fault> {
        let inner = &self.registries.0;
        let _flight = inner.flights.take(layer.chain).await;
        if self.lease.hold_layer(layer.chain) {
            self.progress.layer(&layer.id, Step::AlreadyExists).await;
        } else {
            let received = self.receive(&layer).await?;
            self.progress.layer(&layer.id, Step::DownloadComplete).await;
            if let Some(below) = below {
                // One that failed ends the whole pull, this too.
                drop(below.await);
            }
            let (images, lease) = (inner.images.clone(), self.lease.clone());
            blocking(move || images.attach_layer(&lease, layer.parent, received)).await?;
            self.progress.layer(&layer.id, Step::PullComplete).await;
        }
        // The last one has nobody above it.
        let _ = done.send(());
        Ok(())
    }

    /// Bytes that are not what they should be are asked for once more, of somebody else if there is one.
    async fn receive(self, layer: &Wanted) -> Result<Received, Fault> {
        let _turn = self.registries.0.downloads.acquire().await;
        match self.receive_from_one(layer).await {
            Err(fault @ Fault::Image(image::Error::WrongDigest { .. })) => {
                self.receive_from_one(layer).await.map_err(|_| fault)
            }
            other => other,
        }
    }

    /// What came of a layer before an earlier pull of it failed, with its hash. Whoever sent it may have lied: that is found
    /// out at the end, and then nobody is to blame who has sent the rest.
    async fn beginning(self, layer: &Wanted) -> (Option<Beginning>, Hasher) {
        let (images, descriptor) = (self.registries.0.images.clone(), layer.descriptor.clone());
        let taken = blocking(move || {
            let Some(mut beginning) = images.beginning(&descriptor)? else {
                return Ok(None);
            };
            let hasher = beginning.hasher(DigestAlgorithm::default())?;
            Ok::<_, image::Error>(Some((beginning, hasher)))
        });
        match taken.await {
            Ok(Some((beginning, hasher))) => (Some(beginning), hasher),
            // All of it is fetched.
            Ok(None) | Err(_) => (None, Hasher::default()),
        }
    }

    async fn receive_from_one(self, layer: &Wanted) -> Result<Received, Fault> {
        let inner = &self.registries.0;
        let (images, progress) = (inner.images.clone(), self.progress.clone());
        let (id, descriptor, diff_id) = (layer.id.clone(), layer.descriptor.clone(), layer.diff_id);
        let (pump, mut source, failure) = feed();
        // Ends when this is given up; the reader's end is then torn.
        let mut pumping = tokio::task::JoinSet::new();
        // Whoever unpacks it hashes it.
        let (beginning, hasher) = self.beginning(layer).await;
        let goes_on = beginning.is_some();
        let blob = self.repository.blob(&layer.descriptor, hasher);
        pumping.spawn(pump.run(blob.unchecked()));
        let received = blocking(move || {
            let (mut last, total) = (0, descriptor.size);
            let mut tell = |done| progress.bytes(&mut last, &id, done, |done| Step::Downloading(done, total));
            match beginning {
                Some(beginning) => {
                    let mut source = beginning.chain(source);
                    images.receive_layer(&descriptor, diff_id, &mut source, &mut tell)
                }
                None => images.receive_layer(&descriptor, diff_id, &mut source, &mut tell),
            }
        });
        let received = received.await;
        if let Err(Fault::Image(image::Error::WrongDigest { .. })) = received
            && !goes_on
            && let Some(Ok(blob)) = pumping.join_next().await
        {
            blob.distrust();
        }
        received.map_err(|fault| feed::reason(&failure).map_or(fault, Fault::Registry))
    }
}

fn from(reference: &Reference) -> Event {
    let digest = reference.digest.map(|digest| digest.to_string());
    Event::PullingFrom {
        path: reference.path.clone(),
        subject: digest.or_else(|| reference.tag.clone()).unwrap_or_default(),
    }
}

/// What a registry is asked for: the digest, where there is one, whatever the tag.
pub(crate) fn subject(reference: &Reference) -> Subject {
    match (reference.digest, &reference.tag) {
        (Some(digest), _) => Subject::Digest(digest),
        (None, tag) => Subject::Tag(tag.clone().unwrap_or_else(|| "latest".to_owned())),
    }
}

pub(crate) fn is_index(document: &Document) -> bool {
    matches!(
        document.descriptor.media_type.as_str(),
        media_type::INDEX | media_type::DOCKER_INDEX
    )
}

/// The entry of an index for a platform: one of just this variant before one of another.
fn pick<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    let of = |descriptor: &&Descriptor| {
        let platform = descriptor.platform.as_ref();
        platform.is_some_and(|platform| wanted.runs(platform))
    };
    let exact = |descriptor: &&Descriptor| {
        let platform = descriptor.platform.as_ref();
        platform.is_some_and(|platform| platform.variant == wanted.variant)
    };
    let mut fitting = manifests.iter().filter(of);
    fitting.clone().find(exact).or_else(|| fitting.next())
}

/// Whether an image is for a platform.
fn runs(wanted: &Platform, config: &ImageConfig) -> bool {
    let variant = wanted.variant.as_deref();
    (wanted.os.as_str(), wanted.architecture.as_str()) == (&config.os, &config.architecture)
        && variant.is_none_or(|variant| config.variant.as_deref().is_none_or(|own| own == variant))
}

fn written(platform: &Platform) -> String {
    let variant = platform.variant.as_ref().map(|variant| format!("/{variant}"));
    format!(
        "{}/{}{}",
        platform.os,
        platform.architecture,
        variant.unwrap_or_default()
    )
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| document(what, &error.to_string()))
}

fn document(what: &'static str, why: &str) -> Fault {
    let why = why.to_owned();
    Fault::Document { what, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        Platform {
            os: parts.next().unwrap(),
            architecture: parts.next().unwrap(),
            variant: parts.next(),
        }
    }

    #[test]
    fn an_index_has_the_platform_that_is_wanted_or_it_has_not() {
        let entry = |at: usize, text: &str| Descriptor {
            platform: Some(platform(text)),
            ..Descriptor::new(media_type::MANIFEST, Digest::of(&[u8::try_from(at).unwrap()]), 1)
        };
        let texts = [
            "linux/amd64",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "unknown/unknown",
        ];
        let index: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| entry(at, text))
            .collect();
        for (wanted, expected) in [
            ("linux/amd64", Some(0)),
            ("linux/amd64/v2", Some(0)),
            ("linux/arm/v7", Some(2)),
            ("linux/arm", Some(1)),
            ("linux/arm64", Some(3)),
            ("linux/riscv64", None),
            ("windows/amd64", None),
        ] {
            let found = pick(&index, &platform(wanted));
            let at = found.and_then(|found| index.iter().position(|entry| entry.digest == found.digest));
            assert_eq!(at, expected, "{wanted}");
            assert_eq!(written(&platform(wanted)), wanted);
        }
    }
}
