//! `memory`: limits, and the order in which a kernel takes them.

use super::{Missing, PlanError, Planner, Target, check, or_max, set};
use crate::spec::LinuxMemory;

impl Planner<'_> {
    pub(super) fn memory(&mut self, memory: &LinuxMemory) -> Result<(), PlanError> {
        self.memory_limits(memory)?;
        if let Some(tcp) = memory.kernel_tcp {
            let target = self.at("memory", "memory.kernelTCP")?;
            target.only_v1()?;
            target.write(&mut self.plan, "memory.kmem.tcp.limit_in_bytes", tcp);
        }
        if let Some(swappiness) = memory.swappiness {
            let target = self.at("memory", "memory.swappiness")?;
            target.only_v1()?;
            check(swappiness <= 100, target.property, "must be 0 to 100")?;
            target.write(&mut self.plan, "memory.swappiness", swappiness);
        }
        if memory.disable_oom_killer == Some(true) {
            let target = self.at("memory", "memory.disableOOMKiller")?;
            target.only_v1()?;
            target.write(&mut self.plan, "memory.oom_control", 1);
        }
        check(
            memory.use_hierarchy != Some(false),
            "memory.useHierarchy",
            "accounting is always hierarchical",
        )
    }

    fn memory_limits(&mut self, memory: &LinuxMemory) -> Result<(), PlanError> {
        let (limit, swap) = (set(memory.limit), set(memory.swap));
        if limit.or(swap).or(set(memory.reservation)).is_none() {
            return Ok(());
        }
        let target = self.at("memory", "memory.limit")?;
        let usage = if target.v2 {
            "memory.current"
        } else {
            "memory.usage_in_bytes"
        };
        let checked = limit.filter(|_| memory.check_before_update == Some(true));
        self.plan.usage_within =
            checked.and_then(|limit| Some((target.dir.join(usage), limit.try_into().ok()?)));
        let reservation = set(memory.reservation);
        if target.v2 {
            self.memory_v2(&target, limit, swap)?;
            reservation
                .iter()
                .for_each(|low| target.write(&mut self.plan, "memory.low", or_max(*low)));
        } else {
            self.memory_v1(&target, limit, swap);
            reservation
                .iter()
                .for_each(|soft| target.write(&mut self.plan, "memory.soft_limit_in_bytes", soft));
        }
        Ok(())
    }

    /// The kernel demands limit ≤ memory+swap after every single write.
    fn memory_v1(&mut self, target: &Target, limit: Option<i64>, swap: Option<i64>) {
        let swap = match (limit, swap) {
            (Some(-1), None) => Some((-1, Missing::Ignored)),
            (_, swap) => swap.map(|swap| (swap, Missing::Fails)),
        };
        let rises = |swap: i64| {
            let current = self.request.current_memory_limit;
            swap == -1 || current.is_some_and(|current| u64::try_from(swap).is_ok_and(|swap| current < swap))
        };
        let swap_first = swap.as_ref().is_some_and(|(swap, _)| rises(*swap));
        let at = self.plan.writes.len();
        limit
            .iter()
            .for_each(|limit| target.write(&mut self.plan, "memory.limit_in_bytes", limit));
        let limits = self.plan.writes.len();
        if let Some((swap, missing)) = swap {
            target.write_or(&mut self.plan, "memory.memsw.limit_in_bytes", swap, missing);
        }
        if swap_first {
            self.plan.writes[at..].rotate_left(limits - at);
        }
    }

    fn memory_v2(&mut self, target: &Target, limit: Option<i64>, swap: Option<i64>) -> Result<(), PlanError> {
        if let Some(swap) = swap_alone(limit, swap)? {
            // Where there is no swap, none and any amount are the same.
            let missing = if swap > 0 {
                Missing::Fails
            } else {
                Missing::Ignored
            };
            target.write_or(&mut self.plan, "memory.swap.max", or_max(swap), missing);
        }
        limit
            .iter()
            .for_each(|limit| target.write(&mut self.plan, "memory.max", or_max(*limit)));
        Ok(())
    }
}

/// The specification counts memory and swap together, v2 counts swap alone.
fn swap_alone(limit: Option<i64>, swap: Option<i64>) -> Result<Option<i64>, PlanError> {
    let invalid = |reason| {
        Err(PlanError::Invalid {
            property: "memory.swap",
            reason,
        })
    };
    match (limit, swap) {
        (Some(-1), None) => Ok(Some(-1)),
        (_, None | Some(-1)) | (Some(-1), _) => Ok(swap),
        (None, Some(_)) => invalid("needs memory.limit"),
        (Some(limit), Some(swap)) if swap < limit => invalid("must not be less than memory.limit"),
        (Some(limit), Some(swap)) => Ok(Some(swap - limit)),
    }
}
