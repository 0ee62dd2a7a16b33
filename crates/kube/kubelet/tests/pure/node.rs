//! A node for one test: a kubelet beside an API server, over a world of containers that are only written down.

use std::sync::Arc;
use std::time::Duration;

use client::{Informers, Object, PatchKind, Resource, WriteOptions};
use kubelet::{Kubelet, Parts};
use serde_json::{Value, json};

use crate::server::Server;
use crate::world::World;

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static EVENTS: Resource = Resource::new("", "v1", "events", "Event", true);

const NODE: &str = "n1";

/// A node.
pub(crate) struct Node {
    server: Server,
    pub(crate) world: Arc<World>,
    kubelet: Option<Kubelet>,
}

impl Node {
    pub(crate) fn start(seed: u64) -> Self {
        let server = Server::open(seed);
        let mut node = Self {
            world: World::new(server.sim(), seed),
            server,
            kubelet: None,
        };
        node.create(&NODES, "", &json!({"metadata": {"name": NODE}}));
        node.kubelet();
        node
    }

    /// Starts a kubelet.
    pub(crate) fn kubelet(&mut self) {
        let env = self.server.env();
        let parts = Parts {
            client: self.server.as_node(NODE),
            informers: Informers::in_process(self.server.server.clone()),
            runtime: self.world.clone(),
            volumes: self.world.clone(),
            prober: self.world.clone(),
            services: self.world.clone(),
            manifests: self.world.clone(),
        };
        let facts = crate::play::facts();
        let kubelet = Kubelet::start(kubelet::Config { facts }, parts, &env);
        let kubelet = self.server.run(async move {
            kubelet.ready().await;
            kubelet
        });
        self.kubelet = Some(kubelet);
    }

    /// Ends the kubelet; containers go on.
    pub(crate) fn stop(&mut self) {
        let kubelet = self.kubelet.take().unwrap();
        self.server.run(kubelet.stop());
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.server.pass(time);
    }

    /// Lets everything happen, time included, until this holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.until_each(Duration::from_millis(20), what, holds);
    }

    /// The same, looked at ever so often.
    pub(crate) fn until_each(&self, each: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            self.pass(each);
        }
        panic!("never: {what}\n{}", self.world.log.lock().unwrap().join("\n"));
    }

    pub(crate) fn create(&self, resource: &'static Resource, namespace: &str, object: &Value) -> Object {
        self.server.create(resource, namespace, object)
    }

    /// A pod of this node.
    pub(crate) fn pod(&self, name: &str, spec: &Value) -> Object {
        let mut spec = spec.clone();
        spec["nodeName"] = NODE.into();
        self.create(
            &PODS,
            "default",
            &json!({"metadata": {"name": name}, "spec": spec}),
        )
    }

    pub(crate) fn get(&self, resource: &'static Resource, name: &str) -> Option<Value> {
        self.server.get(resource, "default", name)
    }

    pub(crate) fn get_in(&self, resource: &'static Resource, space: &str, name: &str) -> Option<Value> {
        self.server.get(resource, space, name)
    }

    pub(crate) fn list(&self, resource: &'static Resource) -> Vec<Value> {
        self.server.list(resource, "default")
    }

    /// Gives a pod's first container other limits, by the path that is for it.
    pub(crate) fn resize(&self, name: &str, resources: &Value) {
        let patch = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
        let (client, name) = (self.server.client.clone(), name.to_owned());
        let done = self.server.run(async move {
            let place = PODS.within("default").named(&name).below("resize");
            let options = WriteOptions::default();
            client
                .patch(place, PatchKind::Strategic, patch.to_string(), &options)
                .await
        });
        done.unwrap();
    }

    pub(crate) fn patch(&self, resource: &'static Resource, name: &str, patch: &Value) {
        self.server.patch(resource, "default", name, patch);
    }

    pub(crate) fn delete(&self, name: &str, grace: i64) {
        self.server.delete_within(grace, &PODS, "default", name);
    }

    pub(crate) fn phase(&self, name: &str) -> String {
        let pod = self.get(&PODS, name);
        pod.map(|pod| pod["status"]["phase"].as_str().unwrap().to_owned())
            .unwrap_or_default()
    }

    /// Why the first container of a pod waits.
    pub(crate) fn waits(&self, name: &str) -> (String, String) {
        let pod = self.get(&PODS, name).unwrap();
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        let text = |name: &str| waiting[name].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("message"))
    }
}
