//! What a pod needs in all, and what of it quotas count.

use std::time::{Duration, SystemTime};

use schema::cursor::Ref;

use super::{Amount, Amounts, amounts};
use crate::rules::quantity::is_extended;

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// What quotas can limit of pods, beside huge pages and extended resources.
const NAMES: [&str; 11] = [
    "count/pods",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// What every container must state where a quota limits it: upstream's oldest mistake, kept by it and so here.
const STATED: [&str; 6] = [
    "cpu",
    "limits.cpu",
    "limits.memory",
    "memory",
    "requests.cpu",
    "requests.memory",
];

/// What can be asked for a pod as a whole.
fn for_the_pod(name: &str) -> bool {
    ["cpu", "memory"].contains(&name) || name.starts_with("hugepages-")
}

/// Whether a quota's name is about pods.
pub(super) fn counts(name: &str) -> bool {
    let asked = name.strip_prefix("requests.");
    NAMES.contains(&name) || asked.unwrap_or(name).starts_with("hugepages-") || asked.is_some_and(is_extended)
}

/// What a pod's containers ask for together; `overhead` is what its runtime takes.
pub fn requests(pod: Ref<'_>, overhead: bool) -> Amounts {
    total(pod, "requests", overhead)
}

/// The bound of what a pod's containers use together; what has a container without a bound has none.
pub fn limits(pod: Ref<'_>, overhead: bool) -> Amounts {
    total(pod, "limits", overhead)
}

/// Init containers run one after the other before the others, sidecars beside all that come later (KEP-753).
fn total(pod: Ref<'_>, side: &str, overhead: bool) -> Amounts {
    let spec = pod.at("spec");
    let of = |container: Ref<'_>| amounts(container.at("resources").at(side));
    let mut all = Amounts::new();
    spec.at("containers")
        .items()
        .for_each(|container| add(&mut all, &of(container)));
    let (mut sidecars, mut initial) = (Amounts::new(), Amounts::new());
    for container in spec.at("initContainers").items() {
        let mut own = of(container);
        if container.at("restartPolicy").str() == "Always" {
            add(&mut all, &own);
            add(&mut sidecars, &own);
            own = sidecars.clone();
        } else {
            add(&mut own, &sidecars);
        }
        raise(&mut initial, &own);
    }
    raise(&mut all, &initial);
    let own = amounts(spec.at("resources").at(side));
    all.extend(own.into_iter().filter(|(name, _)| for_the_pod(name)));
    if overhead {
        add_overhead(&mut all, &amounts(spec.at("overhead")), side);
    }
    all
}

fn add(all: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = all.entry(name.clone()).or_default();
        *sum = sum.plus(*amount);
    }
}

fn raise(all: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let most = all.entry(name.clone()).or_insert(*amount);
        if *most < *amount {
            *most = *amount;
        }
    }
}

/// A limit that there is none of stays none.
fn add_overhead(all: &mut Amounts, overhead: &Amounts, side: &str) {
    for (name, amount) in overhead {
        if side == "requests" || all.get(name).is_some_and(|limit| !limit.is_zero()) {
            let sum = all.entry(name.clone()).or_default();
            *sum = sum.plus(*amount);
        }
    }
}

/// What quotas count of a pod: one that has ended, or should have, takes up nothing but its place in the store.
pub(super) fn usage(pod: Ref<'_>, now: SystemTime) -> Amounts {
    let mut usage = Amounts::from([("count/pods".to_owned(), Amount::count(1))]);
    if lives(pod, now) {
        usage.extend(compute(&requests(pod, true), &limits(pod, true)));
    }
    usage
}

fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::from([("pods".to_owned(), Amount::count(1))]);
    for (name, amount) in requests {
        let plain = COMPUTE.contains(&name.as_str()) || name.starts_with("hugepages-");
        if plain {
            usage.insert(name.clone(), *amount);
        }
        if plain || is_extended(name) {
            usage.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in limits.iter().filter(|(name, _)| COMPUTE.contains(&name.as_str())) {
        usage.insert(format!("limits.{name}"), *amount);
    }
    usage
}

fn lives(pod: Ref<'_>, now: SystemTime) -> bool {
    let ended = ["Succeeded", "Failed"].contains(&pod.path("status.phase").str());
    !ended && !overdue(pod, now)
}

/// A pod whose end has not been reported in time (its node is lost) holds up nobody.
fn overdue(pod: Ref<'_>, now: SystemTime) -> bool {
    let metadata = pod.at("metadata");
    let (time, grace) = (
        metadata.at("deletionTimestamp").str(),
        metadata.at("deletionGracePeriodSeconds"),
    );
    let due = time.parse::<jiff::Timestamp>().ok();
    match (due, grace.integer()) {
        (Some(due), Some(grace)) => {
            let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
            now > SystemTime::from(due) + grace
        }
        _ => false,
    }
}

/// Refuses a pod with a container that does not state what a quota limits: `must specify cpu for: a,b; memory for: a`.
pub(super) fn constraints(required: &[&str], pod: Ref<'_>) -> Result<(), String> {
    let spec = pod.at("spec");
    let whole = ["requests", "limits"].map(|side| amounts(spec.at("resources").at(side)));
    if whole
        .iter()
        .flat_map(|side| side.keys())
        .any(|name| for_the_pod(name))
    {
        return Ok(());
    }
    let containers = ["containers", "initContainers"].map(|list| spec.at(list).items());
    let stated: Vec<(&str, Amounts)> = containers.into_iter().flatten().map(stated).collect();
    let mut missing = Vec::new();
    for name in STATED.into_iter().filter(|name| required.contains(name)) {
        let without = stated.iter().filter(|(_, stated)| !stated.contains_key(name));
        let mut silent: Vec<&str> = without.map(|(container, _)| *container).collect();
        silent.sort_unstable();
        if !silent.is_empty() {
            missing.push(format!("{name} for: {}", silent.join(",")));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("must specify {}", missing.join("; ")))
}

fn stated(container: Ref<'_>) -> (&str, Amounts) {
    let resources = container.at("resources");
    let (requests, limits) = (amounts(resources.at("requests")), amounts(resources.at("limits")));
    (container.at("name").str(), compute(&requests, &limits))
}
