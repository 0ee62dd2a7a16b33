//! The Dockerfiles of `examples/dockerfiles`, built by Gantry and by Debian's dockerd: what comes of them is compared,
//! file by file and setting by setting. What differs is in [`differences`] with its reason, or fails; and so does a
//! reason that explains nothing any more.
//!
//! A directory is a build context. Lines of its Dockerfile say what is special about it: `# build:` further words of
//! `docker build`, `# times:` paths whose times count. `prepare.sh` makes what git cannot keep, in the copy that is built.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod case;
mod differences;
mod saved;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;
use differences::Difference;
use testkit::clients::docker_config;
use testkit::daemon::{Daemon, Kind};

/// How many directories are built at once: most of the time a builder waits for containers.
const AT_ONCE: usize = 4;

#[test]
fn stacks_on_debian_come_out_as_dockerd_builds_them() {
    compare("debian");
}

#[test]
fn small_images_come_out_as_dockerd_builds_them() {
    compare("busybox");
}

/// With Debian's newest buildx, what BuildKit was in dockerd 20.10: it proves the Dockerfiles alone, until Gantry's door
/// takes all that they ask for (docs/known-gaps.md).
#[test]
fn what_buildkit_alone_has_is_built_by_dockerd() {
    let dockerd = start(Kind::Dockerd, "buildkit");
    let proven = |case: &Case| {
        let context = dockerd.directory.join(format!("context-{}", case.name));
        case.prepare(&context)?;
        case.outcome(&dockerd, &context).map(drop)
    };
    passed(&each(&cases("buildkit"), proven));
}

fn compare(group: &str) {
    // Each takes a while to start.
    let both = std::thread::scope(|scope| {
        let dockerd = scope.spawn(|| start(Kind::Dockerd, group));
        [start(Kind::Gantry, group), dockerd.join().unwrap()]
    });
    passed(&each(&cases(group), |case| case.check(&both)));
}

/// A daemon with what the directories of a group build upon, and with sid's plugins for its client.
fn start(kind: Kind, group: &str) -> Daemon {
    let daemon = Daemon::start(kind);
    docker_config(&daemon.directory.join("config"));
    daemon.load_images();
    if group == "debian" {
        daemon.ok(&["import", &crate::shop::base(), "shop-base:debian"]);
    }
    daemon
}

fn passed(failures: &[String]) {
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} directories:\n{}",
        failures.join("\n")
    );
}

/// What `work` says against items, several of which are at work at once.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            failures.lock().unwrap().extend(work(item).err());
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(worker))));
    failures.into_inner().unwrap()
}

/// `GANTRY_CASE` in the environment narrows it to directories with that text in their names, for whoever mends one.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs a test has no other way to say so"
)]
fn cases(group: &str) -> Vec<Case> {
    let only = std::env::var("GANTRY_CASE").unwrap_or_default();
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/dockerfiles");
    let directories = std::fs::read_dir(Path::new(corpus).join(group)).unwrap();
    let case = |directory: PathBuf| Case {
        name: directory.file_name().unwrap().to_string_lossy().into_owned(),
        dockerfile: std::fs::read_to_string(directory.join("Dockerfile")).unwrap(),
        buildx: group == "buildkit",
        large: group == "debian",
        directory,
    };
    let cases = directories.map(|entry| case(entry.unwrap().path()));
    cases.filter(|case| case.name.contains(&only)).collect()
}

impl Case {
    fn check(&self, both: &[Daemon; 2]) -> Result<(), String> {
        let [gantry, dockerd] = both;
        let context = gantry.directory.join(format!("context-{}", self.name));
        self.prepare(&context)?;
        let built = |daemon| self.outcome(daemon, &context);
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| built(dockerd));
            (built(gantry), theirs.join().unwrap())
        });
        std::fs::remove_dir_all(&context).map_err(|error| error.to_string())?;
        let (theirs, reasons) = (theirs?, differences::of(&self.name));
        let wrong = match ours {
            // It is known that Gantry refuses this.
            Err(said) if reasons.iter().any(|reason| reason.is_in(&said)) => Vec::new(),
            ours => unexplained(&reasons, &ours?, &theirs),
        };
        let failure = || format!("--- {}\n{}", self.name, wrong.join("\n"));
        wrong.is_empty().then_some(()).ok_or_else(failure)
    }
}

/// What differs and has no reason, and reasons that nothing needs.
fn unexplained(reasons: &[&Difference], ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Vec<String> {
    let gantry = ours.difference(theirs).map(|line| ("gantry", line));
    let dockerd = theirs.difference(ours).map(|line| ("dockerd", line));
    let (mut needed, mut wrong) = (vec![false; reasons.len()], Vec::new());
    for (engine, line) in gantry.chain(dockerd) {
        match reasons.iter().position(|reason| reason.explains(line)) {
            Some(found) => needed[found] = true,
            None => wrong.push((line.as_str(), format!("{line} ({engine})"))),
        }
    }
    // What both say of one thing stands together.
    wrong.sort();
    let stale = reasons.iter().zip(needed).filter(|(_, needed)| !needed);
    let stale = stale.map(|(reason, _)| format!("explains nothing any more: {reason:?}"));
    wrong.into_iter().map(|(_, told)| told).chain(stale).collect()
}
