//! A control plane for one test: an API server on a disk that forgets, controllers, and a client.

use std::ops::Deref;

use client::Resource;
use controllers::Controllers;
use driver::SimDisk;
use pki::Authority;
use rehearsal::Plane;
use serde_json::{Value, json};

pub(crate) static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);
pub(crate) static MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static ACCOUNTS: Resource = Resource::new("", "v1", "serviceaccounts", "ServiceAccount", true);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);
pub(crate) static CLASSES: Resource = Resource::new(
    "scheduling.k8s.io",
    "v1",
    "priorityclasses",
    "PriorityClass",
    false,
);

/// A control plane with its controllers.
pub(crate) struct Node {
    plane: Plane,
    controllers: Option<Controllers>,
}

impl Deref for Node {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        &self.plane
    }
}

impl Node {
    /// A new one, with its controllers.
    pub(crate) fn start(seed: u64) -> Self {
        Self::open(seed, SimDisk::new()).with_controllers()
    }

    /// One over a disk, without controllers.
    pub(crate) fn open(seed: u64, disk: SimDisk) -> Self {
        Self::around(Plane::open_on(disk, seed, rehearsal::config()))
    }

    fn around(plane: Plane) -> Self {
        Self {
            plane,
            controllers: None,
        }
    }

    /// Starts the controllers.
    pub(crate) fn with_controllers(mut self) -> Self {
        let ca = rehearsal::authority();
        let config = controllers::Config {
            selected: controllers::Selection::default(),
            root_ca: ca.certificate_pem().to_owned(),
            tokens: rehearsal::issuer(),
            authority: Authority::from_pem(ca.certificate_pem(), ca.key_pem()).unwrap(),
        };
        self.controllers = Some(Controllers::start(config, &self.server, &self.env()));
        self
    }

    /// Cuts the power and starts anew, without controllers.
    pub(crate) fn crash(self, seed: u64) -> Self {
        let Self { plane, controllers } = self;
        drop(controllers);
        Self::around(plane.crash(seed))
    }

    /// Lets everything happen, time included, until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.plane.until(what, || holds(self));
    }

    /// Ends the controllers as a drain does.
    pub(crate) fn stop(&mut self) {
        let controllers = self.controllers.take().unwrap();
        self.run(controllers.stop());
    }

    /// Makes a namespace, with all that it gets.
    pub(crate) fn namespace(&self, name: &str) {
        self.create(&NAMESPACES, "", &json!({"metadata": {"name": name}}));
        self.settle();
    }

    /// A ConfigMap with owners; answers its uid.
    pub(crate) fn map(&self, namespace: &str, name: &str, owners: &[Value]) -> String {
        let object = json!({"metadata": {"name": name, "ownerReferences": owners}});
        self.create(&MAPS, namespace, &object).uid()
    }
}

/// A reference to an owner.
pub(crate) fn owner(kind: &str, name: &str, uid: &str, blocks: bool) -> Value {
    let version = if kind == "PriorityClass" {
        "scheduling.k8s.io/v1"
    } else {
        "v1"
    };
    json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "blockOwnerDeletion": blocks})
}

pub(crate) static WIDGETS: Resource = Resource::new("example.com", "v1", "widgets", "Widget", true);
static DEFINITIONS: Resource = Resource::new(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    false,
);

impl Node {
    /// Defines widgets, and waits until they are served.
    pub(crate) fn define_widgets(&self) {
        let definition = json!({
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}],
            },
        });
        self.create(&DEFINITIONS, "", &definition);
        self.until("widgets are served", |node| {
            let definition = node.get(&DEFINITIONS, "", "widgets.example.com").unwrap();
            let conditions = definition["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            conditions
                .iter()
                .any(|each| each["type"] == "Established" && each["status"] == "True")
        });
    }
}
