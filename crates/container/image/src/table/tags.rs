//! Tags, and the names that images show.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Table, Tag};
use crate::{Digest, Reference};

impl Table {
    pub(crate) fn tagged(&self, reference: &Reference) -> Option<Digest> {
        self.tag(reference).map(|tag| tag.id)
    }

    pub(crate) fn tag(&self, reference: &Reference) -> Option<Tag> {
        self.tags.get(reference).copied()
    }

    /// All tags of a repository.
    pub(crate) fn tags_of(&self, name: &str) -> Vec<(Reference, Digest)> {
        let named = self.tags.iter().filter(|(reference, _)| reference.name() == name);
        named
            .map(|(reference, tag)| (reference.clone(), tag.id))
            .collect()
    }

    /// Makes a tag name an image from some time on, or nothing; answers what it named.
    pub(crate) fn set_tag(
        &mut self,
        reference: &Reference,
        given: Option<(Digest, Timestamp)>,
    ) -> Option<Digest> {
        let previous = match given {
            Some((id, _)) => {
                self.tagged += 1;
                let serial = self.tagged;
                self.tags.insert(reference.clone(), Tag { id, serial })
            }
            None => self.tags.remove(reference),
        };
        let previous = previous.map(|tag| tag.id);
        if let Some((id, time)) = given {
            self.stamp(&id, time);
        }
        for id in previous.into_iter().chain(given.map(|(id, _)| id)) {
            self.refresh_tags(&id);
        }
        previous
    }

    fn stamp(&mut self, id: &Digest, time: Timestamp) {
        if let Some(image) = self.images.get_mut(id) {
            let image = Arc::make_mut(image);
            image.last_tagged = image.last_tagged.max(Some(time));
        }
    }

    fn refresh_tags(&mut self, id: &Digest) {
        let Some(image) = self.images.get_mut(id) else {
            return;
        };
        let named = self.tags.iter().filter(|(_, tag)| tag.id == *id);
        let (digests, tags): (Vec<_>, Vec<_>) = named
            .map(|(reference, _)| reference.clone())
            .partition(|reference| reference.digest.is_some());
        let image = Arc::make_mut(image);
        image.tags = tags;
        image.digests = digests.iter().map(Reference::familiar).collect();
    }
}
