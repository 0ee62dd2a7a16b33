//! Hooks (runtime-spec 1.3 §config "POSIX-platform Hooks"): programs that run at points of a
//! container's life, with its state on their standard input.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use sys::pidfd::{self, ExitStatus};
use sys::poll;
use sys::program::{Builder, Op, Slot};

use super::RuntimeError;
use crate::launcher::{self, Descriptors, Process};
use crate::plan::{self, Given, Plan, PlanError, STREAMS};
use crate::spec::{Hook, State};

/// Runs the hooks of one list in order; the first that fails ends the list.
///
/// With `container`, a pidfd and the CLONE_NEW* bits of its namespaces, they run in there.
pub(super) fn run(
    kind: &'static str,
    hooks: &[Hook],
    state: &State,
    container: Option<(BorrowedFd<'_>, u32)>,
) -> Result<(), RuntimeError> {
    for hook in hooks {
        let failed = |reason: String| RuntimeError::Hook {
            kind,
            path: hook.path.clone(),
            reason,
        };
        let plan = plan_hook(hook, container.map(|(_, namespaces)| namespaces))?;
        let input = serde_json::to_vec(state).map_err(|error| failed(error.to_string()))?;
        // A file in memory: however long the document is, nobody waits for a reader.
        let input = sys::memfd::sealed("state", &input).map_err(|error| failed(error.to_string()))?;
        rustix::fs::seek(&input, rustix::fs::SeekFrom::Start(0))
            .map_err(|error| failed(error.to_string()))?;
        let held = Descriptors {
            container: container.map(|(pidfd, _)| pidfd),
            stdio: [Some(input.as_fd()), None, None],
            ..Descriptors::default()
        };
        let process = launcher::start(&plan, &held, &mut |_, _| Ok(())).map_err(|e| failed(e.to_string()))?;
        finish(&process, hook).map_err(failed)?;
    }
    Ok(())
}

fn plan_hook(hook: &Hook, namespaces: Option<u32>) -> Result<Plan, PlanError> {
    let mut given = vec![Given::Stdio(0)];
    given.extend(namespaces.map(|_| Given::Container));
    let mut builder = Builder::new(if namespaces.is_some() { 2 } else { 1 });
    if let Some(kinds) = namespaces {
        plan::join_container(&mut builder, Slot(1), kinds);
    }
    builder
        .push(Op::Dup { from: Slot(0), to: 0 })
        .push(Op::CloseFrom {
            first: STREAMS,
            keep: Slot::NONE,
        });
    let (name, search) = (builder.text(&hook.path), builder.text(""));
    builder.push(Op::Lookup { name, search });
    let own_name = [hook.path.clone()];
    let arguments = builder.texts(if hook.args.is_empty() {
        &own_name[..]
    } else {
        &hook.args
    });
    let environment = builder.texts(&hook.env);
    builder.push(Op::Exec {
        arguments,
        environment,
    });
    Ok(Plan {
        program: builder.finish()?,
        given,
        namespaces: 0,
        inherit: STREAMS,
        warnings: Vec::new(),
    })
}

fn finish(process: &Process, hook: &Hook) -> Result<(), String> {
    if let Some(seconds) = hook.timeout {
        let limit = Duration::from_secs(seconds.get().into());
        if !poll::readable_within(&process.pidfd, limit).map_err(|error| error.to_string())? {
            // Reaped below, whatever the signal found.
            let _ = pidfd::signal(&process.pidfd, libc::SIGKILL);
            let _ = process.wait();
            return Err(format!("still running after {seconds} s"));
        }
    }
    match process.wait().map_err(|error| error.to_string())? {
        ExitStatus::Code(0) => Ok(()),
        ExitStatus::Code(code) => Err(format!("exit status {code}")),
        ExitStatus::Signal { number, .. } => Err(format!("signal {number}")),
    }
}
