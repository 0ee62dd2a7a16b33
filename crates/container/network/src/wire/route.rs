//! rtnetlink: links, addresses, routes, neighbours. rtnetlink(7), linux/if_link.h

use std::net::IpAddr;

use super::attribute::{Attributes, CREATE_NEW, Messages, REPLACE, attributes, find, text, u32_of};
use crate::cidr::Cidr;
use crate::{LinkCounters, Mac, Traffic};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const NEWNEIGH: u16 = 28;
const GETROUTE: u16 = 26;
/// `IFF_UP`.
const UP: u32 = 1;

mod ifla {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const IFNAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const MASTER: u16 = 10;
    pub(super) const LINKINFO: u16 = 18;
    pub(super) const STATS64: u16 = 23;
    pub(super) const AF_SPEC: u16 = 26;
    pub(super) const GROUP: u16 = 27;
    pub(super) const NET_NS_FD: u16 = 28;
    pub(super) const INFO_KIND: u16 = 1;
    pub(super) const INFO_DATA: u16 = 2;
    pub(super) const INFO_SLAVE_KIND: u16 = 4;
    pub(super) const INFO_SLAVE_DATA: u16 = 5;
    pub(super) const VETH_INFO_PEER: u16 = 1;
    pub(super) const BRPORT_MODE: u16 = 4;
    pub(super) const INET6_ADDR_GEN_MODE: u16 = 8;
    pub(super) const BR_FORWARD_DELAY: u16 = 1;
}

/// `struct ifinfomsg`: which link, and which of its flags to set.
fn ifinfo(index: u32, flags: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

/// A bridge to make.
#[derive(Debug)]
pub(crate) struct Bridge<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: Mac,
    pub(crate) mtu: Option<u32>,
    /// Marks the link as this instance's.
    pub(crate) group: u32,
}

/// A pair of links to make: one end on a bridge here, the other in a namespace.
#[derive(Debug)]
pub(crate) struct Veth<'a> {
    pub(crate) host: &'a str,
    pub(crate) group: u32,
    /// Index of the bridge, if the host's end is on one.
    pub(crate) master: Option<u32>,
    /// The host's end's hardware address; the kernel's choice without.
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
    pub(crate) peer: &'a str,
    /// Descriptor number of the peer's namespace.
    pub(crate) namespace: u32,
}

impl Messages {
    /// A bridge, up, without spanning tree and its delays.
    pub(crate) fn add_bridge(&mut self, bridge: &Bridge<'_>) {
        self.push(NEWLINK, CREATE_NEW, &ifinfo(0, UP), |link| {
            link.text(ifla::IFNAME, bridge.name);
            link.bytes(ifla::ADDRESS, &bridge.mac.0);
            mtu(link, bridge.mtu);
            link.u32(ifla::GROUP, bridge.group);
            link.nest(ifla::LINKINFO, |info| {
                info.text(ifla::INFO_KIND, "bridge");
                info.nest(ifla::INFO_DATA, |data| {
                    data.u32(ifla::BR_FORWARD_DELAY, 0);
                });
            });
        });
    }

    /// Both ends of a pair; the host's end is on its bridge, if it has one, but not up yet.
    pub(crate) fn add_veth(&mut self, veth: &Veth<'_>) {
        self.push(NEWLINK, CREATE_NEW, &ifinfo(0, 0), |link| {
            link.text(ifla::IFNAME, veth.host);
            mtu(link, veth.mtu);
            link.u32(ifla::GROUP, veth.group);
            if let Some(mac) = veth.mac {
                link.bytes(ifla::ADDRESS, &mac.0);
            }
            if let Some(master) = veth.master {
                link.u32(ifla::MASTER, master);
            }
            link.nest(ifla::LINKINFO, |info| {
                info.text(ifla::INFO_KIND, "veth");
                info.nest(ifla::INFO_DATA, |data| {
                    data.nest_after(ifla::VETH_INFO_PEER, &ifinfo(0, 0), |peer| veth_peer(peer, veth));
                });
            });
        });
    }

    /// Makes the host's end of a pair a plain port: up, without an IPv6 address of its own, and,
    /// where bridged packets pass netfilter, able to send a packet back where it came from
    /// (otherwise a container cannot reach itself through a published port).
    pub(crate) fn set_port(&mut self, name: &str, hairpin: bool) {
        self.push(NEWLINK, 0, &ifinfo(0, UP), |link| {
            link.text(ifla::IFNAME, name);
            link.nest(ifla::AF_SPEC, |families| {
                families.nest(AF_INET6.into(), |inet6| {
                    inet6.bytes(ifla::INET6_ADDR_GEN_MODE, &[1]);
                });
            });
            if hairpin {
                link.nest(ifla::LINKINFO, |info| {
                    info.text(ifla::INFO_SLAVE_KIND, "bridge");
                    info.nest(ifla::INFO_SLAVE_DATA, |data| {
                        data.bytes(ifla::BRPORT_MODE, &[1]);
                    });
                });
            }
        });
    }

    /// Sets links up.
    pub(crate) fn link_up(&mut self, index: u32) {
        self.push(NEWLINK, 0, &ifinfo(index, UP), |_| {});
    }

    /// Gives a link a hardware address.
    pub(crate) fn set_mac(&mut self, index: u32, mac: Mac) {
        self.push(NEWLINK, 0, &ifinfo(index, 0), |link| {
            link.bytes(ifla::ADDRESS, &mac.0);
        });
    }

    /// Puts a link into a group.
    pub(crate) fn set_group(&mut self, name: &str, group: u32) {
        self.push(NEWLINK, 0, &ifinfo(0, 0), |link| {
            link.text(ifla::IFNAME, name).u32(ifla::GROUP, group);
        });
    }

    /// Takes one link away.
    pub(crate) fn delete_link(&mut self, name: &str) {
        self.push(DELLINK, 0, &ifinfo(0, 0), |link| {
            link.text(ifla::IFNAME, name);
        });
    }

    /// Takes all links of a group away at once.
    pub(crate) fn delete_group(&mut self, group: u32) {
        self.push(DELLINK, 0, &ifinfo(0, 0), |link| {
            link.u32(ifla::GROUP, group);
        });
    }

    /// Asks for one link.
    pub(crate) fn get_link(&mut self, name: &str) {
        self.push(GETLINK, 0, &ifinfo(0, 0), |link| {
            link.text(ifla::IFNAME, name);
        });
    }

    /// Asks for all links.
    pub(crate) fn get_links(&mut self) {
        self.push(GETLINK, 0, &ifinfo(0, 0), |_| {});
    }

    /// Gives a link an address in a subnet. IPv6 addresses are used at once, without asking the
    /// neighbours whether somebody has them: that is what IPAM is for.
    pub(crate) fn add_address(&mut self, index: u32, address: Cidr) {
        self.push(NEWADDR, REPLACE, &ifaddr(index, address), |body| {
            address_body(body, address);
            if address.address.is_ipv6() {
                const IFA_FLAGS: u16 = 8;
                const IFA_F_NODAD: u32 = 2;
                body.u32(IFA_FLAGS, IFA_F_NODAD);
            }
        });
    }

    /// Takes an address from a link.
    pub(crate) fn delete_address(&mut self, index: u32, address: Cidr) {
        self.push(DELADDR, 0, &ifaddr(index, address), |body| {
            address_body(body, address);
        });
    }

    /// The way to everything else.
    pub(crate) fn default_route(&mut self, index: u32, gateway: IpAddr) {
        self.route_through(NEWROUTE, REPLACE, index, gateway);
    }

    /// Takes the default route away.
    pub(crate) fn delete_default_route(&mut self, index: u32, gateway: IpAddr) {
        self.route_through(DELROUTE, 0, index, gateway);
    }

    /// What is in `to` is on this link; the host's own packets there come from `source`.
    pub(crate) fn link_route(&mut self, index: u32, to: Cidr, source: Option<IpAddr>) {
        const ON_LINK: u8 = 253;
        const RTA_PREFSRC: u16 = 7;
        let fixed = route_header(to, ON_LINK);
        self.push(NEWROUTE, REPLACE, &fixed, |route| {
            destination(route, to);
            route.u32(RTA_OIF, index);
            if let Some(source) = source {
                with_octets(source, |octets| {
                    route.bytes(RTA_PREFSRC, octets);
                });
            }
        });
    }

    /// Takes the route to exactly this subnet away, whatever link it is on.
    pub(crate) fn delete_route(&mut self, to: Cidr) {
        const ANY: u8 = 255;
        self.push(DELROUTE, 0, &route_header(to, ANY), |route| {
            destination(route, to);
        });
    }

    /// Who has this address on a link, for good: nobody is asked.
    pub(crate) fn neighbour(&mut self, index: u32, address: IpAddr, mac: Mac) {
        const PERMANENT: u8 = 0x80;
        const NDA_DST: u16 = 1;
        const NDA_LLADDR: u16 = 2;
        let [a, b, c, d] = index.to_ne_bytes();
        let state = u16::from(PERMANENT).to_ne_bytes();
        let fixed = [family(address), 0, 0, 0, a, b, c, d, state[0], state[1], 0, 0];
        self.push(NEWNEIGH, REPLACE, &fixed, |body| {
            with_octets(address, |octets| {
                body.bytes(NDA_DST, octets);
            });
            body.bytes(NDA_LLADDR, &mac.0);
        });
    }

    fn route_through(&mut self, kind: u16, flags: u16, index: u32, gateway: IpAddr) {
        const UNIVERSE: u8 = 0;
        const RTA_GATEWAY: u16 = 5;
        let everywhere = Cidr::new(gateway, 0);
        self.push(kind, flags, &route_header(everywhere, UNIVERSE), |route| {
            with_octets(gateway, |octets| {
                route.bytes(RTA_GATEWAY, octets);
            });
            route.u32(RTA_OIF, index);
        });
    }

    /// Asks for all routes.
    pub(crate) fn get_routes(&mut self) {
        self.push(GETROUTE, 0, &[0; 12], |_| {});
    }
}

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
/// `RT_TABLE_MAIN`.
const MAIN: u8 = 254;

/// `struct rtmsg` of a unicast route in the main table.
const fn route_header(to: Cidr, scope: u8) -> [u8; 12] {
    const PROTOCOL_BOOT: u8 = 3;
    const UNICAST: u8 = 1;
    let (family, length) = (family(to.address), to.prefix);
    [
        family,
        length,
        0,
        0,
        MAIN,
        PROTOCOL_BOOT,
        scope,
        UNICAST,
        0,
        0,
        0,
        0,
    ]
}

fn destination(route: &mut Attributes<'_>, to: Cidr) {
    with_octets(to.address, |octets| {
        route.bytes(RTA_DST, octets);
    });
}

fn mtu(link: &mut Attributes<'_>, mtu: Option<u32>) {
    if let Some(mtu) = mtu {
        link.u32(ifla::MTU, mtu);
    }
}

fn veth_peer(peer: &mut Attributes<'_>, veth: &Veth<'_>) {
    peer.text(ifla::IFNAME, veth.peer);
    mtu(peer, veth.mtu);
    peer.u32(ifla::NET_NS_FD, veth.namespace);
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// `struct ifaddrmsg`.
fn ifaddr(index: u32, address: Cidr) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [family(address.address), address.prefix, 0, 0, a, b, c, d]
}

fn address_body(body: &mut Attributes<'_>, address: Cidr) {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_BROADCAST: u16 = 4;
    with_octets(address.address, |octets| {
        body.bytes(IFA_LOCAL, octets).bytes(IFA_ADDRESS, octets);
    });
    if address.address.is_ipv4() && address.prefix < 31 {
        with_octets(address.last(), |octets| {
            body.bytes(IFA_BROADCAST, octets);
        });
    }
}

fn with_octets(address: IpAddr, work: impl FnOnce(&[u8])) {
    match address {
        IpAddr::V4(address) => work(&address.octets()),
        IpAddr::V6(address) => work(&address.octets()),
    }
}

/// A link as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) group: u32,
    /// `bridge`, `veth` …; empty for a device.
    pub(crate) kind: String,
    pub(crate) mtu: u32,
    pub(crate) counters: LinkCounters,
}

/// Reads the payload of an RTM_NEWLINK.
pub(crate) fn link(payload: &[u8]) -> Option<Link> {
    let index = u32_of(payload.get(4..)?)?;
    let body = payload.get(16..)?;
    let name = find(body, ifla::IFNAME).map(text)?;
    let info = find(body, ifla::LINKINFO).unwrap_or_default();
    Some(Link {
        index,
        group: find(body, ifla::GROUP).and_then(u32_of).unwrap_or(0),
        kind: find(info, ifla::INFO_KIND).map(text).unwrap_or_default(),
        mtu: find(body, ifla::MTU).and_then(u32_of).unwrap_or(0),
        counters: counters(name.clone(), find(body, ifla::STATS64).unwrap_or_default()),
        name,
    })
}

/// `struct rtnl_link_stats64`.
fn counters(interface: String, stats: &[u8]) -> LinkCounters {
    let at = |number: usize| {
        stats
            .get(number * 8..)
            .and_then(|bytes| bytes.first_chunk().copied())
    };
    let at = |number| at(number).map_or(0, u64::from_ne_bytes);
    let traffic = |from: usize| Traffic {
        packets: at(from),
        bytes: at(from + 2),
        errors: at(from + 4),
        dropped: at(from + 6),
    };
    LinkCounters {
        interface,
        received: traffic(0),
        sent: traffic(1),
    }
}

/// Reads the payload of an RTM_NEWROUTE: where to, and out of which link. Default routes, routes of
/// other tables than the main one, and IPv4 routes to what is not on the link are left out: those
/// of a VPN may cover every address and say nothing about which are in use.
pub(crate) fn route(payload: &[u8]) -> Option<(Cidr, u32)> {
    const LINK: u8 = 253;
    (*payload.get(4)? == MAIN).then_some(())?;
    let body = payload.get(12..)?;
    let destination = octets(attributes(body).find(|(kind, _)| *kind == RTA_DST)?.1)?;
    (destination.is_ipv6() || *payload.get(6)? == LINK).then_some(())?;
    let link = find(body, RTA_OIF).and_then(u32_of).unwrap_or(0);
    Some((Cidr::new(destination, *payload.get(1)?), link))
}

/// Reads the payload of an RTM_NEWROUTE: the link of an IPv4 default route of the main table.
pub(crate) fn default_link(payload: &[u8]) -> Option<u32> {
    let everywhere = payload.get(..5)? == [AF_INET, 0, 0, 0, MAIN];
    everywhere
        .then(|| find(payload.get(12..)?, RTA_OIF).and_then(u32_of))
        .flatten()
}

fn octets(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(write: impl FnOnce(&mut Messages)) -> String {
        let mut messages = Messages::new();
        write(&mut messages);
        super::super::hex(&messages.0)
    }

    /// Bytes that the kernel takes: what the node tests send. Little-endian machines.
    #[test]
    fn messages_are_these_bytes() {
        let bridge = Bridge {
            name: "gantry0",
            mac: Mac([2, 0x42, 1, 2, 3, 4]),
            mtu: Some(1500),
            group: 7,
        };
        let veth = Veth {
            host: "gantryv1",
            group: 7,
            master: Some(3),
            mac: None,
            mtu: None,
            peer: "eth0",
            namespace: 9,
        };
        let cidr = "172.17.0.2/16".parse::<Cidr>().unwrap_or_else(|()| panic!());
        let six = "fd00::2/64".parse::<Cidr>().unwrap_or_else(|()| panic!());
        insta::assert_snapshot!("bridge", hex(|messages| messages.add_bridge(&bridge)));
        insta::assert_snapshot!("veth", hex(|messages| messages.add_veth(&veth)));
        insta::assert_snapshot!("port", hex(|messages| messages.set_port("gantryv1", true)));
        insta::assert_snapshot!("address4", hex(|messages| messages.add_address(5, cidr)));
        insta::assert_snapshot!("address6", hex(|messages| messages.add_address(5, six)));
        insta::assert_snapshot!(
            "route",
            hex(|messages| messages.default_route(5, [172, 17, 0, 1].into()))
        );
        insta::assert_snapshot!("group", hex(|messages| messages.delete_group(7)));
    }

    #[test]
    fn a_link_is_read_as_the_kernel_lists_it() {
        let mut payload = ifinfo(4, 0).to_vec();
        let mut messages = Messages::new();
        messages.push(0, 0, &[], |body| {
            body.text(ifla::IFNAME, "eth0").u32(ifla::GROUP, 9);
            let stats: Vec<u8> = (1..=8_u64).flat_map(u64::to_ne_bytes).collect();
            body.bytes(ifla::STATS64, &stats);
            body.nest(ifla::LINKINFO, |info| {
                info.text(ifla::INFO_KIND, "veth");
            });
        });
        payload.extend(&messages.0[16..]);
        let Some(link) = link(&payload) else {
            panic!("no link")
        };
        assert_eq!(
            (link.index, link.name.as_str(), link.group, link.kind.as_str()),
            (4, "eth0", 9, "veth")
        );
        let (received, sent) = (link.counters.received, link.counters.sent);
        assert_eq!(
            (
                received.packets,
                received.bytes,
                received.errors,
                received.dropped
            ),
            (1, 3, 5, 7)
        );
        assert_eq!(
            (sent.packets, sent.bytes, sent.errors, sent.dropped),
            (2, 4, 6, 8)
        );
        assert!(
            (0..payload.len()).all(|end| super::link(&payload[..end]).is_none_or(|link| link.index == 4))
        );
    }
}
