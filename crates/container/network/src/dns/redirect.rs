//! Port 53 of the name server's address, although the server listens elsewhere.
//!
//! If the server had port 53 itself, a container that is a name server for others (dnsmasq,
//! CoreDNS) could not bind it on all addresses. So it has ports that the kernel chose, and these
//! rules in the container's namespace rewrite ports on the way: of questions before, and of answers
//! after conntrack has seen them, so that both belong to one connection where a container tracks
//! them. They need no connection tracking themselves, which would cost the container's traffic.

use std::io;
use std::net::Ipv4Addr;

use rustix::io::Errno;
use sys::netlink::{Family, Netlink};

use crate::files::NAME_SERVER;
use crate::links;
use crate::wire::attribute::Messages;
use crate::wire::expression::{Expression, Meta, Register};
use crate::wire::nftables::{Chain, HOOK_OUTPUT, HOOK_POSTROUTING, IPV4};

const TABLE: &str = "gantry-dns";

/// Before conntrack, at `NF_IP_PRI_RAW`.
const QUESTIONS: Chain = Chain {
    name: "questions",
    kind: "filter",
    hook: HOOK_OUTPUT,
    priority: -300,
};

/// Behind everything that conntrack does to what leaves.
const ANSWERS: Chain = Chain {
    name: "answers",
    kind: "filter",
    hook: HOOK_POSTROUTING,
    priority: 300,
};

/// The port that clients ask.
const PORT: u16 = 53;

/// A transport protocol: its number, and where its header has the checksum.
type Transport = (u8, u32);
const UDP: Transport = (17, 6);
const TCP: Transport = (6, 16);

/// Where headers have what is compared and rewritten.
const SOURCE_PORT: u32 = 0;
const DESTINATION_PORT: u32 = 2;
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;

/// Leads port 53 of `127.0.0.11` to these ports, in the calling thread's namespace.
///
/// Rules of an earlier server are taken away only where there are any: that has the kernel wait
/// for milliseconds until nobody uses them any more, which a container should not.
pub(super) fn install(udp: u16, tcp: u16) -> io::Result<()> {
    let mut netlink = Netlink::open(Family::Netfilter)?;
    let outcome = netlink.transaction(&mut rules(udp, tcp).0);
    if !outcome
        .as_ref()
        .is_err_and(|error| links::is(error, Errno::EXIST))
    {
        return outcome;
    }
    let mut messages = Messages::begin();
    messages.delete_table(TABLE);
    netlink.transaction(&mut messages.end().0)?;
    netlink.transaction(&mut rules(udp, tcp).0)
}

/// All of it, where there is none yet.
fn rules(udp: u16, tcp: u16) -> Messages {
    let mut messages = Messages::begin();
    messages.add_new_table(TABLE);
    messages.add_chain(TABLE, &QUESTIONS);
    messages.add_chain(TABLE, &ANSWERS);
    for (transport, port) in [(UDP, udp), (TCP, tcp)] {
        let question = rewrite(transport, (DESTINATION, DESTINATION_PORT), (PORT, port));
        messages.add_rule(TABLE, QUESTIONS.name, &question);
        let answer = rewrite(transport, (SOURCE, SOURCE_PORT), (port, PORT));
        messages.add_rule(TABLE, ANSWERS.name, &answer);
    }
    messages.end()
}

/// Packets with the name server's address and port `from` have port `to` instead.
fn rewrite(
    (protocol, checksum): Transport,
    (address_at, port_at): (u32, u32),
    (from, to): (u16, u16),
) -> [Expression; 10] {
    const REGISTER: Register = Register(0);
    const ADDRESS: [u8; 4] = Ipv4Addr::octets(&NAME_SERVER);
    [
        Expression::Meta(Meta::Family, REGISTER),
        Expression::Equal(REGISTER, vec![IPV4]),
        Expression::Network {
            offset: address_at,
            length: 4,
            to: REGISTER,
        },
        Expression::Equal(REGISTER, ADDRESS.to_vec()),
        Expression::Meta(Meta::Transport, REGISTER),
        Expression::Equal(REGISTER, vec![protocol]),
        Expression::Transport {
            offset: port_at,
            length: 2,
            to: REGISTER,
        },
        Expression::Equal(REGISTER, from.to_be_bytes().to_vec()),
        Expression::Value(REGISTER, to.to_be_bytes().to_vec()),
        Expression::SetTransport {
            offset: port_at,
            length: 2,
            from: REGISTER,
            checksum,
        },
    ]
}
