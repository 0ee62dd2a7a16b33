//! What containers of pods are called, and what their labels say: the whole memory of this room.
//!
//! A daemon that starts anew knows of a container what its name, its labels and the engine's state say. The labels are
//! those by which tools have known containers of pods since dockershim.

use std::collections::BTreeMap;
use std::time::Duration;

use kubelet::container::{Attempt, spec_hash};
use kubelet::pod::{Container, TerminationMessagePolicy};
use kubelet::{Pod, Uid};

pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub(crate) const POD_UID: &str = "io.kubernetes.pod.uid";
pub(crate) const CONTAINER_NAME: &str = "io.kubernetes.container.name";
const LOG_PATH: &str = "io.kubernetes.container.logpath";
const KIND: &str = "io.kubernetes.docker.type";
const HASH: &str = "io.kubernetes.container.hash";
const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
const MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
const MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
const PORTS: &str = "io.kubernetes.container.ports";
const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";

/// Where a container leaves its last words unless it says otherwise.
const DEFAULT_MESSAGE_PATH: &str = "/dev/termination-log";
/// The grace period of a container whose label does not say one.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`
pub(crate) fn name(pod: &Pod, container: &Container, attempt: Attempt) -> String {
    format!(
        "k8s_{}_{}_{}_{}_{attempt}",
        container.name, pod.name, pod.namespace, pod.uid
    )
}

/// Where a container leaves its last words, inside.
pub(crate) fn message_path(container: &Container) -> &str {
    match container.termination_message_path.as_str() {
        "" => DEFAULT_MESSAGE_PATH,
        path => path,
    }
}

/// The labels of a container.
pub(crate) fn labels(
    pod: &Pod,
    container: &Container,
    attempt: Attempt,
    log: &str,
) -> BTreeMap<String, String> {
    let policy = match container.termination_message_policy {
        TerminationMessagePolicy::File => "File",
        TerminationMessagePolicy::FallbackToLogsOnError => "FallbackToLogsOnError",
    };
    let labels = [
        (POD_NAME, pod.name.clone()),
        (POD_NAMESPACE, pod.namespace.clone()),
        (POD_UID, pod.uid.to_string()),
        (CONTAINER_NAME, container.name.clone()),
        (LOG_PATH, log.to_owned()),
        (KIND, "container".to_owned()),
        (HASH, format!("{:x}", spec_hash(container))),
        (RESTART_COUNT, attempt.to_string()),
        (MESSAGE_PATH, message_path(container).to_owned()),
        (MESSAGE_POLICY, policy.to_owned()),
        (PORTS, ports(container)),
        (GRACE, pod_grace(pod).to_string()),
    ];
    labels
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Seconds that a pod says its containers may take to end.
pub(crate) fn pod_grace(pod: &Pod) -> i64 {
    let said = pod.spec.termination_grace_period_seconds;
    said.unwrap_or_else(|| i64::try_from(DEFAULT_GRACE.as_secs()).unwrap_or(i64::MAX))
}

/// The ports as JSON, for whoever reads labels.
fn ports(container: &Container) -> String {
    let port = |port: &kubelet::pod::ContainerPort| {
        serde_json::json!({
            "name": port.name,
            "hostPort": port.host_port,
            "containerPort": port.container_port,
            "protocol": match port.protocol {
                kubelet::pod::Protocol::Tcp => "TCP",
                kubelet::pod::Protocol::Udp => "UDP",
                kubelet::pod::Protocol::Sctp => "SCTP",
            },
            "hostIP": port.host_ip,
        })
    };
    let ports: Vec<_> = container.ports.iter().map(port).collect();
    serde_json::Value::from(ports).to_string()
}

/// A container of a pod, as its labels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) pod: String,
    pub(crate) namespace: String,
    pub(crate) uid: Uid,
    /// Its name in the pod.
    pub(crate) name: String,
    pub(crate) attempt: Attempt,
    /// Of what it was made from.
    pub(crate) hash: u64,
    /// Where it leaves its last words, inside.
    pub(crate) message_path: String,
    /// Whether the end of its log stands for words that are missing, if it failed.
    pub(crate) falls_back: bool,
    pub(crate) grace: Duration,
}

impl Told {
    /// None of a container that no pod of ours has.
    pub(crate) fn by(container: &engine::Container) -> Option<Self> {
        let engine::Owner::Pod { namespace, name, uid } = &container.owner else {
            return None;
        };
        let label = |key: &str| container.spec.labels.get(key).map(String::as_str);
        let seconds = label(GRACE).and_then(|seconds| seconds.parse().ok());
        Some(Self {
            pod: name.clone(),
            namespace: namespace.clone(),
            uid: Uid::new(uid),
            name: label(CONTAINER_NAME)?.to_owned(),
            attempt: label(RESTART_COUNT)?.parse().ok()?,
            hash: label(HASH).and_then(|hash| u64::from_str_radix(hash, 16).ok())?,
            message_path: label(MESSAGE_PATH).unwrap_or(DEFAULT_MESSAGE_PATH).to_owned(),
            falls_back: label(MESSAGE_POLICY) == Some("FallbackToLogsOnError"),
            grace: seconds.map_or(DEFAULT_GRACE, Duration::from_secs),
        })
    }

    /// `NAME_NAMESPACE(UID)`, as messages for people name its pod.
    pub(crate) fn pod_described(&self) -> String {
        format!("{}_{}({})", self.pod, self.namespace, self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Pod {
        let pod = json!({
            "metadata": {"name": "shop", "namespace": "prod", "uid": "u-1"},
            "spec": {"terminationGracePeriodSeconds": 7, "containers": [{
                "name": "web", "image": "web:1", "terminationMessagePolicy": "FallbackToLogsOnError",
                "ports": [{"containerPort": 80, "name": "http"}],
            }]},
        });
        Pod::parse(pod.to_string().as_bytes()).unwrap()
    }

    fn row(labels: BTreeMap<String, String>, owner: serde_json::Value) -> engine::Container {
        let row = json!({
            "id": "0".repeat(64), "name": "k8s_web_shop_prod_u-1_3", "created": "2026-11-21T00:00:00Z",
            "spec": {"labels": labels}, "image": null, "owner": owner, "door": null, "state": {},
            "restart_count": 0, "generation": 0, "mounts": [], "log_path": null,
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn labels_tell_what_the_next_daemon_needs() {
        let pod = pod();
        let container = &pod.spec.all[0];
        assert_eq!(name(&pod, container, 3), "k8s_web_shop_prod_u-1_3");
        let labels = labels(&pod, container, 3, "/log/3.log");
        assert_eq!(
            labels[PORTS],
            r#"[{"containerPort":80,"hostIP":"","hostPort":0,"name":"http","protocol":"TCP"}]"#
        );
        let owner = json!({"pod": {"namespace": "prod", "name": "shop", "uid": "u-1"}});
        let told = Told::by(&row(labels.clone(), owner)).unwrap();
        let expected = Told {
            pod: "shop".into(),
            namespace: "prod".into(),
            uid: Uid::new("u-1"),
            name: "web".into(),
            attempt: 3,
            hash: spec_hash(container),
            message_path: "/dev/termination-log".into(),
            falls_back: true,
            grace: Duration::from_secs(7),
        };
        assert_eq!(told, expected);
        assert_eq!(told.pod_described(), "shop_prod(u-1)");
        assert_eq!(Told::by(&row(labels, json!("docker"))), None);
    }
}
