//! The room's door: see the crate's own comment.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::driver::Clock;
use engine::Engine;
use image::archive::Unpack;
use image::{Digest, Image, Images, Platform, Reference};
use jiff::Timestamp;
use store::Store;
use tokio::sync::{mpsc, watch};

use crate::cache::Cache;
use crate::context::{self, DirectoryTree, Opened};
use crate::driver::{Driver, Options, blocking, check_platform};
use crate::node::{Containers, FileSteps, NodeExecutor};
use crate::output::Output;
use crate::tree::Tree;
use crate::{BuildContext, BuildError, BuildRequest, Progress};

/// Builds images. Clones are handles to the same cache.
#[derive(Clone)]
pub struct Builder {
    engine: Engine,
    images: Images,
    cache: Arc<Cache>,
    scratch: Arc<Path>,
    builds: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// A step that the cache has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRecord {
    /// Its key.
    pub id: String,
    /// The image it made.
    pub image: Digest,
    /// The image it was carried out on.
    pub parent: Option<Digest>,
    /// Its command line.
    pub description: String,
    /// Bytes of the files of the layer that it made.
    pub size: u64,
    /// When it was carried out.
    pub created: Timestamp,
    /// When it was used last.
    pub last_used: Timestamp,
    /// How often it was used since.
    pub uses: u64,
    /// Whether its image has a name, or one that has was built upon it.
    pub in_use: bool,
}

/// What [`Builder::prune`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Keys of the steps that were forgotten.
    pub steps: Vec<String>,
    /// Bytes of the files of the layers that went with them.
    pub reclaimed: u64,
}

impl Builder {
    /// The builder of a node. `data_dir` is its own directory (DATA/build); what an unclean end
    /// has left in it is removed.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub fn open(
        engine: Engine,
        images: Images,
        store: Arc<dyn Store>,
        data_dir: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        match std::fs::remove_dir_all(&data_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BuildError::Io {
                    what: "clearing the builder's directory",
                    source: error,
                });
            }
            _ => {}
        }
        std::fs::create_dir_all(&data_dir).map_err(BuildError::io("making the builder's directory"))?;
        let cache = Cache::open(store, clock.clone()).map_err(image::Error::from)?;
        let (cache, builds) = (Arc::new(cache), Arc::default());
        Ok(Self {
            engine,
            images,
            cache,
            scratch: data_dir.into(),
            builds,
            clock,
        })
    }

    /// A file without a name for a context that is being received. It takes no more than
    /// [`crate::MAX_CONTEXT`] bytes by agreement: whoever receives counts.
    ///
    /// # Errors
    /// The disk's.
    pub fn spool(&self) -> std::io::Result<File> {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        Ok(File::from(open(
            &*self.scratch,
            flags,
            Mode::from_raw_mode(0o600),
        )?))
    }

    /// Builds an image and tells of it on the way. Dropping the future, or the receiver of the
    /// messages, cancels the build; its container is gone soon after.
    ///
    /// # Errors
    /// [`BuildError`]. Images of steps that were done stay, nameless, for the next build.
    pub async fn build(
        &self,
        request: BuildRequest,
        output: mpsc::Sender<Progress>,
    ) -> Result<Digest, BuildError> {
        // The build is a task of its own so that it can clear up after a caller who is gone.
        let (alive, caller) = watch::channel(());
        let output = Output::new(output, caller, request.quiet);
        let builder = self.clone();
        let task = tokio::spawn(async move {
            let built = builder.run(request, &output).await;
            if built.is_err() {
                output.release().await;
            }
            built
        });
        let built = task
            .await
            .unwrap_or_else(|_| Err(BuildError::Step("the build ended unexpectedly".to_owned())));
        drop(alive);
        built
    }

    async fn run(&self, request: BuildRequest, output: &Output) -> Result<Digest, BuildError> {
        if request.squash {
            return Err(BuildError::Invalid(
                "squash is only supported with experimental mode".to_owned(),
            ));
        }
        if let Some(platform) = request
            .platform
            .as_deref()
            .filter(|platform| !platform.is_empty())
        {
            check_platform(platform, &Platform::host())?;
        }
        let name = self.name();
        let containers = Containers {
            networking: Containers::networking(&self.engine, &request.network_mode, request.extra_hosts)?,
            resources: request.resources,
            shm_size: request.shm_size,
            rm: request.rm,
            force_rm: request.force_rm,
        };
        let scratch = Scratch(self.scratch.join(&name));
        let (tree, file) = self
            .context(request.context, request.dockerfile, scratch.0.clone())
            .await?;
        let options = Options {
            args: request.args,
            target: request.target,
            labels: request.labels,
            no_cache: request.no_cache,
            pull: request.pull,
            rm: request.rm,
        };
        let files = FileSteps::begin(self.images.clone(), name, scratch.0.clone())?;
        let executor = Arc::new(NodeExecutor::new(self.engine.clone(), files, containers));
        let driver = Driver::new(
            executor.clone(),
            self.cache.clone(),
            output.clone(),
            tree,
            options,
        );
        let built = driver.build(file).await;
        let kept = match Arc::into_inner(executor) {
            Some(executor) => blocking(move || executor.keep()).await,
            None => Err(BuildError::Step("a build step is still running".to_owned())),
        };
        let image = built?;
        kept?;
        self.finish(image, request.tags, output).await
    }

    fn name(&self) -> String {
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        let time = self
            .clock
            .wall()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        format!("build-{}-{number}", time.as_nanos())
    }

    async fn context(
        &self,
        context: BuildContext,
        dockerfile: String,
        scratch: PathBuf,
    ) -> Result<(Arc<dyn Tree>, crate::dockerfile::Dockerfile), BuildError> {
        let images = self.images.clone();
        blocking(move || {
            let tree = match context::look(context)? {
                Opened::Tree(tree) => tree,
                Opened::Compressed(file) => unpack(&images, file, &scratch.join("context"))?,
            };
            context::open(tree, &dockerfile)
        })
        .await
    }

    async fn finish(
        &self,
        image: Digest,
        tags: Vec<Reference>,
        output: &Output,
    ) -> Result<Digest, BuildError> {
        output
            .text(format!("Successfully built {}\n", image.short()))
            .await?;
        for tag in tags {
            let (images, familiar) = (self.images.clone(), tag.familiar());
            blocking(move || Ok(images.tag(&image, &tag)?)).await?;
            output.text(format!("Successfully tagged {familiar}\n")).await?;
        }
        if output.is_quiet() {
            output.last(format!("{image}\n")).await;
        }
        Ok(image)
    }

    /// What the cache has, in the order of its keys.
    #[must_use]
    pub fn usage(&self) -> Vec<CacheRecord> {
        let record = |(key, row): (Digest, crate::cache::StepRow)| {
            let image = self.images.get(&row.image)?;
            Some(CacheRecord {
                id: key.hex(),
                image: row.image,
                parent: row.parent,
                description: row.description,
                size: own_size(&self.images, &image),
                created: row.created,
                last_used: row.last_used,
                uses: row.uses,
                in_use: !image.is_dangling() || !self.images.children(&image.id).is_empty(),
            })
        };
        self.cache.steps().into_iter().filter_map(record).collect()
    }

    /// Forgets the steps that the filter lets pass (all that nobody uses, unless `all`), and
    /// removes their images where nothing else needs them.
    ///
    /// # Errors
    /// [`image::Error::PruneRunning`] and the disk's.
    pub async fn prune(
        &self,
        all: bool,
        filter: impl Fn(&CacheRecord) -> bool + Send,
    ) -> Result<Pruned, BuildError> {
        let chosen: Vec<CacheRecord> = self
            .usage()
            .into_iter()
            .filter(|record| (all || !record.in_use) && filter(record))
            .collect();
        let steps = chosen.iter().map(|record| record.id.clone()).collect();
        for record in &chosen {
            if let Ok(key) = Digest::from_hex(&record.id) {
                self.cache.forget(&key);
            }
        }
        let (images, engine) = (self.images.clone(), self.engine.clone());
        blocking(move || {
            let chosen: std::collections::BTreeSet<Digest> =
                chosen.iter().map(|record| record.image).collect();
            let used = |id: &Digest| uses(&engine, id);
            let pruned = images.prune(&|image| image.is_dangling() && chosen.contains(&image.id), &used)?;
            Ok(Pruned {
                steps,
                reclaimed: pruned.reclaimed,
            })
        })
        .await
    }
}

/// Containers made from an image.
fn uses(engine: &Engine, id: &Digest) -> Vec<image::Use> {
    let id = id.to_string();
    let made_from =
        |container: &Arc<engine::Container>| container.image.as_ref().is_some_and(|image| image.id == id);
    let containers = engine.list().into_iter().filter(made_from);
    containers
        .map(|container| image::Use {
            container: container.id.as_str().to_owned(),
            running: container.state.status.is_running(),
        })
        .collect()
}

/// Bytes that an image adds to its parent.
fn own_size(images: &Images, image: &Image) -> u64 {
    let below = image
        .parent
        .and_then(|parent| images.get(&parent))
        .map_or(0, |parent| parent.size);
    image.size.saturating_sub(below)
}

fn unpack(images: &Images, mut archive: File, directory: &Path) -> Result<Arc<dyn Tree>, BuildError> {
    let failed = || BuildError::io("unpacking the build context");
    std::fs::create_dir_all(directory).map_err(failed())?;
    let root = File::open(directory).map_err(failed())?;
    std::io::Seek::rewind(&mut archive).map_err(failed())?;
    images.unpack(root.as_fd(), Path::new("/"), &mut archive, &Unpack::default())?;
    Ok(Arc::new(DirectoryTree::open(directory).map_err(failed())?))
}

/// A directory that goes with the build.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // There may be none; and what stays is removed when the builder is opened again.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
