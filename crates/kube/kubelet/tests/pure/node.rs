//! A node for one test: a kubelet beside an API server, over a world of containers that are only written down.

use std::sync::Arc;
use std::time::Duration;

use client::{DeleteOptions, Informers, ListOptions, Object, PatchKind, Resource, WriteOptions};
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
            world: World::new(server.sim.clone(), seed),
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
        let (client, namespace, json) = (
            self.server.admin.clone(),
            namespace.to_owned(),
            object.to_string(),
        );
        self.server
            .run(async move {
                client
                    .create(resource.within(&namespace), json, &WriteOptions::default())
                    .await
            })
            .unwrap()
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
        let (client, name) = (self.server.admin.clone(), name.to_owned());
        let got = self
            .server
            .run(async move { client.get(resource.within("default").named(&name)).await });
        match got {
            Ok(object) => Some(object.read().unwrap()),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn list(&self, resource: &'static Resource) -> Vec<Value> {
        let client = self.server.admin.clone();
        let list = self.server.run(async move {
            client
                .list_all(resource.within("default"), &ListOptions::default())
                .await
        });
        list.unwrap()
            .items
            .iter()
            .map(|object| object.read().unwrap())
            .collect()
    }

    pub(crate) fn patch(&self, resource: &'static Resource, name: &str, patch: &Value) {
        let (client, name, json) = (self.server.admin.clone(), name.to_owned(), patch.to_string());
        let done = self.server.run(async move {
            let place = resource.within("default").named(&name);
            client
                .patch(place, PatchKind::Merge, json, &WriteOptions::default())
                .await
        });
        done.unwrap();
    }

    pub(crate) fn delete(&self, name: &str, grace: i64) {
        let (client, name) = (self.server.admin.clone(), name.to_owned());
        let options = DeleteOptions {
            grace_period_seconds: Some(grace),
            ..DeleteOptions::default()
        };
        let done = self
            .server
            .run(async move { client.delete(PODS.within("default").named(&name), &options).await });
        done.unwrap();
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
