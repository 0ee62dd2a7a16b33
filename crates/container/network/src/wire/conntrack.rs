//! ctnetlink: forgetting and listing connections. linux/netfilter/nfnetlink_conntrack.h
//!
//! A connection remembers how its first packet was translated. When a published port appears or
//! goes, UDP "connections" that are still alive would keep the old way for as long as somebody
//! sends; so they are deleted, and the next packet is looked at anew.

use std::net::Ipv4Addr;

use super::attribute::{Attributes, Messages, be32_of, find};
use super::nftables::IPV4;
use crate::conversations::Forgotten;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
/// `IPCTNL_MSG_CT_GET`.
const GET: u16 = 1 << 8 | 1;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
/// `IPPROTO_UDP`.
const UDP: u8 = 17;
const CTA_ID: u16 = 12;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG` of what an attribute of a tuple says.
const BY_SOURCE: u32 = 1 << 0;
const BY_DESTINATION: u32 = 1 << 1;
const BY_PROTOCOL: u32 = 1 << 3;
const BY_SOURCE_PORT: u32 = 1 << 4;
const BY_DESTINATION_PORT: u32 = 1 << 5;

/// `struct nfgenmsg` of a request that names addresses: without a version, the kernel takes it
/// for one about all families, and does not compare them.
const WITH_ADDRESSES: [u8; 4] = [IPV4, 1, 0, 0];
/// `struct nfgenmsg` of one that does not.
const OF_ALL: [u8; 4] = [IPV4, 0, 0, 0];

impl Messages {
    /// Forgets UDP conversations of which this much is said (Linux 6.9).
    pub(crate) fn forget_conversations(&mut self, which: &Forgotten) {
        self.conversations(DELETE, which);
    }

    /// Asks for UDP conversations of which this much is said.
    pub(crate) fn get_conversations(&mut self, which: &Forgotten) {
        self.conversations(GET, which);
    }

    /// Those that began towards a port (of an address, if one is named), of these only what a backend answers, if one is
    /// named.
    fn conversations(&mut self, kind: u16, &Forgotten { ip, port, backend }: &Forgotten) {
        let began = ip.map_or(0, |_| BY_DESTINATION) | BY_PROTOCOL | BY_DESTINATION_PORT;
        let answered = backend.map_or(0, |_| BY_SOURCE | BY_PROTOCOL | BY_SOURCE_PORT);
        let named = ip.is_some() || backend.is_some();
        self.push(kind, 0, if named { &WITH_ADDRESSES } else { &OF_ALL }, |body| {
            body.nest(CTA_TUPLE_ORIG, |tuple| {
                address(tuple, 2, ip);
                transport(tuple, 3, port);
            });
            if let Some(backend) = backend {
                body.nest(CTA_TUPLE_REPLY, |tuple| {
                    address(tuple, 1, Some(*backend.ip()));
                    transport(tuple, 2, backend.port());
                });
            }
            filter(body, began, answered);
        });
    }

    /// Forgets one connection: `found` is an answer's payload. It names the connection by how it began and by its number,
    /// so that a later one with the same addresses is not taken for it.
    pub(crate) fn forget_whole(&mut self, found: &[u8]) {
        let (Some(&family), Some(body)) = (found.first(), found.get(OF_ALL.len()..)) else {
            return;
        };
        let Some(began) = find(body, CTA_TUPLE_ORIG) else {
            return;
        };
        self.push(DELETE, 0, &[family, 0, 0, 0], |message| {
            message.nest(CTA_TUPLE_ORIG, |tuple| tuple.raw(began));
            if let Some(number) = find(body, CTA_ID) {
                message.bytes(CTA_ID, number);
            }
        });
    }

    /// Asks for the connections that this address answers.
    pub(crate) fn get_answered(&mut self, by: Ipv4Addr) {
        self.push(GET, 0, &WITH_ADDRESSES, |body| {
            body.nest(CTA_TUPLE_REPLY, |tuple| address(tuple, 1, Some(by)));
            filter(body, 0, BY_SOURCE);
        });
    }
}

/// `CTA_TUPLE_IP`: the source (1) or the destination (2).
fn address(tuple: &mut Attributes<'_>, end: u16, ip: Option<Ipv4Addr>) {
    if let Some(ip) = ip {
        tuple.nest(1, |body| {
            body.bytes(end, &ip.octets());
        });
    }
}

/// `CTA_TUPLE_PROTO`: UDP, and the source's port (2) or the destination's (3).
fn transport(tuple: &mut Attributes<'_>, end: u16, port: u16) {
    tuple.nest(2, |body| {
        body.bytes(1, &[UDP]).bytes(end, &port.to_be_bytes());
    });
}

fn filter(body: &mut Attributes<'_>, began: u32, answered: u32) {
    body.nest(CTA_FILTER, |filter| {
        filter.u32(CTA_FILTER_ORIG_FLAGS, began);
        filter.u32(CTA_FILTER_REPLY_FLAGS, answered);
    });
}

/// Reads the payload of a connection: whether it is one over TCP whose destination was translated,
/// and which not both sides have closed.
pub(crate) fn is_open_service(payload: &[u8]) -> bool {
    /// `IPS_DST_NAT`.
    const TRANSLATED: u32 = 1 << 5;
    /// From `TCP_CONNTRACK_SYN_SENT` to `TCP_CONNTRACK_CLOSE_WAIT`.
    const OPEN: std::ops::RangeInclusive<u8> = 1..=5;
    let body = payload.get(4..).unwrap_or_default();
    let status = find(body, CTA_STATUS).and_then(be32_of).unwrap_or(0);
    let state = find(body, CTA_PROTOINFO)
        .and_then(|info| find(info, 1))
        .and_then(|tcp| find(tcp, 1))
        .and_then(|state| state.first());
    status & TRANSLATED != 0 && state.is_some_and(|state| OPEN.contains(state))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use super::*;

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn a_request_is_these_bytes() {
        let mut messages = Messages::new();
        messages.forget_conversations(&Forgotten::with(53));
        insta::assert_snapshot!("forget_port", super::super::hex(&messages.0));
        let mut messages = Messages::new();
        let conversations = Forgotten {
            ip: Some([10, 43, 0, 9].into()),
            port: 53,
            backend: Some(SocketAddrV4::new([10, 42, 0, 5].into(), 5353)),
        };
        messages.forget_conversations(&conversations);
        messages.get_answered([10, 42, 0, 5].into());
        insta::assert_snapshot!("services", super::super::hex(&messages.0));
    }

    #[test]
    fn a_connection_is_forgotten_by_how_it_began_and_its_number() {
        let mut found = Messages::new();
        found.push(0, 0, &[IPV4, 0, 0, 0], |body| {
            body.nest(CTA_TUPLE_ORIG, |tuple| {
                address(tuple, 2, Some([10, 43, 0, 9].into()));
                transport(tuple, 3, 53);
            });
            body.be32(CTA_STATUS, 8).be32(CTA_ID, 0x0102_0304);
        });
        let mut messages = Messages::new();
        messages.forget_whole(&found.0[16..]);
        let body = &messages.0[20..];
        let of = |kind| find(&found.0[20..], kind);
        assert!(find(body, CTA_TUPLE_ORIG).is_some() && find(body, CTA_TUPLE_ORIG) == of(CTA_TUPLE_ORIG));
        assert_eq!(find(body, CTA_ID), Some(&[1, 2, 3, 4][..]));
        assert_eq!(find(body, CTA_STATUS), None);
        messages.0.clear();
        messages.forget_whole(&[]);
        messages.forget_whole(&[IPV4, 0, 0, 0]);
        assert!(messages.is_empty());
    }

    #[test]
    fn open_connections_of_services_are_counted() {
        let connection = |status: u32, state: Option<u8>| {
            let mut messages = Messages::new();
            messages.push(0, 0, &[IPV4, 0, 0, 0], |body| {
                body.be32(CTA_STATUS, status);
                body.nest(CTA_PROTOINFO, |info| {
                    info.nest(1, |tcp| {
                        if let Some(state) = state {
                            tcp.bytes(1, &[state]);
                        }
                    });
                });
            });
            is_open_service(&messages.0[16..])
        };
        assert!(connection(1 << 5, Some(3)) && connection(1 << 5 | 8, Some(1)));
        assert!(!connection(8, Some(3)) && !connection(1 << 5, Some(7)) && !connection(1 << 5, None));
        assert!(!is_open_service(&[]));
    }
}
