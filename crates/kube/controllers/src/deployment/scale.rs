//! Deployments that change their size, perhaps amid a rollout: then each ReplicaSet gets its part of the change, so that
//! neither the new template nor the old one is favoured.

use super::plan::Look;
use super::replica_set::Set;

impl Look<'_> {
    /// Whether a ReplicaSet with pods was scaled last for another size of the Deployment.
    pub(super) fn is_resized(&self) -> bool {
        let replicas = self.deployment.spec.replicas;
        let other = |set: &Set| set.is_active() && set.desired().is_some_and(|desired| desired != replicas);
        self.sets.iter().any(other)
    }

    pub(super) fn scale(&mut self) {
        let replicas = self.deployment.spec.replicas;
        let active: Vec<usize> = (0..self.sets.len())
            .filter(|at| self.sets[*at].is_active())
            .collect();
        if let Some(only) = self.only_or_newest(&active) {
            self.sets[only].scale(replicas, self.deployment);
        } else if self.is_saturated() {
            let old: Vec<usize> = self.old().collect();
            old.into_iter().for_each(|at| self.scale_to(at, 0));
        } else if self.deployment.is_rolling() {
            self.share(active);
        }
    }

    /// The one ReplicaSet with pods; where none has any, the new one or the newest. None where several have, and where
    /// there is none at all.
    fn only_or_newest(&self, active: &[usize]) -> Option<usize> {
        match active {
            [] => self.new.or_else(|| self.sets.len().checked_sub(1)),
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Whether the new ReplicaSet has all pods that there are to be, and all are available.
    fn is_saturated(&self) -> bool {
        let replicas = self.deployment.spec.replicas;
        self.new.is_some_and(|new| {
            let set = &self.sets[new];
            let sizes = [
                set.wanted.replicas,
                set.desired().unwrap_or(-1),
                set.status.available_replicas,
            ];
            sizes == [replicas; 3]
        })
    }

    /// Shares what comes or goes out among ReplicaSets, in proportion to their sizes.
    fn share(&mut self, mut active: Vec<usize>) {
        let allowed = if self.deployment.spec.replicas > 0 {
            self.deployment.max_total()
        } else {
            0
        };
        let change = allowed - self.total();
        // The larger first; of those as large, the newer comes first and the older goes first.
        let size = |at: &usize| -self.sets[*at].wanted.replicas;
        if change > 0 {
            active.reverse();
        }
        active.sort_by_key(size);
        let mut left = change;
        let mut sizes = Vec::with_capacity(active.len());
        for at in &active {
            let set = &self.sets[*at];
            let part = self.part(set);
            let part = if change > 0 {
                part.min(left)
            } else {
                part.max(left)
            };
            let part = if left == 0 { 0 } else { part };
            left -= part;
            sizes.push(set.wanted.replicas + part);
        }
        if let Some(largest) = sizes.first_mut() {
            *largest = (*largest + left).max(0);
        }
        for (at, size) in active.into_iter().zip(sizes) {
            self.sets[at].scale(size, self.deployment);
        }
    }

    /// How many more pods a ReplicaSet should have to be as large a part as it was. What was noted when it was scaled
    /// last says of how many that was.
    fn part(&self, set: &Set) -> i64 {
        let own = set.wanted.replicas;
        if self.deployment.spec.replicas == 0 {
            return -own;
        }
        let before = set.max_replicas().filter(|most| *most > 0);
        match before.unwrap_or(self.deployment.status.replicas) {
            0 => 0,
            before => (2 * own * self.deployment.max_total() + before).div_euclid(2 * before) - own,
        }
    }
}
