//! A node whose one container `c` runs made-up programs, and whose pod serves made-up ports.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use driver::env::Doing;
use streaming::{
    ContainerRef, Io, LogFault, LogLine, LogQuery, Node, Pipe, PodRef, Session, Stream, StreamFault,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The pod's.
pub(crate) fn pod() -> PodRef {
    PodRef {
        namespace: "ns".to_owned(),
        name: "p".to_owned(),
        uid: "uid-1".to_owned(),
    }
}

/// A container's.
pub(crate) fn container(name: &str) -> ContainerRef {
    ContainerRef {
        pod: pod(),
        container: name.to_owned(),
    }
}

/// The node; what it saw of terminal sizes.
#[derive(Clone, Default)]
pub(crate) struct Double {
    pub(crate) sizes: Arc<Mutex<Vec<(u16, u16)>>>,
}

/// What a program does with its input and outputs; its exit code.
async fn program(
    command: Vec<String>,
    mut input: Receiver<Bytes>,
    output: Sender<(Stream, Bytes)>,
) -> Result<i32, StreamFault> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let say = |stream, text: &'static str| output.send((stream, text.into()));
    match words[..] {
        ["cat"] => {
            while let Some(bytes) = input.recv().await {
                output.send((Stream::Stdout, bytes)).await.unwrap();
            }
            Ok(0)
        }
        ["both"] => {
            say(Stream::Stdout, "out").await.unwrap();
            say(Stream::Stderr, "err").await.unwrap();
            Ok(0)
        }
        ["exit", code] => Ok(code.parse().unwrap()),
        ["large", size] => {
            for _ in 0..size.parse().unwrap() {
                output
                    .send((Stream::Stdout, vec![b'x'; 100_000].into()))
                    .await
                    .unwrap();
            }
            Ok(0)
        }
        ["wait"] => {
            while input.recv().await.is_some() {}
            say(Stream::Stdout, "end of input").await.ok();
            Ok(0)
        }
        _ => Err(StreamFault::Failed(format!(
            "no such program: {}",
            words.join(" ")
        ))),
    }
}

impl Double {
    fn session(&self, command: Vec<String>) -> Session {
        let (input, coming) = mpsc::channel(4);
        let (going, output) = mpsc::channel(4);
        let (resize, mut sizes) = mpsc::channel(4);
        let seen = self.sizes.clone();
        tokio::spawn(async move {
            while let Some(size) = sizes.recv().await {
                seen.lock().unwrap().push(size);
            }
        });
        let run = tokio::spawn(program(command, coming, going));
        Session {
            input: Some(input),
            output,
            resize,
            ended: Box::pin(async move { run.await.unwrap() }),
        }
    }
}

impl Node for Double {
    fn runs(&self, of: &ContainerRef) -> bool {
        of.container == "c"
    }

    fn exec(&self, of: ContainerRef, command: Vec<String>, _: Io) -> Doing<Result<Session, StreamFault>> {
        let answer = match of.container.as_str() {
            "c" if command == ["never"] => return Box::pin(std::future::pending()),
            "c" => Ok(self.session(command)),
            _ => Err(StreamFault::NotFound),
        };
        Box::pin(async move { answer })
    }

    fn attach(&self, of: ContainerRef, io: Io) -> Doing<Result<Session, StreamFault>> {
        self.exec(of, vec!["cat".to_owned()], io)
    }

    /// 7 answers with what it gets, once that is at its end; 8 at once; 9 greets and closes; others refuse.
    fn forward(&self, _: PodRef, port: u16) -> Doing<io::Result<Box<dyn Pipe>>> {
        Box::pin(async move {
            let (client, server) = tokio::io::duplex(4096);
            match port {
                7 => drop(tokio::spawn(echo_at_end(server))),
                8 => drop(tokio::spawn(echo(server))),
                9 => drop(tokio::spawn(async move {
                    let mut server = server;
                    server.write_all(b"hello").await.unwrap();
                })),
                _ => return Err(io::Error::other("connection refused")),
            }
            Ok(Box::new(client) as Box<dyn Pipe>)
        })
    }

    fn logs(
        &self,
        _: ContainerRef,
        _: String,
        _: LogQuery,
    ) -> Doing<Result<Receiver<io::Result<LogLine>>, LogFault>> {
        Box::pin(async { Err(LogFault::NotFound) })
    }
}

async fn echo_at_end(mut server: DuplexStream) {
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    server.write_all(&all).await.ok();
}

async fn echo(server: DuplexStream) {
    let (mut reading, mut writing) = tokio::io::split(server);
    tokio::io::copy(&mut reading, &mut writing).await.ok();
}
