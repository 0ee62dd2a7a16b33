//! Pools and addresses against what dockerd does, and against plain models.

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

#[test]
fn an_address_behind_the_last_is_taken_until_there_is_none() {
    let mut addresses = Addresses::new("10.0.0.0/29".parse().unwrap(), None);
    let mut last = None;
    let mut next = |addresses: &mut Addresses| {
        last = addresses.take_behind(last).or(last);
        last.map(|address| address.to_string()).unwrap_or_default()
    };
    assert_eq!(next(&mut addresses), "10.0.0.1");
    addresses.release("10.0.0.1".parse().unwrap());
    for expected in [
        "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.1",
    ] {
        assert_eq!(next(&mut addresses), expected);
    }
    assert_eq!(addresses.take_behind(None), None);
    addresses.release("10.0.0.3".parse().unwrap());
    assert_eq!(
        addresses
            .take_behind(Some("10.0.0.5".parse().unwrap()))
            .unwrap()
            .to_string(),
        "10.0.0.3"
    );
}
