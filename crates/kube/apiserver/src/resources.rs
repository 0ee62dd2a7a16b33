//! The live table of what is served: built-in rows, and those that CustomResourceDefinitions add.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Poll, Waker};

use schema::object::{Order, Prefix};
use schema::resource::{ResourceDef, Scope, Version, builtin};
use schema::status::GroupName;

use kinds::Strategy;

use crate::custom::{self, Custom, CustomVersion};

/// A resource in one of its served versions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Served {
    /// The row.
    pub def: Arc<ResourceDef>,
    at: usize,
    /// `kind` and `apiVersion` of this version, as bytes.
    pub prefix: Arc<Prefix>,
    custom: Option<Arc<Custom>>,
}

impl Served {
    /// The served version's row.
    pub fn version(&self) -> &Version {
        &self.def.versions[self.at]
    }

    /// What its CustomResourceDefinition says besides the row; nothing for a built-in resource.
    pub(crate) fn custom(&self) -> Option<&Custom> {
        self.custom.as_deref()
    }

    /// The same of the served version.
    pub(crate) fn custom_version(&self) -> Option<&CustomVersion> {
        self.custom()?.versions.get(self.at)
    }

    /// The same of another version of the resource.
    pub(crate) fn custom_version_of(&self, version: &str) -> Option<&CustomVersion> {
        self.custom()?.versions.get(self.def.place_of(version)?)
    }

    /// A custom resource in another of its versions, served or not.
    pub(crate) fn in_version(&self, version: &str) -> Option<Self> {
        let at = self.def.place_of(version)?;
        Some(Self {
            prefix: prefix(&self.def, &self.def.versions[at]),
            at,
            ..self.clone()
        })
    }

    /// What a client of this version is warned of.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        self.custom_version()?.deprecation.as_deref()
    }

    /// The kind of a list of objects: `PodList`
    pub(crate) fn list_kind(&self) -> String {
        match self.custom() {
            Some(custom) => custom.list_kind.clone(),
            None => format!("{}List", self.def.kind),
        }
    }

    /// `pods`, `deployments.apps`: how errors name the resource.
    pub fn group_resource(&self) -> GroupName<'_> {
        GroupName {
            group: &self.def.group,
            name: &self.def.plural,
        }
    }

    /// `Pod`, `Deployment.apps`: how validation errors name the kind.
    pub fn group_kind(&self) -> GroupName<'_> {
        GroupName {
            group: &self.def.group,
            name: &self.def.kind,
        }
    }

    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        api_version(&self.def.group, &self.version().name)
    }

    /// What is special about the kind.
    pub(crate) fn strategy(&self) -> &'static Strategy {
        if custom::is_definition(&self.def.group, &self.def.plural) {
            return &structural::definition::STRATEGY;
        }
        kinds::strategy(&self.def.group, &self.def.plural)
    }

    /// Whether its objects live in namespaces.
    pub fn namespaced(&self) -> bool {
        self.def.scope == Scope::Namespaced
    }

    /// Where its objects are stored: `/registry/pods/`, upstream's prefixes.
    pub fn key_prefix(&self) -> String {
        key_prefix(&self.def)
    }

    /// The store's key of an object; `namespace` is empty for cluster-scoped ones.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let mut key = self.key_prefix();
        if self.namespaced() {
            key.push_str(namespace);
            key.push('/');
        }
        key.push_str(name);
        key
    }
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Where upstream keeps resources that do not live under their own plural.
const PREFIXES: &[(&str, &str, &str)] = &[
    ("", "endpoints", "services/endpoints"),
    ("", "nodes", "minions"),
    ("", "replicationcontrollers", "controllers"),
    ("", "services", "services/specs"),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "apiextensions.k8s.io/customresourcedefinitions",
    ),
    (
        "apiregistration.k8s.io",
        "apiservices",
        "apiregistration.k8s.io/apiservices",
    ),
    ("events.k8s.io", "events", "events"),
    ("networking.k8s.io", "ingresses", "ingress"),
];

/// The prefix of a resource's keys: `/registry/minions/`, `/registry/GROUP/PLURAL/` for custom ones.
pub(crate) fn key_prefix(def: &ResourceDef) -> String {
    let special = PREFIXES
        .iter()
        .find(|(group, plural, _)| *group == def.group && *plural == def.plural);
    match special {
        Some((.., prefix)) => format!("/registry/{prefix}/"),
        None if def.types.is_custom() => format!("/registry/{}/{}/", def.group, def.plural),
        None => format!("/registry/{}/", def.plural),
    }
}

type Key = (String, String);

/// One table, read by every request and replaced row by row when definitions change.
#[derive(Debug)]
pub struct Resources {
    rows: RwLock<Arc<BTreeMap<Key, Row>>>,
    epoch: AtomicU64,
    /// Those who wait for a change.
    waiters: Mutex<Vec<Waker>>,
}

fn prefix(def: &ResourceDef, version: &Version) -> Arc<Prefix> {
    let api_version = api_version(&def.group, &version.name);
    Arc::new(Prefix::new(&api_version, &def.kind, Order::of(&def.types)))
}

#[derive(Clone, Debug)]
struct Row {
    def: Arc<ResourceDef>,
    prefixes: Vec<Arc<Prefix>>,
    custom: Option<Arc<Custom>>,
}

impl Row {
    fn new(def: ResourceDef, custom: Option<Arc<Custom>>) -> Self {
        Self {
            prefixes: def.versions.iter().map(|version| prefix(&def, version)).collect(),
            def: Arc::new(def),
            custom,
        }
    }

    fn served(&self, at: usize) -> Served {
        Served {
            def: self.def.clone(),
            at,
            prefix: self.prefixes[at].clone(),
            custom: self.custom.clone(),
        }
    }
}

impl Resources {
    /// The built-in rows.
    pub fn builtin() -> Self {
        let rows = builtin()
            .iter()
            .map(|def| (key(def), Row::new(def.clone(), None)))
            .collect();
        Self {
            rows: RwLock::new(Arc::new(rows)),
            epoch: AtomicU64::new(1),
            waiters: Mutex::default(),
        }
    }

    fn rows(&self) -> Arc<BTreeMap<Key, Row>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The resource with this group, version and plural, if that version is served.
    pub fn lookup(&self, group: &str, version: &str, plural: &str) -> Option<Served> {
        self.rows()
            .get(&(group.to_owned(), plural.to_owned()))?
            .version(version)
    }

    /// The resource with this group, version and kind, if that version is served.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Served> {
        let rows = self.rows();
        let of_kind = rows
            .values()
            .filter(|row| row.def.group == group && row.def.kind == kind);
        of_kind.into_iter().find_map(|row| row.version(version))
    }

    /// Every resource in each of its served versions, by group and plural, preferred version first.
    pub fn all(&self) -> Vec<Served> {
        let rows = self.rows();
        let served = |row: &Row| {
            let enabled = row
                .def
                .versions
                .iter()
                .enumerate()
                .filter(|(_, version)| version.enabled);
            enabled.map(|(at, _)| row.served(at)).collect::<Vec<_>>()
        };
        rows.values().flat_map(served).collect()
    }

    /// Every row.
    pub fn defs(&self) -> Vec<Arc<ResourceDef>> {
        self.rows().values().map(|row| row.def.clone()).collect()
    }

    /// Adds or replaces a custom row.
    pub(crate) fn put(&self, def: ResourceDef, custom: Arc<Custom>) {
        self.change(|rows| {
            rows.insert(key(&def), Row::new(def, Some(custom)));
        });
    }

    /// Whether a resource is built in: no definition replaces it.
    pub(crate) fn is_builtin(&self, group: &str, plural: &str) -> bool {
        let key = (group.to_owned(), plural.to_owned());
        self.rows().get(&key).is_some_and(|row| row.custom.is_none())
    }

    /// Whether a group has built-in resources.
    pub(crate) fn has_builtin(&self, group: &str) -> bool {
        let rows = self.rows();
        let from = (group.to_owned(), String::new());
        let mut of_group = rows.range(from..).take_while(|((name, _), _)| name == group);
        of_group.any(|(_, row)| row.custom.is_none())
    }

    /// A custom resource in the version that it is stored in, served or not.
    pub(crate) fn stored(&self, group: &str, plural: &str) -> Option<Served> {
        let rows = self.rows();
        let row = rows.get(&(group.to_owned(), plural.to_owned()))?;
        let at = row.def.place_of(&row.def.storage_version.version)?;
        row.custom.is_some().then(|| row.served(at))
    }

    /// When a custom resource's schemas last changed; 0 for a built-in one.
    pub(crate) fn custom_since(&self, def: &ResourceDef) -> u64 {
        let rows = self.rows();
        let custom = rows.get(&key(def)).and_then(|row| row.custom.as_ref());
        custom.map_or(0, |custom| custom.since.0)
    }

    /// Removes a custom row.
    pub fn remove(&self, group: &str, plural: &str) {
        self.change(|rows| {
            rows.remove(&(group.to_owned(), plural.to_owned()));
        });
    }

    /// Grows with every change: what was derived from the table at an older epoch is stale.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Waits until the table has changed after an epoch; answers the epoch it has then.
    pub async fn wait_for_change(&self, seen: u64) -> u64 {
        std::future::poll_fn(|cx| {
            // The waker first: a change in between wakes it.
            let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
            waiters.retain(|waiter| !waiter.will_wake(cx.waker()));
            waiters.push(cx.waker().clone());
            drop(waiters);
            match self.epoch() {
                epoch if epoch == seen => Poll::Pending,
                epoch => Poll::Ready(epoch),
            }
        })
        .await
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<Key, Row>)) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        act(Arc::make_mut(&mut rows));
        self.epoch.fetch_add(1, Ordering::AcqRel);
        drop(rows);
        let waiters = std::mem::take(&mut *self.waiters.lock().unwrap_or_else(PoisonError::into_inner));
        waiters.into_iter().for_each(Waker::wake);
    }
}

impl Row {
    fn version(&self, name: &str) -> Option<Served> {
        let at = self.def.place_of(name)?;
        self.def.versions[at].enabled.then(|| self.served(at))
    }
}

fn key(def: &ResourceDef) -> Key {
    (def.group.to_string(), def.plural.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_where_upstream_has_them() {
        let table = Resources::builtin();
        let key = |group: &str, plural: &str, namespace: &str| {
            table
                .lookup(group, "v1", plural)
                .map(|served| served.key(namespace, "a"))
        };
        let cases = [
            ("", "pods", "x", "/registry/pods/x/a"),
            ("", "nodes", "", "/registry/minions/a"),
            ("", "services", "x", "/registry/services/specs/x/a"),
            ("", "endpoints", "x", "/registry/services/endpoints/x/a"),
            ("apps", "deployments", "x", "/registry/deployments/x/a"),
            ("networking.k8s.io", "ingresses", "x", "/registry/ingress/x/a"),
        ];
        for (group, plural, namespace, expected) in cases {
            assert_eq!(key(group, plural, namespace).as_deref(), Some(expected));
        }
    }

    #[test]
    fn versions_that_are_off_are_not_served() {
        let table = Resources::builtin();
        let off = |served: &Served| !served.version().enabled;
        assert!(!table.all().iter().any(off));
        assert!(table.lookup("apps", "v1", "deployments").is_some());
        assert!(table.lookup("apps", "v9", "deployments").is_none());
    }
}
