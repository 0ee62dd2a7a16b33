//! `gantry build`: the context goes to the node as it is read, the node's progress comes back.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use builder::lint::{Facts, NoBases, lint};
use clap::Args;
use serde_json::{Map, Value, json};

use super::block_on;
use super::context::{Context, Found};
use super::http::Target;
use super::progress::{self, Lines};
use super::settings::environment;
use super::socket::SocketOptions;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the image is called; once for each name.
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<String>,
    /// The Dockerfile [default: PATH/Dockerfile].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The value of an ARG; without one, as the variable is set here.
    #[arg(long, value_name = "KEY[=VALUE]")]
    build_arg: Vec<String>,
    /// Build this stage.
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Perform every step again.
    #[arg(long)]
    no_cache: bool,
    /// Say what the linter has to say of the Dockerfile, and build nothing.
    #[arg(long)]
    check: bool,
    /// Print the image's id alone.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    socket: SocketOptions,
    /// The directory that COPY and ADD read from.
    path: PathBuf,
}

pub(crate) fn run(options: Options) -> Outcome {
    if options.check {
        return options.lint();
    }
    let daemon = options.socket.clone().daemon()?;
    let context = Context::open(&options.path, options.file.as_deref())?;
    let target = options.request(context.dockerfile());
    block_on(async {
        let (sending, tar) = context.send()?;
        let sent = daemon.upload(target, tar).await;
        // What kept the context from being read is the better reason.
        if sent.is_err() {
            sending.await??;
        }
        let mut lines = Lines::of(sent?);
        let mut out = io::stdout().lock();
        while let Some(line) = lines.next().await? {
            progress::print(&mut out, &line)?;
        }
        out.flush()?;
        Ok::<_, Failure>(ExitCode::SUCCESS)
    })
}

impl Options {
    /// Reads the Dockerfile here. No base image is asked for, so what one might set is not missed.
    fn lint(&self) -> Outcome {
        let (clean, text) = self.check()?;
        io::stdout().write_all(text.as_bytes())?;
        Ok(if clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn check(&self) -> Result<(bool, String), Failure> {
        let arguments = self.arguments();
        let given = arguments.as_object().into_iter().flatten();
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let found = Found::read(&self.path, self.file.as_deref())?;
        let facts = Facts {
            args: &given.filter_map(text).collect(),
            target: self.target.as_deref(),
            ignore: found.ignore.as_ref(),
            platform: builder::lint::host(),
            bases: &NoBases,
        };
        let report = lint(&found.dockerfile, &facts);
        let text = String::from_utf8_lossy(&found.dockerfile);
        Ok((report.is_clean(), report.print(&found.name, &text)))
    }

    fn request(&self, dockerfile: &str) -> Target {
        let flag = |key, set: bool| set.then(|| (key, "1".to_owned()));
        Target::new(&["build"])
            .with("dockerfile", dockerfile)
            .with("buildargs", self.arguments().to_string())
            .with("rm", "1")
            .with_all(self.tag.iter().map(|tag| ("t", tag.clone())))
            .with_all(self.target.iter().map(|stage| ("target", stage.clone())))
            .with_all(flag("nocache", self.no_cache))
            .with_all(flag("q", self.quiet))
    }

    fn arguments(&self) -> Value {
        let set = environment(&self.build_arg);
        let pairs = set.iter().filter_map(|word| word.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect::<Map<_, _>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn a_check_says_what_it_finds_and_needs_no_node() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let check = || {
            let path = directory.path().to_str().unwrap();
            let line = Line::parse_from(["build", "--check", "--build-arg", "B=1", path]);
            line.options.check().unwrap()
        };
        write("Dockerfile", "FROM scratch\nARG B\nCOPY $B a /\n");
        assert_eq!(check(), (true, "Check complete, no warnings found.\n".to_owned()));
        write("Dockerfile.dockerignore", "a\n");
        let (clean, text) = check();
        assert!(!clean);
        assert!(text.contains("WARNING: CopyIgnoredFile - https://"), "{text}");
        assert!(text.contains("\nDockerfile:3\n"), "{text}");
    }
}
