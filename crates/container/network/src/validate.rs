//! What `POST /networks/create` may say, and upstream's words for what it may not.

use std::net::{IpAddr, Ipv6Addr};

use crate::cidr::Cidr;
use crate::{Error, IpamConfig, NetworkSpec};

/// The subnet, range, gateway and reserved addresses of one family, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) subnet: Cidr,
    pub(crate) range: Option<Cidr>,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) aux: Vec<(String, IpAddr)>,
}

/// Reads the IPAM part. All faults are told at once, as upstream does.
pub(crate) fn ipam(spec: &NetworkSpec) -> Result<Vec<Subnet>, Error> {
    let mut faults = Vec::new();
    let subnets: Vec<_> = spec
        .ipam
        .configs
        .iter()
        .filter_map(|config| subnet(config, spec.ipv6, &mut faults))
        .collect();
    if faults.is_empty() {
        return Ok(subnets);
    }
    Err(Error::Invalid(format!(
        "invalid network config:\n{}",
        join(&faults)
    )))
}

/// Several faults as upstream lists them; one stands alone.
pub(crate) fn join(faults: &[String]) -> String {
    match faults {
        [one] => one.trim().to_owned(),
        several => {
            let items: Vec<_> = several.iter().map(|fault| fault.replace('\n', "\n\t")).collect();
            format!("* {}", items.join("\n* "))
        }
    }
}

fn subnet(config: &IpamConfig, ipv6: bool, faults: &mut Vec<String>) -> Option<Subnet> {
    let Ok(subnet) = config.subnet.parse::<Cidr>() else {
        faults.push(format!(
            "invalid subnet {}: invalid CIDR block notation",
            config.subnet
        ));
        return None;
    };
    if !ipv6 && subnet.address.is_ipv6() {
        return None;
    }
    if subnet != subnet.masked() {
        faults.push(format!(
            "invalid subnet {subnet}: it should be {}",
            subnet.masked()
        ));
    }
    let range = range(&config.ip_range, subnet, faults);
    let gateway = address(&config.gateway, subnet)
        .unwrap_or_else(|fault| note(faults, format!("invalid gateway {}: {fault}", config.gateway)));
    let aux = config.aux.iter().filter_map(|(name, text)| {
        let found = address(text, subnet);
        let found =
            found.unwrap_or_else(|fault| note(faults, format!("invalid auxiliary address {name}: {fault}")));
        Some((name.clone(), found?))
    });
    let aux = aux.collect();
    Some(Subnet {
        subnet,
        range,
        gateway,
        aux,
    })
}

fn note<T>(faults: &mut Vec<String>, fault: String) -> Option<T> {
    faults.push(fault);
    None
}

fn range(text: &str, subnet: Cidr, faults: &mut Vec<String>) -> Option<Cidr> {
    if text.is_empty() {
        return None;
    }
    let Ok(range) = text.parse::<Cidr>() else {
        return note(
            faults,
            format!("invalid ip-range {text}: invalid CIDR block notation"),
        );
    };
    if range.address.is_ipv4() != subnet.address.is_ipv4() {
        return note(
            faults,
            format!(
                "invalid ip-range {text}: parent subnet is an {} block",
                family(subnet.address)
            ),
        );
    }
    let wrong = [
        (
            range.prefix < subnet.prefix,
            format!("CIDR block is bigger than its parent subnet {subnet}"),
        ),
        (
            range != range.masked(),
            format!("it should be {}", range.masked()),
        ),
        (
            !range.overlaps(subnet),
            format!("parent subnet {subnet} doesn't contain ip-range"),
        ),
    ];
    faults.extend(
        wrong
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, why)| format!("invalid ip-range {text}: {why}")),
    );
    Some(range)
}

fn address(text: &str, subnet: Cidr) -> Result<Option<IpAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let address: IpAddr = text.parse().map_err(|_| "invalid address".to_owned())?;
    if address.is_ipv4() != subnet.address.is_ipv4() {
        return Err(format!("parent subnet is an {} block", family(subnet.address)));
    }
    if !subnet.contains(address) {
        return Err(format!("parent subnet {subnet} doesn't contain this address"));
    }
    Ok(Some(address))
}

const fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// A driver we have, or upstream's answer.
pub(crate) fn driver(driver: &str) -> Result<(), Error> {
    match driver {
        "" | "bridge" => Ok(()),
        "host" | "null" => Err(Error::Forbidden(format!("only one instance of \"{driver}\" network is allowed"))),
        "overlay" => Err(Error::Forbidden(
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.".to_owned(),
        )),
        other => Err(Error::NotFound(format!("plugin \"{other}\" not found"))),
    }
}

/// The bridge driver's options, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) link: Option<String>,
    pub(crate) masquerade: bool,
    pub(crate) icc: bool,
    pub(crate) publish_on: Option<IpAddr>,
    pub(crate) mtu: Option<u32>,
    /// What interfaces in containers are called, before their number.
    pub(crate) prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            link: None,
            masquerade: true,
            icc: true,
            publish_on: None,
            mtu: None,
            prefix: "eth".to_owned(),
        }
    }
}

/// What upstream's driver knows and we cannot honour, and the only value that changes nothing.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("com.docker.network.bridge.gateway_mode_ipv4", "nat"),
    ("com.docker.network.bridge.gateway_mode_ipv6", "nat"),
    ("com.docker.network.bridge.inhibit_ipv4", "false"),
    ("com.docker.network.bridge.trusted_host_interfaces", ""),
    ("com.docker.network.host_ipv4", ""),
    ("com.docker.network.host_ipv6", ""),
];

const GATEWAY_MODES: [&str; 4] = ["nat", "nat-unprotected", "routed", "isolated"];

/// Reads the options. Names that upstream's driver does not know are kept and shown; names that
/// it knows and we cannot honour are refused.
pub(crate) fn options<'a>(
    options: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Options, Error> {
    let mut read = Options::default();
    for (name, value) in options {
        let failed = |why: String| Error::Invalid(format!("failed to parse {name} value: {value} ({why})"));
        match name.as_str() {
            "com.docker.network.bridge.name" => read.link = Some(link_name(value)?),
            "com.docker.network.bridge.enable_ip_masquerade" => {
                read.masquerade = boolean(value).map_err(failed)?;
            }
            "com.docker.network.bridge.enable_icc" => read.icc = boolean(value).map_err(failed)?,
            "com.docker.network.bridge.host_binding_ipv4" => {
                read.publish_on = Some(value.parse().map_err(|_| failed("nil ip".to_owned()))?);
            }
            "com.docker.network.driver.mtu" => read.mtu = mtu(integer(value).map_err(failed)?)?,
            "com.docker.network.container_iface_prefix" => read.prefix = link_name(value)?,
            _ => unsupported(name, value, failed)?,
        }
    }
    Ok(read)
}

fn unsupported(name: &str, value: &str, failed: impl Fn(String) -> Error) -> Result<(), Error> {
    let Some((_, harmless)) = UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == name) else {
        return Ok(());
    };
    let harmless = match *harmless {
        "false" => !boolean(value).map_err(failed)?,
        "nat" if !GATEWAY_MODES.contains(&value) => {
            return Err(failed(format!("unknown gateway mode {value}")));
        }
        harmless => value == harmless,
    };
    let refused = || Error::Unsupported(format!("{name}={value} is not supported yet"));
    harmless.then_some(()).ok_or_else(refused)
}

/// Go's `strconv.ParseBool`, with its words for what is none.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// Go's `strconv.Atoi`, with its words for what is none.
fn integer(text: &str) -> Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| {
        let beyond = matches!(error.kind(), PosOverflow | NegOverflow);
        let why = if beyond {
            "value out of range"
        } else {
            "invalid syntax"
        };
        format!("strconv.Atoi: parsing {text:?}: {why}")
    })
}

/// Zero leaves the choice to the kernel, whose bounds for links are those of IPv4.
fn mtu(mtu: i64) -> Result<Option<u32>, Error> {
    let links = u32::try_from(mtu)
        .ok()
        .filter(|mtu| *mtu == 0 || (68..=65_535).contains(mtu));
    let links = links.ok_or_else(|| Error::Invalid(format!("invalid MTU number: {mtu}")))?;
    Ok((links > 0).then_some(links))
}

/// IPv6 subnets that no bridge may have; upstream's words.
pub(crate) fn refuse_special(subnet: Cidr, gateway: IpAddr) -> Result<(), Error> {
    let IpAddr::V6(address) = subnet.address else {
        return Ok(());
    };
    let shown = Cidr::new(gateway, subnet.prefix);
    let link_local = Cidr::new(LINK_LOCAL.into(), 64);
    let why = if address.to_ipv4_mapped().is_some() {
        format!("'{shown}' is not a valid IPv6 subnet")
    } else if address.is_multicast() {
        format!("multicast subnet '{shown}' is not allowed")
    } else if subnet.masked() != link_local && link_local.overlaps(subnet) {
        format!("'{shown}' clashes with the Link-Local prefix 'fe80::/64'")
    } else {
        return Ok(());
    };
    Err(Error::Invalid(why))
}

/// The subnet of link-local addresses. RFC 4291 §2.5.6
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

/// The kernel's rules for names of links (`dev_valid_name`).
fn link_name(name: &str) -> Result<String, Error> {
    let bad = name.is_empty() || name.len() > 15 || name == "." || name == "..";
    if bad || name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
        return Err(Error::Invalid(format!("invalid interface name: {name:?}")));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;
