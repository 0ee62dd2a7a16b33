//! From a container to the program that starts it: what must be known is read, everything else is
//! decided by `oci` and the runtime's planner.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use image::Rootfs;
use runtime::cgroup::Cgroup;
use runtime::lifecycle::Prepared;
use runtime::plan::{self, Context, Given, Overlay};
use runtime::seccomp::Filter;
use runtime::spec::{LinuxSeccomp, Spec};
use supervisor::protocol::{Format, Key, LogSpec, Owner, Stdio};
use sys::program::Program;

use super::files::Paths;
use super::networking::Attached;
use crate::container::Container;
use crate::engine::{Engine, cgroups_path};
use crate::error::Error;
use crate::oci::{self, Inputs, Joined, KernelDevices, UserFiles};
use crate::spec::{IpcNamespace, LogDriver, PidNamespace, Propagation};
use crate::supervised::Launch;
use crate::table::Template;

/// A start that has been decided, with what it has made so far.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) launch: Launch,
    /// For the words of a failure.
    pub(crate) program: Program,
    pub(crate) cgroup: Cgroup,
    pub(crate) template: Template,
    pub(crate) warnings: Vec<String>,
}

impl Engine {
    /// Decides a start and makes its control group. On an error nothing is left.
    pub(crate) fn decide(
        &self,
        container: &Container,
        key: &Key,
        attached: &Attached,
        attach: bool,
    ) -> Result<Decided, Error> {
        let rootfs = self.root_of(container)?;
        let users = UserFiles::of(&rootfs).map_err(Error::system("the image's user database"))?;
        let paths = self.write_files(container, attached)?;
        let (spec, mut warnings) = self.translate(container, attached, &users, &paths)?;
        let linux = spec.linux.clone().unwrap_or_default();
        let filter = self.filter(linux.seccomp.as_ref())?;
        let group = Prepared::plan(self.0.layout.clone(), &linux, &container.id)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let overlay = self.overlay(rootfs);
        let bundle = self.directory(&container.id);
        let context = Context {
            cgroup_joins: &group.directories.joins(),
            cgroups: &group.mounts,
            cgroup2: group.cgroup2(),
            filter: filter.as_deref(),
            init: oci::stays_as_init(&container.spec),
            stdio: !container.spec.tty,
            console: container.spec.tty,
            capabilities: self.0.facts.runtime.capabilities,
            apparmor: self.0.facts.runtime.apparmor,
            overlay: Some(&overlay),
            ..Context::new(&container.id, &bundle)
        };
        let plan = plan::create(&spec, &context).map_err(|error| Error::Specification(error.to_string()))?;
        warnings.extend(plan.warnings.iter().cloned());
        let slots = slots(&plan.given, None)?;
        group.make().map_err(|error| group_failure(&error))?;
        let cgroup = group.directories.cgroup();
        let unified = cgroup
            .open_unified()
            .map_err(Error::system("the container's control group"))?;
        let process = spec.process.unwrap_or_default();
        let launch = Launch {
            key: key.clone(),
            namespaces: plan.namespaces,
            stdio: stdio(container),
            owner: Owner {
                uid: process.user.uid,
                gid: process.user.gid,
            },
            log: Some(log(container)?),
            attach,
            cgroup: unified.map(OwnedFd::from),
            program: plan.program.as_bytes().to_vec(),
            slots,
        };
        Ok(Decided {
            launch,
            program: plan.program,
            cgroup,
            template: Template {
                process: Arc::new(process),
                filter,
            },
            warnings,
        })
    }

    /// The layers of a container's root, made again if an unclean end has taken them.
    pub(crate) fn root_of(&self, container: &Container) -> Result<Rootfs, Error> {
        if let Some(rootfs) = self.0.images.rootfs(&container.id) {
            return Ok(rootfs);
        }
        let image = container.image.as_ref().and_then(|image| image.id.parse().ok());
        Ok(self.0.images.prepare(&container.id, image.as_ref())?)
    }

    fn overlay(&self, rootfs: Rootfs) -> Overlay {
        Overlay {
            lower: rootfs.lower,
            upper: rootfs.upper,
            work: rootfs.work,
            appends: self.0.appends,
        }
    }

    fn translate(
        &self,
        container: &Container,
        attached: &Attached,
        users: &UserFiles,
        paths: &Paths,
    ) -> Result<(Spec, Vec<String>), Error> {
        let shared = self.shared_namespaces(container)?;
        let root = self.root_mount_point();
        let parent = &container.spec.resources.cgroup_parent;
        let mounts = self.user_mounts(container)?;
        let mountinfo = mountinfo(container);
        let inputs = Inputs {
            id: &container.id,
            facts: &self.0.facts,
            devices: &KernelDevices,
            users,
            root: &root.to_string_lossy(),
            cgroups_path: &cgroups_path(&self.0.instance, parent, &container.id),
            mounts: &mounts,
            mountinfo: &mountinfo,
            files: paths.borrowed(),
            joined: Joined {
                network: attached.namespace.as_deref(),
                ipc: shared.ipc.as_deref(),
                pid: shared.pid.as_deref(),
                hostname: attached.hostname.as_deref(),
                links: &attached.links,
            },
        };
        let translated = oci::translate(&container.spec, &inputs).map_err(untranslatable)?;
        Ok((translated.spec, translated.warnings))
    }

    /// What an exec is made from, for a container that a daemon before this one has started.
    pub(crate) fn template_of(&self, container: &Container) -> Result<Template, Error> {
        let users =
            UserFiles::of(&self.root_of(container)?).map_err(Error::system("the image's user database"))?;
        let inputs = Inputs {
            id: &container.id,
            facts: &self.0.facts,
            devices: &KernelDevices,
            users: &users,
            root: "",
            cgroups_path: "",
            mounts: &[],
            mountinfo: "",
            files: oci::Files::default(),
            joined: Joined::default(),
        };
        // Neither mounts nor namespaces: what those need may be gone while the container runs.
        let program = oci::program(&container.spec, &inputs).map_err(untranslatable)?;
        Ok(Template {
            filter: self.filter(program.seccomp.as_ref())?,
            process: Arc::new(program.process),
        })
    }

    fn filter(&self, seccomp: Option<&LinuxSeccomp>) -> Result<Option<Arc<Filter>>, Error> {
        let compiled = seccomp.map(|seccomp| self.0.filters.get(seccomp, self.0.facts.machine));
        compiled.transpose()
    }

    fn shared_namespaces(&self, container: &Container) -> Result<Shared, Error> {
        let of = |id: &str, name: &str| -> Result<PathBuf, Error> {
            let failed = |reason: String| format!("failed to join {name} namespace: {reason}");
            let found = self.0.table.find(id);
            let other = found
                .map_err(|error| Error::Invalid(failed(error.to_string())))?
                .get();
            if !other.state.status.has_process() {
                let text = failed(Error::not_running(id).to_string());
                return Err(Error::Conflict(text));
            }
            if name == "IPC" && !shares_ipc(&other.spec.isolation.ipc) {
                let hint = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)";
                return Err(Error::Invalid(failed(format!("container {id}: {hint}"))));
            }
            Ok(format!("/proc/{}/ns/{}", other.state.pid, name.to_lowercase()).into())
        };
        let isolation = &container.spec.isolation;
        Ok(Shared {
            ipc: match &isolation.ipc {
                IpcNamespace::Container(id) => Some(of(id, "IPC")?),
                _ => None,
            },
            pid: match &isolation.pid {
                PidNamespace::Container(id) => Some(of(id, "PID")?),
                _ => None,
            },
        })
    }
}

/// Whether others may join: then its shared memory lies where they find it.
const fn shares_ipc(ipc: &IpcNamespace) -> bool {
    !matches!(
        ipc,
        IpcNamespace::Private | IpcNamespace::None | IpcNamespace::Path(_)
    )
}

/// The host's mounts, where a mount of the container asks for propagation: a long file to read.
fn mountinfo(container: &Container) -> String {
    let asks = container.mounts.iter().any(|point| {
        point
            .propagation
            .is_some_and(|kind| !matches!(kind, Propagation::Private | Propagation::Rprivate))
    });
    if asks {
        // Unreadable, the propagation is refused with the mount's name.
        return std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    }
    String::new()
}

/// Namespaces of other containers.
struct Shared {
    ipc: Option<PathBuf>,
    pid: Option<PathBuf>,
}

/// What fills a program's slots behind its standard streams, which the supervisor makes.
pub(crate) fn slots(given: &[Given], container: Option<&OwnedFd>) -> Result<Vec<OwnedFd>, Error> {
    let opened = given.iter().filter_map(|given| match given {
        Given::Namespace(path) => Some(File::open(path).map(OwnedFd::from)),
        Given::Container => Some(match container {
            Some(process) => process.as_fd().try_clone_to_owned(),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }),
        Given::Stdio(_) | Given::ConsoleSocket | Given::StartGate => None,
    });
    let opened: std::io::Result<Vec<OwnedFd>> = opened.collect();
    opened.map_err(Error::system("a namespace to be joined"))
}

fn stdio(container: &Container) -> Stdio {
    let spec = &container.spec;
    if spec.tty {
        let (rows, columns) = spec.terminal_size.unwrap_or_default();
        return Stdio::Console { rows, columns };
    }
    Stdio::Pipes {
        stdin: spec.open_stdin,
    }
}

/// Where output goes. What is not to be logged is read and thrown away by the supervisor all the
/// same: a program never waits because nobody listens.
pub(crate) fn log(container: &Container) -> Result<LogSpec, Error> {
    let path = |path: &std::path::Path| path.as_os_str().as_encoded_bytes().into();
    let current = container.log_path.as_deref().map(path);
    if let LogDriver::Unusable { reason } = &container.spec.log {
        return Err(Error::Specification(format!(
            "failed to create task for container: failed to initialize logging driver: {reason}"
        )));
    }
    Ok(match (&container.spec.log, current) {
        (
            LogDriver::JsonFile {
                max_size,
                max_files,
                attributes,
            },
            Some(path),
        ) => LogSpec {
            path,
            format: Format::Json {
                attributes: encode(attributes)?,
            },
            max_size: *max_size,
            max_files: *max_files,
        },
        (
            LogDriver::Cri {
                max_size, max_files, ..
            },
            Some(path),
        ) => LogSpec {
            path,
            format: Format::Cri {},
            max_size: *max_size,
            max_files: *max_files,
        },
        _ => nowhere(),
    })
}

/// A log that keeps nothing.
pub(crate) fn nowhere() -> LogSpec {
    LogSpec {
        path: b"/dev/null"[..].into(),
        format: Format::Cri {},
        max_size: 0,
        max_files: 0,
    }
}

fn encode(
    attributes: &std::collections::BTreeMap<String, String>,
) -> Result<supervisor::protocol::Bytes, Error> {
    if attributes.is_empty() {
        return Ok(supervisor::protocol::Bytes::default());
    }
    let json = serde_json::to_vec(attributes).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(json.into())
}

fn untranslatable(error: oci::TranslateError) -> Error {
    match error {
        oci::TranslateError::NotRunning(_) => Error::Conflict(error.to_string()),
        _ => Error::Specification(error.to_string()),
    }
}

fn group_failure(error: &std::io::Error) -> Error {
    Error::Start {
        code: 128,
        reason: format!("unable to apply cgroup configuration: {error}"),
    }
}
