//! `exec`: another process in a running container. Not an operation of the specification; its
//! shape is runc's.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::create::{filter, own_namespaces};
use super::{Runtime, RuntimeError, home};
use crate::launcher::{self, Descriptors};
use crate::plan::{self, Context};
use crate::spec::{self, ContainerStatus};

/// What `exec` is asked for.
pub struct Exec<'a> {
    /// The container.
    pub id: &'a str,
    /// The process to run.
    pub process: spec::Process,
    /// Where the terminal's master is sent.
    pub console: Option<OwnedFd>,
    /// Descriptors from 3 on that the program inherits.
    pub preserve_fds: u32,
}

impl Runtime {
    /// The process of the container's own configuration, as a template for another one.
    ///
    /// # Errors
    /// There is no such container.
    pub fn configured_process(&self, id: &str) -> Result<spec::Process, RuntimeError> {
        let (directory, _) =
            self.expect(id, "exec", &[ContainerStatus::Running, ContainerStatus::Created])?;
        Ok(directory.spec(id)?.process.unwrap_or_default())
    }

    /// Runs a process in the namespaces and the cgroup of a running container.
    ///
    /// # Errors
    /// The container is not running, or the kernel refused something.
    pub fn exec(&self, exec: &Exec<'_>) -> Result<launcher::Process, RuntimeError> {
        let allowed = [ContainerStatus::Running, ContainerStatus::Created];
        let (directory, record) = self.expect(exec.id, "exec", &allowed)?;
        let ended = RuntimeError::Status {
            id: exec.id.to_owned(),
            status: ContainerStatus::Stopped,
            operation: "exec",
        };
        let container = record.process().ok_or(ended)?;
        let filter = filter(&directory.spec(exec.id)?)?;
        let cgroup_joins = record.cgroup.joins();
        let cgroup = record
            .cgroup
            .open_unified()
            .map_err(|source| RuntimeError::Cgroup {
                id: exec.id.to_owned(),
                source,
            })?;
        let context = Context {
            cgroup_joins: &cgroup_joins,
            filter: filter.as_ref(),
            preserve_fds: exec.preserve_fds,
            capabilities: self.host.capabilities,
            apparmor: self.host.apparmor,
            console: exec.console.is_some(),
            ..Context::new(exec.id, &record.bundle)
        };
        let mut process = exec.process.clone();
        home::set(&mut process, Path::new(&format!("/proc/{}/root", record.pid)));
        let plan = plan::exec(&process, own_namespaces(record.pid), &context)?;
        let held = Descriptors {
            container: Some(container.as_fd()),
            console: exec.console.as_ref().map(AsFd::as_fd),
            cgroup: cgroup.as_ref().map(AsFd::as_fd),
            ..Descriptors::default()
        };
        Ok(launcher::start(&plan, &held, &mut |_, _| Ok(()))?)
    }
}
