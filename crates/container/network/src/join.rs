//! A container's place on a network: what it may ask for, what it gets, what it is called there.

use std::net::{IpAddr, Ipv4Addr};

use sys::netns::Namespace;

use crate::links;
use crate::pool::Port;
use crate::registry::{Net, Registry, Reserved};
use crate::row::Joined;
use crate::{Attach, Endpoint, EndpointSpec, Error, Mac};

/// The names of a container, as far as they are the same on all networks.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) container: &'a str,
    pub(crate) name: &'a str,
    pub(crate) hostname: &'a str,
}

impl<'a> Names<'a> {
    pub(crate) fn of(request: &'a Attach) -> Self {
        Self {
            container: &request.container,
            name: &request.name,
            hostname: &request.hostname,
        }
    }

    /// Upstream's order: the name, the aliases, the short id, the host name; each once.
    pub(crate) fn with(self, aliases: &[String]) -> Vec<String> {
        let short: String = self.container.chars().take(12).collect();
        let own = [self.name.to_owned()];
        let all = own
            .iter()
            .chain(aliases)
            .cloned()
            .chain([short, self.hostname.to_owned()]);
        let mut names: Vec<String> = Vec::new();
        for name in all.filter(|name| !name.is_empty()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Reserves a place on a network. `taken` are the names of links that the container has already.
pub(crate) fn join(
    registry: &mut Registry,
    container: &str,
    names: Names<'_>,
    reference: &str,
    spec: &EndpointSpec,
    taken: &[String],
    unique: &str,
) -> Result<(Joined, Option<Port>), Error> {
    let id = registry.find(reference)?.network.id.clone();
    // It was found under the same lock.
    let net = registry
        .nets
        .get_mut(&id)
        .ok_or_else(|| Error::NotFound(format!("network {reference} not found")))?;
    validate(net, spec)?;
    let bridged = net.network.driver == "bridge";
    let reserved = if bridged {
        net.reserve(container, spec)?
    } else {
        net.reserve(container, &EndpointSpec::default())?
    };
    let interface = if bridged {
        interface(net, spec, taken)
    } else {
        String::new()
    };
    let port = bridged.then(|| net.port(interface.clone()));
    Ok((place(net, names, spec, reserved, interface, unique), port))
}

fn place(
    net: &Net,
    names: Names<'_>,
    spec: &EndpointSpec,
    reserved: Reserved,
    interface: String,
    unique: &str,
) -> Joined {
    let ipv4 = reserved.ipv4.and_then(|cidr| {
        if let IpAddr::V4(ip) = cidr.address {
            Some((ip, cidr.prefix))
        } else {
            None
        }
    });
    let ipv6 = reserved.ipv6.and_then(|cidr| {
        if let IpAddr::V6(ip) = cidr.address {
            Some((ip, cidr.prefix))
        } else {
            None
        }
    });
    let outside = !net.network.internal;
    let gateway4 = net.gateway4.filter(|_| outside && ipv4.is_some());
    let gateway6 = net.gateway6.filter(|_| outside && ipv6.is_some());
    let bridged = !interface.is_empty();
    let endpoint = Endpoint {
        endpoint_id: unique.to_owned(),
        network_id: net.network.id.clone(),
        network_name: net.network.name.clone(),
        mac: if bridged {
            spec.mac.unwrap_or_else(|| mac(ipv4.map(|(ip, _)| ip), unique))
        } else {
            Mac::default()
        },
        interface,
        ipv4,
        ipv4_gateway: gateway4.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
        ipv6,
        ipv6_gateway: gateway6.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
        aliases: spec.aliases.clone(),
        dns_names: if net.named() {
            names.with(&spec.aliases)
        } else {
            Vec::new()
        },
    };
    Joined {
        endpoint,
        link: String::new(),
        index: 0,
        links: spec.links.iter().map(|text| link(text)).collect(),
        gw_priority: spec.gw_priority,
        internal: net.network.internal,
        named: net.named(),
    }
}

/// Derived from the IPv4 address; without one, from chance.
fn mac(ipv4: Option<Ipv4Addr>, unique: &str) -> Mac {
    ipv4.map_or_else(
        || {
            let bits = u32::from_str_radix(unique.get(..8).unwrap_or_default(), 16).unwrap_or(0);
            Mac::of(bits.into())
        },
        Mac::of,
    )
}

/// Upstream's rules and words.
fn validate(net: &Net, spec: &EndpointSpec) -> Result<(), Error> {
    let mut faults = Vec::new();
    let asked: Vec<IpAddr> = spec
        .ipv4
        .map(IpAddr::V4)
        .into_iter()
        .chain(spec.ipv6.map(IpAddr::V6))
        .collect();
    if net.network.predefined() {
        if !asked.is_empty() {
            faults.push("user specified IP address is supported on user defined networks only".to_owned());
        }
        if !spec.aliases.is_empty() {
            faults.push(
                "network-scoped alias is supported only for containers in user defined networks".to_owned(),
            );
        }
    }
    faults.extend(asked.iter().filter_map(|address| net.refuse_static(*address)));
    faults.extend(sysctl_faults(spec));
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(format!(
            "invalid endpoint settings:\n{}",
            crate::validate::join(&faults)
        )))
    }
}

const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

fn listed_sysctls(spec: &EndpointSpec) -> impl Iterator<Item = &str> {
    let list = spec.driver_opts.get(SYSCTLS);
    list.into_iter().flat_map(|list| list.split(','))
}

fn sysctl_faults(spec: &EndpointSpec) -> Vec<String> {
    let bad = |sysctl: &&str| {
        let parts: Vec<_> = sysctl.splitn(5, '.').collect();
        let name = sysctl.split_once('=').map_or("", |(name, _)| name);
        !matches!(
            parts[..],
            [_, "ipv4" | "ipv6" | "mpls", _, "IFNAME" | "ifname", _]
        ) || name.contains('/')
            || sys::sysctl::below_proc_sys(name).is_err()
    };
    let text = |sysctl| {
        format!(
            "unrecognised network interface sysctl '{sysctl}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
        )
    };
    listed_sysctls(spec).filter(bad).map(text).collect()
}

/// The sysctls of an endpoint with the link's name filled in.
pub(crate) fn endpoint_sysctls(spec: &EndpointSpec, interface: &str) -> Vec<(String, String)> {
    let pairs = listed_sysctls(spec).filter_map(|sysctl| sysctl.split_once('='));
    let named = |(name, value): (&str, &str)| {
        let parts: Vec<_> = name.splitn(5, '.').collect();
        let path: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(at, part)| if at == 3 { interface } else { part })
            .collect();
        (path.join("/"), value.to_owned())
    };
    pairs.map(named).collect()
}

/// Sets sysctls inside; a wrong name or value fails with its name.
pub(crate) fn set_sysctls(namespace: &Namespace, sysctls: &[(String, String)]) -> Result<(), Error> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let set = || {
        sysctls
            .iter()
            .try_for_each(|(name, value)| links::set_sysctl(name, value))
    };
    namespace
        .run(set)
        .and_then(|result| result)
        .map_err(Error::kernel("cannot set a sysctl of the container's interface"))
}

/// The name that was asked for, or the first free number.
fn interface(net: &Net, spec: &EndpointSpec, taken: &[String]) -> String {
    if let Some(name) = spec.driver_opts.get("com.docker.network.endpoint.ifname") {
        return name.clone();
    }
    let mut names = (0..).map(|number: u32| format!("{}{number}", net.options.prefix));
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// The alias and the container of `CONTAINER`, `CONTAINER:ALIAS`, or `/CONTAINER:/ITSELF/ALIAS` as it is
/// stored. The container need not be there yet: it is looked for when its alias is asked for.
fn link(text: &str) -> (String, String) {
    let (wanted, alias) = text.split_once(':').unwrap_or((text, text));
    let (wanted, alias) = match wanted.strip_prefix('/') {
        Some(wanted) => (wanted, alias.rsplit('/').next().unwrap_or(alias)),
        None => (wanted, alias),
    };
    (alias.to_owned(), wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_of_an_endpoint_stays_below_its_link() {
        for (sysctl, bad) in [
            ("net.ipv4.conf.IFNAME.log_martians=1", false),
            ("net.ipv4.conf.IFNAME.log_martians=a/b..c", false),
            ("net.ipv4.conf.IFNAME.log_martians", true),
            ("net.ipv4.conf.IFNAME./../../../../../kernel/core_pattern=1", true),
            ("net.ipv4.conf.IFNAME.//.//.kernel=1", true),
            ("net/./..ipv4.conf.IFNAME.x=1", true),
        ] {
            let mut spec = EndpointSpec::default();
            spec.driver_opts.insert(SYSCTLS.to_owned(), sysctl.to_owned());
            assert_eq!(!sysctl_faults(&spec).is_empty(), bad, "{sysctl}");
        }
    }

    #[test]
    fn a_link_has_an_alias() {
        for (text, alias, wanted) in [
            ("db", "db", "db"),
            ("db:store", "store", "db"),
            ("/db:/web/store", "store", "db"),
        ] {
            assert_eq!(link(text), (alias.to_owned(), wanted.to_owned()));
        }
    }
}
