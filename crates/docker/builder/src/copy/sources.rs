//! Which files the sources of an instruction are: paths, patterns, what was fetched, what stands in
//! the Dockerfile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CopyError, Origin, Remote, Source, hashed, missing};
use crate::context::escapes;
use crate::dockerfile::Copy;
use crate::dockerignore::{Ignore, clean};
use crate::filter::Filtered;
use crate::glob::Glob;
use crate::request::Dialect;
use crate::source::Single;
use crate::tree::{self, Descend, Kind, Tree};

pub(super) fn sources(verb: &str, copy: &Copy, origin: &Origin<'_>) -> Result<Vec<Source>, CopyError> {
    let mut found = Vec::new();
    let exclude = Ignore::patterns(&copy.excludes).map_err(|error| CopyError::Invalid(error.to_string()))?;
    let unpack = copy.unpack.unwrap_or(verb == "ADD");
    for written in &copy.sources {
        let first = found.len();
        if let Some(remote) = origin.remote.get(written) {
            found.push(fetched(remote, copy, &exclude, origin)?);
            continue;
        } else {
            local(written, copy, origin, &mut found)?;
            found[first..]
                .iter_mut()
                .for_each(|source| source.extract = unpack);
        }
        if !copy.excludes.is_empty() {
            let rest = found.split_off(first);
            found.extend(
                rest.into_iter()
                    .filter_map(|source| without(source, &exclude, origin).transpose())
                    .collect::<Result<Vec<_>, _>>()?,
            );
        }
    }
    for file in &copy.inline {
        let single = Single::inline(file.clone(), origin.time);
        let path = PathBuf::from(single.name());
        found.push(hashed(path, &Origin::other(Arc::new(single), origin.remote))?);
    }
    let all_excluded = !copy.excludes.is_empty() && !copy.sources.is_empty();
    // A pattern that describes nothing is no error in BuildKit.
    let may_be_empty = origin.dialect == Dialect::BuildKit && !copy.sources.is_empty();
    if found.is_empty() && !all_excluded && !may_be_empty {
        Err(CopyError::Nothing)
    } else {
        Ok(found)
    }
}

/// What was fetched for a source. A repository counts by its commit: `.git` is never the same twice.
fn fetched(remote: &Remote, copy: &Copy, exclude: &Ignore, origin: &Origin<'_>) -> Result<Source, CopyError> {
    let path = PathBuf::from(&remote.name);
    let excludes = !copy.excludes.is_empty() && remote.name.is_empty();
    let tree: Arc<dyn Tree> = if excludes {
        Arc::new(Filtered::new(
            remote.tree.clone(),
            PathBuf::new(),
            None,
            exclude.clone(),
        ))
    } else {
        remote.tree.clone()
    };
    let extract = !remote.name.is_empty() && copy.unpack == Some(true);
    let source = match &remote.hash {
        Some(hash) => {
            let parts = std::iter::once(hash).chain(&copy.excludes);
            let hash = super::joined("git", parts.map(String::as_str));
            Source {
                tree,
                path,
                hash,
                extract,
                set_id: false,
            }
        }
        None => hashed(path, &Origin::other(tree, origin.remote))?,
    };
    Ok(Source { extract, ..source })
}

fn local(written: &str, copy: &Copy, origin: &Origin<'_>, found: &mut Vec<Source>) -> Result<(), CopyError> {
    if copy.parents {
        return with_parents(written, origin, found);
    }
    let path = written.strip_prefix('/').unwrap_or(written);
    let path = path.strip_prefix("./").unwrap_or(path);
    if has_wildcards(path) {
        matching(path, origin, found)
    } else {
        found.push(source(path, origin)?);
        Ok(())
    }
}

/// `a/./b/c`: of the directory before the pivot (or the root) what the pattern behind it describes,
/// with the directories between.
fn with_parents(written: &str, origin: &Origin<'_>, found: &mut Vec<Source>) -> Result<(), CopyError> {
    let (base, pattern) = written.split_once("/./").unwrap_or(("", written));
    let classic = origin.dialect == Dialect::Classic;
    if classic && !origin.image && (escapes(base) || escapes(pattern)) {
        return Err(CopyError::Outside(written.to_owned()));
    }
    let pattern = clean(&format!("/{pattern}"))[1..].to_owned();
    let mut bases = Vec::new();
    let base = clean(&format!("/{base}"))[1..].to_owned();
    if has_wildcards(&base) {
        matching(&base, origin, &mut bases)?;
    } else {
        bases.push(source(&base, origin)?);
    }
    let wild = has_wildcards(&base) || has_wildcards(&pattern);
    let include = match pattern.as_str() {
        "" => None,
        pattern => {
            let include = Ignore::patterns(&[pattern.to_owned()]);
            Some(include.map_err(|error| CopyError::Invalid(error.to_string()))?)
        }
    };
    for base in bases {
        let Some((real, _)) = tree::resolve(&*origin.tree, &base.path)? else {
            continue;
        };
        if !wild && tree::resolve(&*origin.tree, &real.join(&pattern))?.is_none() {
            return Err(missing(&real.join(&pattern), origin));
        }
        let filtered = Filtered::new(
            origin.tree.clone(),
            real.clone(),
            include.clone(),
            Ignore::default(),
        );
        found.push(hashed(real, &Origin::other(Arc::new(filtered), origin.remote))?);
    }
    Ok(())
}

/// A source without what is excluded: a file by its name, what is in a directory by its path there.
fn without(source: Source, exclude: &Ignore, origin: &Origin<'_>) -> Result<Option<Source>, CopyError> {
    let Some((real, entry)) = tree::resolve(&*source.tree, &source.path)? else {
        return Ok(Some(source));
    };
    if entry.kind != Kind::Directory {
        let name = source.path.file_name().unwrap_or_default().to_string_lossy();
        return Ok((!exclude.excludes(&name)).then_some(source));
    }
    let filtered = Filtered::new(source.tree.clone(), real, None, exclude.clone());
    let less = hashed(source.path, &Origin::other(Arc::new(filtered), origin.remote))?;
    Ok(Some(Source {
        extract: source.extract,
        ..less
    }))
}

pub(crate) fn has_wildcards(path: &str) -> bool {
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
    for path in described(&*origin.tree, pattern)? {
        found.push(hashed(path, origin)?);
    }
    Ok(())
}

/// The paths that a pattern describes.
pub(crate) fn described(tree: &dyn Tree, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let names: Option<Vec<Glob>> = pattern.split('/').map(|name| Glob::path(name).ok()).collect();
    let mut paths = Vec::new();
    let Some(names) = names else {
        return Ok(paths);
    };
    tree::walk(tree, Path::new(""), &mut |path, _| {
        let depth = path.iter().count();
        let fits = path
            .file_name()
            .zip(names.get(depth - 1))
            .is_some_and(|(name, glob)| glob.matches(&name.to_string_lossy()));
        if fits && depth == names.len() {
            paths.push(path.to_owned());
        }
        Ok::<_, io::Error>(if fits && depth < names.len() {
            Descend::Yes
        } else {
            Descend::No
        })
    })?;
    Ok(paths)
}

fn source(path: &str, origin: &Origin<'_>) -> Result<Source, CopyError> {
    if origin.dialect == Dialect::BuildKit {
        // `..` leads to the root at most.
        return hashed(PathBuf::from(&clean(&format!("/{path}"))[1..]), origin);
    }
    if !origin.image && escapes(path) {
        return Err(CopyError::Outside(path.to_owned()));
    }
    hashed(PathBuf::from(clean(path)), origin)
}
