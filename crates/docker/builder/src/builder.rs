//! The room's door: see the crate's own comment.

mod choose;
mod container;
mod files;
mod mounts;
mod remote;
mod solve;
mod usage;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::driver::Clock;
use engine::Engine;
use engine::events::{Actor, Event, Kind};
use image::{Digest, Images, Lease, Reference};
use store::Store;
use tokio::sync::{mpsc, watch};

pub use container::{
    BuildContainer, Command, ContainerFiles, ContainerRequest, Found, FoundKind, Process, Running,
};
pub use files::HISTORY;
pub use mounts::MAX_CACHE_MOUNT;
pub use usage::{CacheKind, CacheRecord, Pruned};

use self::files::{CACHES, Scratch, clear, open_files};
use crate::cache::Cache;
use crate::cache_mounts::CacheMounts;
use crate::context;
use crate::driver::{Driver, Named, Options, blocking};
use crate::node::{Containers, FileSteps, Mounter, NodeExecutor};
use crate::output::Output;
use crate::services::{Asker, Entitlements, NamedContext, NamedContexts, Services, StepCache};
use crate::source::{Fetch, GitSource};
use crate::tree::Tree;
use crate::{BuildContext, BuildError, BuildRequest, Progress, platform};

/// Builds images. Clones are handles to the same cache.
#[derive(Clone)]
pub struct Builder {
    engine: Engine,
    images: Images,
    cache: Arc<Cache>,
    cache_mounts: Arc<CacheMounts>,
    fetch: Option<Arc<dyn Fetch>>,
    scratch: Arc<Path>,
    builds: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
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
        clear(&data_dir).map_err(BuildError::io("clearing the builder's directory"))?;
        let caches = data_dir.join(CACHES);
        let cache_mounts = Arc::new(CacheMounts::open(store.clone(), clock.clone(), caches)?);
        let cache = Cache::open(store, clock.clone()).map_err(image::Error::from)?;
        usage::sweep(&images, &cache)?;
        let (cache, builds) = (Arc::new(cache), Arc::default());
        Ok(Self {
            engine,
            images,
            cache,
            cache_mounts,
            fetch: None,
            scratch: data_dir.into(),
            builds,
            clock,
        })
    }

    /// Gives the builder a way to addresses: without one `ADD` of an address is refused.
    #[must_use]
    pub fn with_fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// The context at an address (`docker build URL`): a repository's files, an archive, or one Dockerfile. A repository comes
    /// with `.git` if `history` says so, unless its address says otherwise.
    ///
    /// # Errors
    /// It is no address, or it was not fetched.
    pub async fn remote(
        &self,
        address: &str,
        history: bool,
        asker: Asker,
    ) -> Result<BuildContext, BuildError> {
        let fetch = self.fetcher()?;
        remote::context(self, &*fetch, address, history, asker).await
    }

    /// The file at an address by itself, or a repository's files with `.git` (`--build-context NAME=URL`).
    ///
    /// # Errors
    /// As [`Self::remote`].
    pub async fn remote_file(&self, address: &str, asker: Asker) -> Result<BuildContext, BuildError> {
        if GitSource::parse(address).map_err(BuildError::Invalid)?.is_some() {
            return self.remote(address, true, asker).await;
        }
        let fetch = self.fetcher()?;
        remote::file(self, &*fetch, address, &asker).await
    }

    fn fetcher(&self) -> Result<Arc<dyn Fetch>, BuildError> {
        let sentence = || BuildError::Unsupported("this builder fetches nothing from addresses".to_owned());
        self.fetch.clone().ok_or_else(sentence)
    }

    /// The way to addresses, if there is one.
    #[must_use]
    pub fn fetch(&self) -> Option<Arc<dyn Fetch>> {
        self.fetch.clone()
    }

    /// Reads the Dockerfile of a context: what it is called there, and its text. What is compressed is unpacked for it.
    ///
    /// # Errors
    /// There is none, or the disk's.
    pub async fn dockerfile(
        &self,
        context: BuildContext,
        name: String,
    ) -> Result<(String, Vec<u8>), BuildError> {
        let (images, scratch) = (self.images.clone(), Scratch(self.scratch.join(self.name())));
        blocking(move || {
            let tree = open_files(&images, context, &scratch.0.join("context"))?;
            context::dockerfile(&*tree, &name).map(|(name, text)| (name.to_owned(), text))
        })
        .await
    }

    /// The builder's own directory. What an unclean end leaves in it is removed when it is opened again.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.scratch
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
        Ok(self.build_held(request, output).await?.0)
    }

    /// As [`Self::build`]. While the lease lasts, nobody removes the image, named or not.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn build_held(
        &self,
        request: BuildRequest,
        output: mpsc::Sender<Progress>,
    ) -> Result<(Digest, Lease), BuildError> {
        let (builder, quiet) = (self.clone(), request.quiet);
        apart(output, quiet, |output| async move {
            builder.run(request, &output).await
        })
        .await
    }

    async fn run(&self, request: BuildRequest, output: &Output) -> Result<(Digest, Lease), BuildError> {
        if request.squash {
            return Err(BuildError::Invalid(
                "squash is only supported with experimental mode".to_owned(),
            ));
        }
        let platform = request.platform.as_deref().filter(|asked| !asked.is_empty());
        let platform = platform.map(platform::wanted).transpose()?;
        let name = self.name();
        // From when it is made until it has its names, or somebody was told its id: no prune comes between.
        let held = self.images.lease(&format!("{name}/result"))?;
        let containers = Containers {
            networking: Containers::networking(&self.engine, &request.network_mode, request.extra_hosts)?,
            resources: request.resources,
            shm_size: request.shm_size,
            rm: request.rm,
            force_rm: request.force_rm,
            stay: request.stay,
        };
        let scratch = Scratch(self.scratch.join(&name));
        let context_age = request.context.age();
        let ages = request
            .contexts
            .iter()
            .filter_map(|(name, context)| match context {
                NamedContext::Files(files) => Some((name.to_lowercase(), files.age())),
                NamedContext::Image(_) | NamedContext::Result(_) => None,
            });
        let context_ages = ages.collect();
        let (tree, file) = self
            .context(
                request.context,
                (request.dockerfile, request.text),
                scratch.0.clone(),
            )
            .await?;
        let contexts = self.named_contexts(request.contexts, &scratch.0).await?;
        let seeds = request.services.steps.clone();
        let options = Options {
            args: request.args,
            dialect: request.dialect,
            target: request.target,
            stage: request.stage,
            labels: request.labels,
            no_cache: request.no_cache,
            no_cache_stages: request.no_cache_stages,
            platform,
            platform_shown: request.platform_shown,
            pull: request.pull,
            rm: request.rm,
            cache_from: request.cache_from,
            services: Services {
                fetch: request.services.fetch.clone().or_else(|| self.fetch.clone()),
                ..request.services
            },
            entitlements: Entitlements {
                // Who asks for the host's network for all steps allows it to each.
                network_host: request.entitlements.network_host || request.network_mode == "host",
                ..request.entitlements
            },
            contexts,
            context_age,
            context_ages,
        };
        let executor = self.executor(name, scratch.0.clone(), containers, seeds)?;
        let driver = Driver::new(
            executor.clone(),
            self.cache.clone(),
            output.clone(),
            tree,
            options,
        );
        let built = driver.build(file).await;
        if let Ok(image) = &built {
            held.add(image)?;
        }
        let kept = keep(executor).await;
        let image = built?;
        kept?;
        self.finish(image, request.tags, output).await?;
        Ok((image, held))
    }

    /// What carries steps out, in a directory of the build's own.
    fn executor(
        &self,
        name: String,
        scratch: PathBuf,
        containers: Containers,
        seeds: Option<Arc<dyn StepCache>>,
    ) -> Result<Arc<NodeExecutor>, BuildError> {
        let files = FileSteps::begin(self.images.clone(), name, scratch)?;
        let caches = self.cache_mounts.clone();
        let mounter = Mounter::new(self.images.clone(), caches, files.directory(), seeds);
        Ok(Arc::new(NodeExecutor::new(
            self.engine.clone(),
            files,
            mounter,
            containers,
        )))
    }

    async fn named_contexts(
        &self,
        contexts: NamedContexts,
        scratch: &Path,
    ) -> Result<BTreeMap<String, Named>, BuildError> {
        let mut opened = BTreeMap::new();
        for (number, (name, context)) in contexts.into_iter().enumerate() {
            let named = match context {
                NamedContext::Image(image) => Named::Image(image),
                NamedContext::Result(image) => Named::Result(image),
                NamedContext::Files(context) => {
                    let (images, directory) =
                        (self.images.clone(), scratch.join(format!("context-{number}")));
                    Named::Files(blocking(move || open_files(&images, context, &directory)).await?)
                }
            };
            opened.insert(name.to_lowercase(), named);
        }
        Ok(opened)
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
        (dockerfile, text): (String, Option<Vec<u8>>),
        scratch: PathBuf,
    ) -> Result<(Arc<dyn Tree>, crate::dockerfile::Dockerfile), BuildError> {
        let images = self.images.clone();
        blocking(move || {
            // A client heeds `.dockerignore` itself.
            let whole = !matches!(context, BuildContext::Archive(_));
            let tree = open_files(&images, context, &scratch.join("context"))?;
            match text {
                Some(text) => Ok((tree, context::parse(&dockerfile, &text)?)),
                None => context::open(tree, &dockerfile, whole),
            }
        })
        .await
    }

    async fn finish(&self, image: Digest, tags: Vec<Reference>, output: &Output) -> Result<(), BuildError> {
        output
            .text(format!("Successfully built {}\n", image.short()))
            .await?;
        for tag in tags {
            let (images, familiar) = (self.images.clone(), tag.familiar());
            blocking(move || Ok(images.tag(&image, &tag)?)).await?;
            self.tell_tagged(&image, &familiar);
            output.text(format!("Successfully tagged {familiar}\n")).await?;
        }
        if output.is_quiet() {
            output.last(format!("{image}\n")).await;
        }
        Ok(())
    }

    /// Upstream's event of a new name (`docker events`).
    fn tell_tagged(&self, image: &Digest, name: &str) {
        let labels = self
            .images
            .get(image)
            .map(|image| image.config.config.labels.clone());
        let mut attributes = labels.unwrap_or_default();
        attributes.insert("name".to_owned(), name.to_owned());
        self.engine.events().publish(Event {
            kind: Kind::Image,
            action: "tag".to_owned(),
            actor: Actor {
                id: image.to_string(),
                attributes,
            },
            time: self.cache.now(),
        });
    }
}

/// Does a build as a task of its own, so that it can clear up after a caller who is gone.
async fn apart<T, F>(
    output: mpsc::Sender<Progress>,
    quiet: bool,
    build: impl FnOnce(Output) -> F + Send,
) -> Result<T, BuildError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, BuildError>> + Send + 'static,
{
    let (alive, caller) = watch::channel(());
    let output = Output::new(output, caller, quiet);
    let building = build(output.clone());
    let task = tokio::spawn(async move {
        let built = building.await;
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

/// Ends a build: what it made stays.
async fn keep(executor: Arc<NodeExecutor>) -> Result<(), BuildError> {
    match Arc::into_inner(executor) {
        Some(executor) => blocking(move || executor.keep()).await,
        None => Err(BuildError::Step("a build step is still running".to_owned())),
    }
}
