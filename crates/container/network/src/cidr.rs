//! An address with the length of its network's prefix, as IPAM, routes and nf_tables use it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address and a prefix length that is no longer than the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

impl Cidr {
    /// A prefix that is too long is cut to the address's length.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Self {
            address,
            prefix: prefix.min(width(address)),
        }
    }

    /// The network: the host's bits are zero.
    pub fn masked(self) -> Self {
        Self {
            address: from_bits(bits(self.address) & !self.host_mask(), self.address),
            ..self
        }
    }

    /// The last address of the network; IPv4's broadcast address.
    pub(crate) fn last(self) -> IpAddr {
        from_bits(bits(self.address) | self.host_mask(), self.address)
    }

    /// The mask of its prefix as it is laid over an address.
    pub(crate) fn mask(self) -> Vec<u8> {
        let full = u128::MAX << self.host_bits().min(127);
        let bytes = if self.host_bits() == 128 { 0 } else { full }.to_be_bytes();
        bytes[16 - usize::from(width(self.address) / 8)..].to_vec()
    }

    /// The address `offset` after the first of the network.
    #[cfg(test)]
    pub(crate) fn nth(self, offset: u128) -> IpAddr {
        from_bits(
            bits(self.masked().address) | (offset & self.host_mask()),
            self.address,
        )
    }

    /// Whether the address is in the network.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && bits(address) & !self.host_mask() == bits(self.masked().address)
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.masked().address) || other.contains(self.masked().address)
    }

    /// How many bits an address has beyond the prefix.
    pub(crate) fn host_bits(self) -> u8 {
        width(self.address) - self.prefix
    }

    fn host_mask(self) -> u128 {
        u128::MAX
            .checked_shr((128 - self.host_bits()).into())
            .unwrap_or(0)
    }
}

pub(crate) const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with these bits, of the same family as `like`.
#[expect(clippy::cast_possible_truncation, reason = "an IPv4 address has 32 bits")]
pub(crate) fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = ();

    /// Go's `netip.ParsePrefix`: no zone, no sign, no leading zero, not longer than the address.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(drop)?;
        let plain = prefix == "0" || prefix.starts_with(|first: char| matches!(first, '1'..='9'));
        let prefix: u8 = prefix.parse().map_err(drop)?;
        if plain && prefix <= width(address) {
            Ok(Self { address, prefix })
        } else {
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let net = cidr("172.17.5.9/16");
        assert_eq!(net.masked().to_string(), "172.17.0.0/16");
        assert_eq!(net.last().to_string(), "172.17.255.255");
        assert_eq!(net.nth(2).to_string(), "172.17.0.2");
        assert!(net.contains("172.17.0.1".parse().unwrap()) && !net.contains("172.18.0.1".parse().unwrap()));
        assert!(!net.contains("::".parse().unwrap()));
        assert_eq!(cidr("fd00::5/64").masked().to_string(), "fd00::/64");
        assert_eq!(cidr("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(cidr("::/0").host_mask(), u128::MAX);
        assert_eq!(cidr("10.0.0.1/32").host_mask(), 0);
    }

    #[test]
    fn overlaps() {
        for (a, b, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("fd00::/8", "10.0.0.0/8", false),
        ] {
            assert_eq!(cidr(a).overlaps(cidr(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "zz",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::/129",
            "10.0.0.0/",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
