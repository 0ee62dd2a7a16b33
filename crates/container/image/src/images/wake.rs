//! Waking: an image that was pushed here is known by its manifest and configuration. Its layers are unpacked
//! when somebody needs its files.

use std::sync::Arc;
use std::thread;

use super::{Image, Images, Layer, Received};
use crate::{Digest, Error, Lease, claims};

/// How many layers are unpacked at once.
const AT_ONCE: usize = 4;

impl Images {
    /// Unpacks the layers of an image that sleeps; durable when this returns. [`Images::prepare`],
    /// [`Images::view`] and [`Images::commit`] do it by themselves.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Damaged`].
    pub fn wake(&self, id: &Digest) -> Result<Arc<Image>, Error> {
        let image = self.get_or_fail(id)?;
        if !image.asleep {
            return Ok(image);
        }
        let _claim = self.inner.claims.take([claims::wake(id)]);
        let lease = self.inner.own_lease("wake")?;
        let image = self.hold(&lease, id)?;
        if image.asleep {
            self.unpack_all(&lease, &image)?;
            lease.learned(*id, None, true)?;
            lease.keep()?;
        }
        self.get_or_fail(id)
    }

    /// An image, awake and held by the lease.
    pub(super) fn hold_awake(&self, lease: &Lease, id: &Digest) -> Result<Arc<Image>, Error> {
        self.hold(lease, id)?;
        self.wake(id)
    }

    pub(super) fn hold(&self, lease: &Lease, id: &Digest) -> Result<Arc<Image>, Error> {
        lease.add(id)?;
        self.get_or_fail(id)
    }

    pub(super) fn get_or_fail(&self, id: &Digest) -> Result<Arc<Image>, Error> {
        self.get(id).ok_or_else(|| Error::NoSuchImage(id.to_string()))
    }

    /// Has all layers in the table, held by the lease: those that are here are shared, the others are unpacked,
    /// some at once, and put upon each other in order.
    fn unpack_all(&self, lease: &Lease, image: &Image) -> Result<(), Error> {
        let missing = image
            .layers
            .iter()
            .position(|layer| !lease.hold_layer(layer.chain_id));
        let (here, rest) = image.layers.split_at(missing.unwrap_or(image.layers.len()));
        let mut below = here.last().map(|layer| layer.chain_id);
        for group in rest.chunks(AT_ONCE) {
            let unpack = |layer| self.unpack_from_blob(lease, image, layer);
            let received: Vec<Result<Received, Error>> = thread::scope(|scope| {
                let threads: Vec<_> = group
                    .iter()
                    .map(|layer| scope.spawn(move || unpack(layer)))
                    .collect();
                let panicked = |_| Error::Worker("a thread panicked".to_owned());
                threads
                    .into_iter()
                    .map(|thread| thread.join().map_err(panicked).flatten())
                    .collect()
            });
            for received in received {
                below = Some(self.attach_layer(lease, below, received?)?);
            }
        }
        Ok(())
    }

    fn unpack_from_blob(&self, lease: &Lease, image: &Image, layer: &Layer) -> Result<Received, Error> {
        let damaged = |digest, why| Error::Damaged {
            image: image.id,
            digest,
            why,
        };
        let Some(blob) = &layer.blob else {
            return Err(damaged(layer.diff_id, "it was never here".to_owned()));
        };
        if !lease.hold_blob(&blob.digest) {
            return Err(damaged(blob.digest, "it is missing".to_owned()));
        }
        let received = self.receive_layer_here(lease, blob, layer.diff_id);
        received.map_err(|error| match error {
            Error::Archive(_) | Error::WrongDiffId { .. } => damaged(blob.digest, error.to_string()),
            other => other,
        })
    }
}
