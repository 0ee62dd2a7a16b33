//! `gantry down`: containers, daemon, supervisor, and whatever of the node is in the kernel.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cluster::Config;
use cluster::control::{Reply, Request};
use sys::clock::boottime;

use super::processes::{self, Found};
use super::settings::NodePlace;
use super::{NOT_RUNNING, exit, features};
use crate::failure::{Failure, Outcome};

/// How long containers may take by default.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a killed supervisor's place may stay empty.
const MENDING: Duration = Duration::from_secs(10);
/// What the daemon itself may take besides.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// End the daemon alone: containers run on, and the next `up` takes them over.
    #[arg(long)]
    keep_containers: bool,
    /// How long containers may take to stop before they are killed.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    node: NodePlace,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.resolve()?;
    features::require_root()?;
    stop(&config, options.keep_containers, options.timeout)?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the node.
///
/// # Errors
/// 3 if there is none.
pub(super) fn stop(config: &Config, keep_containers: bool, timeout: Duration) -> Result<(), Failure> {
    if !config.run_dir.exists() {
        return Err(Failure::with_code(exit::NOT_RUNNING, NOT_RUNNING));
    }
    let (_lock, found) = processes::claim(config, boottime() + MENDING)?;
    if matches!(found, Found::Nothing) && !was_killed(config) {
        return Err(Failure::with_code(exit::NOT_RUNNING, NOT_RUNNING));
    }
    // First of all, so that a daemon that ends is not started again.
    let mut supervisor = processes::supervisor_of(config);
    if let Some(supervisor) = &mut supervisor {
        processes::set_daemon(supervisor, None)?;
    }
    let stopped = match found {
        Found::Daemon(_) => stop_daemon(config, keep_containers, timeout),
        _ => Ok(()),
    };
    if keep_containers {
        return stopped;
    }
    if let Err(failure) = stopped {
        // Its supervisor kills it; what it has not taken away is swept up.
        let failure = failure.message();
        drop(writeln!(
            io::stderr(),
            "warning: the daemon does not stop: {failure}"
        ));
    }
    if !matches!(found, Found::Daemon(_)) {
        // Containers that nobody else will stop.
        cluster::stop_containers(&config.name, timeout)?;
    }
    if let Some(supervisor) = supervisor {
        let pid = cluster::pid_in(&config.paths().supervisor_pid()).unwrap_or_default();
        processes::end_supervisor(supervisor, pid, timeout)?;
    }
    cluster::sweep(config)?;
    clear(config)
}

/// A node that ends in order takes this file along.
fn was_killed(config: &Config) -> bool {
    config.paths().supervisor_pid().exists()
}

fn stop_daemon(config: &Config, keep_containers: bool, timeout: Duration) -> Result<(), Failure> {
    let request = Request::Stop {
        keep_containers,
        handover: false,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let ended = cluster::pid_in(&config.paths().pid()).and_then(processes::watch);
    let Some(mut conversation) = processes::ask(config, &request)? else {
        return Ok(());
    };
    match conversation.next(timeout.saturating_add(DRAIN)) {
        Ok(Reply::Stopped { warnings }) => warnings
            .iter()
            .for_each(|warning| drop(writeln!(io::stderr(), "warning: {warning}"))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            drop(writeln!(io::stderr(), "warning: the daemon died while stopping"));
        }
        other => return Err(processes::unexpected(other)),
    }
    match ended {
        Some(pidfd) => Ok(sys::poll::readable(pidfd)?),
        None => Ok(()),
    }
}

/// The files that a killed process could not remove.
fn clear(config: &Config) -> Result<(), Failure> {
    let paths = config.paths();
    let files = [
        paths.pid(),
        paths.supervisor_pid(),
        paths.supervisor_socket(),
        paths.control_socket(),
        config.docker_socket.clone(),
    ];
    for file in files {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
