//! The daemon's side of the control socket.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use super::{MAX_LINE, Reply, Request, State, Status};
use crate::config::Config;
use crate::directory;
use crate::stages::{Stages, milliseconds};

/// Most clients at once; the next one waits.
const MAX_CLIENTS: usize = 16;
/// How long a client may take to say what it wants, and the daemon's end for the last words.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the daemon is told through the socket.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) keep_containers: bool,
    pub(crate) handover: bool,
    pub(crate) timeout: Duration,
    /// What could not be taken away, once all is closed.
    pub(crate) done: oneshot::Sender<Vec<String>>,
}

/// How far the daemon is, and why it failed.
#[derive(Clone, Debug)]
struct Progress {
    state: State,
    ready: Option<Duration>,
    api_server: Option<String>,
    failure: Option<(u8, String)>,
}

/// What is told to every client.
#[derive(Debug)]
pub(crate) struct Control {
    config: Config,
    begun: Duration,
    stages: Stages,
    progress: watch::Sender<Progress>,
    stops: mpsc::Sender<Stop>,
    clients: Arc<Semaphore>,
    /// Rung when a client has heard why the node cannot start.
    heard: Notify,
}

impl Control {
    /// Begins to serve `listener`; orders to stop come out of the receiver.
    ///
    /// # Errors
    /// The executor cannot watch the socket.
    pub(crate) fn serve(
        listener: StdListener,
        config: Config,
        stages: Stages,
    ) -> std::io::Result<(Arc<Self>, mpsc::Receiver<Stop>)> {
        let listener = UnixListener::from_std(listener)?;
        let (stops, receiver) = mpsc::channel(1);
        let progress = Progress {
            state: State::Starting,
            ready: None,
            api_server: None,
            failure: None,
        };
        let control = Arc::new(Self {
            config,
            begun: stages.begin(),
            stages,
            progress: watch::Sender::new(progress),
            stops,
            clients: Arc::new(Semaphore::new(MAX_CLIENTS)),
            heard: Notify::new(),
        });
        tokio::spawn(control.clone().accept(listener));
        Ok((control, receiver))
    }

    pub(crate) fn ready(&self, api_server: String) {
        let ready = sys::clock::boottime().saturating_sub(self.begun);
        self.progress.send_modify(|progress| {
            progress.ready = Some(ready);
            progress.api_server = Some(api_server);
            progress.state = State::Ready;
        });
    }

    pub(crate) fn stopping(&self) {
        self.progress
            .send_modify(|progress| progress.state = State::Stopping);
    }

    /// Tells whoever waits that the node cannot start, and waits until they have heard. Whoever started it may
    /// only just be connecting.
    pub(crate) async fn failed(&self, exit: u8, message: String) {
        self.progress
            .send_modify(|progress| progress.failure = Some((exit, message)));
        drop(tokio::time::timeout(PATIENCE, self.heard.notified()).await);
        self.last_words().await;
    }

    /// Waits, for a bounded time, until every client has its answer.
    pub(crate) async fn last_words(&self) {
        let all = u32::try_from(MAX_CLIENTS).unwrap_or(u32::MAX);
        drop(tokio::time::timeout(PATIENCE, self.clients.acquire_many(all)).await);
    }

    async fn accept(self: Arc<Self>, listener: UnixListener) {
        loop {
            // Out of descriptors, say: the next client may be luckier.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let Ok(permit) = self.clients.clone().acquire_owned().await else {
                return;
            };
            let control = self.clone();
            tokio::spawn(async move {
                control.attend(stream).await;
                drop(permit);
            });
        }
    }

    async fn attend(&self, stream: UnixStream) {
        let trusted = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
        let (read, mut write) = stream.into_split();
        let heard = tokio::time::timeout(PATIENCE, request(read)).await;
        let (true, Ok(Some(line))) = (trusted, heard) else {
            return;
        };
        // A client that has gone needs no answer.
        let _ = match serde_json::from_str(&line) {
            Ok(Request::Status) => send(&mut write, &Reply::Status(Box::new(self.status()))).await,
            Ok(Request::Ready) => self.when_ready(&mut write).await,
            Ok(Request::Stop {
                keep_containers,
                handover,
                timeout_ms,
            }) => {
                let (done, closed) = oneshot::channel();
                let stop = Stop {
                    keep_containers,
                    handover,
                    timeout: Duration::from_millis(timeout_ms),
                    done,
                };
                self.stop(&mut write, stop, closed).await
            }
            Err(error) => {
                let message = error.to_string();
                send(&mut write, &Reply::Refused { message }).await
            }
        };
    }

    /// Sends each stage as it finishes, then how it ended.
    async fn when_ready(&self, client: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let (mut stages, mut progress) = (self.stages.subscribe(), self.progress.subscribe());
        let mut told = 0;
        loop {
            let now = progress.borrow_and_update().clone();
            let finished = stages.borrow_and_update().clone();
            for stage in finished.iter().skip(told) {
                send(client, &Reply::Stage(stage.clone())).await?;
            }
            told = finished.len();
            if let Some((exit, message)) = now.failure {
                let told = send(client, &Reply::Failed { exit, message }).await;
                self.heard.notify_one();
                return told;
            }
            if now.state != State::Starting {
                return send(client, &Reply::Status(Box::new(self.status()))).await;
            }
            // Both are only woken from; what they say is read above, so either may be cancelled.
            tokio::select! {
                biased;
                _ = progress.changed() => {}
                _ = stages.changed() => {}
            }
        }
    }

    async fn stop(
        &self,
        client: &mut OwnedWriteHalf,
        stop: Stop,
        closed: oneshot::Receiver<Vec<String>>,
    ) -> std::io::Result<()> {
        if self.stops.try_send(stop).is_err() {
            let message = "the node is being stopped already".to_owned();
            return send(client, &Reply::Refused { message }).await;
        }
        let warnings = closed.await.unwrap_or_default();
        send(client, &Reply::Stopped { warnings }).await
    }

    fn status(&self) -> Status {
        let progress = self.progress.borrow().clone();
        Status {
            state: progress.state,
            name: self.config.name.clone(),
            version: crate::VERSION.to_owned(),
            pid: std::process::id(),
            supervisor_pid: directory::pid_in(&self.config.paths().supervisor_pid()),
            begun_ns: u64::try_from(self.begun.as_nanos()).unwrap_or(u64::MAX),
            ready_ms: progress.ready.map(milliseconds),
            stages: self.stages.finished(),
            docker_host: format!("unix://{}", self.config.docker_socket.display()),
            api_server: progress.api_server,
            kubeconfig: self.config.paths().kubeconfig(),
            data_dir: self.config.data_dir.clone(),
            run_dir: self.config.run_dir.clone(),
            // No room has any yet; the field is part of the contract.
            warnings: Vec::new(),
        }
    }
}

async fn request(read: OwnedReadHalf) -> Option<String> {
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_LINE as u64));
    read.read_line(&mut line).await.ok()?;
    line.ends_with('\n').then_some(line)
}

async fn send(client: &mut OwnedWriteHalf, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    client.write_all(&line).await
}
