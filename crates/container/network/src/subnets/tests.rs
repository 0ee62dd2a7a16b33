//! New networks beside others.

use std::time::SystemTime;

use driver::Rng;
use proptest::prelude::*;

use super::*;
use crate::Network;
use crate::row::{NetworkRow, VERSION};

type Config<'a> = (&'a str, &'a str, &'a str);

fn spec(configs: &[Config<'_>], ipv6: bool) -> NetworkSpec {
    let config = |&(subnet, ip_range, gateway): &Config<'_>| IpamConfig {
        subnet: subnet.to_owned(),
        ip_range: ip_range.to_owned(),
        gateway: gateway.to_owned(),
        ..IpamConfig::default()
    };
    let configs = configs.iter().map(config).collect();
    NetworkSpec {
        ipv4: true,
        ipv6,
        ipam: Ipam {
            configs,
            ..Ipam::default()
        },
        ..NetworkSpec::default()
    }
}

/// Chooses for a network called `id`, and makes it.
fn create(
    registry: &mut Registry,
    id: &str,
    spec: &NetworkSpec,
    in_the_way: &[Cidr],
) -> Result<Choice, Error> {
    let subnets = validate::ipam(spec)?;
    let (pools, rng) = (Pool::defaults(), Mutex::new(Rng::from_seed(1)));
    let link = format!("br-{id}");
    let new = New {
        id,
        link: &link,
        spec,
        pools: &pools,
        rng: &rng,
        in_the_way,
    };
    let choice = choose(registry, &new, &subnets)?;
    let network = Network {
        id: id.to_owned(),
        name: id.to_owned(),
        driver: "bridge".to_owned(),
        created: SystemTime::UNIX_EPOCH,
        internal: false,
        attachable: false,
        ipv4: spec.ipv4,
        ipv6: spec.ipv6,
        ipam: choice.ipam.clone(),
        options: std::collections::BTreeMap::new(),
        labels: std::collections::BTreeMap::new(),
        link: Some(link),
    };
    let gateways = choice.gateways.clone();
    let row = NetworkRow {
        version: VERSION,
        network,
        configured: [true; 2],
        gateways,
        borrowed: false,
    };
    registry.nets.insert(id.to_owned(), Net::new(&row, 0)?);
    Ok(choice)
}

/// What is shown, and the bridge's addresses.
fn brief(outcome: Result<Choice, Error>) -> String {
    let choice = match outcome {
        Ok(choice) => choice,
        Err(error) => return error.to_string(),
    };
    let shown = choice
        .ipam
        .configs
        .iter()
        .map(|config| format!("{} {}", config.subnet, config.gateway));
    let shown: Vec<_> = shown.map(|text| text.trim().to_owned()).collect();
    let gateways: Vec<_> = choice.gateways.iter().map(IpAddr::to_string).collect();
    format!("{} | {}", shown.join(", "), gateways.join(" "))
}

#[test]
fn the_first_networks_are_dockers() {
    let mut registry = Registry::default();
    for (id, expected) in [
        ("a", "172.17.0.0/16 172.17.0.1 | 172.17.0.1"),
        ("b", "172.18.0.0/16 172.18.0.1 | 172.18.0.1"),
    ] {
        assert_eq!(brief(create(&mut registry, id, &spec(&[], false), &[])), expected);
    }
    registry.nets.remove("a");
    let host = ["172.17.0.0/16", "172.19.0.0/24"].map(|text| text.parse().unwrap());
    let next = brief(create(&mut registry, "c", &spec(&[], false), &host));
    assert_eq!(next, "172.20.0.0/16 172.20.0.1 | 172.20.0.1");
    let named = brief(create(
        &mut registry,
        "d",
        &spec(&[("172.17.0.0/16", "", "")], false),
        &host,
    ));
    assert_eq!(
        named, "172.17.0.0/16 | 172.17.0.1",
        "the user may name what the host uses"
    );
}

#[test]
fn gateways_are_named_or_lowest() {
    for (config, expected) in [
        (("10.0.0.0/24", "", ""), "10.0.0.0/24 | 10.0.0.1"),
        (
            ("10.0.0.0/24", "", "10.0.0.254"),
            "10.0.0.0/24 10.0.0.254 | 10.0.0.254",
        ),
        (("10.0.0.0/16", "10.0.5.0/24", ""), "10.0.0.0/16 | 10.0.5.0"),
        (("10.0.0.0/31", "", ""), "10.0.0.0/31 | 10.0.0.0"),
        (
            ("10.0.0.0/24", "", "10.0.0.0"),
            "failed to allocate gateway (10.0.0.0): Address already in use",
        ),
    ] {
        assert_eq!(
            brief(create(
                &mut Registry::default(),
                "a",
                &spec(&[config], false),
                &[]
            )),
            expected
        );
    }
}

#[test]
fn auxiliary_addresses_come_after_the_gateway() {
    for (address, expected) in [
        ("10.0.0.2", "10.0.0.0/24 | 10.0.0.1"),
        (
            "10.0.0.1",
            "failed to allocate secondary ip address (host:10.0.0.1): Address already in use",
        ),
    ] {
        let mut spec = spec(&[("10.0.0.0/24", "", "")], false);
        spec.ipam.configs[0]
            .aux
            .insert("host".to_owned(), address.to_owned());
        assert_eq!(brief(create(&mut Registry::default(), "a", &spec, &[])), expected);
    }
}

#[test]
fn both_families() {
    let mut registry = Registry::default();
    let said = spec(&[("fd01::/64", "", "")], true);
    let expected = "fd01::/64, 172.17.0.0/16 172.17.0.1 | 172.17.0.1 fd01::1";
    assert_eq!(brief(create(&mut registry, "a", &said, &[])), expected);
    let chosen = create(&mut registry, "b", &spec(&[], true), &[]).unwrap();
    let subnet: Cidr = chosen.ipam.configs[1].subnet.parse().unwrap();
    assert!(
        subnet.prefix == 64 && subnet.to_string().starts_with("fd"),
        "{subnet}"
    );
    let unused = spec(&[("fd01::1/64", "", "x")], false);
    assert_eq!(
        brief(create(&mut registry, "c", &unused, &[])),
        "fd01::1/64 x, 172.19.0.0/16 172.19.0.1 | 172.19.0.1"
    );
    let special = spec(&[("fe80::/10", "", "")], true);
    let says = "'fe80::1/10' clashes with the Link-Local prefix 'fe80::/64'";
    assert_eq!(brief(create(&mut registry, "d", &special, &[])), says);
}

#[test]
fn overlaps_are_refused() {
    let mut registry = Registry::default();
    create(
        &mut registry,
        "a",
        &spec(&[("10.0.0.0/16", "10.0.1.0/24", "")], false),
        &[],
    )
    .unwrap();
    let pool = "invalid pool request: Pool overlaps with other one on this address space";
    let bridge =
        "cannot create network b (br-b): conflicts with network a (br-a): networks have overlapping IPv4";
    let several = "bridge driver doesn't support multiple subnets";
    for (configs, expected) in [
        (&[("10.0.0.0/16", "", "")][..], pool),
        (&[("10.0.0.0/8", "", "")], pool),
        (&[("10.0.7.0/24", "", "")], pool),
        (&[("10.0.0.0/16", "10.0.1.0/24", "")], pool),
        (&[("10.0.0.0/16", "10.0.2.0/24", "")], bridge),
        (&[("10.1.0.0/16", "", ""), ("10.1.0.0/24", "", "")], pool),
        (&[("10.1.0.0/16", "", ""), ("10.2.0.0/16", "", "")], several),
    ] {
        assert_eq!(
            brief(create(&mut registry, "b", &spec(configs, false), &[])),
            expected,
            "{configs:?}"
        );
    }
    assert_eq!(registry.nets.len(), 1);
}

proptest! {
    /// Whatever is made and removed, no two networks share an address.
    #[test]
    fn networks_never_overlap(steps in prop::collection::vec((0_u8..3, 0_u8..8, any::<u16>(), 12_u8..=30), 1..40)) {
        let mut registry = Registry::default();
        for (step, id, low, prefix) in steps {
            let id = id.to_string();
            registry.nets.remove(&id);
            let base: Cidr = "172.16.0.0/12".parse().unwrap();
            let subnet = Cidr::new(base.nth(u128::from(low) << 4), prefix).masked().to_string();
            // What is refused is not made.
            drop(match step {
                0 => continue,
                1 => create(&mut registry, &id, &spec(&[(&subnet, "", "")], false), &[]),
                _ => create(&mut registry, &id, &spec(&[], false), &[]),
            });
            let subnets = registry.subnets();
            for (at, subnet) in subnets.iter().enumerate() {
                prop_assert!(!subnets[at + 1..].iter().any(|other| other.overlaps(*subnet)));
            }
        }
    }
}
