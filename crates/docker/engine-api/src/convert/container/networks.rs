//! Networks and ports of a container, as they are or as they will be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use engine::spec::{self, NetworkMode, Networking};
use network::{Endpoint, HostPort, Mac};
use serde_json::{Value, json};

use super::View;
use crate::convert::create::networking::is_user_defined;
use crate::wire::host_config::PortBinding;
use crate::wire::network::{EndpointIpamConfig, EndpointSettings};

/// `HostConfig.NetworkMode` of a container that another door made.
pub(crate) fn mode(network: &Networking) -> &str {
    match &network.mode {
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
        NetworkMode::Container(_) | NetworkMode::Path(_) => "container:pod",
        NetworkMode::Networks => network
            .endpoints
            .first()
            .map_or("bridge", |(name, _)| name.as_str()),
    }
}

/// `NetworkSettings.Networks`: by name, what was asked for joined with what there is.
pub(crate) fn endpoints(view: &View) -> BTreeMap<String, EndpointSettings> {
    let asked = &view.container.spec.network.endpoints;
    let there: &[Endpoint] = view.sandbox.as_ref().map_or(&[], |sandbox| &sandbox.endpoints);
    let mut all: BTreeMap<String, EndpointSettings> = asked
        .iter()
        .map(|(name, settings)| {
            let endpoint = there.iter().find(|endpoint| is_network(endpoint, name));
            let shown = endpoint.map_or(name, |endpoint| &endpoint.network_name);
            (shown.clone(), settings_of(settings, endpoint))
        })
        .collect();
    for endpoint in there {
        let known = all.contains_key(&endpoint.network_name);
        if !known {
            let plain = settings_of(&spec::EndpointSettings::default(), Some(endpoint));
            all.insert(endpoint.network_name.clone(), plain);
        }
    }
    if all.is_empty()
        && matches!(
            view.container.spec.network.mode,
            NetworkMode::None | NetworkMode::Host
        )
    {
        all.insert(
            mode(&view.container.spec.network).into(),
            EndpointSettings::default(),
        );
    }
    all
}

fn is_network(endpoint: &Endpoint, name: &str) -> bool {
    endpoint.network_name == name
        || endpoint.network_id == name
        || (name.len() >= 12 && endpoint.network_id.starts_with(name))
}

fn settings_of(asked: &spec::EndpointSettings, there: Option<&Endpoint>) -> EndpointSettings {
    let mut shown = EndpointSettings {
        ipam_config: ipam(asked),
        links: some(&asked.links),
        aliases: some(&asked.aliases),
        driver_opts: Some(asked.driver_options.clone()).filter(|options| !options.is_empty()),
        gw_priority: asked.gateway_priority,
        mac_address: asked.mac.map(|mac| Mac(mac).to_string()).unwrap_or_default(),
        ..EndpointSettings::default()
    };
    if let Some(endpoint) = there {
        live(&mut shown, endpoint);
    }
    shown
}

fn live(shown: &mut EndpointSettings, endpoint: &Endpoint) {
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    shown.network_id.clone_from(&endpoint.network_id);
    shown.endpoint_id.clone_from(&endpoint.endpoint_id);
    if !endpoint.interface.is_empty() {
        shown.mac_address = endpoint.mac.to_string();
    }
    shown.gateway = text(endpoint.ipv4_gateway.map(IpAddr::V4));
    shown.ip_address = text(endpoint.ipv4.map(|(address, _)| IpAddr::V4(address)));
    shown.ip_prefix_len = endpoint.ipv4.map_or(0, |(_, length)| length.into());
    shown.ipv6_gateway = text(endpoint.ipv6_gateway.map(IpAddr::V6));
    shown.global_ipv6_address = text(endpoint.ipv6.map(|(address, _)| IpAddr::V6(address)));
    shown.global_ipv6_prefix_len = endpoint.ipv6.map_or(0, |(_, length)| length.into());
    shown.dns_names = some(&endpoint.dns_names).filter(|_| is_user_defined(&endpoint.network_name));
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn ipam(asked: &spec::EndpointSettings) -> Option<EndpointIpamConfig> {
    let config = EndpointIpamConfig {
        ipv4_address: asked.ipv4.map(|address| address.to_string()).unwrap_or_default(),
        ipv6_address: asked.ipv6.map(|address| address.to_string()).unwrap_or_default(),
        link_local_ips: asked.link_local.iter().map(ToString::to_string).collect(),
    };
    (config != EndpointIpamConfig::default()).then_some(config)
}

/// `NetworkSettings.Ports`: every exposed port of a container with a sandbox, `null` where nothing
/// is published.
pub(crate) fn ports(view: &View) -> BTreeMap<String, Option<Vec<PortBinding>>> {
    let Some(sandbox) = &view.sandbox else {
        return BTreeMap::new();
    };
    let spec = &view.container.spec.network;
    let exposed = spec
        .exposed
        .iter()
        .map(|(port, protocol)| (format!("{port}/{}", protocol.as_str()), None));
    let mut ports: BTreeMap<_, _> = if spec.mode == NetworkMode::Networks {
        exposed.collect()
    } else {
        BTreeMap::new()
    };
    for (port, places) in sandbox.ports.iter().filter(|(_, places)| !places.is_empty()) {
        ports.insert(port.clone(), Some(places.iter().map(binding).collect()));
    }
    ports
}

fn binding(place: &HostPort) -> PortBinding {
    PortBinding {
        host_ip: place.ip.to_string(),
        host_port: place.port.to_string(),
    }
}

/// The same as a list, for `docker ps`.
pub(crate) fn port_list(view: &View) -> Vec<Value> {
    let one = |port: &str, binding: Option<PortBinding>| {
        let (private, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let private: u16 = private.parse().unwrap_or(0);
        match binding {
            None => json!({ "PrivatePort": private, "Type": protocol }),
            Some(PortBinding { host_ip, host_port }) => {
                let public: u16 = host_port.parse().unwrap_or(0);
                json!({ "IP": host_ip, "PrivatePort": private, "PublicPort": public, "Type": protocol })
            }
        }
    };
    let all = ports(view)
        .into_iter()
        .flat_map(|(port, bindings)| match bindings {
            None => vec![one(&port, None)],
            Some(bindings) => bindings
                .into_iter()
                .map(|binding| one(&port, Some(binding)))
                .collect(),
        });
    all.collect()
}
