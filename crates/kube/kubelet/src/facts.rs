//! What a kubelet knows of its node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schema::quantity::Quantity;

/// The node of a kubelet: what pods are told of it and admitted by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    /// Its name in the API.
    pub name: String,
    /// Its addresses, the first one first (`status.hostIPs`).
    pub addresses: Vec<IpAddr>,
    /// What pods may use of it: cpu, memory, ephemeral-storage, pods, hugepages.
    pub allocatable: BTreeMap<String, Quantity>,
    /// The cluster's domain: `cluster.local`.
    pub domain: String,
}

impl NodeFacts {
    /// How much pods may use of a resource; none for one that the node does not have.
    pub fn allocatable(&self, resource: &str) -> Option<Quantity> {
        self.allocatable.get(resource).copied()
    }
}
