//! What is copied, as the tar stream that the worker unpacks.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::Owner;
use crate::chmod::Chmod;
use crate::copy::SET_ID;
use crate::tree::{self, Descend, Entry, Kind, Tree};

/// Files of a tree as a tar stream.
pub(super) struct Stream<'a, W: Write> {
    pub(super) tar: Builder<W>,
    owner: Option<Owner>,
    mode: Option<Chmod>,
    /// When everything was made.
    time: Option<i64>,
    /// The first name of each file with several.
    links: HashMap<u64, PathBuf>,
    /// Directories that need not be made.
    skip: Option<Skip<'a>>,
    /// Files lose their set-id bits.
    plain: bool,
}

type Skip<'a> = Box<dyn Fn(&Path) -> bool + Send + 'a>;

impl<'a, W: Write> Stream<'a, W> {
    pub(super) fn new(writer: W, owner: Option<Owner>, mode: Option<Chmod>) -> Self {
        Self {
            tar: Builder::new(writer),
            owner,
            mode,
            time: None,
            links: HashMap::new(),
            skip: None,
            plain: false,
        }
    }

    /// Says when everything was made.
    pub(super) fn at(mut self, time: Option<i64>) -> Self {
        self.time = time;
        self
    }

    /// Something that is in no tree.
    pub(super) fn made(&mut self, name: &Path, entry: &Entry, content: &[u8]) -> io::Result<()> {
        let mut header = self.header(entry);
        match &entry.kind {
            Kind::Symlink(target) => self.tar.append_link(&mut header, name, target),
            _ => self.tar.append_data(&mut header, name, content),
        }
    }

    /// Leaves out directories of these names; what is in them is told.
    pub(super) fn skip_directories(&mut self, skip: impl Fn(&Path) -> bool + Send + 'a) {
        self.skip = Some(Box::new(skip));
    }

    /// Files no longer run as their owners: so it is where they are given an owner after their bits.
    pub(super) fn without_set_id(&mut self) {
        self.plain = true;
    }

    /// Everything in a directory, but not the directory.
    pub(super) fn contents(&mut self, tree: &dyn Tree, directory: &Path) -> io::Result<()> {
        tree::walk(tree, directory, &mut |path, entry| {
            let name = path.strip_prefix(directory).map_err(io::Error::other)?;
            self.one(tree, path, entry, name)?;
            Ok::<_, io::Error>(Descend::Yes)
        })
    }

    pub(super) fn one(&mut self, tree: &dyn Tree, path: &Path, entry: &Entry, name: &Path) -> io::Result<()> {
        if entry.kind == Kind::Directory && self.skip.as_ref().is_some_and(|skip| skip(name)) {
            return Ok(());
        }
        let mut header = self.header(entry);
        if let Some(first) = entry.link.and_then(|link| self.links.get(&link)) {
            header.set_entry_type(EntryType::Link);
            header.set_size(0);
            return self.tar.append_link(&mut header, name, first);
        }
        if let Some(link) = entry.link {
            self.links.insert(link, name.to_owned());
        }
        self.attributes(entry)?;
        match &entry.kind {
            Kind::Symlink(target) => self.tar.append_link(&mut header, name, target),
            Kind::File { size } => {
                let content = tree.open(path)?;
                // A file that is shorter than it was would tear the stream.
                self.tar
                    .append_data(&mut header, name, content.chain(io::repeat(0)).take(*size))
            }
            Kind::Directory | Kind::Fifo | Kind::Device { .. } => {
                self.tar.append_data(&mut header, name, io::empty())
            }
        }
    }

    fn header(&self, entry: &Entry) -> Header {
        let mut header = Header::new_gnu();
        let link = matches!(entry.kind, Kind::Symlink(_));
        header.set_mode(if link {
            0o777
        } else {
            self.mode.as_ref().map_or(entry.mode, |mode| {
                mode.apply(entry.mode, entry.kind == Kind::Directory)
            })
        });
        if self.plain && matches!(entry.kind, Kind::File { .. }) {
            header.set_mode(without_set_id(entry.mode));
        }
        header.set_uid(self.owner.map_or(entry.uid, |owner| owner.uid).into());
        header.set_gid(self.owner.map_or(entry.gid, |owner| owner.gid).into());
        header.set_mtime(u64::try_from(self.time.unwrap_or(entry.modified)).unwrap_or(0));
        header.set_size(0);
        header.set_entry_type(match &entry.kind {
            Kind::Directory => EntryType::Directory,
            Kind::Symlink(_) => EntryType::Symlink,
            Kind::Fifo => EntryType::Fifo,
            Kind::Device { block: true, .. } => EntryType::Block,
            Kind::Device { block: false, .. } => EntryType::Char,
            Kind::File { .. } => EntryType::Regular,
        });
        match entry.kind {
            Kind::File { size } => header.set_size(size),
            Kind::Device { major, minor, .. } => {
                // A GNU header has room for both.
                let _ = header
                    .set_device_major(major)
                    .and_then(|()| header.set_device_minor(minor));
            }
            _ => {}
        }
        header
    }

    fn attributes(&mut self, entry: &Entry) -> io::Result<()> {
        let record = |(name, value): &(OsString, Vec<u8>)| {
            (format!("SCHILY.xattr.{}", name.to_string_lossy()), value.clone())
        };
        let records: Vec<(String, Vec<u8>)> = entry.attributes.iter().map(record).collect();
        if records.is_empty() {
            return Ok(());
        }
        self.tar.append_pax_extensions(
            records
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        )
    }
}

/// What Linux leaves of a file's bits when it gets an owner: that it runs as its group means something else where the group
/// may not run it.
fn without_set_id(mode: u32) -> u32 {
    const GROUP: u32 = 0o2010;
    let taken = if mode & GROUP == GROUP { SET_ID } else { 0o4000 };
    mode & !taken
}
