//! `status` of a pod, from what its worker knows.

mod conditions;
mod containers;
mod phase;

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::pod::Phase;
use crate::worker::{Life, Now, Why, Worker};
pub(crate) use conditions::{History, PASSING};

/// A status as it shall be in the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// `status.phase`
    pub phase: Phase,
    /// Whether nobody has to see it at once: containers are only being created.
    pub patient: bool,
    /// The status, without the conditions of others. Members that are null are to be removed.
    pub body: Value,
}

/// The status of a pod now.
pub(crate) fn of(worker: &mut Worker, now: Now) -> Status {
    let phase = phase::of(worker);
    let rejected = matches!(why(worker), Some(Why::Rejected(_)));
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    let (reason, message) = reason(worker, phase);
    put("observedGeneration", json!(worker.pod.generation));
    put("phase", json!(phase.name()));
    put("reason", text(reason));
    put("message", text(message));
    put("startTime", json!(timestamp(worker.start)));
    if !rejected {
        put("conditions", conditions::of(worker, phase, now));
        addresses(worker, &mut put);
        containers::of(worker, &mut put);
    }
    Status {
        phase,
        patient: phase == Phase::Pending
            && !worker
                .states
                .iter()
                .any(|state| state.fault.is_some() || state.made),
        body: Value::Object(body),
    }
}

fn text(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::String)
}

/// Why the pod ends, if it does.
pub(crate) fn why(worker: &Worker) -> Option<&Why> {
    match &worker.life {
        Life::Ending(ending) => Some(&ending.why),
        Life::TearingDown(why) | Life::Finished(why) => Some(why),
        Life::Admitting | Life::Running | Life::Gone => None,
    }
}

/// `status.reason` and `status.message`: of pods that did not end by themselves.
fn reason(worker: &Worker, phase: Phase) -> (Option<String>, Option<String>) {
    let said = match why(worker) {
        Some(Why::Rejected(rejection)) => Some((rejection.reason.clone(), rejection.message.clone())),
        Some(Why::Evicted { reason, message }) => Some((reason.clone(), message.clone())),
        Some(Why::Deadline) => Some((
            "DeadlineExceeded".to_owned(),
            "Pod was active on the node longer than the specified deadline".to_owned(),
        )),
        _ => None,
    };
    let kept = || {
        let reported = &worker.pod.reported;
        (reported.phase == phase).then(|| (reported.reason.clone(), reported.message.clone()))
    };
    let said = said.filter(|_| phase.is_terminal()).or_else(kept);
    let (reason, message) = said.unwrap_or_default();
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    (some(reason), some(message))
}

fn addresses(worker: &Worker, put: &mut impl FnMut(&str, Value)) {
    let list = |ips: &[String]| -> Value { ips.iter().map(|ip| json!({"ip": ip})).collect() };
    let hosts: Vec<String> = worker.node.addresses.iter().map(ToString::to_string).collect();
    if let Some(first) = hosts.first() {
        put("hostIP", json!(first));
        put("hostIPs", list(&hosts));
    }
    let own = worker.address().map(|ip| ip.to_string());
    if let Some(ip) = own {
        put("podIP", json!(ip));
        put("podIPs", list(&[ip]));
    }
}

/// RFC 3339 in whole seconds, as `metav1.Time` is written.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    let whole = jiff::Timestamp::from_second(time.as_second()).unwrap_or_default();
    whole.to_string()
}

/// Reads what [`timestamp`] writes.
pub(crate) fn time(text: Option<&str>) -> Option<SystemTime> {
    let time: jiff::Timestamp = text?.parse().ok()?;
    Some(time.into())
}
