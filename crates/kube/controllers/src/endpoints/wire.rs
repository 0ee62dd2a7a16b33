//! EndpointSlices as they are written (`discovery.k8s.io/v1`).

use serde::{Deserialize, Serialize};
use views::{Family, ServiceView, TrafficDistribution};

use super::ports::Port;
use super::{Asked, Backend};

/// One endpoint, with all that this controller writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Endpoint {
    pub(super) addresses: Vec<String>,
    pub(super) conditions: Conditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_ref: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hints: Option<Hints>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

/// A pod. Which version of it is no reason to write.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    kind: String,
    namespace: String,
    name: String,
    uid: String,
}

/// Whose traffic should come here, where the service asks for what is near.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hints {
    #[serde(skip_serializing_if = "Option::is_none")]
    for_zones: Option<Vec<Named>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_nodes: Option<Vec<Named>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    name: String,
}

/// What an existing slice holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Content {
    pub(super) address_type: String,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

impl Content {
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        self.endpoints.as_deref().unwrap_or_default()
    }

    pub(super) fn ports(&self) -> &[Port] {
        self.ports.as_deref().unwrap_or_default()
    }
}

/// What makes two endpoints the same one, whatever else is said of them: the pod, its name in the service, its address.
pub(super) type Identity = (String, String, String, Vec<String>);

impl Endpoint {
    /// The endpoint that a pod is; none if it has no address of the family.
    pub(super) fn of(asked: &Asked, pod: &Backend, family: Family, zone: Option<&str>) -> Option<Self> {
        let address = pod.view.ip.filter(|ip| Family::of(*ip) == family)?;
        let node_name = (!pod.view.node.is_empty()).then(|| pod.view.node.to_string());
        let endpoint = Self {
            addresses: vec![address.to_string()],
            conditions: Conditions::of(&asked.view, pod),
            hostname: pod.hostname(asked.meta()).map(str::to_owned),
            target_ref: Some(Reference::to(pod)),
            node_name,
            zone: zone.map(str::to_owned),
            hints: None,
        };
        let hints = Hints::of(asked.view.distribution, &endpoint);
        Some(Self { hints, ..endpoint })
    }

    pub(super) fn identity(&self) -> Identity {
        let mut addresses = self.addresses.clone();
        addresses.sort_unstable();
        let pod = self.target_ref.clone().unwrap_or_default();
        let hostname = self.hostname.clone().unwrap_or_default();
        (pod.namespace, pod.name, hostname, addresses)
    }
}

impl Conditions {
    /// A pod that is being deleted is not ready, whatever it says, unless the service wants to hear of such too.
    fn of(service: &ServiceView, pod: &Backend) -> Self {
        let (serving, terminating) = (pod.view.is_ready(), pod.view.deleting.is_some());
        Self {
            ready: Some(service.publish_not_ready || serving && !terminating),
            serving: Some(serving),
            terminating: Some(terminating),
        }
    }
}

impl Reference {
    pub(super) fn to(pod: &Backend) -> Self {
        let meta = &pod.object.meta;
        Self {
            kind: "Pod".to_owned(),
            namespace: meta.namespace.to_string(),
            name: meta.name.to_string(),
            uid: meta.uid.to_string(),
        }
    }
}

impl Hints {
    /// Each ready endpoint is for its own zone, or its own node too.
    fn of(distribution: TrafficDistribution, endpoint: &Endpoint) -> Option<Self> {
        let near = distribution != TrafficDistribution::Anywhere;
        let wanted = near && endpoint.conditions.ready == Some(true);
        let same_node = distribution == TrafficDistribution::SameNode;
        let named = |name: &Option<String>| name.clone().map(|name| vec![Named { name }]);
        let hints = Self {
            for_zones: named(&endpoint.zone),
            for_nodes: named(&endpoint.node_name).filter(|_| same_node),
        };
        Some(hints).filter(|hints| wanted && *hints != Self::default())
    }
}
