//! Programs that go on running though supervisor and daemon were killed at once.
//!
//! Nobody holds anything of them any more: their end goes to the host's init, and what they write stays in their pipes,
//! which they hold open themselves. The row says which process it was, and the container's control group whether it
//! still is that one. Its pipes are found where it has them. So the next supervisor takes it over as it would take it
//! from a daemon that had outlived its supervisor; only a terminal is lost, because it hangs up with its last master.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use runtime::cgroup::Cgroup;
use supervisor::protocol::{Key, Phase, Stdio};
use sys::pidfd::{self, Pid};
use sys::pipe::{self, ForeignPipe};

use crate::container::Container;
use crate::engine::Engine;
use crate::lifecycle::{self, name_of};
use crate::supervised::{self, Found};
use crate::tasks::blocking;

/// Processes of a container that are asked for its pipes; the first one is its program.
const ASKED: usize = 64;
/// Descriptors of each that are looked at.
const ASKED_EACH: u32 = 32;

impl Engine {
    /// Takes over every program that its row knows, that runs, and that the supervisor does not have.
    pub(crate) async fn take_over_survivors(&self) {
        for entry in self.0.table.entries() {
            let container = entry.get();
            let known = entry.run().process.is_some();
            if known || !container.state.status.has_process() {
                continue;
            }
            if let Some(found) = self.survivor(&container).await {
                tracing::info!(id = %container.id, pid = found.pid, "outlived its supervisor");
                self.adopt_main(&entry, &found);
            }
        }
    }

    async fn survivor(&self, container: &Arc<Container>) -> Option<Found> {
        let (pid, cgroup) = (container.state.pid, self.cgroup_of(container));
        let spec = container.spec.clone();
        let stdin = spec.open_stdin;
        let (pidfd, streams) = blocking(move || {
            let pidfd = running(pid, &cgroup)?;
            let streams = if spec.tty {
                Streams::default()
            } else {
                Streams::of(pid, &cgroup, stdin)
            };
            Some((pidfd, streams))
        })
        .await?;
        let entry = supervised::Entry {
            pid,
            pidfd: Arc::new(pidfd),
            stdio: if container.spec.tty {
                Stdio::Null {}
            } else {
                Stdio::Pipes { stdin }
            },
            log: lifecycle::log(container).ok().filter(|_| !container.spec.tty),
            input: streams.input.map(Arc::new),
            logged: streams.logged.map(|stream| stream.map(Arc::new)),
        };
        let key = Key::main(name_of(&container.id).ok()?, container.generation);
        match self.0.supervisor.entrust(&key, entry).await {
            Ok(()) => Some(Found {
                key,
                pid,
                phase: Phase::Running {},
            }),
            Err(error) => {
                tracing::warn!(id = %container.id, %error, "not taken over by the supervisor");
                None
            }
        }
    }
}

/// A descriptor of this process, if it runs and is in these groups: the number may be another's by now.
fn running(pid: u32, cgroup: &Cgroup) -> Option<OwnedFd> {
    let pidfd = pidfd::open(Pid::from_raw(pid.cast_signed())?).ok()?;
    let in_group = cgroup.pids().is_ok_and(|pids| pids.contains(&pid));
    let ended = sys::poll::readable_within(&pidfd, std::time::Duration::ZERO).unwrap_or(true);
    (in_group && !ended).then_some(pidfd)
}

/// What a program reads from and writes to.
#[derive(Default)]
struct Streams {
    input: Option<OwnedFd>,
    logged: [Option<OwnedFd>; 2],
}

impl Streams {
    /// The program itself may have put something else in place of its streams: whoever it has started has them still, and
    /// a shell whose builtin is redirected keeps them at other numbers meanwhile.
    fn of(pid: u32, cgroup: &Cgroup, stdin: bool) -> Self {
        let others = cgroup.pids().unwrap_or_default().into_iter();
        let processes: Vec<u32> = std::iter::once(pid)
            .chain(others.filter(|other| *other != pid))
            .take(ASKED)
            .collect();
        let all = |number: u32| {
            let at = move |process: &u32| pipe::foreign(*process, number).ok().flatten();
            processes.iter().filter_map(at)
        };
        let usual = |number: u32| all(number).find(ForeignPipe::is_output);
        let elsewhere = |taken: Option<u64>| {
            let new = |pipe: &ForeignPipe| pipe.is_output() && Some(pipe.id()) != taken;
            (3..ASKED_EACH).flat_map(&all).find(new)
        };
        let id = |pipe: &Option<ForeignPipe>| pipe.as_ref().map(ForeignPipe::id);
        let error = usual(2);
        let output = usual(1).or_else(|| elsewhere(id(&error)));
        let error = error
            .filter(|error| Some(error.id()) != id(&output))
            .or_else(|| elsewhere(id(&output)));
        let input = all(0).find(|pipe| stdin && !pipe.is_output());
        Self {
            input: input.and_then(|pipe| pipe.writer().ok()),
            logged: [output, error].map(|pipe| pipe.and_then(|pipe| pipe.reader().ok())),
        }
    }
}
