//! The root filesystem of a container: layer directories below, a writable directory on top.

mod changes;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use sys::mount::{self, Overlay};

use crate::tree;

pub use changes::{Change, ChangeKind};

/// The directories that an overlay mount joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// Read-only layers, **topmost first**, as absolute paths: under a writable directory the init
    /// layer, then the image's. As many as overlay wants: where an image has too few, empty
    /// directories stand in.
    pub lower: Vec<PathBuf>,
    /// Where changes go; `None` for a read-only view.
    pub upper: Option<PathBuf>,
    /// The overlay's own scratch space, beside `upper`.
    pub work: Option<PathBuf>,
}

/// What makes the writable directory depend on more than itself is off, so that it can become a
/// layer.
const OPTIONS: &[(&str, &str)] = &[("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")];

impl Rootfs {
    /// The options of an overlay mount of it (`key=value`, in order), to be given to fsconfig(2)
    /// one by one. (Linux before 6.7 has no `lowerdir+`; there use [`Self::mount`].)
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let option = |key: &str, path: &PathBuf| format!("{key}={}", path.display());
        let lower = self.lower.iter().map(|path| option("lowerdir+", path));
        let upper = self.upper.iter().map(|path| option("upperdir", path));
        let work = self.work.iter().map(|path| option("workdir", path));
        let others = OPTIONS.iter().map(|(key, value)| format!("{key}={value}"));
        lower.chain(upper).chain(work).chain(others).collect()
    }

    /// Mounts it detached: nothing is seen in any mount table. The descriptor is the root
    /// directory (O_PATH), to be used with openat2(RESOLVE_IN_ROOT); dropping it unmounts.
    ///
    /// Two mounts of one writable snapshot do not see each other's changes at once; while a
    /// container runs, its own mount is the one to use.
    ///
    /// # Errors
    /// As fsopen(2) and its kin.
    pub fn mount(&self) -> io::Result<OwnedFd> {
        mount::overlay(&Overlay {
            lower: &self.lower,
            upper: self.upper.as_deref().zip(self.work.as_deref()),
            options: OPTIONS,
        })
    }

    /// What differs from the layers below, sorted by path (`docker diff`).
    ///
    /// # Errors
    /// As the file system's.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        let Some(upper) = self.open_upper()? else {
            return Ok(Vec::new());
        };
        let below = Self {
            lower: self.lower.clone(),
            upper: None,
            work: None,
        };
        Ok(changes::between(&upper, below.open_view()?.as_fd())?)
    }

    /// Bytes of the files in the writable directory; hard links count once.
    ///
    /// # Errors
    /// As the file system's.
    pub fn size(&self) -> io::Result<u64> {
        self.open_upper()?.map_or(Ok(0), |upper| tree::size(&upper))
    }

    /// The writable directory, open.
    pub(crate) fn open_upper(&self) -> io::Result<Option<OwnedFd>> {
        let open = |path| Ok(OwnedFd::from(File::open(path)?));
        self.upper.as_ref().map(open).transpose()
    }

    /// The lower layers as one tree. Overlay joins two and more; one is itself.
    fn open_view(&self) -> io::Result<OwnedFd> {
        match &*self.lower {
            [only] => Ok(File::open(only)?.into()),
            _ => self.mount(),
        }
    }
}
