//! Networks, ports and names.

use std::collections::BTreeMap;

use engine::spec::{EndpointSettings, NetworkMode, Networking};

use super::Lookup;
use super::isolation::by_id;
use super::ports;
use crate::error::ApiError;
use crate::wire::config::Config;
use crate::wire::host_config::HostConfig;
use crate::wire::network::{self as wire, NetworkingConfig};

/// The networks every node has; only on others can a container have addresses and names of its
/// own choice.
pub(crate) fn is_user_defined(mode: &str) -> bool {
    !matches!(mode, "bridge" | "host" | "none" | "default" | "") && !mode.starts_with("container:")
}

/// What a request says about networks.
pub(crate) fn networking(
    config: &Config,
    host: &mut HostConfig,
    asked: &NetworkingConfig,
    lookup: &dyn Lookup,
) -> Result<Networking, ApiError> {
    by_id(&mut host.network_mode, lookup);
    let mode = if config.network_disabled {
        "none"
    } else {
        host.network_mode.as_str()
    };
    Ok(Networking {
        mode: network_mode(mode),
        endpoints: endpoints(mode, asked)?,
        ports: if mode == "host" {
            Vec::new()
        } else {
            ports::published(host)?
        },
        exposed: ports::exposed(config, host)?,
        publish_all: host.publish_all_ports && mode != "host",
        dns: host
            .dns
            .iter()
            .flatten()
            .map(|server| address(server))
            .collect::<Result<_, _>>()?,
        dns_search: host.dns_search.clone().unwrap_or_default(),
        dns_options: host.dns_options.clone().unwrap_or_default(),
        extra_hosts: host.extra_hosts.clone().unwrap_or_default(),
        // On other networks an endpoint's links count, whose containers may come later.
        links: host
            .links
            .iter()
            .flatten()
            .filter(|_| matches!(mode, "" | "default" | "bridge" | "host" | "none"))
            .map(|text| link(text, lookup))
            .collect::<Result<_, _>>()?,
    })
}

fn address(text: &str) -> Result<std::net::IpAddr, ApiError> {
    text.trim()
        .parse()
        .map_err(|_| ApiError::bad(format!("{text} is not an ip address")))
}

fn network_mode(mode: &str) -> NetworkMode {
    match mode {
        "none" => NetworkMode::None,
        "host" => NetworkMode::Host,
        mode => match mode.strip_prefix("container:") {
            Some(id) => NetworkMode::Container(id.into()),
            None => NetworkMode::Networks,
        },
    }
}

/// `CONTAINER[:ALIAS]`; the alias is the container's name when none is given.
fn link(text: &str, lookup: &dyn Lookup) -> Result<(String, String), ApiError> {
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    if name.is_empty() || alias.is_empty() || alias.contains(':') {
        return Err(ApiError::bad(format!("bad format for links: {text}")));
    }
    let alias = alias.rsplit('/').next().unwrap_or(alias);
    let id = lookup.container(name).map_err(|error| {
        ApiError::bad(error.message).within(&format!("could not get container for {name}"))
    })?;
    Ok((id, alias.into()))
}

/// The network of the mode first, then the others by name.
fn endpoints(mode: &str, asked: &NetworkingConfig) -> Result<Vec<(String, EndpointSettings)>, ApiError> {
    if !matches!(network_mode(mode), NetworkMode::Networks) {
        return shared(mode, asked).map(|()| Vec::new());
    }
    let mut all: BTreeMap<&str, EndpointSettings> = BTreeMap::new();
    for (name, settings) in &asked.endpoints_config {
        all.insert(name, endpoint(name, settings.as_ref())?);
    }
    let first = all.remove(mode).unwrap_or_default();
    let rest = all
        .into_iter()
        .map(|(name, settings)| (name.to_owned(), settings));
    Ok(std::iter::once((mode.to_owned(), first)).chain(rest).collect())
}

/// A container in somebody else's namespace, or in none, joins nothing.
fn shared(mode: &str, asked: &NetworkingConfig) -> Result<(), ApiError> {
    if asked.endpoints_config.keys().all(|name| name == mode) {
        return Ok(());
    }
    Err(ApiError::bad(match mode {
        "none" => {
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        }
        _ => {
            "container sharing network namespace with another container or host cannot be connected to any other network"
        }
    }))
}

/// The settings of one endpoint, checked.
pub(crate) fn endpoint(
    name: &str,
    asked: Option<&wire::EndpointSettings>,
) -> Result<EndpointSettings, ApiError> {
    let Some(asked) = asked else {
        return Ok(EndpointSettings::default());
    };
    let wrong = complaints(name, asked);
    if !wrong.is_empty() {
        return Err(
            ApiError::bad(format!("invalid endpoint settings:\n{}", join(&wrong)))
                .within(&format!("invalid config for network {name}")),
        );
    }
    let ipam = asked.ipam_config.clone().unwrap_or_default();
    Ok(EndpointSettings {
        ipv4: ipam.ipv4_address.parse().ok(),
        ipv6: ipam.ipv6_address.parse().ok(),
        link_local: ipam
            .link_local_ips
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        mac: mac(name, &asked.mac_address)?,
        aliases: asked.aliases.clone().unwrap_or_default(),
        links: asked.links.clone().unwrap_or_default(),
        driver_options: asked.driver_opts.clone().unwrap_or_default(),
        gateway_priority: asked.gw_priority,
    })
}

fn mac(network: &str, text: &str) -> Result<Option<[u8; 6]>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        ApiError::bad(format!(
            "invalid config for network {network}: invalid MAC address {text}"
        ))
    };
    text.parse::<network::Mac>().map(|mac| Some(mac.0)).map_err(wrong)
}

/// Everything wrong with an endpoint, in upstream's words.
fn complaints(name: &str, asked: &wire::EndpointSettings) -> Vec<String> {
    let ipam = asked.ipam_config.clone().unwrap_or_default();
    let fixed = !ipam.ipv4_address.is_empty() || !ipam.ipv6_address.is_empty();
    let named = asked.aliases.as_ref().is_some_and(|aliases| !aliases.is_empty());
    let ipv4 = |text: &str| {
        text.is_empty()
            || text
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|ip| !ip.is_unspecified())
    };
    let ipv6 = |text: &str| {
        text.is_empty()
            || text
                .parse::<std::net::Ipv6Addr>()
                .is_ok_and(|ip| !ip.is_unspecified())
    };
    let link_local = ipam
        .link_local_ips
        .iter()
        .filter(|text| text.parse::<std::net::IpAddr>().is_err());
    let table = [
        (
            fixed && !is_user_defined(name),
            "user specified IP address is supported on user defined networks only".to_owned(),
        ),
        (
            named && !is_user_defined(name),
            "network-scoped alias is supported only for containers in user defined networks".into(),
        ),
        (
            !ipv4(&ipam.ipv4_address),
            format!("invalid IPv4 address: {}", ipam.ipv4_address),
        ),
        (
            !ipv6(&ipam.ipv6_address),
            format!("invalid IPv6 address: {}", ipam.ipv6_address),
        ),
    ];
    let found = table
        .into_iter()
        .filter(|(wrong, _)| *wrong)
        .map(|(_, sentence)| sentence);
    found
        .chain(link_local.map(|text| format!("invalid link-local IP address: {text}")))
        .collect()
}

/// One sentence as it is, several as a list.
fn join(sentences: &[String]) -> String {
    match sentences {
        [one] => one.clone(),
        many => format!("* {}", many.join("\n* ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    struct Nobody;

    impl Lookup for Nobody {
        fn container(&self, name: &str) -> Result<String, ApiError> {
            Ok(format!("id-of-{name}"))
        }
    }

    fn read(host: Value, asked: Value) -> Result<Networking, String> {
        let mut host: HostConfig = serde_json::from_value(host).unwrap();
        let asked = serde_json::from_value(json!({"EndpointsConfig": asked})).unwrap();
        networking(&Config::default(), &mut host, &asked, &Nobody).map_err(|error| error.message)
    }

    #[test]
    fn the_mode_names_the_first_network() {
        let networking = read(
            json!({"NetworkMode": "b"}),
            json!({"a": null, "b": {"Aliases": ["x"]}}),
        )
        .unwrap();
        let names: Vec<_> = networking
            .endpoints
            .iter()
            .map(|(name, settings)| (name.as_str(), settings.aliases.len()))
            .collect();
        assert_eq!(names, [("b", 1), ("a", 0)]);
        assert_eq!(
            read(json!({"NetworkMode": "bridge"}), json!({}))
                .unwrap()
                .endpoints
                .len(),
            1
        );
    }

    #[test]
    fn shared_namespaces_join_nothing() {
        let networking = read(json!({"NetworkMode": "container:c"}), json!({})).unwrap();
        assert_eq!(networking.mode, NetworkMode::Container("id-of-c".into()));
        assert!(networking.endpoints.is_empty());
        assert!(
            read(json!({"NetworkMode": "host"}), json!({"n": {}}))
                .unwrap_err()
                .contains("sharing network namespace")
        );
        assert!(
            read(json!({"NetworkMode": "none"}), json!({"n": {}}))
                .unwrap_err()
                .contains("private (none) mode")
        );
        let published = json!({"NetworkMode": "host", "PortBindings": {"80": [{"HostPort": "1"}]}});
        assert!(
            read(published, json!({})).unwrap().ports.is_empty(),
            "published ports are discarded"
        );
    }

    #[test]
    fn endpoints_are_checked_in_upstreams_words() {
        for (name, settings, sentence) in [
            (
                "n",
                json!({"IPAMConfig": {"IPv4Address": "x"}}),
                "invalid config for network n: invalid endpoint settings:\ninvalid IPv4 address: x",
            ),
            (
                "bridge",
                json!({"IPAMConfig": {"IPv4Address": "10.0.0.1"}}),
                "invalid config for network bridge: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only",
            ),
            (
                "n",
                json!({"MacAddress": "x"}),
                "invalid config for network n: invalid MAC address x",
            ),
            (
                "n",
                json!({"IPAMConfig": {"IPv4Address": "x", "IPv6Address": "y"}}),
                "invalid config for network n: invalid endpoint settings:\n* invalid IPv4 address: x\n* invalid IPv6 address: y",
            ),
        ] {
            let mut asked = serde_json::Map::new();
            asked.insert(name.into(), settings);
            assert_eq!(
                read(json!({"NetworkMode": name}), Value::Object(asked)),
                Err(sentence.into())
            );
        }
    }

    #[test]
    fn an_endpoint_has_what_was_asked_for() {
        let settings = json!({
            "IPAMConfig": {"IPv4Address": "10.0.0.9", "IPv6Address": "fd00::9"}, "Links": ["c:d"], "Aliases": ["a"],
            "MacAddress": "02:00:00:00:00:09", "DriverOpts": {"k": "v"}, "GwPriority": 3,
        });
        let networking = read(json!({"NetworkMode": "n"}), json!({"n": settings})).unwrap();
        let endpoint = &networking.endpoints[0].1;
        assert_eq!(
            (endpoint.ipv4, endpoint.ipv6),
            ("10.0.0.9".parse().ok(), "fd00::9".parse().ok())
        );
        assert_eq!(
            (endpoint.links[0].as_str(), endpoint.aliases[0].as_str()),
            ("c:d", "a")
        );
        assert_eq!(
            (endpoint.mac, endpoint.gateway_priority),
            (Some([2, 0, 0, 0, 0, 9]), 3)
        );
        assert_eq!(endpoint.driver_options["k"], "v");
    }

    #[test]
    fn links_have_an_alias() {
        let networking = read(
            json!({"NetworkMode": "bridge", "Links": ["a", "b:/x/c"]}),
            json!({}),
        )
        .unwrap();
        assert_eq!(
            networking.links,
            [("id-of-a".into(), "a".into()), ("id-of-b".into(), "c".into())]
        );
        let elsewhere = json!({"NetworkMode": "shop", "Links": ["late:x"]});
        assert_eq!(read(elsewhere, json!({})).unwrap().links, []);
    }
}
