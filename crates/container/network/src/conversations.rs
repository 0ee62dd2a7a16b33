//! What the kernel remembers of connections that it translated.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use sys::netlink::Netlink;

use crate::links;
use crate::wire::attribute::Messages;
use crate::wire::conntrack;

/// UDP conversations that are to be looked at anew: those with a port, or of these only those that a backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// The address that they are with; a port of the node's has any.
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) port: u16,
    pub(crate) backend: Option<SocketAddrV4>,
}

impl Forgotten {
    /// All that are with a port of the node's.
    pub(crate) const fn with(port: u16) -> Self {
        Self {
            ip: None,
            port,
            backend: None,
        }
    }
}

/// Each is a walk of the kernel's over all that it remembers: without any, there is nothing to do.
pub(crate) fn forget(netlink: &mut Netlink, list: &[Forgotten]) -> io::Result<()> {
    let mut messages = Messages::new();
    for forgotten in list {
        messages.forget_conversations(forgotten);
    }
    if messages.is_empty() {
        return Ok(());
    }
    match netlink.request(&mut messages.0) {
        // Before Linux 6.9 the kernel finds conversations by their parts, and forgets whole ones only.
        Err(error) if links::is(&error, Errno::INVAL) => forget_each(netlink, list),
        forgotten => links::gone_is_fine(forgotten),
    }
}

fn forget_each(netlink: &mut Netlink, list: &[Forgotten]) -> io::Result<()> {
    /// How much is sent at once; the socket's buffer holds more.
    const BATCH: usize = 1 << 16;
    let mut whole = vec![Messages::new()];
    for forgotten in list {
        let mut question = Messages::new();
        question.get_conversations(forgotten);
        netlink.dump(&mut question.0, |_, payload| {
            if whole.last().is_none_or(|batch| batch.0.len() >= BATCH) {
                whole.push(Messages::new());
            }
            if let Some(batch) = whole.last_mut() {
                batch.forget_whole(payload);
            }
        })?;
    }
    let mut batches = whole.into_iter().filter(|batch| !batch.is_empty());
    batches.try_for_each(|mut batch| links::gone_is_fine(netlink.request(&mut batch.0)))
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
