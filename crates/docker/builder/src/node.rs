//! The executor of a node: images for files, containers for commands.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::spec::{
    ContainerSpec, EndpointSettings, LogDriver, MountKind, MountSpec, NetworkMode, Networking, Resources, VolumeSource,
};
use engine::{Attach, ContainerId, Create, Engine, ImageRef, Owner, Remove, Stream, WaitCondition};
use image::{Commit, CommitLayer, Digest, Images, Lease};

use crate::BuildError;
use crate::context::DirectoryTree;
use crate::driver::blocking;
use crate::executor::{Base, Executor, RunPlan, Step, Work};
use crate::output::Output;
use crate::perform;
use crate::tree::Tree;

/// What a request says of its containers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Containers {
    pub(crate) resources: Resources,
    pub(crate) networking: Networking,
    pub(crate) shm_size: u64,
    pub(crate) rm: bool,
    pub(crate) force_rm: bool,
}

impl Containers {
    /// The networking that a request's network mode means.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) fn networking(engine: &Engine, mode: &str, extra_hosts: Vec<String>) -> Result<Networking, BuildError> {
        let mut networking = Networking { extra_hosts, ..Networking::default() };
        networking.mode = match mode {
            "none" => NetworkMode::None,
            "host" => NetworkMode::Host,
            mode => match mode.strip_prefix("container:") {
                Some(container) => NetworkMode::Container(engine.find(container)?.id.as_str().to_owned()),
                None => {
                    let network = if matches!(mode, "" | "default") { "bridge" } else { mode };
                    networking.endpoints.push((network.to_owned(), EndpointSettings::default()));
                    NetworkMode::Networks
                }
            },
        };
        Ok(networking)
    }
}

/// The executor of one build.
pub(crate) struct NodeExecutor {
    engine: Engine,
    images: Images,
    lease: Arc<Lease>,
    /// Unique; names of what is made for a step begin with it.
    name: String,
    steps: AtomicU64,
    /// Where programs of here-documents lie while they run.
    scratch: PathBuf,
    containers: Containers,
}

impl NodeExecutor {
    pub(crate) fn new(
        engine: Engine,
        images: Images,
        lease: Lease,
        name: String,
        scratch: PathBuf,
        containers: Containers,
    ) -> Self {
        Self { engine, images, lease: Arc::new(lease), name, steps: AtomicU64::new(0), scratch, containers }
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

    /// A step that works on files, on a thread that may wait for the disk.
    async fn files<F>(&self, step: Step, work: F) -> Result<Base, BuildError>
    where
        F: FnOnce(&Images, BorrowedFd<'_>) -> Result<(), BuildError> + Send + 'static,
    {
        let owner = format!("{}-{}", self.name, self.steps.fetch_add(1, Ordering::Relaxed));
        let (images, lease) = (self.images.clone(), self.lease.clone());
        blocking(move || {
            let made = (|| {
                let rootfs = images.prepare(&owner, step.parent.as_ref())?;
                let root = rootfs.mount().map_err(BuildError::io("failed to mount the image"))?;
                work(&images, root.as_fd())?;
                drop(root);
                commit(&images, &lease, &step, CommitLayer::Move(&owner))
            })();
            if made.is_err() {
                images.release(&owner)?;
            }
            made
        })
        .await
    }

    async fn metadata(&self, step: Step) -> Result<Base, BuildError> {
        let (images, lease) = (self.images.clone(), self.lease.clone());
        blocking(move || commit(&images, &lease, &step, CommitLayer::None)).await
    }

    async fn run(&self, step: Step, plan: RunPlan, output: &Output) -> Result<Base, BuildError> {
        let script = self.write_script(&plan).await?;
        let create = Create {
            name: None,
            spec: self.spec(&step, &plan, script.as_deref()),
            image: step.parent.map(|id| ImageRef { reference: id.to_string(), id: id.to_string() }),
            owner: Owner::Build,
            door: serde_json::Value::Null,
        };
        let created = self.engine.create(create).await?;
        let id = created.id;
        let made = self.run_container(&id, &created.warnings, step, &plan, output).await;
        let cancelled = matches!(made, Err(BuildError::Cancelled));
        if self.containers.force_rm || cancelled || (self.containers.rm && made.is_ok()) {
            self.engine.remove(&id, Remove { force: true, volumes: true }).await?;
            if !cancelled {
                output.text(format!("Removing intermediate container {}\n", id.short())).await?;
            }
        }
        if let Some(script) = script {
            blocking(move || std::fs::remove_dir_all(script).map_err(BuildError::io("removing a script"))).await?;
        }
        made
    }

    async fn run_container(
        &self,
        id: &ContainerId,
        warnings: &[String],
        step: Step,
        plan: &RunPlan,
        output: &Output,
    ) -> Result<Base, BuildError> {
        for warning in warnings {
            output.text(format!(" ---> [Warning] {warning}\n")).await?;
        }
        output.text(format!(" ---> Running in {}\n", id.short())).await?;
        let streams = Attach { stdout: true, stderr: true, stream: true, ..Attach::default() };
        let mut attached = self.engine.attach(id, streams).await?;
        self.engine.start(id).await?;
        loop {
            // Cancel-safe: a message that was not received stays in the channel.
            let message = tokio::select! {
                message = attached.output.recv() => message,
                () = output.cancelled() => return Err(BuildError::Cancelled),
            };
            match message {
                Some((Stream::Stdout, bytes)) => output.text(String::from_utf8_lossy(&bytes)).await?,
                Some((Stream::Stderr, bytes)) => output.error_text(&String::from_utf8_lossy(&bytes)).await?,
                None => break,
            }
        }
        let exit = tokio::select! {
            exit = self.engine.wait(id, WaitCondition::NotRunning) => exit?,
            () = output.cancelled() => return Err(BuildError::Cancelled),
        };
        if exit.code != 0 {
            return Err(BuildError::Command { command: plan.args.join(" "), code: exit.code });
        }
        self.commit_container(id, step).await
    }

    async fn commit_container(&self, id: &ContainerId, step: Step) -> Result<Base, BuildError> {
        let (images, lease, id, moves) = (self.images.clone(), self.lease.clone(), id.clone(), self.containers.rm);
        blocking(move || {
            if moves || images.rootfs(&id).is_none() {
                return commit(&images, &lease, &step, CommitLayer::Move(&id));
            }
            let rootfs = images.rootfs(&id).ok_or_else(|| BuildError::Step(format!("no snapshot of {id}")))?;
            commit(&images, &lease, &step, CommitLayer::Copy(&rootfs))
        })
        .await
    }

    async fn write_script(&self, plan: &RunPlan) -> Result<Option<PathBuf>, BuildError> {
        let Some((name, text)) = plan.script.clone() else {
            return Ok(None);
        };
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let directory = self.scratch.join(format!("{}-{step}", self.name));
        blocking(move || write_program(&directory, &name, &text).map(|()| Some(directory))).await
    }

    fn spec(&self, step: &Step, plan: &RunPlan, script: Option<&Path>) -> ContainerSpec {
        let volumes = step.config.config.volumes.keys().map(|target| MountSpec {
            target: crate::dockerignore::clean(&format!("/{target}")),
            read_only: false,
            kind: MountKind::Volume {
                source: VolumeSource::Anonymous { labels: BTreeMap::new() },
                no_copy: false,
                subpath: String::new(),
                propagation: None,
            },
        });
        let script = script.map(|source| MountSpec {
            target: "/dev/pipes".to_owned(),
            read_only: true,
            kind: MountKind::Bind {
                source: source.to_string_lossy().into_owned(),
                propagation: None,
                non_recursive: false,
                read_only_non_recursive: false,
                create_source: false,
            },
        });
        ContainerSpec {
            args: plan.args.clone(),
            env: plan.env.clone(),
            cwd: plan.cwd.clone(),
            user: plan.user.clone(),
            labels: step.config.config.labels.clone(),
            resources: self.containers.resources.clone(),
            mounts: volumes.chain(script).collect(),
            shm_size: self.containers.shm_size,
            network: self.containers.networking.clone(),
            log: LogDriver::None,
            ..ContainerSpec::default()
        }
    }
}

fn write_program(directory: &Path, name: &str, text: &str) -> Result<(), BuildError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = || BuildError::io("writing a here-document");
    std::fs::create_dir_all(directory).map_err(failed())?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(directory.join(name));
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).map_err(failed())
}

fn commit(images: &Images, lease: &Lease, step: &Step, layer: CommitLayer<'_>) -> Result<Base, BuildError> {
    let image = images.commit(Commit {
        parent: step.parent.as_ref(),
        layer,
        config: step.config.clone(),
        history: step.history.clone(),
        reference: None,
        lease: Some(lease),
    })?;
    Ok(Base { id: image.id, config: image.config.clone(), made_here: image.made_here })
}

impl Executor for NodeExecutor {
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError> {
        match self.images.resolve(reference) {
            Ok(image) => Ok(Some(Base { id: image.id, config: image.config.clone(), made_here: image.made_here })),
            Err(error) if error.kind() == image::Kind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError> {
        match self.lease.add(id) {
            Ok(()) => {}
            Err(error) if error.kind() == image::Kind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let image = self.images.get(id);
        Ok(image.map(|image| Base { id: image.id, config: image.config.clone(), made_here: image.made_here }))
    }

    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError> {
        let failed = || BuildError::io("failed to mount the image");
        let Some(image) = image else {
            std::fs::create_dir_all(self.scratch.join("empty")).map_err(failed())?;
            return Ok(Arc::new(DirectoryTree::open(&self.scratch.join("empty")).map_err(failed())?));
        };
        let root = self.images.view(image)?.mount().map_err(failed())?;
        Ok(Arc::new(DirectoryTree::new(root)))
    }

    async fn carry_out(&self, step: Step, output: &Output) -> Result<Base, BuildError> {
        let mut step = step;
        match std::mem::replace(&mut step.work, Work::Nothing) {
            Work::Nothing => self.metadata(step).await,
            Work::Directory(path) => self.files(step, move |_, root| perform::make_directory(root, &path)).await,
            Work::Copy(plan) => {
                let working_dir = step.config.config.working_dir.clone();
                self.files(step, move |images, root| perform::copy(images, root, &plan, &working_dir)).await
            }
            Work::Run(plan) => self.run(step, plan, output).await,
        }
    }
}
