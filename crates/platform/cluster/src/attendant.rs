//! Between what looks after the disk and the cluster: what pods ask for, and events about the Node.

use client::{Informers, Level, Recorder, Resource, Subject};
use disk::{PodImage, Told};
use serde::Deserialize;

static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);

/// A node without pods.
pub(crate) struct NoPods;

impl disk::Node for NoPods {
    fn pods(&self) -> Option<Vec<PodImage>> {
        Some(Vec::new())
    }

    fn tell(&self, _: &Told) {}
}

/// A node with pods.
pub(crate) struct Attendant {
    name: String,
    informers: Informers,
    recorder: Recorder,
}

impl Attendant {
    pub(crate) const fn new(name: String, informers: Informers, recorder: Recorder) -> Self {
        Self {
            name,
            informers,
            recorder,
        }
    }
}

impl disk::Node for Attendant {
    fn pods(&self) -> Option<Vec<PodImage>> {
        let pods = self.informers.of(&PODS);
        if !pods.synced() {
            return None;
        }
        let mut all = Vec::new();
        for object in pods.snapshot().iter() {
            let name = format!("{}/{}", object.meta.namespace, object.meta.name);
            // One that cannot be read may ask for anything.
            let pod: Pod = serde_json::from_slice(object.body()).ok()?;
            let is_here = pod.spec.node_name == self.name && !pod.is_over();
            all.extend(pod.images().filter(|_| is_here).map(|image| PodImage {
                pod: name.clone(),
                image: image.to_owned(),
            }));
        }
        Some(all)
    }

    /// In upstream's words where it has some.
    fn tell(&self, told: &Told) {
        let (level, reason, message) = match told {
            Told::Removed(sentence) => (Level::Normal, "DiskSpaceReclaimed", sentence.clone()),
            Told::Short { wanted, found } => (
                Level::Warning,
                "FreeDiskSpaceFailed",
                format!(
                    "Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, \
                     but only found {found} bytes eligible to free."
                ),
            ),
            Told::Failed(error) => (Level::Warning, "ImageGCFailed", error.clone()),
        };
        // Events of nodes are about their names, as those of the node's own agent are.
        let subject = Subject {
            kind: "Node".into(),
            name: self.name.as_str().into(),
            uid: self.name.as_str().into(),
            ..Subject::default()
        };
        self.recorder.event(&subject, level, reason, message);
    }
}

/// What of a pod says which images it needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    image: String,
}

impl Pod {
    fn is_over(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    fn images(&self) -> impl Iterator<Item = &str> {
        let Spec {
            containers,
            init_containers,
            ephemeral_containers,
            ..
        } = &self.spec;
        let all = containers
            .iter()
            .chain(init_containers)
            .chain(ephemeral_containers);
        all.map(|container| &*container.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_asks_for_the_images_of_all_its_containers() {
        let pod: Pod = serde_json::from_str(
            r#"{"metadata": {}, "spec": {"nodeName": "n", "containers": [{"name": "a", "image": "a:1"}],
                "initContainers": [{"image": "b:1"}], "ephemeralContainers": [{"image": "c:1"}]},
                "status": {"phase": "Pending"}}"#,
        )
        .unwrap();
        assert_eq!(pod.images().collect::<Vec<_>>(), ["a:1", "b:1", "c:1"]);
        assert!(!pod.is_over());
    }
}
