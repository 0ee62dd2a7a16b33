//! The whole of a pod: `Worker::on(event, now) → actions`. Nothing else decides anything about it.
//!
//! An event is first written down as a fact, whatever the worker was doing; then everything that follows from how things
//! stand now is done (`advance`). So any order of events is legal, an answer to a question that is not asked any more is
//! only forgotten, and a worker that is made anew from the API and from what is observed goes on where the old one was.
//! It has no I/O and no clock; what it waits for is one moment ([`Worker::wake_at`]), kept on its node's timer wheel.

mod adopt;
mod backoff;
mod end;
mod event;
mod order;
mod probe;
mod resize;
mod restart;
mod sandbox;
mod start;
mod state;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use client::Level;
use driver::Instant;

pub use event::{Action, Ending, Event, HookKind, Life, Now, ProbeKind, Rejection, Told, Why};
pub use probe::ask;
pub use resize::{Outgrown, ResizeFault};
pub(crate) use resize::{Resizing, live};
pub(crate) use restart::restarts;
pub(crate) use state::{Dead, Fault, Hooked, Run, State, Up};

use crate::container::{ContainerId, ContainerIx, Observed};
use crate::facts::NodeFacts;
use crate::pod::Pod;
use crate::status::{self, Status};
use sandbox::Shared;

/// Actions of one event.
type Out = Vec<Action>;

/// One pod of this node.
#[derive(Clone, Debug)]
pub struct Worker {
    pub(crate) pod: Arc<Pod>,
    pub(crate) node: Arc<NodeFacts>,
    pub(crate) life: Life,
    pub(crate) shared: Shared,
    pub(crate) states: Vec<State>,
    pub(crate) history: status::History,
    /// When the pod was first seen by a kubelet.
    pub(crate) start: std::time::SystemTime,
    /// The API does not have it any more.
    forgotten: bool,
    /// The API showed a terminal phase that this worker has not written: its status stays as it is.
    frozen: bool,
    /// The worker has looked at how things stand as of then.
    looked: Instant,
    /// The last status that was handed out, and its number.
    told: Option<Status>,
    number: u64,
    /// The number of the last one that the API has.
    written: u64,
    /// Containers that ended before their start was told.
    early: std::collections::BTreeMap<ContainerId, crate::container::Ended>,
    /// Services were asked to let go of the pod, and how it went.
    leaving: end::Leaving,
    /// The API was asked to let go of it; not again before then.
    deleting: end::Asked,
    /// It is torn down; not again before then.
    tearing: end::Asked,
    pub(crate) resizing: Resizing,
}

impl Worker {
    /// A worker for a pod, from what the API shows and what is seen of it.
    pub fn new(pod: Arc<Pod>, node: Arc<NodeFacts>, seen: &Observed, now: Now) -> Self {
        let start = status::time(pod.reported.start_time.as_deref()).unwrap_or(now.wall);
        let mut worker = Self {
            history: status::History::of(&pod, now),
            states: pod.each().map(|_| State::new()).collect(),
            pod,
            node,
            life: Life::Admitting,
            shared: Shared::default(),
            start,
            forgotten: false,
            frozen: false,
            looked: now.instant,
            told: None,
            number: 0,
            written: 0,
            early: std::collections::BTreeMap::new(),
            leaving: end::Leaving::NotYet,
            deleting: end::Asked::default(),
            tearing: end::Asked::default(),
            resizing: Resizing::default(),
        };
        worker.adopt(seen, now);
        worker
    }

    /// The pod as it was seen last.
    pub fn pod(&self) -> &Arc<Pod> {
        &self.pod
    }

    /// Where the pod is in its life.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Whether somebody still has to say that the pod may run here.
    pub fn is_admitting(&self) -> bool {
        self.life == Life::Admitting
    }

    /// The pod's address, once it has one.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.shared
            .sandbox()
            .and_then(|sandbox| sandbox.address)
            .or_else(|| self.shared.sandbox().and(self.node.addresses.first().copied()))
    }

    /// The container that runs at a place now.
    pub fn running(&self, at: ContainerIx) -> Option<&ContainerId> {
        self.states.get(usize::from(at.0))?.up().map(|up| &up.id)
    }

    /// Takes note of what happened, and says what to do.
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        self.looked = now.instant;
        self.note(event, now, &mut out);
        self.advance(now, &mut out);
        self.tell_status(now, &mut out);
        out
    }

    fn note(&mut self, event: Event, now: Now, out: &mut Out) {
        match event {
            Event::Admitted(verdict) => self.admitted(verdict, now, out),
            Event::Pod(pod) => self.changed(pod, now, out),
            Event::Forgotten => self.forgotten = true,
            Event::Prepared(result) => self.prepared(result, now, out),
            Event::Payloads(result) => self.volumes_written(result, now, out),
            Event::Image(at, result) => self.image(at, result, now, out),
            Event::Pulled(at, result) => self.pulled(at, result, now, out),
            Event::Started(at, attempt, result) => self.started(at, attempt, result, now, out),
            Event::Ended(id, ended) => self.ended(&id, ended, now),
            Event::Hook(id, kind, result) => self.hooked(&id, kind, result, now, out),
            Event::Probed(id, kind, outcome) => self.probed(&id, kind, outcome, now, out),
            Event::ServiceLeft => self.leaving = end::Leaving::Left,
            Event::Stopped(id, result) => self.stopped(&id, result, now, out),
            Event::Source => self.retry_all(now),
            Event::TornDown(result) => self.torn_down(result, now, out),
            Event::Written(number) => self.written = self.written.max(number),
            Event::Deleted(result) => self.deleting.answered(result.is_ok(), now),
            Event::Resized(pod, outgrown, result) => self.resized(&pod, &outgrown, result, now, out),
            Event::Evicted { reason, message } => self.end(Why::Evicted { reason, message }, now, out),
            Event::SandboxLost => self.shared.lose(),
            Event::Seen(seen) => self.seen(&seen, now),
            Event::Timer => {}
        }
    }

    /// Does all that follows from how things stand.
    fn advance(&mut self, now: Now, out: &mut Out) {
        self.end_if_due(now, out);
        match &self.life {
            Life::Admitting | Life::Gone => {}
            Life::Running => self.run(now, out),
            Life::Ending(_) => self.end_on(now, out),
            Life::TearingDown(_) | Life::Finished(_) => {}
        }
        self.clean_up(now, out);
    }

    /// Makes what is missing, starts what shall run, asks those that run how they are.
    fn run(&mut self, now: Now, out: &mut Out) {
        if self.make_shared(now, out) {
            match order::next(&self.pod, &self.states) {
                order::Next::Start(list) => {
                    for at in list {
                        self.begin(at, now, out);
                    }
                }
                order::Next::End => self.end(Why::Finished, now, out),
            }
        }
        self.give_up_waiting(now);
        self.flip_images(now, out);
        self.resize(now, out);
        self.probe_due(now, out);
        self.stop_due(now, out);
        if matches!(self.life, Life::Ending(_)) {
            self.end_on(now, out);
        }
    }

    /// The API shows another pod than before: its deletion may have begun, its image may be another.
    fn changed(&mut self, pod: Arc<Pod>, now: Now, out: &mut Out) {
        let more = pod.spec.all.len().saturating_sub(self.states.len());
        self.states.extend((0..more).map(|_| State::new()));
        self.history.others(&pod);
        self.pod = pod;
        self.replace_changed(now, out);
    }

    /// Whoever waits for something that may have come looks at once.
    fn retry_all(&mut self, now: Now) {
        self.shared.retry(now.instant);
        for state in self.states.iter_mut().filter(|state| state.fault.is_some()) {
            let crashing = state
                .fault
                .as_ref()
                .is_some_and(|fault| fault.reason == start::CRASH_LOOP);
            if !crashing {
                state.retry_at = None;
            }
        }
    }

    /// When something has to be looked at again, even if nothing happens.
    pub fn wake_at(&self) -> Option<Instant> {
        let running = self.life == Life::Running;
        let ending = matches!(self.life, Life::Ending(_));
        let life = [
            self.deadline().filter(|_| running),
            self.shared.wakes().filter(|_| running),
            self.leaving.wakes().filter(|_| ending),
            self.deleting.wakes(),
            self.tearing.wakes(),
            self.resizing.wakes().filter(|_| running),
        ];
        let containers = self.states.iter().flat_map(|state| {
            let waits = running && state.run == Run::Idle;
            let up = state.up();
            let probes = up.map(probe::wakes).unwrap_or_default();
            let stop = up.and_then(|up| up.stopping.as_ref()).and_then(stop::wakes);
            [
                state.retry_at.filter(|_| waits),
                state.flips_at.filter(|_| running),
                stop,
                probes,
            ]
        });
        let all = life.into_iter().chain(containers).flatten();
        all.filter(|at| *at > self.looked).min()
    }

    /// When the pod will have run for too long.
    fn deadline(&self) -> Option<Instant> {
        let seconds = self.pod.spec.active_deadline_seconds?;
        let at = self.start.checked_add(crate::pod::seconds(seconds))?;
        Some(self.history.clock().instant_of(at))
    }

    fn state(&mut self, at: ContainerIx) -> Option<&mut State> {
        self.states.get_mut(usize::from(at.0))
    }

    /// The place of the container that runs under an id.
    fn place(&self, id: &ContainerId) -> Option<ContainerIx> {
        let places = (0..u16::MAX).map(ContainerIx);
        let mut all = places.zip(&self.states);
        all.find_map(|(at, state)| state.up().is_some_and(|up| up.id == *id).then_some(at))
    }

    /// Hands out the status if it is another than before.
    fn tell_status(&mut self, now: Now, out: &mut Out) {
        if self.forgotten || self.frozen || matches!(self.life, Life::Admitting | Life::Gone) {
            return;
        }
        let status = status::of(self, now);
        if self.told.as_ref() == Some(&status) {
            return;
        }
        self.number += 1;
        out.push(Action::WriteStatus(self.number, Box::new(status.clone())));
        self.told = Some(status);
        // What is not written cannot be waited for by a second event: the same pass goes on.
        self.clean_up(now, out);
    }
}

/// Something to tell people of a container.
fn tell(of: Option<ContainerIx>, level: Level, reason: &str, message: impl Into<String>) -> Action {
    Action::Tell(Told {
        of,
        level,
        reason: reason.to_owned(),
        message: message.into(),
    })
}

/// Whole seconds as probes and hooks say them; less than one is `least`.
fn whole(seconds: i64, least: u64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0).max(least))
}
