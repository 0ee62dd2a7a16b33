//! Ports exposed and published: `80/tcp`, `53/udp`, and where on the host.

use std::collections::{BTreeMap, BTreeSet};

use engine::spec::{PortProtocol, PublishedPort};

use crate::error::ApiError;
use crate::wire::config::{Config, Empty};
use crate::wire::host_config::{HostConfig, PortBinding};

fn invalid(text: &str) -> ApiError {
    ApiError::bad(format!("invalid port specification: {text:?}"))
}

/// `80/tcp` into its halves; `tcp` when there is no other word.
fn split(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((port, "")) => (port, "tcp"),
        Some((port, protocol)) => (port, protocol),
        None => (text, "tcp"),
    }
}

fn protocol(word: &str) -> Option<PortProtocol> {
    match word.to_ascii_lowercase().as_str() {
        "tcp" => Some(PortProtocol::Tcp),
        "udp" => Some(PortProtocol::Udp),
        "sctp" => Some(PortProtocol::Sctp),
        _ => None,
    }
}

/// A port or a range of them.
pub(crate) fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// Every port that `8000-8010/tcp` names.
pub(crate) fn named(text: &str) -> Result<Vec<(u16, PortProtocol)>, ApiError> {
    let (ports, word) = split(text);
    let (range, protocol) = range(ports).zip(protocol(word)).ok_or_else(|| invalid(ports))?;
    Ok((range.0..=range.1).map(|port| (port, protocol)).collect())
}

/// One port and its protocol, as a key of `PortBindings`.
fn key(text: &str) -> Result<(u16, PortProtocol), ApiError> {
    let (port, word) = split(text);
    port.parse().ok().zip(protocol(word)).ok_or_else(|| invalid(port))
}

/// Refuses keys and host ports that are none.
pub(crate) fn check(host: &HostConfig) -> Result<(), ApiError> {
    for (name, bindings) in host.port_bindings.iter().flatten() {
        key(name)?;
        for binding in bindings.iter().flatten() {
            host_ports(&binding.host_port)?;
            host_ip(&binding.host_ip)?;
        }
    }
    Ok(())
}

fn host_ports(text: &str) -> Result<Option<(u16, u16)>, ApiError> {
    match text {
        "" | "0" => Ok(None),
        text => range(text).map(Some).ok_or_else(|| invalid(text)),
    }
}

fn host_ip(text: &str) -> Result<Option<std::net::IpAddr>, ApiError> {
    let bare = text.trim_matches(['[', ']']);
    if bare.is_empty() {
        return Ok(None);
    }
    bare.parse()
        .map(Some)
        .map_err(|_| ApiError::bad(format!("invalid IP address: {text}")))
}

/// Ports published: one entry for each binding.
pub(crate) fn published(host: &HostConfig) -> Result<Vec<PublishedPort>, ApiError> {
    let mut published = Vec::new();
    for (name, bindings) in host.port_bindings.iter().flatten() {
        let (container_port, protocol) = key(name)?;
        for PortBinding {
            host_ip: ip,
            host_port,
        } in bindings.iter().flatten()
        {
            let (host_ip, host_ports) = (host_ip(ip)?, host_ports(host_port)?);
            published.push(PublishedPort {
                container_port,
                protocol,
                host_ip,
                host_ports,
            });
        }
    }
    Ok(published)
}

/// Ports exposed by the image, the request or a binding.
pub(crate) fn exposed(config: &Config, host: &HostConfig) -> Result<Vec<(u16, PortProtocol)>, ApiError> {
    let bound = host.port_bindings.iter().flatten().map(|(name, _)| name);
    let names = config.exposed_ports.keys().chain(bound);
    let ports = names.map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(ports
        .into_iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect())
}

/// The same ports under their full names, as `Config.ExposedPorts` shows them.
pub(crate) fn normal_names(config: &mut Config) -> Result<(), ApiError> {
    let names = std::mem::take(&mut config.exposed_ports);
    for name in names.keys() {
        let named = named(name)?;
        let full = named
            .iter()
            .map(|(port, protocol)| (format!("{port}/{}", protocol.as_str()), Empty {}));
        config.exposed_ports.extend(full.collect::<BTreeMap<_, _>>());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(bindings: serde_json::Value) -> HostConfig {
        serde_json::from_value(json!({"PortBindings": bindings})).unwrap()
    }

    #[test]
    fn bindings_are_read() {
        let bindings = json!({"80/tcp": [{"HostPort": "8080"}, {"HostIp": "::1", "HostPort": "1-3"}], "53/udp": [{}], "9": null});
        let ports = published(&host(bindings.clone())).unwrap();
        let brief: Vec<_> = ports
            .iter()
            .map(|p| {
                (
                    p.container_port,
                    p.protocol.as_str(),
                    p.host_ports,
                    p.host_ip.is_some(),
                )
            })
            .collect();
        assert_eq!(
            brief,
            [
                (53, "udp", None, false),
                (80, "tcp", Some((8080, 8080)), false),
                (80, "tcp", Some((1, 3)), true)
            ]
        );
        let exposed = exposed(&Config::default(), &host(bindings)).unwrap();
        assert_eq!(
            exposed,
            [
                (9, PortProtocol::Tcp),
                (53, PortProtocol::Udp),
                (80, PortProtocol::Tcp)
            ]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for (bindings, sentence) in [
            (json!({"x": []}), "invalid port specification: \"x\""),
            (json!({"80/zz": []}), "invalid port specification: \"80\""),
            (json!({"70000/tcp": []}), "invalid port specification: \"70000\""),
            (
                json!({"80": [{"HostPort": "9-1"}]}),
                "invalid port specification: \"9-1\"",
            ),
            (json!({"80": [{"HostIp": "x"}]}), "invalid IP address: x"),
        ] {
            assert_eq!(check(&host(bindings)).unwrap_err().message, sentence);
        }
    }

    #[test]
    fn ranges_are_spelled_out() {
        let mut config: Config =
            serde_json::from_value(json!({"ExposedPorts": {"8000-8001": {}, "53/udp": {}}})).unwrap();
        normal_names(&mut config).unwrap();
        assert_eq!(
            config.exposed_ports.into_keys().collect::<Vec<_>>(),
            ["53/udp", "8000/tcp", "8001/tcp"]
        );
    }
}
