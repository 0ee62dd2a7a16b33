//! The daemon's life: rooms are opened one after the other, served, and closed in reverse.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use driver::{Clock, RealDir, Rng, SystemClock};
use store::{Embedded, Options, Store};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Instrument;

use crate::config::Config;
use crate::control::server::{Control, Stop};
use crate::directory::{self, Held};
use crate::stages::Stages;
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
    /// The kernel refuses something that every daemon needs.
    #[error("cannot set up the daemon")]
    Setup(#[from] io::Error),
}

impl Error {
    /// What the command line exits with.
    #[must_use]
    pub fn exit(&self) -> u8 {
        match self {
            Self::Directory(directory::Error::Held(_)) | Self::Listen(listen::Error::Held(_)) => 4,
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
    store: Arc<dyn Store>,
    docker: std::os::unix::net::UnixListener,
}

/// Runs a node until it is told to end: by the control socket, or by SIGTERM, which leaves the containers.
///
/// # Errors
/// [`Error`], of which everybody who waits at the control socket has heard.
pub async fn run(config: Config, stages: Stages) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let _run = directory::lock(&config.run_dir)?;
    let socket = listen::bind(&config.paths().control_socket(), 0o600, None)?;
    let supervisor_pid = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    let (control, mut stops) = Control::serve(socket, config.clone(), supervisor_pid, stages)?;
    std::fs::write(config.paths().pid(), format!("{}\n", std::process::id()))?;
    let _data = match directory::lock(&config.data_dir) {
        Ok(lock) => lock,
        Err(error) => return fail(&control, error.into()).await,
    };
    let node = match Node::open(&config, &control).await {
        Ok(node) => node,
        Err(error) => return fail(&control, error).await,
    };
    control.ready();
    tracing::info!(pid = std::process::id(), "ready");
    let stop = told(&mut terminate, &mut stops).await;
    control.stopping();
    tracing::info!(keep_containers = stop.keep_containers, "stopping");
    let warnings = node.close(&config, stop.keep_containers, stop.timeout).await;
    drop(std::fs::remove_file(config.paths().pid()));
    drop(stop.done.send(warnings));
    control.last_words().await;
    drop(std::fs::remove_file(config.paths().control_socket()));
    Ok(())
}

async fn fail(control: &Control, error: Error) -> Result<(), Error> {
    tracing::error!("{}", error.line());
    control.failed(error.exit(), error.line()).await;
    Err(error)
}

/// How to stop, as soon as anybody says so. A signal says nothing about containers, so they stay.
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
    async fn open(config: &Config, control: &Control) -> Result<Self, Error> {
        let paths = config.paths();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = stage!("store").in_scope(|| {
            directory::stamp(&paths.version())?;
            let dir = Arc::new(RealDir::open(&paths.node())?);
            Ok::<_, Error>(Arc::new(Embedded::open(
                dir,
                clock.clone(),
                Rng::from_os()?,
                STORE,
            )?))
        })?;
        let docker = stage!("docker")
            .in_scope(|| listen::bind(paths.docker_socket(), 0o660, listen::group("docker")))?;
        Ok(Self { store, docker })
    }

    async fn close(self, config: &Config, keep_containers: bool, timeout: Duration) -> Vec<String> {
        drop(std::fs::remove_file(&config.docker_socket));
        Vec::new()
    }
}
