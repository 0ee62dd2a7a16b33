//! `status.phase`: from how containers stand (upstream's `getPhase`).

use super::why;
use crate::pod::{Container, ContainerKind, Phase, RestartPolicy};
use crate::worker::{Dead, Fault, Hooked, Life, State, Up, Why, Worker, restarts};

/// How a container counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// It waits for its first start.
    Waiting,
    Running,
    Succeeded,
    Failed,
}

/// How a container counts, by the state that its status shows.
pub(super) fn count(state: &State) -> Count {
    let running = |up: &Up| up.post_start == Hooked::Done;
    if state.up().is_some_and(running) {
        return Count::Running;
    }
    match (&state.dead, &state.last) {
        (Some(dead), _) if dead.ended.code == 0 => Count::Succeeded,
        (Some(_), _) => Count::Failed,
        // One that is started again is over, as far as the pod is concerned, until it runs.
        (None, Some(last)) if last.ended.code == 0 => Count::Succeeded,
        (None, Some(_)) => Count::Failed,
        (None, None) => Count::Waiting,
    }
}

/// The phase of a pod. Once it is terminal it stays; it becomes terminal only when nothing can run any more.
pub(super) fn of(worker: &Worker) -> Phase {
    let reported = worker.pod.reported.phase;
    if reported.is_terminal() {
        return reported;
    }
    let over = matches!(worker.life, Life::TearingDown(_) | Life::Finished(_) | Life::Gone);
    let phase = by_containers(worker, over);
    match (phase, over) {
        (phase, false) if phase.is_terminal() => {
            // Something may still be running: the word is not spoken yet.
            if has_begun(worker) {
                Phase::Running
            } else {
                Phase::Pending
            }
        }
        (phase, true) if !phase.is_terminal() => Phase::Failed,
        (phase, _) => phase,
    }
}

fn by_containers(worker: &Worker, over: bool) -> Phase {
    if over
        && matches!(
            why(worker),
            Some(Why::Rejected(_) | Why::Deadline | Why::Evicted { .. })
        )
    {
        return Phase::Failed;
    }
    let spec = &worker.pod.spec;
    let all = || spec.all.iter().zip(&worker.states);
    if let Some(phase) = by_init(worker, has_begun(worker)) {
        return phase;
    }
    let counted: Vec<Count> = all()
        .filter(|(container, _)| container.kind == ContainerKind::Regular)
        .map(|(_, state)| count(state))
        .collect();
    let has = |wanted: Count| counted.contains(&wanted);
    let failed = has(Count::Failed);
    if has(Count::Waiting) {
        return if over { Phase::Failed } else { Phase::Pending };
    }
    if has(Count::Running) {
        return Phase::Running;
    }
    match (over, spec.restart_policy) {
        (true, _) => {
            if failed {
                Phase::Failed
            } else {
                Phase::Succeeded
            }
        }
        (false, RestartPolicy::Always) => Phase::Running,
        (false, _) if !failed => Phase::Succeeded,
        (false, RestartPolicy::Never) => Phase::Failed,
        (false, RestartPolicy::OnFailure) => Phase::Running,
    }
}

/// Whether any of the pod's own containers was made.
pub(super) fn has_begun(worker: &Worker) -> bool {
    let mut all = worker.pod.spec.all.iter().zip(&worker.states);
    all.any(|(container, state)| container.kind == ContainerKind::Regular && state.made)
}

/// What init containers decide; none if they are over.
fn by_init(worker: &Worker, begun: bool) -> Option<Phase> {
    if begun {
        return None;
    }
    let spec = &worker.pod.spec;
    let pending = |(container, state): (&Container, &State)| match container.kind {
        ContainerKind::Init => count(state) != Count::Succeeded || state.dead.is_none(),
        ContainerKind::Sidecar => !state.has_started(),
        ContainerKind::Regular | ContainerKind::Ephemeral => false,
    };
    let failed = |(container, state): (&Container, &State)| {
        let dead = state
            .dead
            .as_ref()
            .filter(|_| container.kind == ContainerKind::Init);
        dead.is_some_and(|dead| dead.ended.code != 0 && !restarts(spec, container, &dead.ended))
    };
    let mut all = spec.all.iter().zip(&worker.states);
    if all.clone().any(failed) {
        return Some(Phase::Failed);
    }
    all.any(pending).then_some(Phase::Pending)
}

/// Whether a fault is what a container's status shows: of one that will be started again, or never was.
pub(super) fn shown<'a>(worker: &Worker, container: &Container, state: &'a State) -> Option<&'a Fault> {
    let again = |dead: &Dead| state.changed || restarts(&worker.pod.spec, container, &dead.ended);
    let waits = state.dead.as_ref().is_none_or(again);
    let running = state.up().is_some_and(|up| up.post_start == Hooked::Done);
    state
        .fault
        .as_ref()
        .filter(|_| waits && !running && worker.life == Life::Running)
}
