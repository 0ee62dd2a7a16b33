//! EndpointSlices of services (upstream's `endpointslice`).
//!
//! What is written follows from the service, its pods and the slices that are there; nothing is remembered between looks.
//! Only who waits for a node is: an endpoint says its node's zone, so a pod whose node is not there is left out until it
//! is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Change, DeleteOptions, Resource};
use schema::object::{Meta, Obj};
use serde::Serialize;
use serde_json::{Value, json};
use views::{Family, SERVICE_NAME};

use super::fill::{Fate, Slot, Wanted, fill};
use super::ports::{Group, Port, group, resolve};
use super::wire::{Content, Endpoint};
use super::{Asked, Backend, HEADLESS, TRIGGER, annotate, earliest, is_source, labels_but, services_of_pod};
use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, read, target};
use crate::resources::{ENDPOINT_SLICES, NODES, PODS, SERVICES};
use crate::world::{Tracked, World};

/// Who wrote a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";

/// Labels of slices that a service cannot set.
const RESERVED: [&str; 3] = [SERVICE_NAME, MANAGED_BY, HEADLESS];

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
        cx.perform(plan.actions).await?;
        Ok(self.wait_for(&cx.world, key, plan.missing))
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
    fn wait_for(&self, world: &World, key: &str, missing: BTreeSet<Box<str>>) -> Next {
        if missing.is_empty() {
            return Next::Done;
        }
        let mut all = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(missing.iter().map(|node| (node.clone(), key.into())));
        drop(all);
        let nodes = world.objects(&NODES);
        if missing.iter().any(|node| nodes.get(node).is_some()) {
            return Next::After(Duration::ZERO);
        }
        Next::Done
    }
}

fn is_ours(meta: &Meta) -> bool {
    meta.label(MANAGED_BY) == Some(MANAGER) && meta.label(SERVICE_NAME).is_some()
}

fn service_of(slice: &Meta) -> Box<str> {
    let name = slice.label(SERVICE_NAME).unwrap_or_default();
    format!("{}/{name}", slice.namespace).into()
}

fn zone(node: &Meta) -> Option<String> {
    let zone = node.label(ZONE).filter(|zone| !zone.is_empty());
    zone.map(str::to_owned)
}

/// A slice of ours that is there.
#[derive(Clone, Debug)]
struct Existing {
    object: Arc<Obj>,
    content: Content,
}

fn existing(slices: &Snapshot, service: &Meta) -> Result<Vec<Existing>, Failed> {
    let below = format!("{}/", service.namespace);
    slices
        .range(&below, "")
        .filter(|slice| is_ours(&slice.meta) && slice.meta.label(SERVICE_NAME) == Some(&service.name))
        .filter(|slice| slice.meta.deletion_timestamp.is_none())
        .map(Existing::read)
        .collect()
}

impl Existing {
    fn read(object: &Arc<Obj>) -> Result<Self, Failed> {
        let content = read(object)?;
        let object = object.clone();
        Ok(Self { object, content })
    }

    /// One with another owner is what is left of an earlier service of the same name.
    fn belongs_to(&self, service: &Meta) -> bool {
        let owners = &self.object.meta.owner_references;
        owners
            .iter()
            .any(|owner| owner.uid == service.uid && &*owner.kind == "Service" && &*owner.api_version == "v1")
    }

    fn is_stale(&self, service: &Meta) -> bool {
        labels_but(&self.object.meta, &RESERVED) != labels_but(service, &RESERVED)
    }

    fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        labels_but(&self.object.meta, &[]) == *labels
    }

    /// Whether it says just that there are no endpoints.
    fn says_nothing(&self) -> bool {
        self.content.ports().is_empty() && self.content.endpoints().is_empty()
    }
}

/// What is to be done about a service.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plan {
    actions: Vec<Action>,
    /// Nodes without which some pod is left out.
    missing: BTreeSet<Box<str>>,
}

/// `zone_of` answers nothing for a node that is not there, and its zone, if it has one, for one that is.
fn plan(
    asked: &Asked,
    existing: &[Existing],
    zone_of: &dyn Fn(&str) -> Option<Option<String>>,
) -> Result<Plan, Failed> {
    let mut plan = Plan::default();
    let families = asked.view.endpoint_families();
    let mut drafts = Vec::new();
    for family in &families {
        let of_family = |slice: &&Existing| slice.content.address_type == family.as_str();
        let there: Vec<&Existing> = existing.iter().filter(of_family).collect();
        let wanted = wanted(asked, *family, zone_of, &mut plan.missing);
        drafts.push(draft(asked, *family, &there, wanted));
    }
    let trigger = trigger(asked, existing, &drafts);
    for draft in drafts {
        plan.actions.extend(draft.actions(asked, trigger.as_deref())?);
    }
    let strays = existing.iter().filter(|slice| {
        families
            .iter()
            .all(|family| family.as_str() != slice.content.address_type)
    });
    plan.actions.extend(strays.map(delete));
    Ok(plan)
}

/// The pods of one group, with their ports in the service's order.
type Groups = BTreeMap<Group, (Vec<Port>, Wanted)>;

fn wanted(
    asked: &Asked,
    family: Family,
    zone_of: &dyn Fn(&str) -> Option<Option<String>>,
    missing: &mut BTreeSet<Box<str>>,
) -> Groups {
    let mut groups = Groups::new();
    for pod in asked.pods.iter().filter(|pod| pod.counts()) {
        let ports = resolve(&asked.view, &pod.view);
        let (_, wanted) = groups
            .entry(group(&ports))
            .or_insert_with(|| (ports, Wanted::new()));
        let zone = zone_of(&pod.view.node);
        if zone.is_none() && !pod.view.node.is_empty() {
            missing.insert(pod.view.node.clone());
        }
        // Who wants pods that are not ready wants those of unknown nodes too.
        if zone.is_some() || asked.view.publish_not_ready {
            let endpoint = Endpoint::of(asked, pod, family, zone.flatten().as_deref());
            wanted.extend(endpoint.map(|endpoint| (endpoint.identity(), endpoint)));
        }
    }
    groups
}

/// What becomes of one family's slices.
struct Draft<'a> {
    family: Family,
    create: Vec<(Vec<Port>, Vec<Endpoint>)>,
    update: Vec<(&'a Existing, Vec<Port>, Vec<Endpoint>)>,
    delete: Vec<&'a Existing>,
}

fn draft<'a>(asked: &Asked, family: Family, there: &[&'a Existing], wanted: Groups) -> Draft<'a> {
    let (own, strange): (Vec<&Existing>, Vec<&Existing>) =
        there.iter().partition(|slice| slice.belongs_to(asked.meta()));
    let mut by_group: BTreeMap<Group, Vec<&Existing>> = BTreeMap::new();
    for slice in own {
        by_group
            .entry(group(slice.content.ports()))
            .or_default()
            .push(slice);
    }
    let mut draft = Draft {
        family,
        create: Vec::new(),
        update: Vec::new(),
        delete: strange,
    };
    for (group, (ports, wanted)) in wanted {
        draft.lay(asked, by_group.remove(&group).unwrap_or_default(), &ports, wanted);
    }
    draft.delete.extend(by_group.into_values().flatten());
    draft.say_nothing(asked, there.len());
    draft.recycle(asked);
    draft
}

impl<'a> Draft<'a> {
    /// Lays the endpoints of one group into its slices.
    fn lay(&mut self, asked: &Asked, slices: Vec<&'a Existing>, ports: &[Port], wanted: Wanted) {
        let slot = |slice: &&'a Existing| Slot {
            endpoints: slice.content.endpoints(),
            stale: slice.is_stale(asked.meta()),
        };
        let slots: Vec<Slot<'_>> = slices.iter().map(slot).collect();
        let filled = fill(&slots, wanted);
        for (slice, fate) in slices.into_iter().zip(filled.fates) {
            match fate {
                Fate::Keep => {}
                Fate::Write(endpoints) => {
                    self.update
                        .push((slice, slice.content.ports().to_vec(), endpoints))
                }
                Fate::Delete => self.delete.push(slice),
            }
        }
        let new = filled.new.into_iter();
        self.create
            .extend(new.map(|endpoints| (ports.to_vec(), endpoints)));
    }

    /// A service without endpoints has one slice that says so, and a right one is left alone.
    fn say_nothing(&mut self, asked: &Asked, there: usize) {
        if self.delete.len() < there || !self.create.is_empty() {
            return;
        }
        match &*self.delete {
            [only]
                if only.says_nothing()
                    && only.has_labels(&labels(asked))
                    && only.belongs_to(asked.meta()) =>
            {
                self.delete.clear();
            }
            _ => self.create.push((Vec::new(), Vec::new())),
        }
    }

    /// A slice that would go and one that would come are one that changes.
    fn recycle(&mut self, asked: &Asked) {
        for slice in std::mem::take(&mut self.delete) {
            match slice
                .belongs_to(asked.meta())
                .then(|| self.create.pop())
                .flatten()
            {
                Some((ports, endpoints)) => self.update.push((slice, ports, endpoints)),
                None => self.delete.push(slice),
            }
        }
    }

    /// Every endpoint that is written.
    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let created = self.create.iter().map(|(_, endpoints)| endpoints);
        let updated = self.update.iter().map(|(_, _, endpoints)| endpoints);
        created.chain(updated).flatten()
    }

    /// First what is new, then what changes, then what goes: an endpoint is rather there twice than not at all.
    fn actions(self, asked: &Asked, trigger: Option<&str>) -> Result<Vec<Action>, Failed> {
        let living = asked.meta().deletion_timestamp.is_none();
        let create = self.create.iter().filter(|_| living);
        let mut actions: Vec<Action> = create
            .map(|(ports, endpoints)| create_slice(asked, self.family, ports, endpoints, trigger))
            .collect();
        for (slice, ports, endpoints) in &self.update {
            actions.push(update_slice(asked, slice, ports, endpoints, trigger)?);
        }
        actions.extend(self.delete.into_iter().map(delete));
        Ok(actions)
    }
}

/// When that happened which is written now: the first pod's becoming ready, or ceasing to be, that no slice shows yet; of
/// a service without slices its own creation.
fn trigger(asked: &Asked, existing: &[Existing], drafts: &[Draft<'_>]) -> Option<String> {
    if existing.is_empty() {
        return Some(asked.meta().creation_timestamp.to_string());
    }
    let shown = existing.iter().flat_map(|slice| slice.content.endpoints());
    let shown: BTreeMap<_, _> = shown
        .map(|endpoint| (endpoint.identity(), endpoint.conditions.serving))
        .collect();
    let new = drafts.iter().flat_map(Draft::endpoints);
    let new: BTreeSet<_> = new
        .filter(|endpoint| shown.get(&endpoint.identity()) != Some(&endpoint.conditions.serving))
        .map(|endpoint| endpoint.identity().1)
        .collect();
    let changed = asked
        .pods
        .iter()
        .filter(|pod| new.contains(&*pod.object.meta.name));
    earliest(changed.filter_map(Backend::since))
}

/// What every slice of a service is labelled with.
fn labels(asked: &Asked) -> BTreeMap<String, String> {
    let mut labels = labels_but(asked.meta(), &RESERVED);
    labels.insert(SERVICE_NAME.to_owned(), asked.meta().name.to_string());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    if asked.view.is_headless() {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

fn create_slice(
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

fn update_slice(
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

fn delete(slice: &Existing) -> Action {
    let meta = &slice.object.meta;
    Action::Delete {
        target: target(&ENDPOINT_SLICES, meta),
        options: DeleteOptions::of_uid(&meta.uid),
    }
}

#[cfg(test)]
mod tests;
