//! `v1 Container`, of all three lists of a pod.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::probe::{Lifecycle, Probe};
use super::security::Security;

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKind {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that goes on running (`restartPolicy: Always`, KEP-753).
    Sidecar,
    /// What the pod is for.
    #[default]
    Regular,
    /// Added to a running pod to look at it (`kubectl debug`).
    Ephemeral,
}

impl ContainerKind {
    /// Whether it is listed in `spec.initContainers`.
    pub const fn is_init(self) -> bool {
        matches!(self, Self::Init | Self::Sidecar)
    }
}

/// Amounts by resource, as their owner wrote them: `cpu: 500m`.
pub type ResourceList = BTreeMap<String, String>;

/// `v1 ResourceRequirements`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// What it may use.
    pub limits: ResourceList,
    /// What is kept for it.
    pub requests: ResourceList,
}

/// `containers[].resizePolicy[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResizePolicy {
    /// `cpu`, `memory`
    pub resource_name: String,
    /// `NotRequired`, `RestartContainer`
    pub restart_policy: String,
}

/// `containers[].restartPolicy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ContainerRestart {
    /// Whatever happened.
    Always,
    /// If it failed.
    OnFailure,
    /// No.
    Never,
}

/// `containers[].restartPolicyRules[]` (KEP-5307). The first rule that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RestartRule {
    /// `Restart` is the only one that this node honours.
    pub action: String,
    /// For which ends.
    pub exit_codes: Option<ExitCodes>,
}

/// Whether an exit code is to be among those named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Operator {
    /// It is.
    #[default]
    In,
    /// It is not.
    NotIn,
}

/// `containers[].restartPolicyRules[].exitCodes`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExitCodes {
    /// How the codes are meant.
    pub operator: Operator,
    /// The codes.
    pub values: Vec<i32>,
}

/// When an image is looked for elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// If it is not here.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// Where a termination message comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TerminationMessagePolicy {
    /// Its file.
    #[default]
    File,
    /// Its file; the end of the log if that is empty and the container failed.
    FallbackToLogsOnError,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Protocol {
    /// TCP
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP
    #[serde(rename = "SCTP")]
    Sctp,
}

/// `containers[].ports[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerPort {
    /// What probes and services may call it; empty for nothing.
    pub name: String,
    /// The port.
    pub container_port: u16,
    /// The node's port that leads to it; 0 for none.
    pub host_port: u16,
    /// The node's address of that port; empty for all.
    #[serde(rename = "hostIP")]
    pub host_ip: String,
    /// `TCP` unless said.
    pub protocol: Protocol,
}

/// `containers[].volumeMounts[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeMount {
    /// Which volume.
    pub name: String,
    /// Where in the container.
    pub mount_path: String,
    /// It cannot be written.
    pub read_only: bool,
    /// `Disabled`, `IfPossible`, `Enabled`: whether mounts below it cannot be written either.
    pub recursive_read_only: Option<String>,
    /// What of the volume; empty for all.
    pub sub_path: String,
    /// The same, with `$(NAME)` of the environment.
    pub sub_path_expr: String,
    /// `None`, `HostToContainer`, `Bidirectional`.
    pub mount_propagation: Option<String>,
}

/// `configMapKeyRef`, `secretKeyRef`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct KeyRef {
    /// The object's name.
    pub name: String,
    /// The key.
    pub key: String,
    /// The variable is left out if there is no such thing.
    pub optional: bool,
}

/// `fieldRef`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FieldRef {
    /// `status.podIP`
    pub field_path: String,
}

/// `resourceFieldRef`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceFieldRef {
    /// Which container; empty for the one that asks.
    pub container_name: String,
    /// `limits.memory`
    pub resource: String,
    /// In units of this, rounded up; empty and `0` for 1.
    pub divisor: String,
}

/// `env[].valueFrom`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvSource {
    /// A field of the pod.
    FieldRef(FieldRef),
    /// What a container may use.
    ResourceFieldRef(ResourceFieldRef),
    /// A key of a ConfigMap.
    ConfigMapKeyRef(KeyRef),
    /// A key of a Secret.
    SecretKeyRef(KeyRef),
    /// What this node does not have, and refuses.
    #[serde(untagged)]
    Other(serde_json::Value),
}

/// `env[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable.
    pub name: String,
    /// Its value, with `$(NAME)` of variables before it.
    pub value: String,
    /// Where its value comes from, if not from `value`.
    pub value_from: Option<EnvSource>,
}

/// A ConfigMap or Secret by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// It need not exist.
    pub optional: bool,
}

/// `envFrom[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvFrom {
    /// Put before each key.
    pub prefix: String,
    /// All of a ConfigMap.
    pub config_map_ref: Option<Source>,
    /// All of a Secret.
    pub secret_ref: Option<Source>,
}

/// A container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// What it is for. Not a field of its own: which list it stands in.
    #[serde(skip)]
    pub kind: ContainerKind,
    /// Its name, unique in the pod.
    pub name: String,
    /// The image as the user wrote it.
    pub image: String,
    /// When the image is looked for elsewhere.
    pub image_pull_policy: PullPolicy,
    /// Instead of the image's `ENTRYPOINT`.
    pub command: Vec<String>,
    /// Instead of the image's `CMD`.
    pub args: Vec<String>,
    /// Empty for the image's.
    pub working_dir: String,
    /// `ports`
    pub ports: Vec<ContainerPort>,
    /// `env`
    pub env: Vec<EnvVar>,
    /// `envFrom`
    pub env_from: Vec<EnvFrom>,
    /// `resources`
    pub resources: Limits,
    /// What a change of them needs.
    pub resize_policy: Vec<ResizePolicy>,
    /// `volumeMounts`
    pub volume_mounts: Vec<VolumeMount>,
    /// `livenessProbe`
    pub liveness_probe: Option<Probe>,
    /// `readinessProbe`
    pub readiness_probe: Option<Probe>,
    /// `startupProbe`
    pub startup_probe: Option<Probe>,
    /// `lifecycle`
    pub lifecycle: Lifecycle,
    /// Instead of the pod's policy; `Always` makes an init container a sidecar.
    pub restart_policy: Option<ContainerRestart>,
    /// Go before that policy.
    pub restart_policy_rules: Vec<RestartRule>,
    /// `securityContext`
    pub security_context: Security,
    /// Where it leaves its last words; empty for `/dev/termination-log`.
    pub termination_message_path: String,
    /// `terminationMessagePolicy`
    pub termination_message_policy: TerminationMessagePolicy,
    /// Standard input is kept open.
    pub stdin: bool,
    /// Standard input ends with its first client.
    pub stdin_once: bool,
    /// It has a terminal.
    pub tty: bool,
    /// The container whose processes an ephemeral container sees; empty for none.
    pub target_container_name: String,
}

impl Container {
    /// Whether it has to be started anew where other limits than its own were in force.
    pub fn restarts_for(&self, before: &Limits) -> bool {
        let own = &self.resources;
        let mut restarting = self
            .resize_policy
            .iter()
            .filter(|policy| policy.restart_policy == "RestartContainer");
        restarting.any(|policy| {
            let name = &policy.resource_name;
            own.limits.get(name) != before.limits.get(name)
                || own.requests.get(name) != before.requests.get(name)
        })
    }

    /// Whether it would be a sidecar among init containers.
    pub(super) fn is_sidecar(&self) -> bool {
        self.restart_policy == Some(ContainerRestart::Always)
    }

    /// `spec.containers{web}`: how an event says which container of a pod it is about.
    pub fn field_path(&self) -> String {
        let list = match self.kind {
            ContainerKind::Init | ContainerKind::Sidecar => "initContainers",
            ContainerKind::Regular => "containers",
            ContainerKind::Ephemeral => "ephemeralContainers",
        };
        format!("spec.{list}{{{}}}", self.name)
    }

    /// The port of this name.
    pub fn port(&self, name: &str) -> Option<u16> {
        let named = self.ports.iter().find(|port| port.name == name);
        named.map(|port| port.container_port)
    }
}
