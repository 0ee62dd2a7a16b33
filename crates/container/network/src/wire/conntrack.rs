//! ctnetlink: forgetting connections. linux/netfilter/nfnetlink_conntrack.h
//!
//! A connection remembers how its first packet was translated. When a published port appears or
//! goes, UDP "connections" that are still alive would keep the old way for as long as somebody
//! sends; so they are deleted, and the next packet is looked at anew.

use super::attribute::Messages;
use super::nftables::IPV4;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG(CTA_PROTO_NUM)`, `CTA_FILTER_FLAG(CTA_PROTO_DST_PORT)`
const BY_PROTOCOL: u32 = 1 << 3;
const BY_DESTINATION_PORT: u32 = 1 << 5;

impl Messages {
    /// Forgets connections of a protocol that began towards a port.
    pub(crate) fn forget_port(&mut self, protocol: u8, port: u16) {
        self.push(DELETE, 0, &[IPV4, 0, 0, 0], |body| {
            body.nest(CTA_TUPLE_ORIG, |tuple| {
                tuple.nest(2, |transport| {
                    transport.bytes(1, &[protocol]).bytes(3, &port.to_be_bytes());
                });
            });
            body.nest(CTA_FILTER, |filter| {
                filter.u32(CTA_FILTER_ORIG_FLAGS, BY_PROTOCOL | BY_DESTINATION_PORT);
                filter.u32(CTA_FILTER_REPLY_FLAGS, 0);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn a_request_is_these_bytes() {
        let mut messages = Messages::new();
        messages.forget_port(17, 53);
        insta::assert_snapshot!("forget_port", super::super::hex(&messages.0));
    }
}
