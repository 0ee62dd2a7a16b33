//! An image as a registry has it: manifest, configuration and layers, and a client that pulls it.

use std::io;

use bytes::Bytes;
use image::{
    Descriptor, Digest, DigestAlgorithm, Error, Image, Images, Lease, Reference, Target, media_type,
};

use super::support::config;

pub(crate) struct Remote {
    pub(crate) config: Bytes,
    /// Descriptor, bytes and diff id, bottom first.
    pub(crate) layers: Vec<(Descriptor, Vec<u8>, Digest)>,
    pub(crate) manifest: Bytes,
    /// What all of it is called by.
    pub(crate) algorithm: DigestAlgorithm,
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// How a layer is sent.
type Encode = (&'static str, fn(&[u8]) -> Vec<u8>);

pub(crate) const PLAIN: Encode = (media_type::LAYER, <[u8]>::to_vec);
pub(crate) const GZIP: Encode = (media_type::LAYER_GZIP, gzip);
pub(crate) const ZSTD: Encode = (media_type::LAYER_ZSTD, |bytes| {
    zstd::encode_all(bytes, 1).unwrap()
});

impl Remote {
    pub(crate) fn new(layers: &[(Encode, &[u8])]) -> Self {
        let tars: Vec<&[u8]> = layers.iter().map(|(_, tar)| *tar).collect();
        Self::with_config(layers, config(&tars))
    }

    pub(crate) fn with_config(layers: &[(Encode, &[u8])], config: Vec<u8>) -> Self {
        Self::named_by(DigestAlgorithm::default(), layers, config)
    }

    pub(crate) fn named_by(algorithm: DigestAlgorithm, layers: &[(Encode, &[u8])], config: Vec<u8>) -> Self {
        let called = |bytes: &[u8]| Digest::by(algorithm, bytes);
        let layers: Vec<_> = layers
            .iter()
            .map(|((media_type, encode), tar)| {
                let bytes = encode(tar);
                let descriptor = Descriptor::new(media_type, called(&bytes), bytes.len() as u64);
                (descriptor, bytes, Digest::of(tar))
            })
            .collect();
        let descriptors: Vec<&Descriptor> = layers.iter().map(|(descriptor, ..)| descriptor).collect();
        let of_config = Descriptor::new(media_type::CONFIG, called(&config), config.len() as u64);
        let manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": of_config, "layers": descriptors,
        }));
        Self {
            config: config.into(),
            layers,
            manifest: manifest.unwrap().into(),
            algorithm,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::by(self.algorithm, &self.manifest)
    }

    /// Layers on threads of their own, the topmost first; then everything that names them.
    pub(crate) fn pull_under(&self, images: &Images, lease: &Lease) -> Result<Image, Error> {
        let manifest = images.put_manifest(lease, self.algorithm, media_type::MANIFEST, &self.manifest)?;
        let received: Vec<_> = std::thread::scope(|scope| {
            let receive = |(descriptor, bytes, diff_id): &(Descriptor, Vec<u8>, Digest)| {
                images.receive_layer(descriptor, *diff_id, &mut &**bytes, &mut |_| {})
            };
            let threads: Vec<_> = self
                .layers
                .iter()
                .rev()
                .map(|layer| scope.spawn(move || receive(layer)))
                .collect();
            threads
                .into_iter()
                .rev()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let mut below = None;
        for layer in received {
            below = Some(images.attach_layer(lease, below, layer?)?);
        }
        let image = images.register_pulled(lease, &manifest.digest, self.config.clone())?;
        Ok((*image).clone())
    }

    pub(crate) fn pull(&self, images: &Images, tag: &str) -> Result<Digest, Error> {
        let (lease, id) = self.pull_named(images, tag)?;
        lease.keep().map(|()| id)
    }

    /// As pulls from registries do it: durable later.
    pub(crate) fn pull_soon(&self, images: &Images, tag: &str) -> Result<Digest, Error> {
        let (lease, id) = self.pull_named(images, tag)?;
        lease.keep_soon().map(|()| id)
    }

    fn pull_named(&self, images: &Images, tag: &str) -> Result<(Lease, Digest), Error> {
        let lease = images.lease(&format!("pull {tag}"))?;
        let image = self.pull_under(images, &lease)?;
        let tag: Reference = tag.parse().unwrap();
        let target = Target::manifest(self.digest(), Some(image.id));
        images.tag_under(&lease, &tag, target)?;
        let pinned = Reference {
            tag: None,
            digest: Some(self.digest()),
            ..tag
        };
        images.tag_under(&lease, &pinned, target)?;
        Ok((lease, image.id))
    }
}
