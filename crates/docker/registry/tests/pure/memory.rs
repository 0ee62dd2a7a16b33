//! A store in memory, as the registry sees one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use image::{
    Blob, Collected, Descriptor, Digest, DigestAlgorithm, Error, LeftUpload, Push, Pushed, Reference,
    ServedManifest, Unlinked, media_type,
};
use registry::{Arrived, Content, Incoming};
use serde_json::Value;

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    blobs: BTreeMap<Digest, Bytes>,
    links: BTreeSet<(String, Digest)>,
    manifests: BTreeMap<Digest, (String, Bytes)>,
    repositories: BTreeMap<String, Repository>,
    /// Uploads of an earlier run, with their bytes.
    left: BTreeMap<String, (LeftUpload, Vec<u8>)>,
}

#[derive(Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    digests: BTreeSet<Digest>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    /// Leaves an upload, as an earlier run does.
    pub(crate) fn leave(&self, left: LeftUpload, bytes: &[u8]) {
        self.lock().left.insert(left.name.clone(), (left, bytes.to_vec()));
    }

    /// The uploads that are left.
    pub(crate) fn left(&self) -> Vec<String> {
        self.lock().left.keys().cloned().collect()
    }

    /// Gives something a name without the registry's help, as a build does.
    pub(crate) fn put(&self, whole: &str, tag: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut store = self.lock();
        store.manifests.insert(
            digest,
            (media_type::MANIFEST.to_owned(), Bytes::copy_from_slice(bytes)),
        );
        let repository = store.repositories.entry(whole.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest);
        repository.digests.insert(digest);
        digest
    }
}

impl Store {
    fn find(&self, reference: &Reference) -> Option<Digest> {
        let repository = self.repositories.get(&reference.name())?;
        match (&reference.tag, &reference.digest) {
            (_, Some(digest)) => repository.digests.get(digest).copied(),
            (Some(tag), None) => repository.tags.get(tag).copied(),
            (None, None) => None,
        }
    }

    fn has(&self, repository: &str, digest: &Digest) -> bool {
        self.links.contains(&(repository.to_owned(), *digest))
            || self
                .repositories
                .get(repository)
                .is_some_and(|each| each.digests.contains(digest))
    }
}

fn digest_in(value: &Value) -> Option<Digest> {
    value["digest"].as_str()?.parse().ok()
}

impl Content for Memory {
    fn known(&self, reference: &Reference) -> Option<Digest> {
        self.lock().find(reference)
    }

    fn manifest(&self, reference: &Reference) -> Result<Option<ServedManifest>, Error> {
        let store = self.lock();
        Ok(store.find(reference).and_then(|digest| {
            let (media_type, bytes) = store.manifests.get(&digest)?.clone();
            Some(ServedManifest {
                digest,
                media_type,
                bytes,
            })
        }))
    }

    fn push_manifest(&self, push: &Push<'_>, bytes: Bytes) -> Result<Pushed, Error> {
        let algorithm = push.digest.map(|digest| digest.algorithm());
        let digest = Digest::by(algorithm.unwrap_or_default(), &bytes);
        if let Some(expected) = push.digest.filter(|expected| *expected != digest) {
            return Err(Error::WrongDigest {
                expected,
                actual: digest,
            });
        }
        let refused = |why: String| Error::Manifest(why);
        let parsed: Value = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        let named = [&parsed["layers"], &parsed["manifests"]];
        let named = named.iter().filter_map(|list| list.as_array()).flatten();
        let named: Vec<Digest> = named.chain([&parsed["config"]]).filter_map(digest_in).collect();
        let mut store = self.lock();
        let missing: Vec<Digest> = named
            .into_iter()
            .filter(|digest| !store.has(push.repository, digest))
            .collect();
        if !missing.is_empty() {
            return Err(Error::MissingContent(missing));
        }
        store
            .manifests
            .insert(digest, (push.media_type.to_owned(), bytes));
        let repository = store.repositories.entry(push.repository.to_owned()).or_default();
        repository.digests.insert(digest);
        for tag in push.tags {
            repository.tags.insert(tag.clone(), digest);
        }
        Ok(Pushed {
            digest,
            subject: digest_in(&parsed["subject"]),
            image: None,
            previous: vec![None; push.tags.len()],
        })
    }

    fn cache_manifest(&self, reference: &Reference, manifest: ServedManifest) -> Result<(), Error> {
        let mut store = self.lock();
        let repository = store.repositories.entry(reference.name()).or_default();
        repository.digests.insert(manifest.digest);
        if let Some(tag) = &reference.tag {
            repository.tags.insert(tag.clone(), manifest.digest);
        }
        store
            .manifests
            .insert(manifest.digest, (manifest.media_type, manifest.bytes));
        Ok(())
    }

    fn untag(&self, reference: &Reference) -> Result<bool, Error> {
        let mut store = self.lock();
        let repository = store.repositories.get_mut(&reference.name());
        let tag = reference.tag.as_deref().unwrap_or_default();
        Ok(repository.is_some_and(|repository| repository.tags.remove(tag).is_some()))
    }

    fn delete_manifest(&self, repository: &str, digest: &Digest) -> Result<Option<Unlinked>, Error> {
        let mut store = self.lock();
        let Some(repository) = store.repositories.get_mut(repository) else {
            return Ok(None);
        };
        repository.tags.retain(|_, named| named != digest);
        Ok(repository.digests.remove(digest).then(Unlinked::default))
    }

    fn repositories(&self, domain: &str, after: &str, limit: usize) -> Vec<String> {
        let store = self.lock();
        let paths = store
            .repositories
            .keys()
            .filter_map(|whole| whole.split_once('/'));
        let wanted = paths.filter(|(host, path)| *host == domain && *path > after);
        wanted.take(limit).map(|(_, path)| path.to_owned()).collect()
    }

    fn may_have(&self, digest: &Digest, limit: usize) -> Vec<String> {
        let store = self.lock();
        let linked = store.links.iter().filter(|(_, linked)| linked == digest);
        linked
            .take(limit)
            .map(|(repository, _)| repository.clone())
            .collect()
    }

    fn tags(&self, repository: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        let store = self.lock();
        let tags = store.repositories.get(repository)?.tags.keys();
        Some(
            tags.filter(|tag| tag.as_str() > after)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    fn referrers(&self, repository: &str, subject: &Digest) -> Vec<Descriptor> {
        let store = self.lock();
        let Some(repository) = store.repositories.get(repository) else {
            return Vec::new();
        };
        let about = repository.digests.iter().filter_map(|digest| {
            let (media_type, bytes) = store.manifests.get(digest)?;
            let parsed: Value = serde_json::from_slice(bytes).ok()?;
            let kind = parsed["artifactType"]
                .as_str()
                .or(parsed["config"]["mediaType"].as_str());
            (digest_in(&parsed["subject"])? == *subject).then(|| Descriptor {
                artifact_type: kind.map(str::to_owned),
                ..Descriptor::new(media_type, *digest, bytes.len() as u64)
            })
        });
        about.collect()
    }

    fn annotations(&self, digest: &Digest) -> Result<BTreeMap<String, String>, Error> {
        let store = self.lock();
        let parsed = store.manifests.get(digest).map(|(_, bytes)| bytes);
        let parsed: Value = parsed.map_or(Value::Null, |bytes| serde_json::from_slice(bytes).unwrap());
        Ok(serde_json::from_value(parsed["annotations"].clone()).unwrap_or_default())
    }

    fn blob(&self, repository: &str, digest: &Digest) -> Result<Option<Blob>, Error> {
        let store = self.lock();
        let there = store.has(repository, digest);
        Ok(store
            .blobs
            .get(digest)
            .filter(|_| there)
            .cloned()
            .map(Blob::Bytes))
    }

    fn upload(&self, _algorithm: DigestAlgorithm) -> Box<dyn Incoming> {
        Box::new(Upload(self.clone(), Arc::default()))
    }

    fn lasting_upload(&self, _name: &str, _note: &[u8], algorithm: DigestAlgorithm) -> Box<dyn Incoming> {
        self.upload(algorithm)
    }

    fn left_uploads(&self) -> Result<Vec<LeftUpload>, Error> {
        Ok(self.lock().left.values().map(|(left, _)| left.clone()).collect())
    }

    fn resume_upload(&self, name: &str, _algorithm: DigestAlgorithm) -> Result<Box<dyn Incoming>, Error> {
        let bytes = self.lock().left[name].1.clone();
        Ok(Box::new(Upload(self.clone(), Arc::new(Sofar(Mutex::new(bytes))))))
    }

    fn drop_upload(&self, name: &str) -> Result<(), Error> {
        self.lock().left.remove(name);
        Ok(())
    }

    fn settle(&self, _repository: &str, _digest: &Digest) -> Result<(), Error> {
        Ok(())
    }

    fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> Result<bool, Error> {
        let mut store = self.lock();
        let there = store.has(from, digest);
        if there {
            store.links.insert((to.to_owned(), *digest));
        }
        Ok(there)
    }

    fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        Ok(self.lock().links.remove(&(repository.to_owned(), *digest)))
    }

    fn collect(&self, _grace: Duration) -> Result<Collected, Error> {
        Ok(Collected::default())
    }
}

struct Upload(Memory, Arc<Sofar>);

/// What has come of an upload.
#[derive(Default)]
struct Sofar(Mutex<Vec<u8>>);

impl Arrived for Sofar {
    fn read_at(&self, place: u64, most: usize) -> std::io::Result<Bytes> {
        let bytes = self.0.lock().unwrap();
        let place = usize::try_from(place).unwrap().min(bytes.len());
        Ok(Bytes::copy_from_slice(
            &bytes[place..(place + most).min(bytes.len())],
        ))
    }
}

impl Incoming for Upload {
    fn arrived(&mut self) -> Result<Arc<dyn Arrived>, Error> {
        Ok(self.1.clone())
    }

    fn ends(&mut self) {}

    fn leave(self: Box<Self>) {}

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.1.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.1.0.lock().unwrap().len() as u64
    }

    fn finish(self: Box<Self>, digest: &Digest, repository: &str) -> Result<u64, Error> {
        let bytes = self.1.0.lock().unwrap().clone();
        let actual = Digest::by(digest.algorithm(), &bytes);
        if actual != *digest {
            return Err(Error::WrongDigest {
                expected: *digest,
                actual,
            });
        }
        let mut store = self.0.lock();
        store.links.insert((repository.to_owned(), *digest));
        let size = bytes.len() as u64;
        store.blobs.insert(*digest, bytes.into());
        Ok(size)
    }
}
