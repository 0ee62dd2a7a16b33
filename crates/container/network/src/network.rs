//! What callers see: networks, sandboxes and endpoints, as immutable values.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Ipam, Mac};

/// A network as it stands. All of it is fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// 64 hex digits.
    pub id: String,
    /// Unique on the node.
    pub name: String,
    /// `bridge`, `host` or `null`.
    pub driver: String,
    /// When it was created.
    pub created: SystemTime,
    /// Only its own containers can be reached.
    pub internal: bool,
    /// Kept and shown.
    pub attachable: bool,
    /// Containers get IPv4 addresses.
    pub ipv4: bool,
    /// Containers get IPv6 addresses.
    pub ipv6: bool,
    /// The subnets, with what was chosen for the user filled in.
    pub ipam: Ipam,
    /// Driver options, with defaults filled in for the network `bridge`.
    pub options: BTreeMap<String, String>,
    /// Kept and shown.
    pub labels: BTreeMap<String, String>,
    /// The bridge's link on the host, for bridge networks.
    pub link: Option<String>,
}

impl Network {
    /// Always `local`.
    pub const SCOPE: &'static str = "local";

    /// Whether it is one of the three that every node has.
    pub fn predefined(&self) -> bool {
        matches!(self.name.as_str(), "bridge" | "host" | "none")
    }
}

/// A container on a network, as `GET /networks/{id}` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointInfo {
    /// The container's id.
    pub container_id: String,
    /// The container's name.
    pub container_name: String,
    /// The endpoint's id, 64 hex digits.
    pub endpoint_id: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its address and the length of its subnet's prefix.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// Its address and the length of its subnet's prefix.
    pub ipv6: Option<(Ipv6Addr, u8)>,
}

/// The network side of a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// 64 hex digits.
    pub id: String,
    /// The bind-mounted namespace file to join; `None` is the host's own namespace.
    pub key: Option<PathBuf>,
    /// One for each network, in the order in which they were joined.
    pub endpoints: Vec<Endpoint>,
    /// Where published ports are reached, by container port (`80/tcp`).
    pub ports: BTreeMap<String, Vec<HostPort>>,
    /// The contents of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The contents of `/etc/hosts`.
    pub hosts: String,
}

/// A container's place on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// 64 hex digits; empty on `host` and `none`.
    pub endpoint_id: String,
    /// The network.
    pub network_id: String,
    /// The network's name.
    pub network_name: String,
    /// The link in the container; empty on `host` and `none`.
    pub interface: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its address and the length of its subnet's prefix.
    pub ipv4: Option<(Ipv4Addr, u8)>,
    /// Where the rest of the world is; `None` on internal networks.
    pub ipv4_gateway: Option<Ipv4Addr>,
    /// Its address and the length of its subnet's prefix.
    pub ipv6: Option<(Ipv6Addr, u8)>,
    /// Where the rest of the world is; `None` on internal networks.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// The names that the user asked for.
    pub aliases: Vec<String>,
    /// All names that DNS answers on this network for this container.
    pub dns_names: Vec<String>,
}

/// One place on the host where a published port is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPort {
    /// Its address; unspecified for all of that family.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
}

/// What went through one link of a container, seen from inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// The link's name in the container.
    pub interface: String,
    /// Bytes, packets, errors and drops that came in.
    pub received: Traffic,
    /// Bytes, packets, errors and drops that went out.
    pub sent: Traffic,
}

/// One direction of [`LinkCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}
