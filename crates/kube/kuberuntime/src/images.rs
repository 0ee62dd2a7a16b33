//! Images of containers, by their pull policy.
//!
//! What was built, loaded, tagged or imported on this node is used at once, whatever the policy says: it exists nowhere
//! else. Only `Always` with a registry in the image's name insists on that registry.

use std::sync::Arc;

use distribution::{Credentials, Progress, Pull};
use engine::events::{Actor, Event, Kind};
use image::{Digest, Image, Images, Reference};
use kubelet::container::{ImageFault, ImageFound, ImageReason, Pulled, Sought};
use kubelet::pod::{Container, PullPolicy};

use crate::{Pods, keyring};

/// Looks for the image of a container, by its pull policy.
///
/// # Errors
/// It is not to be had, by upstream's reasons.
pub(crate) fn seek(images: &Images, container: &Container) -> Result<Sought, ImageFault> {
    let name = container.image.as_str();
    let here = images.resolve(name);
    if let (Err(error), Err(_)) = (Reference::parse(name), &here) {
        return Err(fault(
            ImageReason::InvalidImageName,
            invalid(name, &error.to_string()),
        ));
    }
    let insists = container.image_pull_policy == PullPolicy::Always && names_registry(name);
    match here {
        Ok(image) if !insists => Ok(Sought::Here(found(name, &image))),
        _ if container.image_pull_policy == PullPolicy::Never => Err(fault(
            ImageReason::ErrImageNeverPull,
            format!("Container image {name:?} is not present with pull policy of Never"),
        )),
        _ => Ok(Sought::Elsewhere),
    }
}

/// The image of a container that is here, whatever the policy: whoever starts it has looked for it, or pulled it.
///
/// # Errors
/// It has gone meanwhile.
pub(crate) fn find(images: &Images, name: &str) -> Result<(Arc<Image>, ImageFound), ImageFault> {
    match images.resolve(name) {
        Ok(image) => {
            let found = found(name, &image);
            Ok((image, found))
        }
        Err(error) => Err(fault(ImageReason::ImageInspectError, error.to_string())),
    }
}

pub(crate) fn found(name: &str, image: &Image) -> ImageFound {
    ImageFound {
        image: shown(name),
        id: image.id.to_string(),
    }
}

impl Pods {
    /// Pulls an image with each of the credentials that are for its registry, until one is let in.
    pub(crate) async fn pull_image(&self, name: &str, keys: &[Vec<u8>]) -> Result<Pulled, ImageFault> {
        let reference = Reference::parse(name)
            .map_err(|error| fault(ImageReason::InvalidImageName, invalid(name, &error.to_string())))?
            .with_default_tag();
        // Whoever waits here has not begun: the time of a pull is its own.
        let _turn = self.0.pulls.acquire().await;
        let begun = self.0.clock.now();
        // Nobody follows a pod's pull; its beginning and its end are told as events.
        let progress = Progress(tokio::sync::mpsc::channel(1).0);
        let mut said = Vec::new();
        for credentials in credentials(&reference, keys) {
            let wish = Pull {
                reference: reference.clone(),
                platform: None,
                credentials,
            };
            match self.0.registries.pull(&wish, &progress).await {
                Ok(pulled) => {
                    if pulled.newer {
                        self.tell_pulled(&reference, &pulled.image);
                    }
                    return Ok(Pulled {
                        found: found(name, &pulled.image),
                        took: self.0.clock.now().saturating_since(begun),
                        size: pulled.image.size,
                    });
                }
                Err(error) => said.push(error.pulling(&reference)),
            }
        }
        Err(fault(ImageReason::ErrImagePull, all(said)))
    }

    /// Other pods may wait for it, and whoever follows the node's events.
    fn tell_pulled(&self, reference: &Reference, image: &Image) {
        let mut attributes = image.config.config.labels.clone();
        attributes.insert("name".to_owned(), reference.familiar_name());
        self.0.engine.events().publish(Event {
            kind: Kind::Image,
            action: "pull".to_owned(),
            actor: Actor {
                id: reference.familiar(),
                attributes,
            },
            time: jiff::Timestamp::try_from(self.0.clock.wall()).unwrap_or_default(),
        });
    }
}

/// Those of the pull secrets that are for an image's registry; nobody's where there are none.
fn credentials(reference: &Reference, keys: &[Vec<u8>]) -> Vec<Credentials> {
    let mut found = keyring::matching(reference, keys);
    if found.is_empty() {
        found.push(Credentials::Anonymous);
    }
    found
}

/// What each of the credentials has come to, as upstream puts errors together: each once, in brackets if there are several.
fn all(mut said: Vec<String>) -> String {
    let mut seen = std::collections::HashSet::new();
    said.retain(|text| seen.insert(text.clone()));
    match &*said {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

const fn fault(reason: ImageReason, message: String) -> ImageFault {
    ImageFault { reason, message }
}

fn invalid(name: &str, error: &str) -> String {
    format!("Failed to apply default image tag {name:?}: couldn't parse image name {name:?}: {error}")
}

/// The whole name of an image: `docker.io/library/web:1`. An id is no name and stays as it is.
pub(crate) fn shown(name: &str) -> String {
    let is_id = name.parse::<Digest>().is_ok();
    let Some(reference) = Reference::parse(name).ok().filter(|_| !is_id) else {
        return name.to_owned();
    };
    let reference = reference.with_default_tag();
    let tag = reference
        .tag
        .as_ref()
        .map(|tag| format!(":{tag}"))
        .unwrap_or_default();
    let digest = reference
        .digest
        .as_ref()
        .map(|digest| format!("@{digest}"))
        .unwrap_or_default();
    format!("{}{tag}{digest}", reference.name())
}

/// Whether what stands before the first slash is a registry, as the user wrote it.
fn names_registry(name: &str) -> bool {
    let first = name.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first == "localhost" || first.contains(['.', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_what_a_user_names_as_one() {
        for (name, expected) in [
            ("web", false),
            ("shop/web:1", false),
            ("web:1.2", false),
            ("docker.io/library/web", true),
            ("localhost/web", true),
            ("registry:5000/web", true),
        ] {
            assert_eq!(names_registry(name), expected, "{name}");
        }
    }

    #[test]
    fn every_refusal_is_told_once() {
        let said = |texts: &[&str]| all(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(said(&["denied"]), "denied");
        assert_eq!(said(&["denied", "denied"]), "denied");
        assert_eq!(
            said(&["denied", "unauthorized", "denied"]),
            "[denied, unauthorized]"
        );
    }

    #[test]
    fn statuses_show_whole_names() {
        for (name, expected) in [
            ("web", "docker.io/library/web:latest"),
            ("shop/web:1", "docker.io/shop/web:1"),
            ("r.io/web", "r.io/web:latest"),
            ("0123", "docker.io/library/0123:latest"),
        ] {
            assert_eq!(shown(name), expected);
        }
        let id = format!("sha256:{}", "0".repeat(64));
        assert_eq!(shown(&id), id);
    }
}
