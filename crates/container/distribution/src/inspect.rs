//! Asking a registry about an image without pulling it (`docker manifest inspect`, `GET /distribution/NAME/json`).

use image::{Descriptor, ImageConfig, Index, Manifest, Platform, Reference};

use crate::Credentials;
use crate::pull::{is_index, parse, read_config, subject};
use crate::registries::{Fault, Registries};
use crate::registry::Repository;

/// What a registry says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// What it is.
    pub descriptor: Descriptor,
    /// What it runs on.
    pub platforms: Vec<Platform>,
}

impl Registries {
    /// Asks what a name stands for.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn inspect(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Inspected, Fault> {
        let repository = self.repository(reference, credentials);
        let document = repository
            .manifest(&subject(&reference.clone().with_default_tag()))
            .await?;
        let platforms = if is_index(&document) {
            let index: Index = parse("manifest list", &document.bytes)?;
            index
                .manifests
                .into_iter()
                .filter_map(|entry| entry.platform)
                .collect()
        } else {
            let manifest: Manifest = parse("manifest", &document.bytes)?;
            vec![platform(&repository, &manifest.config).await?]
        };
        Ok(Inspected {
            descriptor: document.descriptor,
            platforms,
        })
    }
}

async fn platform(repository: &Repository, config: &Descriptor) -> Result<Platform, Fault> {
    let config = ImageConfig::parse(&read_config(repository, config).await?)?;
    Ok(Platform {
        os: config.os,
        architecture: config.architecture,
        variant: config.variant,
    })
}
