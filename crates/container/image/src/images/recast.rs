//! Layers in another form than they lie here: compressed otherwise, or with their younger times taken back.
//!
//! Foreign bytes are decoded and rewritten by a worker; what it made is read here to be hashed and compressed.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Export, Image, Images, Layer, Recast};
use crate::archive::Seekable;
use crate::assemble::NewImage;
use crate::content::{Ingest, Written};
use crate::inner::Inner;
use crate::rows::CompressedName;
use crate::worker::{self, Job, PLAIN, Stream};
use crate::{Algorithm, Descriptor, Digest, Error, ImageConfig, Lease, Limits, claims, compress, media_type};

impl Images {
    /// The layers of an image as they are wanted, bottom first. They stay while the lease does.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`]; the disk's or the store's.
    pub fn recast(&self, lease: &Lease, id: &Digest, wish: Recast) -> Result<Vec<Descriptor>, Error> {
        if let (Some(algorithm), None, false) = (wish.algorithm, wish.level, wish.force) {
            let how = Export { algorithm, oci: true };
            return Ok(self.export(lease, id, how)?.layers);
        }
        let image = match wish.force {
            true => self.hold_awake(lease, id)?,
            false => self.hold(lease, id)?,
        };
        let layers = image.layers.iter();
        layers
            .map(|layer| self.recast_layer(lease, &image, layer, wish))
            .collect()
    }

    fn recast_layer(
        &self,
        lease: &Lease,
        image: &Image,
        layer: &Layer,
        wish: Recast,
    ) -> Result<Descriptor, Error> {
        let blob = self.blob_of(lease, image, layer)?;
        let given = algorithm(blob);
        let stays = match (given, wish.algorithm) {
            (None, wanted) => wanted.is_none(),
            (Some(given), wanted) => !wish.force || Some(given) == wanted,
        };
        let diff_id = layer.diff_id;
        match wish.algorithm {
            _ if stays => Ok(blob.clone()),
            Some(algorithm) => {
                let name = CompressedName { diff_id, algorithm };
                self.inner.compressed(lease, name, wish.level, blob)
            }
            None => self.inner.plain(lease, diff_id, blob),
        }
    }

    /// The image with nothing in its layers, its history and itself that is younger than `seconds` since 1970: itself if it
    /// is like that already, otherwise one that is made under the lease. Layers in which nothing is younger stay as they are.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`], [`Error::Archive`]; the disk's or the store's.
    pub fn clamped(&self, lease: &Lease, id: &Digest, seconds: i64) -> Result<Arc<Image>, Error> {
        let image = self.hold_awake(lease, id)?;
        let younger = |blob: &Descriptor| {
            let made = self.inner.clamp(lease, blob, seconds)?;
            Ok(made.map(|made| (made.digest, made)))
        };
        let diff_ids = self.remade(lease, &image, younger)?;
        let bytes = clamp_config(&image.config_bytes, &diff_ids, seconds)?;
        self.with_config(lease, image, bytes)
    }

    /// The image with layers of which single files can be fetched (eStargz): those that lie here uncompressed, or all of them
    /// if that is forced, deflated as hard as `level` says. Their descriptors have the notes that readers want. An image that
    /// is made for it, under the lease, since such a layer has its table of contents in it.
    ///
    /// # Errors
    /// As [`Self::clamped`].
    pub fn seekable(
        &self,
        lease: &Lease,
        id: &Digest,
        (level, force): (Option<i32>, bool),
    ) -> Result<Arc<Image>, Error> {
        let image = self.hold_awake(lease, id)?;
        let made = |blob: &Descriptor| match algorithm(blob) {
            Some(_) if !force => Ok(None),
            _ => self.inner.stargz(lease, blob, level).map(Some),
        };
        let diff_ids = self.remade(lease, &image, made)?;
        let bytes = layered(&image.config_bytes, &diff_ids)?;
        self.with_config(lease, image, bytes)
    }

    /// The diff ids of an image's layers, each as `make` makes it anew, or as it is. All of them are here under the lease.
    fn remade(
        &self,
        lease: &Lease,
        image: &Image,
        make: impl Fn(&Descriptor) -> Result<Option<(Digest, Descriptor)>, Error>,
    ) -> Result<Vec<Digest>, Error> {
        let mut below = None;
        let mut diff_ids = Vec::new();
        for layer in &image.layers {
            let blob = self.blob_of(lease, image, layer)?;
            let (diff_id, blob) = make(blob)?.unwrap_or_else(|| (layer.diff_id, blob.clone()));
            let chain = Digest::chain(below, diff_id);
            if !lease.hold_layer(chain) {
                let received = self.receive_layer_here(lease, &blob, diff_id)?;
                self.attach_layer(lease, below, received)?;
            }
            below = Some(chain);
            diff_ids.push(diff_id);
        }
        Ok(diff_ids)
    }

    /// The image of another configuration; itself if it is the same.
    fn with_config(&self, lease: &Lease, image: Arc<Image>, bytes: Vec<u8>) -> Result<Arc<Image>, Error> {
        if bytes == image.config_bytes {
            return Ok(image);
        }
        let config = ImageConfig::parse(&bytes)?;
        self.inner
            .register(lease, NewImage::made(config, bytes.into(), None))
    }
}

impl Inner {
    /// A layer as a plain archive.
    fn plain(&self, lease: &Lease, diff_id: Digest, blob: &Descriptor) -> Result<Descriptor, Error> {
        let _claim = self.claims.take([claims::compress(&diff_id)]);
        if lease.hold_blob(&diff_id) {
            let file = self.content.open_blob(&diff_id);
            let size = file.and_then(|file| file.metadata()).map(|data| data.len());
            return Ok(Descriptor::new(
                media_type::LAYER,
                diff_id,
                size.map_err(Error::io("open a blob"))?,
            ));
        }
        let written = self.decompressed(blob)?;
        if written.digest != diff_id {
            return Err(Error::WrongDigest {
                expected: diff_id,
                actual: written.digest,
            });
        }
        self.keep_blob(lease, &written)?;
        Ok(Descriptor::new(media_type::LAYER, diff_id, written.size))
    }

    /// What is in the archive of a layer.
    pub(super) fn plain_of(&self, blob: &Descriptor) -> Result<(File, Option<Ingest>), Error> {
        if algorithm(blob).is_some() {
            let written = self.decompressed(blob)?;
            let file = File::open(&written.path).map_err(Error::io("open a blob"))?;
            return Ok((file, Some(written.place)));
        }
        let file = self.content.open_blob(&blob.digest);
        Ok((file.map_err(Error::io("open a blob"))?, None))
    }

    fn decompressed(&self, blob: &Descriptor) -> Result<Written, Error> {
        let job = Job::Plain {
            limits: self.limits_of_disk()?,
        };
        let (written, _) = self.rewritten::<u64>(blob, &job)?;
        Ok(written)
    }

    /// The layer with younger times taken back, as a plain archive that is kept; `None` if it has none.
    fn clamp(&self, lease: &Lease, blob: &Descriptor, seconds: i64) -> Result<Option<Descriptor>, Error> {
        let limits = self.limits_of_disk()?;
        let (written, younger) = self.rewritten::<bool>(blob, &Job::Clamp { limits, seconds })?;
        if !younger {
            return Ok(None);
        }
        self.keep_blob(lease, &written)?;
        let made = Descriptor::new(media_type::LAYER, written.digest, written.size);
        Ok(Some(made))
    }

    /// The layer as one of which single files can be fetched, and its diff id.
    fn stargz(
        &self,
        lease: &Lease,
        blob: &Descriptor,
        level: Option<i32>,
    ) -> Result<(Digest, Descriptor), Error> {
        let limits = self.limits_of_disk()?;
        let level = level.and_then(|level| u32::try_from(level).ok());
        let level = level.unwrap_or(compress::LEVEL).min(9);
        let (written, said) = self.rewritten::<Seekable>(blob, &Job::Stargz { limits, level })?;
        self.keep_blob(lease, &written)?;
        let mut made = Descriptor::new(media_type::LAYER_GZIP, written.digest, written.size);
        made.annotations = [
            (TABLE_DIGEST, said.table.to_string()),
            (UNCOMPRESSED_SIZE, said.plain.to_string()),
        ]
        .map(|(note, value)| (note.to_owned(), value))
        .into();
        Ok((said.diff_id, made))
    }

    /// What is written has to fit: a few bytes may stand for many.
    fn limits_of_disk(&self) -> Result<Limits, Error> {
        let free = self.content.free().map_err(Error::io("look at the disk"))?;
        Ok(Limits {
            bytes: self.limits.bytes.min(free),
            ..self.limits
        })
    }

    /// What a worker makes of a blob, and what it says of it.
    fn rewritten<T: DeserializeOwned>(&self, blob: &Descriptor, job: &Job) -> Result<(Written, T), Error> {
        let from = self.content.open_blob(&blob.digest);
        let from = from.map_err(Error::io("open a blob"))?;
        let place = self.content.ingest().map_err(Error::io("write a layer"))?;
        let directory = File::open(place.path()).map_err(Error::io("write a layer"))?;
        let said = worker::run(&*self.workers, job, Stream::File(&from), directory.as_fd())?;
        let path = place.path().join(PLAIN);
        let written = Written::of(place, path).map_err(Error::io("read a layer"))?;
        Ok((written, said))
    }
}

/// How a layer is compressed, as its descriptor says; what is said in no word known here counts as gzip, which every reader
/// tells apart by itself.
fn algorithm(layer: &Descriptor) -> Option<Algorithm> {
    match &*layer.media_type {
        "" | media_type::LAYER | media_type::DOCKER_LAYER => None,
        media_type::LAYER_ZSTD => Some(Algorithm::Zstd),
        _ => Some(Algorithm::Gzip),
    }
}

/// Notes on a layer of which single files can be fetched: stargz-snapshotter's, and that of podman's store.
const TABLE_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
const UNCOMPRESSED_SIZE: &str = "io.containers.estargz.uncompressed-size";

/// A configuration with other layers.
fn layered(bytes: &[u8], diff_ids: &[Digest]) -> Result<Vec<u8>, Error> {
    let wrong = |error: serde_json::Error| Error::Config(error.to_string());
    let mut config: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    let layers = json!(diff_ids);
    if config["rootfs"]["diff_ids"] == layers {
        return Ok(bytes.to_vec());
    }
    config["rootfs"]["diff_ids"] = layers;
    serde_json::to_vec(&config).map_err(wrong)
}

/// A configuration with other layers, and no time in it that is younger.
fn clamp_config(bytes: &[u8], diff_ids: &[Digest], seconds: i64) -> Result<Vec<u8>, Error> {
    let wrong = |error: serde_json::Error| Error::Config(error.to_string());
    let mut config: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    let latest = Timestamp::from_second(seconds).map_err(|error| Error::Config(error.to_string()))?;
    let clamp = |value: &mut Value| {
        let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let younger = time.is_some_and(|time| time > latest);
        if younger {
            *value = latest.to_string().into();
        }
        younger
    };
    let mut changed = config.get_mut("created").is_some_and(clamp);
    for row in config["history"].as_array_mut().into_iter().flatten() {
        changed |= row.get_mut("created").is_some_and(clamp);
    }
    let layers = json!(diff_ids);
    if config["rootfs"]["diff_ids"] != layers {
        config["rootfs"]["diff_ids"] = layers;
        changed = true;
    }
    if !changed {
        return Ok(bytes.to_vec());
    }
    serde_json::to_vec(&config).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_old_enough_stays_to_the_byte() {
        let diff_id = Digest::of(b"");
        let text = |time: &str| {
            format!(
                r#"{{"x":1, "created":"{time}","history":[{{"created":"{time}"}}],"rootfs":{{"diff_ids":["{diff_id}"]}}}}"#
            )
        };
        let old = text("1970-01-01T00:01:40Z");
        let clamped = clamp_config(old.as_bytes(), &[diff_id], 100).unwrap();
        assert_eq!(clamped, old.as_bytes());
        let young = clamp_config(text("2020-01-01T00:00:00.5Z").as_bytes(), &[diff_id], 100).unwrap();
        let value: Value = serde_json::from_slice(&young).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(&old).unwrap());
    }
}
