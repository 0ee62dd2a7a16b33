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

use case::{Case, Door};
use differences::Difference;
use testkit::clients::docker_config;
use testkit::daemon::{Daemon, Kind};

/// How many directories are built at once: most of the time a builder waits for containers.
const AT_ONCE: usize = 4;

/// By the classic door; then by BuildKit's, for which the steps that both make alike are in the cache.
#[test]
fn stacks_on_debian_come_out_as_dockerd_builds_them() {
    let both = both("debian");
    let check = |case: &Case| {
        let context = case.context(&both[0])?;
        let ours = case.check(&both, &context, Door::Classic)?;
        let again = case.outcome(&both[0], &context, Door::BuildKit)?;
        case.same(&ours, &again, &["config ", "file /", "run: "])
    };
    passed(&each(&cases("debian"), check));
}

/// By BuildKit's door, where nothing is in the cache, and then by the classic one: what either takes of the other's steps is
/// what it would have made.
#[test]
fn small_images_come_out_as_dockerd_builds_them() {
    small(|name| name < "h");
}

#[test]
fn further_small_images_come_out_as_dockerd_builds_them() {
    small(|name| name >= "h");
}

fn small(these: impl Fn(&str) -> bool) {
    let both = both("busybox");
    let check = |case: &Case| {
        let context = case.context(&both[0])?;
        case.check(&both, &context, Door::BuildKit)?;
        case.check(&both, &context, Door::Classic).map(drop)
    };
    let mut cases = cases("busybox");
    cases.retain(|case| these(&case.name));
    passed(&each(&cases, check));
}

/// With Debian's newest buildx: what BuildKit was in dockerd 20.10.
#[test]
fn what_buildkit_alone_has_comes_out_as_dockerd_builds_it() {
    let both = both("buildkit");
    let check = |case: &Case| {
        let context = case.context(&both[0])?;
        case.check(&both, &context, Door::BuildKit).map(drop)
    };
    passed(&each(&cases("buildkit"), check));
}

/// What BuildKit has since: `expected` was written after what the Dockerfile says.
#[test]
fn what_is_newer_comes_out_as_it_is_written_down() {
    let gantry = start(Kind::Gantry, "modern");
    let check = |case: &Case| {
        let context = case.context(&gantry)?;
        let ours = case.outcome(&gantry, &context, Door::BuildKit)?;
        let expected = std::fs::read_to_string(case.directory.join("expected")).unwrap_or_default();
        let files = case
            .says("files")
            .split_whitespace()
            .map(|root| format!("file {root}"));
        let told: Vec<String> = files
            .chain(["config ", "history ", "run: "].map(str::to_owned))
            .collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        case.same(&expected.lines().map(str::to_owned).collect(), &ours, &told)
    };
    passed(&each(&cases("modern"), check));
}

fn both(group: &str) -> [Daemon; 2] {
    // Each takes a while to start.
    std::thread::scope(|scope| {
        let dockerd = scope.spawn(|| start(Kind::Dockerd, group));
        [start(Kind::Gantry, group), dockerd.join().unwrap()]
    })
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
        large: group == "debian",
        directory,
    };
    let cases = directories.map(|entry| case(entry.unwrap().path()));
    cases.filter(|case| case.name.contains(&only)).collect()
}

impl Case {
    fn context(&self, daemon: &Daemon) -> Result<PathBuf, String> {
        let context = daemon.directory.join(format!("context-{}", self.name));
        self.prepare(&context)?;
        Ok(context)
    }

    /// What Gantry makes, if it is what dockerd makes.
    fn check(&self, both: &[Daemon; 2], context: &Path, door: Door) -> Result<BTreeSet<String>, String> {
        let [gantry, dockerd] = both;
        let built = |daemon| self.outcome(daemon, context, door);
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| built(dockerd));
            (built(gantry), theirs.join().unwrap())
        });
        let (theirs, reasons) = (theirs?, differences::of(&self.name, door));
        let (ours, wrong) = match ours {
            // It is known that Gantry refuses this.
            Err(said) if reasons.iter().any(|reason| reason.is_in(&said)) => (BTreeSet::new(), Vec::new()),
            ours => {
                let ours = ours?;
                let wrong = unexplained(&reasons, &ours, &theirs);
                (ours, wrong)
            }
        };
        let failure = || format!("--- {}, {door:?}\n{}", self.name, wrong.join("\n"));
        wrong.is_empty().then_some(ours).ok_or_else(failure)
    }

    /// Compares those lines that begin with one of some words.
    fn same(
        &self,
        expected: &BTreeSet<String>,
        found: &BTreeSet<String>,
        what: &[&str],
    ) -> Result<(), String> {
        let told = |line: &&String| what.iter().any(|word| line.starts_with(word));
        let (expected, found) = (
            expected.iter().filter(told).collect::<BTreeSet<_>>(),
            found.iter().filter(told).collect::<BTreeSet<_>>(),
        );
        let missing = expected.difference(&found).map(|line| format!("- {line}"));
        let more = found.difference(&expected).map(|line| format!("+ {line}"));
        let wrong: Vec<String> = missing.chain(more).collect();
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
