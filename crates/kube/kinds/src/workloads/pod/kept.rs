//! What an old pod or template has that a new one could not have: an update may leave it there. Rules grow stricter
//! from one version to the next, and whoever changes a label need not mend the rest (upstream's
//! `PodValidationOptions`).

use schema::cursor::Ref;
use schema::field::Errors;

use super::{affinity, annotations, security};
use crate::Place;
use crate::rules::quantity::{is_huge_page, is_whole_pages};
use crate::rules::{node_selector, paths, value};

/// What may be wrong with an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The cost of its deletion is no number.
    DeletionCost,
    /// Parts of huge pages.
    HugePages,
    /// Values in selectors of affinity that no label can have.
    SelectorValues,
    /// The same in what nodes must have.
    NodeValues,
    /// A selector of a topology's constraint.
    SpreadSelectors,
    /// Keys that stand in such a selector too.
    SpreadKeys,
    /// The path of a token leads elsewhere.
    TokenPaths,
    /// Settings of a namespace that is the host's.
    SharedSysctls,
    /// Block devices beside users of its own.
    VolumeDevices,
    /// The host's network beside users of its own.
    HostNetwork,
    /// Tolerations that compare numbers.
    Comparisons,
    /// A policy of SELinux other than the one there is.
    Relabelling,
    /// An init container whose resources change by a restart.
    InitRestarts,
}

/// The faults that are left alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Vec<Fault>);

/// How each of them is found in an old spec.
type Finding = (Fault, fn(&Place<'_, '_>) -> bool);

const FINDINGS: [Finding; 12] = [
    (Fault::HugePages, has_parts_of_pages),
    (Fault::SelectorValues, |spec| {
        faulty(|errors| affinity::selectors(&spec.child("affinity"), errors))
    }),
    (Fault::NodeValues, |spec| {
        let required = spec.value().path(affinity::REQUIRED_NODES);
        faulty(|errors| node_selector::values(&spec.holding(required), errors))
    }),
    (Fault::SpreadSelectors, |spec| {
        each(spec, "topologySpreadConstraints", |constraint, errors| {
            value::label_selector(&constraint.child("labelSelector"), errors);
        })
    }),
    (Fault::SpreadKeys, |spec| {
        each(spec, "topologySpreadConstraints", affinity::label_keys)
    }),
    (Fault::TokenPaths, |spec| {
        let volumes = spec.child("volumes");
        faulty(|errors| volumes.each().for_each(|volume| token_paths(&volume, errors)))
    }),
    (Fault::SharedSysctls, |spec| security::shares_sysctls(spec)),
    (Fault::VolumeDevices, |spec| {
        own_users(spec.value()) && containers(spec).any(|container| !container.at("volumeDevices").is_empty())
    }),
    (Fault::HostNetwork, |spec| {
        own_users(spec.value()) && spec.at("hostNetwork").bool()
    }),
    (Fault::Comparisons, |spec| {
        let compares = |one: Ref<'_>| matches!(one.at("operator").str(), "Lt" | "Gt");
        spec.at("tolerations").items().any(compares)
    }),
    (Fault::Relabelling, |spec| {
        spec.value().path("securityContext.seLinuxChangePolicy").exists()
    }),
    (Fault::InitRestarts, |spec| {
        spec.at("initContainers").items().any(restarts_to_resize)
    }),
];

impl Kept {
    /// Nothing: what holds for a new one.
    pub(crate) const NOTHING: Self = Self(Vec::new());

    /// What there is in an old one with this metadata and spec; nothing if there is no old one.
    pub(crate) fn of(old: Option<Ref<'_>>) -> Self {
        let Some(old) = old else { return Self::NOTHING };
        let root = Place::root(old);
        let spec = root.child("spec");
        let no_cost = !annotations::has_cost(old.at("metadata"));
        let found = FINDINGS.iter().filter(|(_, finding)| finding(&spec));
        let found = found.map(|(fault, _)| *fault);
        Self(found.chain(no_cost.then_some(Fault::DeletionCost)).collect())
    }

    /// Whether this is left alone.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

fn faulty(check: impl FnOnce(&mut Errors)) -> bool {
    let mut errors = Errors::new();
    check(&mut errors);
    !errors.is_empty()
}

fn each(spec: &Place<'_, '_>, list: &str, check: fn(&Place<'_, '_>, &mut Errors)) -> bool {
    let list = spec.child(list);
    faulty(|errors| list.each().for_each(|item| check(&item, errors)))
}

/// Whether the pod has users of its own.
pub(super) fn own_users(spec: Ref<'_>) -> bool {
    spec.at("hostUsers").boolean() == Some(false)
}

fn containers<'a>(spec: &Place<'_, 'a>) -> impl Iterator<Item = Ref<'a>> {
    let spec = spec.value();
    super::defaults::CONTAINERS
        .into_iter()
        .flat_map(move |list| spec.at(list).items())
}

fn has_parts_of_pages(spec: &Place<'_, '_>) -> bool {
    let of_containers = containers(spec).flat_map(|container| {
        let resources = container.at("resources");
        ["limits", "requests"]
            .into_iter()
            .map(move |list| resources.at(list))
    });
    let lists = of_containers.chain([spec.at("overhead")]);
    let parts = |(name, amount): (&str, Ref<'_>)| is_huge_page(name) && !is_whole_pages(name, amount);
    lists.flat_map(Ref::entries).any(parts)
}

fn token_paths(volume: &Place<'_, '_>, errors: &mut Errors) {
    for source in volume.value().path("projected.sources").items() {
        let token = source.at("serviceAccountToken");
        if token.exists() {
            paths::non_reserved(&volume.holding(token.at("path")), errors);
        }
    }
}

/// An init container that is no sidecar is not there any more to be restarted.
fn restarts_to_resize(container: Ref<'_>) -> bool {
    let restarts = |policy: Ref<'_>| policy.at("restartPolicy").str() == "RestartContainer";
    container.at("restartPolicy").str() != "Always" && container.at("resizePolicy").items().any(restarts)
}
