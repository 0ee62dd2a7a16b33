//! The part of a node's network that a cluster has: where pods and services have their addresses.
//!
//! A node without it has docker's networks and nothing else: no link, no rule and no route more.

use std::net::{IpAddr, Ipv4Addr};

use crate::Error;
use crate::cidr::Cidr;
use crate::networks::State;
use crate::registry::Registry;

/// A cluster's addresses and names, as far as a node's network has to know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Where this node's pods have their addresses. IPv4.
    pub pods: Cidr,
    /// Where services have their addresses. IPv4.
    pub services: Cidr,
    /// The name server's address, out of [`Self::services`].
    pub dns: Ipv4Addr,
    /// What names of services and pods end in (`cluster.local`), without dots around it.
    pub domain: String,
    /// How many namespaces lie ready for pods.
    pub ready: usize,
}

impl Cluster {
    /// The usual name and readiness: `cluster.local`, and a shelf of sixteen.
    pub fn new(pods: Cidr, services: Cidr, dns: Ipv4Addr) -> Self {
        Self {
            pods: pods.masked(),
            services: services.masked(),
            dns,
            domain: "cluster.local".to_owned(),
            ready: 16,
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn refuse(&self) -> Result<(), Error> {
        let Self {
            pods, services, dns, ..
        } = self;
        let four = pods.address.is_ipv4() && services.address.is_ipv4();
        let wrong = if !four {
            format!("pods ({pods}) and services ({services}) have IPv4 addresses")
        } else if pods.overlaps(*services) {
            format!("the addresses of pods ({pods}) and of services ({services}) overlap")
        } else if pods.host_bits() < 2 {
            format!("there is no room for pods in {pods}")
        } else if !services.contains(IpAddr::V4(*dns)) {
            format!("the name server's address {dns} is not in {services}")
        } else {
            return Ok(());
        };
        Err(Error::Invalid(wrong))
    }

    /// No network of docker's may have an address that pods or services have, and the host may have
    /// no other way to them: of another cluster on it, for example.
    pub(crate) fn refuse_overlap(&self, registry: &Registry, elsewhere: &[Cidr]) -> Result<(), Error> {
        let taken = |subnet: &Cidr| self.ranges().iter().any(|range| range.overlaps(*subnet));
        let mut networks = registry.nets.values();
        let network = networks.find(|net| net.subnets().iter().any(taken));
        let who = network.map(|net| format!("the network {}", net.network.name));
        let route = || elsewhere.iter().find(|subnet| taken(subnet));
        let who = who.or_else(|| route().map(|subnet| format!("what this host has at {subnet}")));
        who.map_or(Ok(()), |who| {
            Err(Error::Conflict(format!(
                "the cluster's addresses ({} and {}) overlap with {who}",
                self.pods, self.services
            )))
        })
    }

    /// What docker's networks keep out of.
    pub(crate) const fn ranges(&self) -> [Cidr; 2] {
        [self.pods, self.services]
    }
}

impl State {
    /// The cluster's part of the configuration.
    pub(crate) fn cluster(&self) -> Result<&Cluster, Error> {
        let none = || Error::Unavailable("this node's network has no addresses for pods".to_owned());
        self.config.cluster.as_ref().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cidr = |text: &str| text.parse::<Cidr>().unwrap();
        let cluster = |pods, services, dns: [u8; 4]| Cluster::new(cidr(pods), cidr(services), dns.into());
        assert!(
            cluster("10.42.0.0/24", "10.43.0.0/16", [10, 43, 0, 10])
                .refuse()
                .is_ok()
        );
        for wrong in [
            cluster("fd00::/64", "10.43.0.0/16", [10, 43, 0, 10]),
            cluster("10.42.0.0/8", "10.43.0.0/16", [10, 43, 0, 10]),
            cluster("10.42.0.0/31", "10.43.0.0/16", [10, 43, 0, 10]),
            cluster("10.42.0.0/24", "10.43.0.0/16", [10, 42, 0, 10]),
        ] {
            assert!(wrong.refuse().is_err(), "{wrong:?}");
        }
    }
}
