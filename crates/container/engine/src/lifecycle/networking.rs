//! The network side of a container's life.

use std::path::PathBuf;
use std::sync::Arc;

use network::{Attach, DnsSpec, EndpointSpec, Mac, PortBinding, Protocol, Sandbox};

use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::oci;
use crate::spec::{EndpointSettings, NetworkMode, Networking, PortProtocol};
use crate::tasks::{apart, blocking};

/// What a container gets of its network before it starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attached {
    /// The namespace to join; absent for the host's.
    pub(crate) namespace: Option<PathBuf>,
    /// The host name of the container whose network is shared.
    pub(crate) hostname: Option<String>,
    /// Whose files are mounted at `/etc/hosts` and so on.
    pub(crate) files: Files,
    /// Variables that tell of the containers it is linked to.
    pub(crate) links: Vec<String>,
}

/// Where `/etc/hosts`, `/etc/resolv.conf` and `/etc/hostname` come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Files {
    /// They are the image's own.
    #[default]
    None,
    /// The node writes them for this container.
    Own(Arc<Sandbox>),
    /// Those of the container whose network is shared: its directory.
    Of(PathBuf),
}

impl Engine {
    /// Gives a container that is about to start its network.
    pub(crate) async fn attach_network(&self, container: &Arc<Container>) -> Result<Attached, Error> {
        match &container.spec.network.mode {
            NetworkMode::Path(path) => Ok(Attached {
                namespace: Some(path.into()),
                ..Attached::default()
            }),
            NetworkMode::Container(id) => self.share_network(id),
            NetworkMode::Networks | NetworkMode::None | NetworkMode::Host => {
                let linked = self.linked(container)?;
                let request = self.request(container);
                let networks = self.0.networks.clone();
                let sandbox = blocking(move || networks.attach(request))
                    .await
                    .map_err(Error::Networking)?;
                self.tell_networks(container, &sandbox, "connect");
                Ok(Attached {
                    namespace: sandbox.key.clone(),
                    hostname: None,
                    files: Files::Own(sandbox),
                    links: self.link_variables(container, &linked),
                })
            }
        }
    }

    fn share_network(&self, id: &str) -> Result<Attached, Error> {
        // What was not there at create may be there by now; where it is not, the start is at fault.
        let other = self.0.table.find(id).map_err(|error| {
            let reason = format!("joining network namespace of container: {error}");
            Error::Specification(format!("failed to set up container networking: {reason}"))
        })?;
        let container = other.get();
        if !container.state.status.has_process() {
            return Err(Error::Conflict(format!(
                "cannot join network of a non running container: {}",
                container.id
            )));
        }
        let namespace = match container.spec.network.mode {
            NetworkMode::Host => None,
            _ => Some(format!("/proc/{}/ns/net", container.state.pid).into()),
        };
        let (spec, host) = (&container.spec, &self.0.facts.hostname);
        Ok(Attached {
            namespace,
            hostname: Some(oci::hostname(spec, &container.id, host, None)),
            files: Files::Of(self.directory(&container.id)),
            links: Vec::new(),
        })
    }

    fn request(&self, container: &Container) -> Attach {
        let (spec, network) = (&container.spec, &container.spec.network);
        let networks = match network.mode {
            NetworkMode::Host => vec![("host".to_owned(), EndpointSpec::default())],
            NetworkMode::Networks => network.endpoints.iter().map(|it| endpoint(it, network)).collect(),
            _ => Vec::new(),
        };
        Attach {
            container: container.id.to_string(),
            name: container.name.clone(),
            hostname: oci::hostname(spec, &container.id, &self.0.facts.hostname, None),
            domainname: spec.domainname.clone(),
            networks,
            ports: ports(network),
            dns: DnsSpec {
                servers: network.dns.clone(),
                search: network.dns_search.clone(),
                options: network.dns_options.clone(),
            },
            extra_hosts: network.extra_hosts.clone(),
            // The init program sets them, with all other kernel parameters.
            sysctls: Vec::new(),
        }
    }

    /// Takes the network back from a container that has ended, or did not start.
    pub(crate) async fn detach_network(&self, container: &Arc<Container>) {
        let mode = &container.spec.network.mode;
        if matches!(mode, NetworkMode::Container(_) | NetworkMode::Path(_)) {
            return;
        }
        let (networks, id) = (self.0.networks.clone(), container.id.clone());
        let (sandbox, detached) = blocking(move || (networks.sandbox(&id), networks.detach(&id))).await;
        if let Err(error) = detached {
            tracing::error!(id = %container.id, %error, "the network of a container is not taken back");
        }
        if let Some(sandbox) = sandbox {
            self.tell_networks(container, &sandbox, "disconnect");
        }
    }

    fn tell_networks(&self, container: &Container, sandbox: &Sandbox, action: &str) {
        for endpoint in &sandbox.endpoints {
            self.tell_network(container, &endpoint.network_id, &endpoint.network_name, action);
        }
    }

    fn tell_network(&self, container: &Container, id: &str, name: &str, action: &str) {
        use crate::events::{Actor, Event, Kind};
        let driver = match name {
            "host" => "host",
            "none" => "null",
            _ => "bridge",
        };
        let attributes = [("container", &*container.id), ("name", name), ("type", driver)];
        self.0.events.publish(Event {
            kind: Kind::Network,
            action: action.into(),
            actor: Actor {
                id: id.to_owned(),
                attributes: attributes.map(|(key, value)| (key.into(), value.into())).into(),
            },
            time: self.now(),
        });
    }

    /// Puts a container on one more network; one that does not run is on it from its next start.
    ///
    /// # Errors
    /// There is no such network, the container is on it already, or it has no network of its own.
    pub async fn network_connect(
        &self,
        reference: &str,
        network: &str,
        settings: EndpointSettings,
    ) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        let network = network.to_owned();
        apart(async move {
            let _turn = entry.operation.lock().await;
            let container = entry.get();
            let network = engine.joinable(&container, &network)?;
            if container
                .spec
                .network
                .endpoints
                .iter()
                .any(|(at, _)| *at == network.name || *at == network.id)
            {
                return Err(Error::Forbidden(format!(
                    "endpoint with name {} already exists in network {}",
                    container.name, network.name
                )));
            }
            let added = (network.name.clone(), settings);
            if container.state.status.has_process() {
                let (networks, spec) = (
                    engine.0.networks.clone(),
                    endpoint(&added, &container.spec.network).1,
                );
                let (id, name) = (container.id.clone(), network.id.clone());
                blocking(move || networks.connect(&id, &name, spec)).await?;
                engine.rewrite_hosts(&container);
            }
            entry.change(|container| Arc::make_mut(&mut container.spec).network.endpoints.push(added));
            engine.0.rows.define(&entry).await?;
            engine.tell_network(&container, &network.id, &network.name, "connect");
            Ok(())
        })
        .await
    }

    /// Takes a container off a network.
    ///
    /// # Errors
    /// There is no such network, or the container is not on it.
    pub async fn network_disconnect(&self, reference: &str, network: &str, force: bool) -> Result<(), Error> {
        let entry = match self.0.table.find(reference) {
            Ok(entry) => entry,
            // What is left of a container that is gone may be told to go by force.
            Err(_) if force => {
                let (networks, id, name) =
                    (self.0.networks.clone(), reference.to_owned(), network.to_owned());
                return Ok(blocking(move || networks.disconnect(&id, &name)).await?);
            }
            Err(error) => return Err(error),
        };
        let (engine, network) = (self.clone(), network.to_owned());
        apart(async move {
            let _turn = entry.operation.lock().await;
            let container = entry.get();
            let network = engine.joinable(&container, &network)?;
            let is_it = |at: &str| at == network.name || at == network.id;
            if !container.spec.network.endpoints.iter().any(|(at, _)| is_it(at)) {
                return Err(Error::Forbidden(format!(
                    "container {} is not connected to network {}",
                    container.id, network.name
                )));
            }
            if container.state.status.has_process() {
                let (networks, id, name) = (
                    engine.0.networks.clone(),
                    container.id.clone(),
                    network.id.clone(),
                );
                blocking(move || networks.disconnect(&id, &name)).await?;
                engine.rewrite_hosts(&container);
            }
            entry.change(|container| {
                Arc::make_mut(&mut container.spec)
                    .network
                    .endpoints
                    .retain(|(at, _)| !is_it(at));
            });
            engine.0.rows.define(&entry).await?;
            engine.tell_network(&container, &network.id, &network.name, "disconnect");
            Ok(())
        })
        .await
    }

    fn joinable(&self, container: &Container, network: &str) -> Result<Arc<network::Network>, Error> {
        let found = self.0.networks.find(network)?;
        match &container.spec.network.mode {
            NetworkMode::Host => Err(Error::Forbidden(
                "container cannot be disconnected from host network or connected to host network".into(),
            )),
            NetworkMode::Container(_) | NetworkMode::Path(_) => Err(Error::Forbidden(
                "container sharing network namespace with another container or host cannot be connected to any other network".into(),
            )),
            NetworkMode::None => Err(Error::Invalid(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode".into(),
            )),
            _ if found.name == "host" => Err(Error::Forbidden(
                "container cannot be disconnected from host network or connected to host network".into(),
            )),
            _ => Ok(found),
        }
    }

    /// The hosts file after a change; the container sees it as it is the same file.
    fn rewrite_hosts(&self, container: &Container) {
        let Some(sandbox) = self.0.networks.sandbox(&container.id) else {
            return;
        };
        let directory = self.directory(&container.id);
        for (name, text) in [("hosts", &sandbox.hosts), ("resolv.conf", &sandbox.resolv_conf)] {
            if let Err(error) = std::fs::write(directory.join(name), text) {
                tracing::warn!(id = %container.id, %error, name, "a file of a container is not up to date");
            }
        }
    }
}

/// One network to join, in the network room's terms. Legacy links are the default bridge's.
fn endpoint((name, settings): &(String, EndpointSettings), network: &Networking) -> (String, EndpointSpec) {
    let legacy = network.links.iter().filter(|_| name == "bridge");
    let legacy = legacy.map(|(container, alias)| format!("{container}:{alias}"));
    let spec = EndpointSpec {
        ipv4: settings.ipv4,
        ipv6: settings.ipv6,
        mac: settings.mac.map(Mac),
        aliases: settings.aliases.clone(),
        links: settings.links.iter().cloned().chain(legacy).collect(),
        driver_opts: settings.driver_options.clone(),
        gw_priority: settings.gateway_priority,
    };
    (name.clone(), spec)
}

/// Ports to publish: those named, and with `-P` every other one that is exposed.
fn ports(network: &Networking) -> Vec<PortBinding> {
    let named = network.ports.iter().map(|port| PortBinding {
        container_port: port.container_port,
        protocol: protocol(port.protocol),
        host_ip: port.host_ip,
        host_port: port.host_ports,
    });
    let is_named = |(number, kind): &&(u16, PortProtocol)| {
        let same =
            |port: &crate::spec::PublishedPort| (port.container_port, port.protocol) == (*number, *kind);
        network.ports.iter().any(same)
    };
    let exposed = network
        .exposed
        .iter()
        .filter(|port| network.publish_all && !is_named(port));
    let exposed = exposed.map(|(number, kind)| PortBinding {
        container_port: *number,
        protocol: protocol(*kind),
        host_ip: None,
        host_port: None,
    });
    named.chain(exposed).collect()
}

const fn protocol(protocol: PortProtocol) -> Protocol {
    match protocol {
        PortProtocol::Tcp => Protocol::Tcp,
        PortProtocol::Udp => Protocol::Udp,
        PortProtocol::Sctp => Protocol::Sctp,
    }
}
