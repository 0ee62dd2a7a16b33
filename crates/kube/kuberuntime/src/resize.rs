//! Other limits for a pod that runs.
//!
//! The pod's group bounds those below it, and the kernel takes no more for a child than for its parent. So it is set free
//! first, its containers get what they are to have, and then it is bounded again.

use engine::Update;
use engine::spec::Resources;
use kubelet::ContainerIx;
use kubelet::Pod;
use kubelet::container::ContainerId;

use crate::resources::{self, Bounds};
use crate::{Pods, blocking};

/// No bound, as the kernel has it.
const NONE: i64 = -1;

impl Pods {
    /// Gives a pod's group and its running containers the limits that the pod says. A container that has ended has none.
    pub(crate) async fn resize_pod(
        &self,
        pod: &Pod,
        running: Vec<(ContainerIx, ContainerId)>,
    ) -> Result<(), String> {
        let bounds = resources::of_pod(pod);
        let free = Bounds {
            quota: Some(NONE),
            memory: None,
            ..bounds
        };
        self.bound(pod, free).await?;
        for (at, id) in running {
            self.resize_container(pod, at, &id).await?;
        }
        let quota = bounds.quota.or(Some(NONE));
        self.bound(pod, Bounds { quota, ..bounds }).await?;
        self.renote(pod).await
    }

    async fn resize_container(&self, pod: &Pod, at: ContainerIx, id: &ContainerId) -> Result<(), String> {
        let Some(container) = pod.at(at) else {
            return Ok(());
        };
        let change = Update {
            resources: Some(Resources {
                oom_score_adj: 0,
                ..resources::of_container(pod, container, self.0.memory)
            }),
            restart: None,
            door: None,
        };
        let updated = self.0.engine.update(id, change).await;
        updated.map(drop).map_err(|error| error.to_string())
    }

    async fn bound(&self, pod: &Pod, bounds: Bounds) -> Result<(), String> {
        let path = self.0.groups.of_pod(resources::qos(pod), &pod.uid);
        let pods = self.clone();
        let set = blocking(move || pods.0.groups.set(&path, bounds)).await;
        set.map_err(|error| format!("the pod's group: {error}"))
    }

    /// What the pod takes of its class is noted for the next daemon.
    async fn renote(&self, pod: &Pod) -> Result<(), String> {
        let (pods, pod) = (self.clone(), pod.clone());
        let noted = blocking(move || match pods.note(&pod.uid) {
            Some(note) => pods.write_note(&pod, note.hostname),
            None => Ok(()),
        });
        noted.await.map_err(|error| format!("the pod's note: {error}"))
    }
}
