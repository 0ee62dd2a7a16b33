//! The ports of endpoints: a service's, as one pod has them.
//!
//! A port that is named may have another number in each pod, and none in some; so pods of one service fall into groups
//! of equal ports, and each group has slices, or subsets, of its own.

use serde::{Deserialize, Serialize};
use views::pod::NamedPort;
use views::{PodView, Protocol, ServicePort, ServiceView, TargetPort};

/// A port with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Port {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_protocol: Option<String>,
}

/// A group of pods: its ports in an order of their own.
pub(super) type Group = Vec<Port>;

/// Which group ports make.
pub(super) fn group(ports: &[Port]) -> Group {
    let mut group = ports.to_vec();
    group.sort_unstable();
    group
}

/// A service's ports as a pod has them, in the service's order. One whose name the pod does not know is left out.
pub(super) fn resolve(service: &ServiceView, pod: &PodView) -> Vec<Port> {
    let resolved = service
        .ports
        .iter()
        .filter_map(|port| Some((port, number(port, pod)?)));
    resolved.map(|(port, number)| numbered(port, number)).collect()
}

fn number(port: &ServicePort, pod: &PodView) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => named(pod, name, port.protocol),
    }
}

fn named(pod: &PodView, name: &str, protocol: Protocol) -> Option<u16> {
    let is = |own: &&NamedPort| *own.name == *name && own.protocol == protocol;
    pod.named_ports.iter().find(is).map(|own| own.port)
}

fn numbered(port: &ServicePort, number: u16) -> Port {
    Port {
        name: Some(port.name.to_string()),
        protocol: Some(port.protocol.to_string()),
        port: Some(number),
        app_protocol: port.app_protocol.as_deref().map(str::to_owned),
    }
}
