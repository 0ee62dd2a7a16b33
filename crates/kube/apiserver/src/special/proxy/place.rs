//! Where nodes, pods and Services are, for requests that are sent on to them.

use std::net::{IpAddr, SocketAddr};

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::resource::type_of_kind;
use schema::status::Status;
use schema::tree::Struct;

use super::name::Name;
use crate::Answer;
use crate::nodes::NodeTarget;
use crate::registry::Op;
use crate::server::State;
use crate::special::pod;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a node's kubelet.
    Kubelet(NodeTarget),
    /// To an address, with TLS or without.
    Address {
        /// The address.
        address: SocketAddr,
        /// Whether TLS is spoken.
        tls: bool,
    },
}

impl Place {
    /// Host and port, as URLs name it.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Kubelet(node) => node.address.map_or_else(
                || format!("{}:{}", node.name, node.port),
                |address| SocketAddr::new(address, node.port).to_string(),
            ),
            Self::Address { address, .. } => address.to_string(),
        }
    }
}

/// Finds the place of what a call's path names.
///
/// # Errors
/// 400, 404, 503.
pub(super) async fn find(op: &Op<'_>, name: &Name<'_>) -> Answer<Place> {
    match &*op.served.def.plural {
        "nodes" => node(op.state, name),
        "pods" => of_pod(op, name).await,
        _ => service(op, name).await,
    }
}

fn node(state: &State, name: &Name<'_>) -> Answer<Place> {
    let node = pod::target(state, name.name)?;
    if name.port.is_empty() || name.port == node.port.to_string() {
        return Ok(Place::Kubelet(node));
    }
    let address = allowed(node.address)?;
    Ok(at(address, number(name.port)?, name.tls))
}

async fn of_pod(op: &Op<'_>, name: &Name<'_>) -> Answer<Place> {
    let tree = pod::live(op, name.name).await?;
    let pod = Ref::new(op.types(), &tree);
    let mut ports = pod
        .path("spec.containers")
        .items()
        .flat_map(|container| container.at("ports").items());
    let first = ports.next().map(|port| port.at("containerPort").int());
    let port = match (name.port, first) {
        ("", Some(first)) => u16::try_from(first).unwrap_or(0),
        ("", None) if name.tls => 443,
        ("", None) => 80,
        (given, _) => number(given)?,
    };
    let address = pod.path("status.podIPs").items().next();
    let address = address.and_then(|address| address.at("ip").str().parse().ok());
    Ok(at(allowed(address)?, port, name.tls))
}

const fn at(address: IpAddr, port: u16, tls: bool) -> Place {
    let address = SocketAddr::new(address, port);
    Place::Address { address, tls }
}

/// As Go's resolver says it of a port that is no number.
fn number(port: &str) -> Answer<u16> {
    port.parse().map_err(|_| {
        let why = format!("error trying to reach service: dial tcp: lookup tcp/{port}: unknown port");
        Status::service_unavailable(why).into()
    })
}

/// Only addresses of others: this server must not be led to what its own host keeps to itself.
fn allowed(address: Option<IpAddr>) -> Answer<IpAddr> {
    let global = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast()),
    };
    let address = address.filter(|address| !address.is_unspecified() && global(address));
    address.ok_or_else(|| Status::bad_request("address not allowed").into())
}

/// A ready endpoint of a Service that is a pod.
async fn service(op: &Op<'_>, name: &Name<'_>) -> Answer<Place> {
    let tree = pod::live(op, name.name).await?;
    let port = port_name(Ref::new(op.types(), &tree), name)?;
    let ready = endpoints(op.state, op.namespace, name.name, &port);
    let count = u64::try_from(ready.len()).unwrap_or(u64::MAX);
    let draw = op.state.with_rng(driver::Rng::next_u64);
    let chosen = draw.checked_rem(count).and_then(|at| usize::try_from(at).ok());
    match chosen.and_then(|at| ready.get(at)) {
        Some(address) => Ok(Place::Address {
            address: *address,
            tls: name.tls,
        }),
        None => {
            let why = format!("no endpoints available for service {:?}", op.name);
            Err(Status::service_unavailable(why).into())
        }
    }
}

/// The name of the Service's port that is meant; a number is one of its own ports.
fn port_name(service: Ref<'_>, name: &Name<'_>) -> Answer<String> {
    let Ok(number) = name.port.parse::<i64>() else {
        return Ok(name.port.to_owned());
    };
    let mut ports = service.path("spec.ports").items();
    let port = ports.find(|port| port.at("port").int() == number);
    let port = port.ok_or_else(|| {
        let why = format!("no service port {number} found for service {:?}", name.name);
        Status::service_unavailable(why)
    })?;
    Ok(port.at("name").str().to_owned())
}

fn endpoints(state: &State, namespace: &str, service: &str, port: &str) -> Vec<SocketAddr> {
    let slices = state.cache.snapshot("/registry/endpointslices/");
    let below = format!("{namespace}/");
    let of_service = slices
        .range(&below, "")
        .filter(|object| object.meta.label("kubernetes.io/service-name") == Some(service));
    let read = of_service.filter_map(|object| decode("discovery.k8s.io", "EndpointSlice", object.body()));
    read.flat_map(|slice| of_slice(state, namespace, Ref::new(&BUILTIN, &slice), port))
        .collect()
}

fn of_slice(state: &State, namespace: &str, slice: Ref<'_>, name: &str) -> Vec<SocketAddr> {
    let mut ports = slice.at("ports").items();
    let port = ports.find(|port| port.at("name").str() == name);
    let Some(port) = port.and_then(|port| u16::try_from(port.at("port").int()).ok()) else {
        return Vec::new();
    };
    let endpoints = slice.at("endpoints").items();
    // Not said is ready.
    let ready = endpoints.filter(|endpoint| endpoint.path("conditions.ready").boolean() != Some(false));
    let pods = ready.filter_map(|endpoint| {
        let target = endpoint.at("targetRef");
        let address: IpAddr = endpoint.at("addresses").strings().next()?.parse().ok()?;
        let own =
            target.at("kind").str() == "Pod" && is_pods(state, namespace, target.at("name").str(), address);
        own.then(|| SocketAddr::new(address, port))
    });
    pods.collect()
}

/// Whether a pod has an address: whoever may write endpoints must not lead this server to anything else.
fn is_pods(state: &State, namespace: &str, name: &str, address: IpAddr) -> bool {
    let pods = state.cache.snapshot("/registry/pods/");
    let pod = pods.get(&format!("{namespace}/{name}"));
    let pod = pod.and_then(|object| decode("", "Pod", object.body()));
    pod.is_some_and(|pod| {
        let mut all = Ref::new(&BUILTIN, &pod).path("status.podIPs").items();
        all.any(|own| own.at("ip").str().parse() == Ok(address))
    })
}

fn decode(group: &str, kind: &str, body: &[u8]) -> Option<Struct> {
    let ty = type_of_kind(group, "v1", kind)?;
    let decoded = json::decode(&BUILTIN, ty, body, Options::default());
    Some(decoded.ok()?.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_others_are_reached() {
        for (address, there) in [
            ("10.42.0.7", true),
            ("fd00::7", true),
            ("127.0.0.1", false),
            ("0.0.0.0", false),
            ("169.254.1.1", false),
            ("224.0.0.1", false),
            ("::1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(allowed(address.parse().ok()).is_ok(), there, "{address}");
        }
        assert_eq!(allowed(None).unwrap_err().0.message, "address not allowed");
    }
}
