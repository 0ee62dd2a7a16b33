//! `create`: everything but the program.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::cgroups::Prepared;
use super::record::{Directory, Record, stat};
use super::{Runtime, RuntimeError, home, hooks, identity};
use crate::launcher::{self, Descriptors, LaunchError, Process};
use crate::plan::{self, Context, Plan, sync};
use crate::seccomp::{self, Filter};
use crate::spec::{self, ContainerStatus, NamespaceType, Spec, State};

/// What `create` is asked for.
pub struct Create<'a> {
    /// The new container's id.
    pub id: &'a str,
    /// The bundle's directory.
    pub bundle: &'a Path,
    /// Where the terminal's master is sent.
    pub console: Option<OwnedFd>,
    /// Whether a process 1 of ours reaps in the container.
    pub init: bool,
    /// Whether the program keeps the caller's session keyring.
    pub keep_keyring: bool,
    /// Descriptors from 3 on that the program inherits.
    pub preserve_fds: u32,
    /// The present time (RFC 3339).
    pub now: String,
}

/// A container that was created.
#[derive(Debug)]
pub struct Created {
    /// Its first process, a child of this one.
    pub process: Process,
    /// Whether the program has a terminal.
    pub terminal: bool,
}

impl Runtime {
    /// The `create` operation: the container's process waits at its start gate.
    ///
    /// # Errors
    /// The bundle cannot be read or planned, the id is taken, or the kernel refused something:
    /// then nothing of the container is left.
    pub fn create(&self, create: &Create<'_>) -> Result<Created, RuntimeError> {
        let bundle = absolute(create.bundle)?;
        let json = read_configuration(&bundle)?;
        let spec: Spec = spec::parse(&json)?;
        let directory = Directory::of(&self.root, create.id)?;
        directory.create(create.id)?;
        let kept = directory.keep_configuration(&json);
        let kept = kept.map_err(|source| RuntimeError::state(create.id, source));
        let result = kept.and_then(|()| self.create_in(create, &spec, &bundle, &directory));
        if result.is_err() {
            // The error that is returned says more than one from clearing up would.
            let _ = directory.remove(create.id);
        }
        result
    }

    fn create_in(
        &self,
        create: &Create<'_>,
        spec: &Spec,
        bundle: &Path,
        directory: &Directory,
    ) -> Result<Created, RuntimeError> {
        let spec = &complete(spec, bundle)?;
        let filter = filter(spec)?;
        let cgroup = Prepared::new(&spec.linux.clone().unwrap_or_default(), create.id)?;
        let context = Context {
            cgroup_joins: &cgroup.directories.joins(),
            cgroups: &cgroup.mounts,
            cgroup2: cgroup.cgroup2(),
            filter: filter.as_ref(),
            gate: true,
            init: create.init,
            keep_keyring: create.keep_keyring,
            preserve_fds: create.preserve_fds,
            capabilities: self.host.capabilities,
            apparmor: self.host.apparmor,
            console: create.console.is_some(),
            ..Context::new(create.id, bundle)
        };
        let mut record = Record {
            id: create.id.to_owned(),
            bundle: bundle.to_owned(),
            rootfs: spec
                .root
                .as_ref()
                .map(|root| PathBuf::from(&root.path))
                .unwrap_or_default(),
            pid: 0,
            start_time: 0,
            created: create.now.clone(),
            cgroup: cgroup.directories.clone(),
            annotations: spec.annotations.clone(),
        };
        let plan = plan::create(spec, &context)?;
        // Before there is anything to clear up, so that a kill from here on leaves what `delete`
        // needs to find it.
        directory
            .write(&record)
            .map_err(|source| RuntimeError::state(create.id, source))?;
        let made = cgroup
            .make()
            .map_err(|source| RuntimeError::cgroup(create.id, source));
        let launched = made.and_then(|()| launch(create, spec, &plan, &mut record, directory));
        launched.inspect_err(|_| {
            // As above; the process has ended before an error is returned.
            let _ = record.cgroup.remove();
        })
    }
}

/// Starts the planned process and records it.
fn launch(
    create: &Create<'_>,
    spec: &Spec,
    plan: &Plan,
    record: &mut Record,
    directory: &Directory,
) -> Result<Created, RuntimeError> {
    let state_error = |source: io::Error| RuntimeError::state(create.id, source);
    let gate = make_gate(&directory.gate()).map_err(state_error)?;
    let cgroup = record.cgroup.open_unified().map_err(state_error)?;
    let held = Descriptors {
        gate: Some(gate.as_fd()),
        console: create.console.as_ref().map(AsFd::as_fd),
        cgroup: cgroup.as_ref().map(AsFd::as_fd),
        ..Descriptors::default()
    };
    let serve = &mut |code, process: &Process| serve(code, process, spec, record);
    let process = launcher::start(plan, &held, serve)?;
    record.pid = process.pid;
    record.start_time = stat(process.pid).map_or(0, |stat| stat.start_time);
    directory
        .write(record)
        .inspect_err(|_| process.kill())
        .map_err(state_error)?;
    let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
    Ok(Created { process, terminal })
}

/// Answers the starting process at its synchronisation points.
fn serve(code: u32, process: &Process, spec: &Spec, record: &Record) -> Result<(), LaunchError> {
    let linux = spec.linux.clone().unwrap_or_default();
    match code {
        sync::MAP_IDS => identity::map_ids(process.pid, &linux),
        sync::TIME_OFFSETS => identity::set_clocks(process.pid, &linux),
        _ => run_create_hooks(spec, process, record).map_err(|error| LaunchError::Served(error.into())),
    }
}

fn run_create_hooks(spec: &Spec, process: &Process, record: &Record) -> Result<(), RuntimeError> {
    let hooks = spec.hooks.clone().unwrap_or_default();
    let state = State {
        status: ContainerStatus::Creating,
        pid: Some(process.pid.unsigned_abs()),
        ..record.state(Path::new(""))
    };
    hooks::run("prestart", &hooks.prestart, &state, None)?;
    hooks::run("createRuntime", &hooks.create_runtime, &state, None)?;
    let container = Some((process.pidfd.as_fd(), own_namespaces(process.pid)));
    hooks::run("createContainer", &hooks.create_container, &state, container)
}

/// The namespaces (CLONE_NEW* bits) in which a process differs from this one.
#[must_use]
pub fn own_namespaces(pid: i32) -> u32 {
    let file = |pid: &str, name: &str| {
        fs::metadata(format!("/proc/{pid}/ns/{name}"))
            .ok()
            .map(|ns| ns.ino())
    };
    let names = NamespaceType::ALL.iter().map(|kind| {
        let name = match kind {
            NamespaceType::Network => "net",
            NamespaceType::Mount => "mnt",
            other => other.as_str(),
        };
        (plan::namespace_bit(*kind), name)
    });
    let differs = |name: &str| file(&pid.to_string(), name) != file("self", name);
    names
        .filter(|(_, name)| differs(name))
        .fold(0, |bits, (bit, _)| bits | bit)
}

/// Largest `config.json`, in bytes: a hundred times what engines write.
const MAX_CONFIGURATION: u64 = 16 << 20;

fn read_configuration(bundle: &Path) -> Result<Vec<u8>, RuntimeError> {
    let path = bundle.join("config.json");
    let mut json = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(MAX_CONFIGURATION + 1).read_to_end(&mut json));
    let bounded = read.and_then(|length| match length as u64 {
        ..=MAX_CONFIGURATION => Ok(()),
        _ => Err(io::Error::other(format!("larger than {MAX_CONFIGURATION} bytes"))),
    });
    bounded.map_err(|source| RuntimeError::Bundle {
        path: path.display().to_string(),
        source,
    })?;
    Ok(json)
}

fn absolute(bundle: &Path) -> Result<PathBuf, RuntimeError> {
    fs::canonicalize(bundle).map_err(|source| RuntimeError::Bundle {
        path: bundle.display().to_string(),
        source,
    })
}

/// The specification with what the bundle adds to it: the root's real path, which the kernel then
/// need not follow links to, and the user's home.
fn complete(spec: &Spec, bundle: &Path) -> Result<Spec, RuntimeError> {
    let mut spec = spec.clone();
    if let Some(root) = &mut spec.root {
        let path = bundle.join(&root.path);
        let real = fs::canonicalize(&path).map_err(|source| RuntimeError::Bundle {
            path: path.display().to_string(),
            source,
        })?;
        root.path = real.display().to_string();
        if let Some(process) = &mut spec.process {
            home::set(process, &real);
        }
    }
    Ok(spec)
}

pub(super) fn filter(spec: &Spec) -> Result<Option<Filter>, RuntimeError> {
    let seccomp = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    Ok(seccomp
        .map(|seccomp| seccomp::compile(seccomp, seccomp::Machine::NATIVE))
        .transpose()?)
}

/// The FIFO, open for reading and writing, so that reading it waits for a writer and opening it
/// for writing finds a reader while the container's process lives.
fn make_gate(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR)?;
    Ok(rustix::fs::open(
        path,
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}
