//! Which subnets a new network gets, and which address of each its bridge has. Pure.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

use driver::Rng;

use crate::cidr::Cidr;
use crate::ipam::{self, Pool, choose_subnet};
use crate::networks::lock;
use crate::registry::{Net, Registry};
use crate::validate::{self, Subnet};
use crate::{Error, Ipam, IpamConfig, NetworkSpec};

/// A network that is to have subnets.
pub(crate) struct New<'a> {
    pub(crate) id: &'a str,
    pub(crate) link: &'a str,
    pub(crate) spec: &'a NetworkSpec,
    /// Where subnets come from that the user does not name.
    pub(crate) pools: &'a [Pool],
    pub(crate) rng: &'a Mutex<Rng>,
    /// What the host uses: it is not chosen, but the user may name it.
    pub(crate) in_the_way: &'a [Cidr],
}

/// What a new network gets.
pub(crate) struct Choice {
    /// What clients are shown: what the user said, IPv4 first, and what was chosen for him.
    pub(crate) ipam: Ipam,
    /// The bridge's addresses.
    pub(crate) gateways: Vec<IpAddr>,
}

/// Upstream's order: all of IPv4, then all of IPv6, and what its bridges cannot do at last.
pub(crate) fn choose(registry: &Registry, new: &New<'_>, subnets: &[Subnet]) -> Result<Choice, Error> {
    let mut choice = Choice {
        ipam: said(&new.spec.ipam),
        gateways: Vec::new(),
    };
    let mut taken = registry.subnets();
    for (ipv6, wanted) in [(false, new.spec.ipv4), (true, new.spec.ipv6)] {
        let of_family = |subnet: &&Subnet| subnet.subnet.address.is_ipv6() == ipv6;
        let mut said = subnets.iter().filter(of_family).filter(|_| wanted).peekable();
        if wanted && said.peek().is_none() {
            let subnet = plain(free_subnet(new, ipv6, &[&taken[..], new.in_the_way].concat())?);
            let gateway = gateway(&subnet)?;
            choice.ipam.configs.push(config(&subnet, gateway));
            choice.gateways.push(gateway);
        }
        for subnet in said {
            refuse_overlap(registry, new, subnet, &taken)?;
            let gateway = gateway(subnet)?;
            validate::refuse_special(subnet.subnet, gateway)?;
            choice.gateways.push(gateway);
            taken.push(subnet.subnet);
        }
    }
    let v4 = subnets
        .iter()
        .filter(|subnet| subnet.subnet.address.is_ipv4())
        .count();
    if v4 > 1 || subnets.len() - v4 > 1 {
        return Err(Error::Forbidden(
            "bridge driver doesn't support multiple subnets".to_owned(),
        ));
    }
    Ok(choice)
}

fn said(ipam: &Ipam) -> Ipam {
    let is_v6 = |config: &IpamConfig| config.subnet.contains(':');
    let (v6, v4): (Vec<_>, Vec<_>) = ipam.configs.iter().cloned().partition(is_v6);
    Ipam {
        driver: "default".to_owned(),
        configs: [v4, v6].concat(),
        options: ipam.options.clone(),
    }
}

/// Upstream's address management overlooks overlaps of networks that have an ip-range, and its
/// bridge driver finds them: hence two texts.
fn refuse_overlap(registry: &Registry, new: &New<'_>, wanted: &Subnet, taken: &[Cidr]) -> Result<(), Error> {
    if !taken.iter().any(|other| other.overlaps(wanted.subnet)) {
        return Ok(());
    }
    let overlaps = |net: &&Net| net.subnets().iter().any(|other| other.overlaps(wanted.subnet));
    let same = |config: &IpamConfig| {
        config.subnet.parse() == Ok(wanted.subnet) && config.ip_range.parse().ok() == wanted.range
    };
    let other = registry
        .nets
        .values()
        .find(overlaps)
        .filter(|_| wanted.range.is_some());
    let Some(other) = other.filter(|net| !net.network.ipam.configs.iter().any(same)) else {
        return Err(Error::Forbidden(
            "invalid pool request: Pool overlaps with other one on this address space".to_owned(),
        ));
    };
    Err(Error::Forbidden(format!(
        "cannot create network {} ({}): conflicts with network {} ({}): networks have overlapping IPv{}",
        new.id,
        new.link,
        other.network.id,
        other.network.link.as_deref().unwrap_or_default(),
        if wanted.subnet.address.is_ipv4() { 4 } else { 6 }
    )))
}

pub(crate) fn subnets_of(ipam: &Ipam) -> Vec<Cidr> {
    ipam.configs
        .iter()
        .filter_map(|config| config.subnet.parse().ok())
        .collect()
}

pub(crate) const fn plain(subnet: Cidr) -> Subnet {
    Subnet {
        subnet,
        range: None,
        gateway: None,
        aux: Vec::new(),
    }
}

/// A subnet for which the user said nothing.
fn free_subnet(new: &New<'_>, ipv6: bool, taken: &[Cidr]) -> Result<Cidr, Error> {
    if ipv6 && !ipam::has_ipv6(new.pools) {
        return Ok(local_subnet(new.rng, taken));
    }
    choose_subnet(new.pools, ipv6, taken)
}

/// An IPv6 subnet that nobody is likely to have: a /64 of a random unique local prefix. RFC 4193
fn local_subnet(rng: &Mutex<Rng>, taken: &[Cidr]) -> Cidr {
    loop {
        let random = u128::from(lock(rng).next_u64() >> 8);
        let subnet = Cidr::new(Ipv6Addr::from_bits(0xfd << 120 | random << 64).into(), 64);
        if !taken.iter().any(|other| other.overlaps(subnet)) {
            return subnet;
        }
    }
}

/// The bridge's address: the one that the user named, or the lowest of the range, which is that of
/// the subnet unless the user says otherwise. Nothing else may have it.
pub(crate) fn gateway(subnet: &Subnet) -> Result<IpAddr, Error> {
    const IN_USE: &str = "Address already in use";
    let mut addresses = ipam::Addresses::new(subnet.subnet, subnet.range);
    let gateway = match subnet.gateway {
        Some(gateway) => {
            let failed = |_| Error::Exhausted(format!("failed to allocate gateway ({gateway}): {IN_USE}"));
            addresses.take(gateway).map(|()| gateway).map_err(failed)?
        }
        None => addresses.take_next().ok_or_else(|| {
            let why = "no available addresses on this pool";
            Error::Exhausted(format!("failed to allocate gateway (): {why}"))
        })?,
    };
    for (name, address) in &subnet.aux {
        let failed = |_| {
            let what = format!("failed to allocate secondary ip address ({name}:{address})");
            Error::Exhausted(format!("{what}: {IN_USE}"))
        };
        addresses.take(*address).map_err(failed)?;
    }
    Ok(gateway)
}

/// How a subnet is shown that was chosen.
pub(crate) fn config(subnet: &Subnet, gateway: IpAddr) -> IpamConfig {
    IpamConfig {
        subnet: subnet.subnet.to_string(),
        gateway: gateway.to_string(),
        ..IpamConfig::default()
    }
}

#[cfg(test)]
mod tests;
