//! What is to be done about a service's slices: which endpoints it has, in which slices they are, and what has to be
//! written for that.

use std::collections::{BTreeMap, BTreeSet};

use views::Family;

use super::existing::{Existing, create_slice, delete, labels, update_slice};
use super::fill::{Fate, Slot, Wanted, fill};
use super::ports::{Group, Port, group, resolve};
use super::wire::Endpoint;
use super::{Asked, Backend, earliest};
use crate::act::Action;
use crate::driver::Failed;

/// What is to be done about a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) actions: Vec<Action>,
    pub(super) missing: Missing,
}

/// Nodes that are not there, each with a pod that is left out for it.
pub(super) type Missing = BTreeMap<Box<str>, Box<str>>;

/// `zone_of` answers nothing for a node that is not there, and its zone, if it has one, for one that is.
pub(super) fn plan(
    asked: &Asked,
    existing: &[Existing],
    zone_of: &dyn Fn(&str) -> Option<Option<String>>,
) -> Result<Plan, Failed> {
    let mut plan = Plan::default();
    let families = asked.view.endpoint_families();
    let mut drafts = Vec::new();
    for family in &families {
        let of_family = |slice: &&Existing| slice.content.address_type == family.as_str();
        let there: Vec<&Existing> = existing.iter().filter(of_family).collect();
        let wanted = wanted(asked, *family, zone_of, &mut plan.missing);
        drafts.push(draft(asked, *family, &there, wanted));
    }
    let trigger = trigger(asked, existing, &drafts);
    for draft in drafts {
        plan.actions.extend(draft.actions(asked, trigger.as_deref())?);
    }
    let strays = existing.iter().filter(|slice| {
        families
            .iter()
            .all(|family| family.as_str() != slice.content.address_type)
    });
    plan.actions.extend(strays.map(delete));
    Ok(plan)
}

/// The pods of one group, with their ports in the service's order.
type Groups = BTreeMap<Group, (Vec<Port>, Wanted)>;

fn wanted(
    asked: &Asked,
    family: Family,
    zone_of: &dyn Fn(&str) -> Option<Option<String>>,
    missing: &mut Missing,
) -> Groups {
    let mut groups = Groups::new();
    for pod in asked.pods.iter().filter(|pod| pod.counts()) {
        let ports = resolve(&asked.view, &pod.view);
        let (_, wanted) = groups
            .entry(group(&ports))
            .or_insert_with(|| (ports, Wanted::new()));
        let zone = zone_of(&pod.view.node);
        if zone.is_none() && !pod.view.node.is_empty() {
            missing.insert(pod.view.node.clone(), pod.object.meta.name.clone());
        }
        // Who wants pods that are not ready wants those of unknown nodes too.
        if zone.is_some() || asked.view.publish_not_ready {
            let endpoint = Endpoint::of(asked, pod, family, zone.flatten().as_deref());
            wanted.extend(endpoint.map(|endpoint| (endpoint.identity(), endpoint)));
        }
    }
    groups
}

/// What becomes of one family's slices.
struct Draft<'a> {
    family: Family,
    create: Vec<(Vec<Port>, Vec<Endpoint>)>,
    update: Vec<(&'a Existing, Vec<Port>, Vec<Endpoint>)>,
    delete: Vec<&'a Existing>,
}

fn draft<'a>(asked: &Asked, family: Family, there: &[&'a Existing], wanted: Groups) -> Draft<'a> {
    let (own, strange): (Vec<&Existing>, Vec<&Existing>) =
        there.iter().partition(|slice| slice.belongs_to(asked.meta()));
    let mut by_group: BTreeMap<Group, Vec<&Existing>> = BTreeMap::new();
    for slice in own {
        by_group
            .entry(group(slice.content.ports()))
            .or_default()
            .push(slice);
    }
    let mut draft = Draft {
        family,
        create: Vec::new(),
        update: Vec::new(),
        delete: strange,
    };
    for (group, (ports, wanted)) in wanted {
        draft.lay(asked, by_group.remove(&group).unwrap_or_default(), &ports, wanted);
    }
    draft.delete.extend(by_group.into_values().flatten());
    draft.say_nothing(asked, there.len());
    draft.recycle(asked);
    draft
}

impl<'a> Draft<'a> {
    /// Lays the endpoints of one group into its slices.
    fn lay(&mut self, asked: &Asked, slices: Vec<&'a Existing>, ports: &[Port], wanted: Wanted) {
        let slot = |slice: &&'a Existing| Slot {
            endpoints: slice.content.endpoints(),
            stale: slice.is_stale(asked.meta()),
        };
        let slots: Vec<Slot<'_>> = slices.iter().map(slot).collect();
        let filled = fill(&slots, wanted);
        for (slice, fate) in slices.into_iter().zip(filled.fates) {
            match fate {
                Fate::Keep => {}
                Fate::Write(endpoints) => {
                    let ports = slice.content.ports().to_vec();
                    self.update.push((slice, ports, endpoints));
                }
                Fate::Delete => self.delete.push(slice),
            }
        }
        let new = filled.new.into_iter();
        self.create
            .extend(new.map(|endpoints| (ports.to_vec(), endpoints)));
    }

    /// A service without endpoints has one slice that says so, and a right one is left alone.
    fn say_nothing(&mut self, asked: &Asked, there: usize) {
        if self.delete.len() < there || !self.create.is_empty() {
            return;
        }
        match &*self.delete {
            [only]
                if only.says_nothing()
                    && only.has_labels(&labels(asked))
                    && only.belongs_to(asked.meta()) =>
            {
                self.delete.clear();
            }
            _ => self.create.push((Vec::new(), Vec::new())),
        }
    }

    /// A slice that would go and one that would come are one that changes.
    fn recycle(&mut self, asked: &Asked) {
        for slice in std::mem::take(&mut self.delete) {
            match slice
                .belongs_to(asked.meta())
                .then(|| self.create.pop())
                .flatten()
            {
                Some((ports, endpoints)) => self.update.push((slice, ports, endpoints)),
                None => self.delete.push(slice),
            }
        }
    }

    /// Every endpoint that is written.
    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let created = self.create.iter().map(|(_, endpoints)| endpoints);
        let updated = self.update.iter().map(|(_, _, endpoints)| endpoints);
        created.chain(updated).flatten()
    }

    /// First what is new, then what changes, then what goes: an endpoint is rather there twice than not at all.
    fn actions(self, asked: &Asked, trigger: Option<&str>) -> Result<Vec<Action>, Failed> {
        let living = asked.meta().deletion_timestamp.is_none();
        let create = self.create.iter().filter(|_| living);
        let mut actions: Vec<Action> = create
            .map(|(ports, endpoints)| create_slice(asked, self.family, ports, endpoints, trigger))
            .collect();
        for (slice, ports, endpoints) in &self.update {
            actions.push(update_slice(asked, slice, ports, endpoints, trigger)?);
        }
        actions.extend(self.delete.into_iter().map(delete));
        Ok(actions)
    }
}

/// When that happened which is written now: the first pod's becoming ready, or ceasing to be, that no slice shows yet; of
/// a service without slices its own creation.
fn trigger(asked: &Asked, existing: &[Existing], drafts: &[Draft<'_>]) -> Option<String> {
    if existing.is_empty() {
        return Some(asked.meta().creation_timestamp.to_string());
    }
    let shown = existing.iter().flat_map(|slice| slice.content.endpoints());
    let shown: BTreeMap<_, _> = shown
        .map(|endpoint| (endpoint.identity(), endpoint.conditions.serving))
        .collect();
    let new = drafts.iter().flat_map(Draft::endpoints);
    let new: BTreeSet<_> = new
        .filter(|endpoint| shown.get(&endpoint.identity()) != Some(&endpoint.conditions.serving))
        .map(|endpoint| endpoint.identity().1)
        .collect();
    let changed = asked
        .pods
        .iter()
        .filter(|pod| new.contains(&*pod.object.meta.name));
    earliest(changed.filter_map(Backend::since))
}

#[cfg(test)]
mod tests;
