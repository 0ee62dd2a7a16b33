//! Taking in what comes from a registry: layers in one streaming pass to their final place, and other
//! blobs.

use std::io::Read;

use super::Images;
use crate::{Descriptor, Digest, Error, Lease};

/// A layer that was received and unpacked, and is not part of any image yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Received {}

impl Images {
    /// Receives a layer: what `source` gives is hashed, kept as a blob and unpacked by a confined worker,
    /// all in one pass. At the end it must be what the descriptor and the configuration say. The layer
    /// below need not be there yet, so several threads may receive the layers of one image at once.
    /// `progress` hears how many bytes have come, in all.
    ///
    /// # Errors
    /// [`Error::Source`] if `source` fails, [`Error::WrongSize`], [`Error::WrongDigest`],
    /// [`Error::WrongDiffId`], [`Error::Archive`]; then nothing of it stays.
    pub fn receive_layer(
        &self,
        descriptor: &Descriptor,
        diff_id: Digest,
        source: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Received, Error> {
        todo!()
    }

    /// Unpacks a layer whose blob is here already (see [`Lease::hold_blob`]).
    ///
    /// # Errors
    /// As [`Self::receive_layer`].
    pub fn receive_layer_here(
        &self,
        lease: &Lease,
        descriptor: &Descriptor,
        diff_id: Digest,
    ) -> Result<Received, Error> {
        todo!()
    }

    /// Puts a received layer upon the layers below, under the lease; answers its chain id. If somebody
    /// has made the same one meanwhile, that one is held instead. Layers are attached bottom first.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn attach_layer(
        &self,
        lease: &Lease,
        parent: Option<Digest>,
        received: Received,
    ) -> Result<Digest, Error> {
        todo!()
    }

    /// Receives any other blob (of an artifact, or a configuration that is to be kept as a blob), held by
    /// the lease; what then names it keeps it.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::WrongSize`], [`Error::WrongDigest`].
    pub fn receive_blob(
        &self,
        lease: &Lease,
        descriptor: &Descriptor,
        source: &mut dyn Read,
    ) -> Result<(), Error> {
        todo!()
    }
}
