//! What a Service's type makes of it: which of its fields mean something.

use std::net::IpAddr;

use schema::cursor::Ref;

/// The Service's type; a new one has its default already.
pub(crate) fn kind(service: Ref<'_>) -> &str {
    service.path("spec.type").str()
}

pub(crate) fn is_external_name(service: Ref<'_>) -> bool {
    kind(service) == "ExternalName"
}

pub(crate) fn is_load_balancer(service: Ref<'_>) -> bool {
    kind(service) == "LoadBalancer"
}

/// `None` as the only address.
pub(crate) fn is_headless(service: Ref<'_>) -> bool {
    let ips = service.path("spec.clusterIPs");
    ips.len() == 1 && ips.strings().next() == Some("None")
}

pub(crate) fn needs_cluster_ip(service: Ref<'_>) -> bool {
    !is_external_name(service)
}

pub(crate) fn needs_node_port(service: Ref<'_>) -> bool {
    matches!(kind(service), "NodePort" | "LoadBalancer")
}

/// Whether a node port is chosen where the client names none.
pub(crate) fn allocates_node_ports(service: Ref<'_>) -> bool {
    let asked = service.path("spec.allocateLoadBalancerNodePorts").boolean();
    needs_node_port(service) && (!is_load_balancer(service) || asked.unwrap_or(true))
}

/// Whether the load balancer needs a port of its own to ask which nodes have endpoints.
pub(crate) fn needs_health_check(service: Ref<'_>) -> bool {
    is_load_balancer(service) && service.path("spec.externalTrafficPolicy").str() == "Local"
}

/// Whether traffic from outside reaches it, by any of the three ways.
pub(crate) fn is_external(service: Ref<'_>) -> bool {
    let named = kind(service) == "ClusterIP" && !service.path("spec.externalIPs").is_empty();
    needs_node_port(service) || named
}

/// The node ports that stand in the Service, in the order of its ports.
pub(crate) fn node_ports(service: Ref<'_>) -> Vec<i64> {
    let ports = service.path("spec.ports").items();
    ports
        .map(|port| port.at("nodePort").int())
        .filter(|port| *port != 0)
        .collect()
}

/// The addresses and ports that a stored Service holds.
pub(crate) fn holdings(service: Ref<'_>) -> (Vec<IpAddr>, Vec<u16>) {
    let mut ports = node_ports(service);
    if needs_health_check(service) {
        ports.push(service.path("spec.healthCheckNodePort").int());
    }
    let ports = ports.into_iter().filter_map(|port| u16::try_from(port).ok());
    let ips = service.path("spec.clusterIPs").strings();
    let held = ips
        .filter_map(|ip| ip.parse().ok())
        .filter(|_| needs_cluster_ip(service));
    (held.collect(), ports.filter(|port| *port != 0).collect())
}
