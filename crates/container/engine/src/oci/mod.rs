//! From a [`ContainerSpec`] to the OCI specification of its container, as dockerd makes it.
//!
//! [`translate`] is pure: everything it needs of the host, of the image and of other containers
//! is in its [`Inputs`], so that a snapshot test holds the whole result and a start is decided
//! before anything is touched. What a host cannot give is an error that names it; the few things
//! that may degrade (a hard limit above our own) come back as warnings.
//!
//! The order of mounts, rules and variables is upstream's, because programs see it.

mod defaults;
mod devices;
mod environment;
mod facts;
#[cfg(test)]
mod fields;
mod identity;
mod image_files;
mod mounts;
mod namespaces;
mod process;
mod resources;
#[cfg(test)]
mod tests;
mod validate;

use std::path::Path;

use runtime::spec::{Linux, LinuxSeccomp, Process, Root, Spec};

use crate::spec::{ContainerSpec, PidNamespace};

pub use devices::{Device, DeviceKind, Found, HostDevices, KernelDevices, privileged_devices};
pub use environment::{DEFAULT_PATH, merge as merge_environment};
pub use facts::{Available, Facts};
pub(crate) use identity::resolve as resolve_user;
pub use identity::{IdentityError, User, UserFiles};
pub use mounts::{ReadOnly, Source, UserMount, effective as effective_mounts};
pub use namespaces::{Joined, hostname};
pub(crate) use process::capability_sets;
pub use resources::limits;
pub use validate::{Invalid, UpdateError, check, updated};

/// What is known besides the specification when a container starts.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The host.
    pub facts: &'a Facts,
    /// Device nodes of the host.
    pub devices: &'a dyn HostDevices,
    /// `/etc/passwd` and `/etc/group` of the image.
    pub users: &'a UserFiles,
    /// Where the root file system is mounted, or will be.
    pub root: &'a str,
    /// The container's group, below each hierarchy's mount point.
    pub cgroups_path: &'a str,
    /// The mounts of the specification, of `volumes_from` and of the image, sources resolved.
    pub mounts: &'a [UserMount],
    /// The text of `/proc/self/mountinfo`; read only where a mount asks for propagation other
    /// than private.
    pub mountinfo: &'a str,
    /// Files that the node keeps for the container.
    pub files: Files<'a>,
    /// Namespaces that exist already.
    pub joined: Joined<'a>,
}

/// Files and directories of the host that every container has mounted; one that is absent is the
/// image's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files<'a> {
    /// `/etc/resolv.conf`.
    pub resolv_conf: Option<&'a Path>,
    /// `/etc/hostname`.
    pub hostname: Option<&'a Path>,
    /// `/etc/hosts`.
    pub hosts: Option<&'a Path>,
    /// `/dev/shm` where it is shared with others (`--ipc shareable`, `host`, `container:ID`).
    pub shm: Option<&'a Path>,
}

/// A translated container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// What the runtime plans from.
    pub spec: Spec,
    /// What could not be given in full, for people.
    pub warnings: Vec<String>,
}

/// Why a container cannot be started as it is specified.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// Its user or a group is not in the image.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A capability that does not exist; [`check`] finds it at create.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A device that is not there.
    #[error("error gathering device information while adding custom device {path:?}: {reason}")]
    Device {
        /// Its path on the host.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A device of a block I/O limit.
    #[error("stat {path}: {reason}")]
    Stat {
        /// Its path.
        path: String,
        /// What stat(2) said.
        reason: String,
    },
    /// A kernel parameter of a namespace that is not the container's.
    #[error("sysctl {name:?} not allowed in host {namespace} namespace")]
    Sysctl {
        /// Its name.
        name: String,
        /// The kind of namespace.
        namespace: &'static str,
    },
    /// The host name has a property of its own.
    #[error(r#"sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field"#)]
    HostnameSysctl,
    /// A kernel parameter that is the host's.
    #[error("sysctl {0:?} is not in a separate kernel namespace")]
    NotNamespaced(String),
    /// A namespace to join that was not given: its container does not run.
    #[error("cannot join the {0} namespace of a container that is not running")]
    NotRunning(&'static str),
    /// A seccomp profile that does not parse.
    #[error("decoding seccomp profile failed: {0}")]
    Seccomp(String),
    /// Propagation that the source's mount does not allow.
    #[error("path {source_path} is mounted on {mount} but it is not a {wanted} mount")]
    Propagation {
        /// The source.
        source_path: String,
        /// The mount it is on.
        mount: String,
        /// `shared`, or `shared or slave`.
        wanted: &'static str,
    },
}

/// Whether a process of ours stays as process 1: `--init`, in a PID namespace of its own.
#[must_use]
pub fn stays_as_init(spec: &ContainerSpec) -> bool {
    spec.init && spec.isolation.pid == PidNamespace::Private
}

/// The program of a container: the part of a translation that an exec is made from too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What the runtime is given.
    pub process: Process,
    /// Its system call filter.
    pub seccomp: Option<LinuxSeccomp>,
    /// What could not be given in full, for people.
    pub warnings: Vec<String>,
}

/// Translates the program alone. Mounts, files and namespaces of the inputs are not looked at, so
/// that it can be done for a container that runs already.
///
/// # Errors
/// See [`TranslateError`].
pub fn program(spec: &ContainerSpec, inputs: &Inputs<'_>) -> Result<Program, TranslateError> {
    let mut warnings = Vec::new();
    let user = identity::resolve(&spec.user, &spec.groups, spec.listed_groups, inputs.users)?;
    Ok(Program {
        process: process::translate(spec, inputs, &user, &mut warnings)?,
        seccomp: process::seccomp(spec, inputs.facts)?,
        warnings,
    })
}

/// Translates.
///
/// # Errors
/// See [`TranslateError`].
pub fn translate(spec: &ContainerSpec, inputs: &Inputs<'_>) -> Result<Translated, TranslateError> {
    let program = program(spec, inputs)?;
    let mounted = mounts::all(spec, inputs)?;
    let (devices, rules) = devices::translate(spec, inputs.devices)?;
    let mut resources = limits(&spec.resources, inputs.devices)?;
    resources.devices = rules;
    if spec.resources.oom_group && inputs.facts.cgroup2 {
        resources.unified.insert("memory.oom.group".into(), "1".into());
    }
    let (masked_paths, readonly_paths) = defaults::covered(spec, inputs.facts);
    let linux = Linux {
        seccomp: program.seccomp,
        sysctl: namespaces::sysctls(spec)?,
        namespaces: namespaces::translate(spec, inputs)?,
        cgroups_path: inputs.cgroups_path.to_owned(),
        resources: Some(resources),
        devices,
        rootfs_propagation: mounted.root_propagation,
        masked_paths,
        readonly_paths,
        ..Linux::default()
    };
    let translated = Spec {
        oci_version: runtime::spec::OCI_VERSION.to_owned(),
        process: Some(program.process),
        root: Some(Root {
            path: inputs.root.to_owned(),
            readonly: spec.read_only_rootfs,
        }),
        hostname: namespaces::own_hostname(spec, inputs),
        mounts: mounted.mounts,
        annotations: spec.annotations.clone(),
        linux: Some(linux),
        ..Spec::default()
    };
    Ok(Translated {
        spec: translated,
        warnings: program.warnings,
    })
}
