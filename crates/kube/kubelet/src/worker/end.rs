//! The end of a pod: why, in which order its containers stop, and what is let go of afterwards.

use std::time::Duration;

use client::Level;
use driver::Instant;

use super::event::{Ending, Rejection, Why};
use super::state::Run;
use super::{Action, Life, Now, Out, Worker, tell};
use crate::container::ContainerIx;
use crate::pod::ContainerKind;

/// How long services may take to let go of a pod before its containers are signalled all the same.
const LEAVING: Duration = Duration::from_secs(1);

/// The grace of a pod that the API does not have any more, and of one that is evicted (upstream's for both).
const SHORT: Duration = Duration::from_secs(1);

/// The pause before something that failed at the end of a pod is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The text of a pod that has run too long.
const DEADLINE: &str = "Pod was active on the node longer than the specified deadline";

/// Whether services of this node still lead to the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    NotYet,
    /// They were asked; they may take until then.
    Asked(Instant),
    Left,
}

impl Leaving {
    /// Whether containers need not wait for it.
    pub(super) fn is_over(self, now: Instant) -> bool {
        match self {
            Self::NotYet | Self::Left => true,
            Self::Asked(until) => until <= now,
        }
    }

    pub(super) fn wakes(self) -> Option<Instant> {
        match self {
            Self::Asked(until) => Some(until),
            Self::NotYet | Self::Left => None,
        }
    }
}

/// Something that is asked for until it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    in_flight: bool,
    done: bool,
    retry_at: Option<Instant>,
}

impl Asked {
    /// Whether it has to be asked for now. It then is.
    fn ask(&mut self, now: Instant) -> bool {
        let due = !self.in_flight && !self.done && self.retry_at.is_none_or(|at| at <= now);
        self.in_flight |= due;
        due
    }

    pub(super) fn answered(&mut self, done: bool, now: Now) {
        *self = Self {
            in_flight: false,
            done,
            retry_at: (!done).then(|| now.instant.saturating_add(AGAIN)),
        };
    }

    pub(super) fn wakes(self) -> Option<Instant> {
        self.retry_at
    }
}

impl Worker {
    /// Somebody has said whether the pod may run here.
    pub(super) fn admitted(&mut self, verdict: Result<(), Rejection>, now: Now, out: &mut Out) {
        if self.life != Life::Admitting {
            return;
        }
        self.life = Life::Running;
        if let Err(rejection) = verdict {
            let text = rejection.text.clone();
            out.push(tell(None, Level::Warning, &rejection.reason, text));
            self.end(Why::Rejected(rejection), now, out);
        }
    }

    /// Begins to end the pod, unless that has begun.
    pub(super) fn end(&mut self, why: Why, now: Now, out: &mut Out) {
        if !matches!(self.life, Life::Admitting | Life::Running) {
            return;
        }
        if why == Why::Deadline {
            out.push(tell(None, Level::Normal, "DeadlineExceeded", DEADLINE));
        }
        if why == Why::Deleted && self.shared.sandbox().is_some() && !self.pod.spec.host_network {
            self.leaving = Leaving::Asked(now.instant.saturating_add(LEAVING));
            out.push(Action::LeaveService);
        }
        if let Why::Evicted { reason, message } = &why {
            out.push(tell(None, Level::Warning, reason, message.clone()));
        }
        let grace = match why {
            Why::Forgotten | Why::Evicted { .. } => SHORT,
            _ => self.pod.grace(),
        };
        self.life = Life::Ending(Ending {
            why,
            since: now.instant,
            grace,
        });
    }

    /// Ends the pod if anything says so; a shorter grace holds from now on.
    pub(super) fn end_if_due(&mut self, now: Now, out: &mut Out) {
        if self.forgotten {
            self.end(Why::Forgotten, now, out);
            self.shorten(SHORT, now);
        }
        if self.pod.deletion.is_some() {
            self.end(Why::Deleted, now, out);
            self.shorten(self.pod.grace(), now);
        }
        if self.pod.reported.phase.is_terminal() && self.life == Life::Running {
            self.frozen = true;
            self.end(Why::Finished, now, out);
        }
        if self.life == Life::Running && self.deadline().is_some_and(|at| at <= now.instant) {
            self.end(Why::Deadline, now, out);
        }
    }

    /// A shorter grace counts from now on; what is left of the first one may be shorter still.
    fn shorten(&mut self, grace: Duration, now: Now) {
        let Life::Ending(ending) = &mut self.life else {
            return;
        };
        if grace >= ending.grace {
            return;
        }
        let spent = now.instant.saturating_since(ending.since);
        ending.grace = ending.grace.min(spent.saturating_add(grace));
        if grace.is_zero() {
            self.leaving = Leaving::Left;
        }
    }

    /// Stops what runs: the pod's own containers at once and together, then its sidecars from the last to the first.
    pub(super) fn end_on(&mut self, now: Now, out: &mut Out) {
        let Life::Ending(ending) = &self.life else { return };
        let until = ending.since.saturating_add(ending.grace);
        let left = until.saturating_since(now.instant);
        let left = if ending.grace.is_zero() {
            Duration::ZERO
        } else {
            left.max(Duration::from_millis(1))
        };
        for state in self.states.iter_mut().filter(|state| state.run.is_image()) {
            state.run = Run::Idle;
        }
        self.give_up_waiting(now);
        for at in self.wave() {
            self.tell_killing(at, out);
            self.stop(at, left, now);
        }
        self.stop_due(now, out);
        let busy = self.states.iter().any(super::State::is_live) || self.shared.is_busy();
        if let Life::Ending(ending) = &self.life
            && !busy
        {
            self.life = Life::TearingDown(ending.why.clone());
        }
    }

    /// Those whose turn it is to stop.
    fn wave(&self) -> Vec<ContainerIx> {
        let sidecar = |at: &ContainerIx| {
            let kind = self.pod.at(*at).map(|container| container.kind);
            kind == Some(ContainerKind::Sidecar)
        };
        let (sidecars, others): (Vec<_>, Vec<_>) = self.live().into_iter().partition(sidecar);
        if others.is_empty() {
            sidecars.last().copied().into_iter().collect()
        } else {
            others
        }
    }

    fn tell_killing(&self, at: ContainerIx, out: &mut Out) {
        let state = self.states.get(usize::from(at.0));
        let fresh = state
            .and_then(|state| state.up())
            .is_some_and(|up| up.stopping.is_none());
        if let Some(container) = self.pod.at(at).filter(|_| fresh) {
            let text = format!("Stopping container {}", container.name);
            out.push(tell(Some(at), Level::Normal, "Killing", text));
        }
    }

    pub(super) fn torn_down(&mut self, result: Result<(), String>, now: Now, out: &mut Out) {
        if let Err(error) = &result {
            let text = format!("error killing pod: {error}");
            out.push(tell(None, Level::Warning, "FailedKillPod", text));
        }
        self.tearing.answered(result.is_ok(), now);
    }

    /// After the last container: what was shared goes, the status is written, and the API and the disk forget the pod.
    pub(super) fn clean_up(&mut self, now: Now, out: &mut Out) {
        if let Life::TearingDown(why) = &self.life {
            let nothing = !self.shared.is_begun() && self.states.iter().all(|state| state.attempt.is_none());
            if nothing {
                self.tearing.answered(true, now);
            } else if self.tearing.ask(now.instant) {
                out.push(Action::TearDown);
            }
            if self.tearing.done && self.is_written() {
                self.life = Life::Finished(why.clone());
            }
        }
        if matches!(self.life, Life::Finished(_)) {
            if self.forgotten {
                self.vanish(out);
            } else if self.pod.deletion.is_some() && self.deleting.ask(now.instant) {
                out.push(Action::DeletePod);
            }
        }
    }

    /// Whether the API has the last word on the pod, or does not want it.
    fn is_written(&self) -> bool {
        self.forgotten
            || self.frozen
            || (self.told.is_some() && self.written >= self.number && self.told_end())
    }

    fn told_end(&self) -> bool {
        self.told
            .as_ref()
            .is_some_and(|status| status.phase.is_terminal())
    }

    fn vanish(&mut self, out: &mut Out) {
        let dead = self.states.iter().flat_map(|state| [&state.dead, &state.last]);
        let ids = dead.flatten().filter_map(|dead| dead.id.clone());
        out.extend(ids.map(Action::Remove));
        out.push(Action::Done);
        self.life = Life::Gone;
    }
}
