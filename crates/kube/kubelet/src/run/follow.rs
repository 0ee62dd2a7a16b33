//! What wakes pods besides their own changes: ends of containers, and objects that they name.

use std::sync::Arc;

use async_channel::Receiver;
use client::{Changes, Informer};
use futures_util::future::join;

use super::core::Core;
use crate::resources::{CONFIG_MAPS, SECRETS};
use crate::source::{SourceKey, SourceKind};
use crate::traits::Ending;
use crate::worker::Event;

/// Follows what the runtime tells.
pub(super) async fn ends(core: Arc<Core>, ends: Receiver<Ending>) {
    while let Ok(ending) = ends.recv().await {
        match ending {
            Ending::Ended { uid, id, ended } => core.post(&uid, Event::Ended(id, ended)),
            Ending::SandboxLost(uid) => core.post(&uid, Event::SandboxLost),
            Ending::Images => core.sources_changed(|_| true),
            Ending::Lost => core.look_again(None),
        }
    }
}

/// Follows ConfigMaps and Secrets. What they hold is read when it is needed.
pub(super) async fn sources(core: Arc<Core>) {
    let maps = core.parts.informers.of(&CONFIG_MAPS);
    let secrets = core.parts.informers.of(&SECRETS);
    let maps = follow(&core, maps, SourceKind::ConfigMap);
    join(maps, follow(&core, secrets, SourceKind::Secret)).await;
}

async fn follow(core: &Core, informer: Informer, kind: SourceKind) {
    let mut following = informer.follow();
    while let Some(changes) = following.next().await {
        match changes {
            Changes::All(_) => core.sources_changed(|_| true),
            Changes::One(change) => {
                let Some(object) = change.either() else { continue };
                let key = SourceKey {
                    kind,
                    name: object.meta.name.to_string(),
                };
                core.sources_changed(|seat| seat.needs(&object.meta.namespace, &key));
            }
        }
    }
}
