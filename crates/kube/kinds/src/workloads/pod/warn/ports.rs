//! Ports that are defined twice.

use std::collections::BTreeMap;

use schema::cursor::Ref;

use super::each_container;
use crate::Place;

/// Where a port is defined, and its port and address of the host.
type Definition = (String, i64, String);

/// Ports of the same number, over all containers.
pub(super) fn ports(spec: &Place<'_, '_>, found: &mut Vec<String>) {
    let mut seen: BTreeMap<(i64, String), Vec<Definition>> = BTreeMap::new();
    each_container(spec, |container| {
        for port in container.child("ports").each() {
            let (address, outer) = (port.at("hostIP").str(), port.at("hostPort").int());
            let (number, protocol) = (port.at("containerPort").int(), port.at("protocol").str());
            let path = port.path().to_string();
            if !address.is_empty() && outer == 0 {
                found.push(format!(
                    "{path}: hostIP set without hostPort: {}",
                    go_port(port.value())
                ));
            }
            let others = seen.entry((number, protocol.to_owned())).or_default();
            for (other, other_outer, other_address) in others.iter() {
                let how = overlap((outer, address), (*other_outer, other_address));
                found.extend(how.map(|how| format!("{path}: {how} port definition with {other}")));
            }
            others.push((path, outer, address.to_owned()));
        }
    });
}

fn overlap(one: (i64, &str), other: (i64, &str)) -> Option<&'static str> {
    if one == other {
        Some("duplicate")
    } else if one.0 == 0 || other.0 == 0 {
        Some("overlapping")
    } else if one.0 == other.0 && one.1.is_empty() != other.1.is_empty() {
        Some("dangerously ambiguous")
    } else {
        None
    }
}

/// A port as Go prints it.
fn go_port(port: Ref<'_>) -> String {
    let text = |name: &str| port.at(name).str();
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        text("name"),
        port.at("hostPort").int(),
        port.at("containerPort").int(),
        text("protocol"),
        text("hostIP")
    )
}
