//! `v1 PodSecurityContext` and `v1 SecurityContext`.

use serde::Deserialize;

/// Where a profile comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ProfileType {
    /// The runtime's own.
    #[default]
    RuntimeDefault,
    /// A file of the node.
    Localhost,
    /// None.
    Unconfined,
}

/// `seccompProfile`, `appArmorProfile`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Profile {
    /// Where it comes from.
    #[serde(rename = "type")]
    pub kind: ProfileType,
    /// Which one of the node.
    pub localhost_profile: String,
}

/// `capabilities`: names without `CAP_`, or `ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Beside the default ones.
    pub add: Vec<String>,
    /// Of the default ones.
    pub drop: Vec<String>,
}

/// `securityContext.sysctls[]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sysctl {
    /// `net.ipv4.tcp_syncookies`
    pub name: String,
    /// `0`
    pub value: String,
}

/// Whether a user's groups in the image count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SupplementalGroupsPolicy {
    /// They do.
    #[default]
    Merge,
    /// They do not.
    Strict,
}

/// What holds for all containers that do not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSecurity {
    /// The user.
    pub run_as_user: Option<i64>,
    /// The group.
    pub run_as_group: Option<i64>,
    /// Root is refused.
    pub run_as_non_root: Option<bool>,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// Whether the image's groups of the user count.
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// Who owns volumes, and a further group.
    pub fs_group: Option<i64>,
    /// Kernel parameters of the pod.
    pub sysctls: Vec<Sysctl>,
    /// System calls.
    pub seccomp_profile: Option<Profile>,
    /// AppArmor.
    pub app_armor_profile: Option<Profile>,
}

/// What holds for one container; what is not said is the pod's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Security {
    /// Capabilities.
    pub capabilities: Capabilities,
    /// Nearly everything the node may do.
    pub privileged: bool,
    /// The user.
    pub run_as_user: Option<i64>,
    /// The group.
    pub run_as_group: Option<i64>,
    /// Root is refused.
    pub run_as_non_root: Option<bool>,
    /// Its own files cannot be written.
    pub read_only_root_filesystem: bool,
    /// False: no program gains rights (`no_new_privs`).
    pub allow_privilege_escalation: Option<bool>,
    /// System calls.
    pub seccomp_profile: Option<Profile>,
    /// AppArmor.
    pub app_armor_profile: Option<Profile>,
}
