//! Upstream's conformance tests of admission (`test/e2e/apimachinery`, `test/e2e/scheduling`), as far as they need no
//! kubelet: the same steps, under virtual time. Each is named as there.

#[path = "conformance/limit_range.rs"]
mod limit_range;
#[path = "conformance/mutating_admission_policy.rs"]
mod mutating_admission_policy;
#[path = "conformance/resource_quota.rs"]
mod resource_quota;
#[path = "conformance/validating_admission_policy.rs"]
mod validating_admission_policy;

use client::{Error, Event, ListOptions, Object, PatchKind, Resource, Selectors, WatchOptions, WriteOptions};
use serde_json::{Value, json};

use crate::node::Node;

static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
static DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments", "Deployment", true);
static REPLICA_SETS: Resource = Resource::new("apps", "v1", "replicasets", "ReplicaSet", true);

/// A pod whose container asks for these.
fn pod(name: &str, requests: &Value, limits: &Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{
        "name": "pause", "image": "pause", "resources": {"requests": requests, "limits": limits},
    }]}})
}

fn resources(cpu: &str, memory: &str, storage: &str) -> Value {
    let all = [("cpu", cpu), ("memory", memory), ("ephemeral-storage", storage)];
    let given = all.into_iter().filter(|(_, amount)| !amount.is_empty());
    given
        .map(|(name, amount)| (name.to_owned(), Value::from(amount)))
        .collect()
}

/// A workload of the group `apps`.
fn workload(name: &str, replicas: u32) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": "nginx"}}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "nginx"}},
        "template": {"metadata": {"labels": {"app": "nginx"}}, "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}},
    }})
}

impl Node {
    fn replace(&self, resource: &'static Resource, namespace: &str, object: &Value) -> Result<Object, Error> {
        let (client, namespace, json) = (self.client.clone(), namespace.to_owned(), object.to_string());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.run(async move {
            let place = resource.within(&namespace).named(&name);
            client.update(place, json, &WriteOptions::default()).await
        })
    }

    fn merge(
        &self,
        resource: &'static Resource,
        (namespace, name): (&str, &str),
        below: &'static str,
        patch: &Value,
    ) -> Object {
        let (client, namespace, name) = (self.client.clone(), namespace.to_owned(), name.to_owned());
        let json = patch.to_string();
        let merged = self.run(async move {
            let place = resource.within(&namespace).named(&name).below(below);
            client
                .patch(place, PatchKind::Merge, json, &WriteOptions::default())
                .await
        });
        merged.unwrap()
    }

    /// Names of the objects with a label, in all namespaces.
    fn labelled(&self, resource: &'static Resource, label: &str) -> Vec<String> {
        let (client, options) = (self.client.clone(), selecting(label));
        let list = self.run(async move { client.list(resource.everywhere(), &options).await });
        list.unwrap().items.iter().map(Object::name).collect()
    }

    fn delete_labelled(&self, resource: &'static Resource, namespace: &str, label: &str) {
        let (client, options, namespace) = (self.client.clone(), selecting(label), namespace.to_owned());
        let deleted = self.run(async move {
            let place = resource.within(&namespace);
            client
                .delete_collection(place, &Default::default(), &options)
                .await
        });
        deleted.unwrap();
    }

    /// The API group, its version and a resource stand in discovery; then a cluster-scoped resource through all of its verbs.
    fn supports(&self, resource: &'static Resource, template: &Value, change: &Value) {
        self.is_discovered(resource);
        let (key, value) = ("example-e2e-label", "x");
        let mut object = template.clone();
        object["metadata"] = json!({"generateName": "e2e-example-", "labels": {key: value}});
        let label = format!("{key}={value}");
        let made: Vec<Object> = (0..3).map(|_| self.create(resource, "", &object)).collect();
        let name = made[2].name();
        assert_eq!(
            self.get(resource, "", &name).unwrap()["metadata"]["uid"],
            made[2].uid()
        );
        assert_eq!(self.labelled(resource, &label).len(), 3);
        let mut patch = change.clone();
        patch["metadata"] = json!({"annotations": {"patched": "true"}});
        let from = made[2].resource_version();
        let patched: Value = self.merge(resource, ("", &name), "", &patch).read().unwrap();
        assert_eq!(patched["metadata"]["annotations"]["patched"], "true");
        self.told_of_patch(resource, &label, from);
        // Whoever reacts to the patch has done so: upstream tries again upon a conflict.
        self.settle();
        let mut updated = self.get(resource, "", &name).unwrap();
        updated["metadata"]["annotations"]["updated"] = "true".into();
        let updated: Value = self.replace(resource, "", &updated).unwrap().read().unwrap();
        assert_eq!(updated["metadata"]["annotations"]["updated"], "true");
        self.delete(resource, "", &name, None);
        assert_eq!(self.get(resource, "", &name), None);
        assert_eq!(self.labelled(resource, &label).len(), 2);
        self.delete_labelled(resource, "", &label);
        assert_eq!(self.labelled(resource, &label), Vec::<String>::new());
    }

    fn is_discovered(&self, resource: &'static Resource) {
        let client = self.client.clone();
        let answers = self.run(async move {
            let (group, version) = (format!("/apis/{}", resource.group), resource.api_version());
            let paths = ["/apis".to_owned(), group, format!("/apis/{version}")];
            let mut answers = Vec::new();
            for path in &paths {
                let answer = client.raw(path, "application/json").await.unwrap();
                answers.push(String::from_utf8(answer.to_vec()).unwrap());
            }
            answers
        });
        for (answer, wanted) in answers
            .iter()
            .zip([&resource.group, &resource.version, &resource.plural])
        {
            assert!(answer.contains(&format!("\"{wanted}\"")), "{wanted}: {answer}");
        }
    }

    fn told_of_patch(&self, resource: &'static Resource, label: &str, resource_version: String) {
        let options = WatchOptions {
            selectors: selecting(label).selectors,
            resource_version,
            timeout_seconds: 0,
        };
        let client = self.client.clone();
        let event = self.run(async move {
            let mut watch = client.watch(resource.everywhere(), &options).await.unwrap();
            loop {
                match watch.next().await.unwrap().unwrap() {
                    Event::Modified(object)
                        if object.text(&["metadata", "annotations", "patched"]) == "true" =>
                    {
                        return true;
                    }
                    Event::Modified(_) | Event::Bookmark(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        assert!(event);
    }
}

fn selecting(label: &str) -> ListOptions {
    ListOptions {
        selectors: Selectors {
            labels: label.to_owned(),
            ..Selectors::default()
        },
        ..ListOptions::default()
    }
}
