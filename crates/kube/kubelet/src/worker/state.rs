//! What a worker knows of each container of its pod.

use std::time::SystemTime;

use driver::Instant;

use super::backoff::Backoff;
use super::event::ProbeKind;
use crate::container::{Attempt, ContainerId, Ended, ImageFound, RunsAs};
use crate::pod::Limits;

/// Why a container waits: what its status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// A container that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) id: Option<ContainerId>,
    pub(crate) ended: Ended,
    pub(crate) image: Option<ImageFound>,
    pub(crate) user: Option<RunsAs>,
    /// When, on the clock of deadlines.
    pub(crate) at: Instant,
}

/// Where a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hooked {
    NotYet,
    Running,
    Done,
}

/// A container that is being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopping {
    /// When its grace is over.
    pub(crate) until: Instant,
    /// It is killed at once, without its hook.
    pub(crate) at_once: bool,
    pub(crate) pre_stop: Hooked,
    /// The end that the runtime was told, once it was.
    pub(crate) sent: Option<Instant>,
    /// When the runtime's answer, or what should follow it, is given up.
    pub(crate) again: Option<Instant>,
}

/// One of a running container's probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probing {
    pub(crate) kind: ProbeKind,
    /// When the next one is due; none before the container has started.
    pub(crate) next: Option<Instant>,
    pub(crate) in_flight: bool,
    /// Nothing is asked any more: it has succeeded for good, or the container is to go.
    pub(crate) over: bool,
    /// The last outcomes that were alike: which, and how many.
    pub(crate) streak: (bool, i64),
    /// How often it has errored in a row.
    pub(crate) errors: u32,
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Up {
    pub(crate) id: ContainerId,
    pub(crate) at: SystemTime,
    pub(crate) since: Instant,
    pub(crate) image: ImageFound,
    pub(crate) user: Option<RunsAs>,
    pub(crate) hash: u64,
    pub(crate) post_start: Hooked,
    /// By its startup probe.
    pub(crate) started: bool,
    /// By its readiness probe.
    pub(crate) ready: bool,
    pub(crate) probes: Vec<Probing>,
    pub(crate) stopping: Option<Stopping>,
}

impl Up {
    /// Whether its hook has run and its startup probe has succeeded.
    pub(crate) fn has_started(&self) -> bool {
        self.started && self.post_start == Hooked::Done
    }
}

/// What is being done with a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Nothing.
    Idle,
    /// Its image is looked for.
    Looking,
    /// Its image is pulled.
    Pulling,
    /// It is started.
    Starting(Attempt),
    /// It runs.
    Up(Box<Up>),
}

impl Run {
    /// Whether it waits for its image.
    pub(crate) const fn is_image(&self) -> bool {
        matches!(self, Self::Looking | Self::Pulling)
    }
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) run: Run,
    /// It was made in this sandbox.
    pub(crate) made: bool,
    /// How the newest one ended, if it has, in this sandbox.
    pub(crate) dead: Option<Dead>,
    /// How the one before ended.
    pub(crate) last: Option<Dead>,
    /// The newest one that was ever made.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) fault: Option<Fault>,
    /// It is not looked at before.
    pub(crate) retry_at: Option<Instant>,
    /// When `ErrImagePull` becomes `ImagePullBackOff`.
    pub(crate) flips_at: Option<Instant>,
    /// The limits that it was started with, or was given since.
    pub(crate) in_force: Option<Limits>,
    /// Its spec has changed: it is started again whatever its policy.
    pub(crate) changed: bool,
    /// Since it ended last, it was tried to start it.
    pub(crate) tried: bool,
    pub(crate) restarts: Backoff,
    pub(crate) images: Backoff,
    pub(crate) configs: Backoff,
}

impl State {
    /// A container that nobody has seen yet.
    pub(crate) fn new() -> Self {
        Self {
            run: Run::Idle,
            made: false,
            dead: None,
            last: None,
            attempt: None,
            fault: None,
            retry_at: None,
            flips_at: None,
            in_force: None,
            changed: false,
            tried: false,
            restarts: Backoff::default(),
            images: Backoff::default(),
            configs: Backoff::default(),
        }
    }

    pub(crate) fn up(&self) -> Option<&Up> {
        match &self.run {
            Run::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(crate) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.run {
            Run::Up(up) => Some(up),
            _ => None,
        }
    }

    /// Whether it runs, or may at any moment.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.run, Run::Starting(_) | Run::Up(_))
    }

    /// Whether anything is being done with it.
    pub(crate) fn is_busy(&self) -> bool {
        self.run != Run::Idle
    }

    /// Whether it runs and has started.
    pub(crate) fn has_started(&self) -> bool {
        self.up().is_some_and(Up::has_started)
    }

    /// It is not there any more.
    pub(crate) fn died(&mut self, dead: Dead) {
        self.run = Run::Idle;
        self.tried = false;
        self.dead = Some(dead);
    }

    /// What ended is history: another one is there, or its sandbox is not.
    pub(crate) fn bury(&mut self) {
        if let Some(dead) = self.dead.take() {
            self.last = Some(dead);
        }
    }
}
