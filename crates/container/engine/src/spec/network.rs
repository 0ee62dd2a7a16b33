//! How a container is reached and what it reaches.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Networks, ports and names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Networking {
    /// Whose network namespace.
    pub mode: NetworkMode,
    /// Networks to be on, by name or id, in order; [`NetworkMode::Networks`] only. Kept up to date
    /// by connect and disconnect.
    pub endpoints: Vec<(String, EndpointSettings)>,
    /// Ports published on the host.
    pub ports: Vec<PublishedPort>,
    /// Ports the image or the user exposes; with `publish_all` each is published on a free one.
    pub exposed: Vec<(u16, PortProtocol)>,
    /// `-P`.
    pub publish_all: bool,
    /// DNS servers; empty for the host's.
    pub dns: Vec<IpAddr>,
    /// DNS search domains; empty for the host's.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Lines for `/etc/hosts`, `NAME:ADDRESS` each; `host-gateway` is the bridge's address.
    pub extra_hosts: Vec<String>,
    /// Legacy links on the default bridge: (container id, alias).
    pub links: Vec<(String, String)>,
}

/// Whose network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Its own, on [`Networking::endpoints`].
    #[default]
    Networks,
    /// Its own, with loopback only.
    None,
    /// The host's.
    Host,
    /// That of the container with this id.
    Container(String),
    /// The namespace behind this path (a pod's).
    Path(String),
}

/// What one network gives a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointSettings {
    /// A fixed address.
    pub ipv4: Option<Ipv4Addr>,
    /// A fixed address.
    pub ipv6: Option<Ipv6Addr>,
    /// Link-local addresses.
    pub link_local: Vec<IpAddr>,
    /// A fixed hardware address.
    pub mac: Option<[u8; 6]>,
    /// More names on this network.
    pub aliases: Vec<String>,
    /// Legacy links on this network: `CONTAINER[:ALIAS]`.
    pub links: Vec<String>,
    /// Options of the network's driver.
    pub driver_options: BTreeMap<String, String>,
    /// Which network's gateway is the default route: the highest wins.
    pub gateway_priority: i64,
}

/// A port published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Port in the container.
    pub container_port: u16,
    /// Its protocol.
    pub protocol: PortProtocol,
    /// The host's address; absent for all of them.
    pub host_ip: Option<IpAddr>,
    /// First and last port to choose from on the host; absent for any free one.
    pub host_ports: Option<(u16, u16)>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the protocols' own names")]
pub enum PortProtocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl PortProtocol {
    /// The word in `80/tcp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}
