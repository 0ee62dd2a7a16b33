//! `FileOp`: each of its results is a chain of acts upon an input, and becomes one layer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::llb::{Account, Action, Copy, File, Owner as Asked, Place, Vertex, Work as Asks};
use image::Digest;

use super::super::{Driver, blocking};
use super::source::filtered;
use super::{Made, Product, owners};
use crate::acts::{Act, CopyAct, Made as Makes};
use crate::chmod::Chmod;
use crate::copy::{self, described, has_wildcards};
use crate::dockerignore::clean;
use crate::executor::{Executor, Work};
use crate::perform::{Owner, ROOT};
use crate::tree::{self, Entry, Kind, Tree};
use crate::{BuildError, golang};

/// What the acts of an operation have made so far: images by the number of their last act.
type Parts = BTreeMap<usize, Option<Digest>>;

impl<E: Executor + 'static> Driver<E> {
    pub(super) async fn file(
        &self,
        vertex: &Vertex,
        file: &File,
        inputs: &[Product],
    ) -> Result<Made, BuildError> {
        let (mut parts, mut cached) = (Parts::new(), true);
        let mut outputs = BTreeMap::new();
        // In order, so that whatever an act needs of an earlier one is there.
        for (number, action) in file.actions.iter().enumerate() {
            if !is_wanted(&file.actions, number) {
                continue;
            }
            let (image, hit) = self.chain(vertex, file, number, (inputs, &parts)).await?;
            cached &= hit;
            parts.insert(number, image);
            if let Some(output) = action.output {
                outputs.insert(output, Product::Image(image));
            }
        }
        Ok((outputs.into_values().collect(), cached))
    }

    /// Carries out the acts that end with this one, as one layer.
    async fn chain(
        &self,
        vertex: &Vertex,
        file: &File,
        last: usize,
        (inputs, parts): (&[Product], &Parts),
    ) -> Result<(Option<Digest>, bool), BuildError> {
        let mut chain = vec![&file.actions[last]];
        let mut upon = chain[0].upon;
        while let Place::Action(number) = upon {
            if parts.contains_key(&number) {
                break;
            }
            chain.push(&file.actions[number]);
            upon = file.actions[number].upon;
        }
        let parent = match self.place(upon, inputs, parts)? {
            Some(product) => self.as_image(&product).await?,
            None => None,
        };
        let (mut acts, mut more) = (Vec::new(), Vec::new());
        for action in chain.into_iter().rev() {
            let (act, key) = self.act(action, inputs, parts).await?;
            more.push(key);
            acts.extend(act);
        }
        let key = self.vertex_key(vertex, parent.as_ref(), &last.to_string(), &more);
        let (made, cached) = self.one(vertex, key, parent, Work::Acts(acts)).await?;
        match made.into_iter().next() {
            Some(Product::Image(image)) => Ok((image, cached)),
            _ => Ok((None, cached)),
        }
    }

    /// The files that a place means; nothing, if it is empty.
    fn place(&self, place: Place, inputs: &[Product], parts: &Parts) -> Result<Option<Product>, BuildError> {
        let gone = || BuildError::Step("an action needs what was not made".to_owned());
        match place {
            Place::Empty => Ok(None),
            Place::Input(input) => inputs.get(input).cloned().map(Some).ok_or_else(gone),
            Place::Action(number) => {
                let image = parts.get(&number).copied().ok_or_else(gone)?;
                Ok(Some(Product::Image(image)))
            }
        }
    }

    /// An act, if there is anything to do, and what it is for the cache besides its message.
    async fn act(
        &self,
        action: &Action,
        inputs: &[Product],
        parts: &Parts,
    ) -> Result<(Option<Act>, String), BuildError> {
        let now = self.cache.now().as_second();
        let make = |path: &str, made, owner: Owner, time: Option<i64>| {
            let act = Act::Make {
                path: path.to_owned(),
                made,
                owner,
                time: time.unwrap_or(now),
            };
            (Some(act), format!("{owner:?}"))
        };
        Ok(match &action.work {
            Asks::Copy(copy) => {
                let from = self.place(action.from, inputs, parts)?;
                let owner = self.owner(copy.owner.as_ref(), inputs, parts).await?;
                return self.copy_act(copy, from, owner).await;
            }
            Asks::Mkfile {
                path,
                mode,
                data,
                owner,
                time,
            } => {
                let owner = self.owner(owner.as_ref(), inputs, parts).await?;
                make(
                    path,
                    Makes::File(*mode, data.to_vec()),
                    owner.unwrap_or(ROOT),
                    *time,
                )
            }
            Asks::Mkdir {
                path,
                mode,
                parents,
                owner,
                time,
            } => {
                let owner = self.owner(owner.as_ref(), inputs, parts).await?;
                let (mode, parents) = (*mode, *parents);
                make(
                    path,
                    Makes::Directory { mode, parents },
                    owner.unwrap_or(ROOT),
                    *time,
                )
            }
            Asks::Symlink {
                target,
                path,
                owner,
                time,
            } => {
                let owner = self.owner(owner.as_ref(), inputs, parts).await?;
                make(path, Makes::Symlink(target.into()), owner.unwrap_or(ROOT), *time)
            }
            Asks::Rm {
                path,
                allow_not_found,
                wildcard,
            } => {
                let act = Act::Remove {
                    path: path.clone(),
                    allow_not_found: *allow_not_found,
                    wildcard: *wildcard,
                };
                (Some(act), String::new())
            }
        })
    }

    async fn owner(
        &self,
        asked: Option<&Asked>,
        inputs: &[Product],
        parts: &Parts,
    ) -> Result<Option<Owner>, BuildError> {
        let Some(asked) = asked.cloned() else {
            return Ok(None);
        };
        let mut places = Vec::new();
        for account in asked.user.iter().chain(&asked.group) {
            if let Account::Name(_, place) = account {
                places.push((*place, self.place(*place, inputs, parts)?));
            }
        }
        let executor = self.executor.clone();
        blocking(move || {
            let files = |account: &Account| {
                let found = places
                    .iter()
                    .find(|(place, _)| matches!(account, Account::Name(_, of) if of == place));
                tree_of(&*executor, found.and_then(|(_, product)| product.as_ref()))
            };
            owners::numbers(&asked, &files).map(Some)
        })
        .await
    }

    async fn copy_act(
        &self,
        copy: &Copy,
        from: Option<Product>,
        owner: Option<Owner>,
    ) -> Result<(Option<Act>, String), BuildError> {
        let mode = copy.mode.as_deref().map(Chmod::parse).transpose();
        let mode = mode.map_err(BuildError::Invalid)?;
        let (executor, asked) = (self.executor.clone(), copy.clone());
        let found = blocking(move || {
            let tree = tree_of(&*executor, from.as_ref())?;
            sources(tree, &asked)
        });
        let (tree, sources, hash) = found.await?;
        let key = format!("{hash} {owner:?}");
        if sources.is_empty() {
            return Ok((None, key));
        }
        let act = CopyAct {
            tree,
            sources,
            destination: copy.dest.clone(),
            owner,
            mode,
            time: copy.time,
            contents: copy.contents,
            unpack: copy.unpack,
            create: copy.create,
            replace: copy.replace,
        };
        Ok((Some(Act::Copy(act)), key))
    }
}

/// Whether an act's own result is wanted: by others than the one act that goes on with it.
fn is_wanted(actions: &[Action], number: usize) -> bool {
    if actions[number].output.is_some() {
        return true;
    }
    let place = Place::Action(number);
    let by_name = |owner: &Option<Asked>| {
        let accounts = owner
            .iter()
            .flat_map(|owner| owner.user.iter().chain(&owner.group));
        accounts
            .into_iter()
            .any(|account| matches!(account, Account::Name(_, of) if *of == place))
    };
    let reads = |action: &Action| {
        action.from == place
            || match &action.work {
                Asks::Copy(copy) => by_name(&copy.owner),
                Asks::Mkfile { owner, .. } | Asks::Mkdir { owner, .. } | Asks::Symlink { owner, .. } => {
                    by_name(owner)
                }
                Asks::Rm { .. } => false,
            }
    };
    actions.iter().any(reads) || actions.iter().filter(|action| action.upon == place).count() > 1
}

pub(super) fn tree_of<E: Executor>(
    executor: &E,
    product: Option<&Product>,
) -> Result<Arc<dyn Tree>, BuildError> {
    match product {
        Some(Product::Files(tree)) => Ok(tree.clone()),
        Some(Product::Image(image)) => executor.tree(image.as_ref()),
        None => executor.tree(None),
    }
}

/// A tree, real paths in it with their names, and what they amount to.
type Sources = (Arc<dyn Tree>, Vec<(PathBuf, String)>, String);

fn sources(tree: Arc<dyn Tree>, copy: &Copy) -> Result<Sources, BuildError> {
    let failed = || BuildError::io("failed to copy files");
    let src = clean(&format!("/{}", copy.src))[1..].to_owned();
    let paths = match copy.wildcard && has_wildcards(&src) {
        true => described(&*tree, &src).map_err(failed())?,
        false => vec![PathBuf::from(&src)],
    };
    if paths.is_empty() && !copy.allow_none {
        return Err(BuildError::Step(format!("{} not found", copy.src)));
    }
    let (mut found, mut hashes, mut seen) = (Vec::new(), Vec::new(), tree.clone());
    for path in paths {
        let missing = || {
            let path = golang::quote(&format!("/{}", path.display()));
            BuildError::Step(format!("failed to calculate checksum of ref: {path}: not found"))
        };
        let (real, entry) = entry_of(&*tree, &path, copy.follow)
            .map_err(failed())?
            .ok_or_else(missing)?;
        if entry.kind == Kind::Directory {
            seen = filtered(seen, &real, &copy.include, &copy.exclude)?;
        }
        let hash = match &entry.kind {
            Kind::Symlink(target) => Some(format!("link:{} {}", real.display(), target.display())),
            _ => copy::hash(&*seen, &real).map_err(failed())?,
        };
        hashes.push(hash.ok_or_else(missing)?);
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.push((real, name));
    }
    // As upstream: they are looked for among what is copied, and only where that is a choice.
    for required in copy.required.iter().filter(|_| !copy.include.is_empty()) {
        let path = clean(&format!("/{required}"));
        if tree::resolve(&*seen, Path::new(&path[1..]))
            .map_err(failed())?
            .is_none()
        {
            let path = golang::quote(&path);
            return Err(BuildError::Step(format!(
                "failed to calculate checksum of ref: {path}: not found"
            )));
        }
    }
    let hash = copy::joined("llb", hashes.iter().map(String::as_str));
    Ok((seen, found, hash))
}

/// What a path names: a link itself, unless it is followed.
fn entry_of(tree: &dyn Tree, path: &Path, follow: bool) -> std::io::Result<Option<(PathBuf, Entry)>> {
    let (Some(parent), Some(name), false) = (path.parent(), path.file_name(), follow) else {
        return tree::resolve(tree, path);
    };
    let Some((real, above)) = tree::resolve(tree, parent)? else {
        return Ok(None);
    };
    if above.kind != Kind::Directory {
        return Ok(None);
    }
    let real = real.join(name);
    Ok(tree.entry(&real)?.map(|entry| (real, entry)))
}
