//! Ranges of addresses and ports, and the cluster's domain, as their flags write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no value of the type asked for. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no {1}")]
pub struct InvalidAddresses(String, &'static str);

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidAddresses;

            fn try_from(text: String) -> Result<Self, InvalidAddresses> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text!(Cidr);
text!(PodCidr);
text!(PortRange);
text!(Domain);

/// A network: `10.43.0.0/16`. Its address has no bit below the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The first address that somebody can have.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.nth(1)
    }

    /// The address with this number, up to 15: every network has that many.
    #[must_use]
    pub fn nth(&self, number: u8) -> IpAddr {
        let number = number & 15;
        match self.address {
            IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) | u32::from(number)).into(),
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) | u128::from(number)).into(),
        }
    }
}

/// Room for at least 16 Services, and no more than kube-apiserver's bitmaps hold.
fn serves(address: IpAddr, prefix: u8) -> bool {
    let (bits, width, host) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32, 32 - u32::from(prefix.min(32))),
        IpAddr::V6(address) => (u128::from(address), 128, 128 - u32::from(prefix.min(128))),
    };
    prefix <= width && (4..=20).contains(&host) && bits & ((1 << host) - 1) == 0
}

impl FromStr for Cidr {
    type Err = InvalidAddresses;

    fn from_str(text: &str) -> Result<Self, InvalidAddresses> {
        let parsed = text
            .split_once('/')
            .and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
        parsed
            .filter(|(address, prefix)| serves(*address, *prefix))
            .map(|(address, prefix)| Self { address, prefix })
            .ok_or_else(|| {
                let what = "network for Services, as 10.43.0.0/16 (/12 to /28, IPv6 /108 to /124)";
                InvalidAddresses(text.to_owned(), what)
            })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The network of this node's pods: `10.42.0.0/16`. Its address has no bit below the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PodCidr {
    /// The lowest address.
    pub address: Ipv4Addr,
    /// How many bits name the network: 8 to 28.
    pub prefix: u8,
}

impl PodCidr {
    /// Whether an address of one network is an address of the other.
    #[must_use]
    pub fn overlaps(&self, services: &Cidr) -> bool {
        let IpAddr::V4(address) = services.address else {
            return false;
        };
        let common = 32 - u32::from(self.prefix.min(services.prefix));
        u32::from(self.address) >> common == u32::from(address) >> common
    }
}

impl FromStr for PodCidr {
    type Err = InvalidAddresses;

    fn from_str(text: &str) -> Result<Self, InvalidAddresses> {
        let parsed: Option<(Ipv4Addr, u8)> = text
            .split_once('/')
            .and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
        parsed
            .filter(|(address, prefix)| {
                (8..=28).contains(prefix) && u32::from(*address).trailing_zeros() >= 32 - u32::from(*prefix)
            })
            .map(|(address, prefix)| Self { address, prefix })
            .ok_or_else(|| InvalidAddresses(text.to_owned(), "network for pods, as 10.42.0.0/16 (/8 to /28)"))
    }
}

impl fmt::Display for PodCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Ports from a first to a last one: `30000-32767`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl FromStr for PortRange {
    type Err = InvalidAddresses;

    fn from_str(text: &str) -> Result<Self, InvalidAddresses> {
        let parsed = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        parsed
            .filter(|(first, last)| 0 < *first && first <= last)
            .map(|(first, last)| Self { first, last })
            .ok_or_else(|| InvalidAddresses(text.to_owned(), "range of ports, as 30000-32767"))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A domain name of RFC 1123: `cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl FromStr for Domain {
    type Err = InvalidAddresses;

    fn from_str(text: &str) -> Result<Self, InvalidAddresses> {
        let valid = text.len() <= 200 && text.split('.').all(is_label);
        valid
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| InvalidAddresses(text.to_owned(), "domain name, as cluster.local"))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_for_services_has_room_and_a_first_address() {
        for (good, first) in [
            ("10.43.0.0/16", "10.43.0.1"),
            ("fd00:1::/112", "fd00:1::1"),
            ("192.168.7.16/28", "192.168.7.17"),
        ] {
            let cidr: Cidr = good.parse().unwrap();
            assert_eq!(
                (cidr.to_string().as_str(), cidr.first().to_string().as_str()),
                (good, first)
            );
        }
        for bad in [
            "",
            "10.43.0.0",
            "10.43.0.1/16",
            "10.0.0.0/8",
            "10.0.0.0/29",
            "10.0.0.0/40",
            "fd00::/64",
            "x/16",
            "10.43.0.0/-1",
        ] {
            let error = bad.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.contains("is no network"), "{bad}: {error}");
        }
    }

    #[test]
    fn ranges_and_domains_are_what_they_should_be() {
        assert_eq!(
            "1-65535".parse::<PortRange>().unwrap(),
            PortRange {
                first: 1,
                last: 65535
            }
        );
        for bad in ["", "1", "0-5", "7-6", "1-65536", "a-b"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
        for (text, good) in [
            ("cluster.local", true),
            ("a", true),
            ("", false),
            ("a..b", false),
            ("A.b", false),
            ("-a", false),
            ("a.", false),
        ] {
            assert_eq!(text.parse::<Domain>().is_ok(), good, "{text}");
        }
    }
}
