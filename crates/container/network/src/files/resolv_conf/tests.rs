//! The files of a table of hosts.

use proptest::prelude::*;

use super::*;

const PATH: &str = "/etc/resolv.conf";

fn spec(servers: &str, search: &str, options: &str) -> DnsSpec {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let servers = servers
        .split_whitespace()
        .map(|text| text.parse().unwrap())
        .collect();
    DnsSpec {
        servers,
        search: words(search),
        options: words(options),
    }
}

/// Without the header, which never changes.
fn body(text: &str) -> &str {
    text.strip_prefix(HEADER).unwrap()
}

fn host(text: &str) -> ResolvConf {
    ResolvConf::parse(text, PATH)
}

#[test]
fn the_embedded_server_asks_the_others() {
    for (file, spec, expected) in [
        (
            "nameserver 10.0.0.1\nsearch example.com\n",
            spec("", "", ""),
            "nameserver 127.0.0.11\nsearch example.com\noptions ndots:0\n\n# Based on host file: '/etc/resolv.conf' \
             (internal resolver)\n# ExtServers: [host(10.0.0.1)]\n# Overrides: []\n# Option ndots from: internal\n",
        ),
        (
            "nameserver 127.0.0.53\nnameserver ::1\noptions edns0 trust-ad ndots:1",
            spec("", "", ""),
            "nameserver 127.0.0.11\noptions edns0 trust-ad ndots:1\n\n# Based on host file: '/etc/resolv.conf' \
             (internal resolver)\n# ExtServers: [host(127.0.0.53) host(::1)]\n# Overrides: []\n# Option ndots from: host\n",
        ),
        (
            "nameserver 10.0.0.1\noptions ndots:x",
            spec("192.0.2.1 fd00::1", "a.example .", "ndots:-1 timeout:3"),
            "nameserver 127.0.0.11\nsearch a.example\noptions timeout:3 ndots:0\n\n# Based on host file: \
             '/etc/resolv.conf' (internal resolver)\n# ExtServers: [192.0.2.1 fd00::1]\n\
             # Overrides: [nameservers search options]\n# Option ndots from: internal\n",
        ),
        (
            "",
            spec("", ".", "ndots:2"),
            "nameserver 127.0.0.11\noptions ndots:2\n\n# Based on host file: '/etc/resolv.conf' (internal resolver)\n\
             # NO EXTERNAL NAMESERVERS DEFINED\n# Overrides: [search options]\n# Option ndots from: override\n",
        ),
    ] {
        assert_eq!(body(&host(file).overridden(&spec).for_embedded()), expected);
    }
}

/// The host's file, what the user said, whether there is IPv6: the servers, and what is said
/// of them.
#[test]
fn on_the_bridge_only_servers_that_are_reached() {
    let warning = "# Used default nameservers.\n";
    for (file, servers, ipv6, expected, warns) in [
        ("10.0.0.1", "", false, "10.0.0.1", ""),
        ("10.0.0.1 fd00::1", "", false, "10.0.0.1", ""),
        ("10.0.0.1 fd00::1", "", true, "10.0.0.1 fd00::1", ""),
        ("127.0.0.1 10.0.0.1 127.0.0.53 ::1", "", true, "10.0.0.1", ""),
        ("127.0.0.53", "", false, "8.8.8.8 8.8.4.4", warning),
        ("fd00::1", "", false, "8.8.8.8 8.8.4.4", warning),
        (
            "::1",
            "",
            true,
            "8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844",
            warning,
        ),
        ("", "", false, "8.8.8.8 8.8.4.4", warning),
        ("10.0.0.1", "127.0.0.1 ::1", false, "127.0.0.1 ::1", ""),
    ] {
        let lines = |servers: &str| {
            servers
                .split_whitespace()
                .map(|server| format!("nameserver {server}\n"))
                .collect()
        };
        let (file, expected): (String, String) = (lines(file), lines(expected));
        let overrides = if servers.is_empty() { "" } else { "nameservers" };
        assert_eq!(
            body(&host(&file).overridden(&spec(servers, "", "")).for_bridge(ipv6)),
            format!(
                "{expected}\n# Based on host file: '{PATH}' (legacy)\n{warns}# Overrides: [{overrides}]\n"
            )
        );
    }
}

#[test]
fn the_hosts_network_has_the_hosts_file() {
    let file = "; comment\n # comment\nnameserver 127.0.0.53\nnameserver nonsense\ndomain old\nsearch a b\nsearch\n\
                nameserver\noptions\noptions edns0\n  options rotate\nsortlist 10.0.0.0\nlookup file bind\n";
    let expected = "nameserver 127.0.0.53\nsearch a b\noptions edns0 rotate\nsortlist 10.0.0.0\nlookup file bind\n\n\
                    # Based on host file: '/etc/resolv.conf'\n# Invalid nameservers: [nonsense]\n# Overrides: []\n";
    assert_eq!(body(&host(file).for_host()), expected);
    assert_eq!(
        body(&host("").for_host()),
        "\n# Based on host file: '/etc/resolv.conf'\n# Overrides: []\n"
    );
}

#[test]
fn systemds_stub_is_recognized() {
    for (file, is) in [
        ("nameserver 127.0.0.53", true),
        ("nameserver 127.0.0.53\nnameserver 10.0.0.1", false),
        ("nameserver 127.0.0.1", false),
        ("", false),
    ] {
        assert_eq!(host(file).is_systemd_stub(), is, "{file}");
    }
}

proptest! {
    /// Whatever the host has, containers ask only whom they reach.
    #[test]
    fn any_file_becomes_a_good_one(
        lines in prop::collection::vec("(nameserver|search|options|domain|ndots:|#|;|[a-z]*)[ \t]*[ -~]{0,30}", 0..8),
        ipv6 in any::<bool>(),
    ) {
        let file = host(&lines.join("\n"));
        let embedded = ResolvConf::parse(&file.clone().for_embedded(), PATH);
        prop_assert_eq!(embedded.servers(), &[IpAddr::from(NAME_SERVER)]);
        prop_assert!(embedded.has_option("ndots"));
        let bridge = ResolvConf::parse(&file.for_bridge(ipv6), PATH);
        prop_assert!(!bridge.servers().is_empty());
        prop_assert!(bridge.servers().iter().all(|server| !server.is_loopback() && (ipv6 || server.is_ipv4())));
    }
}
