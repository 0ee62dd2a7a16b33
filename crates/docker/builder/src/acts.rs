//! What a `FileOp` of LLB does, decided: owners are numbers, sources are paths that are there. [`crate::perform`] does it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chmod::Chmod;
use crate::perform::Owner;
use crate::tree::Tree;

/// A change of files.
#[derive(Debug)]
pub(crate) enum Act {
    /// Copies.
    Copy(CopyAct),
    /// Makes something at a path. Times are in seconds since 1970.
    Make {
        path: String,
        made: Made,
        owner: Owner,
        time: i64,
    },
    /// Removes something.
    Remove {
        path: String,
        /// There may be nothing.
        allow_not_found: bool,
        /// The path is a pattern.
        wildcard: bool,
    },
}

/// What is made.
#[derive(Debug)]
pub(crate) enum Made {
    /// A file with permissions.
    File(u32, Vec<u8>),
    /// A directory with permissions, and those above it where that is said.
    Directory { mode: u32, parents: bool },
    /// A link to somewhere.
    Symlink(PathBuf),
}

/// A copy.
pub(crate) struct CopyAct {
    /// Of what.
    pub(crate) tree: Arc<dyn Tree>,
    /// Real paths there, and what each is called where it was asked for.
    pub(crate) sources: Vec<(PathBuf, String)>,
    /// Where to, absolute; `/` at its end says that it is a directory.
    pub(crate) destination: String,
    /// As it was if nobody says.
    pub(crate) owner: Option<Owner>,
    pub(crate) mode: Option<Chmod>,
    pub(crate) time: Option<i64>,
    /// Of a directory what is in it.
    pub(crate) contents: bool,
    /// Archives are unpacked.
    pub(crate) unpack: bool,
    /// What is missing of the directory it goes to is made.
    pub(crate) create: bool,
    /// A file takes the place of a directory, and a directory that of a file; else either is a failure.
    pub(crate) replace: bool,
}

impl fmt::Debug for CopyAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {}", self.sources, self.destination)
    }
}
