//! Raw figures of the embedded store on a real disk: `put_rate DIRECTORY`.
//!
//! Prints the floor (fdatasync of 4 KB into preallocated space), durable puts of 1 KB with one
//! and with a thousand writes outstanding, the time to open 150,000 objects from checkpoint and
//! log, and the memory of an entry. The directory is filled and left to the caller to remove; run
//! again on a filled one, it only opens it, and the memory figure of that first open is the true
//! one, as the heap was empty.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driver::{Clock, Dir, RealDir, Rng, SystemClock};
use store::{Durability, Embedded, Expect, Key, Op, Options, Pending, Store, Write, Written};

const OBJECTS: usize = 150_000;
const VALUE: usize = 1024;
const FILLED: &str = "filled";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let path = std::env::args_os().nth(1).ok_or("usage: put_rate DIRECTORY")?;
    let path = Path::new(&path);
    if !path.join(FILLED).exists() {
        floor(path)?;
        puts(path)?;
        fill(&open(path, FILLED)?)?;
    }
    recovery(path)
}

fn open(path: &Path, name: &str) -> Outcome<Embedded> {
    let dir = Arc::new(RealDir::open(&path.join(name))?);
    Ok(Embedded::open(
        dir,
        Arc::new(SystemClock::new()),
        Rng::from_os()?,
        Options::default(),
    )?)
}

/// Prints the rate and, for one at a time, the percentiles.
fn report(what: &str, mut each: Vec<Duration>, whole: Duration) {
    each.sort();
    let at = |percent: usize| each[(each.len() - 1) * percent / 100].as_micros();
    let rate = each.len() as f64 / whole.as_secs_f64();
    println!(
        "{what}: {rate:.0}/s, p50 {} µs, p99 {} µs ({} in {whole:.2?})",
        at(50),
        at(99),
        each.len()
    );
}

/// Times `count` runs of `step`.
fn timed(what: &str, count: usize, mut step: impl FnMut(usize) -> Outcome) -> Outcome {
    let clock = SystemClock::new();
    let mut each = Vec::with_capacity(count);
    for n in 0..count {
        let start = clock.now();
        step(n)?;
        each.push(clock.now().saturating_since(start));
    }
    report(
        what,
        each,
        clock.now().saturating_since(driver::Instant::default()),
    );
    Ok(())
}

fn floor(path: &Path) -> Outcome {
    let dir = RealDir::open(path)?;
    let file = dir.create("floor")?;
    file.zero_fill(0, 16 << 20)?;
    file.sync_data()?;
    timed("floor, fdatasync of 4 KB preallocated", 2000, |n| {
        file.write_at(&[1; 4096], n as u64 * 4096)?;
        Ok(file.sync_data()?)
    })
}

fn put(store: &Embedded, n: usize, durability: Durability) -> Pending<Written> {
    let key = Key::from(&*format!("/registry/pods/namespace-{}/pod-{n:07}", n % 100));
    let value = Bytes::from(vec![b'v'; VALUE]);
    store.write(Write {
        op: Op::Put {
            key,
            value,
            expect: Expect::Any,
            lease: None,
        },
        durability,
    })
}

fn puts(path: &Path) -> Outcome {
    let store = open(path, "puts")?;
    timed("durable put of 1 KB, 1 writer", 3000, |n| {
        put(&store, n, Durability::Durable).wait()?;
        Ok(())
    })?;
    let mut outstanding = VecDeque::new();
    timed(
        "durable put of 1 KB, 1,000 outstanding (time per put is not latency)",
        300_000,
        |n| {
            if outstanding.len() == 1000 {
                outstanding.pop_front().map(Pending::wait).transpose()?;
            }
            outstanding.push_back(put(&store, n % 50_000, Durability::Durable));
            Ok(())
        },
    )
}

fn resident() -> Outcome<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).ok_or("statm")?.parse::<usize>()? * 4096)
}

fn fill(store: &Embedded) -> Outcome {
    let mut outstanding = VecDeque::new();
    for n in 0..OBJECTS {
        if outstanding.len() == 1000 {
            outstanding.pop_front().map(Pending::wait).transpose()?;
        }
        outstanding.push_back(put(store, n, Durability::Relaxed));
    }
    outstanding
        .into_iter()
        .try_for_each(|answer| answer.wait().map(drop))?;
    Ok(())
}

fn recovery(path: &Path) -> Outcome {
    let clock = SystemClock::new();
    for _ in 0..5 {
        let (before, start) = (resident()?, clock.now());
        let store = open(path, FILLED)?;
        let took = clock.now().saturating_since(start);
        let used = resident()?.saturating_sub(before);
        let count = store.snapshot(None)?.len();
        println!(
            "open with {count} objects: {took:.1?}, {} MB more resident",
            used >> 20
        );
        println!(
            "  that is {} bytes an entry, key and value of {} included",
            used / count,
            VALUE + 37
        );
    }
    Ok(())
}
