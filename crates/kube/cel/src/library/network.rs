//! Addresses and networks.

use std::fmt;
use std::net::IpAddr;

use schema::json::go_quote;

use super::{Cost, Function, Opaque, cost::Size, function, no_overload};
use crate::Error;
use crate::value::Value;

/// A network: an address, and how many of its bits tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub(crate) address: IpAddr,
    pub(crate) bits: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Cidr {
    /// The network with the bits that do not tell it cleared.
    fn masked(self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, ..self }
    }

    fn contains(self, address: IpAddr) -> bool {
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        same_family && Self { address, ..self }.masked() == self.masked()
    }
}

const PARSE: Cost = Cost::Text {
    times: 1,
    size: Size::Unknown,
    only_bytes: false,
};

const TEST: &[&str] = &[".net.IP -> bool"];

pub(super) const FUNCTIONS: &[Function] = &[
    function("ip", &["string -> net.IP"], PARSE, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("ip", args));
        };
        address(text).map(ip)
    }),
    function("ip", &[".net.CIDR -> net.IP"], Cost::One, |args| {
        of_network("ip", args, |cidr| ip(cidr.address))
    }),
    function("isIP", &["string -> bool"], PARSE, |args| {
        is("isIP", args, |text| address(text).is_ok())
    }),
    function(
        "ip.isCanonical",
        &["string -> bool"],
        Cost::Text {
            times: 2,
            size: Size::Unknown,
            only_bytes: false,
        },
        |args| {
            let [Value::String(text)] = args else {
                return Err(no_overload("ip.isCanonical", args));
            };
            Ok(Value::Bool(address(text)?.to_string() == **text))
        },
    ),
    function("family", &[".net.IP -> int"], Cost::One, |args| {
        of_address("family", args, |ip| Value::Int(if ip.is_ipv4() { 4 } else { 6 }))
    }),
    function("isUnspecified", TEST, Cost::One, |args| {
        of_address("isUnspecified", args, |ip| Value::Bool(ip.is_unspecified()))
    }),
    function("isLoopback", TEST, Cost::One, |args| {
        of_address("isLoopback", args, |ip| Value::Bool(ip.is_loopback()))
    }),
    function("isLinkLocalMulticast", TEST, Cost::One, |args| {
        of_address("isLinkLocalMulticast", args, |ip| {
            Value::Bool(is_link_local_multicast(ip))
        })
    }),
    function("isLinkLocalUnicast", TEST, Cost::One, |args| {
        of_address("isLinkLocalUnicast", args, |ip| Value::Bool(is_link_local(ip)))
    }),
    function("isGlobalUnicast", TEST, Cost::One, |args| {
        of_address("isGlobalUnicast", args, |ip| Value::Bool(is_global(ip)))
    }),
    function("cidr", &["string -> net.CIDR"], PARSE, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("cidr", args));
        };
        // Upstream says it twice.
        let parsed = network(text).map_err(|why| {
            Error::text(format!(
                "network address parse error during conversion from string: {why}"
            ))
        });
        parsed.map(|cidr| Value::Opaque(Opaque::Cidr(cidr)))
    }),
    function("isCIDR", &["string -> bool"], PARSE, |args| {
        is("isCIDR", args, |text| network(text).is_ok())
    }),
    function(
        "containsIP",
        &[".net.CIDR, string -> bool", ".net.CIDR, net.IP -> bool"],
        Cost::ContainsIp,
        contains_ip,
    ),
    function(
        "containsCIDR",
        &[".net.CIDR, string -> bool", ".net.CIDR, net.CIDR -> bool"],
        Cost::ContainsCidr,
        contains_cidr,
    ),
    function("prefixLength", &[".net.CIDR -> int"], Cost::One, |args| {
        of_network("prefixLength", args, |cidr| Value::Int(i64::from(cidr.bits)))
    }),
    function("masked", &[".net.CIDR -> net.CIDR"], Cost::One, |args| {
        of_network("masked", args, |cidr| Value::Opaque(Opaque::Cidr(cidr.masked())))
    }),
];

fn ip<'a>(address: IpAddr) -> Value<'a> {
    Value::Opaque(Opaque::Ip(address))
}

fn is<'a>(name: &str, args: &[Value<'a>], test: fn(&str) -> bool) -> Result<Value<'a>, Error> {
    match args {
        [Value::String(text)] => Ok(Value::Bool(test(text))),
        args => Err(no_overload(name, args)),
    }
}

fn of_address<'a>(name: &str, args: &[Value<'a>], read: fn(IpAddr) -> Value<'a>) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Ip(address))] => Ok(read(*address)),
        args => Err(no_overload(name, args)),
    }
}

fn of_network<'a>(name: &str, args: &[Value<'a>], read: fn(Cidr) -> Value<'a>) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Cidr(cidr))] => Ok(read(*cidr)),
        args => Err(no_overload(name, args)),
    }
}

/// What Kubernetes takes for an address: no zone, and no IPv4 in IPv6's clothes.
fn address(text: &str) -> Result<IpAddr, Error> {
    let quoted = go_quote(text);
    if text.contains('%') {
        return Err(Error::text(format!(
            "IP address {quoted} with zone value is not allowed"
        )));
    }
    let address: IpAddr = text.parse().map_err(|_| {
        Error::text(format!(
            "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): unable to parse IP"
        ))
    })?;
    if is_mapped(address) {
        return Err(Error::text(format!(
            "IPv4-mapped IPv6 address {quoted} is not allowed"
        )));
    }
    Ok(address)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

fn network(text: &str) -> Result<Cidr, Error> {
    let quoted = go_quote(text);
    let wrong = |why: &str| {
        Error::text(format!(
            "network address parse error during conversion from string: netip.ParsePrefix({quoted}): {why}"
        ))
    };
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| wrong("no '/'"))?;
    let parsed: IpAddr = address
        .parse()
        .map_err(|_| wrong(&format!("ParseAddr({}): unable to parse IP", go_quote(address))))?;
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (bits.len() == 1 || !bits.starts_with('0'));
    let most = if parsed.is_ipv4() { 32 } else { 128 };
    if !plain {
        return Err(wrong(&format!("bad bits after slash: {}", go_quote(bits))));
    }
    let bits = bits.parse().ok().filter(|bits: &u8| *bits <= most);
    let bits = bits.ok_or_else(|| wrong("prefix length out of range"))?;
    if is_mapped(parsed) {
        return Err(Error::text(format!(
            "IPv4-mapped IPv6 address {quoted} is not allowed"
        )));
    }
    Ok(Cidr {
        address: parsed,
        bits,
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

/// Go's meaning: neither unspecified nor loopback, multicast, link-local nor IPv4's broadcast.
fn is_global(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || is_link_local(address))
}

fn contains_ip<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (cidr, other) = match args {
        [
            Value::Opaque(Opaque::Cidr(cidr)),
            Value::Opaque(Opaque::Ip(other)),
        ] => (cidr, *other),
        [Value::Opaque(Opaque::Cidr(cidr)), Value::String(text)] => (cidr, address(text)?),
        args => return Err(no_overload("containsIP", args)),
    };
    Ok(Value::Bool(cidr.contains(other)))
}

fn contains_cidr<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let (cidr, other) = match args {
        [
            Value::Opaque(Opaque::Cidr(cidr)),
            Value::Opaque(Opaque::Cidr(other)),
        ] => (cidr, *other),
        [Value::Opaque(Opaque::Cidr(cidr)), Value::String(text)] => (cidr, network(text)?),
        args => return Err(no_overload("containsCIDR", args)),
    };
    Ok(Value::Bool(
        other.bits >= cidr.bits && cidr.contains(other.address),
    ))
}
