//! `gantry pull` and `gantry push`, and the pull of an image that `run` has not found. The node speaks to the registry;
//! who the user is there, this side knows: from Docker's own configuration and its helpers.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use clap::Args;
use distribution::Credentials;
use distribution::auth::{Answer, Helper};
use distribution::config::DockerConfig;
use hyper::Method;
use image::Reference;
use serde_json::json;

use super::bars::Bars;
use super::block_on;
use super::http::{Daemon, Error, Target};
use super::progress::{self, Lines};
use super::socket::SocketOptions;
use crate::failure::{Failure, Outcome};
use crate::node::variable;

/// The header with credentials.
const AUTH: &str = "X-Registry-Auth";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print the image's name alone.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    socket: SocketOptions,
    /// The image, with its registry if that is not Docker Hub.
    image: String,
}

#[derive(Debug, Args)]
pub(crate) struct PullOptions {
    /// What it has to run on: OS/ARCH[/VARIANT] [default: this machine's].
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// `gantry pull`
pub(crate) fn run(options: PullOptions) -> Outcome {
    let PullOptions { platform, options } = options;
    let target = Target::new(&["images", "create"])
        .with("fromImage", tagged(&options.image))
        .with_all(platform.map(|platform| ("platform", platform)));
    options.carry_out(target)
}

/// `gantry push`
pub(crate) fn push(options: Options) -> Outcome {
    let reference = parse(&options.image)?.with_default_tag();
    let tag = reference.tag.clone().unwrap_or_default();
    let target = Target::new(&["images", &reference.familiar_name(), "push"]).with("tag", tag);
    options.carry_out(target)
}

impl Options {
    fn carry_out(self, target: Target) -> Outcome {
        let daemon = self.socket.clone().daemon()?;
        let reference = parse(&self.image)?;
        let auth = header(&reference)?;
        block_on(async {
            let lines = daemon.stream_with(Method::POST, target, &[(AUTH, &auth)]).await?;
            let mut lines = Lines::of(lines);
            let mut show = Show::new(self.quiet, io::stdout().is_terminal());
            while let Some(line) = lines.next().await? {
                show.line(&mut io::stdout().lock(), &line)?;
            }
            drop(show);
            if self.quiet {
                writeln!(io::stdout().lock(), "{reference}")?;
            }
            Ok::<_, Failure>(ExitCode::SUCCESS)
        })
    }
}

/// How progress is shown.
enum Show {
    Nothing,
    Words,
    Bars(Bars),
}

impl Show {
    fn new(quiet: bool, terminal: bool) -> Self {
        match (quiet, terminal) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bars(Bars::default()),
            (false, false) => Self::Words,
        }
    }

    fn line(&mut self, out: &mut dyn Write, line: &serde_json::Value) -> io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Words => progress::print(out, line),
            Self::Bars(bars) => bars.line(line),
        }
    }
}

/// Progress goes to standard error: the program's output is not mixed with it.
pub(super) async fn pull(daemon: &Daemon, image: &str) -> Result<(), Error> {
    let target = Target::new(&["images", "create"]).with("fromImage", tagged(image));
    let auth = Reference::parse(image)
        .ok()
        .and_then(|reference| header(&reference).ok());
    let lines = daemon
        .stream_with(Method::POST, target, &[(AUTH, &auth.unwrap_or_default())])
        .await?;
    let mut lines = Lines::of(lines);
    let mut show = Show::new(false, io::stderr().is_terminal());
    while let Some(line) = lines.next().await? {
        show.line(&mut io::stderr().lock(), &line)?;
    }
    Ok(())
}

fn parse(image: &str) -> Result<Reference, Failure> {
    Reference::parse(image).map_err(|error| Failure::usage(format!("{image:?}: {error}")))
}

/// Who the user is to an image's registry, as the node hears it.
fn header(reference: &Reference) -> Result<String, Failure> {
    let config = docker_config()
        .map(|file| DockerConfig::load(&file))
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let found = config.map(|config| config.credentials(&reference.domain, &Programs));
    let said = match found.transpose()?.unwrap_or_default() {
        Credentials::Anonymous => return Ok(String::new()),
        Credentials::Basic { username, password } => json!({ "username": username, "password": password }),
        Credentials::IdentityToken(token) => json!({ "identitytoken": token }),
        Credentials::RegistryToken(token) => json!({ "registrytoken": token }),
    };
    Ok(URL_SAFE.encode(said.to_string()))
}

/// Where Docker's command line keeps its configuration.
fn docker_config() -> Option<PathBuf> {
    let directory = variable("DOCKER_CONFIG").map(PathBuf::from);
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".docker"));
    directory
        .or_else(home)
        .map(|directory| directory.join("config.json"))
}

/// Runs credential helpers: this is the user's own process.
struct Programs;

impl Helper for Programs {
    fn run(&self, program: &str, action: &str, input: &[u8]) -> io::Result<Answer> {
        let mut child = Command::new(program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        let ended = child.wait_with_output()?;
        Ok(Answer {
            success: ended.status.success(),
            output: ended.stdout,
        })
    }
}

/// A name alone would mean all of its tags.
pub(super) fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn one_tag_is_pulled_and_not_all() {
        assert_eq!(tagged("busybox"), "busybox:latest");
        assert_eq!(tagged("host:5000/a"), "host:5000/a:latest");
        for complete in ["a:1", "host:5000/a:1", "a@sha256:0"] {
            assert_eq!(tagged(complete), complete);
        }
    }
}
