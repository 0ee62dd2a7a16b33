//! Writing images as an archive that is both `docker save`'s and an OCI layout. The same images
//! give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Arc;

use serde::Serialize;

use super::layout::{IMAGE_NAME, INDEX, LAYOUT, MANIFEST, REF_NAME, REPOSITORIES, Saved, path};
use super::names::identifier;
use super::{Blob, ExportedIndex, Image, Images, Layer};
use crate::archive::{Entry, Kind, Writer};
use crate::{
    Descriptor, Digest, Error, Index, Lease, Manifest, ManifestSummary, Platform, Reference, media_type,
};

/// What is written for one image.
type Chosen = BTreeMap<Digest, (Arc<Image>, BTreeSet<Reference>)>;

/// What is written for one index, or for the manifest of one platform, by its digest.
type Whole = BTreeMap<Digest, (ExportedIndex, BTreeSet<Reference>)>;

/// An image, with the name by which it was asked for.
type Named = (Arc<Image>, Option<Reference>);

impl Images {
    /// Writes an archive that is both `docker save`'s and an OCI layout. A repository without a
    /// tag stands for all its tags. A name that stands for an index all of which is here is written as that index; with a
    /// platform, one that lists it is written as the image of that platform.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::NoSuchReference`]; [`Error::Io`] of the writer.
    pub fn save(
        &self,
        references: &[String],
        platform: Option<&Platform>,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        let lease = self.inner.own_lease("save")?;
        let mut chosen = self.choose(references)?;
        for id in chosen.keys() {
            lease.add(id)?;
        }
        let whole = self.take_whole(&lease, platform, &mut chosen)?;
        let archive = Archive {
            images: self,
            out: Writer::new(out),
            written: BTreeSet::new(),
        };
        archive.all(&chosen, &whole)
    }

    /// Takes out the names that stand for an index that is here.
    fn take_whole(
        &self,
        lease: &Lease,
        platform: Option<&Platform>,
        chosen: &mut Chosen,
    ) -> Result<Whole, Error> {
        let mut whole = Whole::new();
        let mut taken = BTreeSet::new();
        for (id, (_, names)) in chosen.iter_mut() {
            for name in names.clone() {
                let index = self.export_index(lease, &name, platform)?;
                let Some(index) = index.filter(|index| index.missing.is_empty()) else {
                    continue;
                };
                let Some(root) = index.manifests.last().map(|root| root.digest) else {
                    continue;
                };
                names.remove(&name);
                taken.insert(*id);
                whole
                    .entry(root)
                    .or_insert_with(|| (index, BTreeSet::new()))
                    .1
                    .insert(name);
            }
        }
        // What has no name left was asked for by those that are taken out.
        chosen.retain(|id, (_, names)| !names.is_empty() || !taken.contains(id));
        Ok(whole)
    }

    fn choose(&self, references: &[String]) -> Result<Chosen, Error> {
        let mut chosen = Chosen::new();
        for text in references {
            for (image, reference) in self.named(text)? {
                let (_, names) = chosen.entry(image.id).or_insert_with(|| (image, BTreeSet::new()));
                names.extend(reference);
            }
        }
        Ok(chosen)
    }

    /// What one argument of `docker save` stands for.
    fn named(&self, text: &str) -> Result<Vec<Named>, Error> {
        let by_id = |id: Option<Digest>| {
            let image = id.and_then(|id| self.get(&id));
            let image = image.ok_or_else(|| Error::NoSuchImage(text.to_owned()))?;
            Ok(vec![(image, None)])
        };
        if let Some(id) = identifier(text) {
            return by_id(Some(id));
        }
        let reference = Reference::parse(text)?;
        let table = self.inner.read();
        let all = table.tags_of(&reference);
        if reference.familiar_name() == "sha256" || (reference.is_name_only() && all.is_empty()) {
            let id = table.by_prefix(text);
            drop(table);
            return by_id(id);
        }
        let chosen: Vec<_> = match reference.is_name_only() {
            true if all.iter().any(|(name, _)| name.tag.is_some()) => {
                all.into_iter().filter(|(name, _)| name.tag.is_some()).collect()
            }
            true => all,
            false => all.into_iter().filter(|(tag, _)| *tag == reference).collect(),
        };
        if chosen.is_empty() {
            return Err(Error::NoSuchReference);
        }
        // A name with a digest is none that an archive can give.
        let image = |(name, id): (Reference, Digest)| {
            let tag = Some(name).filter(|name| name.tag.is_some());
            table.image(&id).map(|image| (image, tag))
        };
        Ok(chosen.into_iter().filter_map(image).collect())
    }
}

/// An archive being written.
struct Archive<'a, W> {
    images: &'a Images,
    out: Writer<W>,
    /// Blobs that are in it already.
    written: BTreeSet<Digest>,
}

/// The documents at the root of the archive.
#[derive(Default)]
struct Documents {
    manifest: Vec<Saved>,
    index: Vec<Descriptor>,
    /// Repository → tag → the topmost layer, for clients before Docker 1.10.
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

impl<W: Write> Archive<'_, W> {
    fn all(mut self, chosen: &Chosen, whole: &Whole) -> Result<(), Error> {
        for directory in ["blobs/", "blobs/sha256/"] {
            let mut entry = Entry::new(directory, Kind::Directory);
            entry.mode = 0o755;
            self.out.header(&entry).map_err(written)?;
        }
        let mut documents = Documents::default();
        for (image, names) in chosen.values() {
            self.image(image, names, &mut documents)?;
        }
        documents.forget_strangers(chosen);
        for (index, names) in whole.values() {
            self.whole(index, names, &mut documents)?;
        }
        let index = Index {
            schema_version: 2,
            media_type: media_type::INDEX.to_owned(),
            manifests: documents.index,
        };
        self.document(INDEX, &index)?;
        self.document(MANIFEST, &documents.manifest)?;
        self.document(LAYOUT, &BTreeMap::from([("imageLayoutVersion", "1.0.0")]))?;
        if !documents.repositories.is_empty() {
            self.document(REPOSITORIES, &documents.repositories)?;
        }
        self.out.finish().map(drop).map_err(written)
    }

    /// An index with all that it lists. Whoever knows no layouts gets the image of this machine, or the first there is.
    fn whole(
        &mut self,
        index: &ExportedIndex,
        names: &BTreeSet<Reference>,
        documents: &mut Documents,
    ) -> Result<(), Error> {
        for blob in &index.blobs {
            self.blob(blob)?;
        }
        let mut images = Vec::new();
        for served in &index.manifests {
            self.bytes(&path(&served.digest), served.digest, &served.bytes)?;
            let summary = ManifestSummary::parse(&served.media_type, &served.bytes)?;
            let image = summary
                .config
                .as_ref()
                .and_then(|config| self.images.get(&config.digest));
            let runs = image.is_some_and(|image| Platform::host().runs(&image.config.platform()));
            let is_image = summary
                .layers
                .iter()
                .all(|layer| !layer.media_type.contains("in-toto"));
            images.extend((!summary.is_index() && is_image).then_some((!runs, summary)));
        }
        images.sort_by_key(|(foreign, _)| *foreign);
        let Some(root) = index.manifests.last() else {
            return Ok(());
        };
        let root = Descriptor::new(&root.media_type, root.digest, root.bytes.len() as u64);
        documents.names(names, &root);
        let summary = images.first().map(|(_, summary)| summary);
        if let Some((config, summary)) = summary.and_then(|summary| Some((summary.config.as_ref()?, summary)))
        {
            let tags = names.iter().map(Reference::familiar).collect::<Vec<_>>();
            documents.manifest.push(Saved {
                config: path(&config.digest),
                repo_tags: (!tags.is_empty()).then_some(tags),
                layers: summary.layers.iter().map(|layer| path(&layer.digest)).collect(),
                parent: None,
            });
        }
        Ok(())
    }

    fn blob(&mut self, blob: &Descriptor) -> Result<(), Error> {
        if !self.written.insert(blob.digest) {
            return Ok(());
        }
        match self.images.open_blob(&blob.digest)? {
            Some(Blob::File(mut file, size)) => self.file(&path(&blob.digest), size, &mut file),
            Some(Blob::Bytes(bytes)) => self.file(&path(&blob.digest), bytes.len() as u64, &mut &*bytes),
            None => Err(Error::MissingContent(vec![blob.digest])),
        }
    }

    fn image(
        &mut self,
        image: &Image,
        names: &BTreeSet<Reference>,
        documents: &mut Documents,
    ) -> Result<(), Error> {
        let layers = image.layers.iter().map(|layer| self.layer(layer));
        let layers: Vec<Descriptor> = layers.collect::<Result<_, Error>>()?;
        self.bytes(&path(&image.id), image.id, &image.config_bytes)?;
        let paths = layers.iter().map(|layer| path(&layer.digest)).collect::<Vec<_>>();
        let manifest = Manifest {
            schema_version: 2,
            media_type: media_type::MANIFEST.to_owned(),
            config: Descriptor::new(media_type::CONFIG, image.id, image.config_bytes.len() as u64),
            layers,
        };
        let manifest = self.manifest(&manifest)?;
        documents.add(image, names, manifest, paths);
        Ok(())
    }

    fn manifest(&mut self, manifest: &Manifest) -> Result<Descriptor, Error> {
        let bytes = json(manifest)?;
        let digest = Digest::of(&bytes);
        self.bytes(&path(&digest), digest, &bytes)?;
        Ok(Descriptor::new(media_type::MANIFEST, digest, bytes.len() as u64))
    }

    fn layer(&mut self, layer: &Layer) -> Result<Descriptor, Error> {
        let missing = || Error::Archive(format!("layer {} has no blob", layer.diff_id));
        let blob = layer.blob.as_ref().ok_or_else(missing)?;
        if self.written.insert(blob.digest) {
            let file = self.images.inner.content.open_blob(&blob.digest);
            let mut file = file.map_err(Error::io("open a blob"))?;
            self.file(&path(&blob.digest), blob.size, &mut file)?;
        }
        Ok(blob.clone())
    }

    fn bytes(&mut self, name: &str, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        if self.written.insert(digest) {
            self.file(name, bytes.len() as u64, &mut &*bytes)?;
        }
        Ok(())
    }

    fn document<T: Serialize>(&mut self, name: &str, document: &T) -> Result<(), Error> {
        let bytes = json(document)?;
        self.file(name, bytes.len() as u64, &mut &*bytes)
    }

    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), Error> {
        let mut entry = Entry::new(name, Kind::File);
        (entry.mode, entry.size) = (0o644, size);
        self.out.file(&entry, content).map_err(written)
    }
}

impl Documents {
    /// A parent that is not in the archive says nothing to whoever loads it.
    fn forget_strangers(&mut self, chosen: &Chosen) {
        let known = |parent: &String| {
            parent
                .parse()
                .is_ok_and(|parent: Digest| chosen.contains_key(&parent))
        };
        for saved in &mut self.manifest {
            saved.parent = saved.parent.take().filter(known);
        }
    }

    /// Lists something in the index: once for each of its names, or once without one.
    fn names(&mut self, names: &BTreeSet<Reference>, manifest: &Descriptor) {
        for name in names {
            let mut named = manifest.clone();
            let tag = name.tag.clone().unwrap_or_default();
            let annotations = [(IMAGE_NAME, name.to_string()), (REF_NAME, tag)];
            named.annotations = annotations.map(|(key, value)| (key.to_owned(), value)).into();
            self.index.push(named);
        }
        if names.is_empty() {
            self.index.push(manifest.clone());
        }
    }

    fn add(&mut self, image: &Image, names: &BTreeSet<Reference>, manifest: Descriptor, layers: Vec<String>) {
        self.names(names, &manifest);
        for name in names {
            let tag = name.tag.clone().unwrap_or_default();
            let top = image
                .layers
                .last()
                .map_or_else(String::new, |layer| layer.diff_id.hex());
            self.repositories
                .entry(name.familiar_name())
                .or_default()
                .insert(tag, top);
        }
        let tags = names.iter().map(Reference::familiar).collect::<Vec<_>>();
        self.manifest.push(Saved {
            config: path(&image.id),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers,
            parent: image.parent.map(|parent| parent.to_string()),
        });
    }
}

fn json<T: Serialize>(document: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::Config(error.to_string()))
}

fn written(source: std::io::Error) -> Error {
    Error::io("write an archive")(source)
}
