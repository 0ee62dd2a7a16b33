//! `v1 PodSpec`: what a node reads of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::{Container, ContainerKind, Limits, ResourceList};
use super::security::PodSecurity;
use super::volume::Volume;

/// What happens to containers that end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RestartPolicy {
    /// They are started again.
    #[default]
    Always,
    /// They are started again if they failed.
    OnFailure,
    /// They stay.
    Never,
}

/// Where a pod's names are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum DnsPolicy {
    /// The cluster's, unless the pod has the node's network.
    #[default]
    ClusterFirst,
    /// The cluster's, also with the node's network.
    ClusterFirstWithHostNet,
    /// As the node does.
    Default,
    /// Only as `dnsConfig` says.
    None,
}

/// `spec.dnsConfig`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    /// Servers, after those of the policy.
    pub nameservers: Vec<String>,
    /// Search domains, after those of the policy.
    pub searches: Vec<String>,
    /// Options; one of the same name replaces the policy's.
    pub options: Vec<DnsOption>,
}

/// `spec.dnsConfig.options[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DnsOption {
    /// `ndots`
    pub name: String,
    /// `2`; none for an option without a value
    pub value: Option<String>,
}

/// `spec.hostAliases[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HostAlias {
    /// An address.
    pub ip: String,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// `spec.os`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Os {
    /// `linux` or `windows`
    pub name: String,
}

/// `spec.readinessGates[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReadinessGate {
    /// The condition that has to be true for the pod to be ready.
    pub condition_type: String,
}

/// A reference by name alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// `spec` of a pod. Fields that only other rooms look at are not read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    #[serde(rename = "initContainers")]
    init: Vec<Container>,
    #[serde(rename = "containers")]
    regular: Vec<Container>,
    #[serde(rename = "ephemeralContainers")]
    ephemeral: Vec<Container>,
    /// All containers, each with what it is for: init ones, those of the pod, ephemeral ones.
    #[serde(skip)]
    pub all: Vec<Container>,
    /// `spec.volumes`
    pub volumes: Vec<Volume>,
    /// `spec.restartPolicy`
    pub restart_policy: RestartPolicy,
    /// Seconds; none for 30.
    pub termination_grace_period_seconds: Option<i64>,
    /// Seconds since `status.startTime` after which the pod fails.
    pub active_deadline_seconds: Option<i64>,
    /// `spec.dnsPolicy`
    pub dns_policy: DnsPolicy,
    /// `spec.dnsConfig`
    pub dns_config: DnsConfig,
    /// `spec.nodeName`
    pub node_name: String,
    /// The RuntimeClass that the pod wants; none for the node's own runtime.
    pub runtime_class_name: Option<String>,
    /// `spec.nodeSelector`
    pub node_selector: BTreeMap<String, String>,
    /// Secrets with credentials for registries.
    pub image_pull_secrets: Vec<Named>,
    /// `spec.serviceAccountName`
    pub service_account_name: String,
    /// The pod has the node's network.
    pub host_network: bool,
    /// The pod sees the node's processes.
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    /// The pod has the node's System V IPC.
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    /// `spec.securityContext`
    pub security_context: PodSecurity,
    /// The first label of the pod's own name; empty for the pod's name.
    pub hostname: String,
    /// The whole of the pod's own name, whatever else is said (`spec.hostnameOverride`).
    pub hostname_override: Option<String>,
    /// `HOSTNAME.SUBDOMAIN.NAMESPACE.svc` is the pod's name.
    pub subdomain: String,
    /// The pod's own name is that whole name.
    #[serde(rename = "setHostnameAsFQDN")]
    pub set_hostname_as_fqdn: bool,
    /// `spec.hostAliases`
    pub host_aliases: Vec<HostAlias>,
    /// Services of the namespace are told in the environment; none for yes.
    pub enable_service_links: Option<bool>,
    /// `spec.readinessGates`
    pub readiness_gates: Vec<ReadinessGate>,
    /// `spec.os`
    pub os: Option<Os>,
    /// `spec.priority`
    pub priority: Option<i32>,
    /// `spec.overhead`
    pub overhead: ResourceList,
    /// What all containers of the pod may use together (`spec.resources`).
    pub resources: Limits,
}

impl PodSpec {
    /// Puts all containers into one list, each with what it is for.
    pub(super) fn know_kinds(&mut self) {
        let init = std::mem::take(&mut self.init).into_iter().map(|container| {
            let sidecar = container.is_sidecar();
            let kind = if sidecar {
                ContainerKind::Sidecar
            } else {
                ContainerKind::Init
            };
            (kind, container)
        });
        let regular = std::mem::take(&mut self.regular);
        let regular = regular
            .into_iter()
            .map(|container| (ContainerKind::Regular, container));
        let ephemeral = std::mem::take(&mut self.ephemeral);
        let ephemeral = ephemeral
            .into_iter()
            .map(|container| (ContainerKind::Ephemeral, container));
        let all = init.chain(regular).chain(ephemeral);
        self.all = all
            .map(|(kind, container)| Container { kind, ..container })
            .collect();
    }
}
