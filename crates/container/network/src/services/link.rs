//! The link that services' addresses are routed to.
//!
//! Nobody is on it: what goes to a service is translated before it gets there. It is there so that
//! the host has a way to these addresses and a source for it that pods answer to, whatever other
//! ways it has, and to carry the name server's address. Addresses of pods that are not there lead
//! to it too, and not out of the host by its default route: the table refuses what would leave here.
//! An empty bridge, because kernels may come without dummy links.

use std::io;

use crate::Cluster;
use crate::Mac;
use crate::cidr::Cidr;
use crate::links;
use crate::naming::Naming;
use crate::wire::route::Bridge;

/// Makes the link, or adopts it.
pub(crate) fn link_up(naming: &Naming, cluster: &Cluster) -> io::Result<()> {
    let name = naming.services();
    let mut host = links::open()?;
    if links::find(&mut host, &name)?.is_none() {
        let bridge = Bridge {
            name: &name,
            mac: Mac::of(cluster.dns),
            mtu: None,
            group: naming.group(),
        };
        links::send(&mut host, |messages| messages.add_bridge(&bridge))?;
    }
    let index = links::find(&mut host, &name)?
        .ok_or(io::ErrorKind::NotFound)?
        .index;
    let dns = Cidr::new(cluster.dns.into(), 32);
    links::send(&mut host, |messages| {
        messages.add_address(index, dns);
        messages.link_up(index);
        for range in cluster.ranges() {
            messages.link_route(index, range, Some(dns.address));
        }
    })
}
