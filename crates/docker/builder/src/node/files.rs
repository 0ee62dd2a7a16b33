//! Steps that run nothing: configurations, directories, copies; and turning what a command has
//! changed into an image. All of a build's images are made under one lease, so that they become
//! durable together when it is kept.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use image::archive::Wanted;
use image::{Commit, CommitLayer, Digest, HistoryRow, Image, ImageConfig, Images, Lease, Platform, Rootfs};
use rustix::fs::FileType;

use super::{Snapshot, epoch, stubs};
use crate::context::DirectoryTree;
use crate::driver::blocking;
use crate::executor::{Base, Step, Work};
use crate::tree::Tree;
use crate::{BuildError, perform};

/// What one build makes of files.
pub(crate) struct FileSteps {
    images: Images,
    lease: Arc<Lease>,
    /// Unique; names of what is made for a step begin with it.
    name: String,
    steps: AtomicU64,
    /// The build's own directory.
    directory: PathBuf,
}

impl FileSteps {
    /// Begins a build.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn begin(images: Images, name: String, directory: PathBuf) -> Result<Self, BuildError> {
        let lease = Arc::new(images.lease(&name)?);
        Ok(Self {
            images,
            lease,
            name,
            steps: AtomicU64::new(0),
            directory,
        })
    }

    /// Ends the build: what it made stays.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub(crate) fn keep(self) -> Result<(), BuildError> {
        match Arc::into_inner(self.lease) {
            Some(lease) => Ok(lease.keep()?),
            None => Err(BuildError::Step("a build step is still running".to_owned())),
        }
    }

    /// The build's own directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    pub(crate) fn unique(&self) -> String {
        format!("{}-{}", self.name, self.steps.fetch_add(1, Ordering::Relaxed))
    }

    /// A path for a step's own directory, which does not exist yet.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.directory.join(self.unique())
    }

    pub(crate) fn find(&self, reference: &str) -> Result<Option<Base>, BuildError> {
        match self.images.find(reference) {
            Ok(image) => Ok(Some(base(&image))),
            Err(error) if error.kind() == image::Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn variant(
        &self,
        reference: &str,
        wanted: &Platform,
    ) -> Result<Option<Digest>, BuildError> {
        let (images, name, wanted) = (self.images.clone(), reference.to_owned(), wanted.clone());
        blocking(move || Ok(images.take_variant(&name, &wanted)?.map(|image| image.id))).await
    }

    pub(crate) fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError> {
        match self.lease.add(id) {
            Ok(()) => Ok(self.images.get(id).map(|image| base(&image))),
            Err(error) if error.kind() == image::Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn restore(
        &self,
        of: Digest,
        config: ImageConfig,
        parent: Option<Digest>,
    ) -> Result<Base, BuildError> {
        let (images, lease) = (self.images.clone(), self.lease.clone());
        blocking(move || Ok(base(&*images.restore(&lease, &of, config, parent)?))).await
    }

    pub(crate) fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError> {
        let failed = || BuildError::io("failed to mount the image");
        let Some(image) = image else {
            let empty = self.directory.join("empty");
            std::fs::create_dir_all(&empty).map_err(failed())?;
            return Ok(Arc::new(DirectoryTree::open(&empty).map_err(failed())?));
        };
        Ok(Arc::new(DirectoryTree::new(mount(&self.images, image)?)))
    }

    /// Carries out a step that runs nothing.
    pub(crate) async fn carry_out(&self, mut step: Step) -> Result<Base, BuildError> {
        match std::mem::replace(&mut step.work, Work::Nothing) {
            Work::Nothing => {
                let (images, lease) = (self.images.clone(), self.lease.clone());
                blocking(move || commit(&images, &lease, step, CommitLayer::None)).await
            }
            Work::Directory(path, user) => {
                self.changed(step, move |_, root| perform::make_directory(root, &path, &user))
                    .await
            }
            Work::Copy(plan) => {
                let working_dir = step.config.config.working_dir.clone();
                self.changed(step, move |images, root| {
                    perform::copy(images, root, &plan, &working_dir)
                })
                .await
            }
            Work::Stack(layer) => {
                let (images, lease) = (self.images.clone(), self.lease.clone());
                blocking(move || stack(&images, &lease, step, &layer)).await
            }
            Work::Acts(acts) => {
                self.changed(step, move |images, root| perform::acts(images, root, &acts))
                    .await
            }
            Work::Merge(above) => {
                let (images, lease) = (self.images.clone(), self.lease.clone());
                blocking(move || {
                    let mut made = step.parent;
                    for image in above {
                        let layers = layers(&images, &image)?;
                        made = pile(&images, &lease, &step, made, layers)?.or(made);
                    }
                    found(&images, &lease, step, made)
                })
                .await
            }
            Work::Diff(lower, upper) => self.diff(step, lower, upper).await,
            Work::Retell(rows, platform) => {
                let (images, lease) = (self.images.clone(), self.lease.clone());
                blocking(move || retell(&images, &lease, step.parent, (rows, platform))).await
            }
            Work::Run(_) => Err(BuildError::Step("a command needs a container".to_owned())),
        }
    }

    /// A step that works on a root filesystem, on a thread that may wait for the disk.
    async fn changed<F>(&self, step: Step, work: F) -> Result<Base, BuildError>
    where
        F: FnOnce(&Images, BorrowedFd<'_>) -> Result<(), BuildError> + Send + 'static,
    {
        let (owner, images, lease) = (self.unique(), self.images.clone(), self.lease.clone());
        blocking(move || {
            let made = (|| {
                let rootfs = images.prepare(&owner, step.parent.as_ref())?;
                let root = rootfs
                    .mount()
                    .map_err(BuildError::io("failed to mount the image"))?;
                work(&images, root.as_fd())?;
                drop(root);
                set_back(&rootfs, step.epoch)?;
                commit(&images, &lease, step, CommitLayer::Move(&owner))
            })();
            if made.is_err() {
                images.release(&owner)?;
            }
            made
        })
        .await
    }

    /// Makes images of what a command has changed elsewhere than in its root, if it has not failed.
    pub(crate) async fn keep_snapshots(
        &self,
        kept: Vec<Snapshot>,
        history: &HistoryRow,
        succeeded: bool,
    ) -> Result<(), BuildError> {
        for snapshot in kept {
            let (images, lease, history) = (self.images.clone(), self.lease.clone(), history.clone());
            blocking(move || {
                if succeeded {
                    let step = plain(snapshot.mount.image, history);
                    let made = commit(&images, &lease, step, CommitLayer::Move(&snapshot.owner))?;
                    // It is made once.
                    let _ = snapshot.mount.made.set(made.id);
                }
                drop(snapshot);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// A layer upon nothing that makes of one image's files another's: the layers that the other has above the one's, or
    /// what is found by comparing them.
    async fn diff(&self, step: Step, lower: Option<Digest>, upper: Digest) -> Result<Base, BuildError> {
        let (owner, images, lease) = (self.unique(), self.images.clone(), self.lease.clone());
        blocking(move || {
            let own = layers(&images, &upper)?;
            let below = lower.and_then(|lower| images.get(&lower));
            let diff_ids = |image: &Image| image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>();
            let (below, above) = (
                below.as_deref().map(diff_ids).unwrap_or_default(),
                images.get(&upper).as_deref().map(diff_ids).unwrap_or_default(),
            );
            if above.starts_with(&below) {
                let made = pile(
                    &images,
                    &lease,
                    &step,
                    None,
                    own[below.len().min(own.len())..].to_vec(),
                )?;
                return found(&images, &lease, step, made);
            }
            let made = (|| {
                let rootfs = images.prepare(&owner, lower.as_ref())?;
                let failed = || BuildError::io("failed to mount the image");
                let root = rootfs.mount().map_err(failed())?;
                let old = lower.map(|lower| mount(&images, &lower)).transpose()?;
                let old = old.map(DirectoryTree::new);
                let new = DirectoryTree::new(mount(&images, &upper)?);
                perform::become_tree(
                    &images,
                    root.as_fd(),
                    old.as_ref().map(|old| old as &dyn Tree),
                    &new,
                )?;
                drop(root);
                let changes = Rootfs {
                    lower: Vec::new(),
                    ..rootfs
                };
                commit(&images, &lease, step, CommitLayer::Copy(&changes))
            })();
            images.release(&owner)?;
            made
        })
        .await
    }

    /// Makes an image of what a container has changed; it has no root filesystem any more, unless it `stays`.
    pub(crate) async fn commit_container(
        &self,
        owner: &str,
        step: Step,
        (mounted, stays): (Vec<(PathBuf, FileType)>, bool),
    ) -> Result<Base, BuildError> {
        let (images, lease, owner) = (self.images.clone(), self.lease.clone(), owner.to_owned());
        blocking(move || {
            let rootfs = images
                .rootfs(&owner)
                .ok_or_else(|| image::Error::NoSuchSnapshot(owner.clone()))?;
            let below = step.parent.map(|parent| mount(&images, &parent)).transpose()?;
            let below = below.as_ref().map(|below| below.as_fd());
            stubs::remove(&rootfs, below, &mounted).map_err(BuildError::io("removing mount points"))?;
            set_back(&rootfs, step.epoch)?;
            let layer = match stays {
                true => CommitLayer::Copy(&rootfs),
                false => CommitLayer::Move(&owner),
            };
            commit(&images, &lease, step, layer)
        })
        .await
    }
}

/// Makes times reproducible, if that is asked for.
fn set_back(rootfs: &Rootfs, epoch: Option<i64>) -> Result<(), BuildError> {
    match (epoch, &rootfs.upper) {
        (Some(epoch), Some(upper)) => {
            epoch::clamp(upper, epoch).map_err(BuildError::io("setting the times of files back"))
        }
        _ => Ok(()),
    }
}

/// Puts the one layer of an image upon another.
fn stack(images: &Images, lease: &Lease, step: Step, layer: &Digest) -> Result<Base, BuildError> {
    let has_files = images.get(layer).is_some_and(|image| !image.layers.is_empty());
    let top = images.view(layer)?.lower.into_iter().next().filter(|_| has_files);
    let Some(top) = top else {
        return commit(images, lease, step, CommitLayer::None);
    };
    let rootfs = Rootfs {
        lower: Vec::new(),
        upper: Some(top),
        work: None,
    };
    commit(images, lease, step, CommitLayer::Copy(&rootfs))
}

/// The directories of an image's layers, bottom first.
fn layers(images: &Images, image: &Digest) -> Result<Vec<PathBuf>, BuildError> {
    let count = images.get(image).map_or(0, |image| image.layers.len());
    // Where there are too few for an overlay, empty ones stand in below.
    let mut layers: Vec<PathBuf> = images.view(image)?.lower.into_iter().take(count).collect();
    layers.reverse();
    Ok(layers)
}

/// A step that only has files.
fn plain(parent: Option<Digest>, history: HistoryRow) -> Step {
    Step {
        parent,
        config: ImageConfig::for_host(),
        history,
        work: Work::Nothing,
        epoch: None,
        hidden: true,
        wanted: Wanted::default(),
    }
}

/// Puts copies of layers upon an image, or upon nothing; `None` where there were none.
fn pile(
    images: &Images,
    lease: &Lease,
    step: &Step,
    mut upon: Option<Digest>,
    layers: Vec<PathBuf>,
) -> Result<Option<Digest>, BuildError> {
    let any = !layers.is_empty();
    for layer in layers {
        let rootfs = Rootfs {
            lower: Vec::new(),
            upper: Some(layer),
            work: None,
        };
        let one = Step {
            config: step.config.clone(),
            wanted: step.wanted.clone(),
            ..plain(upon, step.history.clone())
        };
        upon = Some(commit(images, lease, one, CommitLayer::Copy(&rootfs))?.id);
    }
    Ok(upon.filter(|_| any))
}

/// An image that was made, or an empty one.
fn found(images: &Images, lease: &Lease, step: Step, made: Option<Digest>) -> Result<Base, BuildError> {
    match made.and_then(|made| images.get(&made)) {
        Some(image) => Ok(base(&image)),
        None => commit(images, lease, step, CommitLayer::None),
    }
}

fn retell(
    images: &Images,
    lease: &Lease,
    image: Option<Digest>,
    (rows, platform): (Vec<HistoryRow>, Platform),
) -> Result<Base, BuildError> {
    let image = image.ok_or_else(|| BuildError::Step("an empty image has no history".to_owned()))?;
    Ok(base(&*images.retell(lease, &image, rows, platform)?))
}

fn mount(images: &Images, image: &Digest) -> Result<OwnedFd, BuildError> {
    images
        .view(image)?
        .mount()
        .map_err(BuildError::io("failed to mount the image"))
}

fn commit(images: &Images, lease: &Lease, step: Step, layer: CommitLayer<'_>) -> Result<Base, BuildError> {
    let (parent, config, history, hidden) = (step.parent, step.config, step.history, step.hidden);
    let wanted = step.wanted;
    let commit = Commit {
        parent: parent.as_ref(),
        layer,
        config,
        history,
        reference: None,
        hidden,
        lease: Some(lease),
    };
    Ok(base(&*images.commit_wanted(commit, &wanted)?))
}

fn base(image: &Image) -> Base {
    Base {
        id: image.id,
        config: image.config.clone(),
        parent: image.parent,
        made_here: image.made_here,
    }
}
