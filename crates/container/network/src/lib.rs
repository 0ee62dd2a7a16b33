//! The network of a node: bridges, namespaces, addresses, published ports and names.

#![forbid(unsafe_code)]

mod error;
mod holder;
mod network;
mod networks;
mod spec;

pub use error::{Error, Kind};
pub use holder::Holder;
pub use network::{Endpoint, EndpointInfo, HostPort, LinkCounters, Network, Sandbox, Traffic};
pub use networks::{Config, Networks, Pool};
pub use spec::{Attach, DnsSpec, EndpointSpec, Ipam, IpamConfig, Mac, NetworkSpec, PortBinding, Protocol};
