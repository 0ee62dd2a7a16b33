//! `gantry demo`: the main job of this build, shown on this machine. It builds images, runs containers of them, and
//! serves the example shop as Deployments, through the same command line and API that everybody has. It has a node
//! of its own, beside whatever else runs here, and leaves nothing behind, also when it fails.

mod example;
mod node;
mod program;
mod shop;
mod steps;
mod visitor;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use sys::clock::boottime;
use sys::epoll::Signals;

use crate::failure::{Failure, Outcome};
use node::Node;

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 if every check holds, 1 if one does not (it is named), 2 usage, 5 not root or the kernel lacks \
something.")]
pub(crate) struct Options {
    /// How many containers to run one after the other.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    containers: u32,
    #[command(flatten)]
    program: program::ProgramOptions,
}

pub(crate) fn run(options: &Options) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::with_code(
            5,
            "the demo starts containers and must run as root",
        ));
    }
    // From here on a signal ends the demo between two steps, so that it always takes its node down.
    let signals = Signals::block(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP])?;
    let node = Node::prepare()?;
    shop::prepare(&node, options)?;
    let begun = boottime();
    for step in steps::STEPS {
        if signals.next().is_some() {
            return Err(failed("interrupted"));
        }
        step(&node, options)?;
    }
    node.end()?;
    say("down leaves no process, mount, link, group or file")?;
    detail(&format!("all of it: {:.1} s", (boottime() - begun).as_secs_f64()))?;
    Ok(ExitCode::SUCCESS)
}

/// A check that does not hold.
fn failed(what: impl Into<String>) -> Failure {
    Failure::with_code(1, what)
}

/// One check that holds.
fn say(what: &str) -> io::Result<()> {
    writeln!(io::stdout(), "ok  {what}")
}

/// A figure of the check before.
fn detail(what: &str) -> io::Result<()> {
    writeln!(io::stdout(), "    {what}")
}

/// How long something takes that must succeed.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Duration), Failure> {
    let begun = boottime();
    let done = work()?;
    Ok((done, boottime() - begun))
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
