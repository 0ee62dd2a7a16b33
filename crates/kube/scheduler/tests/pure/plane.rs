//! A control plane for one test: an API server on a disk in memory, a scheduler, and a client.

use std::ops::Deref;
use std::time::Duration;

use client::{Client, Informers, Object, Resource};
use rehearsal::user;
use scheduler::Scheduler;
use serde_json::{Value, json};

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);

/// A control plane with its scheduler. Objects are in the namespace `default`.
pub(crate) struct Plane {
    plane: rehearsal::Plane,
    pub(crate) scheduler: Option<Scheduler>,
}

impl Deref for Plane {
    type Target = rehearsal::Plane;

    fn deref(&self) -> &rehearsal::Plane {
        &self.plane
    }
}

impl Plane {
    /// A new one, without a scheduler.
    pub(crate) fn open(seed: u64) -> Self {
        Self {
            plane: rehearsal::Plane::open(seed),
            scheduler: None,
        }
    }

    /// A new one with its scheduler.
    pub(crate) fn start(seed: u64) -> Self {
        let mut plane = Self::open(seed);
        let identity = user("system:kube-scheduler", &["system:authenticated"]);
        let client = plane.client_as(identity, "kube-scheduler");
        plane.schedule(client);
        plane
    }

    /// Starts a scheduler that writes through this client.
    pub(crate) fn schedule(&mut self, client: Client) {
        let informers = Informers::in_process(self.server.clone());
        self.scheduler = Some(Scheduler::start(client, informers, &self.env()));
    }

    /// Ends the scheduler.
    pub(crate) fn stop(&mut self) {
        let scheduler = self.scheduler.take().unwrap();
        self.run(scheduler.stop());
    }

    pub(crate) fn create(&self, resource: &'static Resource, object: &Value) -> Object {
        self.plane.create(resource, "default", object)
    }

    /// A node with this much, and what `more` lays over it.
    pub(crate) fn node(&self, name: &str, cpu: &str, pods: u32, more: &Value) {
        let allocatable = json!({"cpu": cpu, "memory": "16Gi", "pods": pods.to_string()});
        let mut node = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"allocatable": allocatable, "capacity": allocatable},
        });
        lay_over(&mut node, more);
        self.create(&NODES, &node);
        // An event is named after its time: on a clock that stands still, two would be one.
        self.pass(Duration::from_millis(1));
        // The server taints a node that is new; a controller takes that away once it is ready.
        let taints = node["spec"]["taints"].clone();
        self.patch(&NODES, name, "", &json!({"spec": {"taints": taints}}));
    }

    /// A pod that asks for this much CPU, and what `more` lays over it.
    pub(crate) fn pod(&self, name: &str, cpu: &str, more: &Value) {
        let mut pod = json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]},
        });
        lay_over(&mut pod, more);
        self.create(&PODS, &pod);
    }

    pub(crate) fn get(&self, resource: &'static Resource, name: &str) -> Option<Value> {
        self.plane.get(resource, "default", name)
    }

    pub(crate) fn list(&self, resource: &'static Resource) -> Vec<Value> {
        self.plane.list(resource, "default")
    }

    pub(crate) fn patch(&self, resource: &'static Resource, name: &str, below: &'static str, patch: &Value) {
        self.plane.patch_below(resource, "default", name, below, patch);
    }

    pub(crate) fn delete(&self, resource: &'static Resource, name: &str) {
        self.plane.delete_within(0, resource, "default", name);
    }

    /// The node of a pod; empty if it has none.
    pub(crate) fn node_of(&self, pod: &str) -> String {
        let pod = self.get(&PODS, pod).unwrap();
        pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()
    }

    /// Status, reason and message of a pod's condition `PodScheduled`.
    pub(crate) fn scheduled(&self, pod: &str) -> (String, String, String) {
        let pod = self.get(&PODS, pod).unwrap();
        let conditions = pod["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == "PodScheduled");
        let text = |name: &str| {
            condition
                .and_then(|it| it[name].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        (text("status"), text("reason"), text("message"))
    }

    /// Type, reason and message of each event about an object.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let events = self.list(&EVENTS);
        let about = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name);
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        about
            .map(|event| (text(event, "type"), text(event, "reason"), text(event, "message")))
            .collect()
    }
}

fn lay_over(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}
