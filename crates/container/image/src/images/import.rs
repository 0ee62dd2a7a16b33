//! Making an image of one layer out of a root filesystem (`docker import`).

use std::fs::File;
use std::io::{self, Read};

use super::commit::serialize;
use super::{Images, Import};
use crate::assemble::NewImage;
use crate::inner::Inner;
use crate::standing::By;
use crate::{Digest, Error, HistoryRow, RootFs, Target, claims};

impl Images {
    /// Makes an image of one layer out of an archive (plain, gzip or zstd).
    ///
    /// # Errors
    /// [`Error::Archive`] and others; then nothing of it stays.
    pub fn import(&self, archive: &mut dyn Read, import: Import) -> Result<Digest, Error> {
        let inner = &self.inner;
        let lease = inner.own_lease("import")?;
        let place = inner.content.ingest().map_err(Error::io("write an archive"))?;
        let file = place.path().join("archive");
        inner.spool(archive, &file)?;
        let made = inner.unpack_layer(None, file, Some(place))?;
        let diff_id = made.diff_id;
        let claim = inner.claims.take([claims::layer(&diff_id)]);
        inner.insert_layer(&lease, made)?;
        drop(claim);
        let mut config = import.config;
        config.created = config.created.or_else(|| Some(inner.now()));
        config.complete();
        config.comment.clone_from(&import.message);
        config.rootfs = RootFs {
            diff_ids: vec![diff_id],
            ..RootFs::default()
        };
        config.history = vec![HistoryRow {
            created: config.created,
            comment: import.message,
            ..HistoryRow::default()
        }];
        let bytes = serialize(&config)?;
        let image = inner.register(&lease, NewImage::made(config, bytes, None))?;
        if let Some(reference) = import.reference {
            inner.tag_under(
                &lease,
                &reference.with_default_tag(),
                Target::image(image.id),
                By::Docker,
            )?;
        }
        lease.keep()?;
        Ok(image.id)
    }
}

impl Inner {
    /// Writes a stream to a file, as it is. Nothing of it is looked at.
    fn spool(&self, stream: &mut dyn Read, path: &std::path::Path) -> Result<(), Error> {
        let mut file = File::create_new(path).map_err(Error::io("write an archive"))?;
        let most = self.limits.bytes;
        let copied = io::copy(&mut stream.take(most.saturating_add(1)), &mut file);
        let copied = copied.map_err(Error::io("read or write an archive"))?;
        if copied > most {
            return Err(Error::Archive(format!("the archive has more than {most} bytes")));
        }
        Ok(())
    }
}
