//! Networks and sandboxes in memory, with what is reserved in them. Pure: behind one lock that is
//! held for lookups and reservations only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::cidr::Cidr;
use crate::ipam::Addresses;
use crate::pods::Pods;
use crate::pool::Port;
use crate::ports::Taken;
use crate::row::{NetworkRow, SandboxRow};
use crate::sandboxes::{Live, Open};
use crate::table::Segment;
use crate::validate::{self, Options};
use crate::{EndpointSpec, Error, Network};

/// A network and the addresses of its containers.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) network: Arc<Network>,
    pub(crate) options: Options,
    configured: [bool; 2],
    pub(crate) borrowed: bool,
    /// Index of the bridge; 0 without one.
    pub(crate) master: u32,
    pub(crate) gateway4: Option<IpAddr>,
    pub(crate) gateway6: Option<IpAddr>,
    v4: Option<Addresses>,
    v6: Option<Addresses>,
    /// Containers that have a place on it or are getting one.
    users: BTreeSet<String>,
}

/// The addresses that were reserved for a place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved {
    pub(crate) ipv4: Option<Cidr>,
    pub(crate) ipv6: Option<Cidr>,
}

impl Net {
    pub(crate) fn new(row: &NetworkRow, master: u32) -> Result<Self, Error> {
        let mut net = Self {
            network: Arc::new(row.network.clone()),
            options: validate::options(&row.network.options)?,
            configured: row.configured,
            borrowed: row.borrowed,
            master,
            gateway4: None,
            gateway6: None,
            v4: None,
            v6: None,
            users: BTreeSet::new(),
        };
        for config in &row.network.ipam.configs {
            net.add_subnet(config, &row.gateways);
        }
        Ok(net)
    }

    /// What is in a row was judged when it was written. A subnet of a family that the network does
    /// not speak is only shown.
    fn add_subnet(&mut self, config: &crate::IpamConfig, gateways: &[IpAddr]) {
        let spoken = |subnet: &Cidr| {
            if subnet.address.is_ipv4() {
                self.network.ipv4
            } else {
                self.network.ipv6
            }
        };
        let Some(subnet) = config.subnet.parse().ok().filter(spoken) else {
            return;
        };
        let mut addresses = Addresses::new(subnet, config.ip_range.parse().ok());
        let gateway = gateways.iter().copied().find(|gateway| subnet.contains(*gateway));
        let aux = config.aux.values().filter_map(|text| text.parse().ok());
        for address in gateway.into_iter().chain(aux) {
            let _ = addresses.take(address);
        }
        if subnet.address.is_ipv4() {
            (self.v4, self.gateway4) = (Some(addresses), gateway);
        } else {
            (self.v6, self.gateway6) = (Some(addresses), gateway);
        }
    }

    /// Why a container may not ask for this address; upstream's words.
    pub(crate) fn refuse_static(&self, address: IpAddr) -> Option<String> {
        let (pool, configured) = match address {
            IpAddr::V4(_) => (&self.v4, self.configured[0]),
            IpAddr::V6(_) => (&self.v6, self.configured[1]),
        };
        let Some(pool) = pool.as_ref().filter(|_| configured) else {
            let only = "user specified IP address is supported only when connecting to networks with user configured subnets";
            return Some(only.to_owned());
        };
        let none = !pool.subnet().contains(address);
        none.then(|| format!("no configured subnet or ip-range contain the IP address {address}"))
    }

    pub(crate) fn subnets(&self) -> Vec<Cidr> {
        self.v4.iter().chain(&self.v6).map(Addresses::subnet).collect()
    }

    /// The bridge's own addresses.
    pub(crate) fn gateways(&self) -> Vec<Cidr> {
        let with_prefix = |gateway: Option<IpAddr>, addresses: &Option<Addresses>| {
            Some(Cidr::new(gateway?, addresses.as_ref()?.subnet().prefix))
        };
        let v4 = with_prefix(self.gateway4, &self.v4);
        v4.into_iter()
            .chain(with_prefix(self.gateway6, &self.v6))
            .collect()
    }

    /// What the table has to know, for networks with a bridge.
    pub(crate) fn segment(&self) -> Option<Segment> {
        Some(Segment {
            link: self.network.link.clone()?,
            subnets: self.subnets(),
            internal: self.network.internal,
            icc: self.options.icc,
            masquerade: self.options.masquerade,
        })
    }

    /// A link on this network, called `interface` in the container.
    pub(crate) fn port(&self, interface: String) -> Port {
        Port {
            network: self.network.id.clone(),
            master: Some(self.master),
            mtu: self.options.mtu,
            interface,
            ipv6: self.v6.is_some(),
        }
    }

    /// Whether containers find each other by name here.
    pub(crate) fn named(&self) -> bool {
        self.network.driver == "bridge" && !self.network.predefined()
    }

    pub(crate) fn in_use(&self) -> bool {
        !self.users.is_empty()
    }

    /// Reserves addresses for a container; nothing is reserved when it fails.
    pub(crate) fn reserve(&mut self, container: &str, spec: &EndpointSpec) -> Result<Reserved, Error> {
        let ipv4 = take(self.v4.as_mut(), spec.ipv4.map(IpAddr::V4), &self.network, 4)?;
        let ipv6 = take(self.v6.as_mut(), spec.ipv6.map(IpAddr::V6), &self.network, 6).inspect_err(|_| {
            self.v4
                .as_mut()
                .zip(ipv4)
                .into_iter()
                .for_each(|(pool, cidr)| pool.release(cidr.address));
        })?;
        self.users.insert(container.to_owned());
        Ok(Reserved { ipv4, ipv6 })
    }

    /// Reserves the addresses of a row; one that does not fit is somebody else's by now.
    pub(crate) fn restore(&mut self, container: &str, addresses: impl Iterator<Item = IpAddr>) {
        for address in addresses {
            let pool = if address.is_ipv4() {
                &mut self.v4
            } else {
                &mut self.v6
            };
            if let Some(Err(error)) = pool.as_mut().map(|pool| pool.take(address)) {
                tracing::warn!(%error, %address, container, "an address is used twice");
            }
        }
        self.users.insert(container.to_owned());
    }

    /// Gives the addresses of a container back.
    pub(crate) fn release(&mut self, container: &str, addresses: impl Iterator<Item = IpAddr>) {
        for address in addresses {
            let pool = if address.is_ipv4() {
                &mut self.v4
            } else {
                &mut self.v6
            };
            pool.iter_mut().for_each(|pool| pool.release(address));
        }
        self.users.remove(container);
    }
}

fn take(
    pool: Option<&mut Addresses>,
    asked: Option<IpAddr>,
    network: &Network,
    family: u8,
) -> Result<Option<Cidr>, Error> {
    let Some(pool) = pool else {
        return match asked {
            None => Ok(None),
            Some(address) => Err(Error::Invalid(format!(
                "invalid address {address}: It does not belong to any of this network's subnets"
            ))),
        };
    };
    let address = match asked {
        Some(address) => {
            pool.take(address)?;
            address
        }
        None => pool.take_next().ok_or_else(|| {
            Error::Exhausted(format!(
                "no available IPv{family} addresses on this network's address pools: {} ({})",
                network.name, network.id
            ))
        })?,
    };
    Ok(Some(Cidr::new(address, pool.subnet().prefix)))
}

/// Everything that is in memory.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By id.
    pub(crate) nets: BTreeMap<String, Net>,
    /// By container.
    pub(crate) sandboxes: BTreeMap<String, Live>,
    pub(crate) pods: Pods,
    pub(crate) ports: Taken,
    /// Containers that somebody is working on.
    pub(crate) busy: BTreeSet<String>,
    /// Nothing new is attached any more.
    pub(crate) closing: bool,
    /// Names and subnets of networks that are being created.
    pub(crate) coming: BTreeMap<String, Vec<Cidr>>,
}

impl Registry {
    /// The network with this id, name or unambiguous beginning of an id; upstream's order.
    pub(crate) fn find(&self, reference: &str) -> Result<&Net, Error> {
        if let Some(net) = self.nets.get(reference).or_else(|| self.named(reference)) {
            return Ok(net);
        }
        let mut matching = self
            .nets
            .values()
            .filter(|net| !reference.is_empty() && net.network.id.starts_with(reference));
        match (matching.next(), matching.count()) {
            (Some(net), 0) => Ok(net),
            (None, _) => Err(Error::NotFound(format!("network {reference} not found"))),
            (Some(_), more) => Err(Error::Invalid(format!(
                "network {reference} is ambiguous ({} matches found based on ID prefix)",
                more + 1
            ))),
        }
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Net> {
        self.nets.values().find(|net| net.network.name == name)
    }

    /// The rows of all containers and pods that are attached.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Arc<SandboxRow>> {
        let containers = self.sandboxes.values().map(|live| &live.row);
        containers.chain(self.pods.rows())
    }

    /// A container or a pod, as it is kept and what is open for it.
    pub(crate) fn attached(&self, key: &str) -> Option<(Arc<SandboxRow>, Arc<Open>)> {
        let container = self.sandboxes.get(key);
        let container = container.map(|live| (live.row.clone(), live.open.clone()));
        container.or_else(|| self.pods.attached(key))
    }

    /// All subnets of all networks.
    pub(crate) fn subnets(&self) -> Vec<Cidr> {
        self.nets
            .values()
            .flat_map(Net::subnets)
            .chain(self.coming.values().flatten().copied())
            .collect()
    }
}
