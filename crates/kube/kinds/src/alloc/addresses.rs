//! A pool of addresses over the cluster's Service ranges.
//!
//! An address that a client names may be anywhere in a range; one that is left open comes from the upper band
//! first (KEP-3070), so that named ones, which people choose low, seldom collide.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use driver::Rng;

/// An IP family, by the name that the API gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `IPv4`
    V4,
    /// `IPv6`
    V6,
}

impl Family {
    /// `IPv4` or `IPv6`
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The family of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::V4, Self::V6]
            .into_iter()
            .find(|family| family.name() == name)
    }

    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The one that this is not.
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    fn address(self, number: u128) -> IpAddr {
        match (self, u32::try_from(number)) {
            (Self::V4, Ok(number)) => Ipv4Addr::from(number).into(),
            _ => Ipv6Addr::from(number).into(),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// A range of addresses, `10.43.0.0/16`; printed with the host bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    family: Family,
    base: u128,
    prefix: u32,
}

/// A text that is no range: `ADDRESS/BITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACidr;

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let (address, prefix) = text.split_once('/').ok_or(NotACidr)?;
        let address: IpAddr = address.parse().map_err(|_| NotACidr)?;
        let family = Family::of(address);
        let prefix: u32 = prefix.parse().map_err(|_| NotACidr)?;
        let host = family.bits().checked_sub(prefix).ok_or(NotACidr)?;
        let base = number(address) & !mask(host);
        Ok(Self { family, base, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.family.address(self.base), self.prefix)
    }
}

/// As many ones as there are host bits.
const fn mask(host: u32) -> u128 {
    if host >= 128 { u128::MAX } else { (1 << host) - 1 }
}

impl Cidr {
    /// The range's family.
    pub const fn family(self) -> Family {
        self.family
    }

    /// Whether the address is in the range, be it one that a Service can have or not.
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family && (self.base..=self.end()).contains(&number(address))
    }

    /// Whether the whole of the other range is in this one.
    pub fn covers(self, other: Self) -> bool {
        self.family == other.family
            && self.prefix <= other.prefix
            && (self.base..=self.end()).contains(&other.base)
    }

    const fn end(self) -> u128 {
        self.base | mask(self.family.bits() - self.prefix)
    }

    /// The first and the last address that a Service can have: never the network's own, nor IPv4's broadcast.
    fn usable(self) -> (u128, u128) {
        let broadcast = u128::from(self.family == Family::V4);
        (self.base + 1, self.end().saturating_sub(broadcast))
    }

    /// How many of the first addresses are given out last.
    const fn lower_band(self) -> u128 {
        let size = mask(self.family.bits() - self.prefix).saturating_add(1);
        if size <= 16 { 0 } else { band(size, 16, 256) }
    }
}

/// A band of one in `step`, at least 16, at most `max`.
pub(super) const fn band(size: u128, step: u128, max: u128) -> u128 {
    match size / step {
        few if few < 16 => 16,
        many if many > max => max,
        some => some,
    }
}

/// Why an address is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAllocated {
    /// Somebody has it.
    Allocated,
    /// It is in no range.
    WrongNetwork,
    /// It is the network's own, or its broadcast address.
    OutOfRange(IpAddr, Cidr),
    /// Every address is taken.
    Full,
}

impl fmt::Display for NotAllocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocated => f.write_str("provided IP is already allocated"),
            Self::WrongNetwork => f.write_str("the provided network does not match the current range"),
            Self::OutOfRange(address, cidr) => write!(
                f,
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is {cidr}"
            ),
            Self::Full => f.write_str("range is full"),
        }
    }
}

/// The addresses of all Services.
#[derive(Clone, Debug)]
pub struct Addresses {
    cidrs: Vec<Cidr>,
    used: BTreeSet<IpAddr>,
}

impl Addresses {
    pub(super) const fn new(cidrs: Vec<Cidr>) -> Self {
        let used = BTreeSet::new();
        Self { cidrs, used }
    }

    pub(super) fn set_cidrs(&mut self, cidrs: Vec<Cidr>) {
        self.cidrs = cidrs;
    }

    /// The family of a Service that names none.
    pub(super) fn default_family(&self) -> Family {
        self.cidrs.first().map_or(Family::V4, |cidr| cidr.family)
    }

    /// Whether the cluster has addresses of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.cidrs.iter().any(|cidr| cidr.family == family)
    }

    /// Whether it has both.
    pub(super) fn is_dual(&self) -> bool {
        self.has(Family::V4) && self.has(Family::V6)
    }

    pub(super) fn held(&self) -> usize {
        self.used.len()
    }

    pub(super) fn adopt(&mut self, address: IpAddr) {
        self.used.insert(address);
    }

    pub(super) fn release(&mut self, address: IpAddr) {
        self.used.remove(&address);
    }

    /// Whether this address could be taken, were it free.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), NotAllocated> {
        let cidr = self.cidrs.iter().find(|cidr| cidr.contains(address));
        let cidr = *cidr.ok_or(NotAllocated::WrongNetwork)?;
        let (first, last) = cidr.usable();
        match (first..=last).contains(&number(address)) {
            true => Ok(()),
            false => Err(NotAllocated::OutOfRange(address, cidr)),
        }
    }

    /// Takes this address.
    pub(super) fn take(&mut self, address: IpAddr) -> Result<(), NotAllocated> {
        self.check(address)?;
        match self.used.insert(address) {
            true => Ok(()),
            false => Err(NotAllocated::Allocated),
        }
    }

    /// Takes any address of the family.
    pub(super) fn take_any(&mut self, family: Family, rng: &mut Rng) -> Result<IpAddr, NotAllocated> {
        let of_family = self.cidrs.iter().filter(|cidr| cidr.family == family);
        let free = of_family.copied().find_map(|cidr| self.find_free(cidr, rng));
        let address = free.ok_or(NotAllocated::Full)?;
        self.used.insert(address);
        Ok(address)
    }

    /// What a dry run shows: upstream's example is the network's own address.
    pub(super) fn example(&self, family: Family) -> Result<IpAddr, NotAllocated> {
        let cidr = self.cidrs.iter().find(|cidr| cidr.family == family);
        let cidr = cidr.ok_or(NotAllocated::Full)?;
        Ok(family.address(cidr.base))
    }

    fn find_free(&self, cidr: Cidr, rng: &mut Rng) -> Option<IpAddr> {
        let (first, last) = cidr.usable();
        let middle = first + cidr.lower_band();
        self.free_between(cidr.family, middle, last, rng)
            .or_else(|| self.free_between(cidr.family, first, middle.checked_sub(1)?, rng))
    }

    /// The first free address from a random one on, around the end. Ends after as many steps as there are
    /// addresses taken.
    fn free_between(&self, family: Family, first: u128, last: u128, rng: &mut Rng) -> Option<IpAddr> {
        let size = last.checked_sub(first)?.checked_add(1)?;
        let start = u128::from(rng.below(u64::try_from(size).unwrap_or(u64::MAX)));
        let around = (start..size).chain(0..start);
        around
            .map(|offset| family.address(first + offset))
            .find(|address| !self.used.contains(address))
    }
}
