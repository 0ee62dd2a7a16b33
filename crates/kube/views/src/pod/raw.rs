//! A pod as it stands in its body: the members that its view is made of.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{HostPort, NamedPort};
use crate::node::Truth;
use crate::placement::{Affinity, Placement, Spread};
use crate::protocol::Protocol;
use crate::ready::{Phase, Ready};
use crate::resources::{Amounts, Part, Whole};
use crate::selector::Selector;
use crate::taint::RawToleration;
use crate::text::Text;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Raw<'a> {
    pub(super) metadata: Metadata,
    #[serde(borrow)]
    pub(super) spec: Spec<'a>,
    pub(super) status: Status<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) annotations: Cost,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec<'a> {
    #[serde(borrow)]
    pub(super) node_name: Text<'a>,
    containers: Vec<Container<'a>>,
    init_containers: Vec<Container<'a>>,
    resources: Resources<'a>,
    overhead: Amounts<'a>,
    pub(super) scheduler_name: Text<'a>,
    pub(super) scheduling_gates: Vec<IgnoredAny>,
    pub(super) priority: i32,
    pub(super) preemption_policy: Text<'a>,
    pub(super) tolerations: Vec<RawToleration<'a>>,
    node_selector: Selector,
    affinity: Affinity,
    topology_spread_constraints: Box<[Spread]>,
    pub(super) host_network: bool,
    pub(super) hostname: Text<'a>,
    pub(super) subdomain: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    restart_policy: Text<'a>,
    resources: Resources<'a>,
    ports: Vec<Port<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Resources<'a> {
    #[serde(borrow)]
    requests: Amounts<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Port<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    container_port: u16,
    host_port: u16,
    #[serde(rename = "hostIP")]
    host_ip: Text<'a>,
    protocol: Protocol,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status<'a> {
    pub(super) phase: Phase,
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Text<'a>,
    pub(super) start_time: Option<Text<'a>>,
    pub(super) nominated_node_name: Text<'a>,
    pub(super) container_statuses: Vec<Restarts<'a>>,
    init_container_statuses: Vec<Restarts<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    status: Truth,
    last_transition_time: Option<Text<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Restarts<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    restart_count: u32,
}

impl Container<'_> {
    fn is_sidecar(&self) -> bool {
        &*self.restart_policy == "Always"
    }
}

impl<'a> Spec<'a> {
    /// The containers that run as long as the pod does.
    fn lasting(&self) -> impl Iterator<Item = &Container<'a>> {
        let sidecars = self.init_containers.iter().filter(|init| init.is_sidecar());
        self.containers.iter().chain(sidecars)
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = &Port<'a>> {
        self.lasting().flat_map(|container| &container.ports)
    }

    pub(super) fn whole(&self) -> Whole<'_, 'a> {
        fn parts<'p, 'a>(containers: &'p [Container<'a>]) -> Vec<Part<'p, 'a>> {
            let part = |container: &'p Container<'a>| Part {
                requests: &container.resources.requests,
                sidecar: container.is_sidecar(),
            };
            containers.iter().map(part).collect()
        }
        Whole {
            containers: parts(&self.containers),
            initial: parts(&self.init_containers),
            pod: &self.resources.requests,
            overhead: &self.overhead,
        }
    }

    pub(super) fn placement(&mut self) -> Option<Arc<Placement>> {
        let placement = Placement {
            node_selector: std::mem::take(&mut self.node_selector),
            affinity: std::mem::take(&mut self.affinity),
            topology_spread_constraints: std::mem::take(&mut self.topology_spread_constraints),
        };
        (placement != Placement::default()).then(|| Arc::new(placement))
    }

    fn is_sidecar(&self, name: &str) -> bool {
        let mut sidecars = self.init_containers.iter().filter(|init| init.is_sidecar());
        sidecars.any(|init| *init.name == *name)
    }
}

impl Port<'_> {
    pub(super) fn on_host(&self) -> Option<HostPort> {
        let ip = self
            .host_ip
            .parse()
            .ok()
            .filter(|ip| *ip != IpAddr::from([0, 0, 0, 0]));
        (self.host_port > 0).then_some(HostPort {
            ip,
            protocol: self.protocol,
            port: self.host_port,
        })
    }

    pub(super) fn named(&self) -> Option<NamedPort> {
        (!self.name.is_empty()).then(|| NamedPort {
            name: self.name.boxed(),
            port: self.container_port,
            protocol: self.protocol,
        })
    }
}

impl Status<'_> {
    fn condition(&self, kind: &str) -> Option<&Condition<'_>> {
        self.conditions.iter().find(|condition| &*condition.kind == kind)
    }

    pub(super) fn ready(&self) -> Option<Ready> {
        let condition = self.condition("Ready")?;
        Some(Ready {
            is: condition.status == Truth::True,
            since: condition.last_transition_time.as_ref().and_then(Text::time),
        })
    }

    pub(super) fn scheduled(&self) -> bool {
        let scheduled = self.condition("PodScheduled");
        scheduled.is_some_and(|condition| condition.status == Truth::True)
    }

    pub(super) fn sidecar_restarts(&self, spec: &Spec<'_>) -> u32 {
        let sidecars = self
            .init_container_statuses
            .iter()
            .filter(|status| spec.is_sidecar(&status.name));
        most_restarts(sidecars)
    }
}

pub(super) fn most_restarts<'r, 'a: 'r>(statuses: impl Iterator<Item = &'r Restarts<'a>>) -> u32 {
    statuses.map(|status| status.restart_count).max().unwrap_or(0)
}

/// The one annotation that is looked at.
#[derive(Default)]
pub(super) struct Cost(pub(super) i32);

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Cost;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cost, A::Error> {
                let mut cost = Cost::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if &*key == DELETION_COST {
                        cost = Cost(map.next_value::<Text<'de>>()?.parse().unwrap_or(0));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(cost)
            }
        }
        deserializer.deserialize_map(Map)
    }
}
