//! What a cache holds at first: what a build has brought of it from elsewhere, a part of an image, or nothing.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use image::archive::Unpack;
use image::{Digest, Limits};

use super::{FAILED, Mounter, failed};
use crate::builder::MAX_CACHE_MOUNT;
use crate::cache_mounts::Held;
use crate::context::DirectoryTree;
use crate::executor::CacheMount;
use crate::output::Output;
use crate::tree::{self, Kind};
use crate::{BuildError, perform};

/// No honest cache has more entries.
const MAX_ENTRIES: u64 = 4 << 20;

impl Mounter {
    /// Brings what somebody else has of a cache that this node does not have at all. What is not to be had is told of, and the
    /// cache begins without.
    pub(super) async fn seed(
        &self,
        held: &Held,
        (key, cache): (&Digest, &CacheMount),
        output: &Output,
    ) -> Result<Option<File>, BuildError> {
        let wanted = held.is_first && !cache.fresh;
        let Some(seeds) = self.seeds.as_ref().filter(|_| wanted) else {
            return Ok(None);
        };
        let brought = tokio::select! {
            brought = seeds.mount(key) => brought,
            () = output.cancelled() => return Err(BuildError::Cancelled),
        };
        match brought {
            Ok(Some(archive)) => {
                output
                    .line(&format!("cache mount {} begins as it was exported", shown(cache)))
                    .await?;
                Ok(Some(archive))
            }
            Ok(None) => Ok(None),
            Err(reason) => {
                output.line(&without(cache, &reason)).await?;
                Ok(None)
            }
        }
    }

    /// Makes a new cache what it is to be at first; says if what was brought was refused. Blocks.
    pub(super) fn fill(
        &self,
        mut held: Held,
        cache: &CacheMount,
        seed: Option<File>,
    ) -> Result<(Held, Option<String>), BuildError> {
        if !held.is_new {
            return Ok((held, None));
        }
        let path = held.path();
        std::fs::create_dir_all(&path).map_err(failed(FAILED))?;
        let mut refused = None;
        let filled = match seed {
            Some(seed) => match self.unpack(&path, seed) {
                Ok(()) => true,
                Err(image::Error::Archive(reason)) => {
                    // Nothing of what came before the refusal stays.
                    std::fs::remove_dir_all(&path).map_err(failed(FAILED))?;
                    std::fs::create_dir_all(&path).map_err(failed(FAILED))?;
                    refused = Some(without(cache, &reason));
                    false
                }
                Err(error) => return Err(error.into()),
            },
            None => false,
        };
        if !filled {
            self.begin(&path, cache)?;
        }
        chown(&path, Some(cache.uid), Some(cache.gid)).map_err(failed(FAILED))?;
        let mode = std::fs::Permissions::from_mode(cache.mode & 0o7777);
        std::fs::set_permissions(&path, mode).map_err(failed(FAILED))?;
        held.ready(cache.sharing);
        Ok((held, refused))
    }

    /// Puts into a cache what it begins with everywhere.
    fn begin(&self, path: &Path, cache: &CacheMount) -> Result<(), BuildError> {
        let Some((image, below)) = &cache.from else {
            return Ok(());
        };
        let tree = DirectoryTree::new(self.images.view(image)?.mount().map_err(failed(FAILED))?);
        let found = tree::resolve(&tree, below).map_err(failed(FAILED))?;
        let Some((real, entry)) = found.filter(|(_, entry)| entry.kind == Kind::Directory) else {
            return Err(BuildError::Step(format!("/{}: not found", below.display())));
        };
        let root = File::open(path).map_err(failed(FAILED))?;
        perform::export_as_it_is(&self.images, root.as_fd(), &tree, (&real, &entry))
    }

    /// Unpacks what somebody else has packed, as layers are: by the confined worker, whose root the cache is.
    fn unpack(&self, path: &Path, mut archive: File) -> Result<(), image::Error> {
        let root = File::open(path).map_err(|source| image::Error::Io {
            what: "open a cache mount",
            source,
        })?;
        let unpack = Unpack {
            // A link may lead to what lies beside the cache where it is mounted.
            climbing_links: true,
            limits: Limits {
                bytes: MAX_CACHE_MOUNT,
                entries: MAX_ENTRIES,
                ..Limits::default()
            },
            ..Unpack::default()
        };
        let unpacked = self
            .images
            .unpack(root.as_fd(), Path::new("/"), &mut archive, &unpack);
        unpacked.map(drop)
    }
}

fn without(cache: &CacheMount, reason: &str) -> String {
    format!("cache mount {} begins empty: {reason}", shown(cache))
}

/// Its id without the namespace.
fn shown(cache: &CacheMount) -> &str {
    cache.id.split_once('/').map_or(&*cache.id, |(_, id)| id)
}
