//! The builder's own directory, and contexts opened in it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::Images;
use image::archive::Unpack;

use crate::context::{self, DirectoryTree, Opened};
use crate::node::take_away;
use crate::tree::Tree;
use crate::{BuildContext, BuildError};

/// Where cache mounts lie in the builder's directory.
pub(super) const CACHES: &str = "cache";
/// Where doors keep the history of builds in it; the builder itself does not.
pub const HISTORY: &str = "history";

/// Removes what builds have left, and leaves caches and the history.
pub(super) fn clear(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    // What contexts and caches hold may have set-id bits of foreign making: only root looks there.
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    take_away(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() != CACHES && entry.file_name() != HISTORY {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn open_files(
    images: &Images,
    context: BuildContext,
    directory: &Path,
) -> Result<Arc<dyn Tree>, BuildError> {
    match context::look(context)? {
        Opened::Tree(tree) => Ok(tree),
        Opened::Packed(file) => unpack(images, file, directory),
    }
}

fn unpack(images: &Images, mut archive: File, directory: &Path) -> Result<Arc<dyn Tree>, BuildError> {
    let failed = || BuildError::io("unpacking the build context");
    std::fs::create_dir_all(directory).map_err(failed())?;
    let root = File::open(directory).map_err(failed())?;
    std::io::Seek::rewind(&mut archive).map_err(failed())?;
    images.unpack(root.as_fd(), Path::new("/"), &mut archive, &Unpack::default())?;
    Ok(Arc::new(DirectoryTree::open(directory).map_err(failed())?))
}

/// A directory that goes with the build.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Steps take their mounts away; one that was torn away must not be removed with its files.
        let _ = take_away(&self.0);
        // There may be none; and what stays is removed when the builder is opened again.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
