//! What is checked when a container is created or its limits are updated, in upstream's order
//! and words. What this host cannot do is taken out of the specification with a warning, as
//! upstream does; what makes no sense anywhere is refused.

use std::collections::BTreeSet;

use runtime::capability::Capability;

use super::devices::{is_access, parse_rule};
use super::facts::list;
use super::process::rlimit_type;
use super::{Facts, mounts};
use crate::spec::{CgroupNamespace, ContainerSpec, MountKind, NetworkMode, Resources};

/// The least memory a container can be given, bytes.
const LEAST_MEMORY: i64 = 6 << 20;

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
pub fn check(spec: &mut ContainerSpec, facts: &Facts) -> Result<Vec<String>, Invalid> {
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
    let mut warnings = limits(&mut spec.resources, facts, false)?;
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
        parse_rule(rule)?;
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

/// Checks limits, of a new container or of an `update`, and takes out what the host cannot set.
///
/// # Errors
/// The first limit that makes no sense.
pub(super) fn limits(resources: &mut Resources, facts: &Facts, update: bool) -> Result<Vec<String>, Invalid> {
    let mut warnings = Vec::new();
    memory(resources, facts, update, &mut warnings)?;
    cpu(resources, facts, &mut warnings)?;
    cpuset(resources, facts, &mut warnings)?;
    block_io(resources, facts, &mut warnings)?;
    Ok(warnings)
}

fn memory(
    resources: &mut Resources,
    facts: &Facts,
    update: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Invalid> {
    let available = &facts.available;
    let mut discard = |condition: bool, text: &str| {
        if condition {
            warnings.push(text.to_owned());
        }
        condition
    };
    // Upstream takes -1 for "not set".
    resources.memory_swappiness = resources.memory_swappiness.filter(|percent| *percent != -1);
    refuse(
        resources.memory != 0 && resources.memory < LEAST_MEMORY,
        "Minimum memory limit allowed is 6MB",
    )?;
    if discard(
        resources.memory > 0 && !available.memory,
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ) {
        (resources.memory, resources.memory_swap) = (0, -1);
    }
    if discard(
        resources.memory > 0 && resources.memory_swap != -1 && !available.swap,
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    ) {
        resources.memory_swap = -1;
    }
    let (limit, swap) = (resources.memory, resources.memory_swap);
    refuse(
        limit > 0 && swap > 0 && swap < limit,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    )?;
    refuse(
        limit == 0 && swap > 0 && !update,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    )?;
    if discard(
        resources.memory_swappiness.is_some() && !available.memory_swappiness,
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    ) {
        resources.memory_swappiness = None;
    }
    if let Some(percent) = resources.memory_swappiness {
        refuse(
            !(0..=100).contains(&percent),
            format!("Invalid value: {percent}, valid memory swappiness range is 0-100"),
        )?;
    }
    if discard(
        resources.memory_reservation > 0 && !available.memory_reservation,
        "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ) {
        resources.memory_reservation = 0;
    }
    let reservation = resources.memory_reservation;
    refuse(
        reservation > 0 && reservation < LEAST_MEMORY,
        "Minimum memory reservation allowed is 6MB",
    )?;
    refuse(
        limit > 0 && reservation > 0 && resources.memory < reservation,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    )?;
    if discard(
        resources.oom_kill_disable && !available.oom_kill_disable,
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ) {
        resources.oom_kill_disable = false;
    }
    discard(
        resources.oom_kill_disable && resources.memory == 0,
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
    if resources.pids_limit.is_some() && !available.pids {
        discard(
            resources.pids_limit.is_some_and(|limit| limit > 0),
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
        );
        resources.pids_limit = None;
    }
    Ok(())
}

fn cpu(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    let available = &facts.available;
    let nano = resources.nano_cpus;
    refuse(
        nano > 0 && resources.cpu_period > 0,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    )?;
    refuse(
        nano > 0 && resources.cpu_quota > 0,
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    )?;
    refuse(
        nano > 0 && !available.cpu_quota,
        "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
    )?;
    let count = facts.processors;
    refuse(
        nano < 0 || nano > i64::from(count) * 1_000_000_000,
        format!("range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"),
    )?;
    if resources.cpu_shares > 0 && !available.cpu_shares {
        warnings.push(
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded."
                .to_owned(),
        );
        resources.cpu_shares = 0;
    }
    if (resources.cpu_period != 0 || resources.cpu_quota != 0) && !available.cpu_quota {
        warnings
            .push("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.".to_owned());
        (resources.cpu_period, resources.cpu_quota) = (0, 0);
    }
    refuse(
        resources.cpu_period != 0 && !(1000..=1_000_000).contains(&resources.cpu_period),
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    )?;
    refuse(
        (1..1000).contains(&resources.cpu_quota),
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    )
}

fn cpuset(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    let (cpus, mems) = (&mut resources.cpuset_cpus, &mut resources.cpuset_mems);
    let named = !cpus.is_empty() || !mems.is_empty();
    if named && !facts.available.cpuset {
        warnings.push(
            "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.".to_owned(),
        );
        (*cpus, *mems) = (String::new(), String::new());
    }
    subset(cpus, &facts.cpus, "cpus", "CPUs")?;
    subset(mems, &facts.mems, "mems", "memory nodes")
}

fn subset(asked: &str, have: &BTreeSet<u32>, short: &str, long: &str) -> Result<(), Invalid> {
    let named = list(asked).ok_or_else(|| {
        Invalid::new(format!(
            "Invalid value {asked} for cpuset {short}: invalid format: {asked}"
        ))
    })?;
    refuse(
        !named.is_subset(have),
        format!(
            "Requested {long} are not available - requested {asked}, available: {}",
            ranges(have)
        ),
    )
}

/// Numbers as the kernel lists them, `0-3,7`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let show = |(first, last): &(u32, u32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    runs.iter().map(show).collect::<Vec<_>>().join(",")
}

fn block_io(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    let available = &facts.available;
    if resources.blkio_weight > 0 && !available.blkio_weight {
        warnings.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."
                .to_owned(),
        );
        resources.blkio_weight = 0;
    }
    refuse(
        resources.blkio_weight > 0 && !(10..=1000).contains(&resources.blkio_weight),
        "Range of blkio weight is from 10 to 1000",
    )?;
    if !resources.blkio_weight_device.is_empty() && !available.blkio_weight {
        warnings.push("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.".to_owned());
        resources.blkio_weight_device.clear();
    }
    let throttles = [
        (
            &mut resources.blkio_read_bps,
            "BPS Block I/O read limit",
            "Block I/O BPS read limit",
        ),
        (
            &mut resources.blkio_write_bps,
            "BPS Block I/O write limit",
            "Block I/O BPS write limit",
        ),
        (
            &mut resources.blkio_read_iops,
            "IOPS Block read limit",
            "Block I/O IOPS read limit",
        ),
        (
            &mut resources.blkio_write_iops,
            "IOPS Block write limit",
            "Block I/O IOPS write limit",
        ),
    ];
    for (limits, support, discarded) in throttles {
        if !limits.is_empty() && !available.blkio_throttle {
            warnings.push(format!(
                "Your kernel does not support {support} or the cgroup is not mounted. {discarded} discarded."
            ));
            limits.clear();
        }
    }
    Ok(())
}

/// Limits after an `update` of some of them: what is zero, empty or absent in `change` stays.
/// `change` is checked first and loses what the host cannot set.
///
/// # Errors
/// A limit that makes no sense, alone or with those that stay: upstream answers the latter 409.
pub fn updated(
    current: &Resources,
    mut change: Resources,
    facts: &Facts,
) -> Result<(Resources, Vec<String>), UpdateError> {
    let warnings = limits(&mut change, facts, true)?;
    if let Some(text) = conflict(current, &change) {
        return Err(UpdateError::Conflict(text));
    }
    let mut next = current.clone();
    macro_rules! take {
        ($($field:ident),*) => { $( if change.$field != Resources::default().$field { next.$field = change.$field; } )* };
    }
    take!(
        memory,
        memory_swap,
        memory_reservation,
        nano_cpus,
        cpu_shares,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        pids_limit,
        blkio_weight
    );
    Ok((next, warnings))
}

/// Why an update was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It contradicts what the container has.
    #[error("{0}")]
    Conflict(&'static str),
}

fn conflict(current: &Resources, change: &Resources) -> Option<&'static str> {
    let rules = [
        (
            change.nano_cpus > 0 && current.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            change.nano_cpus > 0 && current.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            change.cpu_period > 0 && current.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            change.cpu_quota > 0 && current.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            change.memory != 0 && change.memory_swap == 0 && change.memory > swap_of(current),
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
    ];
    rules
        .into_iter()
        .find(|(broken, _)| *broken)
        .map(|(_, text)| text)
}

/// The limit of memory and swap that a container has; 0 where none was set, as upstream compares.
fn swap_of(current: &Resources) -> i64 {
    match current.memory_swap {
        0 if current.memory > 0 => current.memory.saturating_mul(2),
        other => other,
    }
}

#[cfg(test)]
pub(super) mod tests;
