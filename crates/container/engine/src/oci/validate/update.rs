//! What becomes of a container's limits when some of them are changed.

use super::super::Facts;
use super::{Invalid, limits};
use crate::container::Owner;
use crate::spec::Resources;

/// Limits after an `update` of some of them: what is zero, empty or absent in `change` stays.
/// `change` is checked first and loses what the host cannot set.
///
/// # Errors
/// A limit that makes no sense, alone or with those that stay: upstream answers the latter 409.
pub fn updated(
    current: &Resources,
    mut change: Resources,
    facts: &Facts,
    owner: &Owner,
) -> Result<(Resources, Vec<String>), UpdateError> {
    let warnings = limits::check(&mut change, facts, owner, true)?;
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
