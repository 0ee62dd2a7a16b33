//! Results that go out as images: into the store, to registries, or as their content.
//!
//! What is only named costs nothing: the store has the image already. Everything else has manifests made for it here, of
//! layers that are compressed once and kept, so the same result goes out with the same digest each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::buildkit::{
    Annotated, Built, Code, Compression, Content, ContentBytes, Destination, Exported, Outgoing, Packing,
    Predicate, Status, package_url,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use builder::build_tags;
use bytes::Bytes;
use distribution::{Parts, Progress, Registries};
use engine::Engine;
use image::{
    Algorithm, Blob, Descriptor, Digest, DigestAlgorithm, Images, Lease, Platform, Recast, Reference,
    ServedManifest, Target, media_type,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::services::credentials;
use crate::api::blocking;
use crate::error::ApiError;

/// Events of a push that wait to be told.
const WAITING: usize = 64;

/// Lets results go out.
///
/// # Errors
/// Names that are none, the disk's, registries'.
pub(super) async fn export(
    engine: Engine,
    registries: Registries,
    outgoing: Outgoing,
) -> Result<Exported, Status> {
    let tags = build_tags(&outgoing.names).map_err(|error| Status::invalid(error.to_string()))?;
    let images = engine.images().clone();
    let outgoing = Arc::new(outgoing);
    if is_plain(&outgoing) {
        let done = blocking(move || named(&images, &outgoing, &tags));
        return done.await.map_err(internal);
    }
    let made = {
        let (images, outgoing, tags) = (images.clone(), outgoing.clone(), tags.clone());
        let made = blocking(move || Made::of(&images, &outgoing, &tags));
        made.await.map_err(internal)?
    };
    let mut lines = made.lines();
    if matches!(outgoing.destination, Destination::Store { push: true, .. }) {
        for tag in &tags {
            made.push(tag, &registries, &outgoing).await?;
            lines.push(format!("pushing manifest for {tag}@{}", made.root.digest));
        }
    }
    let finished = blocking(move || made.finish(&images, &outgoing, &tags, lines));
    finished.await.map_err(internal)
}

fn internal(error: ApiError) -> Status {
    Status::new(Code::Unknown, error.message)
}

/// Whether the result only gets names. What is only said within images that have manifests anyhow makes none: a name here
/// costs nothing, and nobody is there yet to read it.
fn is_plain(outgoing: &Outgoing) -> bool {
    let named = Destination::Store {
        push: false,
        keep: true,
    };
    outgoing.destination == named
        && !outgoing.index
        && outgoing.images.len() == 1
        && outgoing.packing == Packing::default()
        && outgoing.epoch.is_none()
        && outgoing.dangling.is_none()
        && !outgoing.canonical
        && outgoing.annotations.is_empty()
        && outgoing.predicates.iter().flatten().all(|said| said.inline_only)
}

fn id(built: &Built) -> Result<Digest, ApiError> {
    built.image.parse().map_err(|_| ApiError::bad("no such result"))
}

/// Gives an image its names.
fn named(images: &Images, outgoing: &Outgoing, tags: &[Reference]) -> Result<Exported, ApiError> {
    let id = id(&outgoing.images[0].1)?;
    let mut lines = vec![format!("writing image {id}")];
    for tag in tags {
        images.tag(&id, tag)?;
        lines.push(format!("naming to {tag}"));
    }
    if tags.is_empty() {
        // Its id is all that whoever built it has.
        images.note_result(&id)?;
    }
    // The manifest that the node's own registry has for it.
    let served = match tags.first() {
        Some(tag) => images.manifest_in(tag)?,
        None => None,
    };
    let config = outgoing.images[0].1.config.len();
    let descriptor = match served {
        Some(served) => json!({
            "mediaType": served.media_type, "digest": served.digest.to_string(), "size": served.bytes.len(),
        }),
        None => json!({ "mediaType": media_type::CONFIG, "digest": id.to_string(), "size": config }),
    };
    Ok(Exported {
        descriptor,
        config: Some(id.to_string()),
        names: tags.iter().map(ToString::to_string).collect(),
        lines,
        content: Vec::new(),
    })
}

/// What was made of results. Its content stays while the lease does.
struct Made {
    lease: Lease,
    /// Layers and configurations, in the order of the manifests that name them.
    blobs: Vec<Descriptor>,
    manifests: Vec<ServedManifest>,
    /// An index, or the one manifest.
    root: ServedManifest,
    annotations: BTreeMap<String, String>,
    /// The image that runs here.
    image: Option<Digest>,
    /// The one image.
    single: Option<Digest>,
}

/// A manifest, and what names it in an index.
struct Part {
    served: ServedManifest,
    entry: Value,
    blobs: Vec<Descriptor>,
}

impl Made {
    fn of(images: &Images, outgoing: &Outgoing, tags: &[Reference]) -> Result<Self, ApiError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let lease = images.lease(&format!("buildkit/{}", NEXT.fetch_add(1, Ordering::Relaxed)))?;
        let (mut parts, mut said) = (Vec::new(), Vec::new());
        let (mut image, mut own) = (None, false);
        for (number, (platform, built)) in outgoing.images.iter().enumerate() {
            let id = match outgoing.epoch {
                Some(epoch) => images.clamped(&lease, &id(built)?, epoch)?.id,
                None => id(built)?,
            };
            let id = match outgoing.packing.compression {
                Some(Compression::Estargz) => {
                    let how = (outgoing.packing.level, outgoing.packing.force);
                    images.seekable(&lease, &id, how)?.id
                }
                _ => id,
            };
            let here = images.get(&id).map(|image| image.config.platform());
            let runs = here.is_some_and(|here| Platform::host().runs(&here));
            (image, own) = match runs {
                true => (Some(id), true),
                // Its name stands for some image at least, by which it is shown and removed.
                false => (image.or(Some(id)), own),
            };
            let part = part(images, &lease, &id, (platform, outgoing))?;
            if let Some(predicates) = outgoing.predicates.get(number).filter(|said| !said.is_empty()) {
                let wanted = (tags, outgoing.artifact);
                said.push(attested(images, &lease, &part, (platform, predicates), wanted)?);
            }
            parts.push(part);
        }
        // What is said stands behind what it is said about.
        let index_wanted = outgoing.index || !said.is_empty();
        parts.append(&mut said);
        let mut manifests: Vec<ServedManifest> = parts.iter().map(|part| part.served.clone()).collect();
        if index_wanted {
            let entries = parts.iter().map(|part| part.entry.clone()).collect();
            manifests.push(index(entries, outgoing));
        }
        for manifest in &manifests {
            images.put_manifest(
                &lease,
                DigestAlgorithm::Sha256,
                &manifest.media_type,
                &manifest.bytes,
            )?;
        }
        let root = manifests.last().cloned();
        let single = (!outgoing.index && own).then_some(image).flatten();
        Ok(Self {
            lease,
            blobs: parts.into_iter().flat_map(|part| part.blobs).collect(),
            root: root.ok_or_else(|| ApiError::bad("a build without a result"))?,
            manifests,
            annotations: notes(outgoing, Annotated::IndexDescriptor, None),
            image,
            single,
        })
    }

    fn lines(&self) -> Vec<String> {
        let kind =
            |served: &ServedManifest| match served.digest == self.root.digest && self.manifests.len() > 1 {
                true => "manifest list",
                false => "manifest",
            };
        let line = |served: &ServedManifest| format!("exporting {} {}", kind(served), served.digest);
        self.manifests.iter().map(line).collect()
    }

    async fn push(
        &self,
        tag: &Reference,
        registries: &Registries,
        outgoing: &Outgoing,
    ) -> Result<(), Status> {
        let session = outgoing.session.clone();
        let credentials = credentials(session, registries.clone(), &tag.domain);
        let parts = Parts {
            reference: tag.clone(),
            credentials: credentials
                .await
                .map_err(|sentence| Status::new(Code::Unknown, sentence))?,
            blobs: self.blobs.clone(),
            manifests: self.manifests.clone(),
        };
        let (progress, mut events) = mpsc::channel(WAITING);
        let progress = Progress(progress);
        let pushing = async {
            // It takes the channel's end with it.
            let progress = progress;
            registries.push_parts(&parts, &progress).await
        };
        let heard = async { while events.recv().await.is_some() {} };
        let (pushed, ()) = tokio::join!(pushing, heard);
        pushed.map_err(|fault| {
            let sentence = format!("failed to push {}: {}", tag.familiar(), fault.pushing());
            Status::new(Code::Unknown, sentence)
        })
    }

    /// Keeps the result under its names, or gives its content away.
    fn finish(
        self,
        images: &Images,
        outgoing: &Outgoing,
        tags: &[Reference],
        mut lines: Vec<String>,
    ) -> Result<Exported, ApiError> {
        let mut descriptor = json!({
            "mediaType": self.root.media_type, "digest": self.root.digest.to_string(), "size": self.root.bytes.len(),
        });
        if !self.annotations.is_empty() {
            descriptor["annotations"] = json!(self.annotations);
        }
        let single = self.single.map(|id| id.to_string());
        let mut result = None;
        let content = match outgoing.destination {
            Destination::Content => self.content(images)?,
            Destination::Store { keep: false, .. } => Vec::new(),
            Destination::Store { keep: true, .. } => {
                let target = Target::manifest(self.root.digest, self.image);
                let names = names(outgoing, tags, self.root.digest)?;
                for name in &names {
                    images.tag_under(&self.lease, name, target)?;
                    lines.push(format!("naming to {name}"));
                }
                if let Some(image) = self.image.filter(|_| names.is_empty()) {
                    // Its digest is all that whoever built it has.
                    images.keep_nameless(&self.lease, self.root.digest, image)?;
                    result = Some(image);
                }
                if matches!(outgoing.destination, Destination::Store { push: true, .. }) {
                    // Registries have it by this digest now.
                    for tag in tags {
                        let pinned = Reference {
                            digest: Some(self.root.digest),
                            ..tag.repository()
                        };
                        images.tag_under(&self.lease, &pinned, target)?;
                    }
                }
                self.lease.keep()?;
                if let Some(image) = result {
                    images.note_result(&image)?;
                }
                Vec::new()
            }
        };
        Ok(Exported {
            descriptor,
            config: single,
            names: tags.iter().map(ToString::to_string).collect(),
            lines,
            content,
        })
    }

    /// All bytes. Open files outlive the lease.
    fn content(&self, images: &Images) -> Result<Vec<Content>, ApiError> {
        let mut content = Vec::new();
        for blob in &self.blobs {
            let missing = || ApiError::internal(format!("the blob {} is missing", blob.digest));
            let bytes = match images.open_blob(&blob.digest)?.ok_or_else(missing)? {
                Blob::File(file, _) => ContentBytes::File(file),
                Blob::Bytes(bytes) => ContentBytes::Memory(bytes),
            };
            content.push(Content {
                digest: blob.digest.to_string(),
                size: blob.size,
                bytes,
            });
        }
        content.extend(self.manifests.iter().map(|served| Content {
            digest: served.digest.to_string(),
            size: served.bytes.len() as u64,
            bytes: ContentBytes::Memory(served.bytes.clone()),
        }));
        Ok(content)
    }
}

/// Content of the store: a manifest, a blob, or a configuration.
pub(super) fn stored(images: &Images, digest: &Digest) -> Result<Option<Content>, ApiError> {
    let memory = |bytes: Bytes| Content {
        digest: digest.to_string(),
        size: bytes.len() as u64,
        bytes: ContentBytes::Memory(bytes),
    };
    if let Some(stored) = images.stored_manifest(digest)? {
        return Ok(Some(memory(stored.bytes)));
    }
    let Some(blob) = images.open_blob(digest)? else {
        // A build that is only named was told of the manifest that it would be served by.
        return Ok(images.made_manifest(digest).map(|made| memory(made.bytes)));
    };
    Ok(Some(blob).map(|blob| {
        let (size, bytes) = match blob {
            Blob::File(file, size) => (size, ContentBytes::File(file)),
            Blob::Bytes(bytes) => (bytes.len() as u64, ContentBytes::Memory(bytes)),
        };
        Content {
            digest: digest.to_string(),
            size,
            bytes,
        }
    }))
}

/// The names of a result: its own, those with its digest, and the one of what has none.
fn names(outgoing: &Outgoing, tags: &[Reference], root: Digest) -> Result<Vec<Reference>, ApiError> {
    let pinned = |reference: &Reference| Reference {
        digest: Some(root),
        ..reference.repository()
    };
    let mut names = tags.to_vec();
    if outgoing.canonical {
        names.extend(tags.iter().map(pinned));
    }
    if let Some(prefix) = &outgoing.dangling {
        let prefix = Reference::parse(prefix).map_err(|error| ApiError::bad(error.to_string()))?;
        names.push(pinned(&prefix));
    }
    Ok(names)
}

/// Media types: OCI's, and Docker's where it has one.
const FORMS: [(&str, &str); 5] = [
    (media_type::MANIFEST, media_type::DOCKER_MANIFEST),
    (media_type::CONFIG, media_type::DOCKER_CONFIG),
    (media_type::LAYER, media_type::DOCKER_LAYER),
    (media_type::LAYER_GZIP, media_type::DOCKER_LAYER_GZIP),
    (media_type::INDEX, media_type::DOCKER_INDEX),
];

/// A media type in the form that is asked for; one that Docker has no word for stays.
pub(super) fn form(given: &str, oci: bool) -> &str {
    let given = if given.is_empty() {
        media_type::LAYER
    } else {
        given
    };
    let known = FORMS.iter().find(|(one, other)| *one == given || *other == given);
    known.map_or(given, |(one, other)| if oci { one } else { other })
}

/// Whether OCI's form is used: attestations have no other, nor have the notes on layers.
fn is_oci(outgoing: &Outgoing) -> bool {
    let noted = outgoing.packing.compression == Some(Compression::Estargz);
    outgoing.oci || noted || outgoing.predicates.iter().any(|said| !said.is_empty())
}

/// The manifest of one image.
fn part(
    images: &Images,
    lease: &Lease,
    id: &Digest,
    (platform, outgoing): (&str, &Outgoing),
) -> Result<Part, ApiError> {
    let layers = images.recast(lease, id, recast(outgoing.packing))?;
    // Zstandard has no name in Docker's form.
    let oci = is_oci(outgoing)
        || layers
            .iter()
            .any(|layer| layer.media_type == media_type::LAYER_ZSTD);
    let image = images
        .get(id)
        .ok_or_else(|| ApiError::internal(format!("the image {id} is gone")))?;
    let config = Descriptor::new(
        form(media_type::CONFIG, oci),
        *id,
        image.config_bytes.len() as u64,
    );
    let described = |layer: Descriptor| Descriptor {
        media_type: form(&layer.media_type, oci).to_owned(),
        ..layer
    };
    let layers: Vec<Descriptor> = layers.into_iter().map(described).collect();
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": form(media_type::MANIFEST, oci), "config": config, "layers": layers,
    });
    let notes_of = |on| notes(outgoing, on, Some(platform));
    let annotations = notes_of(Annotated::Manifest);
    if !annotations.is_empty() {
        manifest["annotations"] = json!(annotations);
    }
    let served = served(&manifest);
    if outgoing.index {
        // The index needs it for as long as it has a name, whatever becomes of the image.
        images.receive_blob(lease, &config, &mut &*image.config_bytes)?;
    }
    let mut entry = json!({
        "mediaType": served.media_type, "digest": served.digest.to_string(), "size": served.bytes.len(),
        "platform": image.config.platform(),
    });
    let annotations = notes_of(Annotated::ManifestDescriptor);
    if !annotations.is_empty() {
        entry["annotations"] = json!(annotations);
    }
    Ok(Part {
        served,
        entry,
        blobs: layers.into_iter().chain([config]).collect(),
    })
}

/// What is said of an image, as a manifest of its own: clients find it by its notes in the index.
fn attested(
    images: &Images,
    lease: &Lease,
    about: &Part,
    (platform, predicates): (&str, &[Predicate]),
    (tags, artifact): (&[Reference], bool),
) -> Result<Part, ApiError> {
    /// What it is, as an artifact.
    const ARTIFACT: &str = "application/vnd.docker.attestation.manifest.v1+json";
    /// Both of its platform's words, so that nobody runs it.
    const UNKNOWN: &str = "unknown";
    let digest = about.served.digest.to_string();
    let subjects = tags
        .iter()
        .map(|tag| (package_url(&tag.to_string(), platform), digest.clone()));
    let subjects: Vec<_> = subjects.collect();
    let (mut layers, mut described) = (Vec::new(), Vec::new());
    for predicate in predicates {
        let statement = predicate.statement(&subjects);
        let layer = Descriptor::new(
            "application/vnd.in-toto+json",
            Digest::of(&statement),
            statement.len() as u64,
        );
        images.receive_blob(lease, &layer, &mut &statement[..])?;
        let mut entry = json!(layer);
        entry["annotations"] = json!({ "in-toto.io/predicate-type": predicate.kind() });
        described.push(entry);
        layers.push(layer);
    }
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let (config_type, config_bytes) = match artifact {
        true => (media_type::EMPTY, "{}".to_owned()),
        false => {
            let config = json!({
                "architecture": UNKNOWN, "os": UNKNOWN, "config": {},
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            });
            (media_type::CONFIG, config.to_string())
        }
    };
    let config = Descriptor::new(
        config_type,
        Digest::of(config_bytes.as_bytes()),
        config_bytes.len() as u64,
    );
    images.receive_blob(lease, &config, &mut config_bytes.as_bytes())?;
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": described,
    });
    if artifact {
        manifest["config"]["data"] = STANDARD.encode(&config_bytes).into();
        manifest["artifactType"] = ARTIFACT.into();
        manifest["subject"] = json!({
            "mediaType": about.served.media_type, "digest": digest, "size": about.served.bytes.len(),
        });
    }
    let served = served(&manifest);
    let entry = json!({
        "mediaType": served.media_type, "digest": served.digest.to_string(), "size": served.bytes.len(),
        "annotations": {
            "vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": { "architecture": UNKNOWN, "os": UNKNOWN },
    });
    layers.push(config);
    Ok(Part {
        served,
        entry,
        blobs: layers,
    })
}

fn served(document: &Value) -> ServedManifest {
    let bytes = Bytes::from(document.to_string());
    ServedManifest {
        digest: Digest::of(&bytes),
        media_type: document["mediaType"].as_str().unwrap_or_default().to_owned(),
        bytes,
    }
}

fn index(entries: Vec<Value>, outgoing: &Outgoing) -> ServedManifest {
    let mut index = json!({
        "schemaVersion": 2, "mediaType": form(media_type::INDEX, is_oci(outgoing)), "manifests": entries,
    });
    let annotations = notes(outgoing, Annotated::Index, None);
    if !annotations.is_empty() {
        index["annotations"] = json!(annotations);
    }
    served(&index)
}

/// How layers are wanted, in the store's words.
pub(super) fn recast(packing: Packing) -> Recast {
    if packing.compression == Some(Compression::Estargz) {
        // They are as they are wanted already, and the others stay as they came.
        return Recast {
            algorithm: Some(Algorithm::Gzip),
            ..Recast::default()
        };
    }
    Recast {
        algorithm: match packing.compression {
            Some(Compression::None) => None,
            Some(Compression::Zstd) => Some(Algorithm::Zstd),
            Some(Compression::Gzip | Compression::Estargz) | None => Some(Algorithm::Gzip),
        },
        level: packing.level,
        force: packing.force,
    }
}

/// The notes on one thing.
fn notes(outgoing: &Outgoing, on: Annotated, platform: Option<&str>) -> BTreeMap<String, String> {
    let meant = outgoing.annotations.iter().filter(|note| {
        let of_platform = note
            .platform
            .as_deref()
            .is_none_or(|asked| Some(asked) == platform);
        note.on == on && of_platform
    });
    meant.map(|note| (note.key.clone(), note.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_have_two_forms() {
        assert_eq!(form(media_type::DOCKER_LAYER_GZIP, true), media_type::LAYER_GZIP);
        assert_eq!(form("", false), media_type::DOCKER_LAYER);
        assert_eq!(form(media_type::LAYER_ZSTD, false), media_type::LAYER_ZSTD);
    }
}
