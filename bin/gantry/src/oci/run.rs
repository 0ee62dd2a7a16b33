//! `create` and `run`.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::Args;
use runtime::launcher::Process;
use runtime::lifecycle::{self, Created, Runtime};

use super::foreground::{self, Foreground};
use super::{DONE, log, warn};
use crate::failure::{Failure, Outcome};

/// What passes between the caller and a new process.
#[derive(Debug, Args)]
pub(super) struct Handover {
    /// A unix socket that the terminal's master is sent to.
    #[arg(long)]
    console_socket: Option<PathBuf>,
    /// Write the process's id to this file.
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// Descriptors from 3 on that the program inherits.
    #[arg(long, default_value_t = 0)]
    pub(super) preserve_fds: u32,
}

impl Handover {
    pub(super) fn connect(&self) -> Result<Option<OwnedFd>, Failure> {
        Ok(self
            .console_socket
            .as_ref()
            .map(UnixStream::connect)
            .transpose()?
            .map(OwnedFd::from))
    }

    pub(super) fn announce(&self, process: &Process) -> Result<(), Failure> {
        if let Some(file) = &self.pid_file {
            fs::write(file, process.pid.to_string())?;
        }
        warn(&process.warnings);
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The new container's id.
    id: String,
    /// The bundle: a directory with config.json.
    #[arg(short, long, default_value = ".")]
    bundle: PathBuf,
    #[command(flatten)]
    handover: Handover,
    /// Run a small init as process 1 that reaps and forwards signals.
    #[arg(long)]
    init: bool,
    /// Keep the caller's session keyring.
    #[arg(long)]
    no_new_keyring: bool,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    create: Create,
    /// Return once the program runs.
    #[arg(short, long)]
    detach: bool,
    /// Keep the container when its program has ended.
    #[arg(long)]
    keep: bool,
}

pub(super) fn create(runtime: &Runtime, options: Create) -> Outcome {
    let console = options.handover.connect()?;
    make(runtime, &options, console)?;
    DONE
}

pub(super) fn run(runtime: &Runtime, options: Run) -> Outcome {
    let console = options.create.handover.connect()?;
    if options.detach {
        make(runtime, &options.create, console)?;
        start(runtime, &options.create.id)?;
        return DONE;
    }
    let foreground = Foreground::prepare(console.as_ref())?;
    let created = make(runtime, &options.create, foreground.console())?;
    start(runtime, &options.create.id)?;
    let status = foreground.attend(&created.process, created.terminal)?;
    if !options.keep {
        warn(&runtime.delete(&options.create.id, true)?);
    }
    Ok(foreground::exit_code(status))
}

/// A container that does not come to run its program is not left behind.
fn start(runtime: &Runtime, id: &str) -> Result<(), Failure> {
    let started = runtime.start(id).inspect_err(|_| {
        // The error from starting says more than one from clearing up would.
        let _ = runtime.delete(id, true);
    });
    warn(&started?);
    Ok(())
}

fn make(runtime: &Runtime, options: &Create, console: Option<OwnedFd>) -> Result<Created, Failure> {
    if options.init {
        sys::title::remember()?;
    }
    let created = runtime.create(&lifecycle::Create {
        id: &options.id,
        bundle: &options.bundle,
        console,
        init: options.init,
        keep_keyring: options.no_new_keyring,
        preserve_fds: options.handover.preserve_fds,
        now: log::now(),
    })?;
    options.handover.announce(&created.process)?;
    Ok(created)
}
