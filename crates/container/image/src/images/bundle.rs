//! A directory that is no image's, packed to go out (cache mounts of builds).

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::thread;

use super::{Algorithm, Images};
use crate::archive::{self, Pack, Totals, Wanted};
use crate::{Descriptor, DigestAlgorithm, Error, Lease, compress, media_type};

/// How a directory is packed.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// How it is compressed, if it is.
    pub algorithm: Option<Algorithm>,
    /// How hard; the algorithm's own default where nothing is said.
    pub level: Option<i32>,
    /// The most bytes that the archive may have before it is compressed: holes of files are written.
    pub limit: u64,
    /// For how long.
    pub wanted: Wanted,
}

impl Images {
    /// Packs what lies in a directory as a blob that the lease holds: a tar archive that depends on nothing but the tree, so
    /// that the same files have the same digest on every machine.
    ///
    /// # Errors
    /// [`Error::Archive`] names what cannot be packed; it is larger than it may be; the disk's.
    pub fn bundle(&self, lease: &Lease, root: BorrowedFd<'_>, how: &Bundle) -> Result<Descriptor, Error> {
        let failed = || Error::io("write a blob");
        let writer = self.inner.content.writer(DigestAlgorithm::default());
        let mut writer = writer.map_err(failed())?;
        let media_type = match how.algorithm {
            None => {
                pack(root, how, &mut writer)?;
                media_type::LAYER
            }
            Some(algorithm) => {
                let (mut plain, mut end) = io::pipe().map_err(failed())?;
                thread::scope(|scope| {
                    let packing = scope.spawn(move || pack(root, how, &mut end));
                    let compressed = compress::compress(algorithm, how.level, &mut plain, &mut writer);
                    // Who packs for a full disk must not wait for it.
                    drop(plain);
                    let packed = packing.join();
                    compressed.map_err(failed())?;
                    packed.unwrap_or_else(|_| Err(failed()(io::Error::other("a thread panicked"))))
                })?;
                match algorithm {
                    Algorithm::Gzip => media_type::LAYER_GZIP,
                    Algorithm::Zstd => media_type::LAYER_ZSTD,
                }
            }
        };
        let written = writer.finish();
        self.inner.keep_blob(lease, &written)?;
        Ok(Descriptor::new(media_type, written.digest, written.size))
    }
}

fn pack(root: BorrowedFd<'_>, how: &Bundle, out: &mut dyn Write) -> Result<Totals, Error> {
    let whole = Pack {
        contents: true,
        ..Pack::default()
    };
    let mut out = how.wanted.writing(out, how.limit);
    archive::pack(root, Path::new("/"), &whole, &mut out)
}
