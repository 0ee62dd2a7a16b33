//! `gantry`: Docker and Kubernetes in one binary. One file per command; this one only chooses.
#![forbid(unsafe_code)]

mod cli;
mod client;
mod completion;
mod demo;
mod failure;
mod kube;
mod node;
mod oci;
mod supervisor;
mod version;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Outcome;
use oci::Oci;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Oci::typed() {
        Some(oci) => oci::run(oci),
        None => dispatch(Cli::parse().command),
    };
    result.unwrap_or_else(|failure| failure.print())
}

fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Up(options) => node::up(options),
        Command::Status(options) => node::status(options),
        Command::Down(options) => node::down(options),
        Command::Restart(options) => node::restart(options),
        Command::Logs(options) => client::logs(options),
        Command::Env(options) => node::env(options),
        Command::Kubeconfig(options) => node::kubeconfig(options),
        Command::Check(options) => node::check(&options),
        Command::Reset(options) => node::reset(options),
        Command::Build(options) => client::build(options),
        Command::Pull(options) => client::pull(options),
        Command::Push(options) => client::push(options),
        Command::Run(options) => client::run(*options),
        Command::Ps(options) => client::ps(options),
        Command::Df(options) => client::df(options),
        Command::Exec(options) => client::exec(options),
        Command::Apply(options) => kube::apply(options),
        Command::Get(options) => kube::get(options),
        Command::Delete(options) => kube::delete(options),
        Command::Daemon(options) => node::daemon(options),
        Command::Oci(oci) => oci::run(*oci),
        Command::Supervisor(options) => supervisor::run(options),
        Command::Demo(options) => demo::run(&options),
        Command::Worker(options) => worker::run(&options),
        Command::Version(options) => version::run(&options),
        Command::Completion(options) => completion::run(&options),
    }
}
