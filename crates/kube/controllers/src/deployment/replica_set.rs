//! The ReplicaSets of a Deployment: one for each template it had, with their revisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::object::Obj;
use serde::Deserialize;
use serde_json::{Value, json};

use super::hash::hash;
use super::spec::Deployment;
use crate::act::Action;
use crate::driver::Failed;
use crate::object::{editable, target};
use crate::replica_set::Status;
use crate::resources::{DEPLOYMENTS, REPLICA_SETS};
use crate::workload::template::controller;

/// The label of the pods of one template.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// The longest list of former revisions, in characters.
const MAX_HISTORY: usize = 2_000;

/// What a controller changes of a ReplicaSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) replicas: i64,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) min_ready_seconds: i64,
}

/// A ReplicaSet, as it is and as it should be.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: String,
    /// None of one that is yet to be made.
    pub(super) object: Option<Arc<Obj>>,
    /// As it is; of one to be made, nothing.
    before: Wanted,
    /// As it should be. Planning changes this, and what differs is written.
    pub(super) wanted: Wanted,
    pub(super) template: Value,
    pub(super) status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    metadata: RawMeta,
    spec: RawSpec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMeta {
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawSpec {
    replicas: i64,
    min_ready_seconds: i64,
    template: Value,
}

impl Set {
    /// # Errors
    /// [`Failed::Unread`]
    pub(super) fn read(object: &Arc<Obj>) -> Result<Self, Failed> {
        let Raw {
            metadata,
            spec,
            status,
        } = crate::object::read(object)?;
        let wanted = Wanted {
            replicas: spec.replicas,
            annotations: metadata.annotations,
            min_ready_seconds: spec.min_ready_seconds,
        };
        Ok(Self {
            name: object.meta.name.to_string(),
            object: Some(object.clone()),
            before: wanted.clone(),
            wanted,
            template: spec.template,
            status,
        })
    }

    /// A new one for the template of a Deployment, without pods yet.
    pub(super) fn new(deployment: &Deployment, name: String) -> Self {
        Self {
            name,
            object: None,
            before: Wanted::default(),
            wanted: Wanted::default(),
            template: deployment.spec.template.clone(),
            status: Status::default(),
        }
    }

    /// Whether it has pods, or is about to.
    pub(super) const fn is_active(&self) -> bool {
        self.wanted.replicas > 0
    }

    /// When it was made, and its name where that is the same.
    pub(super) fn age(&self) -> (&str, &str) {
        let created = self
            .object
            .as_ref()
            .map_or("", |object| &object.meta.creation_timestamp);
        (created, &self.name)
    }

    /// Whether it is on its way out.
    pub(super) fn is_deleting(&self) -> bool {
        self.object
            .as_ref()
            .is_some_and(|object| object.meta.deletion_timestamp.is_some())
    }

    /// Whether it has no pods, and has seen that it is to have none.
    pub(super) fn is_spent(&self) -> bool {
        let seen = |object: &Arc<Obj>| object.meta.generation <= self.status.observed_generation;
        self.before.replicas == 0 && self.status.replicas == 0 && self.object.as_ref().is_some_and(seen)
    }

    /// How many pods it had before this look.
    pub(super) const fn replicas_before(&self) -> i64 {
        self.before.replicas
    }

    /// Whether its pods are those of the Deployment's template.
    pub(super) fn has_template_of(&self, deployment: &Deployment) -> bool {
        let mut template = self.template.clone();
        if let Some(labels) = template
            .pointer_mut("/metadata/labels")
            .and_then(Value::as_object_mut)
        {
            labels.remove(TEMPLATE_HASH);
        }
        template == deployment.spec.template
    }

    fn number(&self, annotation: &str) -> Option<i64> {
        self.wanted.annotations.get(annotation)?.parse().ok()
    }

    /// Its place in the history; 0 before it has one.
    pub(super) fn revision(&self) -> i64 {
        self.number(REVISION).unwrap_or(0)
    }

    /// The Deployment's size when this was scaled last.
    pub(super) fn desired(&self) -> Option<i64> {
        self.number(DESIRED_REPLICAS)
    }

    /// The most pods that the Deployment might have had then.
    pub(super) fn max_replicas(&self) -> Option<i64> {
        self.number(MAX_REPLICAS)
    }

    /// Gives it so many pods, and notes what size of the Deployment they are a part of.
    pub(super) fn scale(&mut self, replicas: i64, deployment: &Deployment) {
        self.wanted.replicas = replicas;
        for (name, number) in [
            (DESIRED_REPLICAS, deployment.spec.replicas),
            (MAX_REPLICAS, deployment.max_total()),
        ] {
            self.wanted
                .annotations
                .insert(name.to_owned(), number.to_string());
        }
    }

    /// Makes it the newest: it has the Deployment's annotations, and no lower revision than `revision`.
    pub(super) fn make_newest(&mut self, deployment: &Deployment, revision: i64) {
        let copied = deployment.metadata.annotations.iter();
        let copied = copied.filter(|(name, _)| !NOT_COPIED.contains(&name.as_str()));
        let own = &mut self.wanted.annotations;
        own.extend(copied.map(|(name, value)| (name.clone(), value.clone())));
        self.wanted.min_ready_seconds = deployment.spec.min_ready_seconds;
        let old = self.wanted.annotations.get(REVISION).cloned();
        if self.revision() < revision {
            if let Some(old) = old {
                self.remember(&old);
            }
            self.wanted
                .annotations
                .insert(REVISION.to_owned(), revision.to_string());
        }
    }

    /// Keeps a revision that it had, before it was rolled back to; the oldest are forgotten.
    fn remember(&mut self, revision: &str) {
        let history = self
            .wanted
            .annotations
            .entry(REVISION_HISTORY.to_owned())
            .or_default();
        if !history.is_empty() {
            history.push(',');
        }
        history.push_str(revision);
        while history.len() > MAX_HISTORY {
            let Some((_, rest)) = history.split_once(',') else {
                break;
            };
            *history = rest.to_owned();
        }
    }

    /// What makes it as it should be; none if it is.
    ///
    /// # Errors
    /// [`Failed::Unread`]
    pub(super) fn write(&self, owner: &Obj, deployment: &Deployment) -> Result<Option<Action>, Failed> {
        match &self.object {
            None => Ok(Some(self.create(owner, deployment))),
            Some(_) if self.wanted == self.before => Ok(None),
            Some(object) => self.update(object).map(Some),
        }
    }

    fn update(&self, object: &Obj) -> Result<Action, Failed> {
        let mut value = editable(&REPLICA_SETS, object)?;
        value["metadata"]["annotations"] = json!(self.wanted.annotations);
        value["spec"]["replicas"] = self.wanted.replicas.into();
        value["spec"]["minReadySeconds"] = self.wanted.min_ready_seconds.into();
        Ok(Action::Update {
            target: target(&REPLICA_SETS, &object.meta),
            object: value,
        })
    }

    fn create(&self, owner: &Obj, deployment: &Deployment) -> Action {
        let hash = hash(&self.template, deployment.status.collision_count);
        let (mut template, mut selector) = (self.template.clone(), deployment.spec.selector.clone());
        template["metadata"]["labels"][TEMPLATE_HASH] = hash.clone().into();
        selector["matchLabels"][TEMPLATE_HASH] = hash.into();
        let object = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": self.name, "namespace": owner.meta.namespace,
                "labels": template["metadata"]["labels"], "annotations": self.wanted.annotations,
                "ownerReferences": [controller(&DEPLOYMENTS, &owner.meta)],
            },
            "spec": {
                "replicas": self.wanted.replicas, "minReadySeconds": self.wanted.min_ready_seconds,
                "selector": selector, "template": template,
            },
        });
        Action::Create {
            resource: REPLICA_SETS.clone(),
            namespace: owner.meta.namespace.to_string(),
            object,
        }
    }
}

/// The name of the ReplicaSet of a Deployment's template.
pub(super) fn name(deployment: &Deployment) -> String {
    let hash = hash(&deployment.spec.template, deployment.status.collision_count);
    format!("{}-{hash}", deployment.metadata.name)
}
