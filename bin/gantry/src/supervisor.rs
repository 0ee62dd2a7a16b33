//! `gantry supervisor`: the parent of all containers of a node (docs/formats/supervisor-protocol.md).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cluster::InstanceName;
use supervisor::{Config, DaemonCommand};

use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen for the daemon.
    #[arg(long, default_value = "/run/gantry/supervisor.sock")]
    socket: PathBuf,
    /// Write the process id to this file.
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// Move into the groups of the node of this name first.
    #[arg(long, value_name = "NAME")]
    cgroup: Option<InstanceName>,
    /// Descriptor of the state that the image before has left, after a re-exec.
    #[arg(long, hide = true)]
    resume_fd: Option<i32>,
    /// The daemon that runs and has started this supervisor in place of one that was killed.
    #[arg(long, hide = true)]
    daemon_pid: Option<u32>,
    /// The daemon to start and to restart: a program and its arguments.
    #[arg(last = true)]
    daemon: Vec<OsString>,
}

pub(crate) fn run(options: Options) -> Outcome {
    let mut arguments: Vec<OsString> = vec![
        "supervisor".into(),
        "--socket".into(),
        options.socket.clone().into(),
    ];
    if let Some(file) = &options.pid_file {
        arguments.extend(["--pid-file".into(), file.into()]);
    }
    if let Some(name) = &options.cgroup {
        cluster::join_cgroup(name)?;
        arguments.extend(["--cgroup".into(), name.as_str().into()]);
    }
    sys::title::remember()?;
    supervisor::main(Config {
        socket: options.socket,
        pid_file: options.pid_file,
        daemon: daemon(options.daemon),
        daemon_pid: options.daemon_pid,
        arguments,
        resume: options.resume_fd,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The daemon gets the environment that the supervisor was started in.
fn daemon(words: Vec<OsString>) -> Option<DaemonCommand> {
    let environment = std::env::vars_os()
        .map(|(name, value)| [name, value].join("=".as_ref()))
        .collect();
    (!words.is_empty()).then_some(DaemonCommand {
        arguments: words,
        environment,
    })
}
