//! Services in the environment: `NAME_SERVICE_HOST` and its kin, as Docker's links once were.

use views::{Protocol, ServiceView};

/// The variables of a service with an address of its own; nothing of one without.
pub fn links(name: &str, service: &ServiceView) -> Vec<(String, String)> {
    let (Some(ip), Some(first)) = (service.ips.first(), service.ports.first()) else {
        return Vec::new();
    };
    let host = ip.to_string();
    let around = if ip.is_ipv6() {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let prefix = variable(name);
    let mut all = vec![
        (format!("{prefix}_SERVICE_HOST"), host.clone()),
        (format!("{prefix}_SERVICE_PORT"), first.port.to_string()),
    ];
    for port in service.ports.iter().filter(|port| !port.name.is_empty()) {
        let named = format!("{prefix}_SERVICE_PORT_{}", variable(&port.name));
        all.push((named, port.port.to_string()));
    }
    let url = |protocol: Protocol, number: u16| format!("{}://{around}:{number}", lower(protocol));
    all.push((format!("{prefix}_PORT"), url(first.protocol, first.port)));
    for port in &service.ports {
        let protocol = lower(port.protocol);
        let own = format!("{prefix}_PORT_{}_{}", port.port, protocol.to_uppercase());
        all.push((own.clone(), url(port.protocol, port.port)));
        all.push((format!("{own}_PROTO"), protocol.to_owned()));
        all.push((format!("{own}_PORT"), port.port.to_string()));
        all.push((format!("{own}_ADDR"), host.clone()));
    }
    all
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn lower(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}
