//! Nodes that were told to take no new pods (`spec.unschedulable`, `kubectl cordon`).

use views::taint::{Effect, Taint, untolerated};

use super::{Fit, Happened, Incoming, Plugin, Prepared};
use crate::snapshot::Snapshot;

pub(super) struct Unschedulable;

/// Whether the pod goes to such nodes nevertheless: pods of DaemonSets do.
fn is_tolerated(pod: Incoming<'_>) -> bool {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        value: "".into(),
        effect: Effect::NoSchedule,
        added: None,
    };
    untolerated(&[taint], &pod.view.tolerations, &[Effect::NoSchedule]).is_none()
}

impl Plugin for Unschedulable {
    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        if !world.is_choosy() || is_tolerated(pod) {
            return Prepared::Skip;
        }
        let refuse = || Fit::never("node(s) were unschedulable");
        let closed = move |node| world.room(node).choosy && world.view(node).unschedulable;
        Prepared::Each(None, Box::new(move |node| Fit::unless(closed(node), refuse)))
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        event.node(|before, now| before.unschedulable == now.unschedulable)
    }
}
