//! Stopping one container: its pre-stop hook, its grace, and asking again.

use std::time::Duration;

use client::Level;
use driver::Instant;

use super::event::HookKind;
use super::state::{Dead, Hooked, Run, Stopping, Up};
use super::{Action, Life, Now, Out, Worker, tell};
use crate::container::{ContainerId, ContainerIx, Ended, How};

/// What is left of a grace period after a pre-stop hook, at least (upstream's `minimumGracePeriodInSeconds`).
const LEAST: Duration = Duration::from_secs(2);

/// How long after its stop a container's end is waited for, and after a stop that failed, before it is tried again.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a container that is being stopped has to be looked at.
pub(super) fn wakes(stopping: &Stopping) -> Option<Instant> {
    let hook = (stopping.pre_stop == Hooked::Running).then_some(stopping.until);
    [stopping.again, hook].into_iter().flatten().min()
}

impl Worker {
    /// The places of containers that run or are being started.
    pub(super) fn live(&self) -> Vec<ContainerIx> {
        let places = (0..u16::MAX).map(ContainerIx);
        let live = places.zip(&self.states).filter(|(_, state)| state.is_live());
        live.map(|(at, _)| at).collect()
    }

    /// Begins to stop a container, or shortens its grace. What is not running is left alone.
    pub(super) fn stop(&mut self, at: ContainerIx, grace: Duration, now: Now) {
        let Some(up) = self.state(at).and_then(super::State::up_mut) else {
            return;
        };
        let until = now.instant.saturating_add(grace);
        let at_once = grace.is_zero();
        match &mut up.stopping {
            Some(stopping) => {
                stopping.until = stopping.until.min(until);
                stopping.at_once |= at_once;
            }
            None => {
                up.stopping = Some(Stopping {
                    until,
                    at_once,
                    pre_stop: Hooked::NotYet,
                    sent: None,
                    again: None,
                });
            }
        }
    }

    /// Takes the next step for each container that is being stopped.
    pub(super) fn stop_due(&mut self, now: Now, out: &mut Out) {
        let holds = matches!(self.life, Life::Ending(_)) && !self.leaving.is_over(now.instant);
        let pod = self.pod.clone();
        for ((at, container), state) in pod.each().zip(&mut self.states) {
            let hook = container.lifecycle.pre_stop.is_some();
            if let Some(up) = state.up_mut() {
                step(at, up, hook, holds, now, out);
            }
        }
    }

    pub(super) fn pre_stopped(&mut self, at: ContainerIx, result: Result<(), String>, out: &mut Out) {
        let Some(up) = self.state(at).and_then(super::State::up_mut) else {
            return;
        };
        if let Some(stopping) = &mut up.stopping {
            stopping.pre_stop = Hooked::Done;
        }
        if result.is_err() {
            out.push(tell(
                Some(at),
                Level::Warning,
                "FailedPreStopHook",
                "PreStopHook failed",
            ));
        }
    }

    /// The runtime has stopped a container, or could not. Its end is told apart; where that never comes, it has ended
    /// all the same.
    pub(super) fn stopped(&mut self, id: &ContainerId, result: Result<(), String>, now: Now, out: &mut Out) {
        let Some(at) = self.place(id) else { return };
        let Some(stopping) = self
            .state(at)
            .and_then(super::State::up_mut)
            .and_then(|up| up.stopping.as_mut())
        else {
            return;
        };
        stopping.again = Some(now.instant.saturating_add(PATIENCE));
        if let Err(error) = result {
            stopping.sent = None;
            out.push(tell(
                None,
                Level::Warning,
                "FailedKillPod",
                format!("error killing pod: {error}"),
            ));
        }
    }

    /// A container that is not there any more although nobody saw its end.
    pub(super) fn lost(&mut self, at: ContainerIx, now: Now) {
        let Some(state) = self.state(at) else { return };
        let Run::Up(up) = std::mem::replace(&mut state.run, Run::Idle) else {
            return;
        };
        state.died(Dead {
            ended: Ended {
                how: How::Unknown,
                code: 137,
                started: Some(up.at),
                finished: now.wall,
                message: "The container could not be located when the pod was terminated".to_owned(),
            },
            id: Some(up.id),
            image: Some(up.image),
            user: up.user,
            at: now.instant,
        });
    }

    /// Those whose stop was told and whose end never came.
    pub(super) fn give_up_waiting(&mut self, now: Now) {
        for at in self.live() {
            let stopping = self
                .states
                .get(usize::from(at.0))
                .and_then(|state| state.up()?.stopping.as_ref());
            let over = stopping.is_some_and(|stopping| {
                stopping.sent.is_some() && stopping.again.is_some_and(|again| again <= now.instant)
            });
            if over {
                self.lost(at, now);
            }
        }
    }
}

/// The next step of stopping one container: first its hook, then, once services have let go of it, its signal.
fn step(at: ContainerIx, up: &mut Up, hook: bool, holds: bool, now: Now, out: &mut Out) {
    let id = up.id.clone();
    let Some(stopping) = &mut up.stopping else { return };
    let left = stopping.until.saturating_since(now.instant);
    if stopping.pre_stop == Hooked::NotYet {
        let runs = hook && !stopping.at_once;
        stopping.pre_stop = if runs { Hooked::Running } else { Hooked::Done };
        if runs {
            out.push(Action::Hook(at, id.clone(), HookKind::PreStop, left));
        }
    }
    let over = stopping.at_once || left.is_zero();
    if (stopping.pre_stop == Hooked::Running || holds) && !over {
        return;
    }
    if stopping.sent.is_none() && stopping.again.is_some_and(|again| again > now.instant) {
        return;
    }
    if stopping.sent.is_none_or(|sent| stopping.until < sent) {
        let grace = if stopping.at_once {
            Duration::ZERO
        } else {
            left.max(LEAST)
        };
        stopping.sent = Some(stopping.until);
        stopping.again = None;
        out.push(Action::Stop(id, grace));
    }
}
