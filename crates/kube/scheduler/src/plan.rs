//! The decision: which node a pod gets, from nothing but the world, the pod and a seed.
//!
//! Upstream's algorithm: filters look at nodes until enough fit, scores are added with their weights, and chance decides
//! between equals. In a large world not all nodes are looked at; where one plan stopped, the next begins.

use driver::Rng;

use crate::filter::Filters;
use crate::fit_error::FitError;
use crate::plugins::{Incoming, Plugin, Scoring};
use crate::snapshot::{NodeIx, Snapshot};

/// Worlds smaller than this are looked at as a whole, and at least so many fitting nodes are looked for.
const ENOUGH: usize = 100;
/// The least part of a world that is looked for, in hundredths.
const LEAST_PART: usize = 5;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To this node.
    Bind(NodeIx),
    /// Nowhere.
    Unschedulable(FitError),
}

/// A decision, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Where the pod goes.
    pub decision: Decision,
    /// How many nodes were looked at: the next plan starts so much later.
    pub looked: usize,
}

/// How many fitting nodes are enough among so many.
fn enough(nodes: usize) -> usize {
    if nodes < ENOUGH {
        return nodes;
    }
    let part = 50_usize.saturating_sub(nodes / 125).max(LEAST_PART);
    (nodes * part / 100).max(ENOUGH)
}

/// Decides about one pod. `start` is below the number of nodes.
pub fn plan(
    world: &Snapshot,
    plugins: &[&dyn Plugin],
    pod: Incoming<'_>,
    start: usize,
    rng: &mut Rng,
) -> Planned {
    let nowhere = |error| Planned {
        decision: Decision::Unschedulable(error),
        looked: 0,
    };
    if world.is_empty() {
        return nowhere(FitError::new(0));
    }
    let filters = match Filters::prepare(world, plugins, pod) {
        Ok(filters) => filters,
        Err((plugin, reason)) => return nowhere(FitError::whole(world.len(), plugin, reason)),
    };
    // Others were pushed out there for this pod.
    let promised = world
        .find(&pod.view.nominated)
        .filter(|node| filters.look(*node).is_ok());
    if let Some(node) = promised {
        return Planned {
            decision: Decision::Bind(node),
            looked: 0,
        };
    }
    let mut found = Found::new(world.len());
    found.look(world, &filters, start);
    let decision = match &*found.feasible {
        [] => Decision::Unschedulable(found.error),
        [only] => Decision::Bind(*only),
        several => Decision::Bind(best(world, plugins, pod, several, rng)),
    };
    Planned {
        decision,
        looked: found.looked,
    }
}

/// What filters found.
struct Found {
    feasible: Vec<NodeIx>,
    error: FitError,
    looked: usize,
}

impl Found {
    fn new(nodes: usize) -> Self {
        Self {
            feasible: Vec::new(),
            error: FitError::new(nodes),
            looked: 0,
        }
    }

    fn look(&mut self, world: &Snapshot, filters: &Filters<'_>, start: usize) {
        let enough = enough(world.len());
        for node in filters.nodes(world, start) {
            self.looked += 1;
            match filters.look(node) {
                Ok(()) => self.feasible.push(node),
                Err(refusal) => {
                    self.error.refuse(refusal.plugin, refusal.reasons);
                    if refusal.hopeful {
                        self.error.hope(node);
                    }
                }
            }
            if self.feasible.len() >= enough {
                return;
            }
        }
        if let Some((plugin, nodes, reason)) = filters.left_out(world) {
            self.error.refuse(plugin, Vec::new());
            self.error.count_many(reason, nodes);
        }
    }
}

/// The best of several nodes; chance decides between equals.
fn best(
    world: &Snapshot,
    plugins: &[&dyn Plugin],
    pod: Incoming<'_>,
    nodes: &[NodeIx],
    rng: &mut Rng,
) -> NodeIx {
    let mut totals = vec![0_i64; nodes.len()];
    for plugin in plugins.iter().filter(|plugin| plugin.weight() > 0) {
        if let Some(scoring) = plugin.score(world, pod, nodes) {
            add(&mut totals, &scoring, nodes, plugin.weight());
        }
    }
    let most = totals.iter().copied().max().unwrap_or(0);
    let best: Vec<NodeIx> = nodes
        .iter()
        .zip(totals)
        .filter(|(_, total)| *total == most)
        .map(|(node, _)| *node)
        .collect();
    let lot = usize::try_from(rng.below(best.len() as u64)).unwrap_or(0);
    best[lot]
}

fn add(totals: &mut [i64], scoring: &Scoring<'_>, nodes: &[NodeIx], weight: i64) {
    let mut scores: Vec<i64> = nodes.iter().map(|node| (scoring.each)(*node)).collect();
    (scoring.normalize)(&mut scores);
    for (total, score) in totals.iter_mut().zip(scores) {
        *total += score * weight;
    }
}

#[cfg(test)]
mod tests;
