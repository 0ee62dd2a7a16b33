//! `gantry up`: the supervisor, and under it the daemon; returns, or stays, when the node is ready.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitCode};
use std::time::Duration;

use clap::Args;
use cluster::control::Status;
use cluster::{Config, Stage, Stages, stage};
use rustix::event::{PollFd, PollFlags};
use sys::clock::boottime;
use sys::epoll::Signals;
use tracing_subscriber::layer::SubscriberExt;

use super::processes::{self, Found};
use super::settings::{NodeOptions, WaitOption};
use super::{Format, down, exit, features, report};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 ready (also if it was before), 1 failed, 2 usage, 4 a port, socket or directory is held,
5 not root or the kernel lacks something, 124 not ready in time.
Every option is also a GANTRY_... variable and a key of the file; a flag beats the variable, that the file.")]
pub(crate) struct Options {
    /// Return when the node is ready.
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    node: NodeOptions,
    #[command(flatten)]
    wait: WaitOption,
    /// How to print what has been started.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// A node that is starting.
struct Starting {
    /// Our child, unless a supervisor was there.
    supervisor: Option<Child>,
    /// When this command turned to starting it, in boot time.
    spawned: Duration,
}

pub(crate) fn run(options: Options) -> Outcome {
    let begun = boottime();
    // Before anything starts, so that Ctrl-C always means `down`.
    let signals = Signals::block(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP])?;
    let stages = Stages::new();
    let subscriber = tracing_subscriber::registry().with(stages.layer());
    let _guard = tracing::subscriber::set_default(subscriber);

    let (config, deadline, (lock, found)) = stage!("check").in_scope(|| check(&options, begun))?;
    let spawned = boottime();
    let supervisor = match found {
        Found::Daemon(status) => return already(&config, *status, deadline, options.output),
        Found::Supervisor(mut supervisor) => {
            processes::set_daemon(&mut supervisor, Some(&config))?;
            None
        }
        Found::Nothing => {
            processes::name_is_free(&config)?;
            Some(processes::start_supervisor(&config)?)
        }
    };
    if let Some(child) = &supervisor {
        processes::until_supervised(&config, child)?;
    }
    let starting = Starting { supervisor, spawned };
    let mut status = starting.wait(&config, deadline, &options)?;
    drop(lock);
    starting.account(&mut status, begun, stages);
    report::print(&status, options.output)?;
    if options.output == Format::Text {
        report::next(&status)?;
    }
    if options.detach {
        return Ok(ExitCode::SUCCESS);
    }
    attend(&config, &status, &signals, starting.supervisor)
}

fn check(options: &Options, begun: Duration) -> Result<(Config, Duration, (File, Found)), Failure> {
    let (config, wait) = options.node.clone().resolve_with(&options.wait)?;
    features::require()?;
    let claimed = processes::claim(&config, begun + wait)?;
    Ok((config, begun + wait, claimed))
}

/// A second `up` waits as the first one does, and says the same.
fn already(config: &Config, running: Status, deadline: Duration, format: Format) -> Outcome {
    if (&running.name, &running.data_dir) != (&config.name, &config.data_dir) {
        return Err(Failure::with_code(
            exit::HELD,
            format!(
                "{} is in use by process {} (node {:?} with data in {})",
                config.run_dir.display(),
                running.pid,
                running.name.as_str(),
                running.data_dir.display()
            ),
        ));
    }
    let status = processes::until_ready(config, deadline, None, &mut |_| ())?;
    report::print(&status, format)?;
    Ok(ExitCode::SUCCESS)
}

impl Starting {
    /// A node that cannot start is taken down again; one that is merely slow goes on.
    fn wait(&self, config: &Config, deadline: Duration, options: &Options) -> Result<Status, Failure> {
        let pidfd = self
            .supervisor
            .as_ref()
            .and_then(|child| processes::watch(child.id()));
        let loud = !options.detach && options.output == Format::Text;
        let mut tell = |stage: &Stage| {
            if loud {
                drop(writeln!(io::stderr(), "{} …", stage.name));
            }
        };
        processes::until_ready(config, deadline, pidfd.as_ref(), &mut tell).inspect_err(|failure| {
            if failure.code() != exit::NOT_IN_TIME {
                self.undo(config);
            }
        })
    }

    fn undo(&self, config: &Config) {
        let Some(mut supervisor) = processes::supervisor_of(config) else {
            return;
        };
        match &self.supervisor {
            Some(child) => drop(processes::end_supervisor(
                supervisor,
                child.id(),
                Duration::from_secs(5),
            )),
            // It has kept containers for the next daemon; it still does.
            None => drop(processes::set_daemon(&mut supervisor, None)),
        }
        if self.supervisor.is_some() {
            drop(cluster::sweep_start(config));
        }
    }

    /// The whole time and all of its parts: ours, the supervisor's start, the daemon's, and until we hear.
    fn account(&self, status: &mut Status, begun: Duration, stages: Stages) {
        let daemon = Duration::from_nanos(status.begun_ns);
        let ready = daemon + Duration::from_secs_f64(status.ready_ms.unwrap_or(0.0) / 1e3);
        let now = boottime();
        let mut all = stages.finished();
        all.push(Stage::new("supervisor", daemon.saturating_sub(self.spawned)));
        all.append(&mut status.stages);
        all.push(Stage::new("answer", now.saturating_sub(ready)));
        status.stages = all;
        status.ready_ms = Some(Stage::new("", now.saturating_sub(begun)).ms);
    }
}

/// Stays until a signal comes or the node ends.
fn attend(config: &Config, status: &Status, signals: &Signals, supervisor: Option<Child>) -> Outcome {
    let mut ended = status.supervisor_pid.and_then(processes::watch);
    let told = loop {
        if signal_before_end(signals, ended.as_ref())? {
            break true;
        }
        ended = processes::next_supervisor(config);
        if ended.is_none() {
            break false;
        }
    };
    if told {
        drop(writeln!(io::stderr(), "stopping"));
        down::stop(config, false, down::DEFAULT_TIMEOUT)?;
    }
    if let Some(mut child) = supervisor {
        child.wait()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn signal_before_end(signals: &Signals, ended: Option<&OwnedFd>) -> Result<bool, Failure> {
    loop {
        let mut fds = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        fds.extend(ended.map(|pidfd| PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)));
        match rustix::event::poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if signals.next().is_some() {
            return Ok(true);
        }
        if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            return Ok(false);
        }
    }
}
