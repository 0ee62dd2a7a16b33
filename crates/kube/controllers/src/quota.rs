//! Quotas counted again (upstream's `resourcequota`): what is charged at admission is given back here when objects go,
//! and a quota that is new or changed learns what is there. What an object counts for, `kinds::quota` says for both.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{Change, Resource};
use kinds::quota::{Amount, Amounts, Evaluator, Scope};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode};
use schema::object::Obj;
use schema::resource::{by_resource, type_of_kind};
use schema::row::TypeId;
use schema::tree::Struct;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{editable, read, split, target, text};
use crate::resources::{PODS, QUOTAS};
use crate::world::{Table, Tracked, World};

/// A count that changed something is made again after this long.
const AGAIN: Duration = Duration::from_secs(5);

/// Keys are quotas.
pub(crate) struct Quotas;

impl Controller for Quotas {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "resourcequota-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        resource.namespaced && evaluator(resource).is_some() || *resource == QUOTAS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&QUOTAS) {
            let anew = change.object.iter().filter(|_| asks_anew(change));
            touched.now.extend(anew.map(|quota| quota.key.clone()));
        }
        // What is made or grows is charged by admission.
        let gone = change.object.is_none() || of.is(&PODS) && has_ended(change);
        if let Some(object) = change.either().filter(|_| gone) {
            let below = format!("{}/", split(&object.key).0);
            let quotas = world.objects(&QUOTAS);
            touched
                .now
                .extend(quotas.range(&below, "").map(|quota| quota.key.clone()));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        cx.world.settle().await;
        let Some(quota) = cx.world.objects(&QUOTAS).get(key).cloned() else {
            return Ok(Next::Done);
        };
        let Some(action) = plan(&cx.world.table(), &quota, cx.env.wall())? else {
            return Ok(Next::Done);
        };
        cx.perform([action]).await?;
        // What was charged and not yet stored when this was counted is counted then.
        Ok(Next::After(AGAIN))
    }
}

/// Whether a quota is new, or limits something else. What admission charges is no reason to count: the object that it is
/// charged for is not there yet.
fn asks_anew(change: &Change) -> bool {
    let hard = |object: &Arc<Obj>| read::<Spec>(object).map(|quota| quota.spec).unwrap_or_default();
    let (new, old) = (
        change.object.as_ref().map(hard),
        change.previous.as_ref().map(hard),
    );
    new != old
}

/// The part of a quota that says what it limits.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    spec: Value,
}

/// Whether a pod has changed its phase: one that ended counts no more.
fn has_ended(change: &Change) -> bool {
    let phase = |pod: &Arc<Obj>| text(pod, &["status", "phase"]);
    change.previous.is_some() && change.object.as_ref().map(phase) != change.previous.as_ref().map(phase)
}

fn evaluator(resource: &Resource) -> Option<Evaluator> {
    Evaluator::of(&resource.group, &resource.plural)
}

fn plan(table: &Table, quota: &Obj, now: SystemTime) -> Result<Option<Action>, Failed> {
    let mut object = editable(&QUOTAS, quota)?;
    let hard = object["spec"]["hard"].as_object().cloned().unwrap_or_default();
    let used: Map<String, Value> = count(table, quota, &hard, now)?
        .into_iter()
        .map(|(name, amount)| (name, amount.to_string().into()))
        .collect();
    let before = object["status"].clone();
    if !before.is_object() {
        object["status"] = Value::Object(Map::new());
    }
    object["status"]["hard"] = Value::Object(hard);
    object["status"]["used"] = Value::Object(used);
    Ok((object["status"] != before).then(|| Action::Update {
        target: target(&QUOTAS, &quota.meta).below("status"),
        object,
    }))
}

/// What is used of each thing that the quota limits.
fn count(table: &Table, quota: &Obj, hard: &Map<String, Value>, now: SystemTime) -> Result<Amounts, Failed> {
    let tree = tree(&QUOTAS, quota)?;
    let scopes = Scope::of(Ref::new(&BUILTIN, &tree));
    let mut used = Amounts::new();
    for tracked in table.all().filter(|tracked| tracked.resource().namespaced) {
        let Some(evaluator) = evaluator(tracked.resource()) else {
            continue;
        };
        let names: Vec<&String> = hard.keys().filter(|name| evaluator.counts(name)).collect();
        for name in &names {
            used.entry((*name).clone()).or_insert(Amount::ZERO);
        }
        if !names.is_empty() {
            add(
                tracked,
                &quota.meta.namespace,
                &evaluator,
                &scopes,
                now,
                &mut used,
            )?;
        }
    }
    Ok(used)
}

/// Adds what the objects of one resource use.
fn add(
    tracked: &Tracked,
    namespace: &str,
    evaluator: &Evaluator,
    scopes: &[Scope],
    now: SystemTime,
    used: &mut Amounts,
) -> Result<(), Failed> {
    let snapshot = tracked.informer.snapshot();
    let below = format!("{namespace}/");
    for object in snapshot.range(&below, "") {
        let tree = tree(tracked.resource(), object)?;
        let object = Ref::new(&BUILTIN, &tree);
        if !evaluator.in_scope(scopes, object) {
            continue;
        }
        for (name, amount) in evaluator.usage(object, now) {
            used.entry(name).and_modify(|sum| *sum = sum.plus(amount));
        }
    }
    Ok(())
}

/// The object as a tree; of a custom one, which only counts as one more, its metadata.
fn tree(resource: &Resource, object: &Obj) -> Result<Struct, Failed> {
    let stored = |resource: &Resource| -> Option<TypeId> {
        let (def, _) = by_resource(&resource.group, &resource.version, &resource.plural)?;
        Some(def.version(&def.storage_version.version)?.schema)
    };
    let partial = || type_of_kind("", "v1", "PartialObjectMetadata");
    let ty = stored(resource)
        .or_else(partial)
        .ok_or_else(|| Failed::Unread("no type of its kind".to_owned()))?;
    let decoded = decode(&BUILTIN, ty, object.body(), Options::default());
    Ok(decoded.map_err(|error| Failed::Unread(error.to_string()))?.object)
}
