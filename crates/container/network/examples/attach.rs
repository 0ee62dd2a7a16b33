//! How long a container, or a pod, waits for its network: `attach [CONTAINERS]`, as root.
//!
//! Prints the times of attach and detach one after the other, with ready namespaces and without,
//! with a published port, and of several at once, then those of pods, in a network namespace of its own. "All" is the
//! wall time of the run, refills and teardown in the background included; the last figure is what
//! that costs in processor time.

#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]
#![expect(clippy::disallowed_methods, reason = "this program measures time")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driver::{Rng, SimDisk, SystemClock};
use network::{
    Attach, Cluster, Config, EndpointSpec, Error as NetworkError, Holder, Networks, PodAttach, PortBinding,
    Protocol,
};
use store::{Embedded, Options};

/// Between containers, for the figure with full shelves.
const PAUSE: Duration = Duration::from_millis(50);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The supervisor's part, in memory.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, Vec<OwnedFd>>>);

impl Kept {
    fn map<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<OwnedFd>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Holder for Kept {
    fn hold(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let kept: io::Result<_> = descriptors.iter().map(|fd| fd.try_clone_to_owned()).collect();
        let kept = kept?;
        self.map(|all| all.insert(name.to_owned(), kept));
        Ok(())
    }

    fn retrieve(&self, name: &str) -> io::Result<Vec<OwnedFd>> {
        self.map(|all| {
            all.get(name)
                .into_iter()
                .flatten()
                .map(OwnedFd::try_clone)
                .collect()
        })
    }

    fn release(&self, name: &str) -> io::Result<()> {
        self.map(|all| all.remove(name));
        Ok(())
    }

    fn held(&self) -> io::Result<Vec<String>> {
        Ok(self.map(|all| all.keys().cloned().collect()))
    }
}

fn main() -> Outcome {
    let count = std::env::args().nth(1).map_or(Ok(160), |text| text.parse())?;
    sys::netns::unshare()?;
    for ready in [0, 16] {
        let run = tempfile::tempdir()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let mut config = Config::new("measure", run.path().to_owned());
        config.ready = ready;
        config.cluster = Some(cluster(ready)?);
        let clock = Arc::new(SystemClock::new());
        let store = Embedded::open(
            SimDisk::new().dir(),
            clock.clone(),
            Rng::from_seed(1),
            Options::default(),
        )?;
        let (holder, handle) = (Arc::new(Kept::default()), runtime.handle().clone());
        let networks = Networks::open(config, Arc::new(store), holder, clock, Rng::from_os()?, handle)?;
        let (cpu, start) = (processor_time()?, Instant::now());
        in_turn(&networks, ready, count, &[], Duration::ZERO)?;
        in_turn(&networks, ready, count, &[8080], Duration::ZERO)?;
        at_once(&networks, ready, count, 32)?;
        let (cpu, all) = (processor_time()?.saturating_sub(cpu), start.elapsed());
        let each = cpu.as_micros() / (3 * count as u128);
        println!("{ready:>3} ready: all {all:.2?}, processor {cpu:.2?}, {each} µs a container");
        in_turn(&networks, ready, count, &[8080], PAUSE)?;
        pods_in_turn(&networks, ready, count, Duration::ZERO)?;
        pods_in_turn(&networks, ready, count, PAUSE)?;
        networks.close();
    }
    Ok(())
}

fn cluster(ready: usize) -> Outcome<Cluster> {
    let cidr = |text: &str| text.parse().map_err(|()| text.to_owned());
    let new = Cluster::new(
        cidr("10.42.0.0/16")?,
        cidr("10.43.0.0/16")?,
        [10, 43, 0, 10].into(),
    );
    Ok(Cluster { ready, ..new })
}

fn request(number: usize, ports: &[u16]) -> Attach {
    let binding = |port: &u16| PortBinding {
        container_port: 80,
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: Some((*port, *port)),
    };
    Attach {
        container: format!("{number:064x}"),
        name: format!("c{number}"),
        hostname: format!("c{number}"),
        networks: vec![("bridge".to_owned(), EndpointSpec::default())],
        ports: ports.iter().map(binding).collect(),
        ..Attach::default()
    }
}

fn in_turn(networks: &Networks, ready: usize, count: usize, ports: &[u16], pause: Duration) -> Outcome {
    let what = format!("{ready:>3} ready, one every {pause:?}, {} ports", ports.len());
    each(
        &what,
        (count, pause),
        |number| networks.attach(request(number, ports)).map(drop),
        |number| networks.detach(&format!("{number:064x}")),
    )
}

fn pods_in_turn(networks: &Networks, ready: usize, count: usize, pause: Duration) -> Outcome {
    let pod = |number: usize| PodAttach {
        pod: format!("pod-{number}"),
        ..PodAttach::default()
    };
    each(
        &format!("{ready:>3} ready, one every {pause:?}, pods"),
        (count, pause),
        |number| networks.attach_pod(pod(number)).map(drop),
        |number| networks.detach_pod(&format!("pod-{number}")),
    )
}

fn each(
    what: &str,
    (count, pause): (usize, Duration),
    attach: impl Fn(usize) -> Result<(), NetworkError>,
    detach: impl Fn(usize) -> Result<(), NetworkError>,
) -> Outcome {
    let (mut attached, mut detached) = (Vec::new(), Vec::new());
    for number in 0..count {
        let start = Instant::now();
        attach(number)?;
        attached.push(start.elapsed());
        let start = Instant::now();
        detach(number)?;
        detached.push(start.elapsed());
        std::thread::sleep(pause);
    }
    report(what, "attach", attached);
    report(what, "detach", detached);
    Ok(())
}

fn at_once(networks: &Networks, ready: usize, count: usize, threads: usize) -> Outcome {
    let start = Instant::now();
    let times = Mutex::new(Vec::new());
    let work = &|thread: usize| {
        for round in 0..count / threads {
            let number = round * threads + thread;
            let start = Instant::now();
            let attached = networks.attach(request(number, &[]));
            times
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(start.elapsed());
            attached
                .and_then(|_| networks.detach(&format!("{number:064x}")))
                .map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(
        &format!("{ready:>3} ready, {threads} at once ({rate:.0}/s)"),
        "attach",
        times,
    );
    Ok(())
}

fn report(what: &str, step: &str, mut each: Vec<Duration>) {
    each.sort();
    let at = |percent: usize| each[(each.len() - 1) * percent / 100].as_micros();
    println!("{what}: {step} p50 {} µs, p99 {} µs", at(50), at(99));
}

/// User and system time of this process, in hundredths of a second. proc_pid_stat(5)
fn processor_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
