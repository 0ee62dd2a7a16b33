//! `exec`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use runtime::lifecycle::{self, Runtime};
use runtime::spec::{Process, User};

use super::DONE;
use super::foreground::{self, Foreground};
use super::run::Handover;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(super) struct Exec {
    /// The container.
    id: String,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
    /// A process.json to run instead of a command.
    #[arg(short, long, conflicts_with_all = ["cwd", "env", "user", "cap", "no_new_privs"])]
    process: Option<PathBuf>,
    /// Give the program a terminal.
    #[arg(short, long)]
    tty: bool,
    /// Return once the program runs.
    #[arg(short, long)]
    detach: bool,
    /// Its working directory.
    #[arg(long)]
    cwd: Option<String>,
    /// Variables added to the container's environment.
    #[arg(short, long)]
    env: Vec<String>,
    /// `uid[:gid]`.
    #[arg(short, long, value_parser = parse_user)]
    user: Option<User>,
    /// Capabilities added to the container's.
    #[arg(short, long)]
    cap: Vec<String>,
    /// Set no_new_privs.
    #[arg(long)]
    no_new_privs: bool,
    #[command(flatten)]
    handover: Handover,
}

pub(super) fn run(runtime: &Runtime, options: Exec) -> Outcome {
    let process = process(runtime, &options)?;
    let has_terminal = process.terminal;
    let given = options.handover.connect()?;
    let foreground = (!options.detach)
        .then(|| Foreground::prepare(given.as_ref()))
        .transpose()?;
    let console = foreground.as_ref().map_or(given, Foreground::console);
    let started = runtime.exec(&lifecycle::Exec {
        id: &options.id,
        process,
        console,
        preserve_fds: options.handover.preserve_fds,
    })?;
    options.handover.announce(&started)?;
    match foreground {
        Some(foreground) => Ok(foreground::exit_code(foreground.attend(&started, has_terminal)?)),
        None => DONE,
    }
}

/// The process as a file gives it, or the container's own with what the flags change.
fn process(runtime: &Runtime, options: &Exec) -> Result<Process, Failure> {
    if let Some(path) = &options.process {
        let mut process: Process = runtime::spec::parse(&fs::read(path)?)?;
        process.terminal |= options.tty;
        return Ok(process);
    }
    if options.args.is_empty() {
        return Err(Failure::usage("exec needs a program, or --process"));
    }
    let mut process = runtime.configured_process(&options.id)?;
    process.args.clone_from(&options.args);
    process.terminal = options.tty;
    process.env.extend(options.env.iter().cloned());
    process.no_new_privileges |= options.no_new_privs;
    if let Some(cwd) = &options.cwd {
        process.cwd.clone_from(cwd);
    }
    if let Some(user) = &options.user {
        process.user.uid = user.uid;
        process.user.gid = user.gid;
    }
    if !options.cap.is_empty() {
        let mut capabilities = process.capabilities.unwrap_or_default();
        for set in [
            &mut capabilities.bounding,
            &mut capabilities.effective,
            &mut capabilities.permitted,
        ] {
            set.extend(options.cap.iter().cloned());
        }
        process.capabilities = Some(capabilities);
    }
    Ok(process)
}

fn parse_user(text: &str) -> Result<User, String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, "0"));
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is not a numeric id"));
    Ok(User {
        uid: number(uid)?,
        gid: number(gid)?,
        ..User::default()
    })
}
