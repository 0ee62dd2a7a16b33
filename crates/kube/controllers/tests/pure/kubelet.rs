//! A kubelet for tests: it binds what nobody has bound and says of it what its first image says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use apiserver::cache::Snapshot;
use client::{Changes, Client, DeleteOptions, Informers, PatchKind, Resource, WriteOptions};
use driver::{Env, Sim};
use schema::object::Obj;
use serde_json::{Value, json};
use views::PodView;

use crate::node::Node;

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);

/// How often the node says that it is well.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long a pod takes to become ready, to end by itself, and to end when it is told to.
const STARTING: Duration = Duration::from_millis(700);
const WORKING: Duration = Duration::from_secs(3);
const ENDING: Duration = Duration::from_millis(900);

#[derive(Clone)]
struct Kubelet {
    client: Client,
    sim: Sim,
}

impl Node {
    /// Starts a kubelet for all pods.
    pub(crate) fn with_kubelet(self) -> Self {
        let (client, sim) = (self.client.clone(), self.sim());
        let informers = Informers::in_process(self.server.clone());
        let kubelet = Kubelet {
            client,
            sim: sim.clone(),
        };
        sim.spawn(Box::pin(kubelet.clone().beat()));
        sim.spawn(Box::pin(kubelet.run(informers)));
        self
    }

    /// All pods as they are now.
    pub(crate) fn pods(&self) -> Vec<Arc<Obj>> {
        let snapshot: Snapshot = Informers::in_process(self.server.clone()).of(&PODS).snapshot();
        snapshot.iter().cloned().collect()
    }
}

/// Reads a pod.
pub(crate) fn read(pod: &Obj) -> Value {
    serde_json::from_slice(pod.body()).unwrap()
}

/// What everybody sees of a pod.
pub(crate) fn view(pod: &Obj) -> Arc<PodView> {
    pod.view().unwrap()
}

impl Kubelet {
    /// Registers its node, and keeps it well: what is on no node that lives is taken away.
    async fn beat(self) {
        let (node, options) = (json!({"metadata": {"name": "n"}}), WriteOptions::default());
        drop(
            self.client
                .create(NODES.everywhere(), node.to_string(), &options)
                .await,
        );
        loop {
            let now = self.second();
            let condition = json!({
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            });
            let patch = json!({"status": {"conditions": [condition]}}).to_string();
            let place = NODES.everywhere().named("n").below("status");
            drop(
                self.client
                    .patch(place, PatchKind::Strategic, patch, &options)
                    .await,
            );
            self.sim.sleep(HEARTBEAT).await;
        }
    }

    /// Now, as objects say it.
    fn second(&self) -> String {
        let now = jiff::Timestamp::try_from(self.sim.wall()).unwrap();
        jiff::Timestamp::from_second(now.as_second()).unwrap().to_string()
    }

    async fn run(self, informers: Informers) {
        let mut following = informers.of(&PODS).follow();
        let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
        while let Some(changes) = following.next().await {
            let pods: Vec<Arc<Obj>> = match changes {
                Changes::One(change) => change.object.into_iter().collect(),
                Changes::All(snapshot) => snapshot.iter().cloned().collect(),
            };
            for pod in pods {
                let (kubelet, uid) = (self.clone(), pod.meta.uid.clone());
                if pod.meta.deletion_timestamp.is_some() {
                    if ended.insert(uid) {
                        self.sim.spawn(Box::pin(async move { kubelet.end(&pod).await }));
                    }
                } else if started.insert(uid) {
                    self.sim.spawn(Box::pin(async move { kubelet.live(&pod).await }));
                }
            }
        }
    }

    /// `stuck` never becomes ready, `refuse` fails at once, `work` succeeds and `fail-3` fails with code 3; `hold` runs
    /// and nothing more. Whatever else becomes ready.
    async fn live(&self, pod: &Obj) {
        let spec = read(pod)["spec"].clone();
        if spec["nodeName"].is_null() {
            let binding =
                json!({"metadata": {"name": pod.meta.name}, "target": {"kind": "Node", "name": "n"}});
            let place = PODS
                .within(&pod.meta.namespace)
                .named(&pod.meta.name)
                .below("binding");
            let options = WriteOptions::default();
            drop(self.client.create(place, binding.to_string(), &options).await);
        }
        let image = spec["containers"][0]["image"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if image == "refuse" {
            self.say(pod, "Failed", false, Value::Null).await;
            return;
        }
        self.sim.sleep(STARTING).await;
        self.say(
            pod,
            "Running",
            !matches!(&*image, "stuck" | "hold"),
            json!({"running": {}}),
        )
        .await;
        let code = match image.strip_prefix("fail-") {
            Some(code) => code.parse().unwrap(),
            None if image == "work" => 0,
            None => return,
        };
        self.sim.sleep(WORKING).await;
        let at = jiff::Timestamp::try_from(self.sim.wall()).unwrap();
        let at = jiff::Timestamp::from_second(at.as_second()).unwrap().to_string();
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let state =
            json!({"terminated": {"exitCode": code, "finishedAt": at, "startedAt": at, "reason": "Ended"}});
        self.say(pod, phase, false, state).await;
    }

    async fn say(&self, pod: &Obj, phase: &str, ready: bool, state: Value) {
        let at = jiff::Timestamp::try_from(self.sim.wall()).unwrap();
        let at = jiff::Timestamp::from_second(at.as_second()).unwrap().to_string();
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": at});
        let mut status = json!({"phase": phase, "startTime": at, "conditions": [condition]});
        if !state.is_null() {
            let name = read(pod)["spec"]["containers"][0]["name"].clone();
            status["containerStatuses"] = json!([{
                "name": name, "state": state, "ready": ready, "restartCount": 0, "image": "i", "imageID": "",
            }]);
        }
        let patch = json!({"metadata": {"uid": pod.meta.uid}, "status": status}).to_string();
        let place = PODS
            .within(&pod.meta.namespace)
            .named(&pod.meta.name)
            .below("status");
        let options = WriteOptions::default();
        // A pod that is gone has nothing to say.
        drop(self.client.patch(place, PatchKind::Merge, patch, &options).await);
    }

    async fn end(&self, pod: &Obj) {
        self.sim.sleep(ENDING).await;
        let place = PODS.within(&pod.meta.namespace).named(&pod.meta.name);
        let mut options = DeleteOptions::of_uid(&pod.meta.uid);
        options.grace_period_seconds = Some(0);
        drop(self.client.delete(place, &options).await);
    }
}
