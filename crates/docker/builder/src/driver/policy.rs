//! What a door's policy says of the sources of a Dockerfile.

use std::collections::BTreeMap;

use super::Driver;
use crate::BuildError;
use crate::executor::Executor;
use crate::source::{Checksum, GitSource};

/// How images are called.
const IMAGE: &str = "docker-image://";
/// The attribute that says what a file has to be.
const CHECKSUM: &str = "http.checksum";

impl<E: Executor + 'static> Driver<E> {
    /// A source as the policy has it: its identifier and its attributes.
    fn judged(&self, identifier: String) -> Result<(String, BTreeMap<String, String>), BuildError> {
        let (mut identifier, mut attributes) = (identifier, BTreeMap::new());
        if let Some(policy) = &self.options.services.policy {
            policy.judge(&mut identifier, &mut attributes).map_err(|denied| {
                BuildError::Step(format!("error evaluating the source policy: {denied}"))
            })?;
        }
        Ok((identifier, attributes))
    }

    /// The image that is taken in place of one, if it is another. An id is judged as the name that it looks like.
    pub(super) fn judged_image(&self, reference: &str) -> Result<Option<String>, BuildError> {
        if self.options.services.policy.is_none() {
            return Ok(None);
        }
        let whole = image::Reference::parse(reference).map(|parsed| parsed.with_default_tag().to_string());
        let whole = whole.unwrap_or_else(|_| reference.to_owned());
        let (judged, _) = self.judged(format!("{IMAGE}{whole}"))?;
        match judged.strip_prefix(IMAGE) {
            Some(image) if image == whole => Ok(None),
            Some(image) => Ok(Some(image.to_owned())),
            None => Err(BuildError::Unsupported(format!(
                "the source policy converts the image {whole} to {judged}, which is none"
            ))),
        }
    }

    /// The address that is taken in place of one, and what its file has to be if the policy says so.
    pub(super) fn judged_address(&self, address: &str) -> Result<(String, Option<Checksum>), BuildError> {
        let (judged, attributes) = self.judged(address.to_owned())?;
        if !judged.starts_with("http://") && !judged.starts_with("https://") {
            return Err(BuildError::Unsupported(format!(
                "the source policy converts {address} to {judged}, which is no file of a web server"
            )));
        }
        let checksum = attributes.get(CHECKSUM).map(|text| Checksum::parse(text));
        let checksum = checksum.transpose();
        Ok((
            judged,
            checksum.map_err(|error| BuildError::Invalid(error.to_owned()))?,
        ))
    }

    /// Lets a repository pass, or not.
    pub(super) fn judge_repository(&self, git: &GitSource) -> Result<(), BuildError> {
        let remote = git
            .remote
            .split_once("://")
            .map_or(&*git.remote, |(_, rest)| rest);
        let mut identifier = format!("git://{remote}");
        if !git.reference.is_empty() {
            identifier = format!("{identifier}#{}", git.reference);
        }
        let (judged, _) = self.judged(identifier.clone())?;
        match judged == identifier {
            true => Ok(()),
            false => Err(BuildError::Unsupported(format!(
                "the source policy converts the repository {identifier}, which is not supported in a Dockerfile"
            ))),
        }
    }
}
