//! What the containers of a pod share: its sandbox and its volumes.

use std::time::Duration;

use client::Level;
use driver::Instant;

use super::event::Why;
use super::{Action, Now, Out, Worker, tell};
use crate::container::Sandbox;
use crate::pod::{ContainerKind, RestartPolicy};
use crate::traits::Refused;

/// The first pause after something could not be made, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Something that has to be made once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Made<T> {
    /// Not before then, if it failed.
    No {
        retry_at: Option<Instant>,
        failures: u32,
    },
    Making {
        failures: u32,
    },
    Yes(T),
}

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self::No {
            retry_at: None,
            failures: 0,
        }
    }
}

impl<T> Made<T> {
    fn is_made(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Whether it shall be made now. It then is being made.
    fn begin(&mut self, now: Instant) -> bool {
        let Self::No { retry_at, failures } = *self else {
            return false;
        };
        let due = retry_at.is_none_or(|at| at <= now);
        if due {
            *self = Self::Making { failures };
        }
        due
    }

    fn failed(&mut self, now: Instant) {
        let Self::Making { failures } = *self else {
            return;
        };
        let (first, longest) = PAUSES;
        let pause = first.saturating_mul(1 << failures.min(10)).min(longest);
        *self = Self::No {
            retry_at: Some(now.saturating_add(pause)),
            failures: failures.saturating_add(1),
        };
    }

    fn retry(&mut self) {
        if let Self::No { retry_at, .. } = self {
            *retry_at = None;
        }
    }

    fn wakes(&self) -> Option<Instant> {
        match self {
            Self::No { retry_at, .. } => *retry_at,
            _ => None,
        }
    }
}

/// What containers share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shared {
    pub(crate) sandbox: Made<Sandbox>,
    pub(crate) volumes: Made<()>,
    /// The sandbox is gone: what runs in it has to end before there is another.
    lost: bool,
    /// Something was missed while volumes were written: they are tried again at once.
    stale: bool,
}

impl Shared {
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        match &self.sandbox {
            Made::Yes(sandbox) if !self.lost => Some(sandbox),
            _ => None,
        }
    }

    /// Whether containers can be started.
    pub(crate) fn is_made(&self) -> bool {
        self.sandbox().is_some() && self.volumes.is_made()
    }

    /// Whether anything was ever made, or is being.
    pub(crate) fn is_begun(&self) -> bool {
        self.sandbox != Made::default() || self.volumes != Made::default()
    }

    /// Whether something is being made now.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.sandbox, Made::Making { .. }) || matches!(self.volumes, Made::Making { .. })
    }

    pub(super) fn lose(&mut self) {
        self.lost = self.lost || self.sandbox.is_made();
    }

    pub(super) fn found(&mut self, sandbox: Sandbox) {
        self.sandbox = Made::Yes(sandbox);
    }

    /// A sandbox that once was is not there.
    pub(super) fn missing(&mut self) {
        self.lost = true;
    }

    pub(super) fn retry(&mut self, _now: Instant) {
        self.stale = matches!(self.volumes, Made::Making { .. });
        self.volumes.retry();
        self.sandbox.retry();
    }

    pub(super) fn wakes(&self) -> Option<Instant> {
        let both = [self.sandbox.wakes(), self.volumes.wakes()];
        both.into_iter().flatten().min()
    }
}

impl Worker {
    /// Makes what is missing. Whether all is there.
    pub(super) fn make_shared(&mut self, now: Now, out: &mut Out) -> bool {
        if self.shared.lost && !self.leave_sandbox(now, out) {
            return false;
        }
        if self.shared.sandbox.begin(now.instant) {
            out.push(Action::Prepare);
        }
        if self.shared.volumes.begin(now.instant) {
            out.push(Action::WriteVolumes);
        }
        self.shared.is_made()
    }

    /// What runs without its sandbox is stopped; once all has, the next sandbox can be made. A pod that never starts
    /// anything twice ends instead.
    fn leave_sandbox(&mut self, now: Now, out: &mut Out) -> bool {
        let grace = self.pod.grace();
        for at in self.live() {
            self.stop(at, grace, now);
        }
        if self.states.iter().any(super::State::is_live) {
            return false;
        }
        self.shared.lost = false;
        self.shared.sandbox = Made::default();
        let ran = self.states.iter().any(|state| state.attempt.is_some());
        if ran && self.pod.spec.restart_policy == RestartPolicy::Never {
            self.end(Why::Finished, now, out);
            return false;
        }
        let text = "Pod sandbox changed, it will be killed and re-created.";
        out.push(tell(None, Level::Normal, "SandboxChanged", text));
        self.begin_anew();
        true
    }

    /// In a new sandbox everything runs again, apart from what has done its work for good.
    fn begin_anew(&mut self) {
        let spec = &self.pod.spec;
        for (container, state) in spec.all.iter().zip(&mut self.states) {
            let regular = container.kind == ContainerKind::Regular;
            let done = |dead: &super::Dead| !super::restarts(spec, container, &dead.ended);
            let stays = regular && state.dead.as_ref().is_some_and(done);
            if !stays {
                state.made = false;
                state.bury();
            }
        }
    }

    pub(super) fn prepared(&mut self, result: Result<Sandbox, Refused>, now: Now, out: &mut Out) {
        if !matches!(self.shared.sandbox, Made::Making { .. }) {
            return;
        }
        match result {
            Ok(mut sandbox) => {
                let warnings = std::mem::take(&mut sandbox.warnings);
                let told = warnings
                    .into_iter()
                    .map(|text| tell(None, Level::Warning, "DNSConfigForming", text));
                out.extend(told);
                self.shared.sandbox = Made::Yes(sandbox);
            }
            Err(refused) => {
                self.shared.sandbox.failed(now.instant);
                out.push(tell(None, Level::Warning, &refused.reason, refused.message));
            }
        }
    }

    pub(super) fn volumes_written(&mut self, result: Result<(), Refused>, now: Now, out: &mut Out) {
        if !matches!(self.shared.volumes, Made::Making { .. }) {
            return;
        }
        match result {
            Ok(()) => self.shared.volumes = Made::Yes(()),
            Err(refused) => {
                self.shared.volumes.failed(now.instant);
                out.push(tell(None, Level::Warning, &refused.reason, refused.message));
                if std::mem::take(&mut self.shared.stale) {
                    self.shared.volumes.retry();
                }
            }
        }
    }
}
