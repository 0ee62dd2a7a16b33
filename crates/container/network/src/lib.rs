//! The network of a node: bridges, namespaces, addresses, published ports and names.
//!
//! [`Networks`] is all that others see. Inside, `wire` has the kernel's messages as bytes and
//! `registry`, `ipam`, `subnets`, `ports`, `validate`, `files`, `table`, `dns::directory` and `dns::answer`
//! decide without I/O; `links`, `pool`, `neighbours`, `dns::server` and `proxy` do what was decided;
//! `attach`, `detach`, `connect`, `create` and `open` put them together. Nothing here knows what an image or
//! a pod is, and no program is ever started: everything is netlink.

#![forbid(unsafe_code)]

mod attach;
mod cidr;
mod claim;
mod close;
mod cluster;
mod connect;
mod conversations;
mod create;
mod detach;
mod dns;
mod error;
mod files;
mod holder;
mod ipam;
mod join;
mod links;
mod naming;
mod neighbours;
mod network;
mod networks;
mod open;
mod pods;
mod pool;
mod ports;
mod proxy;
mod publish;
mod registry;
mod row;
mod sandboxes;
mod services;
mod spec;
mod subnets;
mod table;
mod upkeep;
mod validate;
mod wire;

pub use cidr::Cidr;
pub use close::sweep;
pub use cluster::Cluster;
pub use dns::zone::{Found, Record, RecordData, RecordKind, Zone};
pub use error::{Error, Kind};
pub use holder::Holder;
pub use ipam::Pool;
pub use network::{Endpoint, EndpointInfo, HostPort, LinkCounters, Network, Sandbox, Traffic};
pub use networks::{Config, Networks};
pub use pods::{PodAttach, PodSandbox};
pub use services::{Balanced, Frontend, ServiceChange, Unanswered};
pub use spec::{Attach, DnsSpec, EndpointSpec, Ipam, IpamConfig, Mac, NetworkSpec, PortBinding, Protocol};
