//! Why a specification cannot be planned, and what is refused because it is not supported.

use sys::program::BuildError;

use crate::seccomp::Filter;
use crate::spec::{Linux, Process, Spec};

/// Why there is no plan. Each names the property of `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Required for this operation, and absent.
    #[error("{property} is required")]
    Missing {
        /// The property.
        property: String,
    },
    /// Against the specification, or against another property.
    #[error("{property}: {reason}")]
    Invalid {
        /// The property.
        property: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// Valid, but not built yet or not possible on this host.
    #[error("{property} is not supported: {reason}")]
    Unsupported {
        /// The property.
        property: String,
        /// Why.
        reason: String,
    },
    /// The finished program cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl PlanError {
    pub(super) fn missing(property: &str) -> Self {
        Self::Missing {
            property: property.to_owned(),
        }
    }

    pub(super) fn invalid(property: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            property: property.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn unsupported(property: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            property: property.into(),
            reason: reason.into(),
        }
    }
}

const LATER: &str = "not in this version of Gantry";

/// Refuses what the planner does not handle. Whatever is neither here nor planned is a defect.
pub(super) fn refuse_unsupported(spec: &Spec, process: &Process, linux: &Linux) -> Result<(), PlanError> {
    let present = [
        (
            "linux.mountLabel",
            !linux.mount_label.is_empty(),
            "this host runs without SELinux",
        ),
        ("linux.intelRdt", linux.intel_rdt.is_some(), LATER),
        ("linux.memoryPolicy", linux.memory_policy.is_some(), LATER),
        ("linux.netDevices", !linux.net_devices.is_empty(), LATER),
    ];
    refuse(&present)?;
    for (index, mount) in spec.mounts.iter().enumerate() {
        if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            return Err(PlanError::unsupported(
                format!("mounts[{index}].uidMappings"),
                LATER,
            ));
        }
    }
    refuse_unsupported_process(process)
}

pub(super) fn refuse_unsupported_process(process: &Process) -> Result<(), PlanError> {
    refuse(&[
        (
            "process.selinuxLabel",
            !process.selinux_label.is_empty(),
            "this host runs without SELinux",
        ),
        (
            "process.execCPUAffinity",
            process.exec_cpu_affinity.is_some(),
            LATER,
        ),
    ])
}

/// A filter that asks a listener needs one that is served.
pub(super) fn refuse_listener(filter: Option<&Filter>) -> Result<(), PlanError> {
    let notifies = filter.is_some_and(|filter| filter.notifies);
    refuse(&[("linux.seccomp.syscalls: SCMP_ACT_NOTIFY", notifies, LATER)])
}

fn refuse(present: &[(&str, bool, &str)]) -> Result<(), PlanError> {
    match present.iter().find(|(_, present, _)| *present) {
        Some((property, _, reason)) => Err(PlanError::unsupported(*property, *reason)),
        None => Ok(()),
    }
}
