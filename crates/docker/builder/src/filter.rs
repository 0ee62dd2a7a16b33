//! A tree of which only some paths are seen: what `COPY --exclude`, `COPY --parents` and
//! `.dockerignore` leave of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dockerignore::Ignore;
use crate::tree::{Entry, Kind, Tree};

/// The tree.
pub(crate) struct Filtered {
    tree: Arc<dyn Tree>,
    /// Patterns are relative to this directory; what is not below it is all seen.
    root: PathBuf,
    /// What is seen; everything if there is none.
    include: Option<Ignore>,
    exclude: Ignore,
    /// Directories that were judged by what is in them.
    judged: Mutex<HashMap<PathBuf, bool>>,
}

impl Filtered {
    pub(crate) fn new(tree: Arc<dyn Tree>, root: PathBuf, include: Option<Ignore>, exclude: Ignore) -> Self {
        Self {
            tree,
            root,
            include,
            exclude,
            judged: Mutex::default(),
        }
    }

    /// Whether a path is seen. A directory is, where it is not itself, for what is seen in it.
    fn sees(&self, path: &Path) -> io::Result<bool> {
        let Some(name) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else {
            return Ok(true);
        };
        if name.is_empty() {
            return Ok(true);
        }
        let included = self.include.as_ref().is_none_or(|include| include.excludes(name));
        let excluded = self.exclude.excludes(name);
        if included && !excluded {
            return Ok(true);
        }
        // Below what is excluded nothing comes back without an exception.
        if (excluded && !self.exclude.has_exceptions()) || !self.is_directory(path)? {
            return Ok(false);
        }
        self.holds_something(path)
    }

    fn is_directory(&self, path: &Path) -> io::Result<bool> {
        Ok(self
            .tree
            .entry(path)?
            .is_some_and(|entry| entry.kind == Kind::Directory))
    }

    fn holds_something(&self, path: &Path) -> io::Result<bool> {
        let judged = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = judged().get(path) {
            return Ok(*known);
        }
        // No recursion: trees are foreign, and deep. Directories wait until their children are judged.
        let mut open = vec![path.to_owned()];
        let mut found = false;
        while let Some(directory) = open.pop().filter(|_| !found) {
            for name in self.tree.names(&directory)? {
                let child = directory.join(name);
                let Some(name) = child.strip_prefix(&self.root).ok().and_then(Path::to_str) else {
                    continue;
                };
                let included = self.include.as_ref().is_none_or(|include| include.excludes(name));
                if included && !self.exclude.excludes(name) {
                    found = true;
                    break;
                }
                if self.is_directory(&child)? {
                    open.push(child);
                }
            }
        }
        judged().insert(path.to_owned(), found);
        Ok(found)
    }
}

impl Tree for Filtered {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        if self.sees(path)? {
            self.tree.entry(path)
        } else {
            Ok(None)
        }
    }

    fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut seen = Vec::new();
        for name in self.tree.names(path)? {
            if self.sees(&path.join(&name))? {
                seen.push(name);
            }
        }
        Ok(seen)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        self.tree.open(path)
    }
}
