//! What the API shows of a pod: what a kubelet that starts anew goes on from, and what others have written there.

use serde::Deserialize;

use super::container::Limits;

/// `status.phase`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// Not everything has run yet.
    #[default]
    Pending,
    /// Something runs.
    Running,
    /// All ended well, for good.
    Succeeded,
    /// All ended, not all well, for good.
    Failed,
    /// Its node is silent.
    Unknown,
}

impl Phase {
    /// Whether nothing runs any more, for good.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// As the API writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// `status.conditions[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`
    pub status: String,
    /// One word why.
    pub reason: String,
    /// A sentence why.
    pub message: String,
    /// RFC 3339: since when the status is what it is.
    pub last_transition_time: Option<String>,
}

/// `status.*containerStatuses[]`: what of it outlives its container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReportedContainer {
    /// Which container.
    pub name: String,
    /// `gantry://ID` of the last one
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// How often it was started again.
    pub restart_count: u32,
    /// Whether it has started, by its startup probe.
    pub started: Option<bool>,
    /// Whether it is ready.
    pub ready: bool,
    /// The limits that are in force.
    pub resources: Option<Limits>,
}

/// `status` of a pod, as it is in the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Reported {
    /// `status.phase`
    pub phase: Phase,
    /// `status.reason`
    pub reason: String,
    /// `status.message`
    pub message: String,
    /// RFC 3339; none before a kubelet has seen the pod.
    pub start_time: Option<String>,
    /// `status.qosClass`
    pub qos_class: String,
    /// Everybody's.
    pub conditions: Vec<Condition>,
    /// `status.initContainerStatuses`
    pub init_container_statuses: Vec<ReportedContainer>,
    /// `status.containerStatuses`
    pub container_statuses: Vec<ReportedContainer>,
    /// `status.ephemeralContainerStatuses`
    pub ephemeral_container_statuses: Vec<ReportedContainer>,
}

impl Reported {
    /// The condition of a type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// What is told of a container.
    pub fn container(&self, name: &str) -> Option<&ReportedContainer> {
        let all = [
            &self.init_container_statuses,
            &self.container_statuses,
            &self.ephemeral_container_statuses,
        ];
        all.into_iter().flatten().find(|status| status.name == name)
    }
}
