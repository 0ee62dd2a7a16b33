//! Containers that run are given other limits without a start, where their spec says so (KEP-1287).
//!
//! What is in force is a fact of each container, kept beside the spec that asks for something else. Whatever differs is
//! asked for until it is done; the node may have no room yet, or never, which the pod's conditions say.

use std::sync::Arc;
use std::time::Duration;

use client::Level;
use driver::Instant;

use super::{Action, Life, Now, Out, State, Worker, tell};
use crate::container::{ContainerId, ContainerIx};
use crate::pod::{Limits, Pod};

/// The pause before room is looked for again, and before the kernel is asked again.
const AGAIN: Duration = Duration::from_secs(10);

/// Why a pod does not have the limits that its spec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResizeFault {
    /// The node never has so much.
    Infeasible(String),
    /// It has not now.
    Deferred(String),
    /// The kernel refused.
    Failed(String),
}

/// A container whose limits are to be others, and the one that runs under its name, if one does.
pub type Outgrown = (ContainerIx, Option<ContainerId>);

/// How far a pod's change of limits is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resizing {
    in_flight: bool,
    again: Option<Instant>,
    /// For which generation of the spec the fault is.
    generation: i64,
    pub(crate) fault: Option<ResizeFault>,
}

impl Resizing {
    pub(super) fn wakes(&self) -> Option<Instant> {
        self.again.filter(|_| !self.in_flight)
    }

    /// Whether the limits that are asked for are kept for the pod.
    pub(crate) fn is_allocated(&self) -> bool {
        matches!(self.fault, None | Some(ResizeFault::Failed(_)))
    }

    fn ask(&mut self, generation: i64, now: Instant) -> bool {
        if self.in_flight {
            return false;
        }
        if self.generation != generation {
            *self = Self {
                generation,
                ..Self::default()
            };
        }
        let never = matches!(self.fault, Some(ResizeFault::Infeasible(_)));
        self.in_flight = !never && self.again.is_none_or(|at| at <= now);
        self.in_flight
    }
}

impl Worker {
    /// Asks for the limits that the spec says, where others are in force.
    pub(super) fn resize(&mut self, now: Now, out: &mut Out) {
        let outgrown = self.outgrown();
        if outgrown.is_empty() {
            if !self.resizing.in_flight {
                self.resizing = Resizing::default();
            }
        } else if self.resizing.ask(self.pod.generation, now.instant) {
            out.push(Action::Resize(outgrown));
        }
    }

    fn outgrown(&self) -> Vec<Outgrown> {
        let all = self.pod.each().zip(&self.states);
        let differs =
            |state: &State, limits: &Limits| state.in_force.as_ref().is_some_and(|own| own != limits);
        all.filter(|((_, container), state)| differs(state, &container.resources))
            .map(|((at, _), state)| (at, state.up().map(|up| up.id.clone())))
            .collect()
    }

    /// The limits of a version of the pod are in force, or not.
    pub(super) fn resized(
        &mut self,
        pod: &Pod,
        outgrown: &[Outgrown],
        result: Result<(), ResizeFault>,
        now: Now,
        out: &mut Out,
    ) {
        self.resizing.in_flight = false;
        if let Err(fault) = result {
            self.resizing.fault = Some(fault);
            self.resizing.again = Some(now.instant.saturating_add(AGAIN));
            return;
        }
        self.resizing = Resizing::default();
        for (at, id) in outgrown {
            let (Some(container), Some(state)) = (pod.at(*at), self.state(*at)) else {
                continue;
            };
            let before = state.in_force.replace(container.resources.clone());
            let same = state.up().map(|up| &up.id) == id.as_ref();
            let restart = before.is_some_and(|before| container.restarts_for(&before));
            if restart && same && id.is_some() {
                self.restart_resized(*at, &container.name, now, out);
            }
        }
    }

    fn restart_resized(&mut self, at: ContainerIx, name: &str, now: Now, out: &mut Out) {
        if self.life != Life::Running {
            return;
        }
        if let Some(state) = self.state(at) {
            state.changed = true;
        }
        let text = format!("Container {name} resize requires restart");
        out.push(tell(Some(at), Level::Normal, "Killing", text));
        let grace = self.pod.grace();
        self.stop(at, grace, now);
    }
}

/// Those of the containers that run and take other limits as they are.
pub(crate) fn live(pod: &Arc<Pod>, outgrown: &[Outgrown]) -> Vec<(ContainerIx, ContainerId)> {
    let running = outgrown.iter().filter_map(|(at, id)| Some((*at, id.clone()?)));
    running.filter(|(at, _)| pod.at(*at).is_some()).collect()
}
