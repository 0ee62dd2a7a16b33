//! The slices of a service that are ours: as they are, and as they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use apiserver::cache::Snapshot;
use client::DeleteOptions;
use schema::object::{Meta, Obj};
use serde::Serialize;
use serde_json::{Value, json};
use views::{Family, SERVICE_NAME};

use super::ports::Port;
use super::wire::{Content, Endpoint};
use super::{Asked, HEADLESS, TRIGGER, annotate, labels_but};
use crate::act::Action;
use crate::driver::Failed;
use crate::object::{editable, read, target};
use crate::resources::ENDPOINT_SLICES;

/// Who wrote a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// Labels of slices that a service cannot set.
const RESERVED: [&str; 3] = [SERVICE_NAME, MANAGED_BY, HEADLESS];

/// A slice of ours that is there.
#[derive(Clone, Debug)]
pub(super) struct Existing {
    pub(super) object: Arc<Obj>,
    pub(super) content: Content,
}

pub(super) fn existing(slices: &Snapshot, service: &Meta) -> Result<Vec<Existing>, Failed> {
    let below = format!("{}/", service.namespace);
    slices
        .range(&below, "")
        .filter(|slice| is_ours(&slice.meta) && slice.meta.label(SERVICE_NAME) == Some(&service.name))
        .filter(|slice| slice.meta.deletion_timestamp.is_none())
        .map(Existing::read)
        .collect()
}

impl Existing {
    pub(super) fn read(object: &Arc<Obj>) -> Result<Self, Failed> {
        let content = read(object)?;
        let object = object.clone();
        Ok(Self { object, content })
    }

    /// One with another owner is what is left of an earlier service of the same name.
    pub(super) fn belongs_to(&self, service: &Meta) -> bool {
        let owners = &self.object.meta.owner_references;
        owners
            .iter()
            .any(|owner| owner.uid == service.uid && &*owner.kind == "Service" && &*owner.api_version == "v1")
    }

    pub(super) fn is_stale(&self, service: &Meta) -> bool {
        labels_but(&self.object.meta, &RESERVED) != labels_but(service, &RESERVED)
    }

    pub(super) fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        labels_but(&self.object.meta, &[]) == *labels
    }

    /// Whether it says just that there are no endpoints.
    pub(super) fn says_nothing(&self) -> bool {
        self.content.ports().is_empty() && self.content.endpoints().is_empty()
    }
}

pub(super) fn is_ours(meta: &Meta) -> bool {
    meta.label(MANAGED_BY) == Some(MANAGER) && meta.label(SERVICE_NAME).is_some()
}

pub(super) fn service_of(slice: &Meta) -> Box<str> {
    let name = slice.label(SERVICE_NAME).unwrap_or_default();
    format!("{}/{name}", slice.namespace).into()
}

/// What every slice of a service is labelled with.
pub(super) fn labels(asked: &Asked) -> BTreeMap<String, String> {
    let mut labels = labels_but(asked.meta(), &RESERVED);
    labels.insert(SERVICE_NAME.to_owned(), asked.meta().name.to_string());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if asked.view.is_headless() {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

pub(super) fn create_slice(
    asked: &Asked,
    family: Family,
    ports: &[Port],
    endpoints: &[Endpoint],
    trigger: Option<&str>,
) -> Action {
    let service = asked.meta();
    let mut object = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", service.name),
            "namespace": service.namespace,
            "labels": labels(asked),
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": service.name, "uid": service.uid,
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "addressType": family.as_str(), "endpoints": list(endpoints), "ports": list(ports),
    });
    annotate(&mut object, TRIGGER, trigger);
    Action::Create {
        resource: ENDPOINT_SLICES.clone(),
        namespace: service.namespace.to_string(),
        object,
    }
}

pub(super) fn update_slice(
    asked: &Asked,
    slice: &Existing,
    ports: &[Port],
    endpoints: &[Endpoint],
    trigger: Option<&str>,
) -> Result<Action, Failed> {
    let mut object = editable(&ENDPOINT_SLICES, &slice.object)?;
    object["metadata"]["labels"] = json!(labels(asked));
    object["endpoints"] = list(endpoints);
    object["ports"] = list(ports);
    annotate(&mut object, TRIGGER, trigger);
    Ok(Action::Update {
        target: target(&ENDPOINT_SLICES, &slice.object.meta),
        object,
    })
}

/// A list as upstream's server answers it after it has stored it: without items it is none.
fn list<T: Serialize>(items: &[T]) -> Value {
    match items {
        [] => Value::Null,
        items => json!(items),
    }
}

pub(super) fn delete(slice: &Existing) -> Action {
    let meta = &slice.object.meta;
    Action::Delete {
        target: target(&ENDPOINT_SLICES, meta),
        options: DeleteOptions::of_uid(&meta.uid),
    }
}
