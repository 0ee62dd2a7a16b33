//! Links, addresses and sysctls of the host and of namespaces: rtnetlink as operations.

use std::io;
use std::net::IpAddr;

use sys::netlink::{Family, Netlink};

use crate::cidr::Cidr;
use crate::wire::attribute::Messages;
use crate::wire::route::{self, Link};

/// Opens a socket in the caller's namespace, which for the daemon's threads is the node's.
pub(crate) fn open() -> io::Result<Netlink> {
    Netlink::open(Family::Route)
}

/// Sends what `write` writes; nothing if it writes nothing.
pub(crate) fn send(netlink: &mut Netlink, write: impl FnOnce(&mut Messages)) -> io::Result<()> {
    let mut messages = Messages::new();
    write(&mut messages);
    if messages.is_empty() {
        Ok(())
    } else {
        netlink.request(&mut messages.0)
    }
}

/// The link of this name, if there is one.
pub(crate) fn find(netlink: &mut Netlink, name: &str) -> io::Result<Option<Link>> {
    let mut messages = Messages::new();
    messages.get_link(name);
    match netlink.get(&mut messages.0) {
        Ok((_, payload)) => Ok(route::link(&payload)),
        Err(error) if is(&error, rustix::io::Errno::NODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All links.
pub(crate) fn list(netlink: &mut Netlink) -> io::Result<Vec<Link>> {
    dump(netlink, Messages::get_links, route::link)
}

/// The subnets that the host is on: where to and out of which link.
pub(crate) fn routes(netlink: &mut Netlink) -> io::Result<Vec<(Cidr, u32)>> {
    dump(netlink, Messages::get_routes, route::route)
}

/// The link of the default route, if there is one.
pub(crate) fn default_link(netlink: &mut Netlink) -> io::Result<Option<u32>> {
    let all = dump(netlink, Messages::get_routes, route::default_link)?;
    Ok(all.first().copied())
}

fn dump<T>(
    netlink: &mut Netlink,
    ask: fn(&mut Messages),
    read: fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut messages = Messages::new();
    ask(&mut messages);
    let mut found = Vec::new();
    netlink.dump(&mut messages.0, |_, payload| found.extend(read(payload)))?;
    Ok(found)
}

/// Whether the kernel answered with this error.
pub(crate) fn is(error: &io::Error, errno: rustix::io::Errno) -> bool {
    sys::netlink::refused(error) == Some(errno.raw_os_error())
}

/// Errors that mean "it was gone already" are none.
pub(crate) fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;
    let gone = |error: &io::Error| {
        [Errno::NODEV, Errno::ADDRNOTAVAIL, Errno::SRCH, Errno::NOENT]
            .into_iter()
            .any(|errno| is(error, errno))
    };
    result.or_else(|error| if gone(&error) { Ok(()) } else { Err(error) })
}

/// The value of a sysctl of the calling thread's namespace.
pub(crate) fn sysctl(name: &str) -> io::Result<String> {
    Ok(std::fs::read_to_string(sys::sysctl::file(name)?)?
        .trim()
        .to_owned())
}

/// Sets a sysctl of the calling thread's namespace, unless it has that value already.
pub(crate) fn set_sysctl(name: &str, value: &str) -> io::Result<()> {
    if sysctl(name).is_ok_and(|now| now == value) {
        return Ok(());
    }
    std::fs::write(sys::sysctl::file(name)?, value)
}

/// Whether this namespace has IPv6 at all.
pub(crate) fn has_ipv6() -> bool {
    sysctl("net/ipv6/conf/all/disable_ipv6").is_ok_and(|off| off == "0")
}

/// Whether bridged packets pass netfilter here.
pub(crate) fn bridges_pass_netfilter() -> bool {
    sysctl("net/bridge/bridge-nf-call-iptables").is_ok_and(|on| on == "1")
}

/// The addresses, routes and hardware address of a container's link, in one call. The hardware
/// address comes last: with `arp_notify` its change tells the bridge and the neighbours who has
/// the address now.
pub(crate) fn configure(messages: &mut Messages, index: u32, plan: &LinkPlan) {
    for address in &plan.addresses {
        messages.add_address(index, *address);
    }
    if let Some(mac) = plan.mac {
        messages.set_mac(index, mac);
    }
    for gateway in &plan.gateways {
        messages.default_route(index, *gateway);
    }
}

/// What a container's link is to have.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkPlan {
    pub(crate) addresses: Vec<Cidr>,
    pub(crate) mac: Option<crate::Mac>,
    pub(crate) gateways: Vec<IpAddr>,
}
