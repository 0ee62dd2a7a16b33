//! `/etc/resolv.conf` and `/etc/hosts` of containers, as dockerd 28 writes them. Pure: text in,
//! text out.

use std::net::Ipv4Addr;

mod hosts;
mod resolv_conf;

pub(crate) use hosts::{Host, extra_hosts, hosts, linked_names, own_names, refuse_extra_hosts};
pub(crate) use resolv_conf::ResolvConf;

/// The address of a container's own name server on user-defined networks.
pub(crate) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
