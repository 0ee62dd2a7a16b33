//! `gantry oci`: the OCI runtime's command line, with the names and flags of runc, so that
//! whatever drives runc can drive this.

mod exec;
mod foreground;
mod inspect;
mod log;
mod manage;
mod run;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use runtime::lifecycle::Runtime;

use crate::failure::{Failure, Outcome};

/// Run containers from OCI bundles, as runc does.
#[derive(Debug, Parser)]
#[command(name = "oci", bin_name = "gantry oci")]
pub(crate) struct Oci {
    /// Where containers are kept.
    #[arg(long, default_value = "/run/gantry/oci", env = "GANTRY_OCI_ROOT")]
    root: PathBuf,
    /// Write errors to this file as well.
    #[arg(long)]
    log: Option<PathBuf>,
    /// How they are written there.
    #[arg(long, value_enum, default_value_t = log::Format::Text)]
    log_format: log::Format,
    /// Refused: cgroups are made directly, as with the cgroupfs driver.
    #[arg(long, hide = true)]
    systemd_cgroup: bool,
    /// Print the versions of this runtime and of the specification.
    #[arg(short, long)]
    version: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a container; its program waits for `start`.
    Create(run::Create),
    /// Start a created container's program.
    Start(manage::One),
    /// Create a container, run its program, and delete the container when it ends.
    Run(run::Run),
    /// Run another program in a running container.
    Exec(exec::Exec),
    /// Send a signal to a container's first process.
    Kill(manage::Kill),
    /// Delete a stopped container.
    Delete(manage::Delete),
    /// Freeze all processes of a container.
    Pause(manage::One),
    /// Let them go on.
    Resume(manage::One),
    /// Change a container's limits.
    Update(manage::Update),
    /// Print the ids of a container's processes.
    Ps(inspect::Ps),
    /// Print a container's state.
    State(manage::One),
    /// List containers.
    List(inspect::List),
    /// Print what this runtime supports.
    Features,
    /// Write an example config.json.
    Spec(inspect::Example),
}

impl Oci {
    /// The words of this process, if they are for this command: whoever starts a container this way waits for every
    /// millisecond, and the table of all of Gantry's commands takes one to build.
    pub(crate) fn typed() -> Option<Self> {
        let mut words = std::env::args_os().skip(1);
        (words.next()? == "oci").then(|| Self::parse_from(std::iter::once("oci".into()).chain(words)))
    }
}

impl Verb {
    /// Whether it puts a process of ours into a container.
    const fn enters(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Run(_) | Self::Exec(_))
    }
}

pub(crate) fn run(oci: Oci) -> Outcome {
    let (log, log_format) = (oci.log.clone(), oci.log_format);
    dispatch(oci).inspect_err(|failure| log::write(log.as_deref(), log_format, failure))
}

fn dispatch(oci: Oci) -> Outcome {
    if oci.systemd_cgroup {
        return Err(Failure::usage(
            "--systemd-cgroup is not supported: use the cgroupfs driver",
        ));
    }
    match oci.verb {
        _ if oci.version => inspect::version(),
        None => Err(Failure::usage("a verb is missing: gantry oci --help")),
        Some(Verb::Features) => inspect::features(),
        Some(Verb::Spec(options)) => inspect::example(&options),
        Some(verb) => {
            // From an executable that the container cannot write to (CVE-2019-5736).
            if verb.enters() {
                sys::sealed::ensure()?;
            }
            operate(&Runtime::new(oci.root)?, verb)
        }
    }
}

fn operate(runtime: &Runtime, verb: Verb) -> Outcome {
    match verb {
        Verb::Create(options) => run::create(runtime, options),
        Verb::Run(options) => run::run(runtime, options),
        Verb::Exec(options) => exec::run(runtime, options),
        Verb::Start(options) => manage::start(runtime, &options),
        Verb::Kill(options) => manage::kill(runtime, &options),
        Verb::Delete(options) => manage::delete(runtime, &options),
        Verb::Pause(options) => manage::pause(runtime, &options),
        Verb::Resume(options) => manage::resume(runtime, &options),
        Verb::Update(options) => manage::update(runtime, &options),
        Verb::Ps(options) => inspect::ps(runtime, &options),
        Verb::State(options) => inspect::state(runtime, &options.id),
        Verb::List(options) => inspect::list(runtime, &options),
        Verb::Features | Verb::Spec(_) => Err(Failure::usage("this verb needs no runtime")),
    }
}

/// What could not be done in full is said, and does not change the exit code.
#[expect(clippy::print_stderr, reason = "a warning is for whoever typed the command")]
fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("gantry: warning: {warning}");
    }
}

const DONE: Outcome = Ok(ExitCode::SUCCESS);
