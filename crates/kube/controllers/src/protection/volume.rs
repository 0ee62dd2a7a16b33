//! A volume stays while it is bound.

use std::sync::Arc;

use client::{Change, Resource};

use super::is_held;
use crate::driver::{Controller, Cx, Failed, Next, Touched};
use crate::object::{text, update_without};
use crate::resources::VOLUMES;
use crate::world::{Tracked, World};

const FINALIZER: &str = "kubernetes.io/pv-protection";

/// Keys are volumes.
pub(crate) struct Volumes;

impl Controller for Volumes {
    type Key = Box<str>;
    const ACCOUNT: &'static str = "pv-protection-controller";
    const WORKERS: usize = 1;

    fn follows(&self, resource: &Resource) -> bool {
        *resource == VOLUMES
    }

    fn touch(&self, _: &World, _: &Arc<Tracked>, change: &Change, touched: &mut Touched<Self::Key>) {
        let held = change.object.as_ref().filter(|volume| is_held(volume, FINALIZER));
        touched.now.extend(held.map(|volume| volume.key.clone()));
    }

    async fn reconcile(&self, cx: &Cx, key: &Self::Key) -> Result<Next, Failed> {
        let volumes = cx.world.objects(&VOLUMES);
        let volume = volumes.get(key).filter(|volume| is_held(volume, FINALIZER));
        let free = volume.filter(|volume| text(volume, &["status", "phase"]) != "Bound");
        if let Some(volume) = free {
            cx.perform([update_without(&VOLUMES, volume, FINALIZER)?]).await?;
        }
        Ok(Next::Done)
    }
}
