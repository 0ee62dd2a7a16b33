//! What a node writes about pods: mirrors of those it runs from files, the status and the end of those it was given, and
//! tokens for them.

use schema::cursor::Ref;
use schema::status::{GroupName, Status};
use serde::Deserialize;

use super::Judge;
use crate::Answer;
use crate::admission::Operation;
use crate::admission::service_account::references::{has_secrets, is_mirror};

const PODS: &str = "/registry/pods/";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What is looked at of a pod that is not the object of the request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    uid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
}

impl Judge<'_> {
    pub(super) fn pod(&self) -> Answer<()> {
        let (node, operation) = (self.node, self.request.operation);
        let verb = operation.name();
        let is_ours = |pod: Ref<'_>| pod.path("spec.nodeName").str() == node;
        match (self.request.op.subresource, operation) {
            ("", Operation::Create) => self.mirror(),
            ("", Operation::Delete) => self.need(is_ours(self.old()), || {
                format!("node {node:?} can only delete pods with spec.nodeName set to itself")
            }),
            ("", _) => self.refuse(format!(
                "unexpected operation {verb:?}, node {node:?} can only create and delete mirror pods"
            )),
            ("status", Operation::Update) => self.status(),
            ("eviction", Operation::Create) => self.eviction(),
            ("status", _) => self.refuse(format!("unexpected operation {verb:?}")),
            ("eviction", _) => self.refuse(format!("unexpected operation {verb}")),
            (path, _) => self.refuse(format!(
                "unexpected pod subresource {path:?}, only 'status' and 'eviction' are allowed"
            )),
        }
    }

    /// A mirror is the node's own, and reaches nothing else in the API.
    fn mirror(&self) -> Answer<()> {
        let (node, pod) = (self.node, self.written());
        self.need(is_mirror(pod), || {
            format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods")
        })?;
        self.need(pod.path("spec.nodeName").str() == node, || {
            format!("node {node:?} can only create pods with spec.nodeName set to itself")
        })?;
        self.owner(pod.path("metadata.ownerReferences"))?;
        for (what, there) in [
            (
                "a service account",
                !pod.path("spec.serviceAccountName").is_empty(),
            ),
            ("secrets", has_secrets(pod)),
            ("configmaps", has_config_maps(pod)),
            ("clustertrustbundles", projects(pod, "clusterTrustBundle")),
            ("persistentvolumeclaims", has_volume(pod, "persistentVolumeClaim")),
        ] {
            self.need(!there, || {
                format!("node {node:?} can not create pods that reference {what}")
            })?;
        }
        Ok(())
    }

    fn owner(&self, owners: Ref<'_>) -> Answer<()> {
        let node = self.node;
        let only = "an owner reference set to itself";
        self.need(owners.len() <= 1, || {
            format!("node {node:?} can only create pods with a single owner reference set to itself")
        })?;
        let Some(owner) = owners.items().next() else {
            return self.refuse(format!("node {node:?} can only create pods with {only}"));
        };
        let text = |member: &str| owner.at(member).str();
        let own = (text("apiVersion"), text("kind"), text("name")) == ("v1", "Node", node);
        self.need(own, || format!("node {node:?} can only create pods with {only}"))?;
        self.need(owner.at("controller").bool(), || {
            format!("node {node:?} can only create pods with a controller owner reference set to itself")
        })?;
        self.need(!owner.at("blockOwnerDeletion").bool(), || {
            format!("node {node:?} must not set blockOwnerDeletion on an owner reference")
        })?;
        let nodes = self.request.op.state.cache.snapshot("/registry/minions/");
        let Some(known) = nodes.get(node) else {
            return Err(not_found("nodes", node).into());
        };
        self.need(*known.meta.uid == *text("uid"), || {
            format!(
                "node {node} UID mismatch: expected {} got {}",
                text("uid"),
                known.meta.uid
            )
        })
    }

    fn status(&self) -> Answer<()> {
        let (node, new, old) = (self.node, self.written(), self.old());
        self.need(old.path("spec.nodeName").str() == node, || {
            format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")
        })?;
        self.need(new.path("metadata.labels") == old.path("metadata.labels"), || {
            format!("node {node:?} cannot update labels through pod status")
        })?;
        let claims = "status.resourceClaimStatuses";
        self.need(new.path(claims) == old.path(claims), || {
            format!("node {node:?} cannot update resource claim statues")
        })
    }

    fn eviction(&self) -> Answer<()> {
        let pod = self.cached(self.request.name)?;
        self.need(pod.spec.node_name == self.node, || {
            format!(
                "node {} can only evict pods with spec.nodeName set to itself",
                self.node
            )
        })
    }

    /// A token for a pod that runs on the node.
    pub(super) fn token(&self) -> Answer<()> {
        if self.request.op.subresource != "token" || self.request.operation != Operation::Create {
            return Ok(());
        }
        let bound = self.written().path("spec.boundObjectRef");
        let text = |member: &str| bound.at(member).str();
        let to_pod = (text("apiVersion"), text("kind")) == ("v1", "Pod") && !text("name").is_empty();
        self.need(to_pod, || "node requested token not bound to a pod".to_owned())?;
        self.need(!text("uid").is_empty(), || {
            "node requested token with a pod binding without a uid".to_owned()
        })?;
        let pod = self.cached(text("name"))?;
        self.need(pod.metadata.uid == text("uid"), || {
            let uid = text("uid");
            format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
            )
        })?;
        self.need(pod.spec.node_name == self.node, || {
            "node requested token bound to a pod scheduled on a different node".to_owned()
        })
    }

    fn cached(&self, name: &str) -> Answer<Pod> {
        let op = self.request.op;
        let key = format!("{}/{name}", op.namespace);
        let pods = op.state.cache.snapshot(PODS);
        let found = pods.get(&key).ok_or_else(|| not_found("pods", name))?;
        Ok(serde_json::from_slice(found.body()).map_err(Status::internal)?)
    }
}

fn not_found(plural: &str, name: &str) -> Status {
    let resource = GroupName {
        group: "",
        name: plural,
    };
    Status::not_found(resource, name)
}

fn has_volume(pod: Ref<'_>, kind: &str) -> bool {
    pod.path("spec.volumes")
        .items()
        .any(|volume| volume.at(kind).exists())
}

fn projects(pod: Ref<'_>, kind: &str) -> bool {
    let mut volumes = pod.path("spec.volumes").items();
    volumes.any(|volume| {
        let mut sources = volume.path("projected.sources").items();
        sources.any(|source| source.at(kind).exists())
    })
}

fn has_config_maps(pod: Ref<'_>) -> bool {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let mut containers = lists.into_iter().flat_map(|list| pod.at("spec").at(list).items());
    has_volume(pod, "configMap")
        || projects(pod, "configMap")
        || containers.any(|container| {
            let from = |from: Ref<'_>| from.at("configMapRef").exists();
            let key = |env: Ref<'_>| env.path("valueFrom.configMapKeyRef").exists();
            container.at("envFrom").items().any(from) || container.at("env").items().any(key)
        })
}
