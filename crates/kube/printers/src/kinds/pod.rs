//! Pods: the one word that sums up their containers.

use schema::cursor::Ref;

use super::{AGE, NAME};
use crate::cells::Completed;
use crate::text::{condition, is_true};
use crate::{Cells, Column, Row, age};

pub(super) const POD: &[Column] = &[
    NAME,
    Column::text("Ready", "How many of the pod's containers are ready."),
    Column::text("Status", "The aggregate status of the containers in this pod."),
    Column::text(
        "Restarts",
        "How often the containers have been restarted, and when the last time was.",
    ),
    AGE,
    Column::wide("IP", "The pod's first address."),
    Column::wide("Node", "The node the pod is bound to."),
    Column::wide(
        "Nominated Node",
        "The node the pod will run on once room has been made.",
    ),
    Column::wide(
        "Readiness Gates",
        "How many of the pod's further conditions for readiness are met.",
    ),
];

pub(super) fn pod(row: &Row<'_>, cells: &mut Cells<'_>) {
    let summary = Summary::of(row);
    cells.completed = match row.at("status.phase").str() {
        "Succeeded" => Some(SUCCEEDED),
        "Failed" => Some(FAILED),
        _ => None,
    };
    cells
        .name(row)
        .text(&format!("{}/{}", summary.ready, summary.containers))
        .text(&summary.reason)
        .text(&summary.restarts.print(row.now))
        .age(row);
    let address = row.at("status.podIPs").items().next();
    cells
        .text_or(address.map_or("", |it| it.at("ip").str()), "<none>")
        .text_or(row.at("spec.nodeName").str(), "<none>")
        .text_or(row.at("status.nominatedNodeName").str(), "<none>")
        .text(&gates(row));
}

const SUCCEEDED: Completed = Completed {
    reason: "Succeeded",
    message: "The pod has completed successfully.",
};
const FAILED: Completed = Completed {
    reason: "Failed",
    message: "The pod failed.",
};

/// How often containers were started again, and when one last ended. Times are canonical texts, which compare as
/// times do.
#[derive(Clone, Copy, Default)]
struct Restarts<'a> {
    count: i64,
    last: &'a str,
}

impl<'a> Restarts<'a> {
    fn add(&mut self, container: Ref<'a>) {
        self.count += container.at("restartCount").int();
        let ended = container.path("lastState.terminated.finishedAt").str();
        self.last = self.last.max(ended);
    }

    fn print(&self, now: i64) -> String {
        match (self.count, self.last) {
            (0, _) | (_, "") => self.count.to_string(),
            (count, last) => format!("{count} ({} ago)", age::since(last, now)),
        }
    }
}

/// What upstream's `printPod` finds out in one walk over the containers' states.
struct Summary<'a> {
    reason: String,
    ready: usize,
    containers: usize,
    restarts: Restarts<'a>,
}

impl<'a> Summary<'a> {
    fn of(row: &Row<'a>) -> Self {
        let sidecars = row.at("spec.initContainers").items().filter(|it| is_sidecar(*it));
        let mut summary = Self {
            reason: first_reason(row),
            ready: 0,
            containers: row.at("spec.containers").len() + sidecars.count(),
            restarts: Restarts::default(),
        };
        let mut of_sidecars = Restarts::default();
        let initializing = summary.init_containers(row, &mut of_sidecars);
        if !initializing || is_true(row.at("status.conditions"), "Initialized") {
            summary.restarts = of_sidecars;
            summary.main_containers(row);
        }
        summary.ending(row);
        summary
    }

    /// Looks at the init containers up to the first that is not through; whether there is one.
    fn init_containers(&mut self, row: &Row<'a>, of_sidecars: &mut Restarts<'a>) -> bool {
        let specs = row.at("spec.initContainers");
        for (at, status) in row.at("status.initContainerStatuses").items().enumerate() {
            let name = status.at("name").str();
            let spec = specs.items().find(|it| it.at("name").str() == name);
            let sidecar = spec.is_some_and(is_sidecar);
            self.restarts.add(status);
            if sidecar {
                of_sidecars.add(status);
            }
            let ended = status.path("state.terminated");
            if ended.exists() && ended.at("exitCode").int() == 0 {
                continue;
            }
            if sidecar && status.at("started").bool() {
                self.ready += usize::from(status.at("ready").bool());
                continue;
            }
            self.reason = format!("Init:{}", init_reason(status, at, specs.len()));
            return true;
        }
        false
    }

    fn main_containers(&mut self, row: &Row<'a>) {
        let mut running = false;
        for status in row.at("status.containerStatuses").items().rev() {
            self.restarts.add(status);
            let waiting = status.path("state.waiting.reason").str();
            let ended = status.path("state.terminated");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if ended.exists() {
                self.reason = end(ended);
            } else if status.at("ready").bool() && status.path("state.running").exists() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = is_true(row.at("status.conditions"), "Ready");
            self.reason = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn ending(&mut self, row: &Row<'_>) {
        let terminal = matches!(row.at("status.phase").str(), "Succeeded" | "Failed");
        if row.deleted() && row.at("status.reason").str() == "NodeLost" {
            "Unknown".clone_into(&mut self.reason);
        } else if row.deleted() && !terminal {
            "Terminating".clone_into(&mut self.reason);
        }
    }
}

/// What the pod says of itself before its containers are asked.
fn first_reason(row: &Row<'_>) -> String {
    let gated = condition(row.at("status.conditions"), "PodScheduled")
        .is_some_and(|it| it.at("reason").str() == "SchedulingGated");
    if gated {
        return "SchedulingGated".to_owned();
    }
    match row.at("status.reason").str() {
        "" => row.at("status.phase").str().to_owned(),
        reason => reason.to_owned(),
    }
}

/// Restarted as long as the pod lives: an init container that stays.
fn is_sidecar(spec: Ref<'_>) -> bool {
    spec.at("restartPolicy").str() == "Always"
}

fn init_reason(status: Ref<'_>, at: usize, of: usize) -> String {
    let ended = status.path("state.terminated");
    if ended.exists() {
        return end(ended);
    }
    match status.path("state.waiting.reason").str() {
        "" | "PodInitializing" => format!("{at}/{of}"),
        reason => reason.to_owned(),
    }
}

/// Why a container ended.
fn end(ended: Ref<'_>) -> String {
    match (ended.at("reason").str(), ended.at("signal").int()) {
        ("", 0) => format!("ExitCode:{}", ended.at("exitCode").int()),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn gates(row: &Row<'_>) -> String {
    let gates = row.at("spec.readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = row.at("status.conditions");
    let met = gates
        .items()
        .filter(|gate| is_true(conditions, gate.at("conditionType").str()));
    format!("{}/{}", met.count(), gates.len())
}
