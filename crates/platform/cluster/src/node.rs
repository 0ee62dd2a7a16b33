//! The daemon's life: rooms are opened one after the other, served, and closed in reverse.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use builder::BuildError;
use disk::Collector;
use driver::{Clock, DirLock, RealDir, Rng, SystemClock};
use engine::supervised::Supervisor;
use futures_util::future::BoxFuture;
use scheduler::Scheduler;
use store::{Embedded, Options, Store};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Instrument;

use crate::config::Config;
use crate::containers::Containers;
use crate::control::server::{Control, Stop};
use crate::directory;
use crate::kubernetes::{self, Kubernetes};
use crate::pods::{self, Ground, Pods};
use crate::registry::{self, Registry};
use crate::stages::Stages;
use crate::successor::{self, Successor};
use crate::upstream::Others;
use crate::{listen, stage};

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory cannot be used.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// A socket cannot be served.
    #[error(transparent)]
    Listen(#[from] listen::Error),
    /// The node store cannot be opened.
    #[error("cannot open the node's store")]
    Store(#[from] store::OpenError),
    /// The node store does not answer.
    #[error("the node's store")]
    Rows(#[from] store::Error),
    /// The images cannot be opened.
    #[error("cannot open the images")]
    Images(#[from] image::Error),
    /// What describes other people's registries is wrong.
    #[error("cannot use the configuration of registries")]
    Registries(#[from] distribution::config::ConfigError),
    /// The networks cannot be opened.
    #[error("cannot open the networks")]
    Networks(#[from] network::Error),
    /// The container table cannot be opened.
    #[error("cannot open the container table")]
    Engine(#[from] engine::Error),
    /// The builder cannot be opened.
    #[error("cannot open the builder")]
    Builder(#[from] BuildError),
    /// The Kubernetes API cannot be served.
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    /// The registry cannot be served.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Pods cannot run.
    #[error("cannot run pods")]
    Pods(#[from] kuberuntime::OpenError),
    /// The kernel refuses something that every daemon needs.
    #[error("cannot set up the daemon")]
    Setup(#[from] io::Error),
}

impl Error {
    /// What the command line exits with.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Directory(directory::Error::Held(_))
            | Self::Listen(listen::Error::Held(_))
            | Self::Kubernetes(kubernetes::Error::Listen(listen::Error::Held(_)))
            | Self::Registry(registry::Error::Listen(kubernetes::Error::Listen(listen::Error::Held(_)))) => 4,
            _ => 1,
        }
    }

    /// The whole chain as one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        line
    }
}

/// The node store is small and nobody watches it, so it keeps little beside its rows.
const STORE: Options = Options {
    first_segment: 1 << 20,
    segment: 8 << 20,
    checkpoint: 8 << 20,
    window_events: 256,
    window_bytes: 1 << 20,
    relaxed_delay: Duration::from_secs(60),
    ceiling_step: 1 << 16,
    queue_bytes: 16 << 20,
};

/// Every room, open.
struct Node {
    supervisor: Supervisor,
    containers: Containers,
    kubernetes: Kubernetes,
    scheduler: Option<Scheduler>,
    pods: Option<Pods>,
    registry: Option<Registry>,
    collector: Collector,
}

/// Reads the files that a daemon of this configuration reads: one that has to take another's place should not find out
/// too late that it cannot.
///
/// # Errors
/// The registry's file, or what describes other people's registries, is wrong.
pub fn check_files(config: &Config) -> Result<(), Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    if config.registry.port != 0 {
        registry::read(config, config.registry.port, &clock)?;
    }
    distribution::Config::load(&config.registries.sources())?;
    Ok(())
}

/// Runs a node until it is told to end: by the control socket, or by SIGTERM, which leaves the containers.
///
/// # Errors
/// [`Error`], of which everybody who waits at the control socket has heard.
pub fn run(config: Config, stages: Stages) -> BoxFuture<'static, Result<(), Error>> {
    Box::pin(live(config, stages))
}

async fn live(config: Config, stages: Stages) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let _run = directory::lock(&config.run_dir)?;
    let socket = listen::bind(&config.paths().control_socket(), 0o600, None)?;
    let (control, mut stops) = Control::serve(socket, config.clone(), stages)?;
    let claimed = stage!("directories").in_scope(|| claim(&config));
    let _data = match claimed {
        Ok(lock) => lock,
        Err(error) => return fail(&control, error).await,
    };
    let node = match Node::open(&config).await {
        Ok(node) => node,
        Err(error) => {
            successor::of_both(&config);
            return fail(&control, error).await;
        }
    };
    control.ready(node.kubernetes.url());
    tracing::info!(pid = std::process::id(), "ready");
    let stop = told(&mut terminate, &mut stops).await;
    control.stopping();
    tracing::info!(keep_containers = stop.keep_containers, "stopping");
    let warnings = node.close(&config, &stop).await;
    drop(std::fs::remove_file(config.paths().pid()));
    drop(stop.done.send(warnings));
    control.last_words().await;
    drop(std::fs::remove_file(config.paths().control_socket()));
    Ok(())
}

/// DATA for this daemon alone, and its process id where others look for it.
fn claim(config: &Config) -> Result<Box<dyn DirLock>, Error> {
    std::fs::write(config.paths().pid(), format!("{}\n", std::process::id()))?;
    Ok(directory::lock(&config.data_dir)?)
}

async fn fail(control: &Control, error: Error) -> Result<(), Error> {
    tracing::error!("{}", error.line());
    control.failed(error.exit(), error.line()).await;
    Err(error)
}

/// How to stop, as soon as anybody says so. A signal says nothing about containers or what comes next, so
/// containers stay, and sockets for the next daemon.
async fn told(terminate: &mut Signal, stops: &mut tokio::sync::mpsc::Receiver<Stop>) -> Stop {
    // Both arms only receive: what is not taken now stays where it is.
    tokio::select! {
        biased;
        Some(stop) = stops.recv() => stop,
        _ = terminate.recv() => Stop {
            keep_containers: true,
            handover: true,
            timeout: Duration::ZERO,
            done: tokio::sync::oneshot::channel().0,
        },
    }
}

impl Node {
    /// The composition: what a room needs is above it.
    async fn open(config: &Config) -> Result<Self, Error> {
        let paths = config.paths();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = blocking(&stage!("store"), || {
            directory::stamp(&paths.version())?;
            let dir = Arc::new(RealDir::open(&paths.node())?);
            let store = Embedded::open(dir, clock.clone(), Rng::from_os()?, STORE)?;
            Ok::<_, Error>(Arc::new(store))
        })?;
        let supervisor = connect(config).instrument(stage!("supervisor link")).await?;
        // Beside the rooms of containers: neither needs the other yet.
        let (port, kubelet_port, registry_port) = blocking(&stage!("port"), || {
            let api = kubernetes::listener(config, &supervisor)?;
            let with_kubelet = !config.kubernetes.without.kubelet;
            let kubelet = with_kubelet.then(|| pods::listener(config, &supervisor));
            let registry = registry::listener(config, &supervisor)?;
            Ok::<_, Error>((api, kubelet.transpose()?, registry))
        })?;
        let kubernetes = Kubernetes::serve(config.clone(), port, clock.clone());
        let kubernetes = tokio::spawn(kubernetes);
        let containers = Containers::open(config, &supervisor, &store, &clock).await?;
        let kubernetes = kubernetes.instrument(stage!("kubernetes")).await;
        let kubernetes = kubernetes.map_err(kubernetes::Error::Step)??;
        let registry = registry_port.map(|port| {
            let images = containers.images.clone();
            let _stage = stage!("registry").entered();
            let others = Arc::new(Others(containers.registries.clone()));
            Registry::open(config, port, images, &kubernetes.identity, others, &clock)
        });
        let registry = registry.transpose()?;
        let without = config.kubernetes.without;
        let scheduler = (!without.scheduler).then(|| pods::scheduler(&kubernetes));
        let ground = Ground {
            config,
            kubernetes: &kubernetes,
            engine: &containers.engine,
            images: &containers.images,
            networks: &containers.networks,
            registries: &containers.registries,
            disk: &containers.disk,
            clock: &clock,
        };
        let attendant = ground.attendant();
        let pods = match kubelet_port {
            Some(port) => Some(Pods::open(ground, port).await?),
            None => None,
        };
        // Last: before it is known what pods ask for, nothing may go.
        let collector = containers.disk.start(attendant);
        Ok(Self {
            collector,
            registry,
            supervisor,
            containers,
            kubernetes,
            scheduler,
            pods,
        })
    }

    /// The rooms in reverse; what could not be taken away is answered.
    async fn close(self, config: &Config, stop: &Stop) -> Vec<String> {
        drop(self.collector);
        // First, so that nobody starts again what is being stopped.
        let pods = match self.pods {
            Some(pods) => Some(pods.stop().await),
            None => None,
        };
        let registry = match self.registry {
            Some(registry) => registry.close(&self.supervisor, stop.handover).await,
            None => None,
        };
        if let Some(scheduler) = self.scheduler {
            drop(tokio::time::timeout(PROMPT, scheduler.stop()).await);
        }
        if !stop.handover {
            tokio::task::block_in_place(|| pods::release(&self.supervisor));
        }
        let kubernetes = self.kubernetes.close(&self.supervisor, stop.handover).await;
        let mut warnings: Vec<String> = registry.into_iter().chain(kubernetes).collect();
        let engine = &self.containers.engine;
        if stop.keep_containers {
            // Rows that are being written; the next daemon finds out about what is missing.
            drop(tokio::time::timeout(PROMPT, engine.close(true)).await);
        } else if !engine.close_within(stop.timeout.max(PROMPT)).await {
            warnings.push("not every container stopped in time: the rest is killed".to_owned());
        }
        self.containers
            .docker
            .close(config, &self.supervisor, stop.handover)
            .await;
        if !stop.keep_containers {
            tokio::task::block_in_place(|| {
                pods.iter().for_each(kuberuntime::Pods::close);
                self.containers.networks.close();
            });
        }
        if !stop.handover {
            // The next start may be after a reboot, which would take them back.
            tokio::task::block_in_place(|| self.containers.images.until_kept());
        }
        warnings
    }
}

/// What may be had at least by what needs no time to speak of: keeping containers, whose rows are written down.
const PROMPT: Duration = Duration::from_secs(1);

/// Runs what blocks within a stage's span.
pub(crate) fn blocking<T>(span: &tracing::Span, work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(|| span.in_scope(work))
}

/// The connection that the supervisor gave us, or one of our own if somebody else started this daemon.
async fn connect(config: &Config) -> io::Result<Supervisor> {
    let config = engine::supervised::Config {
        successor: Some(Arc::new(Successor::new(config))),
        ..engine::supervised::Config::at(config.paths().supervisor_socket())
    };
    match sys::process::claim_inherited(GIVEN) {
        Ok(socket) => Supervisor::from_descriptor(socket, config, Handle::current()).await,
        Err(_) => Supervisor::connect(config, Handle::current()).await,
    }
}

/// Where a daemon finds the supervisor's connection (docs/formats/supervisor-protocol.md, The daemon).
const GIVEN: i32 = 3;
