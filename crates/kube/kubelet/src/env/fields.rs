//! Fields of a pod and of its containers as text: `fieldRef` and `resourceFieldRef`, in environments and in files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use schema::quantity::Quantity;

use crate::facts::NodeFacts;
use crate::pod::{Container, Pod, ResourceFieldRef};

/// A field of the pod's metadata, or of its whole (KEP downward API); none of one that is not offered.
pub fn metadata(pod: &Pod, path: &str) -> Option<String> {
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => &pod.labels,
            "metadata.annotations" => &pod.annotations,
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    Some(match path {
        "metadata.name" => pod.name.clone(),
        "metadata.namespace" => pod.namespace.clone(),
        "metadata.uid" => pod.uid.to_string(),
        "metadata.labels" => lines(&pod.labels),
        "metadata.annotations" => lines(&pod.annotations),
        _ => return None,
    })
}

/// A field that only environments have.
pub(super) fn of(pod: &Pod, node: &NodeFacts, address: Option<IpAddr>, path: &str) -> Option<String> {
    let own = || address.map(|ip| ip.to_string()).unwrap_or_default();
    let hosts = || node.addresses.iter().map(ToString::to_string);
    Some(match path {
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.hostIP" => hosts().next().unwrap_or_default(),
        "status.hostIPs" => hosts().collect::<Vec<_>>().join(","),
        "status.podIP" | "status.podIPs" => own(),
        _ => return metadata(pod, path),
    })
}

/// `metadata.labels['app']` as its two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// A line `key="value"` for each, values as Go quotes them.
fn lines(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", quote(value)))
        .collect();
    lines.join("\n")
}

/// Go's `%q`.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            char if char.is_ascii_control() => drop(write!(out, "\\x{:02x}", u32::from(char))),
            char if char.is_control() => drop(write!(out, "\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// What a container may use, or what is kept for it, in units of the reference's divisor, rounded up.
///
/// # Errors
/// A container or a resource that there is not: the text for people.
pub fn resource(
    pod: &Pod,
    own: Option<&Container>,
    node: &NodeFacts,
    wanted: &ResourceFieldRef,
) -> Result<String, String> {
    let container = match &*wanted.container_name {
        "" => own,
        name => pod.find(name).and_then(|at| pod.at(at)),
    };
    let Some(container) = container else {
        return Err(format!("container {} not found", wanted.container_name));
    };
    let (list, resource) = wanted
        .resource
        .split_once('.')
        .ok_or_else(|| format!("unsupported container resource : {}", wanted.resource))?;
    let parse = |list: &BTreeMap<String, String>| list.get(resource).and_then(|text| Quantity::parse(text));
    let amount = match list {
        // A container without a limit may use what the node has.
        "limits" => parse(&container.resources.limits)
            .filter(|limit| !limit.is_zero())
            .or_else(|| node.allocatable(resource)),
        "requests" => parse(&container.resources.requests),
        _ => return Err(format!("unsupported container resource : {}", wanted.resource)),
    };
    Ok(divided(amount.unwrap_or_default(), resource, &wanted.divisor).to_string())
}

/// Rounded up: CPUs in thousandths, everything else in whole units.
fn divided(amount: Quantity, resource: &str, divisor: &str) -> i128 {
    let unit = if resource == "cpu" {
        1_000_000
    } else {
        1_000_000_000
    };
    let up = |nanos: i128| (nanos + unit - 1).div_euclid(unit);
    let divisor = Quantity::parse(divisor).filter(|divisor| !divisor.is_zero());
    let divisor = up(divisor.unwrap_or(Quantity::whole(1)).nanos()).max(1);
    let amount = up(amount.nanos());
    (amount + divisor - 1).div_euclid(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        Pod::parse(
            br#"{"metadata":{"name":"web","namespace":"shop","uid":"u","labels":{"b":"2\"","a":"1"},"annotations":{"x.io/y":"l1\nl2"}},
                "spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1500m","memory":"100Mi"},"requests":{"cpu":"250m"}}}]}}"#,
        )
        .unwrap()
    }

    #[test]
    fn fields_are_text() {
        let pod = pod();
        let cases = [
            ("metadata.name", Some("web")),
            ("metadata.labels['a']", Some("1")),
            ("metadata.labels['none']", Some("")),
            ("metadata.labels", Some("a=\"1\"\nb=\"2\\\"\"")),
            ("metadata.annotations", Some("x.io/y=\"l1\\nl2\"")),
            ("status.podIP", Some("10.42.0.7")),
            ("status.hostIPs", Some("192.0.2.1")),
            ("spec.containers", None),
        ];
        let node = NodeFacts {
            addresses: vec!["192.0.2.1".parse().unwrap()],
            ..NodeFacts::default()
        };
        let address = "10.42.0.7".parse().ok();
        for (path, expected) in cases {
            assert_eq!(of(&pod, &node, address, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn resources_are_divided_and_rounded_up() {
        let pod = pod();
        let allocatable = [("memory", 8 << 30), ("ephemeral-storage", 7)];
        let node = NodeFacts {
            allocatable: allocatable
                .into_iter()
                .map(|(name, amount)| (name.to_owned(), Quantity::whole(amount)))
                .collect(),
            ..NodeFacts::default()
        };
        let cases = [
            ("limits.cpu", "", Ok("2")),
            ("limits.cpu", "1m", Ok("1500")),
            ("requests.cpu", "1", Ok("1")),
            ("limits.memory", "1Mi", Ok("100")),
            ("limits.memory", "0", Ok("104857600")),
            ("limits.memory", "1Gi", Ok("1")),
            ("requests.memory", "1Mi", Ok("0")),
            ("limits.ephemeral-storage", "2", Ok("4")),
            ("nothing", "", Err(())),
        ];
        for (resource_name, divisor, expected) in cases {
            let wanted = ResourceFieldRef {
                resource: resource_name.to_owned(),
                divisor: divisor.to_owned(),
                ..ResourceFieldRef::default()
            };
            let found = resource(&pod, pod.spec.all.first(), &node, &wanted);
            assert_eq!(
                found.as_deref().map_err(|_| ()),
                expected,
                "{resource_name} / {divisor}"
            );
        }
    }
}
