//! Taints of nodes and tolerations of pods.

use views::taint::{Effect, Taint, Toleration, untolerated};

use super::{Fit, Happened, Incoming, Plugin, Prepared, Scoring, reversed};
use crate::snapshot::{NodeIx, Snapshot};

pub(super) struct Taints;

/// How many taints of a node the pod would rather not have.
fn disliked(taints: &[Taint], tolerations: &[Toleration]) -> i64 {
    let soft = taints
        .iter()
        .filter(|taint| taint.effect == Effect::PreferNoSchedule);
    let disliked = soft.filter(|taint| !tolerations.iter().any(|each| each.tolerates(taint)));
    i64::try_from(disliked.count()).unwrap_or(i64::MAX)
}

impl Plugin for Taints {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn weight(&self) -> i64 {
        3
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        const HARD: [Effect; 2] = [Effect::NoSchedule, Effect::NoExecute];
        if !world.is_choosy() {
            return Prepared::Skip;
        }
        let minds = move |node| {
            let taints = &world.view(node).taints;
            untolerated(taints, &pod.view.tolerations, &HARD).is_some()
        };
        let refuse = || Fit::never("node(s) had untolerated taint(s)");
        Prepared::Each(
            None,
            Box::new(move |node| Fit::unless(world.room(node).choosy && minds(node), refuse)),
        )
    }

    fn score<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>, _: &[NodeIx]) -> Option<Scoring<'a>> {
        let tolerations = &pod.view.tolerations;
        world.is_choosy().then(|| Scoring {
            each: Box::new(|node| match world.room(node).choosy {
                true => disliked(&world.view(node).taints, tolerations),
                false => 0,
            }),
            normalize: reversed,
        })
    }

    fn wakes(&self, event: &Happened<'_>, _: Incoming<'_>) -> bool {
        event.node(|before, now| before.taints == now.taints)
    }
}
