//! What a cache holds at first: what a build has brought of it from elsewhere, a part of an image, or nothing.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::sync::Arc;

use image::archive::{Interest, Terms, Unpack};
use image::{Digest, Limits};

use super::{FAILED, Mounter, failed};
use crate::builder::MAX_CACHE_MOUNT;
use crate::cache_mounts::Held;
use crate::context::DirectoryTree;
use crate::driver::blocking;
use crate::executor::CacheMount;
use crate::output::Output;
use crate::tree::{self, Kind};
use crate::{BuildError, perform};

/// No honest cache has more entries.
const MAX_ENTRIES: u64 = 4 << 20;
/// So much of the disk is not for what is only there to be faster: 256 MiB.
const SPARE: u64 = 256 << 20;

impl Mounter {
    /// Whether a cache begins with what somebody else has of it, if this node has nothing.
    pub(super) fn is_seeded(&self, cache: &CacheMount) -> bool {
        self.seeds.is_some() && !cache.fresh
    }

    /// Brings what somebody else has of a cache that this node does not have at all. What is not to be had is told of, and the
    /// cache begins without.
    pub(super) async fn seed(
        &self,
        (key, cache): (&Digest, &CacheMount),
        output: &Output,
    ) -> Result<Option<File>, BuildError> {
        let Some(seeds) = &self.seeds else {
            return Ok(None);
        };
        let brought = tokio::select! {
            brought = seeds.mount(key) => brought,
            () = output.cancelled() => return Err(BuildError::Cancelled),
        };
        match brought {
            Ok(archive) => Ok(archive),
            Err(reason) => {
                output.line(&without(cache, &reason)).await?;
                Ok(None)
            }
        }
    }

    /// Makes a new cache what it is to be at first, and tells where that is from. Ends soon after the build does.
    pub(super) async fn filled(
        self: &Arc<Self>,
        held: Held,
        (cache, seed): (&CacheMount, Option<File>),
        output: &Output,
    ) -> Result<Held, BuildError> {
        let interest = Interest::default();
        let terms = Terms {
            wanted: interest.wanted(),
            spare: SPARE,
        };
        let filling = {
            let (mounter, cache) = (self.clone(), cache.clone());
            blocking(move || mounter.fill(held, &cache, (seed, &terms)))
        };
        tokio::pin!(filling);
        let filled = tokio::select! {
            filled = &mut filling => filled,
            () = output.cancelled() => {
                drop(interest);
                // What it made goes with an error of its own.
                drop(filling.await);
                return Err(BuildError::Cancelled);
            }
        };
        let (held, told) = filled?;
        if let Some(line) = told {
            output.line(&line).await?;
        }
        Ok(held)
    }

    /// Makes a new cache what it is to be at first; what is said of what was brought. Blocks.
    fn fill(
        &self,
        mut held: Held,
        cache: &CacheMount,
        (seed, terms): (Option<File>, &Terms),
    ) -> Result<(Held, Option<String>), BuildError> {
        if !held.is_new {
            return Ok((held, None));
        }
        let path = held.path();
        std::fs::create_dir_all(&path).map_err(failed(FAILED))?;
        let mut told = None;
        match seed.map(|seed| self.unpack(&path, seed, terms)) {
            None => self.begin(&path, cache)?,
            Some(Ok(())) => told = Some(format!("cache mount {} begins as it was exported", shown(cache))),
            Some(Err(error)) => {
                let reason = refusal(error)?;
                // Nothing of what came before the refusal stays.
                std::fs::remove_dir_all(&path).map_err(failed(FAILED))?;
                std::fs::create_dir_all(&path).map_err(failed(FAILED))?;
                told = Some(without(cache, &reason));
                self.begin(&path, cache)?;
            }
        }
        chown(&path, Some(cache.uid), Some(cache.gid)).map_err(failed(FAILED))?;
        let mode = std::fs::Permissions::from_mode(cache.mode & 0o7777);
        std::fs::set_permissions(&path, mode).map_err(failed(FAILED))?;
        held.ready(cache.sharing);
        Ok((held, told))
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
    fn unpack(&self, path: &Path, mut archive: File, terms: &Terms) -> Result<(), image::Error> {
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
        let how = (&unpack, terms);
        let unpacked = self
            .images
            .unpack_on(root.as_fd(), Path::new("/"), &mut archive, how);
        unpacked.map(drop)
    }
}

/// Why a build goes on without what was brought; another error ends it.
fn refusal(error: image::Error) -> Result<String, image::Error> {
    match error {
        image::Error::Archive(reason) => Ok(reason),
        image::Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull => Ok(source.to_string()),
        error => Err(error),
    }
}

fn without(cache: &CacheMount, reason: &str) -> String {
    format!("cache mount {} begins empty: {reason}", shown(cache))
}

/// Its id without the namespace.
fn shown(cache: &CacheMount) -> &str {
    cache.id.split_once('/').map_or(&*cache.id, |(_, id)| id)
}
