//! What controllers look at: every resource that is served, with its objects, custom ones included.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use apiserver::cache::Snapshot;
use client::{Discovery, Entry, Error, Informer, Informers, Resource};

/// A resource and its objects.
pub(crate) struct Tracked {
    pub(crate) entry: Entry,
    pub(crate) informer: Informer,
}

impl Tracked {
    pub(crate) fn resource(&self) -> &Resource {
        &self.entry.resource
    }

    pub(crate) fn is(&self, resource: &Resource) -> bool {
        *self.resource() == *resource
    }

    /// Whether any object of a namespace is there.
    pub(crate) fn has_any_in(&self, namespace: &str) -> bool {
        let below = format!("{namespace}/");
        self.informer.snapshot().range(&below, "").next().is_some()
    }
}

/// All that is served, as of some moment.
#[derive(Default)]
pub(crate) struct Table {
    /// By group and plural.
    rows: BTreeMap<(String, String), Arc<Tracked>>,
    /// By version and kind, of every version.
    kinds: BTreeMap<(String, String), Arc<Tracked>>,
}

impl Table {
    fn new(discovery: &Discovery, informers: &Informers, before: &Self) -> Self {
        let mut table = Self::default();
        for entry in discovery
            .preferred()
            .filter(|entry| entry.has(&["list", "watch"]))
        {
            let resource = &entry.resource;
            let key = (resource.group.to_string(), resource.plural.to_string());
            let kept = before.rows.get(&key).filter(|kept| kept.entry == *entry);
            let tracked = kept.cloned().unwrap_or_else(|| {
                Arc::new(Tracked {
                    informer: informers.of(resource),
                    entry: entry.clone(),
                })
            });
            table.rows.insert(key, tracked);
        }
        for entry in discovery.entries() {
            let resource = &entry.resource;
            let key = (resource.group.to_string(), resource.plural.to_string());
            if let Some(tracked) = table.rows.get(&key) {
                let kind = (resource.api_version(), resource.kind.to_string());
                table.kinds.insert(kind, tracked.clone());
            }
        }
        table
    }

    /// Every resource.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Tracked>> {
        self.rows.values()
    }

    /// The resource that objects of a kind belong to.
    pub(crate) fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Tracked>> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }
}

/// The world. One for all controllers of a process.
pub(crate) struct World {
    informers: Informers,
    table: RwLock<Arc<Table>>,
}

impl World {
    pub(crate) fn new(informers: Informers) -> Self {
        Self {
            informers,
            table: RwLock::default(),
        }
    }

    /// What is served now.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every kind that is served, in each of its versions.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn discovery(&self) -> Result<Discovery, Error> {
        self.informers.discovery().await
    }

    /// The objects of a resource that is always served.
    pub(crate) fn objects(&self, resource: &Resource) -> Snapshot {
        self.informers.of(resource).snapshot()
    }

    /// Looks again at what is served.
    ///
    /// # Errors
    /// The server's.
    pub(crate) async fn refresh(&self) -> Result<Arc<Table>, Error> {
        let discovery = self.informers.discovery().await?;
        let table = Arc::new(Table::new(&discovery, &self.informers, &self.table()));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table.clone();
        Ok(table)
    }

    /// Waits until what is served may have changed; answers where it stands then.
    pub(crate) async fn changed(&self, seen: u64) -> u64 {
        self.informers.rediscovered(seen).await
    }

    /// Waits until everything that was written so far is in the informers.
    pub(crate) async fn settle(&self) {
        self.informers.settle().await;
    }
}
