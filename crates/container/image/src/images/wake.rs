//! Waking: an image that was pushed here is known by its manifest and configuration. Its layers are unpacked
//! when somebody needs its files.

use std::sync::Arc;

use super::{Image, Images};
use crate::{Digest, Error};

impl Images {
    /// Unpacks the layers of an image that sleeps; durable when this returns. [`Images::prepare`],
    /// [`Images::view`] and [`Images::commit`] do it by themselves.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`].
    pub fn wake(&self, id: &Digest) -> Result<Arc<Image>, Error> {
        todo!()
    }
}
