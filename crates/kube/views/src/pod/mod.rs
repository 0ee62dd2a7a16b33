//! A pod as schedulers, controllers and proxies look at it.
//!
//! Read by serde over borrowed bytes, without a tree: whoever follows pods pays for this once per revision, so that what
//! is not needed is skipped, and what most pods have alike (no placement, the usual tolerations) is not allocated.

mod raw;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schema::object::{Labels, Meta, ScanError, View};

use crate::coverage;
use crate::placement::Placement;
use crate::protocol::Protocol;
use crate::ready::{Deleting, Phase, Ready};
use crate::resources::{Amounts, Requests};
use crate::taint::{Tolerations, tolerations};
use crate::text::Text;
use raw::{Port, Raw, most_restarts};

/// What decisions need of a pod. Its name, namespace and uid are the object's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// `spec.nodeName`; empty until it is bound.
    pub node: Box<str>,
    /// `status.phase`
    pub phase: Phase,
    /// The condition `Ready`; none if it was never written.
    pub ready: Option<Ready>,
    /// Whether the condition `PodScheduled` is true.
    pub scheduled: bool,
    /// Whether and how it is being deleted.
    pub deleting: Option<Deleting>,
    /// The controller that owns it.
    pub owner: Option<Owner>,
    /// `spec.schedulerName`
    pub scheduler: Box<str>,
    /// Whether it has scheduling gates.
    pub gated: bool,
    /// `spec.priority`
    pub priority: i32,
    /// Whether it may push out others (`spec.preemptionPolicy` is not `Never`).
    pub preempts: bool,
    /// `status.nominatedNodeName`: where others were pushed out for it; mostly empty.
    pub nominated: Box<str>,
    /// What it needs, as `kinds::quota::requests` counts it with overhead.
    pub requests: Requests,
    /// The same in thousandths of a CPU and bytes of memory, where a container that asks for nothing counts for
    /// [`crate::resources::DEFAULT_MILLI_CPU`] and [`crate::resources::DEFAULT_MEMORY`]: what scores go by.
    pub nonzero: (i64, i64),
    /// Ports that it takes on its node.
    pub ports: Box<[HostPort]>,
    /// `metadata.labels`, sorted.
    pub labels: Labels,
    /// Where it wants to run; none if it does not care.
    pub placement: Option<Arc<Placement>>,
    /// `spec.tolerations`
    pub tolerations: Tolerations,
    /// `status.podIP`
    pub ip: Option<IpAddr>,
    /// `spec.hostNetwork`
    pub host_network: bool,
    /// `spec.hostname`
    pub hostname: Box<str>,
    /// `spec.subdomain`
    pub subdomain: Box<str>,
    /// Ports with a name, of containers first and sidecars then, in the spec's order.
    pub named_ports: Box<[NamedPort]>,
    /// How often the container that was restarted most was restarted.
    pub restarts: u32,
    /// The same of its sidecars.
    pub sidecar_restarts: u32,
    /// The annotation `controller.kubernetes.io/pod-deletion-cost`; 0 if it is not there or no number.
    pub cost: i32,
    /// Whether it has finalizers.
    pub finalizers: bool,
    /// `status.startTime`
    pub start: Option<Timestamp>,
    /// The first field that is not honoured ([`coverage`]), of a pod that has no node yet: a kubelet looks for itself.
    pub unsupported: Option<String>,
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `ReplicaSet`
    pub kind: Box<str>,
    /// Its name, in the pod's namespace.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
}

/// A port of the node that a pod takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// On which address; none: on all.
    pub ip: Option<IpAddr>,
    /// TCP, UDP or SCTP
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be on one node.
    pub fn collides(&self, other: &Self) -> bool {
        let same_address = self.ip.is_none() || other.ip.is_none() || self.ip == other.ip;
        same_address && (self.protocol, self.port) == (other.protocol, other.port)
    }
}

/// A port of a container, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedPort {
    /// `http`
    pub name: Box<str>,
    /// Its number.
    pub port: u16,
    /// TCP, UDP or SCTP
    pub protocol: Protocol,
}

fn owner(meta: &Meta) -> Option<Owner> {
    let controller = meta.owner_references.iter().find(|owner| owner.controller)?;
    Some(Owner {
        kind: controller.kind.clone(),
        name: controller.name.clone(),
        uid: controller.uid.clone(),
    })
}

fn deleting(meta: &Meta) -> Option<Deleting> {
    let at = meta.deletion_timestamp.as_ref()?;
    let grace = meta.deletion_grace_period_seconds.unwrap_or(0);
    Some(Deleting {
        at: at.parse().ok(),
        grace: Duration::from_secs(grace.try_into().unwrap_or(0)),
    })
}

impl View for PodView {
    fn read(meta: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        let raw: Raw<'_> =
            serde_json::from_slice(body).map_err(|error| ScanError::Unreadable(error.to_string()))?;
        let Raw {
            metadata,
            mut spec,
            status,
        } = raw;
        let unscheduled = spec.node_name.is_empty();
        let placement = spec.placement();
        let whole = spec.whole();
        let scored = whole.total(Amounts::or_default).rounded();
        Ok(Self {
            node: spec.node_name.boxed(),
            phase: status.phase,
            ready: status.ready(),
            scheduled: status.scheduled(),
            deleting: deleting(meta),
            owner: owner(meta),
            scheduler: spec.scheduler_name.boxed(),
            gated: !spec.scheduling_gates.is_empty(),
            priority: spec.priority,
            preempts: &*spec.preemption_policy != "Never",
            nominated: status.nominated_node_name.boxed(),
            requests: whole.total(Clone::clone).rounded(),
            nonzero: (scored.milli_cpu, scored.memory),
            ports: spec.ports().filter_map(Port::on_host).collect(),
            labels: meta.labels.clone(),
            placement,
            tolerations: tolerations(&spec.tolerations),
            ip: status.pod_ip.parse().ok(),
            host_network: spec.host_network,
            hostname: spec.hostname.boxed(),
            subdomain: spec.subdomain.boxed(),
            named_ports: spec.ports().filter_map(Port::named).collect(),
            restarts: most_restarts(status.container_statuses.iter()),
            sidecar_restarts: status.sidecar_restarts(&spec),
            cost: metadata.annotations.0,
            finalizers: !meta.finalizers.is_empty(),
            start: status.start_time.as_ref().and_then(Text::time),
            unsupported: unscheduled.then(|| coverage::unsupported(body)).flatten(),
        })
    }
}
