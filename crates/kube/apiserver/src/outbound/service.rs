//! Where a Service leads: to one of its endpoints that is ready, as the cache has them.
//!
//! No proxy is asked: what a node's service proxy does with packets is done here with the address, so that webhooks
//! work before there is one (upstream's `--enable-aggregator-routing`).

use std::net::{IpAddr, SocketAddr};

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::object::Obj;
use schema::resource::type_of_kind;
use schema::tree::Struct;

use crate::server::State;

/// A reference to a Service (`ServiceReference` of webhooks, conversions and APIServices).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `metadata.namespace`
    pub(crate) namespace: String,
    /// `metadata.name`
    pub(crate) name: String,
    /// The Service's port.
    pub(crate) port: u16,
}

impl Reference {
    /// The name that the certificate must have, and the host of the URL: `NAME.NAMESPACE.svc`.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

/// Where a Service's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To this endpoint.
    Address(SocketAddr),
    /// To another host, which is to be looked up (`ExternalName`).
    Host(String),
}

/// Why a Service leads nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    /// There is none of this name.
    #[error("service {0:?} not found")]
    Service(String),
    /// It has no such port.
    #[error("no service port {1} found for service {0:?}")]
    Port(String, u16),
    /// No endpoint is ready.
    #[error("no endpoints available for service {0:?}")]
    Endpoints(String),
}

/// An endpoint of a Service that is ready. `draw` chooses between several: any number.
///
/// # Errors
/// See [`Unresolved`].
pub(crate) fn resolve(state: &State, to: &Reference, draw: u64) -> Result<Place, Unresolved> {
    let unknown = || Unresolved::Service(to.name.clone());
    let key = format!("{}/{}", to.namespace, to.name);
    let services = state.cache.snapshot("/registry/services/specs/");
    let service = services.get(&key).and_then(|object| read(object, "", "Service"));
    let service = service.ok_or_else(unknown)?;
    let service = Ref::new(&BUILTIN, &service);
    if service.path("spec.type").str() == "ExternalName" {
        return Ok(Place::Host(service.path("spec.externalName").str().to_owned()));
    }
    let mut ports = service.path("spec.ports").items();
    let port = ports.find(|port| port.at("port").int() == i64::from(to.port));
    let port = port.ok_or_else(|| Unresolved::Port(to.name.clone(), to.port))?;
    let ready = endpoints(state, to, port.at("name").str());
    let count = u64::try_from(ready.len()).unwrap_or(u64::MAX);
    let chosen = draw.checked_rem(count).and_then(|at| usize::try_from(at).ok());
    let address = chosen.and_then(|at| ready.get(at).copied());
    address
        .map(Place::Address)
        .ok_or_else(|| Unresolved::Endpoints(to.name.clone()))
}

/// The ready endpoints behind a port of this name.
fn endpoints(state: &State, to: &Reference, port: &str) -> Vec<SocketAddr> {
    let slices = state.cache.snapshot("/registry/endpointslices/");
    let below = format!("{}/", to.namespace);
    let of_service = |object: &&std::sync::Arc<Obj>| {
        object.meta.label("kubernetes.io/service-name") == Some(to.name.as_str())
    };
    let read = |object: &std::sync::Arc<Obj>| read(object, "discovery.k8s.io", "EndpointSlice");
    let slices = slices.range(&below, "").filter(of_service).filter_map(read);
    slices
        .flat_map(|slice| addresses(Ref::new(&BUILTIN, &slice), port))
        .collect()
}

fn addresses(slice: Ref<'_>, name: &str) -> Vec<SocketAddr> {
    let mut ports = slice.at("ports").items();
    let number = ports.find(|port| port.at("name").str() == name);
    let number = number.and_then(|port| u16::try_from(port.at("port").int()).ok());
    let Some(port) = number else { return Vec::new() };
    let endpoints = slice.at("endpoints").items();
    // Not said is ready.
    let ready = endpoints.filter(|endpoint| endpoint.path("conditions.ready").boolean() != Some(false));
    let first = ready.filter_map(|endpoint| endpoint.at("addresses").strings().next());
    let addresses = first.filter_map(|address| address.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::new(address, port)).collect()
}

fn read(object: &Obj, group: &str, kind: &str) -> Option<Struct> {
    let ty = type_of_kind(group, "v1", kind)?;
    let decoded = json::decode(&BUILTIN, ty, object.body(), Options::default());
    Some(decoded.ok()?.object)
}
