//! A node whose containers `one` and `two` run programs of this machine, and whose ports are this machine's.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use bytes::Bytes;
use driver::env::Doing;
use streaming::{
    ContainerRef, Io, LogFault, LogLine, LogQuery, Node, Pipe, PodRef, Session, Stream, StreamFault,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double;

fn pump(mut from: impl Read + Send + 'static, stream: Stream, to: Sender<(Stream, Bytes)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 32 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = Bytes::copy_from_slice(&buffer[..read]);
            if to.blocking_send((stream, bytes)).is_err() {
                return;
            }
        }
    });
}

fn feed(mut to: impl Write + Send + 'static, mut from: Receiver<Bytes>) {
    thread::spawn(move || {
        while let Some(bytes) = from.blocking_recv() {
            if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                return;
            }
        }
    });
}

impl Double {
    fn run(command: &[String]) -> Result<Session, StreamFault> {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| StreamFault::Failed(format!("exec: {:?}: {error}", command[0])))?;
        let (going, output) = mpsc::channel(4);
        let (input, coming) = mpsc::channel(4);
        let (resize, _) = mpsc::channel(1);
        pump(child.stdout.take().unwrap(), Stream::Stdout, going.clone());
        pump(child.stderr.take().unwrap(), Stream::Stderr, going);
        feed(child.stdin.take().unwrap(), coming);
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap().code().unwrap_or(137));
        Ok(Session {
            input: Some(input),
            output,
            resize,
            ended: Box::pin(async move { Ok(ended.await.unwrap()) }),
        })
    }
}

impl Node for Double {
    fn runs(&self, of: &ContainerRef) -> bool {
        ["one", "two"].contains(&of.container.as_str())
    }

    fn exec(&self, of: ContainerRef, command: Vec<String>, _: Io) -> Doing<Result<Session, StreamFault>> {
        let answer = if self.runs(&of) {
            Self::run(&command)
        } else {
            Err(StreamFault::NotFound)
        };
        Box::pin(async move { answer })
    }

    /// The containers' own program says what it hears.
    fn attach(&self, of: ContainerRef, io: Io) -> Doing<Result<Session, StreamFault>> {
        self.exec(of, vec!["cat".to_owned()], io)
    }

    fn forward(&self, _: PodRef, port: u16) -> Doing<io::Result<Box<dyn Pipe>>> {
        Box::pin(async move {
            let pipe = TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(Box::new(pipe) as Box<dyn Pipe>)
        })
    }

    fn logs(
        &self,
        of: ContainerRef,
        id: String,
        query: LogQuery,
    ) -> Doing<Result<Receiver<io::Result<LogLine>>, LogFault>> {
        let (sender, lines) = mpsc::channel(4);
        let name = of.container;
        let all: Vec<(i64, Stream, String)> = (1..=5)
            .map(|at| {
                let stream = if at % 2 == 0 {
                    Stream::Stderr
                } else {
                    Stream::Stdout
                };
                (at, stream, format!("{name} {id} line {at}\n"))
            })
            .collect();
        let skipped = query
            .tail
            .map_or(0, |tail| all.len().saturating_sub(usize::try_from(tail).unwrap()));
        tokio::spawn(async move {
            for (at, stream, text) in all.into_iter().skip(skipped) {
                let time = i128::from(at) * 1_000_000_000;
                let wanted = if stream == Stream::Stdout {
                    query.stdout
                } else {
                    query.stderr
                };
                if wanted && query.since.is_none_or(|since| time >= since) {
                    let text = text.into();
                    drop(sender.send(Ok(LogLine { time, stream, text })).await);
                }
            }
            if query.follow {
                let text = "followed\n".into();
                let time = 6_000_000_000;
                drop(
                    sender
                        .send(Ok(LogLine {
                            time,
                            stream: Stream::Stdout,
                            text,
                        }))
                        .await,
                );
            }
        });
        Box::pin(async move { Ok(lines) })
    }
}
