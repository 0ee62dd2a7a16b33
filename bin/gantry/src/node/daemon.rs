//! `gantry daemon`: the process that serves. The supervisor starts it, with everything on its command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use cluster::{Config, DiskQuota, InstanceName, Rotating, Stages};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::file::File;
use super::{kubernetes, registries, registry};
use crate::failure::{Failure, Outcome};

/// Tasks wait more than they compute.
const WORKERS: usize = 2;
/// File systems, netlink and the store block; more than this at once would only queue in the kernel.
const BLOCKING: usize = 64;
/// Four times what the deepest path (400 levels of an object) needs in a debug build. Address space, not memory.
const STACK: usize = 8 << 20;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    name: InstanceName,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    run_dir: PathBuf,
    #[arg(long)]
    docker_socket: PathBuf,
    #[arg(long)]
    ready_namespaces: usize,
    #[arg(long, default_value_t)]
    disk_quota: DiskQuota,
    #[arg(long, default_value = "2m", value_parser = humantime::parse_duration)]
    image_minimum_gc_age: Duration,
    #[command(flatten)]
    registry: registry::OwnRegistryOptions,
    #[command(flatten)]
    registries: registries::RegistryOptions,
    #[command(flatten)]
    kubernetes: kubernetes::KubernetesOptions,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = Config {
        name: options.name,
        data_dir: options.data_dir,
        run_dir: options.run_dir,
        docker_socket: options.docker_socket,
        ready_namespaces: options.ready_namespaces,
        disk_quota: options.disk_quota,
        image_minimum_gc_age: options.image_minimum_gc_age,
        registry: options.registry.over(&File::default()),
        registries: options.registries.over(&File::default(), registries::variable)?,
        kubernetes: options.kubernetes.over(&File::default()),
    };
    let stages = Stages::new();
    log(&config, &stages)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(cluster::run(config, stages));
    // What still blocks has been told to end; it must not hold up the next daemon.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended.map_err(|error| Failure::with_code(error.exit(), error.line()))?;
    Ok(ExitCode::SUCCESS)
}

fn log(config: &Config, stages: &Stages) -> Result<(), Failure> {
    std::fs::create_dir_all(config.paths().log_dir())?;
    let file = Rotating::open(&config.paths().log())?;
    let text = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .with_filter(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(text)
        // With a limit too: without it libraries' spans for every frame would be made, for nobody.
        .with(stages.layer().with_filter(LevelFilter::INFO))
        .init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}
