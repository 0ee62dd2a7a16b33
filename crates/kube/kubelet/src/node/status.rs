//! What a node says of itself: the object it registers, and the patch that brings its status up to date.
//!
//! Both are functions of the machine, of what the server has and of the time. A status that says nothing new is posted
//! every five minutes, for its heartbeat; one that does, at once.

use std::time::{Duration, SystemTime};

use client::Level;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Config, Machine};

/// How old the newest heartbeat may become (upstream's `nodeStatusReportFrequency`).
const REPORT: Duration = Duration::from_secs(300);

/// An event of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How serious it is.
    pub level: Level,
    /// `NodeReady`
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What is to be written, and what is to be told once it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// A strategic merge patch of `nodes/NAME/status`.
    pub body: Value,
    /// In order.
    pub told: Vec<Told>,
}

/// How a condition is worded: reason, message, and the event that tells of it.
type Words = (&'static str, &'static str, &'static str);

/// A condition that is bad when true.
struct Shortage {
    kind: &'static str,
    short: fn(&Machine) -> bool,
    when_short: Words,
    otherwise: Words,
}

/// In the order in which upstream's kubelet has them.
const SHORTAGES: [Shortage; 3] = [
    Shortage {
        kind: "MemoryPressure",
        short: |machine| machine.pressure.memory,
        when_short: (
            "KubeletHasInsufficientMemory",
            "kubelet has insufficient memory available",
            "NodeHasInsufficientMemory",
        ),
        otherwise: (
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
            "NodeHasSufficientMemory",
        ),
    },
    Shortage {
        kind: "DiskPressure",
        short: |machine| machine.pressure.disk,
        when_short: (
            "KubeletHasDiskPressure",
            "kubelet has disk pressure",
            "NodeHasDiskPressure",
        ),
        otherwise: (
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
            "NodeHasNoDiskPressure",
        ),
    },
    Shortage {
        kind: "PIDPressure",
        short: |machine| machine.pressure.pids,
        when_short: (
            "KubeletHasInsufficientPID",
            "kubelet has insufficient PID available",
            "NodeHasInsufficientPID",
        ),
        otherwise: (
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
            "NodeHasSufficientPID",
        ),
    },
];

/// The Node as it is registered, with all of its status, so that no second write is needed before pods may come.
pub fn registration(config: &Config, machine: &Machine, now: SystemTime) -> (Value, Vec<Told>) {
    let (status, told) = status_of(config, machine, &Value::Null, now);
    let mut spec = Map::new();
    if let Some(range) = &config.pod_cidr {
        spec.insert("podCIDR".to_owned(), json!(range));
        spec.insert("podCIDRs".to_owned(), json!([range]));
    }
    let node = json!({
        "metadata": {"name": config.name, "labels": labels(config)},
        "spec": spec,
        "status": status,
    });
    (node, told)
}

/// What a registered node's labels lack: a merge patch of the object. Labels that others gave it stay.
pub fn missing_labels(config: &Config, node: &Value) -> Option<Value> {
    let wanted = labels(config);
    let has = |key: &str, value: &Value| node["metadata"]["labels"].get(key) == Some(value);
    let missing: Map<String, Value> = wanted
        .into_iter()
        .filter(|(key, value)| !has(key, value))
        .collect();
    (!missing.is_empty()).then(|| json!({"metadata": {"labels": missing}}))
}

/// The patch that brings the status of `node`, which is as the server has it, up to date; none if it is, and its
/// heartbeat is young.
pub fn patch(config: &Config, machine: &Machine, node: &Value, now: SystemTime) -> Option<Patch> {
    let old = &node["status"];
    let (status, mut told) = status_of(config, machine, old, now);
    if says_the_same(&status, old) && heartbeat_age(old, now) < REPORT {
        return None;
    }
    told.splice(0..0, reboot(config, machine, old));
    Some(Patch {
        body: json!({"status": as_patch(status, old)}),
        told,
    })
}

/// Says that pods may, or may not, be given to the node.
pub(super) fn schedulable(config: &Config, unschedulable: bool) -> Told {
    let reason = if unschedulable {
        "NodeNotSchedulable"
    } else {
        "NodeSchedulable"
    };
    config.is_now(reason)
}

fn labels(config: &Config) -> Map<String, Value> {
    let known = [
        ("beta.kubernetes.io/arch", architecture()),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
        ("kubernetes.io/hostname", &*config.name),
        ("kubernetes.io/os", "linux"),
    ];
    let known = known.map(|(key, value)| (key.to_owned(), json!(value)));
    let own = config
        .labels
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)));
    known.into_iter().chain(own).collect()
}

/// What Go calls it.
const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

/// The whole status, and what it tells that the old one did not.
fn status_of(config: &Config, machine: &Machine, old: &Value, now: SystemTime) -> (Value, Vec<Told>) {
    let now = time(now);
    let mut told = Vec::new();
    let mut conditions = Vec::new();
    let states = SHORTAGES.iter().map(|shortage| shortage.state(machine));
    for (state, event) in states.chain([readiness(machine)]) {
        let before = condition(old, state.kind);
        let moved = before["status"] != *state.status;
        if moved {
            told.extend(reclaiming(&state));
            told.push(config.is_now(event));
        }
        let since = before["lastTransitionTime"].as_str().filter(|_| !moved);
        conditions.push(state.written(since.unwrap_or(&now), &now));
    }
    let mut status = json!({
        "addresses": [
            {"type": "InternalIP", "address": config.address.to_string()},
            {"type": "Hostname", "address": config.name},
        ],
        "allocatable": machine.allocatable_list(config),
        "capacity": machine.capacity_list(config),
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": config.kubelet_port}},
        "nodeInfo": info(config, machine),
    });
    let images = machine.image_list();
    if !images.is_empty() {
        status["images"] = images.into();
    }
    (status, told)
}

/// Upstream's words for a threshold that is met. Of what can run short, only the disk's space can be got back.
fn reclaiming(state: &State) -> Option<Told> {
    (state.kind == "DiskPressure" && state.status == "True").then(|| Told {
        level: Level::Warning,
        reason: "EvictionThresholdMet".to_owned(),
        message: "Attempting to reclaim ephemeral-storage".to_owned(),
    })
}

fn info(config: &Config, machine: &Machine) -> Value {
    let mut info = json!({
        "architecture": architecture(),
        "bootID": machine.boot_id,
        "containerRuntimeVersion": config.runtime_version,
        "kernelVersion": machine.kernel_version,
        // Deprecated and empty in what upstream's kubelets of 1.36 post.
        "kubeProxyVersion": "",
        "kubeletVersion": config.version,
        "machineID": machine.machine_id,
        "operatingSystem": "linux",
        "osImage": machine.os_image,
        "systemUUID": machine.system_uuid,
    });
    if machine.swap > 0 {
        info["swap"] = json!({"capacity": machine.swap});
    }
    info
}

/// What a condition says, without its times.
struct State {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl State {
    fn written(&self, since: &str, now: &str) -> Value {
        json!({
            "type": self.kind, "status": self.status, "lastHeartbeatTime": now, "lastTransitionTime": since,
            "reason": self.reason, "message": self.message,
        })
    }
}

impl Shortage {
    fn state(&self, machine: &Machine) -> (State, &'static str) {
        let (status, (reason, message, event)) = if (self.short)(machine) {
            ("True", self.when_short)
        } else {
            ("False", self.otherwise)
        };
        let state = State {
            kind: self.kind,
            status,
            reason,
            message: message.to_owned(),
        };
        (state, event)
    }
}

/// It comes last, as old clients expect.
fn readiness(machine: &Machine) -> (State, &'static str) {
    let state = |status, reason, message| State {
        kind: "Ready",
        status,
        reason,
        message,
    };
    match machine.faults.as_slice() {
        [] => (
            state(
                "True",
                "KubeletReady",
                "kubelet is posting ready status".to_owned(),
            ),
            "NodeReady",
        ),
        [fault] => (state("False", "KubeletNotReady", fault.clone()), "NodeNotReady"),
        faults => {
            let message = format!("[{}]", faults.join(", "));
            (state("False", "KubeletNotReady", message), "NodeNotReady")
        }
    }
}

fn reboot(config: &Config, machine: &Machine, old: &Value) -> Option<Told> {
    let before = old["nodeInfo"]["bootID"].as_str().unwrap_or_default();
    let rebooted = !before.is_empty() && *before != *machine.boot_id;
    rebooted.then(|| Told {
        level: Level::Warning,
        reason: "Rebooted".to_owned(),
        message: format!(
            "Node {} has been rebooted, boot id: {}",
            config.name, machine.boot_id
        ),
    })
}

impl Config {
    fn is_now(&self, reason: &str) -> Told {
        Told {
            level: Level::Normal,
            reason: reason.to_owned(),
            message: format!("Node {} status is now: {reason}", self.name),
        }
    }
}

fn conditions(status: &Value) -> &[Value] {
    status["conditions"].as_array().map_or(&[], Vec::as_slice)
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let found = conditions(status).iter().find(|each| each["type"] == *kind);
    found.unwrap_or(&Value::Null)
}

/// Whether everything that we say is there already, heartbeats aside. What others say beside it is theirs.
fn says_the_same(status: &Value, old: &Value) -> bool {
    let same = |name: &str| match name {
        "conditions" => conditions(status).iter().all(|new| is_there(new, old)),
        "capacity" | "allocatable" => {
            stale(&status[name], &old[name]).is_empty() && holds(&old[name], &status[name])
        }
        name => status[name] == old[name],
    };
    let names = [
        "addresses",
        "allocatable",
        "capacity",
        "conditions",
        "daemonEndpoints",
        "images",
    ];
    names.into_iter().all(same) && holds(&old["nodeInfo"], &status["nodeInfo"])
}

fn is_there(new: &Value, old: &Value) -> bool {
    let old = condition(old, new["type"].as_str().unwrap_or_default());
    let members = ["status", "reason", "message", "lastTransitionTime"];
    members.into_iter().all(|name| new[name] == old[name])
}

/// Whether a map has all that another has.
fn holds(map: &Value, all: &Value) -> bool {
    let mut members = all.as_object().into_iter().flatten();
    members.all(|(name, value)| map.get(name) == Some(value))
}

/// Sizes of huge pages that the machine no longer has. Other resources that it does not name are somebody's own.
fn stale(new: &Value, old: &Value) -> Vec<String> {
    let names = old.as_object().into_iter().flatten().map(|(name, _)| name);
    let gone = names.filter(|name| name.starts_with("hugepages-") && new.get(name.as_str()).is_none());
    gone.cloned().collect()
}

/// Addresses are merged by their type, of which there may be two alike: so they are replaced.
fn as_patch(mut status: Value, old: &Value) -> Value {
    for list in ["capacity", "allocatable"] {
        for name in stale(&status[list], &old[list]) {
            status[list][name] = Value::Null;
        }
    }
    if let Some(addresses) = status["addresses"].as_array_mut() {
        addresses.push(json!({"$patch": "replace"}));
    }
    if status.get("images").is_none() && old.get("images").is_some() {
        status["images"] = Value::Null;
    }
    status
}

/// Since the newest heartbeat that the server has; forever if there is none.
fn heartbeat_age(old: &Value, now: SystemTime) -> Duration {
    let beat = condition(old, "Ready")["lastHeartbeatTime"].as_str();
    let beat = beat.and_then(|text| text.parse::<Timestamp>().ok());
    beat.map_or(Duration::MAX, |beat| {
        now.duration_since(SystemTime::from(beat)).unwrap_or_default()
    })
}

/// As Kubernetes writes times: whole seconds.
fn time(wall: SystemTime) -> String {
    let now = Timestamp::try_from(wall).unwrap_or_default();
    Timestamp::from_second(now.as_second())
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests;
