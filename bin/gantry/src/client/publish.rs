//! `--publish`: `[[IP:]HOST:]PORT[/PROTOCOL]`, each port a port or a range.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::Serialize;

use super::settings::Invalid;

/// Where a container's port is published. An empty port is one that the node chooses.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Binding {
    host_ip: String,
    host_port: String,
}

/// By port of the container, such as `80/tcp`.
pub(super) type Bindings = BTreeMap<String, Vec<Binding>>;

/// # Errors
/// [`Invalid`], naming the option.
pub(super) fn parse(options: &[String]) -> Result<Bindings, Invalid> {
    let mut bindings = Bindings::new();
    for option in options {
        for (port, binding) in one(option)? {
            bindings.entry(port).or_default().push(binding);
        }
    }
    Ok(bindings)
}

fn one(option: &str) -> Result<Vec<(String, Binding)>, Invalid> {
    let (ports, protocol) = option.split_once('/').unwrap_or((option, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(Invalid(format!("invalid proto: {protocol}")));
    }
    let (host, inside) = match ports.rsplit_once(':') {
        Some((host, inside)) => (Some(host), inside),
        None => (None, ports),
    };
    let (ip, outside) = match host.map(|host| host.rsplit_once(':').ok_or(host)) {
        Some(Ok((ip, port))) => (address(ip)?, port),
        Some(Err(port)) => (String::new(), port),
        None => (String::new(), ""),
    };
    let inside = range(inside, "containerPort")?;
    let host_ports = host_ports(outside, &inside, option)?;
    let bindings = inside.zip(host_ports).map(|(port, host_port)| {
        let host_ip = ip.clone();
        (format!("{port}/{protocol}"), Binding { host_ip, host_port })
    });
    Ok(bindings.collect())
}

/// One for each port inside; a range for a single one is the node's to choose from.
fn host_ports(outside: &str, inside: &RangeInclusive<u16>, option: &str) -> Result<Vec<String>, Invalid> {
    if outside.is_empty() {
        return Ok(vec![String::new(); inside.len()]);
    }
    let outer = range(outside, "hostPort")?;
    match (outer.len(), inside.len()) {
        (outer_ports, inner_ports) if outer_ports == inner_ports => {
            Ok(outer.map(|port| port.to_string()).collect())
        }
        (_, 1) => Ok(vec![outside.to_owned()]),
        _ => Err(Invalid(format!(
            "invalid ranges specified for container and host Ports: {option}"
        ))),
    }
}

fn address(text: &str) -> Result<String, Invalid> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if bare.is_empty() || bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    Err(Invalid(format!("invalid IP address: {bare}")))
}

fn range(text: &str, what: &str) -> Result<RangeInclusive<u16>, Invalid> {
    let invalid = || Invalid(format!("invalid {what}: {text}"));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().map_err(|_| invalid());
    let range = port(first)?..=port(last)?;
    if range.is_empty() {
        Err(invalid())
    } else {
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(option: &str) -> Vec<String> {
        let bindings = parse(&[option.to_owned()]).unwrap();
        let each = bindings.iter().flat_map(|(port, bindings)| {
            bindings
                .iter()
                .map(move |binding| format!("{} {} {port}", binding.host_ip, binding.host_port))
        });
        each.collect()
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(parsed("80"), ["  80/tcp"]);
        assert_eq!(parsed("8080:80"), [" 8080 80/tcp"]);
        assert_eq!(parsed("53:53/UDP"), [" 53 53/udp"]);
        assert_eq!(parsed("127.0.0.1:8080:80"), ["127.0.0.1 8080 80/tcp"]);
        assert_eq!(parsed("127.0.0.1::80"), ["127.0.0.1  80/tcp"]);
        assert_eq!(parsed("[::1]:8080:80"), ["::1 8080 80/tcp"]);
        assert_eq!(parsed("8000-8001:80-81"), [" 8000 80/tcp", " 8001 81/tcp"]);
        assert_eq!(parsed("8000-8010:80"), [" 8000-8010 80/tcp"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (option, says) in [
            ("x", "containerPort: x"),
            ("70000:80", "hostPort: 70000"),
            ("90-80", "containerPort: 90-80"),
            ("1-3:1-2", "1-3:1-2"),
            ("80/icmp", "proto: icmp"),
            ("1.2.3:1:1", "IP address: 1.2.3"),
        ] {
            let Invalid(message) = parse(&[option.to_owned()]).unwrap_err();
            assert!(message.contains(says), "{option}: {message}");
        }
    }
}
