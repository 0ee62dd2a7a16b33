//! What users may say, and what they hear.

use super::*;
use crate::Ipam;

fn check(config: IpamConfig, expected: &str) {
    let spec = NetworkSpec {
        ipam: Ipam {
            configs: vec![config],
            ..Ipam::default()
        },
        ..NetworkSpec::default()
    };
    let got = ipam(&spec).map_or_else(|error| error.to_string(), |read| format!("{}", read[0].subnet));
    assert_eq!(got, expected);
}

fn config(subnet: &str, ip_range: &str, gateway: &str) -> IpamConfig {
    IpamConfig {
        subnet: subnet.to_owned(),
        ip_range: ip_range.to_owned(),
        gateway: gateway.to_owned(),
        ..IpamConfig::default()
    }
}

#[test]
fn ipam_is_judged_in_upstreams_words() {
    check(config("10.1.0.0/16", "10.1.2.0/24", "10.1.0.1"), "10.1.0.0/16");
    for (subnet, range, gateway, fault) in [
        ("zz", "", "", "invalid subnet zz: invalid CIDR block notation"),
        (
            "10.1.2.0/16",
            "",
            "",
            "invalid subnet 10.1.2.0/16: it should be 10.1.0.0/16",
        ),
        (
            "10.1.0.0/16",
            "zz",
            "",
            "invalid ip-range zz: invalid CIDR block notation",
        ),
        (
            "10.1.0.0/16",
            "fd00::/8",
            "",
            "invalid ip-range fd00::/8: parent subnet is an IPv4 block",
        ),
        (
            "10.1.0.0/16",
            "10.0.0.0/8",
            "",
            "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.1.0.0/16",
        ),
        (
            "10.1.0.0/16",
            "10.2.0.0/24",
            "",
            "invalid ip-range 10.2.0.0/24: parent subnet 10.1.0.0/16 doesn't contain ip-range",
        ),
        (
            "10.1.0.0/16",
            "",
            "10.2.0.1",
            "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/16 doesn't contain this address",
        ),
        ("10.1.0.0/16", "", "zz", "invalid gateway zz: invalid address"),
    ] {
        check(
            config(subnet, range, gateway),
            &format!("invalid network config:\n{fault}"),
        );
    }
}

#[test]
fn all_faults_are_listed() {
    let configs = vec![config("10.1.2.0/16", "", "zz"), config("zz", "", "")];
    let spec = NetworkSpec {
        ipam: Ipam {
            configs,
            ..Ipam::default()
        },
        ..NetworkSpec::default()
    };
    let faults = "* invalid subnet 10.1.2.0/16: it should be 10.1.0.0/16\n* invalid gateway zz: invalid address\n\
                  * invalid subnet zz: invalid CIDR block notation";
    assert_eq!(
        ipam(&spec).unwrap_err().to_string(),
        format!("invalid network config:\n{faults}")
    );
    assert_eq!(join(&["a\nb".to_owned(), "c".to_owned()]), "* a\n\tb\n* c");
}

#[test]
fn options_are_honoured_or_refused() {
    let read = |name: &str, value: &str| options([(&name.to_owned(), &value.to_owned())]);
    assert_eq!(
        read("com.docker.network.driver.mtu", "1400").unwrap().mtu,
        Some(1400)
    );
    assert!(!read("com.docker.network.bridge.enable_icc", "false").unwrap().icc);
    assert_eq!(read("com.example", "x").unwrap(), Options::default());
    let failed = "failed to parse com.docker.network";
    for (name, value, says) in [
        ("driver.mtu", "-1", "invalid MTU number: -1".to_owned()),
        ("driver.mtu", "60", "invalid MTU number: 60".to_owned()),
        (
            "driver.mtu",
            "big",
            format!("{failed}.driver.mtu value: big (strconv.Atoi: parsing \"big\": invalid syntax)"),
        ),
        (
            "bridge.enable_icc",
            "maybe",
            format!(
                "{failed}.bridge.enable_icc value: maybe (strconv.ParseBool: parsing \"maybe\": invalid syntax)"
            ),
        ),
        (
            "bridge.host_binding_ipv4",
            "here",
            format!("{failed}.bridge.host_binding_ipv4 value: here (nil ip)"),
        ),
        (
            "bridge.gateway_mode_ipv4",
            "none",
            format!("{failed}.bridge.gateway_mode_ipv4 value: none (unknown gateway mode none)"),
        ),
        (
            "bridge.gateway_mode_ipv6",
            "routed",
            "com.docker.network.bridge.gateway_mode_ipv6=routed is not supported yet".to_owned(),
        ),
        (
            "bridge.inhibit_ipv4",
            "1",
            "com.docker.network.bridge.inhibit_ipv4=1 is not supported yet".to_owned(),
        ),
        (
            "host_ipv4",
            "10.0.0.1",
            "com.docker.network.host_ipv4=10.0.0.1 is not supported yet".to_owned(),
        ),
        (
            "bridge.name",
            "much-too-long-for-a-link",
            "invalid interface name: \"much-too-long-for-a-link\"".to_owned(),
        ),
    ] {
        let name = format!("com.docker.network.{name}");
        assert_eq!(read(&name, value).unwrap_err().to_string(), says);
    }
    for (name, value) in [
        ("bridge.gateway_mode_ipv4", "nat"),
        ("bridge.inhibit_ipv4", "f"),
        ("bridge.unknown", "x"),
    ] {
        let name = format!("com.docker.network.{name}");
        assert_eq!(read(&name, value).unwrap(), Options::default());
    }
}

#[test]
fn some_ipv6_subnets_are_no_bridges() {
    for (subnet, gateway, says) in [
        ("fd00::/64", "fd00::1", ""),
        ("10.0.0.0/24", "10.0.0.1", ""),
        ("fe80::/64", "fe80::1", ""),
        (
            "fe80::/10",
            "fe80::1",
            "'fe80::1/10' clashes with the Link-Local prefix 'fe80::/64'",
        ),
        (
            "ff02::/64",
            "ff02::1",
            "multicast subnet 'ff02::1/64' is not allowed",
        ),
        (
            "::ffff:10.0.0.0/120",
            "::ffff:10.0.0.1",
            "'::ffff:10.0.0.1/120' is not a valid IPv6 subnet",
        ),
    ] {
        let outcome = refuse_special(subnet.parse().unwrap(), gateway.parse().unwrap());
        assert_eq!(
            outcome.err().map(|error| error.to_string()).unwrap_or_default(),
            says
        );
    }
}
