//! Layers in another form than they lie here: compressed otherwise, or with their younger times taken back.
//!
//! What came from elsewhere is decoded in this process only after a worker has unpacked all of it once.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Export, Image, Images, Layer, Recast};
use crate::archive::{Fault, Kind, Reader, Why, Writer};
use crate::assemble::NewImage;
use crate::compression::Decoder;
use crate::inner::Inner;
use crate::rows::CompressedName;
use crate::{
    Algorithm, Descriptor, Digest, DigestAlgorithm, Error, ImageConfig, Lease, Limits, claims, media_type,
};

/// How much is read or written at once.
const BUFFER: usize = 256 << 10;

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
        let mut below = None;
        let mut diff_ids = Vec::new();
        for layer in &image.layers {
            let blob = self.blob_of(lease, &image, layer)?;
            let younger = self.inner.clamp(lease, blob, seconds)?;
            let (blob, diff_id) = match &younger {
                Some(made) => (made, made.digest),
                None => (blob, layer.diff_id),
            };
            let chain = Digest::chain(below, diff_id);
            if !lease.hold_layer(chain) {
                let received = self.receive_layer_here(lease, blob, diff_id)?;
                self.attach_layer(lease, below, received)?;
            }
            below = Some(chain);
            diff_ids.push(diff_id);
        }
        let bytes = clamp_config(&image.config_bytes, &diff_ids, seconds)?;
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
        let mut source = self.decoded(blob)?;
        let mut writer = self
            .content
            .writer(DigestAlgorithm::default())
            .map_err(Error::io("write a blob"))?;
        io::copy(&mut source, &mut writer).map_err(Error::io("write a blob"))?;
        let written = writer.finish();
        if written.digest != diff_id {
            return Err(Error::WrongDigest {
                expected: diff_id,
                actual: written.digest,
            });
        }
        self.keep_blob(lease, &written)?;
        Ok(Descriptor::new(media_type::LAYER, diff_id, written.size))
    }

    /// What is in the archive of a layer, at most as much as any may have.
    pub(super) fn decoded(&self, blob: &Descriptor) -> Result<Box<dyn Read>, Error> {
        let file = self
            .content
            .open_blob(&blob.digest)
            .map_err(Error::io("open a blob"))?;
        if algorithm(blob).is_none() {
            return Ok(Box::new(file));
        }
        let (_, decoder) = Decoder::<File>::new(file).map_err(refused)?;
        Ok(Box::new(decoder.take(self.limits.bytes)))
    }

    /// The layer with younger times taken back, as a plain archive that is kept; `None` if it has none.
    fn clamp(&self, lease: &Lease, blob: &Descriptor, seconds: i64) -> Result<Option<Descriptor>, Error> {
        let source = self.decoded(blob)?;
        let mut writer = self
            .content
            .writer(DigestAlgorithm::default())
            .map_err(Error::io("write a blob"))?;
        if !clamp_times(source, &mut writer, seconds, self.limits).map_err(refused)? {
            return Ok(None);
        }
        let written = writer.finish();
        self.keep_blob(lease, &written)?;
        let made = Descriptor::new(media_type::LAYER, written.digest, written.size);
        Ok(Some(made))
    }
}

fn refused(fault: Fault) -> Error {
    match fault {
        Fault::Io(source) => Error::io("read or write a layer")(source),
        other => Error::Archive(other.to_string()),
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

/// Copies an archive with times after `seconds` taken back to it; whether there were any.
fn clamp_times(source: impl Read, out: impl Write, seconds: i64, limits: Limits) -> Result<bool, Fault> {
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, source), limits);
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, out));
    let mut younger = false;
    while let Some(mut entry) = reader.next()? {
        if entry.mtime > (seconds, 0) {
            entry.mtime = (seconds, 0);
            younger = true;
        }
        match entry.kind {
            _ if entry.sparse => return Err(Fault::entry(&entry.name, Why::Sparse)),
            Kind::Other(byte) => return Err(Fault::entry(&entry.name, Why::Kind(byte))),
            Kind::File => writer.file(&entry, &mut reader)?,
            _ => writer.header(&entry)?,
        }
    }
    writer.finish()?;
    Ok(younger)
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
    use crate::archive::Entry;

    fn archive(times: &[i64]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (number, time) in times.iter().enumerate() {
            let mut entry = Entry::new(format!("f{number}"), Kind::File);
            (entry.size, entry.mtime, entry.uid) = (5, (*time, 0), 7);
            entry.xattrs.push(("user.k".to_owned(), b"v".to_vec()));
            writer.file(&entry, &mut &b"hello"[..]).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn only_younger_times_are_taken_back() {
        let clamp = |times: &[i64]| {
            let mut out = Vec::new();
            let younger = clamp_times(&*archive(times), &mut out, 100, Limits::default()).unwrap();
            (younger, out)
        };
        assert_eq!(clamp(&[50, 100]), (false, archive(&[50, 100])));
        assert_eq!(clamp(&[50, 101]), (true, archive(&[50, 100])));
    }

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
