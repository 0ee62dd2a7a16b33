//! EndpointSlices of services (upstream's `endpointslice`).
//!
//! What is written follows from the service, its pods and the slices that are there; nothing is remembered between looks.
//! Only who waits for a node is: an endpoint says its node's zone, so a pod whose node is not there is left out until it
//! is.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{Change, Resource, Subject};
use schema::object::Meta;

use super::existing::{existing, is_ours, service_of};
use super::plan::{Missing, plan};
use super::{Asked, is_source, services_of_pod};
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::resources::{ENDPOINT_SLICES, NODES, PODS, SERVICES};
use crate::workload::Told;
use crate::world::{Tracked, World};

const ZONE: &str = "topology.kubernetes.io/zone";

/// How long after somebody changed a slice it is looked at; so two who disagree do not keep the server busy.
const AFTER_OTHERS: Duration = Duration::from_secs(1);

/// Writes slices. Keys are services.
#[derive(Default)]
pub(crate) struct Slices {
    /// Nodes that pods name and that are not there, with the services that wait for them.
    missing: Mutex<BTreeSet<(Box<str>, Box<str>)>>,
}

impl Controller for Slices {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "endpointslice-controller";
    const SOURCE: &'static str = "endpoint-slice-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        is_source(resource) || *resource == ENDPOINT_SLICES || *resource == NODES
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&PODS) {
            touched.now.extend(services_of_pod(world, change));
        } else if of.is(&SERVICES) {
            touched
                .now
                .extend(change.object.iter().map(|service| service.key.clone()));
        } else if of.is(&NODES) {
            let node = change.object.iter();
            touched.now.extend(node.flat_map(|node| self.waiting(&node.key)));
        } else {
            let states = change.object.iter().chain(&change.previous);
            let services = states
                .filter(|slice| is_ours(&slice.meta))
                .map(|slice| service_of(&slice.meta));
            touched.later.extend(services.map(|key| (key, AFTER_OTHERS)));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let Some(asked) = Asked::of(&cx.world, key) else {
            return Ok(Next::Done);
        };
        let existing = existing(&cx.world.objects(&ENDPOINT_SLICES), asked.meta())?;
        let nodes = cx.world.objects(&NODES);
        let plan = plan(&asked, &existing, &|node| {
            nodes.get(node).map(|node| zone(&node.meta))
        })?;
        if let Some(why) = left_out(asked.meta(), &plan.missing) {
            failed(cx, &asked, &why);
        }
        if let Err(error) = cx.perform(plan.actions).await {
            if !error.is_race() {
                failed(cx, &asked, &error);
            }
            return Err(error);
        }
        Ok(self.wait_for(&cx.world, key, &plan.missing))
    }
}

impl Slices {
    /// The services that waited for a node.
    fn waiting(&self, node: &str) -> Vec<Box<str>> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let found = missing.extract_if(.., |(name, _)| **name == *node);
        found.map(|(_, key)| key).collect()
    }

    /// Remembers that a service waits for nodes. One that came meanwhile was not told to it.
    fn wait_for(&self, world: &World, key: &str, missing: &Missing) -> Next {
        if missing.is_empty() {
            return Next::Done;
        }
        let mut all = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(missing.keys().map(|node| (node.clone(), key.into())));
        drop(all);
        let nodes = world.objects(&NODES);
        if missing.keys().any(|node| nodes.get(node).is_some()) {
            return Next::After(Duration::ZERO);
        }
        Next::Done
    }
}

/// Tells people why slices are not as they should be.
fn failed(cx: &Cx, asked: &Asked, why: &dyn Display) {
    let Meta { namespace, name, .. } = asked.meta();
    let message = format!("Error updating Endpoint Slices for Service {namespace}/{name}: {why}");
    let told = Told::warning("FailedToUpdateEndpointSlices", message);
    cx.tell(&Subject::of(&SERVICES, &asked.object), [told]);
}

/// What people are told of pods whose nodes are not there.
fn left_out(service: &Meta, missing: &Missing) -> Option<String> {
    let Meta { namespace, name, .. } = service;
    let each = missing.iter().map(|(node, pod)| {
        format!("skipping Pod {pod} for Service {namespace}/{name}: Node {node} Not Found")
    });
    let each: Vec<String> = each.collect();
    match &*each {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

fn zone(node: &Meta) -> Option<String> {
    let zone = node.label(ZONE).filter(|zone| !zone.is_empty());
    zone.map(str::to_owned)
}
