//! A manifest for an image that has none: the same image and layers give the same bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Image, ServedManifest};
use crate::{Descriptor, Digest, Error, Manifest, media_type};

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Docker,
    Oci,
}

/// Layers by their media types: OCI's, and Docker's where it has one.
const LAYERS: &[(&str, Option<&str>)] = &[
    (media_type::LAYER, Some(media_type::DOCKER_LAYER)),
    (media_type::LAYER_GZIP, Some(media_type::DOCKER_LAYER_GZIP)),
    (media_type::LAYER_ZSTD, None),
];

impl Form {
    const fn manifest(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_MANIFEST,
            Self::Oci => media_type::MANIFEST,
        }
    }

    const fn config(self) -> &'static str {
        match self {
            Self::Docker => media_type::DOCKER_CONFIG,
            Self::Oci => media_type::CONFIG,
        }
    }

    /// How this form calls a layer; `None` if it cannot.
    fn layer(self, given: &str) -> Option<&'static str> {
        let known = |(oci, docker): &&(&str, Option<&str>)| *oci == given || *docker == Some(given);
        let (oci, docker) = LAYERS.iter().find(known)?;
        match self {
            Self::Docker => *docker,
            Self::Oci => Some(oci),
        }
    }

    /// This form, or OCI's where a layer asks for that.
    pub(super) fn for_layers(self, layers: &[Descriptor]) -> Self {
        let fits = layers.iter().all(|layer| self.layer(&layer.media_type).is_some());
        if fits { self } else { Self::Oci }
    }
}

/// The manifest, and what it names: configuration and layers.
pub(super) fn compose(
    image: &Image,
    layers: &[Descriptor],
    form: Form,
) -> Result<(ServedManifest, Manifest), Error> {
    let form = form.for_layers(layers);
    let layer = |blob: &Descriptor| {
        let media_type = form.layer(&blob.media_type).unwrap_or(&blob.media_type);
        // Docker's form has no notes.
        let annotations = match form {
            Form::Oci => blob.annotations.clone(),
            Form::Docker => BTreeMap::new(),
        };
        Descriptor {
            annotations,
            ..Descriptor::new(media_type, blob.digest, blob.size)
        }
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: form.manifest().to_owned(),
        config: Descriptor::new(form.config(), image.id, image.config_bytes.len() as u64),
        layers: layers.iter().map(layer).collect(),
    };
    let bytes = serde_json::to_vec(&manifest).map_err(|error| Error::Manifest(error.to_string()))?;
    let served = ServedManifest {
        digest: Digest::of(&bytes),
        media_type: manifest.media_type.clone(),
        bytes: Bytes::from(bytes),
    };
    Ok((served, manifest))
}
