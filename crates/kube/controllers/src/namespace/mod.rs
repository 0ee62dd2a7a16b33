//! The end of namespaces (upstream's `namespace_controller`, KEP-5080): everything in a namespace that is being deleted
//! goes, pods first; what remains is told in conditions; then the finalizer `kubernetes`, and with it the namespace.
//!
//! What holds a namespace up is found out by its own event, not by asking again: a namespace is looked at when the last
//! object of a resource has gone, and once a second at most while its contents dwindle, for the conditions' sake.

mod conditions;
mod contents;

use std::sync::Arc;
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Change, DeleteOptions, ListOptions, Propagation, Resource};
use schema::object::Obj;
use serde_json::Value;

use crate::act::{Action, Target};
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, split};
use crate::resources::{NAMESPACES, PODS};
use crate::world::{Table, Tracked, World};
use conditions::Findings;

/// The finalizer in `spec.finalizers` that is ours.
const FINALIZER: &str = "kubernetes";

/// How often the conditions follow contents that dwindle.
const REFRESH: Duration = Duration::from_secs(1);

/// Keys are namespaces.
pub(crate) struct Namespaces;

impl Controller for Namespaces {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "namespace-controller";
    const WORKERS: usize = 10;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == NAMESPACES || resource.namespaced
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&NAMESPACES) {
            let ending = change.object.as_ref().filter(|namespace| is_ending(namespace));
            touched.now.extend(ending.map(|namespace| namespace.key.clone()));
            return;
        }
        // What is new needs no look: nothing is made in a namespace that is on its way out.
        let Some(object) = change.previous.as_ref() else {
            return;
        };
        let (namespace, _) = split(&object.key);
        if world
            .objects(&NAMESPACES)
            .get(namespace)
            .is_some_and(|object| is_ending(object))
        {
            let key: Box<str> = namespace.into();
            match change.object.is_none() && !of.has_any_in(namespace) {
                true => touched.now.push(key),
                false => touched.later.push((key, REFRESH)),
            }
        }
    }

    /// Whatever went meanwhile, all that are on their way out are looked at.
    fn retell(&self, world: &World, _: &Arc<Tracked>, _: &Snapshot, touched: &mut Touched<Self::Key>) {
        let namespaces = world.objects(&NAMESPACES);
        let ending = namespaces.iter().filter(|namespace| is_ending(namespace));
        touched.now.extend(ending.map(|namespace| namespace.key.clone()));
    }

    /// What could not be discovered before may be deleted now.
    fn rediscover(&self, world: &World, touched: &mut Touched<Self::Key>) {
        let namespaces = world.objects(&NAMESPACES);
        let ending = namespaces.iter().filter(|namespace| is_ending(namespace));
        touched.now.extend(ending.map(|namespace| namespace.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let ending = cx
            .world
            .objects(&NAMESPACES)
            .get(key)
            .filter(|object| is_ending(object))
            .cloned();
        let Some(object) = ending else {
            return Ok(Next::Done);
        };
        let namespace = editable(&NAMESPACES, &object)?;
        if finalizers(&namespace).all(|own| own != FINALIZER) {
            return Ok(Next::Done);
        }
        // Nothing is made in it any more, and what was is in the informers after this.
        cx.world.settle().await;
        let findings = empty(cx, key).await;
        let namespace = tell(cx, namespace, &findings).await?;
        match findings.failure() {
            Some(failure) => Err(Failed::Several(failure)),
            None if findings.is_empty() => {
                cx.perform([finalize(key, namespace)]).await?;
                Ok(Next::Done)
            }
            None => Ok(Next::Done),
        }
    }
}

fn is_ending(namespace: &Obj) -> bool {
    namespace.meta.deletion_timestamp.is_some()
}

fn finalizers(namespace: &Value) -> impl Iterator<Item = &str> {
    let own = namespace["spec"]["finalizers"].as_array().into_iter().flatten();
    own.filter_map(Value::as_str)
}

/// Deletes what is in a namespace, pods before all else, and finds out what remains.
async fn empty(cx: &Cx, namespace: &str) -> Findings {
    let table = cx.world.table();
    let mut findings = Findings::default();
    for pods in [true, false] {
        for tracked in within(&table).filter(|tracked| tracked.is(&PODS) == pods) {
            if let Err(error) = delete_all(cx, tracked, namespace).await {
                findings.failed(&error);
            }
        }
        cx.world.settle().await;
        let looked = within(&table).filter(|tracked| tracked.is(&PODS) == pods);
        looked.for_each(|tracked| contents::count(tracked, namespace, &mut findings));
        if pods && !findings.is_empty() {
            break;
        }
    }
    findings
}

/// The resources whose objects a namespace may hold.
fn within(table: &Table) -> impl Iterator<Item = &Arc<Tracked>> {
    table
        .all()
        .filter(|tracked| tracked.resource().namespaced && tracked.entry.has(&["delete"]))
}

/// Deletes a resource's objects in a namespace that nobody has begun to delete.
async fn delete_all(cx: &Cx, tracked: &Tracked, namespace: &str) -> Result<(), client::Error> {
    let left = contents::undeleted(tracked, namespace);
    if left.is_empty() {
        return Ok(());
    }
    // The namespace itself sees to it that all goes: nothing is to be orphaned in it.
    let options = DeleteOptions {
        propagation_policy: Some(Propagation::Background),
        ..DeleteOptions::default()
    };
    let place = tracked.resource().within(namespace);
    if tracked.entry.has(&["deletecollection"]) {
        let everything = ListOptions::default();
        return cx.client.delete_collection(place, &options, &everything).await;
    }
    for object in left {
        match cx.client.delete(place.named(&object.meta.name), &options).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Writes the conditions if they say something new; answers the namespace as it is then.
async fn tell(cx: &Cx, namespace: Value, findings: &Findings) -> Result<Value, Failed> {
    let now = jiff::Timestamp::try_from(cx.env.wall()).unwrap_or_default();
    let Some(updated) = findings.update(&namespace, now) else {
        return Ok(namespace);
    };
    let name = updated["metadata"]["name"].as_str().unwrap_or_default();
    let place = NAMESPACES.everywhere().named(name).below("status");
    let options = client::WriteOptions::default();
    let written = cx.client.update(place, updated.to_string(), &options).await?;
    cx.world.settle().await;
    Ok(written.read()?)
}

/// Takes our finalizer off.
fn finalize(name: &str, mut namespace: Value) -> Action {
    if let Some(Value::Array(own)) = namespace.pointer_mut("/spec/finalizers") {
        own.retain(|finalizer| finalizer.as_str() != Some(FINALIZER));
    }
    Action::Update {
        target: Target::new(&NAMESPACES, "", name).below("finalize"),
        object: namespace,
    }
}
