//! Measuring: several subjects take turns, so that a noisy machine is noisy for all of them.

use std::fs;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use sys::usage::{self, Usage};

/// Rounds in which the subjects take turns.
pub(crate) const ROUNDS: usize = 7;
/// Runs of one subject in a round.
pub(crate) const RUNS: usize = 20;

/// What is measured: a name, and one run of it.
pub(crate) struct Subject<'a> {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut() -> io::Result<()> + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut() -> io::Result<()> + 'a) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// The times of one subject's runs, sorted, and the processor time of all of them.
pub(crate) struct Measured {
    pub(crate) name: String,
    times: Vec<Duration>,
    cpu: Duration,
    peak_memory: u64,
}

impl Measured {
    pub(crate) fn median(&self) -> Duration {
        self.times[self.times.len() / 2]
    }

    fn p99(&self) -> Duration {
        self.times[(self.times.len() * 99 / 100).min(self.times.len() - 1)]
    }
}

/// Lets the subjects take turns: a warm-up run each, then [`ROUNDS`] × [`RUNS`].
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn measure(mut subjects: Vec<Subject<'_>>) -> io::Result<Vec<Measured>> {
    let new = |subject: &Subject<'_>| Measured {
        name: subject.name.clone(),
        times: Vec::new(),
        cpu: Duration::ZERO,
        peak_memory: 0,
    };
    let mut measured: Vec<Measured> = subjects.iter().map(new).collect();
    subjects.iter_mut().try_for_each(|subject| (subject.run)())?;
    for _ in 0..ROUNDS {
        for (subject, measured) in subjects.iter_mut().zip(&mut measured) {
            let before = usage::children()?;
            for _ in 0..RUNS {
                let begin = Instant::now();
                (subject.run)()?;
                measured.times.push(begin.elapsed());
            }
            let Usage { cpu, peak_memory } = usage::children()?;
            measured.cpu += cpu.saturating_sub(before.cpu);
            measured.peak_memory = peak_memory;
        }
    }
    measured.iter_mut().for_each(|measured| measured.times.sort());
    Ok(measured)
}

/// Prints a table with each subject's ratio to `base`.
pub(crate) fn print(measured: &[Measured], base: &str) {
    let base = measured
        .iter()
        .find(|each| each.name.starts_with(base))
        .map(Measured::median);
    println!(
        "{:<34} {:>10} {:>10} {:>12} {:>9}",
        "", "median ms", "p99 ms", "CPU ms/run", "ratio"
    );
    for each in measured {
        let runs = each.times.len() as f64;
        let ratio = base.map_or(f64::NAN, |base| each.median().as_secs_f64() / base.as_secs_f64());
        println!(
            "{:<34} {:>10.2} {:>10.2} {:>12.2} {:>8.2}x",
            each.name,
            each.median().as_secs_f64() * 1e3,
            each.p99().as_secs_f64() * 1e3,
            each.cpu.as_secs_f64() * 1e3 / runs,
            ratio,
        );
    }
    let largest = measured.iter().map(|each| each.peak_memory).max().unwrap_or(0);
    println!(
        "{} runs each, in turns of {RUNS}; largest resident set of any process {} KiB",
        ROUNDS * RUNS,
        largest / 1024
    );
}

/// Cores, processor and kernel.
pub(crate) fn machine() -> io::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = rustix::system::uname();
    let model = model.map_or("unknown processor", |(_, model)| model);
    Ok(format!(
        "{cores} x {model}, Linux {}",
        kernel.release().to_string_lossy()
    ))
}

/// The first line that `program --version` prints, or nothing where there is no such program.
pub(crate) fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .map(str::to_owned)
}
