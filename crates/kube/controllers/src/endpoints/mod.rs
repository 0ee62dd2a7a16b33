//! Which pods a service stands for: as EndpointSlices (`slice`), which proxies and name servers follow, and as the
//! Endpoints of before (`legacy`), which some clients still read. Both are functions of a service and its pods; this file
//! is what they share: which changes concern a service, and which of its pods count.

mod existing;
mod fill;
#[cfg(test)]
mod fixture;
mod legacy;
mod plan;
mod ports;
mod slice;
mod subsets;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{Change, Resource};
use jiff::Timestamp;
use schema::object::{Meta, Obj};
use views::{PodView, ServiceKind, ServiceView};

use crate::resources::{PODS, SERVICES};
use crate::world::World;

pub(crate) use legacy::Endpoints;
pub(crate) use slice::Slices;

/// When the last change happened that is seen in the object.
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Set on what belongs to a service without an address.
const HEADLESS: &str = "service.kubernetes.io/headless";

/// A pod that a service selects.
#[derive(Clone, Debug)]
struct Backend {
    object: Arc<Obj>,
    view: Arc<PodView>,
}

/// A service that has endpoints of ours, and all pods it selects, by name.
#[derive(Clone, Debug)]
struct Asked {
    object: Arc<Obj>,
    view: Arc<ServiceView>,
    pods: Vec<Backend>,
}

impl Asked {
    /// None if endpoints of this service are nobody's or somebody else's: without a selector, or a mere name.
    fn of(world: &World, key: &str) -> Option<Self> {
        let object = world.objects(&SERVICES).get(key)?.clone();
        let view = object.view::<ServiceView>().ok()?;
        if view.selector.is_none() || view.kind == ServiceKind::ExternalName {
            return None;
        }
        let below = format!("{}/", object.meta.namespace);
        let pods = world.objects(&PODS);
        let pods = pods
            .range(&below, "")
            .filter(|pod| view.selects(&pod.meta))
            .filter_map(Backend::read);
        let pods = pods.collect();
        Some(Self { object, view, pods })
    }

    fn meta(&self) -> &Meta {
        &self.object.meta
    }
}

impl Backend {
    fn read(object: &Arc<Obj>) -> Option<Self> {
        let view = object.view::<PodView>().ok()?;
        let object = object.clone();
        Some(Self { object, view })
    }

    /// Whether it is an endpoint at all: it has an address and may yet run.
    fn counts(&self) -> bool {
        counts(&self.view)
    }

    /// The name it has below the service's, if it asks for one.
    fn hostname(&self, service: &Meta) -> Option<&str> {
        let asks = !self.view.hostname.is_empty() && *self.view.subdomain == *service.name;
        asks.then_some(&*self.view.hostname)
    }

    /// When it became ready, or ceased to be.
    fn since(&self) -> Option<Timestamp> {
        self.view.ready.and_then(|ready| ready.since)
    }
}

fn counts(pod: &PodView) -> bool {
    !pod.phase.is_terminal() && pod.ip.is_some()
}

/// The services that a pod's change touches: those that select it as it is, and as it was.
fn services_of_pod(world: &World, change: &Change) -> Vec<Box<str>> {
    let Some(pod) = change.either().filter(|_| matters(change)) else {
        return Vec::new();
    };
    let below = format!("{}/", pod.meta.namespace);
    let services = world.objects(&SERVICES);
    let touched = services
        .range(&below, "")
        .filter(|service| selects_either(service, change));
    touched.map(|service| service.key.clone()).collect()
}

fn selects_either(service: &Obj, change: &Change) -> bool {
    let Ok(view) = service.view::<ServiceView>() else {
        return false;
    };
    let mut pods = change.object.iter().chain(&change.previous);
    pods.any(|pod| view.selects(&pod.meta))
}

/// Whether endpoints may be others after a pod's change. A pod says much of itself that no endpoint shows.
fn matters(change: &Change) -> bool {
    let [new, old] = [&change.object, &change.previous].map(|pod| pod.as_ref().and_then(Backend::read));
    let [new, old] = [new, old].map(|pod| pod.filter(Backend::counts));
    match (new, old) {
        (None, None) => false,
        (Some(new), Some(old)) => !new.shows_as(&old),
        _ => true,
    }
}

impl Backend {
    /// Whether it makes the same endpoints as another state of the same pod.
    fn shows_as(&self, other: &Self) -> bool {
        let shown = |pod: &PodView| (pod.ready.map(|ready| ready.is), pod.deleting.is_some(), pod.ip);
        let (new, old) = (&*self.view, &*other.view);
        shown(new) == shown(old)
            && (&new.node, &new.hostname, &new.subdomain) == (&old.node, &old.hostname, &old.subdomain)
            && new.named_ports == old.named_ports
            && self.object.meta.labels == other.object.meta.labels
    }
}

/// A service's labels but those that only its endpoints have.
fn labels_but(meta: &Meta, reserved: &[&str]) -> BTreeMap<String, String> {
    meta.labels
        .iter()
        .filter(|(key, _)| !reserved.contains(&&**key))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

/// The first of some moments, as annotations have it.
fn earliest(times: impl Iterator<Item = Timestamp>) -> Option<String> {
    times.min().map(|time| time.to_string())
}

/// Sets the annotation that says what the last change was, or takes it away.
fn annotate(object: &mut serde_json::Value, key: &str, value: Option<&str>) {
    let annotations = &mut object["metadata"]["annotations"];
    match (value, annotations.as_object_mut()) {
        (Some(value), _) => annotations[key] = value.into(),
        (None, Some(annotations)) => drop(annotations.remove(key)),
        (None, None) => {}
    }
}

/// Whether a resource is one that both controllers follow.
fn is_source(resource: &Resource) -> bool {
    *resource == PODS || *resource == SERVICES
}
