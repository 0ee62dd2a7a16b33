//! Snapshots of containers, and archives into them.

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use store::Durability;

use super::Images;
use crate::archive::{Terms, Totals, Unpack};
use crate::rows::{self, OwnerRow};
use crate::table::{Freed, Writable};
use crate::worker::{self, Job, Stream};
use crate::{Digest, Error, Rootfs, claims};

impl Images {
    /// A writable snapshot upon an image (`None`: upon nothing). The same owner gets the same one.
    /// It is on the way to every container, so it costs three directories and one write that
    /// nobody waits for; it survives the death of this process at once.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn prepare(&self, owner: &str, image: Option<&Digest>) -> Result<Rootfs, Error> {
        let inner = &*self.inner;
        let _claim = inner.claims.take([claims::owner(owner)]);
        if let Some(rootfs) = self.rootfs(owner) {
            return Ok(rootfs);
        }
        let top = self.hold_top(image)?;
        let made = self.make_writable(owner, top);
        // The snapshot counts as a use by itself now; if it was not made, nothing does.
        let mut freed = Freed::default();
        inner.write().free_layer(top, &mut freed);
        inner.discard(freed);
        made
    }

    /// The row is written while the directories are made. Should only one of the two survive a
    /// crash, the next start takes it away.
    fn make_writable(&self, owner: &str, top: Option<Digest>) -> Result<Rootfs, Error> {
        let inner = &*self.inner;
        let init = top.map(|top| inner.init_layer(top)).transpose()?.flatten();
        let number = inner.snapshots.number();
        let name = owner.to_owned();
        let row = inner
            .rows
            .begin_put(&name, &rows::owner(number, top), Durability::Relaxed)?;
        let made = inner
            .snapshots
            .make(number, init, true)
            .map_err(Error::io("make a snapshot"));
        if let Err(error) = made.and_then(|()| Ok(row.wait().map(drop)?)) {
            inner.discard_directory(number);
            inner.rows.delete::<OwnerRow>(&name, Durability::Relaxed)?;
            return Err(error);
        }
        let mut table = inner.write();
        table.add_writable(owner, Writable { number, top });
        Ok(inner.rootfs(&table, top, Some(number)))
    }

    /// The topmost layer of an image, counted as used so that it cannot go meanwhile.
    fn hold_top(&self, image: Option<&Digest>) -> Result<Option<Digest>, Error> {
        let Some(id) = image else { return Ok(None) };
        loop {
            self.inner.soon.until_kept(id);
            let mut table = self.inner.write();
            let image = table
                .image(id)
                .ok_or_else(|| Error::NoSuchImage(id.to_string()))?;
            if image.asleep {
                drop(table);
                self.wake(id)?;
                continue;
            }
            let top = image.top();
            table.hold_layer(top);
            return Ok(top);
        }
    }

    /// The writable snapshot of an owner.
    #[must_use]
    pub fn rootfs(&self, owner: &str) -> Option<Rootfs> {
        let table = self.inner.read();
        let Writable { number, top } = table.writable(owner)?;
        Some(self.inner.rootfs(&table, top, Some(number)))
    }

    /// The layers of an image, read-only. Hold a [`crate::Lease`] on the image while using it.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn view(&self, image: &Digest) -> Result<Rootfs, Error> {
        let top = self.wake(image)?.top();
        Ok(self.inner.rootfs(&self.inner.read(), top, None))
    }

    /// Gives up a writable snapshot; it is deleted in the background. There being none is no
    /// error.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn release(&self, owner: &str) -> Result<(), Error> {
        let inner = &*self.inner;
        let _claim = inner.claims.take([claims::owner(owner)]);
        let Some(writable) = inner.read().writable(owner) else {
            return Ok(());
        };
        let row = inner
            .rows
            .begin_delete::<OwnerRow>(&owner.to_owned(), Durability::Relaxed);
        let discarded = inner.snapshots.discard(writable.number);
        discarded.map_err(Error::io("remove a snapshot"))?;
        row.wait()?;
        // Until now somebody used it.
        let top = writable.top;
        let used = |image: &&Arc<crate::Image>| !image.asleep && image.top() == top;
        let used: Vec<Digest> = inner.read().images().filter(used).map(|image| image.id).collect();
        used.iter().for_each(|id| inner.touch(id));
        let freed = inner.write().remove_writable(owner);
        inner.discard(freed);
        Ok(())
    }

    /// Who has a writable snapshot.
    #[must_use]
    pub fn owners(&self) -> Vec<String> {
        self.inner
            .read()
            .owners()
            .map(|(owner, _)| owner.clone())
            .collect()
    }

    /// Unpacks a foreign archive (plain, gzip, zstd) below the directory `path` of a mounted root
    /// filesystem, in a confined worker whose root that filesystem is (`docker cp`, `ADD`).
    ///
    /// # Errors
    /// [`Error::Archive`] names the entry that is refused; what came before it stays.
    pub fn unpack(
        &self,
        root: BorrowedFd<'_>,
        path: &Path,
        archive: &mut dyn Read,
        options: &Unpack,
    ) -> Result<Totals, Error> {
        self.unpack_on(root, path, archive, (options, &Terms::default()))
    }

    /// As [`Self::unpack`], for as long as the terms are met: they are looked at before anything is written and after every few
    /// megabytes.
    ///
    /// # Errors
    /// As there; [`Error::Io`] where they are not met, `StorageFull` if it is for the disk. What came before stays.
    pub fn unpack_on(
        &self,
        root: BorrowedFd<'_>,
        path: &Path,
        archive: &mut dyn Read,
        (options, terms): (&Unpack, &Terms),
    ) -> Result<Totals, Error> {
        let job = Job::Unpack {
            path: path.to_owned(),
            options: *options,
        };
        let watch = || terms.met(root);
        worker::run_while(
            &*self.inner.workers,
            &job,
            (Stream::Reader(archive), root),
            &watch,
        )
    }
}
