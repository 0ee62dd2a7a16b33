//! What callers ask for: a network to make, a container to attach.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network to create (Engine API 1.50 `POST /networks/create`). Subnets and addresses are texts
/// as the user wrote them: what is wrong with them is answered in upstream's words.
#[derive(Clone, Debug, Default)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// `bridge` if empty.
    pub driver: String,
    /// No way out of the network but to its own containers.
    pub internal: bool,
    /// Kept and shown; it has a meaning for swarm only.
    pub attachable: bool,
    /// Containers get an IPv4 address. Upstream's default is true.
    pub ipv4: bool,
    /// Containers get an IPv6 address.
    pub ipv6: bool,
    /// Where addresses come from.
    pub ipam: Ipam,
    /// Driver options: the `com.docker.network.*` names of the bridge driver.
    pub options: BTreeMap<String, String>,
    /// Kept and shown.
    pub labels: BTreeMap<String, String>,
}

/// Where the addresses of a network come from (Engine API `IPAM`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipam {
    /// `default` if empty; there is no other (`null` goes with `host` and `none`).
    pub driver: String,
    /// At most one subnet of each family.
    pub configs: Vec<IpamConfig>,
    /// Kept and shown; absent is not the same as empty there.
    pub options: Option<BTreeMap<String, String>>,
}

/// One subnet (Engine API `IPAMConfig`). Empty members are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpamConfig {
    /// CIDR of the whole.
    pub subnet: String,
    /// CIDR of the part that addresses are taken from.
    pub ip_range: String,
    /// The bridge's own address.
    pub gateway: String,
    /// Addresses that are used by something else, by name.
    pub aux: BTreeMap<String, String>,
}

/// How a container joins one network (Engine API `EndpointSettings`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// This address and no other. User-defined networks with a configured subnet only.
    pub ipv4: Option<Ipv4Addr>,
    /// As `ipv4`.
    pub ipv6: Option<Ipv6Addr>,
    /// This hardware address instead of one derived from the address.
    pub mac: Option<Mac>,
    /// Further names under which others on the network find the container.
    pub aliases: Vec<String>,
    /// `CONTAINER` or `CONTAINER:ALIAS`: names that only this container can use.
    pub links: Vec<String>,
    /// `com.docker.network.endpoint.sysctls` and `com.docker.network.endpoint.ifname`.
    pub driver_opts: BTreeMap<String, String>,
    /// The network with the highest one provides the default route.
    pub gw_priority: i64,
}

/// A container that is about to run.
#[derive(Clone, Debug, Default)]
pub struct Attach {
    /// Its id, 64 hex digits.
    pub container: String,
    /// Its name, without the slash.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// Its domain name, empty for none.
    pub domainname: String,
    /// The networks to join, by name or id: none means the network `none`; `host` stands alone.
    pub networks: Vec<(String, EndpointSpec)>,
    /// The ports to publish.
    pub ports: Vec<PortBinding>,
    /// What the user said about name resolution.
    pub dns: DnsSpec,
    /// `NAME:ADDRESS` lines for the hosts file; the address `host-gateway` is the host's.
    pub extra_hosts: Vec<String>,
    /// `net.*` values to set in the namespace.
    pub sysctls: Vec<(String, String)>,
}

/// What the user said about name resolution; empty members come from the host's `resolv.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// `--dns`.
    pub servers: Vec<IpAddr>,
    /// `--dns-search`; a single `.` means none.
    pub search: Vec<String>,
    /// `--dns-option`.
    pub options: Vec<String>,
}

/// A port to publish (Engine API `PortBindings`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The port in the container.
    pub container_port: u16,
    /// Of which protocol.
    pub protocol: Protocol,
    /// The host's address to bind; `None` is the network's default, usually all of them.
    pub host_ip: Option<IpAddr>,
    /// The first free one of this range (both ends count); `None` lets us choose.
    pub host_port: Option<(u16, u16)>,
}

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its number in an IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A hardware address of six bytes, written `02:42:ac:11:00:02`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address that belongs to an IPv4 address. Whoever gets the same address again has the
    /// same hardware address, so no neighbour's cache is ever wrong.
    pub const fn of(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    /// Go's `net.ParseMAC` for six bytes: pairs of hex digits between colons or hyphens.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("address {text}: invalid MAC address");
        let separator = if text.contains(':') { ':' } else { '-' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        parts.next().map_or(Ok(Self(bytes)), |_| Err(wrong()))
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_read_as_they_are_written() {
        let mac = Mac::of(Ipv4Addr::new(172, 17, 0, 2));
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        assert_eq!("02-42-AC-11-00-02".parse(), Ok(mac));
        for wrong in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "02:42:ac:11:00:2",
            "zz:42:ac:11:00:02",
        ] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }
}
