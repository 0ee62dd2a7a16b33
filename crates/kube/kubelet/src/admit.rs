//! Whether a pod that was bound to this node may run here. A pod that may not is failed, and is not looked at again.

use schema::quantity::Quantity;
use views::taint::{Effect, untolerated};
use views::{NodeView, PodView, Requests, coverage};

use crate::facts::NodeFacts;
use crate::pod::Pod;
use crate::worker::{Rejection, ResizeFault};

/// Sysctls that a pod may set without harm to others (upstream's safe set).
const SAFE_SYSCTLS: [&str; 13] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_slow_start_after_idle",
];

/// What a pod is admitted by.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// What the kubelet knows of its node.
    pub facts: &'a NodeFacts,
    /// The node in the API, if it is there.
    pub node: Option<(&'a NodeView, &'a str)>,
    /// The pods that have a place here and are not over.
    pub others: &'a [PodView],
}

/// Whether a pod may run here. `body` is the object as it is stored.
///
/// # Errors
/// What its status and its event say.
pub fn admit(pod: &Pod, view: &PodView, body: &[u8], place: Place<'_>) -> Result<(), Rejection> {
    supported(body)?;
    system(pod)?;
    sysctls(pod)?;
    let (node, name) = place.node.unzip();
    if let (Some(node), Some(name)) = (node, name) {
        wants(view, node, name)?;
    }
    ports(view, place.others)?;
    fits(view, place)?;
    if let Some(node) = node {
        has_disk(pod, node)?;
    }
    match node {
        Some(node) if !pod.is_static() => tolerates(view, node),
        _ => Ok(()),
    }
}

fn rejected(reason: &str, text: impl Into<String>) -> Rejection {
    let text = text.into();
    Rejection {
        reason: reason.to_owned(),
        message: format!("Pod was rejected: {text}"),
        text,
    }
}

/// The path of the field alone is the message: it says what to take out.
fn supported(body: &[u8]) -> Result<(), Rejection> {
    coverage::unsupported(body).map_or(Ok(()), |path| {
        Err(Rejection {
            reason: coverage::REASON.to_owned(),
            message: path.clone(),
            text: path,
        })
    })
}

fn system(pod: &Pod) -> Result<(), Rejection> {
    match &pod.spec.os {
        Some(os) if os.name != "linux" => Err(rejected(
            "PodOSNotSupported",
            "Failed to admit pod as the OS field doesn't match node OS",
        )),
        _ => Ok(()),
    }
}

fn sysctls(pod: &Pod) -> Result<(), Rejection> {
    let spec = &pod.spec;
    let forbidden = |name: &str| {
        let shared = (name.starts_with("net.") && spec.host_network)
            || (name.starts_with("kernel.shm") && spec.host_ipc);
        shared || !SAFE_SYSCTLS.contains(&name)
    };
    let mut names = spec
        .security_context
        .sysctls
        .iter()
        .map(|sysctl| sysctl.name.replace('/', "."));
    names.find(|name| forbidden(name)).map_or(Ok(()), |name| {
        Err(rejected(
            "SysctlForbidden",
            format!("forbidden sysctl: \"{name}\" not allowlisted"),
        ))
    })
}

fn predicate(holds: bool, name: &str) -> Result<(), Rejection> {
    if holds {
        Ok(())
    } else {
        Err(rejected(name, format!("Predicate {name} failed")))
    }
}

fn wants(view: &PodView, node: &NodeView, name: &str) -> Result<(), Rejection> {
    let Some(placement) = &view.placement else {
        return Ok(());
    };
    let required = placement.affinity.node_affinity.required.as_ref();
    let chosen = placement.node_selector.matches(&node.labels)
        && required.is_none_or(|required| required.matches(name, &node.labels));
    predicate(chosen, "NodeAffinity")
}

fn ports(view: &PodView, others: &[PodView]) -> Result<(), Rejection> {
    let taken = |port: &views::pod::HostPort| {
        let theirs = others.iter().flat_map(|other| &other.ports);
        theirs.into_iter().any(|other| port.collides(other))
    };
    predicate(!view.ports.iter().any(taken), "NodePorts")
}

/// From this priority on a pod is critical (`system-cluster-critical`).
const CRITICAL: i32 = 2_000_000_000;

/// A node that runs out of disk takes nobody who would write to it, before anything that exists nowhere else had to go.
fn has_disk(pod: &Pod, node: &NodeView) -> Result<(), Rejection> {
    let is_short = |each: &views::node::Condition| {
        &*each.kind == "DiskPressure" && each.status == views::node::Truth::True
    };
    let critical = pod.is_static() || pod.spec.priority.is_some_and(|priority| priority >= CRITICAL);
    if critical || !node.conditions.iter().any(is_short) {
        return Ok(());
    }
    Err(rejected("Evicted", "The node had condition: [DiskPressure]. "))
}

fn tolerates(view: &PodView, node: &NodeView) -> Result<(), Rejection> {
    let bad = untolerated(&node.taints, &view.tolerations, &[Effect::NoExecute]);
    predicate(bad.is_none(), "TaintToleration")
}

/// One resource: its name, what is asked for, what others have, what there is.
type Row<'a> = (&'a str, i64, i64, i64);

fn fits(view: &PodView, place: Place<'_>) -> Result<(), Rejection> {
    let rows = rows(view, place);
    let short = rows.iter().find(|row| is_short(row));
    short.map_or(Ok(()), |row| {
        Err(rejected(&format!("OutOf{}", row.0), lacks(row)))
    })
}

fn is_short((_, wanted, used, there): &Row<'_>) -> bool {
    *wanted > 0 && used.saturating_add(*wanted) > *there
}

fn lacks((name, wanted, used, there): &Row<'_>) -> String {
    format!("Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {there}")
}

/// Whether there is room for what a pod that runs here asks for now.
///
/// # Errors
/// The node has not so much, now or ever.
pub(crate) fn room(view: &PodView, place: Place<'_>) -> Result<(), ResizeFault> {
    let rows = rows(view, place);
    if let Some((name, wanted, _, there)) = rows.iter().find(|(_, wanted, _, there)| wanted > there) {
        return Err(ResizeFault::Infeasible(format!(
            "Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {there}"
        )));
    }
    let short = rows.iter().find(|row| is_short(row));
    short.map_or(Ok(()), |row| Err(ResizeFault::Deferred(lacks(row))))
}

/// What a pod asks for, resource by resource.
fn rows<'a>(view: &'a PodView, place: Place<'_>) -> Vec<Row<'a>> {
    let allocatable = |resource: &str| place.facts.allocatable(resource);
    let used =
        |of: &dyn Fn(&Requests) -> i64| place.others.iter().map(|other| of(&other.requests)).sum::<i64>();
    let whole = |resource: &str| allocatable(resource).map_or(i64::MAX, Quantity::value);
    let milli = allocatable("cpu").map_or(i64::MAX, |cpu| {
        i64::try_from(cpu.nanos() / 1_000_000).unwrap_or(i64::MAX)
    });
    let pods = i64::try_from(place.others.len()).unwrap_or(i64::MAX);
    let wanted = &view.requests;
    let mut rows: Vec<Row<'_>> = vec![
        ("pods", 1, pods, whole("pods")),
        (
            "cpu",
            wanted.milli_cpu,
            used(&|requests| requests.milli_cpu),
            milli,
        ),
        (
            "memory",
            wanted.memory,
            used(&|requests| requests.memory),
            whole("memory"),
        ),
        (
            "ephemeral-storage",
            wanted.ephemeral,
            used(&|requests| requests.ephemeral),
            whole("ephemeral-storage"),
        ),
    ];
    for (name, amount) in &wanted.other {
        let there = allocatable(name).map_or(0, Quantity::value);
        rows.push((name, *amount, used(&|requests| requests.other(name)), there));
    }
    rows
}
