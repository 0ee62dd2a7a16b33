//! Which subnets and addresses are taken. Pure: reservations live in memory and are made again
//! from the rows when a node starts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::Error;
use crate::cidr::{Cidr, bits, from_bits, width};

/// A range that subnets are taken from (dockerd's `default-address-pools`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// CIDR of the whole range.
    pub base: String,
    /// Length of the prefix of each subnet.
    pub size: u8,
}

impl Pool {
    /// Upstream's own: `172.17.0.0/16` to `172.31.0.0/16`, then sixteen of `192.168.0.0/16`.
    pub fn defaults() -> Vec<Self> {
        let pool = |(base, size): (&str, u8)| Self {
            base: base.to_owned(),
            size,
        };
        let ranges = [
            ("172.17.0.0/16", 16),
            ("172.18.0.0/16", 16),
            ("172.19.0.0/16", 16),
            ("172.20.0.0/14", 16),
            ("172.24.0.0/14", 16),
            ("172.28.0.0/14", 16),
            ("192.168.0.0/16", 20),
        ];
        ranges.into_iter().map(pool).collect()
    }

    /// Its range; what is wrong with it, in upstream's words, if it cannot be cut like this.
    fn range(&self, index: usize) -> Result<Cidr, Error> {
        let Self { base, size } = self;
        let wrong = |why: String| Error::Invalid(format!("network at index {index} ({base}) {why}"));
        let range: Option<Cidr> = base.parse().ok();
        let range = range.filter(|_| *size > 0);
        let range = range.ok_or_else(|| wrong("is not in canonical form".to_owned()))?;
        if !(range.prefix..=width(range.address)).contains(size) {
            let prefix = range.prefix;
            return Err(wrong(format!(
                "has a smaller prefix (/{prefix}) than the target size of that pool (/{size})"
            )));
        }
        Ok(range.masked())
    }
}

/// Judges the pools of a node's configuration.
pub(crate) fn refuse_pools(pools: &[Pool]) -> Result<(), Error> {
    ranges(pools).map(drop)
}

/// Ranges and the lengths of the prefixes of their subnets, in the order of their addresses, which
/// is upstream's. Out of overlapping ones the largest, which sorts first, stands for all.
fn ranges(pools: &[Pool]) -> Result<Vec<(Cidr, u8)>, Error> {
    let range = |(index, pool): (usize, &Pool)| Ok((pool.range(index)?, pool.size));
    let mut ranges = pools
        .iter()
        .enumerate()
        .map(range)
        .collect::<Result<Vec<_>, Error>>()?;
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| later.0.overlaps(earlier.0));
    Ok(ranges)
}

/// Whether there is a pool for IPv6.
pub(crate) fn has_ipv6(pools: &[Pool]) -> bool {
    ranges(pools).is_ok_and(|ranges| ranges.iter().any(|(range, _)| range.address.is_ipv6()))
}

/// The first subnet of the pools of a family that overlaps nothing in `taken`.
pub(crate) fn choose_subnet(pools: &[Pool], ipv6: bool, taken: &[Cidr]) -> Result<Cidr, Error> {
    let of_family = ranges(pools)?
        .into_iter()
        .filter(|(range, _)| range.address.is_ipv6() == ipv6);
    let mut free = of_family.filter_map(|(range, size)| first_free(range, size, taken));
    let none = || Error::Invalid("all predefined address pools have been fully subnetted".to_owned());
    free.next().ok_or_else(none)
}

/// Each turn steps over one of `taken`, so there are at most as many turns as these and one.
fn first_free(range: Cidr, size: u8, taken: &[Cidr]) -> Option<Cidr> {
    let mut candidate = Cidr::new(range.address, size);
    loop {
        let Some(blocker) = taken.iter().find(|other| other.overlaps(candidate)) else {
            return Some(candidate);
        };
        let beyond = bits(blocker.last()).max(bits(candidate.last())).checked_add(1)?;
        if beyond > bits(range.last()) {
            return None;
        }
        // The subnet that the blocker ends in is blocked too; that is seen in the next turn.
        candidate = Cidr::new(from_bits(beyond, range.address), size).masked();
    }
}

/// The addresses of one subnet. The lowest free one is next, as upstream does it.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    subnet: Cidr,
    range: Cidr,
    taken: BTreeSet<u128>,
    /// No address of the range below this one is free.
    hint: u128,
}

impl Addresses {
    /// All addresses of `range` (a part of `subnet`) are free but those with a meaning: the
    /// network's own, and IPv4's broadcast, unless there are just two of them (RFC 3021).
    pub(crate) fn new(subnet: Cidr, range: Option<Cidr>) -> Self {
        let (subnet, range) = (subnet.masked(), range.unwrap_or(subnet).masked());
        let mut taken = BTreeSet::new();
        let v4 = subnet.address.is_ipv4();
        if !v4 || subnet.host_bits() > 1 {
            taken.insert(bits(subnet.address));
        }
        if v4 && subnet.host_bits() > 1 {
            taken.insert(bits(subnet.last()));
        }
        let hint = bits(range.address);
        Self {
            subnet,
            range,
            taken,
            hint,
        }
    }

    pub(crate) const fn subnet(&self) -> Cidr {
        self.subnet
    }

    /// Takes the lowest free address; `None` when there is none.
    pub(crate) fn take_next(&mut self) -> Option<IpAddr> {
        let last = bits(self.range.last());
        let mut next = self.hint;
        for taken in self.taken.range(self.hint..=last) {
            if *taken != next {
                break;
            }
            next = next.checked_add(1)?;
        }
        (next <= last).then(|| {
            self.taken.insert(next);
            self.hint = next;
            from_bits(next, self.subnet.address)
        })
    }

    /// Takes the lowest free address behind this one, or behind none: an address that was just
    /// given back is nobody's for as long as there are others.
    pub(crate) fn take_behind(&mut self, last: Option<IpAddr>) -> Option<IpAddr> {
        let behind = last.map_or(0, |last| bits(last).saturating_add(1));
        let lowest = self.hint;
        self.hint = lowest.max(behind);
        let taken = self.take_next();
        self.hint = lowest;
        taken.or_else(|| self.take_next())
    }

    /// Takes this address, which may lie outside the range but not outside the subnet.
    pub(crate) fn take(&mut self, address: IpAddr) -> Result<(), Error> {
        if !self.subnet.contains(address) {
            return Err(Error::Invalid("requested address is out of range".to_owned()));
        }
        if self.taken.insert(bits(address)) {
            Ok(())
        } else {
            Err(Error::Forbidden("Address already in use".to_owned()))
        }
    }

    /// Gives an address back.
    pub(crate) fn release(&mut self, address: IpAddr) {
        let address = bits(address);
        if self.taken.remove(&address) && address >= bits(self.range.address) {
            self.hint = self.hint.min(address);
        }
    }
}

#[cfg(test)]
mod tests;
