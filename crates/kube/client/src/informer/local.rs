//! An informer on the API server's own watch cache.

use apiserver::ApiServer;
use apiserver::cache::{Cache, Scope, Snapshot, Watcher};

use super::{Change, Changes};
use crate::Resource;

/// A resource in the cache.
#[derive(Clone)]
pub(super) struct Local {
    cache: Cache,
    prefix: String,
}

impl Local {
    /// A resource that is not served has no objects.
    pub(super) fn new(server: &ApiServer, resource: &Resource) -> Self {
        let served = server
            .resources()
            .lookup(&resource.group, &resource.version, &resource.plural);
        let prefix = served.map_or_else(
            || format!("/registry/{}/{}/", resource.group, resource.plural),
            |served| served.key_prefix(),
        );
        let cache = server.cache().clone();
        Self { cache, prefix }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.cache.snapshot(&self.prefix)
    }

    pub(super) fn follow(&self) -> Following {
        Following {
            local: self.clone(),
            watcher: None,
        }
    }
}

/// A watcher, or none where everything has to be looked at first.
pub(super) struct Following {
    local: Local,
    watcher: Option<Watcher>,
}

impl Following {
    pub(super) async fn next(&mut self) -> Option<Changes> {
        if let Some(watcher) = &mut self.watcher {
            if let Ok(event) = watcher.next().await {
                return Some(Changes::One(Change {
                    object: event.object.clone(),
                    previous: event.previous.clone(),
                }));
            }
            self.watcher = None;
        }
        let Local { cache, prefix } = &self.local;
        if cache.closed() {
            return None;
        }
        let snapshot = cache.snapshot(prefix);
        // What is newer than the window's end is always known, and a snapshot is as new as anything.
        self.watcher = cache.watch(prefix, Scope::All, snapshot.revision).ok();
        Some(Changes::All(snapshot))
    }
}
