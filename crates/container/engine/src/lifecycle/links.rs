//! What a container learns of those it is linked to on the default bridge (`--link`).

use std::sync::Arc;

use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::spec::{NetworkMode, Networking, PortProtocol};

/// The network that legacy links are about.
const BRIDGE: &str = "bridge";

impl Engine {
    /// The containers a starting one is linked to, each with its alias.
    ///
    /// # Errors
    /// One of them does not run.
    pub(crate) fn linked(&self, container: &Container) -> Result<Vec<(Arc<Container>, String)>, Error> {
        let network = &container.spec.network;
        let links = network.links.iter().filter(|_| on_bridge(network));
        let found = links.map(|(id, alias)| {
            let child = self.0.table.find(id)?.get();
            if child.state.status.has_process() {
                return Ok((child, alias.clone()));
            }
            Err(Error::Specification(format!(
                "Cannot link to a non running container: /{} AS /{}/{alias}",
                child.name, container.name
            )))
        });
        found.collect()
    }

    /// The variables that tell a container of those it is linked to.
    pub(crate) fn link_variables(
        &self,
        container: &Container,
        linked: &[(Arc<Container>, String)],
    ) -> Vec<String> {
        let all = linked.iter().map(|(child, alias)| {
            let sandbox = self.0.networks.sandbox(&child.id);
            let at = sandbox.as_ref().and_then(|sandbox| {
                let mut endpoints = sandbox.endpoints.iter();
                endpoints.find(|endpoint| endpoint.network_name == BRIDGE)
            });
            let address = at.and_then(|endpoint| endpoint.ipv4);
            let address = address.map_or_else(String::new, |(address, _)| address.to_string());
            let name = format!("/{}/{alias}", container.name);
            variables(&name, &address, &child.spec.network.exposed, &child.spec.env)
        });
        all.flatten().collect()
    }
}

fn on_bridge(network: &Networking) -> bool {
    network.mode == NetworkMode::Networks && network.endpoints.iter().any(|(name, _)| name == BRIDGE)
}

/// `name` is `/CONTAINER/ALIAS`; each run of ports that follow each other is told once more as a range.
fn variables(name: &str, address: &str, ports: &[(u16, PortProtocol)], env: &[String]) -> Vec<String> {
    let alias = name
        .rsplit('/')
        .next()
        .unwrap_or(name)
        .to_uppercase()
        .replace('-', "_");
    let mut ports = ports.to_vec();
    ports.sort_by_key(|(port, protocol)| (*protocol != PortProtocol::Tcp, protocol.as_str(), *port));
    let url = |(port, protocol): (u16, PortProtocol)| format!("{}://{address}:{port}", protocol.as_str());
    let prefix = |(port, protocol): (u16, PortProtocol)| {
        format!("{alias}_PORT_{port}_{}", protocol.as_str().to_uppercase())
    };
    let first = ports.first().map(|first| format!("{alias}_PORT={}", url(*first)));
    let mut all: Vec<String> = first.into_iter().collect();
    for port in &ports {
        let prefix = prefix(*port);
        all.push(format!("{prefix}={}", url(*port)));
        all.push(format!("{prefix}_ADDR={address}"));
        all.push(format!("{prefix}_PORT={}", port.0));
        all.push(format!("{prefix}_PROTO={}", port.1.as_str()));
    }
    let follows = |one: &(u16, PortProtocol), next: &(u16, PortProtocol)| {
        next.1 == one.1 && one.0.checked_add(1) == Some(next.0)
    };
    for run in ports.chunk_by(follows) {
        if let [start, .., end] = run {
            let prefix = prefix(*start);
            all.push(format!("{prefix}_START={}", url(*start)));
            all.push(format!("{prefix}_PORT_START={}", start.0));
            all.push(format!("{prefix}_END={}", url(*end)));
            all.push(format!("{prefix}_PORT_END={}", end.0));
        }
    }
    all.push(format!("{alias}_NAME={name}"));
    let own = env.iter().filter_map(|entry| entry.split_once('='));
    let own = own.filter(|(name, _)| !matches!(*name, "HOME" | "PATH"));
    all.extend(own.map(|(name, value)| format!("{alias}_ENV_{name}={value}")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_told_by_variables() {
        let ports = [
            (53, PortProtocol::Udp),
            (81, PortProtocol::Tcp),
            (80, PortProtocol::Tcp),
        ];
        let env = ["PATH=/bin", "A=1", "B"].map(String::from);
        let expected = [
            "MY_DB_PORT=tcp://1.2.3.4:80",
            "MY_DB_PORT_80_TCP=tcp://1.2.3.4:80",
            "MY_DB_PORT_80_TCP_ADDR=1.2.3.4",
            "MY_DB_PORT_80_TCP_PORT=80",
            "MY_DB_PORT_80_TCP_PROTO=tcp",
            "MY_DB_PORT_81_TCP=tcp://1.2.3.4:81",
            "MY_DB_PORT_81_TCP_ADDR=1.2.3.4",
            "MY_DB_PORT_81_TCP_PORT=81",
            "MY_DB_PORT_81_TCP_PROTO=tcp",
            "MY_DB_PORT_53_UDP=udp://1.2.3.4:53",
            "MY_DB_PORT_53_UDP_ADDR=1.2.3.4",
            "MY_DB_PORT_53_UDP_PORT=53",
            "MY_DB_PORT_53_UDP_PROTO=udp",
            "MY_DB_PORT_80_TCP_START=tcp://1.2.3.4:80",
            "MY_DB_PORT_80_TCP_PORT_START=80",
            "MY_DB_PORT_80_TCP_END=tcp://1.2.3.4:81",
            "MY_DB_PORT_80_TCP_PORT_END=81",
            "MY_DB_NAME=/me/my-db",
            "MY_DB_ENV_A=1",
        ];
        assert_eq!(variables("/me/my-db", "1.2.3.4", &ports, &env), expected);
        assert_eq!(variables("/me/x", "", &[], &[]), ["X_NAME=/me/x"]);
    }
}
