//! Endpoints, as they were before slices (upstream's `endpoint`): one object for each service, for clients that still
//! read it.
//!
//! Addresses that serve the same ports make one subset. Pods that are being deleted are left out, and beyond a thousand
//! addresses the object says that it is not whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{Change, DeleteOptions, Resource};
use schema::object::Obj;
use serde::Deserialize;
use serde_json::{Value, json};

use super::subsets::{Address, Subset, counted, is_ready, subsets, truncate};
use super::{Asked, Backend, HEADLESS, TRIGGER, annotate, earliest, is_source, labels_but, services_of_pod};
use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, read, target};
use crate::resources::{ENDPOINTS, PODS, SERVICES};
use crate::world::{Tracked, World};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";

/// Says that addresses are missing.
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

/// Labels that a service cannot set.
const RESERVED: [&str; 2] = [MANAGED_BY, HEADLESS];

/// A service, and whether it was seen to go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    service: Box<str>,
    went: bool,
}

/// Writes Endpoints. Keys are services.
pub(crate) struct Endpoints;

impl Controller for Endpoints {
    type Key = Key;
    const ACCOUNT: &'static str = "endpoint-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        is_source(resource) || *resource == ENDPOINTS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        let key = |service: Box<str>, went| Key { service, went };
        if of.is(&PODS) {
            let services = services_of_pod(world, change).into_iter();
            touched.now.extend(services.map(|service| key(service, false)));
        } else if let Some(object) = change.either() {
            let went = change.object.is_none();
            // Of Endpoints only those count that are found at the start, whose service may be gone, or that are taken away.
            if of.is(&SERVICES) {
                touched.now.push(key(object.key.clone(), went));
            } else if went || change.previous.is_none() {
                touched.now.push(key(object.key.clone(), false));
            }
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let current = cx.world.objects(&ENDPOINTS).get(&key.service).cloned();
        let action = if cx.world.objects(&SERVICES).get(&key.service).is_none() {
            current.and_then(|current| leftover(&current, key.went))
        } else if let Some(asked) = Asked::of(&cx.world, &key.service) {
            plan(&asked, current.as_deref())?
        } else {
            None
        };
        cx.perform(action).await?;
        Ok(Next::Done)
    }
}

/// What is left of a service that is gone. Endpoints without a service that somebody else wrote are his, unless they went
/// by the service's name while it was there.
fn leftover(current: &Obj, went: bool) -> Option<Action> {
    let ours = current.meta.label(MANAGED_BY) == Some(MANAGER);
    (ours || went).then(|| Action::Delete {
        target: target(&ENDPOINTS, &current.meta),
        options: DeleteOptions::of_uid(&current.meta.uid),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    metadata: Metadata,
    subsets: Vec<Subset>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    annotations: BTreeMap<String, String>,
}

fn plan(asked: &Asked, current: Option<&Obj>) -> Result<Option<Action>, Failed> {
    let (all, mut subsets) = (counted(asked), subsets(asked));
    let over = truncate(&mut subsets).then_some("truncated");
    let there: Content = current.map(read).transpose()?.unwrap_or_default();
    let labels = labels(asked);
    if let Some(current) = current
        && there.subsets == subsets
        && labels_but(&current.meta, &[]) == labels
        && there.metadata.annotations.get(OVER_CAPACITY).map(String::as_str) == over
    {
        return Ok(None);
    }
    let mut object = match current {
        Some(current) => editable(&ENDPOINTS, current)?,
        None => bare(asked),
    };
    object["metadata"]["labels"] = json!(labels);
    object["subsets"] = json!(subsets);
    let trigger = match current {
        None => Some(asked.meta().creation_timestamp.to_string()),
        Some(_) => trigger(asked, &all, &there.subsets),
    };
    annotate(&mut object, TRIGGER, trigger.as_deref());
    annotate(&mut object, OVER_CAPACITY, over);
    Ok(Some(write(asked, current, object)))
}

fn bare(asked: &Asked) -> Value {
    let service = asked.meta();
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": service.name, "namespace": service.namespace},
    })
}

fn write(asked: &Asked, current: Option<&Obj>, object: Value) -> Action {
    match current {
        Some(current) => Action::Update {
            target: target(&ENDPOINTS, &current.meta),
            object,
        },
        None => Action::Create {
            resource: ENDPOINTS.clone(),
            namespace: asked.meta().namespace.to_string(),
            object,
        },
    }
}

fn labels(asked: &Asked) -> BTreeMap<String, String> {
    let mut labels = labels_but(asked.meta(), &RESERVED);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if asked.view.is_headless() {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

/// When that happened which is written now ([`super::slice`] does the same).
fn trigger(asked: &Asked, counted: &[(&Backend, Address)], there: &[Subset]) -> Option<String> {
    let changed = counted.iter().filter(|(pod, address)| {
        let has = |subset: &Subset| match is_ready(asked, pod) {
            true => subset.addresses.contains(address),
            false => subset.not_ready_addresses.contains(address),
        };
        !there.iter().any(has)
    });
    earliest(changed.filter_map(|(pod, _)| pod.since()))
}

#[cfg(test)]
mod tests;
