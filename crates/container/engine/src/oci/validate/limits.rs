//! Limits: memory, processors, block I/O.

use std::collections::BTreeSet;

use super::super::Facts;
use super::super::facts::list;
use super::{Invalid, refuse};
use crate::container::Owner;
use crate::spec::Resources;

/// The least memory a container can be given, bytes.
const LEAST_MEMORY: i64 = 6 << 20;

/// The rule is docker's. Kubernetes leaves it to the kernel, which kills what does not fit.
fn least_memory(owner: &Owner) -> i64 {
    match owner {
        Owner::Pod { .. } => 1,
        Owner::Docker | Owner::Build => LEAST_MEMORY,
    }
}

/// Checks limits, of a new container or of an `update`, and takes out what the host cannot set.
///
/// # Errors
/// The first limit that makes no sense.
pub(super) fn check(
    resources: &mut Resources,
    facts: &Facts,
    owner: &Owner,
    update: bool,
) -> Result<Vec<String>, Invalid> {
    let mut warnings = Vec::new();
    refuse(
        resources.memory != 0 && resources.memory < least_memory(owner),
        "Minimum memory limit allowed is 6MB",
    )?;
    memory(resources, facts, update, &mut warnings)?;
    cpu(resources, facts, &mut warnings)?;
    cpuset(resources, facts, &mut warnings)?;
    block_io(resources, facts, &mut warnings)?;
    Ok(warnings)
}

/// Notes that something asked for is taken out; answers whether it is.
fn discard(warnings: &mut Vec<String>, condition: bool, text: &str) -> bool {
    if condition {
        warnings.push(text.to_owned());
    }
    condition
}

fn memory(
    resources: &mut Resources,
    facts: &Facts,
    update: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Invalid> {
    memory_limit(resources, facts, warnings);
    swap(resources, update)?;
    swappiness(resources, facts, warnings)?;
    reservation(resources, facts, warnings)?;
    oom_killer(resources, facts, warnings);
    processes(resources, facts, warnings);
    Ok(())
}

fn memory_limit(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) {
    if discard(
        warnings,
        resources.memory > 0 && !facts.available.memory,
        "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    ) {
        (resources.memory, resources.memory_swap) = (0, -1);
    }
    if discard(
        warnings,
        resources.memory > 0 && resources.memory_swap != -1 && !facts.available.swap,
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    ) {
        resources.memory_swap = -1;
    }
}

fn swap(resources: &Resources, update: bool) -> Result<(), Invalid> {
    let (limit, swap) = (resources.memory, resources.memory_swap);
    refuse(
        limit > 0 && swap > 0 && swap < limit,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    )?;
    refuse(
        limit == 0 && swap > 0 && !update,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    )
}

fn swappiness(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    // Upstream takes -1 for "not set".
    resources.memory_swappiness = resources.memory_swappiness.filter(|percent| *percent != -1);
    if discard(
        warnings,
        resources.memory_swappiness.is_some() && !facts.available.memory_swappiness,
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    ) {
        resources.memory_swappiness = None;
    }
    let percent = resources.memory_swappiness.unwrap_or(0);
    refuse(
        !(0..=100).contains(&percent),
        format!("Invalid value: {percent}, valid memory swappiness range is 0-100"),
    )
}

fn reservation(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) -> Result<(), Invalid> {
    if discard(
        warnings,
        resources.memory_reservation > 0 && !facts.available.memory_reservation,
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
        resources.memory > 0 && reservation > resources.memory,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    )
}

fn oom_killer(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) {
    if discard(
        warnings,
        resources.oom_kill_disable && !facts.available.oom_kill_disable,
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ) {
        resources.oom_kill_disable = false;
    }
    discard(
        warnings,
        resources.oom_kill_disable && resources.memory == 0,
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
}

fn processes(resources: &mut Resources, facts: &Facts, warnings: &mut Vec<String>) {
    if facts.available.pids {
        return;
    }
    discard(
        warnings,
        resources.pids_limit.is_some_and(|limit| limit > 0),
        "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
    );
    resources.pids_limit = None;
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
