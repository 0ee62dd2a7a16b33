//! Less important pods make room (upstream's `DefaultPreemption`).
//!
//! On nodes that would do if others were not there, all less important pods are taken away in thought, and as many as
//! possible are let back, the most important first; who cannot come back is a victim. Of the nodes the one is taken where
//! that hurts least. There are no PodDisruptionBudgets yet that could be violated.

use std::cmp::Reverse;
use std::sync::Arc;

use driver::Rng;
use jiff::Timestamp;
use views::PodView;

use crate::filter::{Filters, Refusal};
use crate::fit_error::FitError;
use crate::plugins::{Incoming, Plugin, Reason};
use crate::snapshot::{Key, NodeIx, Snapshot};

const NOT_HELPFUL: Reason = Reason::Text("Preemption is not helpful for scheduling");
const NO_VICTIMS: Reason = Reason::Text("No preemption victims found for incoming pod");

/// At least so many candidates are looked for, and at least this part of the nodes, in hundredths.
const CANDIDATES: usize = 100;
const PART: usize = 10;

/// Who leaves which node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preemption {
    pub(crate) node: NodeIx,
    /// The most important first.
    pub(crate) victims: Vec<Key>,
}

/// Why nobody leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPreemption {
    /// The pod may not push others out, or has done so and waits for them to be gone.
    NotEligible(&'static str),
    /// It would not help.
    NotHelpful(Box<FitError>),
}

impl NoPreemption {
    /// The sentence that is added to why the pod waits.
    pub(crate) fn message(&self) -> String {
        let why = match self {
            Self::NotEligible(why) => (*why).to_owned(),
            Self::NotHelpful(error) => error.message(),
        };
        // The plugin before ours, of claims to devices, has nothing to say about any pod here, and says so.
        format!("no new claims to deallocate, preemption: {why}")
    }
}

type Victim = (Key, Arc<PodView>);

/// Finds out who has to leave so that a pod fits which did not. The world is left as it was.
///
/// # Errors
/// Why nobody has to.
pub(crate) fn preempt(
    world: &mut Snapshot,
    plugins: &[&dyn Plugin],
    pod: Incoming<'_>,
    error: &FitError,
    rng: &mut Rng,
) -> Result<Preemption, NoPreemption> {
    eligible(world, pod, error).map_err(NoPreemption::NotEligible)?;
    let hopeful = error.hopeful();
    let mut report = FitError::new(world.len());
    report.count_many(NOT_HELPFUL, world.len() - hopeful.len());
    let enough = (hopeful.len() * PART / 100).max(CANDIDATES);
    let offset = usize::try_from(rng.below(hopeful.len() as u64)).unwrap_or(0);
    let (before, after) = hopeful.split_at(offset);
    let mut candidates = Vec::new();
    for node in after.iter().chain(before).copied() {
        match victims(world, plugins, pod, node) {
            Ok(victims) => candidates.push((node, victims)),
            Err(reasons) => report.count(reasons),
        }
        if candidates.len() >= enough {
            break;
        }
    }
    let best = candidates.into_iter().min_by_key(|(_, victims)| harm(victims));
    best.map(|(node, victims)| Preemption {
        node,
        victims: victims.into_iter().map(|(key, _)| key).collect(),
    })
    .ok_or_else(|| NoPreemption::NotHelpful(Box::new(report)))
}

fn eligible(world: &Snapshot, pod: Incoming<'_>, error: &FitError) -> Result<(), &'static str> {
    if !pod.view.preempts {
        return Err("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = world
        .find(&pod.view.nominated)
        .filter(|node| error.hopeful().contains(node));
    let leaves = |other: &PodView| other.priority < pod.view.priority && other.deleting.is_some();
    if nominated.is_some_and(|node| world.pods_on(node).values().any(|other| leaves(other))) {
        return Err("not eligible due to a terminating pod on the nominated node.");
    }
    Ok(())
}

/// Who has to leave a node; the most important first.
fn victims(
    world: &mut Snapshot,
    plugins: &[&dyn Plugin],
    pod: Incoming<'_>,
    node: NodeIx,
) -> Result<Vec<Victim>, Vec<Reason>> {
    let lesser = world
        .pods_on(node)
        .iter()
        .filter(|(_, other)| other.priority < pod.view.priority);
    let mut lesser: Vec<Victim> = lesser.map(|(key, other)| (key.clone(), other.clone())).collect();
    if lesser.is_empty() {
        return Err(vec![NO_VICTIMS]);
    }
    lesser.sort_by_cached_key(|(key, other)| (importance(other), key.clone()));
    lesser.iter().for_each(|(key, _)| world.lift(key));
    let found = match fits(world, plugins, pod, node) {
        Ok(()) => Ok(lesser
            .iter()
            .filter(|(key, other)| {
                world.lay(key, other);
                let stays = fits(world, plugins, pod, node).is_ok();
                if !stays {
                    world.lift(key);
                }
                !stays
            })
            .cloned()
            .collect()),
        Err(reasons) => Err(reasons),
    };
    lesser.iter().for_each(|(key, other)| world.lay(key, other));
    found
}

fn fits(
    world: &Snapshot,
    plugins: &[&dyn Plugin],
    pod: Incoming<'_>,
    node: NodeIx,
) -> Result<(), Vec<Reason>> {
    let filters = Filters::prepare(world, plugins, pod).map_err(|(_, reason)| vec![reason])?;
    filters.look(node).map_err(|Refusal { reasons, .. }| reasons)
}

/// The order of importance, the most important first: by priority, then who has run longest. Who has not started is
/// as one that starts now.
fn importance(pod: &PodView) -> (Reverse<i32>, Timestamp) {
    (Reverse(pod.priority), pod.start.unwrap_or(Timestamp::MAX))
}

/// How much it hurts if these leave: by the most important, by all together, by how many, and by how long the longest
/// running of the most important has run.
fn harm(victims: &[Victim]) -> (i32, i64, usize, Reverse<Timestamp>) {
    let priorities = victims.iter().map(|(_, pod)| pod.priority);
    let highest = priorities.clone().max().unwrap_or(i32::MIN);
    // Counted from the least priority there is, so that fewer are better below zero too.
    let sum = priorities
        .map(|priority| i64::from(priority) - i64::from(i32::MIN))
        .sum();
    let important = victims.iter().filter(|(_, pod)| pod.priority == highest);
    let earliest = important
        .map(|(_, pod)| pod.start.unwrap_or(Timestamp::MAX))
        .min();
    (
        highest,
        sum,
        victims.len(),
        Reverse(earliest.unwrap_or(Timestamp::MAX)),
    )
}

#[cfg(test)]
mod tests;
