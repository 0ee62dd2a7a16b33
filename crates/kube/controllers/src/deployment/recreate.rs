//! Recreating: all old pods go before new ones come.

use super::plan::Look;

impl Look<'_> {
    /// One step: what is old goes, and when nothing of it runs any more, the new ReplicaSet gets its size.
    pub(super) fn recreate(&mut self) {
        if !self.clear() && !self.old_pods_run() {
            let Some(new) = self.new_or_make() else {
                return;
            };
            self.scale_to(new, self.deployment.spec.replicas);
            if self.is_complete(&self.deployment.status) {
                self.forget_old();
            }
        }
        self.follow_rollout();
    }

    /// Scales what is old to nothing. True if there was any.
    fn clear(&mut self) -> bool {
        let active: Vec<usize> = self.old().filter(|at| self.sets[*at].is_active()).collect();
        for at in &active {
            self.scale_to(*at, 0);
        }
        !active.is_empty()
    }

    fn old_pods_run(&self) -> bool {
        let runs = |at: usize| self.sets[at].status.replicas > 0 || self.world.has_pods(&self.sets[at]);
        self.old().any(runs)
    }
}
