//! What a name asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A name below the cluster's domain, or one that stands for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question<'a> {
    /// The domain itself.
    Domain,
    /// `dns-version`
    Version,
    /// `ns.dns`
    NameServer,
    /// What has names below it and nothing else: `svc`, `pod`, `dns`.
    Between,
    /// `NAMESPACE.svc` or `NAMESPACE.pod`
    Namespace(&'a str),
    /// `A-B-C-D.NAMESPACE.pod`
    Pod { namespace: &'a str, name: &'a str },
    /// `SERVICE.NAMESPACE.svc`, or a part of it.
    Service {
        namespace: &'a str,
        name: &'a str,
        part: Part<'a>,
    },
    /// A name below `in-addr.arpa` or `ip6.arpa`.
    Address(IpAddr),
    /// Below the domain, and nothing that could be there.
    Nothing,
}

/// What of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Whole,
    /// `HOST.SERVICE…`
    Endpoint(&'a str),
    /// `_PORT._PROTOCOL.SERVICE…`; the underscores may be missing.
    Port {
        name: &'a str,
        protocol: &'a str,
    },
}

impl<'a> Question<'a> {
    /// What a name in lower case and without the last dot asks for; nothing if it is not below the domain.
    pub(crate) fn of(name: &'a str, domain: &str) -> Option<Self> {
        if name.ends_with(".arpa") {
            return reversed(name).map(Self::Address);
        }
        if name == domain {
            return Some(Self::Domain);
        }
        let below = name.strip_suffix(domain)?.strip_suffix('.')?;
        let labels: Vec<&str> = below.rsplit('.').collect();
        Some(Self::below(&labels))
    }

    /// The labels come in the order of a tree: the last one first.
    fn below(labels: &[&'a str]) -> Self {
        match labels {
            ["dns-version"] => Self::Version,
            ["dns", "ns"] => Self::NameServer,
            ["svc" | "pod" | "dns"] => Self::Between,
            ["svc" | "pod", namespace] => Self::Namespace(namespace),
            ["pod", namespace, name] => Self::Pod { namespace, name },
            ["svc", namespace, name, rest @ ..] => match Part::of(rest) {
                Some(part) => Self::Service {
                    namespace,
                    name,
                    part,
                },
                None => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }
}

impl<'a> Part<'a> {
    fn of(labels: &[&'a str]) -> Option<Self> {
        let bare = |label: &'a str| label.strip_prefix('_').unwrap_or(label);
        match labels {
            [] => Some(Self::Whole),
            [host] => Some(Self::Endpoint(host)),
            [protocol, name] => Some(Self::Port {
                name: bare(name),
                protocol: bare(protocol),
            }),
            _ => None,
        }
    }
}

/// The address that a reverse name stands for (RFC 1035 §3.5, RFC 3596 §2.5).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let octets: Vec<u8> = octets
            .rsplit('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let octets: [u8; 4] = octets.try_into().ok()?;
        return Some(Ipv4Addr::from(octets).into());
    }
    let nibbles: Vec<&str> = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    let bits = u128::from_str_radix(&nibbles.concat(), 16).ok()?;
    Some(Ipv6Addr::from(bits).into())
}

/// The address that the name of a pod stands for: dashes for what separates its parts.
pub(crate) fn pod_address(name: &str) -> Option<IpAddr> {
    let v4 = name.matches('-').count() == 3 && !name.contains("--");
    name.replace('-', if v4 { "." } else { ":" }).parse().ok()
}

/// The name that an endpoint without one of its own has below its service.
pub(crate) fn address_name(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let service = |name, part| Question::Service {
            namespace: "x",
            name,
            part,
        };
        let cases = [
            ("cluster.local", Some(Question::Domain)),
            ("example.com", None),
            ("notcluster.local", None),
            ("dns-version.cluster.local", Some(Question::Version)),
            ("ns.dns.cluster.local", Some(Question::NameServer)),
            ("svc.cluster.local", Some(Question::Between)),
            ("x.svc.cluster.local", Some(Question::Namespace("x"))),
            ("x.pod.cluster.local", Some(Question::Namespace("x"))),
            ("web.x.svc.cluster.local", Some(service("web", Part::Whole))),
            (
                "a.web.x.svc.cluster.local",
                Some(service("web", Part::Endpoint("a"))),
            ),
            (
                "_http._tcp.web.x.svc.cluster.local",
                Some(service(
                    "web",
                    Part::Port {
                        name: "http",
                        protocol: "tcp",
                    },
                )),
            ),
            ("a.b.c.web.x.svc.cluster.local", Some(Question::Nothing)),
            (
                "10-42-0-5.x.pod.cluster.local",
                Some(Question::Pod {
                    namespace: "x",
                    name: "10-42-0-5",
                }),
            ),
            ("a.10-42-0-5.x.pod.cluster.local", Some(Question::Nothing)),
            ("x.y.cluster.local", Some(Question::Nothing)),
            (
                "7.0.43.10.in-addr.arpa",
                Some(Question::Address(IpAddr::from([10, 43, 0, 7]))),
            ),
            ("0.43.10.in-addr.arpa", None),
            ("256.0.43.10.in-addr.arpa", None),
            ("x.ip6.arpa", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Question::of(name, "cluster.local"), expected, "{name}");
        }
        let v6: IpAddr = "fd00::17".parse().unwrap();
        let nibbles = format!("{:032x}", u128::from("fd00::17".parse::<Ipv6Addr>().unwrap()));
        let labels: Vec<String> = nibbles.chars().rev().map(String::from).collect();
        assert_eq!(reversed(&format!("{}.ip6.arpa", labels.join("."))), Some(v6));
    }

    #[test]
    fn addresses_are_names_and_back() {
        for (address, name) in [("10.42.0.5", "10-42-0-5"), ("fd00::1", "fd00--1")] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(address_name(address), name);
            assert_eq!(pod_address(name), Some(address));
        }
        for wrong in ["web", "10-42-0", "10-42-0-256", "10-42-0-5-6"] {
            assert_eq!(pod_address(wrong), None, "{wrong}");
        }
    }
}
