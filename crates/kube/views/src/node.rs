//! A node as schedulers and controllers look at it.

use std::net::IpAddr;

use jiff::Timestamp;
use schema::object::{Labels, Meta, ScanError, View};
use serde::Deserialize;

use crate::resources::{Amounts, Requests};
use crate::selector::label;
use crate::taint::{RawTaint, Taint};
use crate::text::Text;

/// The label that says in which zone a node is.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// Whether something is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody has said for long.
    #[default]
    Unknown,
}

/// A condition of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `Ready`, `MemoryPressure`
    pub kind: Box<str>,
    /// Whether it is so.
    pub status: Truth,
    /// `KubeletReady`
    pub reason: Box<str>,
    /// When it was last confirmed.
    pub heartbeat: Option<Timestamp>,
    /// Since when it is as it is.
    pub since: Option<Timestamp>,
}

/// What decisions need of a node. Its name is the object's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// `status.allocatable`, without `pods`.
    pub allocatable: Requests,
    /// `status.allocatable.pods`
    pub pods: i64,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `spec.taints`
    pub taints: Box<[Taint]>,
    /// `metadata.labels`, sorted.
    pub labels: Labels,
    /// `status.conditions`
    pub conditions: Box<[Condition]>,
    /// The first internal address.
    pub address: Option<IpAddr>,
    /// Where its kubelet listens; 0 if it has not said so.
    pub kubelet_port: u16,
    /// The label [`ZONE`]; empty if there is none.
    pub zone: Box<str>,
}

impl NodeView {
    /// The condition of a kind.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| &*condition.kind == kind)
    }

    /// Whether the kubelet says that the node takes pods.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready")
            .is_some_and(|ready| ready.status == Truth::True)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    spec: Spec<'a>,
    status: Status<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec<'a> {
    unschedulable: bool,
    #[serde(borrow)]
    taints: Vec<RawTaint<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    allocatable: Amounts<'a>,
    conditions: Vec<RawCondition<'a>>,
    addresses: Vec<Address<'a>>,
    daemon_endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawCondition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    status: Truth,
    reason: Text<'a>,
    last_heartbeat_time: Option<Text<'a>>,
    last_transition_time: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    address: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Endpoints {
    kubelet_endpoint: Endpoint,
}

/// The one field of the API that begins with a capital.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Endpoint {
    port: u16,
}

impl RawCondition<'_> {
    fn read(&self) -> Condition {
        let time = |text: &Option<Text<'_>>| text.as_ref().and_then(Text::time);
        Condition {
            kind: self.kind.boxed(),
            status: self.status,
            reason: self.reason.boxed(),
            heartbeat: time(&self.last_heartbeat_time),
            since: time(&self.last_transition_time),
        }
    }
}

impl View for NodeView {
    fn read(meta: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        let raw: Raw<'_> =
            serde_json::from_slice(body).map_err(|error| ScanError::Unreadable(error.to_string()))?;
        let Raw { spec, mut status } = raw;
        let pods = status.allocatable.take_pods();
        let internal = status
            .addresses
            .iter()
            .find(|address| &*address.kind == "InternalIP");
        Ok(Self {
            allocatable: status.allocatable.rounded(),
            pods,
            unschedulable: spec.unschedulable,
            taints: spec.taints.iter().filter_map(RawTaint::read).collect(),
            labels: meta.labels.clone(),
            conditions: status.conditions.iter().map(RawCondition::read).collect(),
            address: internal.and_then(|address| address.address.parse().ok()),
            kubelet_port: status.daemon_endpoints.kubelet_endpoint.port,
            zone: label(&meta.labels, ZONE).unwrap_or_default().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taint::Effect;

    #[test]
    fn a_node_is_read() {
        let body = br#"{"metadata":{"name":"n","creationTimestamp":null},
            "spec":{"unschedulable":true,"taints":[{"key":"k","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"}]},
            "status":{"capacity":{"cpu":"9"},"allocatable":{"cpu":"1500m","memory":"2Gi","pods":"110","hugepages-2Mi":"0","example.com/gpu":"2"},
            "conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","lastHeartbeatTime":"2026-01-01T00:00:10Z","lastTransitionTime":null}],
            "addresses":[{"type":"Hostname","address":"n"},{"type":"InternalIP","address":"10.0.0.1"}],
            "daemonEndpoints":{"kubeletEndpoint":{"Port":10250}}}}"#;
        let meta = Meta {
            labels: [(ZONE.into(), "z".into())].into(),
            ..Meta::default()
        };
        let node = NodeView::read(&meta, body).unwrap();
        assert_eq!(
            (node.allocatable.milli_cpu, node.allocatable.memory, node.pods),
            (1500, 2 << 30, 110)
        );
        assert_eq!(*node.allocatable.other, [("example.com/gpu".into(), 2)]);
        assert!(node.unschedulable && node.is_ready());
        assert_eq!(
            (node.taints[0].effect, node.taints[0].added.is_some()),
            (Effect::NoExecute, true)
        );
        assert_eq!(
            (node.address, node.kubelet_port, &*node.zone),
            (Some([10, 0, 0, 1].into()), 10250, "z")
        );
        assert!(node.condition("Ready").unwrap().heartbeat.is_some());
        assert_eq!(
            NodeView::read(&Meta::default(), b"{}").unwrap(),
            NodeView::default()
        );
    }
}
