//! Removing images by name and by id, as `docker rmi` does.
//!
//! Removing a name is always possible unless it is the last one of an image that a container
//! uses; the image itself then goes quietly if nothing stands in the way.

use std::sync::Arc;

use store::Durability;

use super::conflict::{self, Conflict, HELD, Strictness, refusal, truncated};
use super::evict::references;
use super::names::identifier;
use super::{Image, Images, Remove, Removed, Use};
use crate::rows::TagRow;
use crate::table::Given;
use crate::{Digest, Error, Reference, Step, claims};

impl Images {
    /// Removes a name, and the image with its last one; or, given an id, the image with all its
    /// names. Answers what went, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Conflict`].
    pub fn remove(
        &self,
        reference: &str,
        options: Remove,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let image = self.resolve(reference)?;
        let parts = self.parts_of(&image);
        // Whoever uses a part uses the whole.
        let used_at_all = |id: &Digest| {
            let of_parts = parts.iter().filter(|_| *id == image.id).flat_map(used);
            used(id).into_iter().chain(of_parts).collect()
        };
        let removed = self.remove_named(&image, reference, options, &used_at_all)?;
        self.remove_parts(parts, removed, used)
    }

    fn remove_named(
        &self,
        image: &Image,
        reference: &str,
        options: Remove,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let mut removal = Removal {
            images: self,
            options,
            used,
            removed: Vec::new(),
        };
        let is_id = identifier(reference).is_some() || is_prefix(&image.id, reference);
        let quiet = if is_id {
            removal.by_id(image)?;
            false
        } else {
            if !removal.by_name(image, reference)? {
                return Ok(removal.removed);
            }
            true
        };
        removal.image(&image.id, options.force, quiet)?;
        Ok(removal.removed)
    }

    /// Other platforms' images of the indexes that an image's names stand for, that have no names: they came with those.
    fn parts_of(&self, image: &Image) -> Vec<Digest> {
        let tops = image.tags.iter().filter_map(|name| self.index_of(name));
        let listed = tops.flat_map(|index| index.manifests.clone());
        let ids = listed.filter_map(|entry| Some(self.manifest(&entry.digest)?.config.as_ref()?.digest));
        let is_part = |id: &Digest| self.get(id).is_some_and(|part| self.is_part(&part));
        ids.filter(|id| *id != image.id && is_part(id)).collect()
    }

    /// Whether an image is here only because an index lists it: it was pulled by a name that stands for another platform by
    /// now, or taken to be run ([`Self::take_variant`]). One that has the name of its own manifest was asked for by that.
    fn is_part(&self, image: &Image) -> bool {
        let pulled = !image.made_here && image.step.is_none() && image.manifest.is_some();
        let taken = || !self.inner.read().nameless(&image.id).is_empty();
        image.is_dangling() && !image.result && (pulled || taken())
    }

    /// What no index lists any more goes with the name that brought it here, if nobody uses it.
    fn remove_parts(
        &self,
        parts: Vec<Digest>,
        mut removed: Vec<Removed>,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        for id in parts {
            let goes = self.get(&id).is_some_and(|part| self.is_part(&part)) && !self.is_listed(&id);
            if !goes {
                continue;
            }
            match self.remove_nameless(&id, Remove::default(), used) {
                Ok(went) => removed.extend(went),
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// Removes an image without a name, of which clients may not know.
    pub(super) fn remove_nameless(
        &self,
        id: &Digest,
        options: Remove,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Vec<Removed>, Error> {
        let mut removal = Removal {
            images: self,
            options,
            used,
            removed: Vec::new(),
        };
        removal.image(id, false, false)?;
        Ok(removal.removed)
    }
}

fn is_prefix(id: &Digest, text: &str) -> bool {
    id.to_string().starts_with(text) || id.hex().starts_with(text)
}

/// One removal under way.
struct Removal<'a> {
    images: &'a Images,
    options: Remove,
    used: &'a dyn Fn(&Digest) -> Vec<Use>,
    removed: Vec<Removed>,
}

impl Removal<'_> {
    /// An id stands for the image with the names of its one repository.
    fn by_id(&mut self, image: &Image) -> Result<(), Error> {
        if !is_single(image) {
            return Ok(());
        }
        let strictness = if self.options.force {
            Strictness::Hard
        } else {
            Strictness::AllButNames
        };
        if let Some(conflict) = conflict::find(self.images, &image.id, strictness, self.used) {
            return Err(refusal(&image.id, &conflict));
        }
        for name in references(image) {
            self.untag(&name)?;
        }
        Ok(())
    }

    /// Removes one name; answers whether it was the last.
    fn by_name(&mut self, image: &Image, text: &str) -> Result<bool, Error> {
        let users = (self.used)(&image.id);
        let user = users.first().filter(|_| !self.options.force && is_single(image));
        if let Some(user) = user {
            return Err(Error::Conflict(format!(
                "unable to remove repository reference {text:?} (must force) - container {} is using its referenced image {}",
                truncated(&user.container),
                image.id.short()
            )));
        }
        let mut name = Reference::parse(text)?.with_default_tag();
        if name.digest.is_some() {
            name.tag = None;
        }
        self.untag(&name)?;
        self.untag_digests(&name, &image.id)?;
        let left = self.images.get(&image.id);
        Ok(left.is_none_or(|image| image.is_dangling()))
    }

    /// Names with a digest go with the last tag of their repository.
    fn untag_digests(&mut self, removed: &Reference, id: &Digest) -> Result<(), Error> {
        let Some(image) = self.images.get(id) else {
            return Ok(());
        };
        let same_name = |other: &&Reference| other.name() == removed.name();
        if removed.digest.is_some() || image.tags.iter().any(|tag| same_name(&tag)) {
            return Ok(());
        }
        for name in references(&image).iter().filter(same_name) {
            self.untag(name)?;
        }
        Ok(())
    }

    fn untag(&mut self, reference: &Reference) -> Result<(), Error> {
        let inner = &self.images.inner;
        let _claim = inner.claims.take([claims::tag(reference)]);
        let Some(image) = inner.read().tagged(reference) else {
            return Ok(());
        };
        let kept = inner.read().without_docker(reference);
        let previous = if let Some((target, standing)) = kept {
            // What was pushed stays in our registry, as it would in one that has a store of its own.
            let time = inner.now();
            let given = Given {
                target,
                standing,
                time,
            };
            inner.give(reference, given, Durability::Durable)?
        } else {
            inner.rows.delete::<TagRow>(reference, Durability::Durable)?;
            let (previous, freed) = inner.write().set_tag(reference, None);
            inner.discard(freed);
            previous.map(|tag| tag.target)
        };
        inner.note_nameless(previous)?;
        self.removed.push(Removed::Untagged {
            reference: reference.familiar(),
            image,
        });
        Ok(())
    }

    /// Removes an image with whatever names it has, and then, if asked, the parents that nobody
    /// has a name for. `quiet`: a conflict is no error where it was to be expected.
    fn image(&mut self, id: &Digest, force: bool, quiet: bool) -> Result<(), Error> {
        let strictness = if force { Strictness::Hard } else { Strictness::All };
        // Before it is asked who uses it: who begins to use it from here on is noticed.
        let prepared = self.images.inner.read().prepared();
        if let Some(conflict) = conflict::find(self.images, id, strictness, self.used) {
            let expected = quiet && (!self.is_dangling(id) || conflict.used);
            return if expected {
                Ok(())
            } else {
                Err(refusal(id, &conflict))
            };
        }
        let Some(image) = self.images.get(id) else {
            return Ok(());
        };
        if !self.delete(&image, prepared)? {
            return self.image(id, force, quiet);
        }
        let parent = image.parent.and_then(|parent| self.images.get(&parent));
        match parent.filter(|parent| parent.step != Some(Step::Hidden)) {
            Some(parent) if self.options.prune_parents => self.image(&parent.id, false, true),
            _ => Ok(()),
        }
    }

    /// False if a container was made meanwhile, maybe of this image: then it has to be asked again who uses it.
    fn delete(&mut self, image: &Arc<Image>, prepared: u64) -> Result<bool, Error> {
        for name in references(image) {
            self.untag(&name)?;
        }
        let nameless = self.images.inner.read().nameless(&image.id);
        self.images.inner.untag_all(&nameless)?;
        let stays = image.step == Some(Step::Shown) && !image.asleep;
        if !stays && self.images.get(&image.id).is_some_and(|left| left.kept > 0) {
            return self.put_away(&image.id).map(|()| true);
        }
        let inner = &self.images.inner;
        let _claim = inner.claims.take([claims::image(&image.id)]);
        // From here on nobody finds it; the one durable write is what makes it gone for good.
        let (tags, freed) = {
            let mut table = inner.write();
            // A lease may have been taken since the conflicts were looked at.
            if table.holds(&image.id) > 0 {
                return Err(refusal(&image.id, &Conflict::hard(true, HELD)));
            }
            if table.prepared() != prepared {
                return Ok(false);
            }
            if stays {
                (Vec::new(), table.hide(&image.id))
            } else {
                table.remove_image(&image.id)
            }
        };
        if stays {
            inner.write_image(&image.id, Durability::Durable)?;
        } else {
            inner.delete_image_rows(&image.id, Durability::Durable)?;
        }
        for tag in tags {
            inner.rows.delete::<TagRow>(&tag, Durability::Relaxed)?;
        }
        self.removed.push(Removed::Deleted(image.id));
        self.removed
            .extend(freed.layers.iter().map(|layer| Removed::Layer(layer.chain())));
        inner.discard(freed);
        Ok(true)
    }

    /// What our registry keeps falls asleep instead: docker's clients do not see it any more. One that somebody has begun to
    /// use stays as an image without a name.
    fn put_away(&mut self, id: &Digest) -> Result<(), Error> {
        let layers = self.images.put_away(id)?;
        if self.images.get(id).is_none_or(|image| !image.is_hidden()) {
            return Ok(());
        }
        self.removed.push(Removed::Deleted(*id));
        self.removed.extend(layers);
        Ok(())
    }

    fn is_dangling(&self, id: &Digest) -> bool {
        let unnamed = self.images.get(id).is_none_or(|image| image.is_dangling());
        unnamed && self.images.children(id).is_empty()
    }
}

/// Whether all names are of one repository and at most one is a tag; false if there are none.
fn is_single(image: &Image) -> bool {
    let names = references(image);
    let repository = |name: &Reference| name.name();
    image.tags.len() <= 1
        && !names.is_empty()
        && names.iter().all(|name| repository(name) == repository(&names[0]))
}
