//! Containers as the stream protocols need them: exec, attach, port-forward, logs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use engine::logs::LogEntry;
use engine::{Attached, Container, ExecSpec, Input};
use futures_util::FutureExt;
use kubelet::Uid;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use streaming::{
    ContainerRef, Io, LogFault, LogLine, LogQuery, Node, Pipe, PodRef, Session, Stream, StreamFault,
};
use sys::netns::Namespace;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use crate::container::names::Told;
use crate::probe::reason;
use crate::{Pods, blocking};

type Doing<T> = kubelet::traits::Doing<T>;

/// Chunks of input and output, lines of logs and sizes of terminals that wait.
const BACKLOG: usize = 16;

impl Pods {
    /// The running container that is meant.
    pub(crate) fn running(&self, of: &ContainerRef) -> Option<Arc<Container>> {
        let rows = self.rows_of(&Uid::new(&of.pod.uid)).into_iter();
        let mut running =
            rows.filter(|(row, told)| told.name == of.container && row.state.status.has_process());
        running.next().map(|(row, _)| row)
    }

    async fn exec_in(&self, of: ContainerRef, command: Vec<String>, io: Io) -> Result<Session, StreamFault> {
        let row = self.running(&of).ok_or(StreamFault::NotFound)?;
        let engine = &self.0.engine;
        let spec = ExecSpec {
            args: command,
            tty: io.tty,
            stdin: io.stdin,
            stdout: io.stdout,
            stderr: io.stderr && !io.tty,
            ..ExecSpec::default()
        };
        let exec = engine.exec_create(&row.id, spec).await.map_err(failed)?;
        let ended = engine.exec_wait(&exec).map_err(failed)?;
        let started = engine.exec_start(&exec, false, None).await;
        let attached = started
            .map_err(|error| not_started(&exec, error))?
            .ok_or(StreamFault::NotFound)?;
        let resizer = engine.clone();
        let resize = resizing(move |columns, rows| {
            let (engine, exec) = (resizer.clone(), exec.clone());
            async move { engine.exec_resize(&exec, rows, columns).await.is_ok() }
        });
        Ok(session(Vec::new(), attached, resize, ended.map(Ok).boxed()))
    }

    async fn connect(&self, pod: PodRef, port: u16) -> io::Result<Box<dyn Pipe>> {
        let uid = Uid::new(&pod.uid);
        let note = self.note(&uid).ok_or(io::ErrorKind::NotFound)?;
        let network = self.0.engine.networks().pod(&uid).map(|pod| pod.key.clone());
        if network.is_none() && !note.host_network {
            return Err(io::ErrorKind::NotFound.into());
        }
        let v4 = connect(network.clone(), IpAddr::V4(Ipv4Addr::LOCALHOST), port).await;
        let stream = match v4 {
            Ok(stream) => stream,
            Err(error) => {
                let v6 = connect(network, IpAddr::V6(Ipv6Addr::LOCALHOST), port).await;
                v6.map_err(|other| nobody(port, &uid, [&error, &other]))?
            }
        };
        // What comes is interactive as often as not.
        drop(stream.set_nodelay(true));
        Ok(Box::new(stream))
    }

    /// The id is what the API says, which others may write: it counts for the pod's own containers only.
    fn read_log(
        &self,
        of: &ContainerRef,
        id: &str,
        query: &LogQuery,
    ) -> Result<Receiver<io::Result<LogLine>>, LogFault> {
        let engine = &self.0.engine;
        let own = |(row, told): &(Arc<Container>, Told)| *row.id == *id && told.name == of.container;
        let found = self.rows_of(&Uid::new(&of.pod.uid)).into_iter().find(own);
        let (row, _) = found.ok_or(LogFault::NotFound)?;
        let since = query.since.map(jiff::Timestamp::from_nanosecond).transpose();
        let wanted = engine::logs::LogQuery {
            stdout: query.stdout,
            stderr: query.stderr,
            // A time that no calendar has is before everything.
            since: since.unwrap_or_default(),
            until: None,
            tail: query.tail,
            follow: query.follow,
        };
        let entries = engine
            .logs(&row.id, wanted)
            .map_err(|error| LogFault::Failed(error.to_string()))?;
        Ok(lines(entries))
    }
}

pub(crate) fn failed(error: engine::Error) -> StreamFault {
    match error {
        engine::Error::NotFound(_) => StreamFault::NotFound,
        error => StreamFault::Failed(error.to_string()),
    }
}

/// A program that cannot be started, in the words of users of containerd.
fn not_started(exec: &str, error: engine::Error) -> StreamFault {
    match error {
        engine::Error::NotFound(_) => StreamFault::NotFound,
        error => {
            let text = format!("failed to exec in container: failed to start exec {exec:?}: {error}");
            StreamFault::Failed(text)
        }
    }
}

/// Joins a client's end with a process's. `said` comes before what comes.
pub(crate) fn session(
    said: Vec<(engine::Stream, Bytes)>,
    attached: Attached,
    resize: Sender<(u16, u16)>,
    ended: Doing<Result<i32, StreamFault>>,
) -> Session {
    let (sender, output) = mpsc::channel(BACKLOG);
    let (done, all) = oneshot::channel();
    tokio::spawn(async move {
        pass_on(said, attached.output, sender).await;
        // Nobody may be waiting for it.
        let _ = done.send(());
    });
    Session {
        input: attached.input.map(writing),
        output,
        resize,
        ended: Box::pin(async move {
            let code = ended.await;
            // What it wrote last is on its way; whoever reads has it all before the code.
            let _ = all.await;
            code
        }),
    }
}

async fn pass_on(
    said: Vec<(engine::Stream, Bytes)>,
    mut from: Receiver<(engine::Stream, Bytes)>,
    to: Sender<(Stream, Bytes)>,
) {
    for (stream, chunk) in said {
        if to.send((streamed(stream), chunk)).await.is_err() {
            return;
        }
    }
    while let Some((stream, chunk)) = from.recv().await {
        if to.send((streamed(stream), chunk)).await.is_err() {
            return;
        }
    }
}

const fn streamed(stream: engine::Stream) -> Stream {
    match stream {
        engine::Stream::Stdout => Stream::Stdout,
        engine::Stream::Stderr => Stream::Stderr,
    }
}

/// A way to write to a process; its input ends with the channel.
fn writing(input: Input) -> Sender<Bytes> {
    let (sender, mut chunks) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        while let Some(chunk) = chunks.recv().await {
            if input.write(chunk).await.is_err() {
                return;
            }
        }
    });
    sender
}

/// A way to change the size of a terminal, as columns and rows.
pub(crate) fn resizing<F>(change: impl Fn(u16, u16) -> F + Send + 'static) -> Sender<(u16, u16)>
where
    F: Future<Output = bool> + Send,
{
    let (sender, mut sizes) = mpsc::channel::<(u16, u16)>(BACKLOG);
    tokio::spawn(async move {
        while let Some((columns, rows)) = sizes.recv().await {
            if !change(columns, rows).await {
                return;
            }
        }
    });
    sender
}

/// Nobody listens at a port of a pod, by either family: containerd's text.
fn nobody(port: u16, pod: &Uid, [v4, v6]: [&io::Error; 2]) -> io::Error {
    let (why4, why6) = (reason(v4), reason(v6));
    let text = format!(
        "failed to connect to localhost:{port} inside namespace {:?}, IPv4: dial tcp4 127.0.0.1:{port}: connect: {why4} IPv6 dial tcp6 [::1]:{port}: connect: {why6}",
        &**pod
    );
    io::Error::new(v4.kind(), text)
}

/// Connects inside a network namespace: a socket belongs to the one in which it was made.
async fn connect(namespace: Option<PathBuf>, to: IpAddr, port: u16) -> io::Result<TcpStream> {
    let socket = blocking(move || match namespace {
        Some(path) => Namespace::open(&path)?.run(|| socket(to))?,
        None => socket(to),
    })
    .await?;
    socket.connect(SocketAddr::new(to, port)).await
}

fn socket(of: IpAddr) -> io::Result<TcpSocket> {
    let family = match of {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

fn lines(mut entries: Receiver<io::Result<LogEntry>>) -> Receiver<io::Result<LogLine>> {
    let (sender, lines) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        while let Some(entry) = entries.recv().await {
            if sender.send(entry.map(line)).await.is_err() {
                return;
            }
        }
    });
    lines
}

fn line(entry: LogEntry) -> LogLine {
    LogLine {
        time: entry.time.as_nanosecond(),
        stream: streamed(entry.stream),
        text: entry.line,
    }
}

impl Node for Pods {
    fn runs(&self, of: &ContainerRef) -> bool {
        self.running(of).is_some()
    }

    fn exec(&self, of: ContainerRef, command: Vec<String>, io: Io) -> Doing<Result<Session, StreamFault>> {
        let pods = self.clone();
        Box::pin(async move { pods.exec_in(of, command, io).await })
    }

    fn attach(&self, of: ContainerRef, io: Io) -> Doing<Result<Session, StreamFault>> {
        let pods = self.clone();
        Box::pin(async move { pods.attach_to(of, io).await })
    }

    fn forward(&self, pod: PodRef, port: u16) -> Doing<io::Result<Box<dyn Pipe>>> {
        let pods = self.clone();
        Box::pin(async move { pods.connect(pod, port).await })
    }

    fn logs(
        &self,
        of: ContainerRef,
        id: String,
        query: LogQuery,
    ) -> Doing<Result<Receiver<io::Result<LogLine>>, LogFault>> {
        let pods = self.clone();
        Box::pin(async move { pods.read_log(&of, &id, &query) })
    }
}
