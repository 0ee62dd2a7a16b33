//! ClusterRoles that are made of others (upstream's `clusterroleaggregation`): the rules of an aggregate are those of
//! all that its selectors match, by name, each once.

use std::sync::Arc;

use apiserver::cache::Snapshot;
use client::{Change, Resource};
use schema::object::Obj;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{read, target};
use crate::resources::CLUSTER_ROLES;
use crate::selector::LabelSelector;
use crate::world::{Tracked, World};

const MANAGER: &str = "clusterrole-aggregation-controller";

/// Keys are ClusterRoles.
pub(crate) struct Aggregation;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    aggregation_rule: Option<Rule>,
    #[serde(default)]
    rules: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    cluster_role_selectors: Vec<LabelSelector>,
}

impl Controller for Aggregation {
    type Key = Box<str>;
    const ACCOUNT: &'static str = MANAGER;
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == CLUSTER_ROLES
    }

    /// Any change may concern any aggregate; aggregates are few.
    fn touch(&self, world: &World, _: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if change.previous.is_none() && change.object.as_ref().is_some_and(|role| is_aggregate(role)) {
            touched
                .now
                .extend(change.object.iter().map(|role| role.key.clone()));
        }
        if change.previous.is_some()
            || change
                .object
                .as_ref()
                .is_some_and(|role| !role.meta.labels.is_empty())
        {
            let roles = world.objects(&CLUSTER_ROLES);
            let aggregates = roles.iter().filter(|role| is_aggregate(role));
            touched.now.extend(aggregates.map(|role| role.key.clone()));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let roles = cx.world.objects(&CLUSTER_ROLES);
        cx.perform(plan(&roles, key)?).await?;
        Ok(Next::Done)
    }
}

/// A role without the word in its bytes is none; that is cheaper than reading it.
fn is_aggregate(role: &Obj) -> bool {
    const WORD: &[u8] = b"\"aggregationRule\"";
    role.body().windows(WORD.len()).any(|window| window == WORD)
}

fn plan(roles: &Snapshot, key: &str) -> Result<Option<Action>, Failed> {
    let Some(object) = roles.get(key) else {
        return Ok(None);
    };
    let role: Role = read(object)?;
    let Some(aggregation) = &role.aggregation_rule else {
        return Ok(None);
    };
    let rules = aggregate(roles, key, aggregation)?;
    if role.rules.unwrap_or_default() == rules {
        return Ok(None);
    }
    Ok(Some(Action::Apply {
        target: target(&CLUSTER_ROLES, &object.meta),
        manager: MANAGER,
        config: json!({
            "apiVersion": CLUSTER_ROLES.api_version(), "kind": "ClusterRole",
            "metadata": {"name": key}, "rules": rules,
        }),
    }))
}

/// Selector by selector, each one's roles by name.
fn aggregate(roles: &Snapshot, key: &str, aggregation: &Rule) -> Result<Vec<Value>, Failed> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in &aggregation.cluster_role_selectors {
        let chosen = |role: &&Arc<Obj>| *role.key != *key && selector.matches(&role.meta);
        for object in roles.iter().filter(chosen) {
            let role: Role = read(object)?;
            for rule in role.rules.unwrap_or_default() {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    Ok(rules)
}
