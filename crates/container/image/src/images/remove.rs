//! Removing images. Who may stand in the way, and in which words, is upstream's (`docker rmi`):
//!
//! - hard: images built upon it, running containers. Nothing helps.
//! - soft: several names, stopped containers. Force helps.
//!
//! Removing a name is always possible unless it is the last one of an image that a container uses; the image
//! itself then goes quietly if nothing stands in the way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use store::Durability;

use super::names::identifier;
use super::{Image, Images, Pruned, Remove, Removed, Use};
use crate::rows::{ImageRow, TagRow};
use crate::{Digest, Error, Reference, claims};

/// Which conflicts count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Hard and soft ones.
    All,
    /// All but that the image has names.
    AllButNames,
    /// Hard ones.
    Hard,
}

const HELD: &str = "image is being used by a build, a load or a save";

/// What stands in the way.
struct Conflict {
    hard: bool,
    /// By a container.
    used: bool,
    message: String,
}

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
        let mut removal = Removal {
            images: self,
            options,
            used,
            removed: Vec::new(),
        };
        let is_id = identifier(reference).is_some() || is_prefix(&image.id, reference);
        let quiet = if is_id {
            removal.by_id(&image)?;
            false
        } else {
            if !removal.by_name(&image, reference)? {
                return Ok(removal.removed);
            }
            true
        };
        removal.image(&image.id, options.force, quiet)?;
        Ok(removal.removed)
    }

    /// Removes the images that the filter lets pass and that nobody uses: no container, no image built upon
    /// it. Only for when a person asks: nothing in here is removed automatically.
    ///
    /// # Errors
    /// [`Error::PruneRunning`].
    pub fn prune(
        &self,
        filter: &dyn Fn(&Image) -> bool,
        used: &dyn Fn(&Digest) -> Vec<Use>,
    ) -> Result<Pruned, Error> {
        if self.inner.pruning.swap(true, Ordering::AcqRel) {
            return Err(Error::PruneRunning);
        }
        let pruned = self.prune_alone(filter, used);
        self.inner.pruning.store(false, Ordering::Release);
        Ok(pruned)
    }

    fn prune_alone(&self, filter: &dyn Fn(&Image) -> bool, used: &dyn Fn(&Digest) -> Vec<Use>) -> Pruned {
        let sizes: std::collections::HashMap<Digest, u64> = self
            .inner
            .read()
            .layers()
            .map(|row| (row.chain(), row.size))
            .collect();
        let options = Remove {
            force: false,
            prune_parents: true,
        };
        let is_intermediate = |image: &Image| image.is_dangling() && !self.children(&image.id).is_empty();
        let mut pruned = Pruned::default();
        for image in self
            .list()
            .into_iter()
            .filter(|image| !is_intermediate(image) && filter(image))
        {
            for name in names(&image) {
                // What is in use stays; that is what pruning means.
                pruned
                    .removed
                    .extend(self.remove(&name, options, used).unwrap_or_default());
            }
        }
        let layers = pruned.removed.iter().filter_map(|removed| match removed {
            Removed::Layer(chain) => sizes.get(chain),
            _ => None,
        });
        pruned.reclaimed = layers.sum();
        pruned
    }
}

/// What to remove so that the image goes: each of its names, or its id.
fn names(image: &Image) -> Vec<String> {
    if image.is_dangling() {
        return vec![image.id.hex()];
    }
    let tags = image.tags.iter().map(Reference::to_string);
    tags.chain(image.digests.iter().cloned()).collect()
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
        if let Some(conflict) = self.conflict(&image.id, strictness) {
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
        let name = Reference::parse(text)?.with_default_tag();
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
        inner.rows.delete::<TagRow>(reference, Durability::Durable)?;
        inner.write().set_tag(reference, None);
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
        if let Some(conflict) = self.conflict(id, strictness) {
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
        self.delete(&image)?;
        match image.parent {
            Some(parent) if self.options.prune_parents => self.image(&parent, false, true),
            _ => Ok(()),
        }
    }

    fn delete(&mut self, image: &Arc<Image>) -> Result<(), Error> {
        for name in references(image) {
            self.untag(&name)?;
        }
        let inner = &self.images.inner;
        let _claim = inner.claims.take([claims::image(&image.id)]);
        // From here on nobody finds it; the one durable write is what makes it gone for good.
        let (tags, layers) = {
            let mut table = inner.write();
            // A lease may have been taken since the conflicts were looked at.
            if table.holds(&image.id) > 0 {
                let conflict = Conflict {
                    hard: true,
                    used: true,
                    message: HELD.to_owned(),
                };
                return Err(refusal(&image.id, &conflict));
            }
            table.remove_image(&image.id)
        };
        inner.rows.delete::<ImageRow>(&image.id, Durability::Durable)?;
        for tag in tags {
            inner.rows.delete::<TagRow>(&tag, Durability::Relaxed)?;
        }
        self.removed.push(Removed::Deleted(image.id));
        self.removed
            .extend(layers.iter().map(|layer| Removed::Layer(layer.chain())));
        inner.discard(&layers);
        Ok(())
    }

    fn is_dangling(&self, id: &Digest) -> bool {
        let unnamed = self.images.get(id).is_none_or(|image| image.is_dangling());
        unnamed && self.images.children(id).is_empty()
    }

    /// The first thing that stands in the way, in upstream's order.
    fn conflict(&self, id: &Digest, strictness: Strictness) -> Option<Conflict> {
        let conflict = |hard, used, message: String| Some(Conflict { hard, used, message });
        if !self.images.children(id).is_empty() {
            return conflict(true, false, "image has dependent child images".to_owned());
        }
        if self.images.inner.read().holds(id) > 0 {
            return conflict(true, true, HELD.to_owned());
        }
        let users = (self.used)(id);
        let user = |running: bool| users.iter().find(|user| user.running == running);
        if let Some(user) = user(true) {
            let who = truncated(&user.container);
            return conflict(
                true,
                true,
                format!("image is being used by running container {who}"),
            );
        }
        let named = self.images.get(id).is_some_and(|image| !image.is_dangling());
        if strictness == Strictness::All && named {
            return conflict(
                false,
                false,
                "image is referenced in multiple repositories".to_owned(),
            );
        }
        let user = user(false).filter(|_| strictness != Strictness::Hard)?;
        let who = truncated(&user.container);
        conflict(
            false,
            true,
            format!("image is being used by stopped container {who}"),
        )
    }
}

fn refusal(id: &Digest, conflict: &Conflict) -> Error {
    let force = if conflict.hard {
        "cannot be forced"
    } else {
        "must be forced"
    };
    Error::Conflict(format!(
        "unable to delete {} ({force}) - {}",
        id.short(),
        conflict.message
    ))
}

/// All names of an image, as references.
fn references(image: &Image) -> Vec<Reference> {
    let digests = image
        .digests
        .iter()
        .filter_map(|name| Reference::parse(name).ok());
    image.tags.iter().cloned().chain(digests).collect()
}

/// Whether all names are of one repository and at most one is a tag; false if there are none.
fn is_single(image: &Image) -> bool {
    let names = references(image);
    let repository = |name: &Reference| name.name();
    image.tags.len() <= 1
        && !names.is_empty()
        && names.iter().all(|name| repository(name) == repository(&names[0]))
}

/// A container's id as lists show it.
fn truncated(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
