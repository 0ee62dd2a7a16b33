//! A build's context: the files a client sent, as a [`Tree`], and the Dockerfile among them.

mod archive;
mod directory;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use archive::ArchiveTree;
pub(crate) use directory::DirectoryTree;

use crate::dockerfile::{self, Dockerfile};
use crate::dockerignore::{Ignore, MAX_IGNORE_FILE};
use crate::filter::Filtered;
use crate::source::Kept;
use crate::tree::{self, Tree};
use crate::{BuildContext, BuildError};

/// How an archive is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// How compressed files begin.
const MAGIC: [(&[u8], Compression); 4] = [
    (&[0x1f, 0x8b, 0x08], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (b"BZh", Compression::Bzip2),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
];

impl Compression {
    /// Looks at the first bytes of an archive.
    pub(crate) fn of(head: &[u8]) -> Self {
        MAGIC
            .iter()
            .find(|(magic, _)| head.starts_with(magic))
            .map_or(Self::Plain, |(_, found)| *found)
    }
}

/// Reads a context's Dockerfile, and leaves out of the context what upstream leaves out: the
/// Dockerfile and `.dockerignore` themselves, where `.dockerignore` says so.
///
/// # Errors
/// Upstream's sentences.
pub(crate) fn open(
    tree: Arc<dyn Tree>,
    name: &str,
    whole: bool,
) -> Result<(Arc<dyn Tree>, Dockerfile), BuildError> {
    let (name, text) = dockerfile(&*tree, name)?;
    let parsed = parse(name, &text)?;
    let tree = ignored(tree, name, whole)?;
    Ok((tree, parsed))
}

/// Reads the Dockerfile: what it is called, and its text.
///
/// # Errors
/// There is none.
pub(crate) fn dockerfile<'a>(tree: &dyn Tree, name: &'a str) -> Result<(&'a str, Vec<u8>), BuildError> {
    let name = if name.is_empty() { "Dockerfile" } else { name };
    let (name, text) = match read_file(tree, name, dockerfile::MAX_DOCKERFILE as u64)? {
        None if name == "Dockerfile" => (
            "dockerfile",
            read_file(tree, "dockerfile", dockerfile::MAX_DOCKERFILE as u64)?,
        ),
        text => (name, text),
    };
    let text = text.ok_or_else(|| {
        let asked = if name == "dockerfile" { "Dockerfile" } else { name };
        BuildError::Step(format!("Cannot locate specified Dockerfile: {asked}"))
    })?;
    Ok((name, text))
}

/// Parses a Dockerfile.
///
/// # Errors
/// Upstream's sentences.
pub(crate) fn parse(name: &str, text: &[u8]) -> Result<Dockerfile, BuildError> {
    if text.is_empty() {
        return Err(BuildError::Invalid(format!(
            "the Dockerfile ({name}) cannot be empty"
        )));
    }
    dockerfile::parse(text).map_err(|source| BuildError::Parse {
        name: name.to_owned(),
        source,
    })
}

const IGNORE: &str = ".dockerignore";

/// A context without what is ignored. A list of the Dockerfile's own (`NAME.dockerignore`) is in force
/// as it is; `.dockerignore` has been heeded by whoever sent the files, unless they are `whole`, and is
/// asked only about the two files that must be sent all the same.
fn ignored(tree: Arc<dyn Tree>, dockerfile: &str, whole: bool) -> Result<Arc<dyn Tree>, BuildError> {
    if let Some(ignore) = read_ignore(&*tree, &format!("{dockerfile}{IGNORE}"))? {
        return Ok(Arc::new(Filtered::new(tree, PathBuf::new(), None, ignore)));
    }
    let Some(ignore) = read_ignore(&*tree, IGNORE)? else {
        return Ok(tree);
    };
    if whole {
        return Ok(Arc::new(Filtered::new(tree, PathBuf::new(), None, ignore)));
    }
    let files = [IGNORE, dockerfile].map(crate::dockerignore::clean);
    let hidden = files.into_iter().filter(|file| ignore.excludes(file)).collect();
    Ok(Arc::new(Without { tree, hidden }))
}

fn read_ignore(tree: &dyn Tree, name: &str) -> Result<Option<Ignore>, BuildError> {
    let Some(text) = read_file(tree, name, MAX_IGNORE_FILE)? else {
        return Ok(None);
    };
    let ignore = Ignore::parse(&String::from_utf8_lossy(&text));
    ignore
        .map(Some)
        .map_err(|error| BuildError::Step(format!("error reading .dockerignore: {error}")))
}

fn read_file(tree: &dyn Tree, name: &str, limit: u64) -> Result<Option<Vec<u8>>, BuildError> {
    let failed = || BuildError::io("reading the build context");
    if escapes(name) {
        return Err(BuildError::Step(format!(
            "forbidden path outside the build context: {name} ()"
        )));
    }
    let Some((real, entry)) = tree::resolve(tree, Path::new(name)).map_err(failed())? else {
        return Ok(None);
    };
    match entry.kind {
        tree::Kind::File { size } if size <= limit => {}
        tree::Kind::File { .. } => {
            return Err(BuildError::Invalid(format!(
                "{name} is larger than {limit} bytes"
            )));
        }
        _ => return Err(BuildError::Step(format!("{name} is no file"))),
    }
    let mut text = Vec::new();
    tree.open(&real)
        .and_then(|file| file.take(limit).read_to_end(&mut text))
        .map_err(failed())?;
    Ok(Some(text))
}

/// Whether a path leads out of the context by its own words.
pub(crate) fn escapes(path: &str) -> bool {
    let cleaned = crate::dockerignore::clean(path.trim_start_matches('/'));
    !crate::dockerignore::is_local(Path::new(&cleaned))
}

/// A tree without some of its files.
struct Without {
    tree: Arc<dyn Tree>,
    hidden: Vec<String>,
}

impl Without {
    fn hides(&self, path: &Path) -> bool {
        self.hidden.iter().any(|hidden| path == Path::new(hidden))
    }
}

impl Tree for Without {
    fn entry(&self, path: &Path) -> io::Result<Option<tree::Entry>> {
        if self.hides(path) {
            Ok(None)
        } else {
            self.tree.entry(path)
        }
    }

    fn names(&self, path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        let mut names = self.tree.names(path)?;
        names.retain(|name| !self.hides(&path.join(name)));
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        self.tree.open(path)
    }
}

/// A context as it came: a tree at once, or an archive that has to be unpacked first.
pub(crate) enum Opened {
    /// Ready.
    Tree(Arc<dyn Tree>),
    /// An archive that is compressed, or has files with holes: decoders of foreign bytes run in workers only.
    Packed(File),
}

/// Looks at a context.
///
/// # Errors
/// Archives that are refused.
pub(crate) fn look(context: BuildContext) -> Result<Opened, BuildError> {
    let failed = |cause| BuildError::io("reading the build context")(cause);
    match context {
        BuildContext::Directory(path) => DirectoryTree::open(&path)
            .map(|tree| Opened::Tree(Arc::new(tree)))
            .map_err(failed),
        BuildContext::Repository(repository) => Kept::open(repository)
            .map(|tree| Opened::Tree(Arc::new(tree)))
            .map_err(failed),
        BuildContext::Archive(file) | BuildContext::Fetched(file, _) => {
            let mut head = [0; 6];
            let read = std::os::unix::fs::FileExt::read_at(&file, &mut head, 0).map_err(failed)?;
            match Compression::of(&head[..read]) {
                Compression::Plain => Ok(match ArchiveTree::read(file.try_clone().map_err(failed)?)? {
                    Some(tree) => Opened::Tree(Arc::new(tree)),
                    None => Opened::Packed(file),
                }),
                _ => Ok(Opened::Packed(file)),
            }
        }
    }
}
