//! Caches that travel: steps by their keys, in BuildKit's cache config (`application/vnd.buildkit.cacheconfig.v0`), in a
//! registry, in the client's directory, or inside of an image.
//!
//! A record of that format names layers; a step here is an image, so each record has the image's configuration beside
//! them. With it the image is made again to the byte, and the steps upon it are found by the same keys. Other builders'
//! keys are never met here, and ours never there: reading each other's caches gives no hits and does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use ::buildkit::{
    Built, CacheExport, CacheImport, CacheMount, CacheSource, CacheTarget, ExportedCache, Held, Mounts,
    Packing, Policies, Session, Status,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use builder::{Builder, Sent, StepCache};
use bytes::Bytes;
use distribution::{Document, Parts, Progress, Registries, Subject};
use engine::Engine;
use image::{
    Blob, Descriptor, Digest, DigestAlgorithm, Image, ImageConfig, Images, Lease, Reference, ServedManifest,
    Target, media_type,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::exports::{form, recast};
use super::mounts::{self, Elsewhere};
use super::origin::{MAX_CONFIG, Source, failed, lease, refused, register};
use super::services::credentials;
use crate::api::blocking;
use crate::error::ApiError;

/// The configuration's media type, and where an image has it.
const CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
const INLINE: &str = "moby.buildkit.cache.v0";
/// What an entry of an index has that is about another, and no image.
const KIND: &str = "vnd.docker.reference.type";
/// So many images of an index are looked at.
const MAX_IMAGES: usize = 16;
/// The largest layer that is brought.
const MAX_LAYER: u64 = 16 << 30;

/// BuildKit's cache config.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Config {
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Layer {
    blob: Option<Digest>,
    #[serde(default = "none")]
    parent: i64,
    annotations: Option<About>,
}

const fn none() -> i64 {
    -1
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    media_type: String,
    #[serde(rename = "diffID")]
    diff_id: Digest,
    size: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chains: Vec<Chain>,
    /// What only we write and read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gantry: Option<Step>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    layers: Vec<usize>,
    created_at: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step {
    /// The configuration of the image that the step made, in base64.
    config: String,
    /// Its layers, bottom first.
    layers: Vec<usize>,
}

/// A cache that was read.
struct Imported {
    layers: Vec<Layer>,
    steps: BTreeMap<Digest, Step>,
    source: Source,
}

/// The caches of a build, and the steps that it came by.
pub(super) struct Caches {
    images: Images,
    builder: Builder,
    imported: Arc<Vec<Imported>>,
    /// Their cache mounts.
    elsewhere: Arc<Vec<Elsewhere>>,
    made: Mutex<Vec<(String, String)>>,
    /// The cache mounts of the build's steps.
    used: Mutex<BTreeSet<CacheMount>>,
}

impl Caches {
    /// Of a build. A cache that cannot be read is told of and left out, as upstream does.
    pub(super) async fn open(
        (engine, builder, registries): (&Engine, &Builder, &Registries),
        (imports, policies): (Vec<CacheImport>, &Policies),
        session: &Arc<Session>,
        progress: &Arc<::buildkit::Progress>,
    ) -> Self {
        let (mut imported, mut elsewhere) = (Vec::new(), Vec::new());
        for CacheImport { from: source, mounts } in once(imports) {
            let name = match &source {
                CacheSource::Registry(reference) => reference.clone(),
                CacheSource::Local { digest, .. } => digest.clone(),
            };
            let step = progress.begin(format!("importing cache manifest from {name}"));
            let read = async { read(registries, (judged(source, policies)?, mounts), session).await };
            match read.await {
                Ok((cache, mounts)) => {
                    step.done(false);
                    imported.push(cache);
                    elsewhere.push(mounts);
                }
                Err(status) => step.failed(status.message),
            }
        }
        Self {
            images: engine.images().clone(),
            builder: builder.clone(),
            imported: Arc::new(imported),
            elsewhere: Arc::new(elsewhere),
            made: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// The cache mounts of the build's steps.
    pub(super) fn mounts(&self) -> Vec<CacheMount> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().cloned().collect()
    }

    /// What the caches that were read have of cache mounts, for whoever lets the build's go out.
    pub(super) fn elsewhere(&self) -> Held {
        Held::by(self.elsewhere.clone())
    }

    /// The steps that the build came by.
    pub(super) fn steps(&self) -> Vec<(String, String)> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StepCache for Caches {
    fn step(&self, key: &Digest) -> Sent<Option<Digest>> {
        let (images, builder, imported) = (self.images.clone(), self.builder.clone(), self.imported.clone());
        let key = *key;
        Box::pin(async move {
            for cache in &*imported {
                let Some(step) = cache.steps.get(&key) else {
                    continue;
                };
                match cache.bring(&images, &builder, step).await {
                    Ok(image) => return Some(image),
                    Err(status) => tracing::debug!(%status, "a cached step is not to be had"),
                }
            }
            None
        })
    }

    fn made(&self, key: &Digest, image: &Digest) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push((key.to_string(), image.to_string()));
    }

    fn mounts(&self, key: &Digest, id: &str) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(CacheMount {
            id: id.to_owned(),
            key: key.to_string(),
        });
    }

    fn mount(&self, key: &Digest) -> Sent<Result<Option<File>, String>> {
        let (builder, elsewhere) = (self.builder.clone(), self.elsewhere.clone());
        let (key, named) = (*key, key.to_string());
        let mut ids = self.mounts();
        ids.retain(|mount| mount.key == named);
        Box::pin(async move {
            let mut found = ids
                .iter()
                .filter_map(|mount| mounts::find(&elsewhere, (&key, &mount.id)));
            let Some((source, layer)) = found.next() else {
                return Ok(None);
            };
            let file = source.file(&builder, layer).await;
            file.map(Some).map_err(|status| status.message)
        })
    }
}

/// Each cache once, with all of its mounts that are wanted: clients name one in several places.
fn once(imports: Vec<CacheImport>) -> Vec<CacheImport> {
    let mut all: Vec<CacheImport> = Vec::new();
    for import in imports {
        match all.iter_mut().find(|known| known.from == import.from) {
            Some(known) => known.mounts.add(import.mounts),
            None => all.push(import),
        }
    }
    all
}

/// A cache as the policies have it: it is asked for by an image's name.
fn judged(source: CacheSource, policies: &Policies) -> Result<CacheSource, Status> {
    const IMAGE: &str = "docker-image://";
    let CacheSource::Registry(reference) = &source else {
        return Ok(source);
    };
    let whole = Reference::parse(reference).map_err(failed)?.with_default_tag();
    let mut identifier = format!("{IMAGE}{whole}");
    let changed = policies.judge(&mut identifier, &mut BTreeMap::new());
    if !changed.map_err(|denied| failed(format!("error evaluating the source policy: {denied}")))? {
        return Ok(source);
    }
    let image = identifier.strip_prefix(IMAGE);
    let other = || format!("the source policy converts the cache {whole} to {identifier}, which is no image");
    let image = image.ok_or_else(|| failed(other()))?;
    Ok(CacheSource::Registry(image.to_owned()))
}

/// Reads a cache.
async fn read(
    registries: &Registries,
    (source, mounts): (CacheSource, Mounts),
    session: &Arc<Session>,
) -> Result<(Imported, Elsewhere), Status> {
    let (source, document) = match source {
        CacheSource::Registry(reference) => {
            let reference = Reference::parse(&reference).map_err(failed)?.with_default_tag();
            let credentials = credentials(session.clone(), registries.clone(), &reference.domain);
            let credentials = credentials.await.map_err(failed)?;
            let repository = registries
                .client()
                .repository(&reference.domain, &reference.path, credentials);
            let subject = match (reference.digest, &reference.tag) {
                (Some(digest), _) => Subject::Digest(digest),
                (None, tag) => Subject::Tag(tag.clone().unwrap_or_default()),
            };
            let Document { bytes, .. } = repository.manifest(&subject).await.map_err(failed)?;
            (Source::Registry(repository), bytes)
        }
        CacheSource::Local { store, digest } => {
            let store = format!("local:{store}");
            let digest: Digest = digest.parse().map_err(failed)?;
            let source = Source::Local(session.clone(), store);
            let bytes = source.small(&Descriptor::new("", digest, MAX_CONFIG)).await?;
            (source, bytes)
        }
    };
    let manifest: Value = serde_json::from_slice(&document).map_err(failed)?;
    let config = config_of(&source, &manifest).await?;
    let mut steps = BTreeMap::new();
    for record in config.records {
        if let (Some(key), Some(step)) = (record.digest, record.gantry) {
            steps.insert(key, step);
        }
    }
    let elsewhere = Elsewhere::of(source.clone(), &manifest, mounts);
    let imported = Imported {
        layers: config.layers,
        steps,
        source,
    };
    Ok((imported, elsewhere))
}

/// The cache config of a manifest: its own, one of an index, or those in an index's images.
async fn config_of(source: &Source, manifest: &Value) -> Result<Config, Status> {
    let entries = manifest["manifests"].as_array().into_iter().flatten();
    let of_cache = |entry: &&Value| entry["mediaType"] == CONFIG;
    if let Some(own) = entries.clone().find(of_cache) {
        return config_in(source, own).await;
    }
    if manifest["manifests"].is_null() {
        return config_in(source, &manifest["config"]).await;
    }
    let (mut all, mut failure) = (Config::default(), None);
    let images = entries.filter(|entry| entry["annotations"][KIND].is_null());
    for entry in images.take(MAX_IMAGES) {
        match config_listed(source, entry).await {
            Ok(config) => all.append(config),
            // One platform may have none.
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if all.records.is_empty() => Err(error),
        _ => Ok(all),
    }
}

/// The config in an image that an index lists.
async fn config_listed(source: &Source, entry: &Value) -> Result<Config, Status> {
    let descriptor: Descriptor = serde_json::from_value(entry.clone()).map_err(failed)?;
    let manifest = source.manifest(&descriptor).await?;
    let manifest: Value = serde_json::from_slice(&manifest).map_err(failed)?;
    config_in(source, &manifest["config"]).await
}

async fn config_in(source: &Source, descriptor: &Value) -> Result<Config, Status> {
    let descriptor: Descriptor = serde_json::from_value(descriptor.clone())
        .map_err(|_| failed("there is no cache in what the registry has"))?;
    let bytes = source.small(&descriptor).await?;
    if descriptor.media_type == CONFIG {
        return serde_json::from_slice(&bytes).map_err(failed);
    }
    let config: Value = serde_json::from_slice(&bytes).map_err(failed)?;
    let inline = config[INLINE].as_str();
    let inline = inline.ok_or_else(|| failed("the image has no cache in it"))?;
    let inline = STANDARD.decode(inline).map_err(failed)?;
    serde_json::from_slice(&inline).map_err(failed)
}

impl Config {
    /// Takes in the records of another image.
    fn append(&mut self, other: Self) {
        let before = self.layers.len();
        self.layers.extend(other.layers);
        self.records.extend(other.records.into_iter().map(|mut record| {
            let steps = record.gantry.iter_mut().flat_map(|step| &mut step.layers);
            steps.for_each(|layer| *layer = layer.saturating_add(before));
            record
        }));
    }
}

impl Imported {
    /// Makes the image of a step again: what is not here of its layers is brought.
    async fn bring(&self, images: &Images, builder: &Builder, step: &Step) -> Result<Digest, Status> {
        let config = Bytes::from(STANDARD.decode(&step.config).map_err(failed)?);
        let parsed = ImageConfig::parse(&config).map_err(failed)?;
        let layers: Option<Vec<Descriptor>> = step.layers.iter().map(|layer| self.layer(*layer)).collect();
        let layers = layers.filter(|layers| layers.len() == parsed.rootfs.diff_ids.len());
        let layers = layers.ok_or_else(|| failed("a record of the cache makes no sense"))?;
        self.source.bring(images, builder, config, layers).await
    }

    fn layer(&self, number: usize) -> Option<Descriptor> {
        let layer = self.layers.get(number)?;
        let about = layer.annotations.as_ref()?;
        let fits = about.size <= MAX_LAYER;
        fits.then(|| {
            layer
                .blob
                .map(|blob| Descriptor::new(&about.media_type, blob, about.size))
        })?
    }
}

/// A cache that goes out. Its content stays while the lease does.
struct Outgoing {
    lease: Lease,
    config: Config,
    /// The layers, each once.
    blobs: Vec<Descriptor>,
}

/// Puts the cache of a result together.
fn outgoing(images: &Images, built: &Built, (all, packing): (bool, Packing)) -> Result<Outgoing, ApiError> {
    let lease = lease(images)?;
    let whole: Digest = built.image.parse().map_err(|_| ApiError::bad("no such result"))?;
    let result = images.get(&whole);
    let last = result.as_ref().and_then(|result| images.get(&result.parent?));
    let mut config = Config::default();
    let (mut blobs, mut numbers) = (Vec::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    for (key, id) in &built.steps {
        let (Ok(key), Ok(id)) = (key.parse::<Digest>(), id.parse::<Digest>()) else {
            continue;
        };
        let Some(image) = images.get(&id).filter(|_| seen.insert(key)) else {
            continue;
        };
        // A result whose history was told anew is upon the image of its last step.
        let of_result = result
            .iter()
            .chain(&last)
            .any(|result| result.config.history.starts_with(&image.config.history))
            || is_below(built, result.as_deref(), &image);
        if !all && !of_result {
            continue;
        }
        let layers = layers(images, &lease, &id, packing)?;
        let mut chain = Vec::new();
        for (layer, diff_id) in layers.iter().zip(&image.config.rootfs.diff_ids) {
            let parent = chain.last().and_then(|last: &usize| i64::try_from(*last).ok());
            let number = *numbers.entry((parent, layer.digest)).or_insert_with(|| {
                config.layers.push(Layer {
                    blob: Some(layer.digest),
                    parent: parent.unwrap_or(-1),
                    annotations: Some(About {
                        media_type: layer.media_type.clone(),
                        diff_id: *diff_id,
                        size: layer.size,
                    }),
                });
                blobs.push(layer.clone());
                config.layers.len() - 1
            });
            chain.push(number);
        }
        let created = image.config.created.map(|created| created.to_string());
        config.records.push(Record {
            digest: Some(key),
            chains: vec![Chain {
                layers: chain.clone(),
                created_at: created.unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned()),
            }],
            gantry: Some(Step {
                config: STANDARD.encode(&image.config_bytes),
                layers: chain,
            }),
        });
    }
    let mut once = BTreeSet::new();
    blobs.retain(|blob| once.insert(blob.digest));
    Ok(Outgoing { lease, config, blobs })
}

/// Whether an image is what a result was made upon that another frontend gave its configuration, with a history of its own.
fn is_below(built: &Built, result: Option<&Image>, image: &Image) -> bool {
    let layers = |image: &Image| image.config.rootfs.diff_ids.clone();
    let below = layers(image);
    let result = result.filter(|_| built.request.is_none() && !below.is_empty());
    result.is_some_and(|result| layers(result).starts_with(&below))
}

/// The layers of an image in OCI's words, compressed as it is asked for.
pub(super) fn layers(
    images: &Images,
    lease: &Lease,
    id: &Digest,
    packing: Packing,
) -> Result<Vec<Descriptor>, ApiError> {
    let layers = images.recast(lease, id, recast(packing))?;
    Ok(layers.into_iter().map(oci).collect())
}

fn oci(layer: Descriptor) -> Descriptor {
    let media_type = match &*layer.media_type {
        "" | media_type::DOCKER_LAYER => media_type::LAYER,
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        other => other,
    };
    Descriptor::new(media_type, layer.digest, layer.size)
}

/// Lets the cache of a result go out, and the cache mounts that are wished for.
///
/// # Errors
/// The disk's, the registry's, the client's; there is no such cache mount.
pub(super) async fn export(
    (engine, builder, registries): (Engine, Builder, Registries),
    built: Built,
    wish: CacheExport,
    session: Arc<Session>,
) -> Result<ExportedCache, Status> {
    let images = engine.images().clone();
    let how = (wish.all, wish.packing);
    let wish_form = (wish.index, wish.oci);
    if let (CacheTarget::Registry(name), true) = (&wish.to, wish.index)
        && registries.is_own(&Reference::parse(name).map_err(failed)?.domain)
    {
        return Err(Status::unimplemented(
            "image-manifest=false is not supported for this node's own registry: it keeps what manifests name",
        ));
    }
    let packed = Arc::new(lease(&images).map_err(failed)?);
    let elsewhere = built.caches.get::<Arc<Vec<Elsewhere>>>();
    let given = (
        &*built.mounts,
        elsewhere.as_ref().map_or(&[][..], |elsewhere| elsewhere),
    );
    let (mounts, lines) = mounts::outgoing((&images, &builder), given, &wish, &packed).await?;
    let prepare = {
        let images = images.clone();
        move || {
            prepared(
                &images,
                outgoing(&images, &built, how)?,
                (&mounts, packed),
                &wish_form,
            )
        }
    };
    let (lease, blobs, served) = blocking(prepare).await.map_err(refused)?;
    let descriptor = json!({
        "mediaType": served.media_type, "digest": served.digest.to_string(), "size": served.bytes.len(),
    });
    match wish.to {
        CacheTarget::Registry(reference) => {
            let reference = Reference::parse(&reference).map_err(failed)?.with_default_tag();
            push(&registries, &session, (reference, blobs, served), (images, lease)).await?;
        }
        CacheTarget::Local(store) => local(&images, &session, &store, (blobs, served)).await?,
        CacheTarget::Inline => {}
    }
    Ok(ExportedCache { descriptor, lines })
}

/// Keeps a cache's configuration and manifest under its lease, which takes over the cache mounts from the lease under which
/// they were packed; answers the blobs of it, each once.
fn prepared(
    images: &Images,
    outgoing: Outgoing,
    (mounts, packed): (&[Descriptor], Arc<Lease>),
    form: &(bool, bool),
) -> Result<(Lease, Vec<Descriptor>, ServedManifest), ApiError> {
    let config = serde_json::to_vec(&outgoing.config);
    let config = Bytes::from(config.map_err(|error| ApiError::internal(error.to_string()))?);
    let descriptor = Descriptor::new(CONFIG, Digest::of(&config), config.len() as u64);
    images.receive_blob(&outgoing.lease, &descriptor, &mut &*config)?;
    let held = mounts.iter().all(|mount| outgoing.lease.hold_blob(&mount.digest));
    drop(packed);
    if !held {
        return Err(ApiError::internal("a packed cache mount is gone"));
    }
    let layers = [&*outgoing.blobs, mounts].concat();
    let served = document(form, &layers, &descriptor);
    images.put_manifest(
        &outgoing.lease,
        DigestAlgorithm::Sha256,
        &served.media_type,
        &served.bytes,
    )?;
    // Cache mounts that hold the same are one blob.
    let mut blobs: Vec<Descriptor> = layers.into_iter().chain([descriptor]).collect();
    let mut once = BTreeSet::new();
    blobs.retain(|blob| once.insert(blob.digest));
    Ok((outgoing.lease, blobs, served))
}

/// What lists the layers of a cache: a manifest, or the index that older BuildKits write, in which the configuration stands
/// behind the layers.
fn document((index, is_oci): &(bool, bool), blobs: &[Descriptor], config: &Descriptor) -> ServedManifest {
    let (media_type, document) = match index {
        false => (
            media_type::MANIFEST,
            json!({ "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": blobs }),
        ),
        true => {
            let media_type = form(media_type::INDEX, *is_oci);
            let layer = |blob: &Descriptor| Descriptor {
                media_type: form(&blob.media_type, *is_oci).to_owned(),
                ..blob.clone()
            };
            let listed: Vec<Descriptor> = blobs.iter().map(layer).chain([config.clone()]).collect();
            (
                media_type,
                json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": listed }),
            )
        }
    };
    let bytes = Bytes::from(document.to_string());
    ServedManifest {
        digest: Digest::of(&bytes),
        media_type: media_type.to_owned(),
        bytes,
    }
}

/// To a registry; the node's own has the content, and gets the name.
async fn push(
    registries: &Registries,
    session: &Arc<Session>,
    (reference, blobs, served): (Reference, Vec<Descriptor>, ServedManifest),
    (images, lease): (Images, Lease),
) -> Result<(), Status> {
    if registries.is_own(&reference.domain) {
        let target = Target::manifest(served.digest, None);
        let tagged = blocking(move || {
            images.tag_under(&lease, &reference, target)?;
            lease.keep()
        });
        return tagged.await.map_err(refused);
    }
    let credentials = credentials(session.clone(), registries.clone(), &reference.domain);
    let parts = Parts {
        credentials: credentials.await.map_err(failed)?,
        reference,
        blobs,
        manifests: vec![served],
    };
    // Nobody hears of single layers.
    let (progress, events) = mpsc::channel(1);
    drop(events);
    let pushed = registries.push_parts(&parts, &Progress(progress)).await;
    drop(lease);
    pushed.map_err(|fault| failed(format!("error writing layer blob: {}", fault.pushing())))
}

/// Into a directory of the client.
async fn local(
    images: &Images,
    session: &Arc<Session>,
    store: &str,
    (blobs, served): (Vec<Descriptor>, ServedManifest),
) -> Result<(), Status> {
    let store = format!("local:{store}");
    for blob in blobs {
        let digest = blob.digest.to_string();
        match images.open_blob(&blob.digest).map_err(failed)? {
            Some(Blob::File(mut file, size)) => {
                session.write_content(&store, &digest, size, &mut file).await?;
            }
            Some(Blob::Bytes(bytes)) => {
                let size = bytes.len() as u64;
                session.write_content(&store, &digest, size, &mut &*bytes).await?;
            }
            None => return Err(failed(format!("the blob {digest} is missing"))),
        }
    }
    let (digest, size) = (served.digest.to_string(), served.bytes.len() as u64);
    session
        .write_content(&store, &digest, size, &mut &*served.bytes)
        .await
}

/// The result with its cache in its configuration.
///
/// # Errors
/// The disk's.
pub(super) async fn inline(engine: Engine, built: Built) -> Result<Built, Status> {
    let images = engine.images().clone();
    let done = blocking(move || {
        let outgoing = outgoing(&images, &built, (false, Packing::default()))?;
        let cache =
            serde_json::to_vec(&outgoing.config).map_err(|error| ApiError::internal(error.to_string()))?;
        let mut config: Value =
            serde_json::from_slice(&built.config).map_err(|error| ApiError::internal(error.to_string()))?;
        config[INLINE] = STANDARD.encode(cache).into();
        let config = Bytes::from(config.to_string());
        let id: Digest = built.image.parse().map_err(|_| ApiError::bad("no such result"))?;
        let layers = layers(&images, &outgoing.lease, &id, Packing::default())?;
        let lease = Arc::new(outgoing.lease);
        let image = register(&images, lease, config.clone(), layers)?;
        Ok::<_, ApiError>(Built {
            image: image.to_string(),
            config: config.into(),
            ..built
        })
    });
    done.await.map_err(refused)
}
