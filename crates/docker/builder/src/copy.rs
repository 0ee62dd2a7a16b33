//! `COPY` and `ADD`: which files are meant, and what they amount to for the cache.
//!
//! Everything here reads; [`crate::perform`] writes. The hash of a file is over its path in the
//! tree, mode, owner, kind, extended attributes and bytes, and not over its time, so that a
//! checkout made anew still hits the cache (upstream's tarsum does the same).

mod sources;

pub(crate) use sources::{described, has_wildcards};

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Digest, Hasher};

use crate::chmod::Chmod;
use crate::dockerfile::Copy;
use crate::golang;
use crate::request::Dialect;
use crate::source::{self, GitSource, Named};
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
    /// Permission bits of everything that is copied, and how they were written.
    pub(crate) mode: Option<(Chmod, String)>,
    /// `--parents`, which the history tells.
    pub(crate) parents: bool,
    /// Whose rules.
    pub(crate) dialect: Dialect,
    /// As the history of BuildKit tells it.
    pub(crate) written: String,
}

/// A file or directory to be copied.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) tree: Arc<dyn Tree>,
    /// In the tree, not resolved: a link gives the name, what it points to the content.
    pub(crate) path: PathBuf,
    /// `file:…` or `dir:…`.
    pub(crate) hash: String,
    /// It is unpacked, if it is an archive.
    pub(crate) extract: bool,
    /// It is a file that runs as its owner or group, whoever starts it.
    pub(crate) set_id: bool,
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

/// The bits by which a program runs as its owner, and as its group.
pub(crate) const SET_ID: u32 = 0o6000;

/// Upstream's refusal of variables in `--from`.
pub(crate) const NO_VARIABLES: &str = "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround";

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
    #[error("source can't be a git ref for COPY")]
    Repository,
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl fmt::Debug for CopyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.hash(), self.destination)
    }
}

impl CopyError {
    /// BuildKit's words.
    fn buildkit(&self) -> String {
        let missing = |origin: &str, path: &str| {
            let path = golang::quote(&format!("/{path}"));
            format!(
                "failed to compute cache key: failed to calculate checksum of ref {origin}: {path}: not found"
            )
        };
        match self {
            Self::NotInContext(path) => missing("context::local", path),
            Self::NotInImage(path) => missing("image::stage", path),
            other => other.to_string(),
        }
    }
}

/// A copy as BuildKit's history tells it.
pub(crate) fn told(verb: &str, copy: &Copy) -> String {
    let mut words = vec![verb.to_owned()];
    words.extend(copy.parents.then(|| "--parents".to_owned()));
    words.extend(copy.chown.iter().map(|chown| format!("--chown={chown}")));
    words.extend(copy.chmod.iter().map(|chmod| format!("--chmod={chmod}")));
    words.extend(copy.sources.iter().cloned());
    words.extend(copy.inline.iter().map(|file| format!("<<{}", file.name)));
    words.push(copy.destination.clone());
    format!("{} # buildkit", words.join(" "))
}

/// Where sources are looked for.
pub(crate) struct Origin<'a> {
    pub(crate) tree: Arc<dyn Tree>,
    /// An image or stage, not the context.
    pub(crate) image: bool,
    /// Hashes that are known already.
    pub(crate) known: &'a dyn Known,
    /// What was fetched, by the source that names it.
    pub(crate) remote: &'a BTreeMap<String, Remote>,
    /// When here-documents are made, in seconds since 1970; nothing for the cache.
    pub(crate) time: i64,
    pub(crate) dialect: Dialect,
}

impl<'a> Origin<'a> {
    /// A tree from which nothing is known.
    fn other(tree: Arc<dyn Tree>, remote: &'a BTreeMap<String, Remote>) -> Self {
        Self {
            tree,
            image: true,
            known: &Forgetful,
            remote,
            time: 0,
            dialect: Dialect::Classic,
        }
    }
}

/// What was fetched for a source: a file, or everything in a tree.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) tree: Arc<dyn Tree>,
    /// The file's name; empty for everything.
    pub(crate) name: String,
    /// What it is for the cache; its content, if nobody says.
    pub(crate) hash: Option<String>,
    /// When it was made, in seconds since 1970; 0 if nobody says.
    pub(crate) time: i64,
}

/// What of an instruction must be fetched.
///
/// # Errors
/// Upstream's sentences, about `--checksum` too.
pub(crate) fn addresses(
    verb: &str,
    copy: &Copy,
    dialect: Dialect,
) -> Result<Vec<(String, Option<GitSource>)>, String> {
    let mut addresses = Vec::new();
    for written in &copy.sources {
        let git = match source::named(written)? {
            Named::Path => continue,
            Named::Http => None,
            Named::Git(git) => Some(*git),
        };
        if verb == "COPY" {
            let error = if git.is_some() {
                CopyError::Repository
            } else {
                CopyError::Address
            };
            return Err(match dialect {
                Dialect::Classic => format!("{verb} failed: {error}"),
                Dialect::BuildKit => error.to_string(),
            });
        }
        let git = git.map(|git| with_flags(git, copy)).transpose()?;
        addresses.push((written.clone(), git));
    }
    if copy.checksum.is_none() {
        return Ok(addresses);
    }
    match (copy.sources.len(), addresses.len()) {
        (1, 1) => Ok(addresses),
        (1, _) => Err("checksum requires HTTP(S) or Git sources".to_owned()),
        _ => Err("checksum can't be specified for multiple sources".to_owned()),
    }
}

fn with_flags(mut git: GitSource, copy: &Copy) -> Result<GitSource, String> {
    if copy.keep_git_dir.is_some() && git.keep_git_dir.is_some() && copy.keep_git_dir != git.keep_git_dir {
        return Err("inconsistent keep-git-dir configuration".to_owned());
    }
    git.keep_git_dir = git.keep_git_dir.or(copy.keep_git_dir);
    if let Some(checksum) = &copy.checksum {
        if !git.checksum.is_empty() && git.checksum != *checksum {
            return Err(format!("checksum mismatch {checksum:?} != {:?}", git.checksum));
        }
        git.checksum.clone_from(checksum);
    }
    Ok(git)
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
        let buildkit = origin.dialect == Dialect::BuildKit;
        let sources = sources::sources(verb, copy, origin).map_err(|error| match buildkit {
            true => error.buildkit(),
            false => format!("{verb} failed: {error}"),
        })?;
        // BuildKit counts what is written, and has done so when it read the file.
        if !buildkit && sources.len() > 1 && !copy.destination.ends_with('/') {
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
            mode: copy
                .chmod
                .as_ref()
                .map(|text| Ok::<_, String>((Chmod::parse(text)?, text.clone())))
                .transpose()?,
            parents: copy.parents,
            dialect: origin.dialect,
            written: told(verb, copy),
        })
    }

    /// Makes the destination one that depends on no working directory.
    pub(crate) fn make_absolute(&mut self, working_dir: &str) {
        self.destination = crate::perform::absolute(working_dir, &self.destination);
    }

    /// What the comment does not tell: sources that are unpacked where others are not, or the other way
    /// round.
    pub(crate) fn unpacked(&self) -> Vec<String> {
        let usual = self.verb == "ADD";
        let unusual = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| source.extract != usual);
        unusual
            .map(|(index, source)| format!("unpack {index} {}", source.extract))
            .collect()
    }

    /// Whether BuildKit makes something else of it than dockerd's own builder, which takes the set-id bits of files (also
    /// deep in a directory) and leaves archives their owners: then it is a step of its own.
    pub(crate) fn depends_on_dialect(&self) -> bool {
        let chowned = matches!(self.owner, Ownership::Named(_));
        let differs = |source: &Source| {
            !source.hash.starts_with("file:") || source.set_id || (source.extract && chowned)
        };
        self.dialect == Dialect::BuildKit && self.sources.iter().any(differs)
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
        let chmod = match &self.mode {
            Some((Chmod::Octal(mode), _)) => format!("--chmod={mode:o} "),
            Some((Chmod::Symbolic(_), written)) => format!("--chmod={written} "),
            None => String::new(),
        };
        let parents = if self.parents { "--parents " } else { "" };
        format!(
            "{} {parents}{chown}{chmod}{} in {} ",
            self.verb,
            self.hash(),
            self.destination
        )
    }
}

fn missing(path: &Path, origin: &Origin<'_>) -> CopyError {
    let path = path.display().to_string();
    if origin.image {
        CopyError::NotInImage(path)
    } else {
        CopyError::NotInContext(path)
    }
}

fn hashed(path: PathBuf, origin: &Origin<'_>) -> Result<Source, CopyError> {
    let hash = match origin.known.get(&path) {
        Some(hash) => hash,
        None => {
            let hash = hash(&*origin.tree, &path)?.ok_or_else(|| missing(&path, origin))?;
            origin.known.put(&path, &hash);
            hash
        }
    };
    let entry = tree::resolve(&*origin.tree, &path)?.map(|(_, entry)| entry);
    let set_id = |entry: Entry| matches!(entry.kind, Kind::File { .. }) && entry.mode & SET_ID != 0;
    Ok(Source {
        tree: origin.tree.clone(),
        path,
        hash,
        extract: false,
        set_id: entry.is_some_and(set_id),
    })
}

/// The hash of a file or of everything in a directory; `None` if there is nothing.
pub(crate) fn hash(tree: &dyn Tree, path: &Path) -> io::Result<Option<String>> {
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

pub(crate) fn joined<'a>(prefix: &str, hashes: impl Iterator<Item = &'a str>) -> String {
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
