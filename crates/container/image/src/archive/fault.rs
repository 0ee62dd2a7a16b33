//! Why an archive was refused, or could not be read or written.

use std::fmt;
use std::io;

/// What is wrong with an archive. The first two texts are Go's, which Docker's users know.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A header that is none.
    #[error("archive/tar: invalid tar header")]
    Header,
    /// It ends too early.
    #[error("unexpected EOF")]
    Truncated,
    /// It goes beyond a limit.
    #[error("the archive has more than {limit} {of}")]
    Limit {
        /// The limit.
        limit: u64,
        /// Of what.
        of: &'static str,
    },
    /// An entry that is not taken in.
    #[error("{name:?}: {why}")]
    Entry {
        /// Its name.
        name: String,
        /// Why not.
        why: Why,
    },
    /// The stream or the file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why an entry is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// `..` in its name.
    #[error("the name leads out of the archive")]
    Escape,
    /// Its name has too many components.
    #[error("the name is too deep")]
    Depth,
    /// A relative symbolic link that climbs above the root.
    #[error("invalid symlink -> {0:?}")]
    Symlink(String),
    /// A hard link to something that is not there, or outside.
    #[error("invalid hardlink -> {0:?}")]
    Hardlink(String),
    /// A whiteout of `.`, `..` or nothing.
    #[error("invalid whiteout")]
    Whiteout,
    /// The device 0:0, which overlay would take for a whiteout.
    #[error("the device 0:0 is reserved for whiteouts")]
    Device,
    /// An attribute that only overlay itself may set.
    #[error("the attribute {0:?} is reserved for overlay")]
    Attribute(String),
    /// A kind of entry that is not supported.
    #[error("entries of type {:?} are not supported", char::from(*.0))]
    Kind(u8),
    /// Something else is there, and it may not be replaced.
    #[error("{0}")]
    Overwrite(String),
    /// The file system refused.
    #[error("{0}")]
    Io(io::Error),
}

impl Fault {
    pub(crate) fn entry(name: &[u8], why: Why) -> Self {
        Self::Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            why,
        }
    }
}

/// For `map_err`: the entry at which the file system failed.
pub(super) fn at(name: &[u8]) -> impl Fn(rustix::io::Errno) -> Fault + '_ {
    move |error| Fault::entry(name, Why::Io(error.into()))
}

/// A name for people.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.0))
    }
}
