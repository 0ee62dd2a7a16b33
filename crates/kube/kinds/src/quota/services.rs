//! What quotas count of a Service: itself, its node ports, its load balancer.

use schema::cursor::Ref;

use super::{Amount, Amounts};

const NAMES: [&str; 4] = [
    "count/services",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Whether a quota's name is about Services.
pub(super) fn counts(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn usage(service: Ref<'_>) -> Amounts {
    let spec = service.at("spec");
    let balanced = spec.at("type").str() == "LoadBalancer";
    let all = spec.at("ports").len();
    let node_ports = match spec.at("type").str() {
        "NodePort" => all,
        "LoadBalancer" if spec.at("allocateLoadBalancerNodePorts").boolean() == Some(false) => {
            let given = |port: &Ref<'_>| port.at("nodePort").int() != 0;
            spec.at("ports").items().filter(given).count()
        }
        "LoadBalancer" => all,
        _ => 0,
    };
    let node_ports = i64::try_from(node_ports).unwrap_or(i64::MAX);
    let counts = [1, 1, i64::from(balanced), node_ports];
    NAMES
        .into_iter()
        .map(str::to_owned)
        .zip(counts.map(Amount::count))
        .collect()
}
