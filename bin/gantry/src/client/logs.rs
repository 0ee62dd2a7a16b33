//! `gantry logs [NAME]`: what a container has said; without a name, the daemon's own log.

use std::io;
use std::process::ExitCode;

use clap::Args;
use http_body_util::BodyExt;
use hyper::Method;

use super::block_on;
use super::frame::{Demultiplexer, Stream};
use super::http::{Daemon, Error, Target};
use super::session::print;
use super::socket::serving;
use crate::failure::{Failure, Outcome};
use crate::node;

#[derive(Debug, Args)]
#[group(id = "container-logs")]
pub(crate) struct Options {
    #[command(flatten)]
    node: node::Logs,
    /// How many lines at the end of a container's log [default: all].
    #[arg(short = 'n', long, requires = "container")]
    tail: Option<u64>,
    /// A container's name or id; the node's daemon if none is given.
    #[arg(value_name = "NAME")]
    container: Option<String>,
}

pub(crate) fn run(options: Options) -> Outcome {
    let Some(container) = &options.container else {
        return node::logs(options.node);
    };
    let daemon = serving(options.node.node.clone().resolve()?.docker_socket)?;
    block_on(async {
        let tty = is_terminal(&daemon, container).await?;
        copy(&daemon, target(container, options.node.follow, options.tail), tty).await?;
        Ok::<_, Failure>(ExitCode::SUCCESS)
    })
}

/// A terminal's log has no frames.
async fn is_terminal(daemon: &Daemon, container: &str) -> Result<bool, Error> {
    let inspected = daemon
        .get(Target::new(&["containers", container, "json"]))
        .await?;
    Ok(inspected["Config"]["Tty"].as_bool().unwrap_or(false))
}

fn target(container: &str, follow: bool, tail: Option<u64>) -> Target {
    Target::new(&["containers", container, "logs"])
        .with("stdout", "1")
        .with("stderr", "1")
        .with("follow", if follow { "1" } else { "0" })
        .with(
            "tail",
            tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        )
}

async fn copy(daemon: &Daemon, target: Target, tty: bool) -> Result<(), Error> {
    let mut body = daemon.stream(Method::GET, target).await?.into_body();
    let mut frames = Demultiplexer::default();
    while let Some(frame) = body.frame().await.transpose()? {
        let bytes = frame.into_data().unwrap_or_default();
        let printed: io::Result<()> = match tty {
            true => print(Stream::Out, &bytes),
            false => frames.feed(&bytes, &mut print),
        };
        printed?;
    }
    Ok(())
}
