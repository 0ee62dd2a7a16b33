//! The executor of a node: images for files ([`files`]), containers for commands.

mod epoch;
mod files;
mod mounts;
mod stubs;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::spec::{
    ContainerSpec, EndpointSettings, Isolation, LogDriver, MountKind, MountSpec, NetworkMode, Networking,
    Resources, Ulimit, VolumeSource,
};
use engine::{Attach, ContainerId, Create, Engine, ImageRef, Owner, Remove, Stream, WaitCondition};
use image::archive::Interest;
use image::{Digest, ImageConfig, Platform};

pub(crate) use files::FileSteps;
pub(crate) use mounts::{Mounter, Ready, Snapshot, take_away};

use crate::BuildError;
use crate::dockerfile::RunNetwork;
use crate::driver::blocking;
use crate::executor::{Base, Executor, RunPlan, Step, Work};
use crate::output::Output;
use crate::request::FailedCommand;
use crate::tree::Tree;

/// What a request says of its containers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Containers {
    pub(crate) resources: Resources,
    pub(crate) networking: Networking,
    pub(crate) shm_size: u64,
    pub(crate) rm: bool,
    pub(crate) force_rm: bool,
    /// Whether those that are not removed stay for clients to see.
    pub(crate) stay: bool,
}

impl Containers {
    /// Whether the container of a step stays that ended so.
    fn keeps<T>(&self, made: &Result<T, BuildError>) -> bool {
        self.stay
            && match made {
                Ok(_) => !self.rm && !self.force_rm,
                // Upstream's builder takes it along when it is told to stop.
                Err(BuildError::Cancelled) => false,
                Err(_) => !self.force_rm,
            }
    }

    /// The networking that a request's network mode means.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) fn networking(
        engine: &Engine,
        mode: &str,
        extra_hosts: Vec<String>,
    ) -> Result<Networking, BuildError> {
        let mut networking = Networking {
            extra_hosts,
            ..Networking::default()
        };
        networking.mode = match mode {
            "none" => NetworkMode::None,
            "host" => NetworkMode::Host,
            mode => match mode.strip_prefix("container:") {
                Some(container) => NetworkMode::Container(engine.find(container)?.id.as_str().to_owned()),
                None => {
                    let network = if matches!(mode, "" | "default") {
                        "bridge"
                    } else {
                        mode
                    };
                    networking
                        .endpoints
                        .push((network.to_owned(), EndpointSettings::default()));
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
    files: FileSteps,
    mounter: Arc<Mounter>,
    containers: Containers,
}

impl NodeExecutor {
    pub(crate) fn new(engine: Engine, files: FileSteps, mounter: Mounter, containers: Containers) -> Self {
        Self {
            engine,
            files,
            mounter: Arc::new(mounter),
            containers,
        }
    }

    /// Ends the build: what it made stays.
    ///
    /// # Errors
    /// The disk's or the store's.
    pub(crate) fn keep(self) -> Result<(), BuildError> {
        self.files.keep()
    }

    async fn run(&self, step: Step, plan: RunPlan, output: &Output) -> Result<Base, BuildError> {
        let mut ready = self
            .mounter
            .prepare(&self.files.unique(), &plan.mounts, output)
            .await?;
        let kept = std::mem::take(&mut ready.kept);
        let history = step.history.clone();
        let made = self.run_with(step, &plan, &ready, output).await;
        // Taking mounts back waits for the kernel.
        blocking(move || {
            drop(ready);
            Ok(())
        })
        .await?;
        self.files.keep_snapshots(kept, &history, made.is_ok()).await?;
        made
    }

    async fn run_with(
        &self,
        step: Step,
        plan: &RunPlan,
        ready: &Ready,
        output: &Output,
    ) -> Result<Base, BuildError> {
        let script = self.write_script(plan).await?;
        let create = Create {
            name: None,
            spec: ContainerSpec {
                labels: step.config.config.labels.clone(),
                ..self.spec(plan, ready, script.as_deref())
            },
            image: step.parent.map(|id| ImageRef {
                reference: id.to_string(),
                id: id.to_string(),
            }),
            owner: Owner::Build,
            door: serde_json::Value::Null,
        };
        let created = self.engine.create(create).await?;
        let id = created.id;
        let made = self
            .run_container(&id, &created.warnings, step, (plan, ready), output)
            .await;
        if self.containers.keeps(&made) {
            self.engine.leave_to_clients(&id).await?;
        } else {
            let remove = Remove {
                force: true,
                volumes: true,
            };
            self.engine.remove(&id, remove).await?;
        }
        let told = match &made {
            Ok(_) => self.containers.rm || self.containers.force_rm,
            Err(BuildError::Cancelled) => false,
            Err(_) => self.containers.force_rm,
        };
        if told {
            output
                .text(format!("Removing intermediate container {}\n", id.short()))
                .await?;
        }
        if let Some(script) = script {
            blocking(move || std::fs::remove_dir_all(script).map_err(BuildError::io("removing a script")))
                .await?;
        }
        made
    }

    async fn run_container(
        &self,
        id: &ContainerId,
        warnings: &[String],
        step: Step,
        (plan, ready): (&RunPlan, &Ready),
        output: &Output,
    ) -> Result<Base, BuildError> {
        for warning in warnings {
            output.text(format!(" ---> [Warning] {warning}\n")).await?;
        }
        output.text(format!(" ---> Running in {}\n", id.short())).await?;
        let streams = Attach {
            stdout: true,
            stderr: true,
            stream: true,
            ..Attach::default()
        };
        let mut attached = self.engine.attach(id, streams).await?;
        if let Err(error) = self.engine.start(id).await {
            return Err(not_started(error, plan, output).await?);
        }
        loop {
            // Cancel-safe: a message that was not received stays in the channel.
            let message = tokio::select! {
                message = attached.output.recv() => message,
                () = output.cancelled() => return Err(BuildError::Cancelled),
            };
            match message {
                Some((Stream::Stdout, bytes)) => output.program(1, &bytes).await?,
                Some((Stream::Stderr, bytes)) => output.program(2, &bytes).await?,
                None => break,
            }
        }
        let exit = tokio::select! {
            exit = self.engine.wait(id, WaitCondition::NotRunning) => exit?,
            () = output.cancelled() => return Err(BuildError::Cancelled),
        };
        if !plan.accepts(exit.code) {
            return Err(BuildError::Command {
                at: Some(Box::new(FailedCommand {
                    image: step.parent,
                    args: plan.args.clone(),
                    env: plan.told_env.clone(),
                    cwd: plan.cwd.clone(),
                    user: plan.user.clone(),
                })),
                command: plan.args.join(" "),
                code: exit.code,
                out_of_memory: self
                    .engine
                    .find(id.as_str())
                    .is_ok_and(|ended| ended.state.oom_killed),
            });
        }
        let stays = self.containers.keeps(&Ok(()));
        self.files
            .commit_container(id, step, (ready.stubs.clone(), stays))
            .await
    }

    async fn write_script(&self, plan: &RunPlan) -> Result<Option<PathBuf>, BuildError> {
        let Some((name, text)) = plan.script.clone() else {
            return Ok(None);
        };
        let directory = self.files.scratch();
        blocking(move || write_program(&directory, &name, &text).map(|()| Some(directory))).await
    }

    /// Makes the mounts of a container ready that is no step.
    ///
    /// # Errors
    /// As [`Mounter::prepare`].
    pub(crate) async fn ready(&self, plan: &RunPlan, output: &Output) -> Result<Ready, BuildError> {
        self.mounter
            .prepare(&self.files.unique(), &plan.mounts, output)
            .await
    }

    /// What such a container is.
    pub(crate) fn container(&self, plan: &RunPlan, ready: &Ready) -> ContainerSpec {
        self.spec(plan, ready, None)
    }

    fn spec(&self, plan: &RunPlan, ready: &Ready, script: Option<&Path>) -> ContainerSpec {
        let volumes = plan.volumes.iter().map(|target| MountSpec {
            target: crate::dockerignore::clean(&format!("/{target}")),
            read_only: false,
            kind: MountKind::Volume {
                source: VolumeSource::anonymous(),
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
            resources: self.resources(plan),
            read_only_rootfs: plan.read_only,
            mounts: volumes.chain(script).chain(ready.specs.iter().cloned()).collect(),
            shm_size: self.containers.shm_size,
            network: self.network(plan),
            hostname: plan.hostname.clone(),
            isolation: Isolation {
                privileged: plan.insecure,
                ..Isolation::default()
            },
            log: LogDriver::None,
            ..ContainerSpec::default()
        }
    }
}

impl NodeExecutor {
    /// The step's network: the request's, unless the step says another.
    fn network(&self, plan: &RunPlan) -> Networking {
        let requested = &self.containers.networking;
        let mut extra_hosts = requested.extra_hosts.clone();
        extra_hosts.extend(plan.hosts.iter().cloned());
        let other = |mode| Networking {
            mode,
            ..Networking::default()
        };
        Networking {
            extra_hosts,
            ..match plan.network {
                RunNetwork::Default => requested.clone(),
                RunNetwork::None => other(NetworkMode::None),
                RunNetwork::Host => other(NetworkMode::Host),
            }
        }
    }

    /// The step's limits: the request's, unless the step says others.
    fn resources(&self, plan: &RunPlan) -> Resources {
        let mut resources = self.containers.resources.clone();
        if !plan.ulimits.is_empty() {
            let ulimit = |(name, soft, hard): &(String, i64, i64)| Ulimit {
                name: name.clone(),
                soft: *soft,
                hard: *hard,
            };
            resources.ulimits = plan.ulimits.iter().map(ulimit).collect();
        }
        if !plan.cgroup_parent.is_empty() {
            resources.cgroup_parent.clone_from(&plan.cgroup_parent);
        }
        if let Some(limits) = &plan.limits {
            limit(&mut resources, limits);
        }
        resources
    }
}

/// Limits a command as LLB has it; what is 0 or empty is not said.
fn limit(resources: &mut Resources, limits: &llb::pb::LinuxResources) {
    let whole = |said: u64| i64::try_from(said).unwrap_or(i64::MAX);
    if limits.memory != 0 {
        // To the engine, nothing said of swap is a limit of it.
        (resources.memory, resources.memory_swap) = (limits.memory, -1);
    }
    let numbers = [
        (&mut resources.memory_swap, limits.memory_swap),
        (&mut resources.cpu_shares, whole(limits.cpu_shares)),
        (&mut resources.cpu_period, whole(limits.cpu_period)),
        (&mut resources.cpu_quota, limits.cpu_quota),
    ];
    for (place, said) in numbers.into_iter().filter(|(_, said)| *said != 0) {
        *place = said;
    }
    let lists = [
        (&mut resources.cpuset_cpus, &limits.cpuset_cpus),
        (&mut resources.cpuset_mems, &limits.cpuset_mems),
    ];
    for (place, said) in lists.into_iter().filter(|(_, said)| !said.is_empty()) {
        place.clone_from(said);
    }
}

fn write_program(directory: &Path, name: &str, text: &str) -> Result<(), BuildError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = || BuildError::io("writing a here-document");
    std::fs::create_dir_all(directory).map_err(failed())?;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(directory.join(name));
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(failed())
}

impl Executor for NodeExecutor {
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError> {
        self.files.find(reference)
    }

    async fn variant(&self, reference: &str, wanted: &Platform) -> Result<Option<Digest>, BuildError> {
        self.files.variant(reference, wanted).await
    }

    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError> {
        self.files.hold(id)
    }

    async fn restore(
        &self,
        of: Digest,
        config: ImageConfig,
        parent: Option<Digest>,
    ) -> Result<Base, BuildError> {
        self.files.restore(of, config, parent).await
    }

    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError> {
        self.files.tree(image)
    }

    async fn carry_out(&self, mut step: Step, output: &Output) -> Result<Base, BuildError> {
        let interest = Interest::default();
        step.wanted = interest.wanted();
        let work = async {
            match std::mem::replace(&mut step.work, Work::Nothing) {
                Work::Run(plan) => self.run(step, *plan, output).await,
                work => {
                    step.work = work;
                    self.files.carry_out(step).await
                }
            }
        };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = output.cancelled() => drop(interest),
        }
        // What is packed ends soon, with an error of its own.
        work.await.map_err(|_| BuildError::Cancelled)
    }
}

/// What a program that cannot be executed means: one that is for another machine has begun, to upstream's runtime, and says
/// so itself.
async fn not_started(
    error: engine::Error,
    plan: &RunPlan,
    output: &Output,
) -> Result<BuildError, BuildError> {
    /// What that program's init ends with.
    const ENDED: i32 = 255;
    let foreign =
        matches!(&error, engine::Error::Start { reason, .. } if reason.contains(": exec format error"));
    let program = plan.args.first().filter(|_| foreign);
    let Some(program) = program else {
        return Ok(error.into());
    };
    let line = format!("exec {program}: exec format error\n");
    output.program(2, line.as_bytes()).await?;
    Ok(BuildError::Command {
        command: plan.args.join(" "),
        code: ENDED,
        out_of_memory: false,
        at: None,
    })
}
