//! Benchmarks: one for each row of the targets, against its peer and against the floor, all
//! measured in one run. `cargo xtask bench NAME`; results are kept in docs/benchmarks.md.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod docker;
mod floor;
mod images;
mod kube;
mod oci_run;
mod pods;
mod subject;
mod usage;

use std::process::ExitCode;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Name, what it measures, and how.
type Benchmark = (&'static str, &'static str, fn() -> Outcome);

const BENCHMARKS: &[Benchmark] = &[
    (
        "floor",
        "what the kernel must do: the bare system calls",
        floor::run,
    ),
    (
        "oci-run",
        "row 1: OCI run of `true`, all namespaces, against runc and crun",
        oci_run::run,
    ),
    (
        "docker-run",
        "row 2: create, start, wait, remove through the Engine API, against dockerd",
        docker::docker_run,
    ),
    (
        "docker-run-parallel",
        "row 3: the same, 32 at once, in containers per second",
        docker::docker_run_parallel,
    ),
    (
        "container-memory",
        "row 4: memory of an idle container, over 200 of them",
        docker::container_memory,
    ),
    (
        "api-start",
        "row 6: `gantry up` in an empty directory until the API is ready",
        kube::start,
    ),
    (
        "up-serves",
        "row 7: `gantry up` in an empty directory until a Deployment serves",
        pods::serves,
    ),
    (
        "idle-memory",
        "row 8: memory of all processes of an idle node",
        kube::idle,
    ),
    (
        "idle",
        "row 9: processor time, bytes and fsyncs of a node whose demo app nobody asks anything",
        pods::idle,
    ),
    ("binary-size", "row 10: size of the stripped binary", kube::binary),
    (
        "api-post",
        "row 11: durable creation of a small object over TLS",
        kube::post,
    ),
    ("api-get", "row 12: GET of one object", kube::get),
    ("api-list", "row 12: LIST of 10,000 pods", kube::list),
    (
        "api-watch",
        "row 13: one writer, 10,000 watches on 100 connections",
        kube::watch,
    ),
    ("pod-memory", "row 14: memory of 10,000 pods", kube::pods),
    (
        "schedule",
        "row 16: 10,000 pods on 5,000 simulated nodes, created to bound",
        pods::schedule,
    ),
    (
        "pod-start",
        "row 19: a pod from its creation until a watch sees it run, and 100 at once",
        pods::start,
    ),
    (
        "pull",
        "row 20: pull of an image with gzip layers from a registry on loopback",
        images::pull_gzip,
    ),
    (
        "pull-zstd",
        "row 21: the same with zstd layers",
        images::pull_zstd,
    ),
    (
        "pull-again",
        "row 21: pull of what is here and has not changed",
        images::pull_again,
    ),
    (
        "build-cached",
        "row 22: a build of twenty steps of which each is cached",
        images::build::cached,
    ),
    (
        "build-steps",
        "row 22: twenty steps of `RUN true`, nothing cached",
        images::build::steps,
    ),
    (
        "build-context",
        "row 22: a build with a context of 700,000 files",
        images::build::context,
    ),
    (
        "registry",
        "row 23: the registry: blobs, manifests and pushes, against docker-registry, nginx as ceiling",
        images::serve::run,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["--list"] | [] => list(),
        [name] => run(name),
        _ => Err("one benchmark at a time".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Outcome {
    for (name, what, _) in BENCHMARKS {
        println!("{name:<20} {what}");
    }
    Ok(())
}

fn run(name: &str) -> Outcome {
    let (_, _, benchmark) = BENCHMARKS
        .iter()
        .find(|(known, _, _)| *known == name)
        .ok_or("no such benchmark: --list names them")?;
    println!("machine: {}", subject::machine()?);
    benchmark()
}
