//! Containers of frontends: made of results and whatever else a command may have mounted, kept while whoever asked for them
//! has processes run there, and then thrown away with everything that was written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::llb::{Mount, Network, SecretEnv};
use engine::spec::{ContainerSpec, ExecSpec};
use engine::{Attach, Attached, ContainerId, Create, Engine, ImageRef, Owner, Remove, WaitCondition};
use image::{Digest, Lease};
use tokio::sync::{Mutex, mpsc, watch};

use super::Builder;
use super::files::Scratch;
use crate::context::DirectoryTree;
use crate::driver::{Driver, Options, blocking};
use crate::executor::RunPlan;
use crate::golang;
use crate::node::{Containers, NodeExecutor, Ready};
use crate::output::Output;
use crate::request::Dialect;
use crate::services::{Entitlements, Services};
use crate::tree::{self, Entry, Kind, Tree};
use crate::{BuildError, Progress};

/// A container that is asked for.
#[derive(Debug)]
pub struct ContainerRequest {
    /// What is mounted; one is the root.
    pub mounts: Vec<Mount>,
    /// Images, by the numbers that mounts know them by.
    pub inputs: Vec<Digest>,
    /// Its network.
    pub network: Network,
    /// Its name; empty for its own.
    pub hostname: String,
    /// `NAME:ADDRESS` each.
    pub hosts: Vec<String>,
    /// What the door offers.
    pub services: Services,
    /// What its processes may do.
    pub entitlements: Entitlements,
}

/// A process that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// The working directory; empty for the root.
    pub cwd: String,
    /// `USER[:GROUP]`; empty for root.
    pub user: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it has an input.
    pub stdin: bool,
    /// Everything is allowed.
    pub insecure: bool,
    /// Secrets in its environment.
    pub secret_env: Vec<SecretEnv>,
}

/// A process.
#[derive(Debug)]
pub struct Running {
    /// Its streams.
    pub streams: Attached,
    /// The process itself.
    pub process: Process,
}

/// A handle of a process.
#[derive(Clone, Debug)]
pub struct Process {
    engine: Engine,
    which: Which,
}

#[derive(Clone, Debug)]
enum Which {
    /// The first of its container.
    First(ContainerId),
    /// A further one.
    Exec(String),
}

impl Process {
    /// Changes its terminal's size.
    ///
    /// # Errors
    /// It does not run, or has no terminal.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<(), BuildError> {
        match &self.which {
            Which::First(id) => self.engine.resize(id.as_str(), rows, columns).await?,
            Which::Exec(exec) => self.engine.exec_resize(exec, rows, columns).await?,
        }
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It does not run.
    pub async fn signal(&self, signal: i32) -> Result<(), BuildError> {
        match &self.which {
            Which::First(id) => self.engine.kill(id.as_str(), signal).await?,
            Which::Exec(exec) => self.engine.exec_signal(exec, signal).await?,
        }
        Ok(())
    }

    /// Waits for its end. Gives its code.
    ///
    /// # Errors
    /// Its container is gone.
    pub async fn wait(&self) -> Result<i32, BuildError> {
        match &self.which {
            Which::First(id) => Ok(self.engine.wait(id, WaitCondition::NotRunning).await?.code),
            Which::Exec(exec) => Ok(self.engine.exec_wait(exec)?.await),
        }
    }
}

/// A container. It goes with this value, or earlier by [`Self::release`].
pub struct BuildContainer {
    engine: Engine,
    /// Absent once it was released.
    parts: Mutex<Option<Parts>>,
}

/// All that a container is made of; dropped in this order.
struct Parts {
    /// The container, and whether its first process has been started.
    made: Option<(ContainerId, bool)>,
    engine: Engine,
    plan: RunPlan,
    parent: Option<Digest>,
    ready: Option<Ready>,
    entitlements: Entitlements,
    executor: Arc<NodeExecutor>,
    services: Services,
    _held: Lease,
    _scratch: Scratch,
    /// Nobody reads what a build would tell here.
    _told: (mpsc::Receiver<Progress>, watch::Sender<()>),
}

const REMOVE: Remove = Remove {
    force: true,
    volumes: true,
};

impl Parts {
    /// Takes everything back.
    async fn end(mut self) -> Result<(), BuildError> {
        let removed = match self.made.take() {
            Some((id, _)) => self.engine.remove(&id, REMOVE).await.map(drop),
            None => Ok(()),
        };
        // Taking mounts back waits for the kernel.
        blocking(move || {
            drop(self.ready.take());
            drop(self);
            Ok(())
        })
        .await?;
        Ok(removed?)
    }
}

impl Drop for BuildContainer {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.get_mut().take() {
            tokio::spawn(async move {
                if let Err(cause) = parts.end().await {
                    tracing::debug!(%cause, "taking a frontend's container back");
                }
            });
        }
    }
}

fn released() -> BuildError {
    BuildError::NotFound("the container was released".to_owned())
}

impl Builder {
    /// Makes a container ready. Nothing runs in it yet.
    ///
    /// # Errors
    /// An image that is gone, a path that it does not have, a secret that the client does not give; the disk's.
    pub async fn container(&self, request: ContainerRequest) -> Result<BuildContainer, BuildError> {
        let name = self.name();
        let held = self.images.lease(&format!("{name}/container"))?;
        for input in &request.inputs {
            held.add(input)?;
        }
        let containers = Containers {
            networking: Containers::networking(&self.engine, "", Vec::new())?,
            ..Containers::default()
        };
        let scratch = Scratch(self.scratch.join(&name));
        let executor = self.executor(name, scratch.0.clone(), containers, None)?;
        let (sender, receiver) = mpsc::channel(1);
        let (alive, caller) = watch::channel(());
        let output = Output::new(sender, caller, false);
        let options = Options {
            dialect: Dialect::BuildKit,
            services: request.services.clone(),
            entitlements: request.entitlements,
            ..Options::default()
        };
        let nothing = crate::executor::Executor::tree(&*executor, None)?;
        let driver = Driver::new(
            executor.clone(),
            self.cache.clone(),
            output.clone(),
            nothing,
            options,
        );
        let exec =
            ::llb::Exec::of_container(request.mounts, request.network, request.hostname, request.hosts);
        let (parent, plan) = driver.opened(&exec, &request.inputs).await?;
        let ready = executor.ready(&plan, &output).await?;
        Ok(BuildContainer {
            engine: self.engine.clone(),
            parts: Mutex::new(Some(Parts {
                made: None,
                engine: self.engine.clone(),
                plan,
                parent,
                ready: Some(ready),
                entitlements: request.entitlements,
                executor,
                services: request.services,
                _held: held,
                _scratch: scratch,
                _told: (receiver, alive),
            })),
        })
    }
}

impl BuildContainer {
    /// Runs a process: the container's first, or one beside it. With the first one's end all end.
    ///
    /// # Errors
    /// It cannot be run, or its container has ended.
    pub async fn start(&self, command: Command) -> Result<Running, BuildError> {
        let mut parts = self.parts.lock().await;
        let parts = parts.as_mut().ok_or_else(released)?;
        let command = parts.completed(command).await?;
        if let Some((id, true)) = &parts.made {
            return beside(&self.engine, id, command).await;
        }
        if let Some((id, false)) = parts.made.take() {
            parts.engine.remove(&id, REMOVE).await?;
        }
        let id = parts.create(&command).await?;
        parts.made = Some((id.clone(), true));
        let streams = Attach {
            stdin: command.stdin,
            stdout: true,
            stderr: true,
            stream: true,
            ..Attach::default()
        };
        let attached = self.engine.attach(&id, streams).await?;
        self.engine.start(&id).await?;
        Ok(Running {
            streams: attached,
            process: Process {
                engine: self.engine.clone(),
                which: Which::First(id),
            },
        })
    }

    /// Ends all its processes and throws it away.
    ///
    /// # Errors
    /// The engine's.
    pub async fn release(&self) -> Result<(), BuildError> {
        let parts = self.parts.lock().await.take();
        match parts {
            Some(parts) => parts.end().await,
            None => Ok(()),
        }
    }

    /// Its files as they are now, below one of its mounts, by its place.
    ///
    /// # Errors
    /// There is no such mount; the disk's.
    pub async fn files(&self, mount: &str) -> Result<ContainerFiles, BuildError> {
        let mut parts = self.parts.lock().await;
        let parts = parts.as_mut().ok_or_else(released)?;
        let id = match &parts.made {
            Some((id, _)) => id.clone(),
            None => {
                // One that is never started shows what a first process would see.
                let placeholder = Command {
                    args: vec!["/".to_owned()],
                    ..Command::default()
                };
                let id = parts.create(&placeholder).await?;
                parts.made = Some((id.clone(), false));
                id
            }
        };
        let (engine, below) = (self.engine.clone(), PathBuf::from(mount.trim_start_matches('/')));
        blocking(move || {
            let view = engine.files(id.as_str())?;
            let root = view
                .open()
                .map_err(BuildError::io("opening a container's files"))?;
            Ok(ContainerFiles {
                tree: DirectoryTree::new(root),
                below,
                _view: view,
            })
        })
        .await
    }
}

impl Parts {
    /// A command with what it has if nobody says, and its secrets.
    async fn completed(&self, mut command: Command) -> Result<Command, BuildError> {
        /// As every image's shell has it.
        const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        if command.args.is_empty() {
            return Err(BuildError::Step("the process has no program".to_owned()));
        }
        if command.insecure && !self.entitlements.security_insecure {
            return Err(BuildError::Step("security.insecure is not allowed".to_owned()));
        }
        for (name, line, wanted) in [("PATH=", PATH, true), ("TERM=", "TERM=xterm", command.tty)] {
            if wanted && !command.env.iter().any(|entry| entry.starts_with(name)) {
                command.env.push(line.to_owned());
            }
        }
        for secret in std::mem::take(&mut command.secret_env) {
            let found = match &self.services.secrets {
                Some(secrets) => secrets.secret(&secret.id).await.map_err(BuildError::Step)?,
                None => None,
            };
            match found {
                Some(value) => {
                    let value = String::from_utf8_lossy(&value).into_owned();
                    command.env.push(format!("{}={value}", secret.name));
                }
                None if secret.optional => {}
                None => {
                    let sentence = format!("secret {}: not found", secret.id);
                    return Err(BuildError::Step(sentence));
                }
            }
        }
        if command.cwd.is_empty() {
            "/".clone_into(&mut command.cwd);
        }
        Ok(command)
    }

    async fn create(&self, command: &Command) -> Result<ContainerId, BuildError> {
        let plan = RunPlan {
            args: command.args.clone(),
            env: command.env.clone(),
            user: command.user.clone(),
            cwd: command.cwd.clone(),
            insecure: command.insecure,
            ..self.plan.clone()
        };
        let ready = self.ready.as_ref().ok_or_else(released)?;
        let spec = ContainerSpec {
            tty: command.tty,
            open_stdin: command.stdin,
            stdin_once: command.stdin,
            ..self.executor.container(&plan, ready)
        };
        let created = self.engine.create(Create {
            name: None,
            spec,
            image: self.parent.map(|id| ImageRef {
                reference: id.to_string(),
                id: id.to_string(),
            }),
            owner: Owner::Build,
            door: serde_json::Value::Null,
        });
        Ok(created.await?.id)
    }
}

/// Runs a further process in a container.
async fn beside(engine: &Engine, id: &ContainerId, command: Command) -> Result<Running, BuildError> {
    let spec = ExecSpec {
        args: command.args,
        env: command.env,
        cwd: command.cwd,
        user: match &*command.user {
            "" => "0".to_owned(),
            user => user.to_owned(),
        },
        tty: command.tty,
        stdin: command.stdin,
        stdout: true,
        stderr: true,
        privileged: command.insecure,
        ..ExecSpec::default()
    };
    let exec = engine.exec_create(id.as_str(), spec).await?;
    let attached = engine.exec_start(&exec, false, None).await?;
    let attached = attached.ok_or_else(released)?;
    Ok(Running {
        streams: attached,
        process: Process {
            engine: engine.clone(),
            which: Which::Exec(exec),
        },
    })
}

/// Files of a container below a mount of it.
pub struct ContainerFiles {
    tree: DirectoryTree,
    below: PathBuf,
    /// What it shows is there while this is.
    _view: engine::copy::View,
}

/// What lies at a path of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its last name.
    pub name: String,
    /// What it is.
    pub kind: FoundKind,
    /// Permission bits, with set-user-id and its kin.
    pub mode: u32,
    /// Whose.
    pub uid: u32,
    /// Whose.
    pub gid: u32,
    /// Seconds since 1970.
    pub modified: i64,
}

/// What something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundKind {
    /// A directory.
    Directory,
    /// A file of so many bytes.
    File(u64),
    /// A link to this.
    Symlink(String),
    /// Anything else.
    Special,
}

impl ContainerFiles {
    fn resolved(&self, path: &str) -> Result<(PathBuf, Entry), BuildError> {
        let whole = self.below.join(path.trim_start_matches('/'));
        let failed = BuildError::io("reading a container's files");
        let found = tree::resolve(&self.tree, &whole).map_err(failed)?;
        found.ok_or_else(|| missing(path))
    }

    /// What lies at a path; a link itself, if it is one.
    ///
    /// # Errors
    /// Nothing does; the disk's.
    pub fn stat(&self, path: &str) -> Result<Found, BuildError> {
        let whole = self.below.join(path.trim_start_matches('/'));
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            let (real, entry) = self.resolved(path)?;
            return Ok(described(&real, entry));
        };
        let failed = || BuildError::io("reading a container's files");
        let above = tree::resolve(&self.tree, parent).map_err(failed())?;
        let (above, _) = above.ok_or_else(|| missing(path))?;
        let real = above.join(name);
        let entry = self.tree.entry(&real).map_err(failed())?;
        Ok(described(&real, entry.ok_or_else(|| missing(path))?))
    }

    /// What is in a directory, by names.
    ///
    /// # Errors
    /// There is none; the disk's.
    pub fn list(&self, path: &str) -> Result<Vec<Found>, BuildError> {
        let failed = || BuildError::io("reading a container's files");
        let (real, _) = self.resolved(path)?;
        let mut all = Vec::new();
        for name in self.tree.names(&real).map_err(failed())? {
            let path = real.join(name);
            // It may be gone by now.
            if let Some(entry) = self.tree.entry(&path).map_err(failed())? {
                all.push(described(&path, entry));
            }
        }
        Ok(all)
    }

    /// A file's bytes from an offset on, so many at most.
    ///
    /// # Errors
    /// There is none; the disk's.
    pub fn read(&self, path: &str, offset: u64, most: u64) -> Result<Vec<u8>, BuildError> {
        use std::io::Read as _;
        let failed = || BuildError::io("reading a container's files");
        let (real, entry) = self.resolved(path)?;
        if !matches!(entry.kind, Kind::File { .. }) {
            let path = golang::quote(path);
            return Err(BuildError::Step(format!("{path} is not a regular file")));
        }
        let mut file = self.tree.open(&real).map_err(failed())?;
        std::io::copy(&mut (&mut file).take(offset), &mut std::io::sink()).map_err(failed())?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed())?;
        Ok(bytes)
    }
}

fn missing(path: &str) -> BuildError {
    BuildError::Step(format!("open {path}: no such file or directory"))
}

fn described(path: &Path, entry: Entry) -> Found {
    Found {
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        modified: entry.modified,
        kind: match entry.kind {
            Kind::Directory => FoundKind::Directory,
            Kind::File { size } => FoundKind::File(size),
            Kind::Symlink(target) => FoundKind::Symlink(target.to_string_lossy().into_owned()),
            Kind::Fifo | Kind::Device { .. } => FoundKind::Special,
        },
    }
}
