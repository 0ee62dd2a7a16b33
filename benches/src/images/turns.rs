//! Subjects that take turns at one thing, and what each needed for it.

use std::io;
use std::time::{Duration, Instant};

/// Turns that the subjects take, and one more before them, which warms the files.
const ROUNDS: usize = 5;
/// Times that each does its turn.
pub(super) const TURNS: usize = ROUNDS + 1;

/// Who takes turns with others.
pub(super) trait Peer {
    fn name(&self) -> String;

    /// The processor time that was used for it so far; none where nobody counts it.
    fn cpu(&self) -> Option<Duration>;
}

/// What one of them needed.
struct Times {
    name: String,
    times: Vec<Duration>,
    cpu: Option<Duration>,
}

impl Times {
    fn at(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
    }
}

/// Lets each do `turn`, which is told how many it has done and says how long one of its `runs` runs took; prints them beside
/// `base`.
pub(super) fn compare<P: Peer + ?Sized>(
    peers: &mut [Box<P>],
    base: &str,
    runs: u32,
    mut turn: impl FnMut(&mut P, usize) -> io::Result<Duration>,
) -> io::Result<()> {
    let mut all: Vec<Times> = Vec::new();
    for round in 0..TURNS {
        for (at, peer) in peers.iter_mut().enumerate() {
            // What lies in the page cache of others is not to be written back in this one's time.
            rustix::fs::sync();
            let before = peer.cpu();
            let took =
                turn(peer, round).map_err(|error| io::Error::other(format!("{}: {error}", peer.name())))?;
            if round == 0 {
                all.push(Times {
                    name: peer.name(),
                    times: Vec::new(),
                    cpu: before.map(|_| Duration::ZERO),
                });
                continue;
            }
            all[at].times.push(took);
            let used = peer
                .cpu()
                .zip(before)
                .map(|(after, before)| after.saturating_sub(before));
            all[at].cpu = all[at].cpu.zip(used).map(|(sum, used)| sum + used);
        }
    }
    print(&all, base, runs);
    Ok(())
}

/// How long something takes.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn print(all: &[Times], base: &str, runs: u32) {
    let base = all.iter().find(|each| each.name == base).map(|each| each.at(50));
    println!(
        "{:<24} {:>10} {:>10} {:>10} {:>9}",
        "", "median ms", "slowest ms", "CPU ms/run", "faster"
    );
    for each in all {
        let turns = u32::try_from(each.times.len() * runs as usize).unwrap_or(u32::MAX);
        let cpu = each
            .cpu
            .map(|cpu| format!("{:.2}", cpu.as_secs_f64() * 1e3 / f64::from(turns)));
        println!(
            "{:<24} {:>10.2} {:>10.2} {:>10} {:>8.1}x",
            each.name,
            each.at(50),
            each.at(100),
            cpu.unwrap_or_else(|| "-".to_owned()),
            base.map_or(f64::NAN, |base| base / each.at(50)),
        );
    }
}
