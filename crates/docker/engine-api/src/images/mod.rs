//! Images: one file for each thing a client does with them.

pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod registry;
pub(crate) mod remove;
pub(crate) mod transfer;

use std::sync::Arc;

use engine::events::{Actor, Event, Kind};
use image::{Digest, Image, Reference, Use};

use crate::Api;
use crate::error::ApiError;

/// The `repo` and `tag` parameters as a reference; none when there is no `repo`.
///
/// # Errors
/// 400 when they are none, or name a digest.
pub(crate) fn repo_tag(repo: &str, tag: &str) -> Result<Option<Reference>, ApiError> {
    if repo.is_empty() {
        return Ok(None);
    }
    let wrong = |error: image::ReferenceError| ApiError::bad(error.to_string());
    let reference = Reference::parse(repo).map_err(wrong)?;
    if reference.digest.is_some() {
        return Err(ApiError::bad("cannot import digest reference"));
    }
    if tag.is_empty() {
        Ok(Some(reference.with_default_tag()))
    } else {
        reference.with_tag(tag).map(Some).map_err(wrong)
    }
}

impl Api {
    /// The containers that were made from an image.
    pub(crate) fn uses(&self, id: &Digest) -> Vec<Use> {
        let id = id.to_string();
        let made = self
            .engine
            .list()
            .into_iter()
            .filter(|c| c.image.as_ref().is_some_and(|image| image.id == id));
        made.map(|c| Use {
            container: c.id.to_string(),
            running: c.state.status.is_running(),
        })
        .collect()
    }

    /// Tells what happened to an image; `name` is what it was called then.
    pub(crate) fn publish_image(&self, image: Option<&Arc<Image>>, id: &str, name: &str, action: &str) {
        let mut attributes = image
            .map(|image| image.config.config.labels.clone())
            .unwrap_or_default();
        attributes.insert("name".into(), name.into());
        let actor = Actor {
            id: id.into(),
            attributes,
        };
        self.engine.events().publish(Event {
            kind: Kind::Image,
            action: action.into(),
            actor,
            time: self.now(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repo_and_tag_make_a_reference() {
        let familiar = |repo, tag| repo_tag(repo, tag).map(|found| found.map(|found| found.familiar()));
        assert_eq!(familiar("", "x"), Ok(None));
        assert_eq!(familiar("a/b", ""), Ok(Some("a/b:latest".into())));
        assert_eq!(familiar("a:1", "2"), Ok(Some("a:2".into())));
        assert_eq!(familiar("A", "").unwrap_err().status.as_u16(), 400);
        assert_eq!(familiar("a", "b/c").unwrap_err().message, "invalid tag format");
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert_eq!(
            familiar(&digest, "").unwrap_err().message,
            "cannot import digest reference"
        );
    }
}
