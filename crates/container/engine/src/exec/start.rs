//! Starting an exec.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use runtime::plan::{self, Context};
use runtime::spec::{ConsoleSize, Process as OciProcess};
use supervisor::protocol::{Key, Owner, Stdio};
use sys::program::Program;

use super::{ExecEntry, Phase, users};
use crate::attach::{Client, Hub};
use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::lifecycle::{self, Words, name_of};
use crate::oci;
use crate::request::Attached;
use crate::spec::{ContainerSpec, ExecSpec};
use crate::supervised::Launch;
use crate::table::{Entry, Process};
use crate::tasks::{apart, blocking};

impl Engine {
    /// Starts an exec. Nothing is attached with `detach`; `size` is the terminal's, in rows and
    /// columns.
    ///
    /// # Errors
    /// It has been started, its container does not run, or its program cannot be run.
    pub async fn exec_start(
        &self,
        exec: &str,
        detach: bool,
        size: Option<(u16, u16)>,
    ) -> Result<Option<Attached>, Error> {
        let exec = self.find_exec(exec)?;
        let entry = self.0.table.find(&exec.container)?;
        let engine = self.clone();
        apart(async move {
            engine.check_executable(&entry.get(), &entry.id)?;
            let attached = (!detach).then(|| engine.attach_exec(&exec));
            engine
                .run_exec(&entry, &exec, !detach, size.unwrap_or_default())
                .await?;
            Ok(attached)
        })
        .await
    }

    fn attach_exec(&self, exec: &Arc<ExecEntry>) -> Attached {
        let spec = &exec.spec;
        let (client, output) = Client::new(spec.stdout, spec.stderr);
        let input = spec.stdin.then(|| {
            let (engine, closed) = (self.clone(), exec.clone());
            exec.hub.writer(&client, move || async move {
                engine.exec_input_closed(&closed).await;
            })
        });
        exec.hub.add(client);
        Attached {
            tty: spec.tty,
            output,
            input,
        }
    }

    async fn exec_input_closed(&self, exec: &ExecEntry) {
        let Some(key) = exec.key().filter(|_| !exec.spec.tty) else {
            return;
        };
        Hub::close_input(&exec.hub);
        if let Err(error) = self.0.supervisor.close_stdin(&key).await {
            tracing::debug!(id = %exec.id, %error, "the end of an exec's input");
        }
    }

    /// Runs an exec that has not been run. An exec that cannot be run has ended.
    pub(super) async fn run_exec(
        &self,
        entry: &Arc<Entry>,
        exec: &Arc<ExecEntry>,
        attach: bool,
        size: (u16, u16),
    ) -> Result<(), Error> {
        let container = entry.get();
        let process = entry.process().ok_or_else(|| Error::not_running(&container.id))?;
        let key = Key::exec(
            process.key.container.clone(),
            name_of(&exec.id)?,
            process.key.generation,
        );
        claim(exec, &key)?;
        let started = self
            .launch_exec(&container, process, exec, key.clone(), attach, size)
            .await;
        if let Err(error) = &started {
            let code = match error {
                Error::Exec { code, .. } => *code,
                _ => 126,
            };
            exec.end(code);
        }
        started
    }

    async fn launch_exec(
        &self,
        container: &Arc<Container>,
        process: Process,
        exec: &Arc<ExecEntry>,
        key: Key,
        attach: bool,
        size: (u16, u16),
    ) -> Result<(), Error> {
        let (engine, planned, spec, named) = (self.clone(), container.clone(), exec.clone(), key.clone());
        let decided =
            blocking(move || engine.decide_exec(&planned, &process, &spec, named, attach, size)).await;
        let (launch, program) = decided?;
        let action = format!("exec_start: {}", exec.spec.shown());
        self.tell(container, action, &[("execID", exec.id.clone())]);
        match self.0.supervisor.start(launch).await {
            Ok(started) => {
                exec.hub.open(started.streams);
                if let Some(code) = exec.entered(started.pid) {
                    // What is held of it was not there yet when its end came.
                    self.0.supervisor.forget(&key);
                    self.end_exec(exec, code);
                }
                Ok(())
            }
            Err(error) => Err(lifecycle::executable(Words::Exec, &program, error)),
        }
    }

    fn decide_exec(
        &self,
        container: &Container,
        process: &Process,
        exec: &ExecEntry,
        key: Key,
        attach: bool,
        size: (u16, u16),
    ) -> Result<(Launch, Program), Error> {
        let spec = &exec.spec;
        let template = match &process.template {
            Some(template) => template.clone(),
            None => self.template_of(container)?,
        };
        let wanted = OciProcess {
            // The supervisor sets it too, when it has the terminal: the program may have looked by then.
            console_size: spec.tty.then(|| console_size(size)),
            ..self.exec_process(container, &template.process, exec)?
        };
        let unified = process
            .cgroup
            .open_unified()
            .map_err(Error::system("the container's control group"))?;
        let joins: Vec<_> = process.cgroup.v1.iter().map(|dir| dir.join("tasks")).collect();
        let bundle = self.directory(&container.id);
        let context = Context {
            cgroup_joins: &joins,
            filter: template.filter.as_deref().filter(|_| !spec.privileged),
            stdio: !spec.tty,
            console: spec.tty,
            capabilities: self.0.facts.runtime.capabilities,
            apparmor: self.0.facts.runtime.apparmor,
            ..Context::new(&container.id, &bundle)
        };
        let pid = container.state.pid.cast_signed();
        let namespaces = runtime::lifecycle::own_namespaces(pid);
        let plan =
            plan::exec(&wanted, namespaces, &context).map_err(|error| Error::Invalid(error.to_string()))?;
        let slots = lifecycle::slots(&plan.given, process.pidfd.as_deref())?;
        let launch = Launch {
            key,
            namespaces: plan.namespaces,
            stdio: stdio(exec, attach, size),
            owner: Owner {
                uid: wanted.user.uid,
                gid: wanted.user.gid,
            },
            // Nobody logs an exec, but its output is read whether somebody listens or not.
            log: (attach || spec.tty).then(lifecycle::nowhere),
            attach,
            cgroup: unified.map(OwnedFd::from),
            program: plan.program.as_bytes().to_vec(),
            slots,
        };
        Ok((launch, plan.program))
    }

    /// The container's process with what the exec changes.
    fn exec_process(
        &self,
        container: &Container,
        template: &OciProcess,
        exec: &ExecEntry,
    ) -> Result<OciProcess, Error> {
        let (spec, own) = (&exec.spec, &container.spec);
        let users = users::of_process(container.state.pid).map_err(|_| Error::not_running(&container.id))?;
        let name = if spec.user.is_empty() {
            &own.user
        } else {
            &spec.user
        };
        let invalid = |error: oci::IdentityError| Error::Specification(error.to_string());
        let user = oci::resolve_user(name, &own.groups, own.listed_groups, &users).map_err(invalid)?;
        let mut wanted = OciProcess {
            args: spec.args.clone(),
            env: environment(&template.env, own, spec, &user.home),
            terminal: spec.tty,
            user: runtime::spec::User {
                uid: user.uid,
                gid: user.gid,
                additional_gids: user.groups,
                ..runtime::spec::User::default()
            },
            ..template.clone()
        };
        if !spec.cwd.is_empty() {
            if !spec.cwd.starts_with('/') {
                return Err(Error::Exec {
                    code: 126,
                    reason: "Cwd must be an absolute path".into(),
                });
            }
            wanted.cwd.clone_from(&spec.cwd);
        }
        if spec.privileged {
            wanted.capabilities = Some(oci::capability_sets(self.0.facts.runtime.capabilities));
            wanted.apparmor_profile = String::new();
        }
        Ok(wanted)
    }
}

/// The container's environment with the exec's on top. `HOME` and `TERM` are the exec's own unless
/// the container was given some.
fn environment(template: &[String], own: &ContainerSpec, exec: &ExecSpec, home: &str) -> Vec<String> {
    let is = |entry: &str, name: &str| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    let given = |name: &str| own.env.iter().any(|entry| is(entry, name));
    let made_up = |entry: &str| {
        ["HOME", "TERM"]
            .into_iter()
            .any(|name| is(entry, name) && !given(name))
    };
    let mut kept: Vec<String> = template.iter().filter(|entry| !made_up(entry)).cloned().collect();
    if exec.tty && !given("TERM") {
        kept.push("TERM=xterm".into());
    }
    let mut merged = oci::merge_environment(kept, &exec.env);
    if !merged.iter().any(|entry| is(entry, "HOME")) {
        merged.push(format!("HOME={home}"));
    }
    merged
}

/// Takes an exec to be run; only one asker gets it.
fn claim(exec: &ExecEntry, key: &Key) -> Result<(), Error> {
    let mut phase = exec.phase();
    let id = &exec.id;
    match *phase {
        Phase::Created => {
            *phase = Phase::Starting {
                key: key.clone(),
                ended: None,
            };
            Ok(())
        }
        Phase::Starting { .. } | Phase::Running { .. } => Err(Error::Conflict(format!(
            "Error: Exec command {id} is already running"
        ))),
        Phase::Ended { .. } => Err(Error::Conflict(format!(
            "Error: Exec command {id} has already run"
        ))),
    }
}

fn console_size((rows, columns): (u16, u16)) -> ConsoleSize {
    ConsoleSize {
        height: rows.into(),
        width: columns.into(),
    }
}

fn stdio(exec: &ExecEntry, attach: bool, (rows, columns): (u16, u16)) -> Stdio {
    match (exec.spec.tty, attach) {
        (true, _) => Stdio::Console { rows, columns },
        (false, true) => Stdio::Pipes {
            stdin: exec.spec.stdin,
        },
        (false, false) => Stdio::Null {},
    }
}
