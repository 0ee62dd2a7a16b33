//! What is checked when a container is created or its limits are updated, in upstream's order
//! and words. What this host cannot do is taken out of the specification with a warning, as
//! upstream does; what makes no sense anywhere is refused.

mod limits;
mod update;

use std::collections::BTreeSet;

use runtime::capability::Capability;

use super::devices::rules::{self, is_access};
use super::process::rlimit_type;
use super::{Facts, mounts};
pub use update::{UpdateError, updated};

use crate::container::Owner;
use crate::spec::{CgroupNamespace, ContainerSpec, MountKind, NetworkMode, Resources};

/// A specification that makes no sense: a 400 with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Refuses where the condition holds.
fn refuse(condition: bool, text: impl Into<String>) -> Result<(), Invalid> {
    if condition {
        Err(Invalid::new(text))
    } else {
        Ok(())
    }
}

/// Checks a container at create. Answers warnings; `spec` loses what the host cannot do.
///
/// # Errors
/// The first thing that makes no sense.
pub fn check(spec: &mut ContainerSpec, facts: &Facts, owner: &Owner) -> Result<Vec<String>, Invalid> {
    refuse(
        !spec.cwd.is_empty() && !spec.cwd.starts_with('/'),
        format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            spec.cwd
        ),
    )?;
    if let Some(bad) = spec
        .env
        .iter()
        .find(|entry| entry.is_empty() || entry.starts_with('='))
    {
        return Err(Invalid::new(format!("invalid environment variable: {bad}")));
    }
    capabilities(
        &spec.isolation.capabilities.add,
        &spec.isolation.capabilities.drop,
    )?;
    let mut warnings = limits::check(&mut spec.resources, facts, owner, false)?;
    let adjustment = spec.resources.oom_score_adj;
    refuse(
        !(-1000..=1000).contains(&adjustment),
        format!("Invalid value {adjustment}, range for oom score adj is [-1000, 1000]"),
    )?;
    lists(&spec.resources)?;
    mount_points(spec)?;
    network(spec, facts, &mut warnings)?;
    if spec.isolation.cgroup == CgroupNamespace::Private && !facts.available.cgroup_namespaces {
        warnings.push(
            "Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.".to_owned(),
        );
        spec.isolation.cgroup = CgroupNamespace::Host;
    }
    Ok(warnings)
}

/// Names in `--cap-add` and `--cap-drop`.
pub(super) fn capabilities(add: &[String], drop: &[String]) -> Result<(), Invalid> {
    for (option, names) in [("CapAdd", add), ("CapDrop", drop)] {
        let unknown = |name: &&String| !name.eq_ignore_ascii_case("ALL") && Capability::parse(name).is_none();
        if let Some(name) = names.iter().find(unknown) {
            let name = name.to_ascii_uppercase();
            let name = if name.starts_with("CAP_") {
                name
            } else {
                format!("CAP_{name}")
            };
            return Err(Invalid::new(format!(
                "invalid {option}: unknown capability: {name:?}"
            )));
        }
    }
    Ok(())
}

/// Device rules, permissions and ulimits.
fn lists(resources: &Resources) -> Result<(), Invalid> {
    for rule in &resources.device_cgroup_rules {
        rules::parse(rule)?;
    }
    for device in &resources.devices {
        let permissions = &device.permissions;
        refuse(
            !permissions.is_empty() && !is_access(permissions),
            format!("invalid device permissions {permissions:?} of {}", device.source),
        )?;
    }
    for ulimit in &resources.ulimits {
        let name = &ulimit.name;
        refuse(
            rlimit_type(name).is_none(),
            format!("invalid ulimit type: {name}"),
        )?;
        let above = ulimit.hard != -1 && (ulimit.soft == -1 || ulimit.soft > ulimit.hard);
        refuse(
            above,
            format!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                ulimit.soft, ulimit.hard
            ),
        )?;
    }
    Ok(())
}

fn mount_points(spec: &ContainerSpec) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for mount in &spec.mounts {
        let target = mount.target.as_str();
        refuse(
            !target.starts_with('/'),
            format!("invalid mount path: '{target}' mount path must be absolute"),
        )?;
        refuse(target == "/", "invalid specification: destination can't be '/'")?;
        refuse(!seen.insert(target), format!("Duplicate mount point: {target}"))?;
        if let MountKind::Tmpfs { options, .. } = &mount.kind {
            mounts::check_tmpfs(options)?;
        }
    }
    Ok(())
}

fn network(spec: &ContainerSpec, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    let link_local = spec
        .network
        .endpoints
        .iter()
        .find(|(_, settings)| !settings.link_local.is_empty());
    if let Some((network, _)) = link_local {
        return Err(Invalid::new(format!(
            "LinkLocalIPs of network {network} are not supported yet"
        )));
    }
    let mode = &spec.network.mode;
    if !facts.ipv4_forwarding && !matches!(mode, NetworkMode::Host | NetworkMode::None) {
        warnings.push("IPv4 forwarding is disabled. Networking will not work.".to_owned());
    }
    if *mode == NetworkMode::Host && !spec.network.ports.is_empty() {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
