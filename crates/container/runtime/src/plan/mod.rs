//! From a specification to an init program: the pure half of a container's start.
//!
//! [`create`] and [`exec`] decide everything there is to decide and touch nothing: the same
//! inputs give the same bytes. What cannot be honoured is an error that names the property;
//! nothing is left out silently.
//!
//! Two orders exist. Without a user namespace the process is cloned into its new namespaces at
//! once. With one (or where namespaces are joined that only take effect for children) it starts
//! as the caller, does what needs the caller's rights, and enters the namespaces step by step.

mod devices;
mod error;
mod namespaces;
mod options;
mod overlay;
mod process;
mod rootfs;
mod sysctl;
#[cfg(test)]
mod tests;

pub(crate) use devices::rules as device_rules;
pub use error::PlanError;
pub(crate) use namespaces::{bit as namespace_bit, join_container};
pub(crate) use options::names as mount_option_names;
pub use overlay::Overlay;

use std::path::{Path, PathBuf};

use sys::program::{Builder, Op, Program, Slot};

use crate::capability::CapabilitySet;
use crate::seccomp::Filter;
use crate::spec::{PersonalityDomain, Process, Spec};
use namespaces::Namespaces;

/// Where a starting process waits for whoever launched it, and what that one has to do.
pub mod sync {
    /// Write the user namespace's uid and gid maps.
    pub const MAP_IDS: u32 = 1;
    /// Write the time namespace's clock offsets.
    pub const TIME_OFFSETS: u32 = 2;
    /// The container is complete but for `pivot_root`: run prestart, createRuntime and
    /// createContainer hooks.
    pub const HOOKS: u32 = 3;
}

/// What the caller knows besides the specification.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The bundle; relative sources of bind mounts are in it.
    pub bundle: &'a Path,
    /// Files to which the process writes `0` to join its cgroup.
    pub cgroup_joins: &'a [PathBuf],
    /// The container's cgroup in each hierarchy, for mounts of type `cgroup`.
    pub cgroups: &'a [CgroupMount],
    /// Whether `/sys/fs/cgroup` on this host is a cgroup2 filesystem.
    pub cgroup2: bool,
    /// The compiled `linux.seccomp`.
    pub filter: Option<&'a Filter>,
    /// Wait for `start` before the program runs.
    pub gate: bool,
    /// Stay behind as process 1 and reap.
    pub init: bool,
    /// Keep the caller's session keyring instead of joining a new one.
    pub keep_keyring: bool,
    /// Descriptors from 3 on that the program inherits; all others of the caller are closed.
    pub preserve_fds: u32,
    /// Standard streams are given as slots (otherwise they are inherited as they are).
    pub stdio: bool,
    /// What the caller may give: its own permitted capabilities.
    pub capabilities: CapabilitySet,
    /// The host's AppArmor is enabled.
    pub apparmor: bool,
    /// The host has a PTY socket to send the terminal's master to; needed by `process.terminal`.
    pub console: bool,
    /// What the root file system is made of; `root.path` is then only where the process attaches
    /// it in its own mount namespace. Without it the root is the directory `root.path`.
    pub overlay: Option<&'a Overlay>,
}

impl<'a> Context<'a> {
    /// A start with inherited streams, no cgroup, no filter and no capability to give.
    pub fn new(id: &'a str, bundle: &'a Path) -> Self {
        Self {
            id,
            bundle,
            cgroup_joins: &[],
            cgroups: &[],
            cgroup2: false,
            filter: None,
            gate: false,
            init: false,
            keep_keyring: false,
            preserve_fds: 0,
            stdio: false,
            capabilities: CapabilitySet::EMPTY,
            apparmor: false,
            console: false,
            overlay: None,
        }
    }
}

/// One cgroup hierarchy as a container may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// Name below `/sys/fs/cgroup`, such as `cpu,cpuacct` or `systemd`.
    pub name: String,
    /// Mount options of the hierarchy, such as `memory` or `none,name=systemd`.
    pub options: Vec<String>,
    /// The container's directory in it, on the host.
    pub path: PathBuf,
}

/// A descriptor that the launcher puts into the program's first slots. Standard streams, or the
/// console socket in their place, come first, which is where the supervisor puts those it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// The FIFO that `start` writes to.
    StartGate,
    /// The socket that the terminal's master is sent to.
    ConsoleSocket,
    /// The pidfd of the container's first process.
    Container,
    /// A namespace file.
    Namespace(PathBuf),
    /// Standard input, output or error (0, 1, 2).
    Stdio(u32),
}

/// A start, planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the new process does.
    pub program: Program,
    /// What it is given.
    pub given: Vec<Given>,
    /// CLONE_NEW* bits that it is cloned with.
    pub namespaces: u32,
    /// The caller's descriptors below this number stay open in it.
    pub inherit: u32,
    /// What the specification allows to be left out, and was.
    pub warnings: Vec<String>,
}

/// Plans the first process of a container (OCI runtime-spec 1.3 §lifecycle steps 1 to 8).
pub fn create(spec: &Spec, context: &Context<'_>) -> Result<Plan, PlanError> {
    let process = spec
        .process
        .as_ref()
        .ok_or_else(|| PlanError::missing("process"))?;
    let root = spec.root.as_ref().ok_or_else(|| PlanError::missing("root"))?;
    let linux = spec.linux.clone().unwrap_or_default();
    error::refuse_unsupported(spec, process, &linux)?;
    error::refuse_listener(context.filter)?;
    let namespaces = Namespaces::of(&linux)?;

    let mut draft = Draft::new(namespaces.given(), process, context);
    draft.enter_cgroup(context);
    draft.caller_rights(process, namespaces.staged());
    namespaces.enter(&mut draft.builder, draft.joined);
    rootfs::build(&mut draft, spec, root, &linux, context)?;
    if let Some(personality) = &linux.personality {
        draft.builder.push(Op::Personality {
            persona: persona(personality.domain),
        });
    }
    draft.identify(process, context)?;
    draft.run(process, context)?;
    draft.finish(namespaces.cloned(), context)
}

/// Plans another process in a running container, whose namespaces are those of the process that
/// [`Given::Container`] refers to.
///
/// `namespaces` are the CLONE_NEW* bits in which that process differs from the caller.
pub fn exec(process: &Process, namespaces: u32, context: &Context<'_>) -> Result<Plan, PlanError> {
    error::refuse_unsupported_process(process)?;
    let mut draft = Draft::new(vec![Given::Container], process, context);
    draft.enter_cgroup(context);
    draft.caller_rights(process, true);
    join_container(&mut draft.builder, draft.joined, namespaces);
    draft.open_running_container(process, context)?;
    draft.identify(process, context)?;
    draft.run(process, context)?;
    draft.finish(0, context)
}

/// personality(2): the domain's own number.
fn persona(domain: PersonalityDomain) -> u32 {
    match domain {
        PersonalityDomain::Linux => 0,
        PersonalityDomain::Linux32 => 8,
    }
}

/// Standard input, output and error.
pub(crate) const STREAMS: u32 = 3;

/// A program being written, with the slots that several parts of it use.
struct Draft {
    builder: Builder,
    given: Vec<Given>,
    /// The first of the descriptors whose namespaces are joined.
    joined: Slot,
    gate: Option<Slot>,
    console: Option<Slot>,
    stdio: Option<[Slot; 3]>,
    /// A procfs of the container's own pid namespace, once there is one.
    proc: Option<Slot>,
    /// The container's end of its terminal.
    tty: Option<Slot>,
    /// Resource limits are set already.
    limited: bool,
    warnings: Vec<String>,
}

impl Draft {
    fn new(joined: Vec<Given>, process: &Process, context: &Context<'_>) -> Self {
        let mut given = Vec::new();
        let console = (process.terminal && context.console).then(|| give(&mut given, Given::ConsoleSocket));
        let stdio = (context.stdio && console.is_none())
            .then(|| [0, 1, 2].map(|fd| give(&mut given, Given::Stdio(fd))));
        let first = slot(given.len());
        given.extend(joined);
        let gate = context.gate.then(|| give(&mut given, Given::StartGate));
        let builder = Builder::new(slot(given.len()).0);
        Self {
            builder,
            given,
            joined: first,
            gate,
            console,
            stdio,
            proc: None,
            tty: None,
            limited: false,
            warnings: Vec::new(),
        }
    }

    /// First of all, so that every page and every process counts against the container's limits.
    fn enter_cgroup(&mut self, context: &Context<'_>) {
        let builder = &mut self.builder;
        builder.push(Op::Prctl {
            option: libc::PR_SET_DUMPABLE.cast_unsigned(),
            value: 0,
        });
        for file in context.cgroup_joins {
            let path = builder.text(file.as_os_str().as_encoded_bytes());
            let data = builder.text("0");
            builder.push(Op::Write {
                dir: Slot::NONE,
                path,
                data,
                flags: 0,
            });
        }
    }

    fn finish(self, namespaces: u32, context: &Context<'_>) -> Result<Plan, PlanError> {
        Ok(Plan {
            program: self.builder.finish()?,
            given: self.given,
            namespaces,
            inherit: STREAMS + context.preserve_fds,
            warnings: self.warnings,
        })
    }
}

/// Appends a descriptor to what is given, and answers its slot.
fn give(given: &mut Vec<Given>, what: Given) -> Slot {
    given.push(what);
    slot(given.len() - 1)
}

fn slot(index: usize) -> Slot {
    Slot(u8::try_from(index).unwrap_or(Slot::NONE.0))
}
