//! Files that are in no directory: here-documents, and what was fetched.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Fetched;
use crate::dockerfile::InlineFile;
use crate::tree::{Entry, Kind, Tree};

/// A tree of one file.
pub(crate) struct Single {
    name: String,
    content: Content,
    mode: u32,
    modified: i64,
}

enum Content {
    Text(String),
    File { file: File, size: u64 },
}

impl Single {
    /// A here-document, made at this time.
    pub(crate) fn inline(file: InlineFile, modified: i64) -> Self {
        Self {
            name: file.name,
            content: Content::Text(file.content),
            mode: 0o644,
            modified,
        }
    }

    /// What was fetched; upstream lets nobody but its owner read it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn fetched(name: String, fetched: Fetched) -> io::Result<Self> {
        let size = fetched.file.metadata()?.len();
        Ok(Self {
            name,
            content: Content::File {
                file: fetched.file,
                size,
            },
            mode: 0o600,
            modified: fetched.modified,
        })
    }

    /// The file of a tree that is one file: what was fetched.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn of(tree: &dyn Tree, path: &Path) -> io::Result<Option<File>> {
        tree.file(path)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::File { size, .. } => *size,
        }
    }
}

impl Tree for Single {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let (kind, mode) = if path == Path::new(&self.name) {
            (Kind::File { size: self.size() }, self.mode)
        } else if path.as_os_str().is_empty() {
            (Kind::Directory, 0o755)
        } else {
            return Ok(None);
        };
        Ok(Some(Entry {
            kind,
            mode,
            uid: 0,
            gid: 0,
            modified: self.modified,
            attributes: Vec::new(),
            link: None,
        }))
    }

    fn file(&self, path: &Path) -> io::Result<Option<File>> {
        match &self.content {
            Content::File { file, .. } if path == Path::new(&self.name) => file.try_clone().map(Some),
            _ => Ok(None),
        }
    }

    fn names(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(vec![self.name.clone().into()])
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        if path != Path::new(&self.name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(match &self.content {
            Content::Text(text) => Box::new(text.as_bytes()),
            Content::File { file, .. } => Box::new(At { file, position: 0 }),
        })
    }
}

/// Reads a shared file from a position of its own.
struct At<'a> {
    file: &'a File,
    position: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}
