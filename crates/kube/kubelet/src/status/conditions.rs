//! `status.conditions` that a kubelet writes: how far the pod is, and since when.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::phase::has_begun;
use super::{timestamp, why};
use crate::pod::{Condition, ContainerKind, Phase, Pod};
use crate::worker::{Now, ResizeFault, State, Why, Worker};

const RESIZE_PENDING: &str = "PodResizePending";
const RESIZE_IN_PROGRESS: &str = "PodResizeInProgress";

/// Conditions that are taken away when they do not hold, where those of a kubelet otherwise stay.
pub(crate) const PASSING: [&str; 2] = [RESIZE_PENDING, RESIZE_IN_PROGRESS];

/// The conditions of a kubelet, in the order in which they are written.
const OWN: [&str; 7] = [
    RESIZE_PENDING,
    RESIZE_IN_PROGRESS,
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// Since when conditions are as they are, and what others say.
#[derive(Clone, Debug)]
pub(crate) struct History {
    since: BTreeMap<String, (String, String)>,
    others: Vec<Condition>,
    /// Two clocks at one moment: they tell instants of times that people wrote.
    clock: Now,
}

impl History {
    pub(crate) fn of(pod: &Pod, now: Now) -> Self {
        let known = |condition: &Condition| {
            let since = condition.last_transition_time.clone()?;
            Some((condition.kind.clone(), (condition.status.clone(), since)))
        };
        let mut history = Self {
            since: pod.reported.conditions.iter().filter_map(known).collect(),
            others: Vec::new(),
            clock: now,
        };
        history.others(pod);
        history
    }

    /// Takes note of the conditions of others.
    pub(crate) fn others(&mut self, pod: &Pod) {
        let all = pod.reported.conditions.iter();
        self.others = all
            .filter(|condition| !OWN.contains(&&*condition.kind))
            .cloned()
            .collect();
    }

    /// The clocks as they stood when the pod was first seen.
    pub(crate) fn clock(&self) -> Now {
        self.clock
    }

    /// Since when a condition has this status.
    fn since(&mut self, kind: &str, status: &str, now: SystemTime) -> String {
        match self.since.get(kind) {
            Some((before, since)) if before == status => since.clone(),
            _ => {
                let since = timestamp(now);
                self.since
                    .insert(kind.to_owned(), (status.to_owned(), since.clone()));
                since
            }
        }
    }
}

/// A condition before it is known since when.
struct Said {
    kind: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Said {
    fn holds(kind: &'static str) -> Self {
        Self::new(kind, true, None, None)
    }

    fn not(kind: &'static str, reason: &'static str, message: Option<String>) -> Self {
        Self::new(kind, false, Some(reason), message)
    }

    fn new(kind: &'static str, holds: bool, reason: Option<&'static str>, message: Option<String>) -> Self {
        Self {
            kind,
            holds,
            reason,
            message,
        }
    }
}

/// The conditions of a pod now.
pub(super) fn of(worker: &mut Worker, phase: Phase, now: Now) -> Value {
    let containers_ready = containers_ready(worker, phase);
    let mut all: Vec<Said> = resizing(worker)
        .filter(|_| !phase.is_terminal())
        .into_iter()
        .collect();
    all.extend([
        Said::new(
            "PodReadyToStartContainers",
            worker.shared.sandbox().is_some() && !phase.is_terminal(),
            None,
            None,
        ),
        initialized(worker, phase),
        ready(worker, &containers_ready),
        containers_ready,
        Said::holds("PodScheduled"),
    ]);
    if let Some(Why::Evicted { message, .. }) = why(worker) {
        let reason = Some("TerminationByKubelet");
        all.push(Said::new("DisruptionTarget", true, reason, Some(message.clone())));
    }
    let generation = worker.pod.generation;
    let history = &mut worker.history;
    all.into_iter()
        .map(|said| written(said, generation, history, now))
        .collect()
}

/// That containers do not have the limits that the spec says, and why.
fn resizing(worker: &Worker) -> Option<Said> {
    let says = |kind, reason, message: &String| Some(Said::new(kind, true, reason, Some(message.clone())));
    match &worker.resizing.fault {
        Some(ResizeFault::Infeasible(why)) => says(RESIZE_PENDING, Some("Infeasible"), why),
        Some(ResizeFault::Deferred(why)) => says(RESIZE_PENDING, Some("Deferred"), why),
        Some(ResizeFault::Failed(why)) => says(RESIZE_IN_PROGRESS, Some("Error"), why),
        // While they are being set, for some milliseconds, nothing is said.
        None => None,
    }
}

fn written(said: Said, generation: i64, history: &mut History, now: Now) -> Value {
    let status = if said.holds { "True" } else { "False" };
    let since = history.since(said.kind, status, now.wall);
    json!({
        "type": said.kind, "status": status, "reason": said.reason, "message": said.message,
        "lastProbeTime": null, "lastTransitionTime": since, "observedGeneration": generation,
    })
}

/// Names of the containers that a condition is about: `[a b]`.
fn names<'a>(worker: &'a Worker, wanted: impl Fn(ContainerKind, &'a State) -> bool) -> Vec<&'a str> {
    let all = worker.pod.spec.all.iter().zip(&worker.states);
    all.filter(|(container, state)| wanted(container.kind, state))
        .map(|(container, _)| &*container.name)
        .collect()
}

fn initialized(worker: &Worker, phase: Phase) -> Said {
    if phase == Phase::Succeeded {
        return Said::new("Initialized", true, Some("PodCompleted"), None);
    }
    if has_begun(worker) {
        return Said::holds("Initialized");
    }
    let incomplete = names(worker, |kind, state| match kind {
        ContainerKind::Init => state.dead.as_ref().is_none_or(|dead| dead.ended.code != 0),
        ContainerKind::Sidecar => !state.has_started(),
        _ => false,
    });
    if incomplete.is_empty() {
        return Said::holds("Initialized");
    }
    let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
    Said::not("Initialized", "ContainersNotInitialized", Some(message))
}

/// Whether a container serves: it runs, has started, and its readiness probe says so if it has one.
pub(super) fn is_ready(kind: ContainerKind, state: &State) -> bool {
    match kind {
        ContainerKind::Init => state.dead.as_ref().is_some_and(|dead| dead.ended.code == 0),
        ContainerKind::Ephemeral => false,
        ContainerKind::Sidecar | ContainerKind::Regular => state.up().is_some_and(|up| {
            let probed = up
                .probes
                .iter()
                .any(|probe| probe.kind == crate::worker::ProbeKind::Readiness);
            up.has_started() && (up.ready || !probed)
        }),
    }
}

fn containers_ready(worker: &Worker, phase: Phase) -> Said {
    const KIND: &str = "ContainersReady";
    match phase {
        Phase::Succeeded => return Said::not(KIND, "PodCompleted", None),
        Phase::Failed => return Said::not(KIND, "PodFailed", None),
        _ => {}
    }
    let serves = |kind| matches!(kind, ContainerKind::Regular | ContainerKind::Sidecar);
    let unready = names(worker, |kind, state| serves(kind) && !is_ready(kind, state));
    if unready.is_empty() {
        return Said::holds(KIND);
    }
    let message = format!("containers with unready status: [{}]", unready.join(" "));
    Said::not(KIND, "ContainersNotReady", Some(message))
}

/// As its containers, and then as the gates say that others keep.
fn ready(worker: &Worker, containers: &Said) -> Said {
    const KIND: &str = "Ready";
    if !containers.holds {
        return Said::new(KIND, false, containers.reason, containers.message.clone());
    }
    let messages: Vec<String> = worker
        .pod
        .spec
        .readiness_gates
        .iter()
        .filter_map(|gate| closed(worker, &gate.condition_type))
        .collect();
    if messages.is_empty() {
        return Said::holds(KIND);
    }
    Said::not(KIND, "ReadinessGatesNotReady", Some(messages.join(", ")))
}

/// What is wrong with a gate, if anything is.
fn closed(worker: &Worker, gate: &str) -> Option<String> {
    let found = worker
        .history
        .others
        .iter()
        .find(|condition| condition.kind == gate);
    match found {
        None => Some(format!(
            "corresponding condition of pod readiness gate \"{gate}\" does not exist."
        )),
        Some(condition) if condition.status != "True" => Some(format!(
            "the status of pod readiness gate \"{gate}\" is not \"True\", but {}",
            condition.status
        )),
        Some(_) => None,
    }
}
