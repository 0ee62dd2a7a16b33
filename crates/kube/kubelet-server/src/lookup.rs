//! The pods of this node, as the API has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{Informer, Informers, Resource};
use schema::object::Obj;
use serde::Deserialize;
use streaming::PodRef;

/// The annotation of the pods that show static pods: the uid of the pod that is shown.
const MIRROR: &str = "kubernetes.io/config.mirror";

static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

/// Finds pods.
pub(crate) struct Lookup {
    pods: Informer,
    node: String,
}

/// What is read of a pod.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Pod {
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
    #[serde(default)]
    pub(crate) status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    name: String,
    pub(crate) tty: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerStatus {
    name: String,
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
    pub(crate) state: ContainerState,
    pub(crate) last_state: ContainerState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerState {
    pub(crate) waiting: Option<Waiting>,
    pub(crate) running: Option<Running>,
    pub(crate) terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Running {}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Terminated {
    #[serde(rename = "containerID")]
    pub(crate) container_id: String,
}

impl Lookup {
    pub(crate) fn new(informers: &Informers, node: &str) -> Self {
        Self {
            pods: informers.of(&PODS),
            node: node.to_owned(),
        }
    }

    /// A pod of this node.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Pod> {
        let snapshot = self.pods.snapshot();
        let pod = read(snapshot.get(&format!("{namespace}/{name}"))?)?;
        (pod.spec.node_name == self.node).then_some(pod)
    }

    /// All pods of this node, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Obj>> {
        let snapshot = self.pods.snapshot();
        let own = |object: &&Arc<Obj>| read(object).is_some_and(|pod| pod.spec.node_name == self.node);
        snapshot.iter().filter(own).cloned().collect()
    }
}

fn read(object: &Obj) -> Option<Pod> {
    let read = serde_json::from_slice(object.body());
    read.inspect_err(|error| tracing::warn!(%error, "a stored pod cannot be read"))
        .ok()
}

impl Pod {
    /// How streams name it.
    pub(crate) fn reference(&self) -> PodRef {
        let Metadata {
            name,
            namespace,
            uid,
            annotations,
        } = &self.metadata;
        // What runs has the uid that its file gave it.
        let uid = annotations.get(MIRROR).unwrap_or(uid);
        PodRef {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
        }
    }

    /// A container of its specification, of whatever kind.
    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        let spec = &self.spec;
        let all = [
            &spec.containers,
            &spec.init_containers,
            &spec.ephemeral_containers,
        ];
        all.into_iter().flatten().find(|container| container.name == name)
    }

    /// What its status tells of a container.
    pub(crate) fn status(&self, name: &str) -> Option<&ContainerStatus> {
        let status = &self.status;
        let all = [
            &status.container_statuses,
            &status.init_container_statuses,
            &status.ephemeral_container_statuses,
        ];
        all.into_iter().flatten().find(|container| container.name == name)
    }
}
