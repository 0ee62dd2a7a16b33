//! A container's groups on disk: create, limit, join, watch, freeze, kill, remove.
//!
//! All state is the kernel's; a [`Cgroup`] is only the list of directories, so it can be made again
//! from a plan or from the runtime's own state after a restart.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use sys::pidfd::{self, Pid};

use super::layout::{Hierarchy, Layout, steps};
use super::plan::{Missing, Plan, Write};
use super::stats::{Files, Stats};

/// The groups of one container, one for each hierarchy it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Directories on v1 hierarchies.
    pub v1: Vec<PathBuf>,
    /// The directory on the unified hierarchy.
    pub unified: Option<PathBuf>,
}

impl Cgroup {
    /// The groups a plan speaks of.
    #[must_use]
    pub fn of(layout: &Layout, plan: &Plan) -> Self {
        let mount = layout.unified.as_ref().map(|unified| unified.mount.as_path());
        // On pure v2 every path is below the mount; on hybrid the mount itself is below nothing else.
        let (unified, v1) = plan
            .dirs
            .iter()
            .cloned()
            .partition::<Vec<_>, _>(|dir| mount.is_some_and(|m| dir.starts_with(m)));
        Self {
            v1,
            unified: unified.into_iter().next(),
        }
    }

    /// The groups at `path` below the root of each hierarchy, as far as they are there.
    #[must_use]
    pub fn existing(layout: &Layout, path: &str) -> Self {
        let there = |hierarchy: &Hierarchy| Some(hierarchy.dir(path)).filter(|dir| dir.is_dir());
        Self {
            v1: layout.v1.iter().filter_map(there).collect(),
            unified: layout.unified.as_ref().and_then(there),
        }
    }

    /// Makes the groups and applies the limits. On an error the groups are
    /// removed again; ancestors stay, as other containers may be in them.
    ///
    /// # Errors
    /// A directory that cannot be made or a limit the kernel refuses; the message names it.
    pub fn create(layout: &Layout, plan: &Plan) -> io::Result<Self> {
        let group = Self::of(layout, plan);
        let made = group.make(layout, plan).and_then(|()| group.apply(plan));
        made.inspect_err(|_| group.dirs().for_each(|dir| drop(fs::remove_dir(dir))))?;
        Ok(group)
    }

    fn make(&self, layout: &Layout, plan: &Plan) -> io::Result<()> {
        self.v1.iter().try_for_each(|dir| make_dirs(dir))?;
        if let (Some(unified), Some(dir)) = (&layout.unified, &self.unified) {
            delegate(&unified.mount, dir, &plan.enable)?;
        }
        if let Some(dir) = &plan.cpuset {
            inherit_cpuset(dir)?;
        }
        Ok(())
    }

    /// Applies limits to groups that exist: creation's second half, and update.
    ///
    /// # Errors
    /// A limit the kernel refuses, or one below the usage where the configuration forbids that.
    pub fn apply(&self, plan: &Plan) -> io::Result<()> {
        if let Some((file, limit)) = &plan.usage_within {
            let usage = fs::read_to_string(file)?.trim().parse::<u64>().unwrap_or(0);
            if usage > *limit {
                return Err(io::Error::other(format!(
                    "memory limit {limit} is below the current usage {usage}"
                )));
            }
        }
        plan.writes.iter().try_for_each(perform)?;
        if let (Some(program), Some(dir)) = (&plan.device_program, &self.unified) {
            sys::bpf::attach_device_program(program, File::open(dir)?.as_fd())?;
        }
        Ok(())
    }

    /// Files to which a process writes `0` to join, before exec. On v1 that is `tasks`: unlike
    /// `cgroup.procs` it takes no lock that is shared by all of the host (decision 7).
    pub fn join_files(&self) -> impl Iterator<Item = PathBuf> {
        let unified = self.unified.iter().map(|dir| dir.join("cgroup.procs"));
        self.v1.iter().map(|dir| dir.join("tasks")).chain(unified)
    }

    /// The unified directory, for `CLONE_INTO_CGROUP`; none on pure v1.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn open_unified(&self) -> io::Result<Option<File>> {
        self.unified.as_ref().map(File::open).transpose()
    }

    /// `cgroup.events` of the unified group: it polls as PRI whenever `populated` or `frozen` change.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open_events(&self) -> io::Result<Option<File>> {
        self.unified
            .as_ref()
            .map(|dir| File::open(dir.join("cgroup.events")))
            .transpose()
    }

    /// Whether a process is in the groups or below them.
    ///
    /// # Errors
    /// The groups cannot be read.
    pub fn populated(&self) -> io::Result<bool> {
        match &self.unified {
            Some(dir) => Ok(fs::read_to_string(dir.join("cgroup.events"))?.contains("populated 1")),
            None => Ok(!self.pids()?.is_empty()),
        }
    }

    /// Process ids in the groups and below, ascending.
    ///
    /// # Errors
    /// The groups cannot be read.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let Some(dir) = self.unified.as_ref().or(self.v1.first()) else {
            return Ok(Vec::new());
        };
        let mut pids = Vec::new();
        for dir in tree(dir)? {
            let text = fs::read_to_string(dir.join("cgroup.procs"))?;
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Starts to freeze (or thaw) every task. It is done when `cgroup.events` says `frozen 1`; on
    /// v1 when `freezer.state` no longer says FREEZING.
    ///
    /// # Errors
    /// There is no freezer, or it refuses.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        if let Some(dir) = &self.unified {
            return put(&dir.join("cgroup.freeze"), if frozen { "1" } else { "0" });
        }
        let freezer = self
            .v1
            .iter()
            .map(|dir| dir.join("freezer.state"))
            .find(|file| file.exists());
        let freezer = freezer.ok_or_else(|| io::Error::other("the container has no freezer group"))?;
        put(&freezer, if frozen { "FROZEN" } else { "THAWED" })
    }

    /// Kills every process, also those that are just being forked. Kernels before 5.14 and pure v1
    /// have no `cgroup.kill`: there the groups are frozen, `signal` sends SIGKILL to each process,
    /// and the thaw lets the signals act.
    ///
    /// # Errors
    /// The groups cannot be read or written, or `signal` fails.
    pub fn kill(&self, mut signal: impl FnMut(u32) -> io::Result<()>) -> io::Result<()> {
        if let Some(dir) = &self.unified {
            match put(&dir.join("cgroup.kill"), "1") {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => return done,
            }
        }
        self.freeze(true)?;
        let signalled = self.pids()?.into_iter().try_for_each(&mut signal);
        self.freeze(false).and(signalled)
    }

    /// [`Self::kill`] with real signals; nothing where no process is.
    ///
    /// # Errors
    /// As there.
    pub fn kill_all(&self) -> io::Result<()> {
        if !self.populated().unwrap_or(false) {
            return Ok(());
        }
        self.kill(|pid| {
            let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
            // One that has ended meanwhile is what was wanted.
            match pidfd::open(pid).and_then(|process| pidfd::signal(process, libc::SIGKILL)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Removes the groups and those below them. While processes are still dying the kernel says
    /// EBUSY; then `wait` is called with `cgroup.events`, and is to return at its next PRI event.
    /// Nothing sleeps and nothing is tried again without an event.
    ///
    /// # Errors
    /// `wait` fails, a directory cannot be removed, or it is busy where there are no events (pure
    /// v1): then the caller removes after it has reaped.
    pub fn remove(&self, mut wait: impl FnMut(&File) -> io::Result<()>) -> io::Result<()> {
        if let Some(mut events) = self.open_events().or_else(absent)? {
            // Reading arms the event, so a change between the reading and the waiting is not lost.
            while is_populated(&mut events)? {
                wait(&events)?;
            }
        }
        self.dirs().try_for_each(remove_tree)
    }

    /// Reads the usage.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn stats(&self) -> io::Result<Stats> {
        let mut stats = Stats::default();
        for dir in self.dirs() {
            if self.unified.as_deref() == Some(dir) {
                stats.add_v2(&Disk, dir);
            } else {
                stats.add_v1(&Disk, dir);
            }
            stats.add_pids(&Disk, dir);
            add_hugepages(&mut stats, dir)?;
        }
        Ok(stats)
    }

    fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.v1.iter().chain(&self.unified).map(PathBuf::as_path)
    }
}

struct Disk;

impl Files for Disk {
    fn text(&self, dir: &Path, file: &str) -> Option<String> {
        fs::read_to_string(dir.join(file)).ok()
    }
}

fn add_hugepages(stats: &mut Stats, dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix("hugetlb.")) else {
            continue;
        };
        for (usage, failures) in [(".usage_in_bytes", ".failcnt"), (".current", ".events")] {
            if let Some(size) = name.strip_suffix(usage).filter(|size| !size.ends_with(".rsvd")) {
                let text = |suffix| {
                    Disk.text(dir, &format!("hugetlb.{size}{suffix}"))
                        .unwrap_or_default()
                };
                stats.add_hugepages(size, &text(usage), &text(failures));
            }
        }
    }
    Ok(())
}

fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(None)
    } else {
        Err(error)
    }
}

/// Reads `cgroup.events`; a group that somebody else has removed meanwhile is empty.
fn is_populated(events: &mut File) -> io::Result<bool> {
    match read_again(events) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
        text => Ok(text?.contains("populated 1")),
    }
}

fn read_again(file: &mut File) -> io::Result<String> {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Says of an error which file it is about.
fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn make_dirs(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir).map_err(|error| about(dir, &error))
}

/// Writes to a file that exists; cgroup files are never created.
fn put(file: &Path, value: &str) -> io::Result<()> {
    let written = File::options()
        .write(true)
        .open(file)
        .and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|error| about(file, &error))
}

fn perform(write: &Write) -> io::Result<()> {
    let put = |file: &str, value: &str| {
        let written = put(&write.dir.join(file), value);
        written.map_err(|e| io::Error::new(e.kind(), format!("linux.resources.{}: {e}", write.property)))
    };
    match (put(&write.file, &write.value), &write.missing) {
        (Err(error), Missing::Ignored) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        (Err(error), Missing::Instead { file, value }) if error.kind() == io::ErrorKind::NotFound => {
            put(file, value)
        }
        (done, _) => done,
    }
}

/// Makes a unified group; every ancestor delegates the controllers, from the root down, and only
/// those it does not delegate already.
fn delegate(mount: &Path, dir: &Path, controllers: &[String]) -> io::Result<()> {
    let mut parent = mount;
    for step in steps(mount, dir) {
        let file = parent.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&file).map_err(|error| about(&file, &error))?;
        let missing = controllers
            .iter()
            .filter(|name| !enabled.split_whitespace().any(|other| other == *name));
        let change: Vec<String> = missing.map(|name| format!("+{name}")).collect();
        if !change.is_empty() {
            put(&file, &change.join(" "))?;
        }
        make_dirs(step)?;
        parent = step;
    }
    Ok(())
}

/// A v1 cpuset group starts empty and takes no task until it has CPUs and memory nodes; each
/// ancestor that has none gets its parent's.
fn inherit_cpuset(dir: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let mut lacking: Vec<&Path> = Vec::new();
        let mut given = String::new();
        for step in dir.ancestors() {
            given = fs::read_to_string(step.join(file)).map_err(|error| about(&step.join(file), &error))?;
            if !given.trim().is_empty() {
                break;
            }
            lacking.push(step);
        }
        lacking
            .iter()
            .rev()
            .try_for_each(|step| put(&step.join(file), given.trim()))?;
    }
    Ok(())
}

/// A group and the groups below it, the outermost first; a group that goes away meanwhile is left out.
fn tree(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while let Some(dir) = found.get(at) {
        let below = fs::read_dir(dir).map(Some).or_else(absent)?;
        let below: Vec<PathBuf> = below
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        found.extend(below);
        at += 1;
    }
    Ok(found)
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    for dir in tree(dir)?.iter().rev() {
        fs::remove_dir(dir)
            .map(Some)
            .or_else(absent)
            .map_err(|error| about(dir, &error))?;
    }
    Ok(())
}
