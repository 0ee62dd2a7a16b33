//! A claim stays while a pod that may still run uses it.

use std::sync::Arc;

use client::{Change, Resource};
use schema::object::Obj;
use serde::Deserialize;

use super::is_held;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{read, split, text, update_without};
use crate::resources::{CLAIMS, PODS};
use crate::world::{Tracked, World};

const FINALIZER: &str = "kubernetes.io/pvc-protection";

/// Keys are claims.
pub(crate) struct Claims;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    volumes: Vec<Volume>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    name: String,
    persistent_volume_claim: Option<Source>,
    ephemeral: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    claim_name: String,
}

impl Controller for Claims {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "pvc-protection-controller";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == CLAIMS || *resource == PODS
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&CLAIMS) {
            let held = change.object.as_ref().filter(|claim| is_held(claim, FINALIZER));
            touched.now.extend(held.map(|claim| claim.key.clone()));
            return;
        }
        // A pod that ended, or is gone: claims of its namespace that wait are looked at. They are few.
        let ended = change.object.as_ref().is_none_or(|pod| has_ended(pod));
        if let Some(pod) = change.either().filter(|_| ended) {
            let (namespace, _) = split(&pod.key);
            let claims = world.objects(&CLAIMS);
            let below = format!("{namespace}/");
            let held = claims.range(&below, "").filter(|claim| is_held(claim, FINALIZER));
            touched.now.extend(held.map(|claim| claim.key.clone()));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        cx.world.settle().await;
        let claim = cx
            .world
            .objects(&CLAIMS)
            .get(key)
            .filter(|claim| is_held(claim, FINALIZER))
            .cloned();
        let Some(claim) = claim else {
            return Ok(Next::Done);
        };
        let (namespace, name) = split(key);
        let pods = cx.world.objects(&PODS);
        let below = format!("{namespace}/");
        for pod in pods.range(&below, "").filter(|pod| !has_ended(pod)) {
            if uses(pod, name)? {
                return Ok(Next::Done);
            }
        }
        cx.perform([update_without(&CLAIMS, &claim, FINALIZER)?]).await?;
        Ok(Next::Done)
    }
}

/// Whether a pod will not run again.
fn has_ended(pod: &Obj) -> bool {
    let phase = text(pod, &["status", "phase"]);
    matches!(phase.as_str(), "Succeeded" | "Failed")
}

/// Whether a pod names the claim, or owns it as the claim of an ephemeral volume. One that no node has keeps no claim.
fn uses(pod: &Obj, claim: &str) -> Result<bool, Failed> {
    if text(pod, &["spec", "nodeName"]).is_empty() {
        return Ok(false);
    }
    let own: Pod = read(pod)?;
    Ok(own.spec.volumes.iter().any(|volume| {
        let named = volume.persistent_volume_claim.as_ref();
        let ephemeral = volume.ephemeral.is_some() && claim == format!("{}-{}", pod.meta.name, volume.name);
        named.is_some_and(|source| source.claim_name == claim) || ephemeral
    }))
}
