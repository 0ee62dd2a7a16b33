//! A pod as a node needs it: every field of its spec, decoded once for each generation.
//!
//! Schedulers and controllers share a lean view of each pod; only the node that runs one needs all of it. Metadata and
//! status change often and are read each time; the spec is read anew only when `metadata.generation` moves, and is shared.

mod container;
mod probe;
mod security;
mod spec;
mod status;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schema::object::Obj;
use serde::Deserialize;

pub use container::{
    Container, ContainerKind, ContainerPort, ContainerRestart, EnvFrom, EnvSource, EnvVar, ExitCodes,
    FieldRef, KeyRef, Limits, Operator, Protocol, PullPolicy, ResizePolicy, ResourceFieldRef, ResourceList,
    RestartRule, Source, TerminationMessagePolicy, VolumeMount,
};
pub use probe::{
    ExecAction, GrpcAction, Handler, HttpGet, HttpHeader, Lifecycle, Port, Probe, Scheme, Sleep, TcpSocket,
};
pub use security::{
    Capabilities, PodSecurity, Profile, ProfileType, Security, SupplementalGroupsPolicy, Sysctl,
};
pub use spec::{
    DnsConfig, DnsOption, DnsPolicy, HostAlias, Named, Os, PodSpec, ReadinessGate, RestartPolicy,
};
pub use status::{Condition, Phase, Reported, ReportedContainer};
pub use volume::{
    DownwardFile, DownwardSource, EmptyDir, FilesSource, HostPath, KeyToPath, Projected, Projection,
    TokenSource, Volume, VolumeSource,
};

use crate::container::{ContainerIx, Uid};

/// The grace period of a pod that says nothing (`spec.terminationGracePeriodSeconds`).
const DEFAULT_GRACE: i64 = 30;

/// That an object's deletion has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// `metadata.deletionTimestamp`, RFC 3339: when the grace period is over.
    pub at: String,
    /// `metadata.deletionGracePeriodSeconds`
    pub grace: Duration,
}

/// A pod of this node.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: Uid,
    /// `metadata.generation`
    pub generation: i64,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
    /// `metadata.deletionTimestamp` and its grace period.
    pub deletion: Option<Deletion>,
    /// What shall run.
    pub spec: Arc<PodSpec>,
    /// What the API shows of it.
    pub reported: Reported,
}

/// What is no pod.
#[derive(Debug, thiserror::Error)]
#[error("the pod cannot be read: {0}")]
pub struct PodError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Whole {
    metadata: Metadata,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: Reported,
}

#[derive(Deserialize)]
struct Lean {
    metadata: Metadata,
    #[serde(default)]
    status: Reported,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    generation: i64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    deletion_timestamp: Option<String>,
    deletion_grace_period_seconds: Option<i64>,
}

impl Pod {
    /// Reads a stored object. What was read of it `before` lends its spec if the generation is the same.
    ///
    /// # Errors
    /// Bytes that are no pod of `v1`.
    pub fn of(object: &Obj, before: Option<&Self>) -> Result<Self, PodError> {
        let same = |pod: &&Self| {
            *pod.uid == *object.meta.uid && pod.generation == object.meta.generation && pod.generation > 0
        };
        match before.filter(same) {
            Some(before) => {
                let lean: Lean = serde_json::from_slice(object.body())?;
                Ok(Self::from_parts(lean.metadata, before.spec.clone(), lean.status))
            }
            None => Self::parse(object.body()),
        }
    }

    /// Reads the JSON of a pod of `v1`.
    ///
    /// # Errors
    /// Bytes that are no such pod.
    pub fn parse(json: &[u8]) -> Result<Self, PodError> {
        let mut whole: Whole = serde_json::from_slice(json)?;
        whole.spec.know_kinds();
        Ok(Self::from_parts(
            whole.metadata,
            Arc::new(whole.spec),
            whole.status,
        ))
    }

    fn from_parts(meta: Metadata, spec: Arc<PodSpec>, reported: Reported) -> Self {
        let own = spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE);
        let grace = meta.deletion_grace_period_seconds.unwrap_or(own);
        let deletion = meta.deletion_timestamp.map(|at| Deletion {
            at,
            grace: seconds(grace),
        });
        Self {
            namespace: meta.namespace,
            name: meta.name,
            uid: Uid::new(&meta.uid),
            generation: meta.generation,
            labels: meta.labels,
            annotations: meta.annotations,
            deletion,
            spec,
            reported,
        }
    }

    /// `NAMESPACE/NAME`
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// `NAME_NAMESPACE(UID)`, as messages for people name a pod.
    pub fn described(&self) -> String {
        format!("{}_{}({})", self.name, self.namespace, self.uid)
    }

    /// A container by its place.
    pub fn at(&self, at: ContainerIx) -> Option<&Container> {
        self.spec.all.get(usize::from(at.0))
    }

    /// All containers with their places: init ones, then those of the pod, then ephemeral ones.
    pub fn each(&self) -> impl DoubleEndedIterator<Item = (ContainerIx, &Container)> {
        let places = (0..u16::MAX).map(ContainerIx);
        let all: Vec<_> = places.zip(&self.spec.all).collect();
        all.into_iter()
    }

    /// Where a container of this name is. Names are unique in a pod, whatever the container is for.
    pub fn find(&self, name: &str) -> Option<ContainerIx> {
        self.each()
            .find_map(|(at, container)| (container.name == name).then_some(at))
    }

    /// Whether the pod comes from a file of the node, not from the API (`kubernetes.io/config.source: file`).
    pub fn is_static(&self) -> bool {
        self.annotations
            .get("kubernetes.io/config.source")
            .is_some_and(|source| source != "api")
    }

    /// Whether the object only shows a static pod (`kubernetes.io/config.mirror`).
    pub fn is_mirror(&self) -> bool {
        self.annotations.contains_key("kubernetes.io/config.mirror")
    }

    /// How long the containers may take to end: what the deletion says, else `spec.terminationGracePeriodSeconds`.
    pub fn grace(&self) -> Duration {
        let own = self
            .spec
            .termination_grace_period_seconds
            .unwrap_or(DEFAULT_GRACE);
        self.deletion
            .as_ref()
            .map_or_else(|| seconds(own), |deletion| deletion.grace)
    }
}

/// Seconds as users write them; less than none is none.
pub(crate) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"name":"web","namespace":"shop","uid":"u-1","generation":3}},"spec":{spec}}}"#
        );
        Pod::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn containers_stand_in_one_list_with_what_they_are_for() {
        let pod = pod(
            r#"{"containers":[{"name":"c"}],"ephemeralContainers":[{"name":"e"}],
                "initContainers":[{"name":"a"},{"name":"b","restartPolicy":"Always"}]}"#,
        );
        let kinds: Vec<_> = pod.each().map(|(at, c)| (at.0, &*c.name, c.kind)).collect();
        assert_eq!(
            kinds,
            [
                (0, "a", ContainerKind::Init),
                (1, "b", ContainerKind::Sidecar),
                (2, "c", ContainerKind::Regular),
                (3, "e", ContainerKind::Ephemeral),
            ]
        );
        assert_eq!(pod.find("e"), Some(ContainerIx(3)));
        assert_eq!(
            pod.at(ContainerIx(1)).unwrap().field_path(),
            "spec.initContainers{b}"
        );
        assert_eq!(pod.described(), "web_shop(u-1)");
        assert_eq!(pod.grace(), Duration::from_secs(30));
    }

    #[test]
    fn volumes_and_sources_are_what_they_say() {
        let pod = pod(
            r#"{"volumes":[{"name":"a","emptyDir":{}},{"name":"b","secret":{"secretName":"s","defaultMode":256}},
                {"name":"c","nfs":{"server":"x"}},{"name":"d","downwardAPI":{"items":[]}},
                {"name":"e","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
                    {"configMap":{"name":"ca"}},{"podCertificate":{}}]}}]}"#,
        );
        let sources: Vec<_> = pod.spec.volumes.iter().map(|volume| &volume.source).collect();
        assert_eq!(sources[0], &VolumeSource::EmptyDir(EmptyDir::default()));
        let VolumeSource::Secret(secret) = sources[1] else {
            panic!("{sources:?}")
        };
        assert_eq!((&*secret.name, secret.default_mode), ("s", Some(0o400)));
        assert!(matches!(sources[2], VolumeSource::Other(_)), "{sources:?}");
        assert!(matches!(sources[3], VolumeSource::Downward(_)), "{sources:?}");
        let VolumeSource::Projected(projected) = sources[4] else {
            panic!("{sources:?}")
        };
        assert!(matches!(
            &projected.sources[..],
            [
                Projection::Token(_),
                Projection::ConfigMap(_),
                Projection::Other(_)
            ]
        ));
    }

    #[test]
    fn probes_have_their_handlers_inline() {
        let pod = pod(
            r#"{"containers":[{"name":"c","ports":[{"name":"http","containerPort":8080}],
                "livenessProbe":{"httpGet":{"path":"/x","port":"http"},"periodSeconds":7},
                "env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],
                "lifecycle":{"preStop":{"sleep":{"seconds":4}}}}]}"#,
        );
        let container = pod.at(ContainerIx(0)).unwrap();
        let probe = container.liveness_probe.as_ref().unwrap();
        let get = probe.handler.http_get.as_ref().unwrap();
        assert_eq!(
            (&get.port, probe.period_seconds),
            (&Port::Name("http".to_owned()), 7)
        );
        assert_eq!(container.port("http"), Some(8080));
        let hook = container.lifecycle.pre_stop.as_ref().unwrap();
        assert_eq!(hook.sleep, Some(Sleep { seconds: 4 }));
        assert!(matches!(
            container.env[0].value_from,
            Some(EnvSource::FieldRef(_))
        ));
    }

    #[test]
    fn a_spec_is_read_once_for_each_generation() {
        use schema::object::{Order, Revision};
        let read = |body: &'static str| {
            Obj::new("shop/web", Revision(1), body.as_bytes().into(), Order::Declared).unwrap()
        };
        let first = read(
            r#"{"metadata":{"name":"web","namespace":"shop","uid":"u","generation":1},"spec":{"containers":[{"name":"a"}]}}"#,
        );
        let first = Pod::of(&first, None).unwrap();
        let labelled = read(
            r#"{"metadata":{"name":"web","namespace":"shop","uid":"u","generation":1,"labels":{"x":"y"}},"spec":{"containers":[{"name":"a"}]},"status":{"phase":"Running"}}"#,
        );
        let labelled = Pod::of(&labelled, Some(&first)).unwrap();
        assert!(Arc::ptr_eq(&first.spec, &labelled.spec));
        assert_eq!(labelled.reported.phase, Phase::Running);
        assert_eq!(labelled.labels.get("x").map(String::as_str), Some("y"));
        let changed = read(
            r#"{"metadata":{"name":"web","namespace":"shop","uid":"u","generation":2},"spec":{"containers":[{"name":"a","image":"b"}]}}"#,
        );
        let changed = Pod::of(&changed, Some(&labelled)).unwrap();
        assert_eq!(changed.at(ContainerIx(0)).unwrap().image, "b");
    }
}
