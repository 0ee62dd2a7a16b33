//! What people are warned of in validating policies (upstream's `validatingadmissionpolicystatus`).
//!
//! A policy is checked once for each of its generations: its expressions against the types of all kinds that its rules
//! name. What does not fit is no error (another rule may let only those objects pass that it fits); it is told in
//! `status.typeChecking.expressionWarnings`.

mod check;
mod spec;
mod types;

use std::sync::Arc;

use client::{Change, Discovery, Resource};
use schema::object::Obj;
use serde_json::{Value, json};

use crate::act::Action;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{read, target};
use crate::resources::VALIDATING_POLICIES;
use crate::world::{Tracked, World};
use check::warnings;
use spec::Policy;
use types::Types;

const MANAGER: &str = "validatingadmissionpolicy-status";

/// Keys are policies.
pub(crate) struct Policies;

impl Controller for Policies {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "validatingadmissionpolicy-status-controller";
    const WORKERS: usize = 5;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == VALIDATING_POLICIES
    }

    fn touch(&self, _: &World, _: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        touched
            .now
            .extend(change.object.iter().map(|policy| policy.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let policies = cx.world.objects(&VALIDATING_POLICIES);
        if let Some(object) = policies.get(key) {
            let policy: Policy = read(object)?;
            if object.meta.generation > policy.status.observed_generation {
                let discovery = cx.world.discovery().await?;
                cx.perform([observed(&cx.world, &discovery, object, &policy)])
                    .await?;
            }
        }
        Ok(Next::Done)
    }
}

/// The status of a policy as it stands.
fn observed(world: &World, discovery: &Discovery, object: &Obj, policy: &Policy) -> Action {
    let types = Types::new(world, discovery);
    let mut checking = json!({});
    let warnings: Vec<Value> = warnings(&policy.spec, &types)
        .into_iter()
        .map(|(field, warning)| json!({"fieldRef": field, "warning": warning}))
        .collect();
    if !warnings.is_empty() {
        checking["expressionWarnings"] = warnings.into();
    }
    Action::Apply {
        target: target(&VALIDATING_POLICIES, &object.meta).below("status"),
        manager: MANAGER,
        config: json!({
            "apiVersion": VALIDATING_POLICIES.api_version(), "kind": &*VALIDATING_POLICIES.kind,
            "metadata": {"name": object.meta.name},
            "status": {"observedGeneration": object.meta.generation, "typeChecking": checking},
        }),
    }
}
