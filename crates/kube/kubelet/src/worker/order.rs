//! Which containers shall run now: the order of init containers, sidecars and those of the pod.

use super::restart::restarts;
use super::state::State;
use crate::container::ContainerIx;
use crate::pod::{Container, ContainerKind, Pod, PodSpec};

/// What comes next in a pod that is neither ending nor held up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These shall be started, if they are not already on their way.
    Start(Vec<ContainerIx>),
    /// Nothing will ever run in it again.
    End,
}

/// A container with all that decides.
type Each<'a> = (ContainerIx, &'a Container, &'a State);

fn each<'a>(pod: &'a Pod, states: &'a [State]) -> Vec<Each<'a>> {
    pod.each()
        .zip(states)
        .map(|((at, container), state)| (at, container, state))
        .collect()
}

/// What of an init container.
enum Init {
    /// The next one may begin.
    Passed,
    /// It has to get on first; it shall be started if it is not already.
    Holds,
    /// It has failed for good, and the pod with it.
    Failed,
}

/// What comes next.
///
/// Init containers run one after the other; a sidecar lets the next one begin once it has started, and is kept running. Once
/// any of the pod's own containers was made, init containers are not run again in this sandbox.
pub(crate) fn next(pod: &Pod, states: &[State]) -> Next {
    let all = each(pod, states);
    let mut start = ephemeral(&all);
    let begun = regular(&all).any(|(_, _, state)| state.made || state.is_live());
    for (at, container, state) in all.iter().filter(|(_, container, _)| container.kind.is_init()) {
        let init = init(&pod.spec, container, state, begun);
        if matches!(init, Init::Failed) {
            return Next::End;
        }
        let sidecar = container.kind == ContainerKind::Sidecar;
        if !state.is_live() && (sidecar || matches!(init, Init::Holds)) {
            start.push(*at);
        }
        if matches!(init, Init::Holds) {
            return Next::Start(start);
        }
    }
    let open: Vec<Each<'_>> = regular(&all)
        .filter(|(_, container, state)| !is_settled(&pod.spec, container, state))
        .collect();
    if open.is_empty() {
        return Next::End;
    }
    start.extend(
        open.iter()
            .filter(|(_, _, state)| !state.is_live())
            .map(|(at, ..)| *at),
    );
    Next::Start(start)
}

/// Ephemeral containers run once, beside everything else.
fn ephemeral(all: &[Each<'_>]) -> Vec<ContainerIx> {
    let fresh = all.iter().filter(|(_, container, state)| {
        container.kind == ContainerKind::Ephemeral && state.attempt.is_none() && !state.is_live()
    });
    fresh.map(|(at, ..)| *at).collect()
}

fn regular<'a, 'b>(all: &'b [Each<'a>]) -> impl Iterator<Item = Each<'a>> + use<'a, 'b> {
    all.iter()
        .filter(|(_, container, _)| container.kind == ContainerKind::Regular)
        .copied()
}

fn init(spec: &PodSpec, container: &Container, state: &State, begun: bool) -> Init {
    if begun {
        return Init::Passed;
    }
    match (container.kind, &state.dead) {
        (ContainerKind::Sidecar, _) if state.has_started() => Init::Passed,
        (ContainerKind::Sidecar, _) => Init::Holds,
        (_, Some(dead)) if !state.is_live() && dead.ended.code == 0 && !state.changed => Init::Passed,
        (_, Some(dead)) if !state.is_live() && !restarts(spec, container, &dead.ended) && !state.changed => {
            Init::Failed
        }
        _ => Init::Holds,
    }
}

/// Whether a container has ended for good.
pub(crate) fn is_settled(spec: &PodSpec, container: &Container, state: &State) -> bool {
    let over = |ended| !restarts(spec, container, ended) && !state.changed;
    !state.is_live() && state.dead.as_ref().is_some_and(|dead| over(&dead.ended))
}
