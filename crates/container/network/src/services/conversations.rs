//! What the kernel remembers of services' connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use sys::netlink::Netlink;

use crate::links;
use crate::wire::attribute::Messages;
use crate::wire::conntrack;

/// UDP conversations that are to be looked at anew: those with a frontend, or of these only those
/// that a backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// The frontend's address; a node port has any.
    pub(super) ip: Option<Ipv4Addr>,
    /// The frontend's port.
    pub(super) port: u16,
    pub(super) backend: Option<SocketAddrV4>,
}

/// Each is a walk of the kernel's over all that it remembers: without any, there is nothing to do.
pub(super) fn forget(netlink: &mut Netlink, list: &[Forgotten]) -> io::Result<()> {
    let mut messages = Messages::new();
    for forgotten in list {
        messages.forget_service(forgotten.ip, forgotten.port, forgotten.backend);
    }
    if messages.is_empty() {
        return Ok(());
    }
    links::gone_is_fine(netlink.request(&mut messages.0))
}

/// The connections to services that this address answers and that are not closed by both sides.
pub(super) fn count(netlink: &mut Netlink, address: Ipv4Addr) -> io::Result<usize> {
    let mut messages = Messages::new();
    messages.get_answered(address);
    let mut open = 0;
    netlink.dump(&mut messages.0, |_, payload| {
        open += usize::from(conntrack::is_open_service(payload));
    })?;
    Ok(open)
}
