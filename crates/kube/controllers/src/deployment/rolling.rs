//! Rolling updates: new pods come and old ones go, within what may be too many and what must be available.

use super::plan::Look;
use super::replica_set::Set;

impl Look<'_> {
    /// One step: the new ReplicaSet grows if it can, else the old ones shrink.
    pub(super) fn roll(&mut self) {
        let Some(new) = self.new_or_make() else {
            return;
        };
        if !self.grow(new) && !self.shrink(new) && self.is_complete(&self.deployment.status) {
            self.forget_old();
        }
        self.follow_rollout();
    }

    /// Brings the new ReplicaSet as near to its size as there may be pods. True if that changes it.
    fn grow(&mut self, new: usize) -> bool {
        let replicas = self.deployment.spec.replicas;
        let own = self.sets[new].wanted.replicas;
        let room = self.deployment.max_total() - self.total();
        let wanted = if own > replicas {
            replicas
        } else {
            own + room.clamp(0, replicas - own)
        };
        self.scale_to(new, wanted);
        wanted != own
    }

    /// Takes from the old ReplicaSets what need not be available: first what is not so anyway and would hold up
    /// everything, then from the oldest on. Pods of the new one that are not available yet count for none of them. True
    /// if that changes any.
    fn shrink(&mut self, new: usize) -> bool {
        let old: Vec<usize> = self.old().filter(|at| self.sets[*at].is_active()).collect();
        let fresh = &self.sets[new];
        let coming = fresh.wanted.replicas - fresh.status.available_replicas;
        let spare = self.total() - self.deployment.min_available() - coming;
        if spare <= 0 || old.is_empty() {
            return false;
        }
        let available: i64 = old
            .iter()
            .chain([&new])
            .map(|at| self.sets[*at].status.available_replicas)
            .sum();
        let needless = available - self.deployment.min_available();
        let broken = self.take(&old, spare, |set| {
            set.wanted.replicas - set.status.available_replicas
        });
        let spared = self.take(&old, needless, |set| set.wanted.replicas);
        broken + spared > 0
    }

    /// Takes at most so many pods away, of each ReplicaSet at most what `of` says. Answers how many.
    fn take(&mut self, from: &[usize], most: i64, of: impl Fn(&Set) -> i64) -> i64 {
        let mut left = most.max(0);
        for at in from {
            let set = &self.sets[*at];
            let (has, taken) = (set.wanted.replicas, of(set).clamp(0, left));
            self.scale_to(*at, has - taken);
            left -= taken;
        }
        most.max(0) - left
    }
}
