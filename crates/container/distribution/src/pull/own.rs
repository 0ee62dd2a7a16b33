//! Pulls from the node's own registry: what it has is here. Its names then stand for the image of the platform that was
//! asked for, as names of other registries do.

use std::sync::Arc;

use image::{Image, ImageConfig, Images, ManifestSummary, Platform, Reference, ServedManifest};

use super::{Naming, Pulled, enter, of_image, other_platform, pick, runs, standing_for, written};
use crate::registries::Fault;

/// The image that a name of the registry means for a platform; this machine's where nothing is said.
pub(super) fn find(
    images: &Images,
    name: &Reference,
    platform: Option<&Platform>,
    naming: Naming,
) -> Result<Pulled, Fault> {
    let Some(served) = images.manifest_in(name)? else {
        return Err(Fault::NoManifest(name.familiar()));
    };
    // What docker was told to forget is new to it.
    let before = images.resolve(&name.to_string()).map(|image| image.id).ok();
    let image = match images.manifest(&served.digest) {
        Some(top) => {
            let alone = naming == Naming::Manifest && !top.is_index();
            stored(images, name, &top, platform.filter(|_| !alone), naming)?
        }
        None => made(
            images,
            name,
            &served,
            platform.filter(|_| naming == Naming::Asked),
        )?,
    };
    let pinned = Reference {
        digest: Some(served.digest),
        ..name.repository()
    };
    images.claim(&[name.clone(), pinned])?;
    Ok(Pulled {
        newer: before != Some(image.id),
        image,
        digest: served.digest,
    })
}

/// The image of a manifest or an index that was pushed.
fn stored(
    images: &Images,
    name: &Reference,
    top: &Arc<ManifestSummary>,
    platform: Option<&Platform>,
    naming: Naming,
) -> Result<Arc<Image>, Fault> {
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let known = standing_for(images, name).and_then(|id| images.get(&id));
    let chosen = match child(images, top, wanted) {
        Ok(chosen) => chosen,
        // An index may say nothing of platforms; its push has found this machine's all the same.
        Err(fault) => return known.filter(|known| runs(wanted, &known.config)).ok_or(fault),
    };
    let config = chosen.config.as_ref().ok_or_else(|| {
        let media_type = &chosen.media_type;
        Fault::NoImage(format!(
            "unsupported manifest media type and no default available: {media_type}"
        ))
    })?;
    of_image(config)?;
    let fits = |config: &ImageConfig| platform.is_none_or(|wanted| runs(wanted, config));
    let same = |known: &Arc<Image>| known.id == config.digest && fits(&known.config);
    if let Some(known) = known.filter(same) {
        return Ok(known);
    }
    let (called, top) = match naming {
        Naming::Asked => (name.clone(), top.digest),
        Naming::Manifest => (naming.of(name, chosen.digest), chosen.digest),
    };
    let image = images.choose_pushed(&called, top, chosen.digest, &fits)?;
    image.ok_or_else(|| no_image(name, platform))
}

/// The manifest of a platform's image. An index may name another, and that is as deep as it gets.
fn child(
    images: &Images,
    top: &Arc<ManifestSummary>,
    wanted: &Platform,
) -> Result<Arc<ManifestSummary>, Fault> {
    let mut summary = top.clone();
    for _ in 0..2 {
        if !summary.is_index() {
            break;
        }
        let chosen = pick(&summary.manifests, wanted);
        let digest = chosen.ok_or_else(|| Fault::NoPlatform(written(wanted)))?.digest;
        let found = images.manifest(&digest);
        summary = found.ok_or_else(|| image::Error::MissingContent(vec![digest]))?;
    }
    Ok(summary)
}

/// The image whose manifest was made for the question: it was built, loaded or committed here.
fn made(
    images: &Images,
    name: &Reference,
    served: &ServedManifest,
    platform: Option<&Platform>,
) -> Result<Arc<Image>, Fault> {
    let image = match images.resolve(&name.to_string()) {
        Ok(image) => Some(image),
        // A digest that nobody has asked for yet is no name of the image so far.
        Err(_) => enter(images, name, served, None)?,
    };
    let fits = |image: &Arc<Image>| platform.is_none_or(|wanted| runs(wanted, &image.config));
    image.filter(fits).ok_or_else(|| no_image(name, platform))
}

fn no_image(name: &Reference, platform: Option<&Platform>) -> Fault {
    match platform {
        Some(wanted) => other_platform(name, wanted),
        None => Fault::NoImage("it is no image for this machine".to_owned()),
    }
}
