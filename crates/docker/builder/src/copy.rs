//! `COPY` and `ADD`: which files are meant, and what they amount to for the cache.
//!
//! Everything here reads; [`crate::perform`] writes. The hash of a file is over its path in the
//! tree, mode, owner, kind, extended attributes and bytes, and not over its time, so that a
//! checkout made anew still hits the cache (upstream's tarsum does the same).

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Digest, Hasher};

use crate::context::escapes;
use crate::dockerfile::{Copy, InlineFile};
use crate::glob::Glob;
use crate::tree::{self, Descend, Entry, Kind, Tree};

/// Files to be copied.
#[derive(Clone)]
pub(crate) struct CopyPlan {
    /// `COPY` or `ADD`.
    pub(crate) verb: &'static str,
    pub(crate) sources: Vec<Source>,
    /// As written, variables replaced.
    pub(crate) destination: String,
    pub(crate) owner: Ownership,
    /// Permission bits of everything that is copied.
    pub(crate) mode: Option<u32>,
    /// Archives are unpacked (`ADD`).
    pub(crate) extract: bool,
}

/// A file or directory to be copied.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) tree: Arc<dyn Tree>,
    /// In the tree, not resolved: a link gives the name, what it points to the content.
    pub(crate) path: PathBuf,
    /// `file:…` or `dir:…`.
    pub(crate) hash: String,
}

/// Whose the copies are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// The sources' (`COPY --from`).
    Kept,
    /// Root's.
    Root,
    /// `--chown`: names are looked up in the image.
    Named(String),
}

/// Why nothing can be copied, in upstream's words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("file not found in build context or excluded by .dockerignore: stat {0}: file does not exist")]
    NotInContext(String),
    #[error("stat {0}: file does not exist")]
    NotInImage(String),
    #[error("forbidden path outside the build context: {0} ()")]
    Outside(String),
    #[error("no source files were specified")]
    Nothing,
    #[error("source can't be a URL for COPY")]
    Address,
    #[error("ADD of a URL is not supported yet")]
    Download,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl fmt::Debug for CopyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.hash(), self.destination)
    }
}

/// Where sources are looked for.
pub(crate) struct Origin<'a> {
    pub(crate) tree: Arc<dyn Tree>,
    /// An image or stage, not the context.
    pub(crate) image: bool,
    /// Hashes that are known already.
    pub(crate) known: &'a dyn Known,
}

/// Remembers hashes of paths in trees that never change.
pub(crate) trait Known {
    fn get(&self, path: &Path) -> Option<String>;
    fn put(&self, path: &Path, hash: &str);
}

/// Nothing is remembered.
pub(crate) struct Forgetful;

impl Known for Forgetful {
    fn get(&self, _: &Path) -> Option<String> {
        None
    }

    fn put(&self, _: &Path, _: &str) {}
}

impl CopyPlan {
    /// Finds and hashes the sources of an instruction.
    ///
    /// # Errors
    /// Upstream's sentences, `COPY failed: ` included.
    pub(crate) fn new(verb: &'static str, copy: &Copy, origin: &Origin<'_>) -> Result<Self, String> {
        let sources = sources(verb, copy, origin).map_err(|error| format!("{verb} failed: {error}"))?;
        if sources.len() > 1 && !copy.destination.ends_with('/') {
            return Err(format!(
                "When using {verb} with more than one source file, the destination must be a directory and end with a /"
            ));
        }
        Ok(Self {
            verb,
            sources,
            destination: copy.destination.clone(),
            owner: match &copy.chown {
                Some(owner) => Ownership::Named(owner.clone()),
                None if origin.image => Ownership::Kept,
                None => Ownership::Root,
            },
            mode: copy.chmod.as_deref().map(parse_mode).transpose()?,
            extract: verb == "ADD",
        })
    }

    /// One hash for all sources.
    pub(crate) fn hash(&self) -> String {
        match self.sources.as_slice() {
            [single] => single.hash.clone(),
            several => joined("multi", several.iter().map(|source| source.hash.as_str())),
        }
    }

    /// What the history says.
    pub(crate) fn comment(&self) -> String {
        let chown = match &self.owner {
            Ownership::Named(owner) => format!("--chown={owner} "),
            Ownership::Kept | Ownership::Root => String::new(),
        };
        let chmod = self
            .mode
            .map(|mode| format!("--chmod={mode:o} "))
            .unwrap_or_default();
        format!(
            "{} {chown}{chmod}{} in {} ",
            self.verb,
            self.hash(),
            self.destination
        )
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| {
        format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
    })
}

fn sources(verb: &str, copy: &Copy, origin: &Origin<'_>) -> Result<Vec<Source>, CopyError> {
    let mut found = Vec::new();
    for written in &copy.sources {
        if is_address(written) {
            return Err(if verb == "COPY" {
                CopyError::Address
            } else {
                CopyError::Download
            });
        }
        let path = written.strip_prefix('/').unwrap_or(written);
        let path = path.strip_prefix("./").unwrap_or(path);
        if has_wildcards(path) {
            matching(path, origin, &mut found)?;
        } else {
            found.push(source(path, origin)?);
        }
    }
    if !copy.inline.is_empty() {
        let inline: Arc<dyn Tree> = Arc::new(InlineTree(copy.inline.clone()));
        let origin = Origin {
            tree: inline,
            image: false,
            known: &Forgetful,
        };
        for file in &copy.inline {
            found.push(source(&file.name, &origin)?);
        }
    }
    if found.is_empty() {
        Err(CopyError::Nothing)
    } else {
        Ok(found)
    }
}

pub(crate) fn is_address(source: &str) -> bool {
    ["http://", "https://", "git://", "git@"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
}

fn has_wildcards(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// The paths that a pattern describes. A pattern has as many names as the paths it describes, so
/// only directories that fit its beginning are looked into. One that is malformed describes
/// nothing, as upstream has it.
fn matching(pattern: &str, origin: &Origin<'_>, found: &mut Vec<Source>) -> Result<(), CopyError> {
    let names: Option<Vec<Glob>> = pattern.split('/').map(|name| Glob::path(name).ok()).collect();
    let Some(names) = names else {
        return Ok(());
    };
    let mut paths = Vec::new();
    tree::walk(&*origin.tree, Path::new(""), &mut |path, _| {
        let depth = path.iter().count();
        let fits = path
            .file_name()
            .zip(names.get(depth - 1))
            .is_some_and(|(name, glob)| glob.matches(&name.to_string_lossy()));
        if fits && depth == names.len() {
            paths.push(path.to_owned());
        }
        Ok::<_, CopyError>(if fits && depth < names.len() {
            Descend::Yes
        } else {
            Descend::No
        })
    })?;
    for path in paths {
        found.push(hashed(path, origin)?);
    }
    Ok(())
}

fn source(path: &str, origin: &Origin<'_>) -> Result<Source, CopyError> {
    if !origin.image && escapes(path) {
        return Err(CopyError::Outside(path.to_owned()));
    }
    hashed(PathBuf::from(crate::dockerignore::clean(path)), origin)
}

fn hashed(path: PathBuf, origin: &Origin<'_>) -> Result<Source, CopyError> {
    if let Some(hash) = origin.known.get(&path) {
        return Ok(Source {
            tree: origin.tree.clone(),
            path,
            hash,
        });
    }
    let hash = hash(&*origin.tree, &path)?.ok_or_else(|| {
        let path = path.display().to_string();
        if origin.image {
            CopyError::NotInImage(path)
        } else {
            CopyError::NotInContext(path)
        }
    })?;
    origin.known.put(&path, &hash);
    Ok(Source {
        tree: origin.tree.clone(),
        path,
        hash,
    })
}

/// The hash of a file or of everything in a directory; `None` if there is nothing.
fn hash(tree: &dyn Tree, path: &Path) -> io::Result<Option<String>> {
    let Some((real, entry)) = tree::resolve(tree, path)? else {
        return Ok(None);
    };
    if entry.kind != Kind::Directory {
        return entry_hash(tree, &real, &entry).map(|hash| Some(format!("file:{hash}")));
    }
    let mut hashes = Vec::new();
    if !real.as_os_str().is_empty() {
        hashes.push(entry_hash(tree, &real, &entry)?);
    }
    tree::walk(tree, &real, &mut |path, entry| {
        hashes.push(entry_hash(tree, path, entry)?);
        Ok::<_, io::Error>(Descend::Yes)
    })?;
    hashes.sort_unstable();
    Ok(Some(joined("dir", hashes.iter().map(String::as_str))))
}

fn joined<'a>(prefix: &str, hashes: impl Iterator<Item = &'a str>) -> String {
    let joined = hashes.collect::<Vec<_>>().join(",");
    format!("{prefix}:{}", Digest::of(joined.as_bytes()).hex())
}

fn entry_hash(tree: &dyn Tree, path: &Path, entry: &Entry) -> io::Result<String> {
    let mut hasher = Hasher::default();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    field(tree::bytes(path));
    field(format!("{:o} {} {}", entry.mode, entry.uid, entry.gid).as_bytes());
    field(kind_text(&entry.kind).as_bytes());
    if let Kind::Symlink(target) = &entry.kind {
        field(tree::bytes(target));
    }
    for (name, value) in &entry.attributes {
        field(name.as_encoded_bytes());
        field(value);
    }
    if let Kind::File { size } = entry.kind {
        let mut content = tree.open(path)?.take(size);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
    }
    Ok(hasher.digest().hex())
}

fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Directory => "directory".to_owned(),
        Kind::File { size } => format!("file {size}"),
        Kind::Symlink(_) => "link".to_owned(),
        Kind::Fifo => "fifo".to_owned(),
        Kind::Device { block, major, minor } => format!("device {block} {major}:{minor}"),
    }
}

/// Here-documents as a tree.
struct InlineTree(Vec<InlineFile>);

impl Tree for InlineTree {
    fn entry(&self, path: &Path) -> io::Result<Option<Entry>> {
        let kind = match self.0.iter().find(|file| Path::new(&file.name) == path) {
            Some(file) => Kind::File {
                size: file.content.len() as u64,
            },
            None if path.as_os_str().is_empty() => Kind::Directory,
            None => return Ok(None),
        };
        let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
        Ok(Some(Entry {
            kind,
            mode,
            uid: 0,
            gid: 0,
            modified: 0,
            attributes: Vec::new(),
            link: None,
        }))
    }

    fn names(&self, _: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        Ok(self.0.iter().map(|file| file.name.clone().into()).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        let file = self
            .0
            .iter()
            .find(|file| Path::new(&file.name) == path)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.content.as_bytes()))
    }
}
