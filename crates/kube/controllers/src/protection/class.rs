//! A class of volume attributes stays while a claim or a volume has it.

use std::sync::Arc;

use client::{Change, Resource};
use schema::object::Obj;

use super::is_held;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{text, update_without};
use crate::resources::{ATTRIBUTES_CLASSES, CLAIMS, VOLUMES};
use crate::world::{Tracked, World};

const FINALIZER: &str = "kubernetes.io/vac-protection";

/// Keys are classes.
pub(crate) struct Classes;

impl Controller for Classes {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "volumeattributesclass-protection-controller";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        [&CLAIMS, &VOLUMES, &ATTRIBUTES_CLASSES].contains(&resource)
    }

    fn touch(&self, world: &World, of: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        if of.is(&ATTRIBUTES_CLASSES) {
            let held = change.object.as_ref().filter(|class| is_held(class, FINALIZER));
            touched.now.extend(held.map(|class| class.key.clone()));
        } else if change.previous.is_some() {
            let classes = world.objects(&ATTRIBUTES_CLASSES);
            let held = classes.iter().filter(|class| is_held(class, FINALIZER));
            touched.now.extend(held.map(|class| class.key.clone()));
        }
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        cx.world.settle().await;
        let classes = cx.world.objects(&ATTRIBUTES_CLASSES);
        let Some(class) = classes.get(key).filter(|class| is_held(class, FINALIZER)) else {
            return Ok(Next::Done);
        };
        let (claims, volumes) = (cx.world.objects(&CLAIMS), cx.world.objects(&VOLUMES));
        if !claims.iter().chain(volumes.iter()).any(|object| has(object, key)) {
            cx.perform([update_without(&ATTRIBUTES_CLASSES, class, FINALIZER)?])
                .await?;
        }
        Ok(Next::Done)
    }
}

/// Whether an object has a class, wants it, or is being changed to it.
fn has(object: &Obj, class: &str) -> bool {
    const PLACES: [&[&str]; 3] = [
        &["spec", "volumeAttributesClassName"],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    PLACES.iter().any(|path| text(object, path) == class)
}
