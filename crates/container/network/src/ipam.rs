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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn cidrs(texts: &str) -> Vec<Cidr> {
        texts.split_whitespace().map(cidr).collect()
    }

    fn pool((base, size): &(&str, u8)) -> Pool {
        Pool {
            base: (*base).to_owned(),
            size: *size,
        }
    }

    #[test]
    fn subnets_come_in_upstreams_order() {
        let mut taken = Vec::new();
        while let Ok(next) = choose_subnet(&Pool::defaults(), false, &taken) {
            taken.push(next);
        }
        let expected = (17..32).map(|second| format!("172.{second}.0.0/16"));
        let expected = expected.chain((0..16).map(|third| format!("192.168.{}.0/20", third * 16)));
        assert_eq!(
            taken.iter().map(Cidr::to_string).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_next_subnet_is_free() {
        for (pools, ipv6, taken, next) in [
            (&[("10.0.0.0/8", 24)][..], false, "", Some("10.0.0.0/24")),
            (&[("10.0.0.0/8", 24)], false, "10.0.0.128/25", Some("10.0.1.0/24")),
            (
                &[("10.0.0.0/8", 24)],
                false,
                "10.0.0.0/15 10.2.0.1/32",
                Some("10.2.1.0/24"),
            ),
            (
                &[("10.0.0.0/8", 24)],
                false,
                "10.0.0.0/24 10.0.2.0/24",
                Some("10.0.1.0/24"),
            ),
            (&[("10.0.0.0/8", 8)], false, "10.9.9.9/32", None),
            (&[("10.0.0.0/8", 24)], false, "::/0", Some("10.0.0.0/24")),
            (&[("10.0.0.0/8", 24)], false, "0.0.0.0/0", None),
            (&[("10.0.0.0/23", 24)], false, "10.0.0.0/24 10.0.1.7/32", None),
            (
                &[("255.255.255.0/24", 25)],
                false,
                "255.255.255.0/25",
                Some("255.255.255.128/25"),
            ),
            (&[("255.255.255.0/24", 25)], false, "255.255.255.0/24", None),
            (&[("fd00::/16", 64)], false, "", None),
            (
                &[("10.0.0.0/8", 24), ("fd00::/16", 64)],
                true,
                "fd00::/64",
                Some("fd00:0:0:1::/64"),
            ),
            (
                &[("10.1.0.0/16", 24), ("10.0.0.0/8", 16), ("9.0.0.0/24", 24)],
                false,
                "9.0.0.0/24",
                Some("10.0.0.0/16"),
            ),
        ] {
            let pools: Vec<_> = pools.iter().map(pool).collect();
            let chosen = choose_subnet(&pools, ipv6, &cidrs(taken)).ok();
            assert_eq!(chosen, next.map(cidr), "{pools:?} without {taken}");
        }
    }

    #[test]
    fn wrong_pools_are_named() {
        let smaller = "has a smaller prefix (/16) than the target size of that pool";
        for (wrong, why) in [
            (
                ("10.0.0.0", 8),
                "network at index 1 (10.0.0.0) is not in canonical form".to_owned(),
            ),
            (
                ("10.0.0.0/8", 0),
                "network at index 1 (10.0.0.0/8) is not in canonical form".to_owned(),
            ),
            (
                ("10.0.0.0/16", 8),
                format!("network at index 1 (10.0.0.0/16) {smaller} (/8)"),
            ),
            (
                ("10.0.0.0/16", 33),
                format!("network at index 1 (10.0.0.0/16) {smaller} (/33)"),
            ),
        ] {
            let pools = [pool(&("9.0.0.0/8", 16)), pool(&wrong)];
            assert_eq!(refuse_pools(&pools).unwrap_err().to_string(), why);
        }
        assert!(refuse_pools(&Pool::defaults()).is_ok());
    }

    #[test]
    fn the_lowest_free_address_is_next() {
        let mut addresses = Addresses::new(cidr("172.17.0.0/16"), None);
        let next = |addresses: &mut Addresses| addresses.take_next().unwrap().to_string();
        assert_eq!(
            [next(&mut addresses), next(&mut addresses)],
            ["172.17.0.1", "172.17.0.2"]
        );
        addresses.take("172.17.0.3".parse().unwrap()).unwrap();
        assert_eq!(next(&mut addresses), "172.17.0.4");
        addresses.release("172.17.0.2".parse().unwrap());
        assert_eq!(
            [next(&mut addresses), next(&mut addresses)],
            ["172.17.0.2", "172.17.0.5"]
        );
    }

    #[test]
    fn a_range_is_kept_to_and_an_asked_for_address_may_lie_outside() {
        let mut addresses = Addresses::new(cidr("10.0.0.0/24"), Some(cidr("10.0.0.128/30")));
        addresses.take("10.0.0.1".parse().unwrap()).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| addresses.take_next())
            .map(|ip| ip.to_string())
            .collect();
        assert_eq!(all, ["10.0.0.128", "10.0.0.129", "10.0.0.130", "10.0.0.131"]);
        assert!(addresses.take("10.0.1.1".parse().unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_the_first_free_subnet_is_next(
            blocks in proptest::collection::vec((0_u128..0x1_0000, 17_u8..=32), 0..12)
        ) {
            let base = cidr("10.0.0.0/16");
            let taken: Vec<_> = blocks.iter().map(|&(at, prefix)| Cidr::new(base.nth(at), prefix)).collect();
            let free = |subnet: &Cidr| !taken.iter().any(|block| block.overlaps(*subnet));
            let all = (0..16).map(|slice| Cidr::new(base.nth(slice << 12), 20));
            let chosen = choose_subnet(&[pool(&("10.0.0.0/16", 20))], false, &taken);
            prop_assert_eq!(chosen.ok(), all.into_iter().find(free));
        }

        #[test]
        fn no_address_twice(prefix in 22_u8..=31, steps in proptest::collection::vec((0_u8..3, 0_u32..64), 1..200)) {
            let subnet = Cidr::new("10.0.0.0".parse().unwrap(), prefix);
            let mut addresses = Addresses::new(subnet, None);
            let mut model = BTreeSet::new();
            for (step, number) in steps {
                let chosen = subnet.nth(number.into());
                match step {
                    0 => if let Some(address) = addresses.take_next() {
                        prop_assert!(subnet.contains(address) && model.insert(address));
                    },
                    1 => if addresses.take(chosen).is_ok() { prop_assert!(model.insert(chosen)); },
                    _ => if model.remove(&chosen) { addresses.release(chosen); },
                }
            }
        }
    }
}
