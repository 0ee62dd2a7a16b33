//! What this runtime supports (runtime-spec 1.3 §features), from the tables that it works by.

use crate::capability::Capability;
use crate::plan::mount_option_names;
use crate::spec::{
    CgroupFeatures, Enabled, Features, LinuxFeatures, MountExtensions, NamespaceType, OCI_VERSION,
    SeccompAction, SeccompArch, SeccompFeatures, SeccompOperator,
};

const HOOKS: &[&str] = &[
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// The features document.
#[must_use]
pub fn document() -> Features {
    Features {
        oci_version_min: "1.0.0".to_owned(),
        oci_version_max: OCI_VERSION.to_owned(),
        hooks: HOOKS.iter().map(|hook| (*hook).to_owned()).collect(),
        mount_options: mount_option_names().map(str::to_owned).collect(),
        linux: Some(linux()),
        ..Features::default()
    }
}

fn linux() -> LinuxFeatures {
    let enabled = |enabled| {
        Some(Enabled {
            enabled: Some(enabled),
        })
    };
    LinuxFeatures {
        namespaces: NamespaceType::ALL.iter().map(ToString::to_string).collect(),
        capabilities: Capability::ALL.iter().map(ToString::to_string).collect(),
        cgroup: Some(CgroupFeatures {
            v1: Some(true),
            v2: Some(true),
            systemd: Some(false),
            systemd_user: Some(false),
            rdma: Some(true),
        }),
        seccomp: Some(SeccompFeatures {
            enabled: Some(true),
            actions: words(SeccompAction::ALL, |action| *action != SeccompAction::Notify),
            operators: words(SeccompOperator::ALL, |_| true),
            archs: words(SeccompArch::ALL, |_| true),
            ..SeccompFeatures::default()
        }),
        apparmor: enabled(true),
        selinux: enabled(false),
        mount_extensions: Some(MountExtensions {
            idmap: enabled(false),
        }),
        net_devices: enabled(false),
        ..LinuxFeatures::default()
    }
}

fn words<T: ToString>(all: &[T], supported: impl Fn(&T) -> bool) -> Vec<String> {
    all.iter()
        .filter(|word| supported(word))
        .map(ToString::to_string)
        .collect()
}
