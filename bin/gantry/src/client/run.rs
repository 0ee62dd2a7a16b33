//! `gantry run`: create, attach, start, wait, in the docker client's order, so that no output and no exit
//! is missed.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::{self, Write};
use std::process::ExitCode;
use std::task::Poll;

use clap::Args;
use hyper::body::Incoming;
use hyper::{Method, Response};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::http::{self, Daemon, Error, Target};
use super::session::{Ended, Session};
use super::settings::{self, Settings};
use super::socket::SocketOptions;
use super::{block_on, exit_with, pull, refusal, refused, terminal};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: the program's own; 125 if the node refuses, 126 if the program cannot be executed, 127 if there \
is none.")]
pub(crate) struct Options {
    /// Print the container's id and leave it running.
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    socket: SocketOptions,
}

pub(crate) fn run(options: Options) -> Outcome {
    if !options.detach {
        terminal::require(options.settings.tty, options.settings.interactive)
            .map_err(|message| Failure::with_code(1, message))?;
    }
    block_on(perform(options))
}

async fn perform(options: Options) -> Outcome {
    let daemon = options.socket.daemon()?;
    let settings = &options.settings;
    let body = settings
        .body(options.detach)
        .map_err(|settings::Invalid(message)| Failure::with_code(super::REFUSED, message))?;
    let id = create(&daemon, settings, &body).await?;
    if options.detach {
        start(&daemon, &id).await.map_err(|error| refusal(&error))?;
        writeln!(io::stdout(), "{id}")?;
        return Ok(ExitCode::SUCCESS);
    }
    attended(&daemon, settings, &id).await
}

/// An image that is not there is pulled.
async fn create(daemon: &Daemon, settings: &Settings, body: &Value) -> Result<String, Failure> {
    let target = || {
        let name = settings.name.iter().map(|name| ("name", name.clone()));
        Target::new(&["containers", "create"]).with_all(name)
    };
    let created = match daemon.post_json(target(), body).await {
        Err(error) if error.is_not_found() && error.to_string().contains("No such image") => {
            let unable = format!(
                "Unable to find image '{}' locally",
                pull::tagged(settings.image())
            );
            writeln!(io::stderr(), "{unable}")?;
            pull::pull(daemon, settings.image()).await.map_err(refused)?;
            daemon.post_json(target(), body).await
        }
        other => other,
    };
    let created = created.map_err(refused)?;
    for warning in created["Warnings"].as_array().into_iter().flatten() {
        writeln!(io::stderr(), "WARNING: {}", warning.as_str().unwrap_or_default())?;
    }
    text(&created, "Id").map_err(refused)
}

async fn start(daemon: &Daemon, id: &str) -> Result<(), Error> {
    daemon
        .post(Target::new(&["containers", id, "start"]))
        .await
        .map(drop)
}

/// In the foreground.
async fn attended(daemon: &Daemon, settings: &Settings, id: &str) -> Outcome {
    let session = Session {
        daemon,
        of: ["containers", id],
        tty: settings.tty,
        input: settings.interactive,
    };
    // Caught before there is a program, so that none ends us while it runs.
    let signals = (!settings.tty).then(Signals::catch).transpose()?;
    let stream = daemon.upgrade(attach(id, settings.interactive), None).await;
    let stream = stream.map_err(refused)?;
    let end = wait(daemon, id, settings.rm).await.map_err(refused)?;
    if let Err(error) = start(daemon, id).await {
        if settings.rm {
            // It is removed by the node; this is when it is.
            drop(http::whole(end).await);
        }
        return Err(refusal(&error));
    }
    if settings.tty {
        session.resize().await;
    }
    let ended = tokio::select! {
        biased;
        ended = session.attend(stream) => ended,
        never = pass(signals, daemon, id) => match never {},
    };
    let ended = ended.map_err(refused)?;
    match ended {
        Ended::Detached => Ok(ExitCode::SUCCESS),
        Ended::Output => exit_with(exit_code(end).await.map_err(refused)?),
    }
}

fn attach(id: &str, input: bool) -> Target {
    let all = ["stream", "stdout", "stderr"].into_iter();
    let asked = all.chain(input.then_some("stdin"));
    Target::new(&["containers", id, "attach"]).with_all(asked.map(|stream| (stream, "1".to_owned())))
}

/// The head of the answer is there once the node waits, its body at the end.
async fn wait(daemon: &Daemon, id: &str, removed: bool) -> Result<Response<Incoming>, Error> {
    let condition = if removed { "removed" } else { "next-exit" };
    let target = Target::new(&["containers", id, "wait"]).with("condition", condition);
    daemon.stream(Method::POST, target).await
}

async fn exit_code(end: Response<Incoming>) -> Result<i64, Error> {
    let answer = http::whole(end).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| Error::Answer(error.to_string()))?;
    let code = answer["StatusCode"].as_i64();
    code.ok_or_else(|| Error::Answer(format!("no StatusCode in {answer}")))
}

/// What is passed on to a program without a terminal.
struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    fn catch() -> io::Result<Self> {
        let caught = [
            ("HUP", SignalKind::hangup()),
            ("INT", SignalKind::interrupt()),
            ("QUIT", SignalKind::quit()),
            ("TERM", SignalKind::terminate()),
            ("USR1", SignalKind::user_defined1()),
            ("USR2", SignalKind::user_defined2()),
        ];
        let streams = caught.map(|(name, kind)| signal(kind).map(|stream| (name, stream)));
        streams.into_iter().collect::<io::Result<_>>().map(Self)
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        poll_fn(|context| {
            let mut ready = self.0.iter_mut();
            let ready =
                ready.find_map(|(name, stream)| stream.poll_recv(context).is_ready().then_some(*name));
            ready.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Signals are the program's while it runs; a terminal's program gets them from its terminal.
async fn pass(signals: Option<Signals>, daemon: &Daemon, id: &str) -> Infallible {
    let Some(mut signals) = signals else {
        return pending().await;
    };
    loop {
        let kill = Target::new(&["containers", id, "kill"]).with("signal", signals.next().await);
        // A program that has ended needs none: its end is on the way to us.
        drop(daemon.post(kill).await);
    }
}

/// A member that every answer of that kind has.
pub(super) fn text(answer: &Value, key: &str) -> Result<String, Error> {
    let text = answer[key].as_str();
    text.map(ToOwned::to_owned)
        .ok_or_else(|| Error::Answer(format!("no {key} in {answer}")))
}
