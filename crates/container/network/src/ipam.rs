//! Which subnets and addresses are taken. Pure: reservations live in memory and are made again
//! from the rows when a node starts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::Error;
use crate::cidr::{Cidr, bits, from_bits};

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

    fn subnets(&self) -> impl Iterator<Item = Cidr> {
        let base = self
            .base
            .parse::<Cidr>()
            .ok()
            .filter(|base| base.prefix <= self.size);
        base.into_iter().flat_map(|base| {
            let first = Cidr::new(base.masked().address, self.size);
            let count = 1_u128 << (self.size.saturating_sub(base.prefix)).min(24);
            let step =
                move |n: u128| from_bits(bits(first.address) + (n << first.host_bits()), first.address);
            (0..count).map(move |n| Cidr::new(step(n), first.prefix))
        })
    }
}

/// The first subnet of the pools that overlaps nothing in `taken`.
pub(crate) fn choose_subnet(pools: &[Pool], taken: &[Cidr]) -> Result<Cidr, Error> {
    let free = |subnet: &Cidr| !taken.iter().any(|other| other.overlaps(*subnet));
    let subnet = pools.iter().flat_map(Pool::subnets).find(free);
    subnet.ok_or_else(|| Error::Invalid("all predefined address pools have been fully subnetted".to_owned()))
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

    #[test]
    fn subnets_come_in_upstreams_order() {
        let pools = Pool::defaults();
        let mut taken = Vec::new();
        for expected in [
            "172.17.0.0/16",
            "172.18.0.0/16",
            "172.19.0.0/16",
            "172.20.0.0/16",
            "172.21.0.0/16",
        ] {
            let subnet = choose_subnet(&pools, &taken).unwrap();
            assert_eq!(subnet, cidr(expected));
            taken.push(subnet);
        }
        taken.push(cidr("172.16.0.0/12"));
        assert_eq!(choose_subnet(&pools, &taken).unwrap(), cidr("192.168.0.0/20"));
        taken.push(cidr("192.168.0.0/16"));
        assert!(choose_subnet(&pools, &taken).is_err());
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
