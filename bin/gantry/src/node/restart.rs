//! `gantry restart`: a new daemon, from the executable that this command is, under the same supervisor
//! (which takes up that executable too). Containers run on.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cluster::Config;
use cluster::control::{Reply, Request};
use std::os::unix::ffi::OsStrExt;
use supervisor::protocol;
use sys::clock::boottime;

use super::processes::{self, Found};
use super::settings::{NodeOptions, WaitOption};
use super::{Format, NOT_RUNNING, exit, features, report};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodeOptions,
    #[command(flatten)]
    wait: WaitOption,
    /// How to print what runs then.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

pub(crate) fn run(options: Options) -> Outcome {
    let begun = boottime();
    let (config, wait) = options.node.resolve_with(&options.wait)?;
    features::require_root()?;
    let (_lock, found) = processes::claim(&config, begun + wait)?;
    let old = match found {
        Found::Daemon(status) => *status,
        _ => return Err(Failure::with_code(exit::NOT_RUNNING, NOT_RUNNING)),
    };
    cluster::check_files(&config)?;
    renew(&config)?;
    let ended = processes::watch(old.pid);
    end_daemon(&config)?;
    ended.map_or(Ok(()), sys::poll::readable)?;
    let status = processes::until_ready(&config, begun + wait, None, &mut |_| ())?;
    report::print(&status, options.output)?;
    Ok(ExitCode::SUCCESS)
}

/// The supervisor becomes this executable, and will start it as the daemon.
fn renew(config: &Config) -> Result<(), Failure> {
    let Some(mut supervisor) = processes::supervisor_of(config) else {
        return Err(Failure::with_code(
            1,
            "the daemon has no supervisor that would start it again",
        ));
    };
    processes::set_daemon(&mut supervisor, Some(config))?;
    let executable = std::env::current_exe()?;
    let reexec = protocol::Request::Reexec {
        executable: Some(executable.as_os_str().as_bytes().into()),
    };
    match supervisor.call(&reexec, &[])?.0 {
        protocol::Reply::Done {} => Ok(()),
        other => Err(Failure::with_code(
            1,
            format!("the supervisor cannot become {}: {other:?}", executable.display()),
        )),
    }
}

fn end_daemon(config: &Config) -> Result<(), Failure> {
    let request = Request::Stop {
        keep_containers: true,
        handover: true,
        timeout_ms: 0,
    };
    let Some(mut conversation) = processes::ask(config, &request)? else {
        return Ok(());
    };
    match conversation.next(Duration::from_secs(30)) {
        Ok(Reply::Stopped { .. }) => Ok(()),
        other => Err(processes::unexpected(other)),
    }
}
