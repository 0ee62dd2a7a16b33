//! The way to a pod's address and back.
//!
//! In the pod everything goes to a gateway that no other link has; on the host the one address is
//! on the pod's link. Both neighbours are written down for good.

use std::io;
use std::net::Ipv4Addr;

use sys::netlink::Netlink;

use crate::Mac;
use crate::cidr::Cidr;
use crate::links;

/// The gateway of every pod. Link-local (RFC 3927): it is on each link anew.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The hardware address of the host's end of every pod's link. Administered locally, as is any
/// whose first byte has its second bit; the rest says "GANTR".
pub(crate) const HOST: Mac = Mac([0x0e, 0x47, 0x41, 0x4e, 0x54, 0x52]);

const fn only(address: Ipv4Addr) -> Cidr {
    Cidr {
        address: std::net::IpAddr::V4(address),
        prefix: 32,
    }
}

/// The pod's side, through a socket inside. The hardware address comes first: a change of it
/// makes the kernel forget the link's neighbours.
pub(super) fn inside(netlink: &mut Netlink, index: u32, address: Ipv4Addr) -> io::Result<()> {
    links::send(netlink, |messages| {
        messages.set_mac(index, Mac::of(address));
        messages.add_address(index, only(address));
        messages.link_route(index, only(GATEWAY), None);
        messages.default_route(index, GATEWAY.into());
        messages.neighbour(index, GATEWAY.into(), HOST);
    })
}

/// The host's side.
pub(super) fn outside(link: &str, address: Ipv4Addr) -> io::Result<()> {
    let mut host = links::open()?;
    let index = links::find(&mut host, link)?
        .ok_or(io::ErrorKind::NotFound)?
        .index;
    links::send(&mut host, |messages| {
        messages.link_route(index, only(address), None);
        messages.neighbour(index, address.into(), Mac::of(address));
    })
}

/// Takes the host's side back.
pub(super) fn forget(address: Ipv4Addr) -> io::Result<()> {
    let mut host = links::open()?;
    links::gone_is_fine(links::send(&mut host, |messages| {
        messages.delete_route(only(address));
    }))
}
