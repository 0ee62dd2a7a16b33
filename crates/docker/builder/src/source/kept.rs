//! A tree whose files somebody keeps for it.

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::Repository;
use crate::context::DirectoryTree;
use crate::tree::{Entry, Tree};

/// The files of a repository, for as long as anybody reads them.
pub(crate) struct Kept {
    tree: DirectoryTree,
    _keeps: Arc<dyn Any + Send + Sync>,
}

impl Kept {
    /// Opens them.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn open(repository: Repository) -> io::Result<Self> {
        Ok(Self {
            tree: DirectoryTree::open(&repository.directory)?,
            _keeps: repository.keeps,
        })
    }
}

impl Tree for Kept {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        self.tree.entry(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.tree.names(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        self.tree.open(path)
    }
}
