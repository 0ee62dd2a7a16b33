//! What rules about parts of a pod look at besides the part.

use std::collections::BTreeSet;

use schema::cursor::Ref;

use super::kept::{Kept, own_users};
use super::resources::claim_names;
use super::volumes::Volumes;
use crate::Place;

/// A `PodSpec` that is being validated.
#[derive(Clone, Copy)]
pub(super) struct Spec<'p, 'a> {
    /// Where it is.
    pub(super) place: &'p Place<'p, 'a>,
    /// The metadata of its pod; none for a template.
    pub(super) pod: Option<Ref<'a>>,
    /// What the old spec had that this one may keep.
    pub(super) kept: &'p Kept,
}

impl<'a> Spec<'_, 'a> {
    /// Whether it is a pod's, not a template's.
    pub(super) const fn is_pod(&self) -> bool {
        self.pod.is_some()
    }

    /// The pod's name; empty where there is none yet, and for templates.
    pub(super) fn pod_name(&self) -> &'a str {
        self.pod.map_or("", |metadata| metadata.at("name").str())
    }
}

/// What containers can refer to, and what their rules depend on.
pub(super) struct Scene<'a> {
    /// What the old spec had that this one may keep.
    pub(super) kept: &'a Kept,
    /// The volumes that are right.
    pub(super) volumes: Volumes<'a>,
    /// The names of the pod's resource claims.
    pub(super) claims: BTreeSet<&'a str>,
    /// `terminationGracePeriodSeconds`
    pub(super) grace: Option<i64>,
    /// Whether users are the host's, as they are unless the spec says no.
    pub(super) host_users: bool,
    /// `restartPolicy`
    pub(super) restart_policy: &'a str,
    /// `os.name`
    pub(super) os: &'a str,
}

impl<'a> Scene<'a> {
    /// Of a spec whose volumes are known.
    pub(super) fn new(spec: Ref<'a>, volumes: Volumes<'a>, kept: &'a Kept) -> Self {
        Self {
            kept,
            volumes,
            claims: claim_names(spec),
            grace: spec.at("terminationGracePeriodSeconds").integer(),
            host_users: !own_users(spec),
            restart_policy: spec.at("restartPolicy").str(),
            os: spec.path("os.name").str(),
        }
    }
}

/// Every container of a spec with its place, in upstream's order (`VisitContainersWithPath`).
pub(super) fn each_container<'a>(spec: &Place<'_, 'a>, mut act: impl FnMut(&Place<'_, 'a>)) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        spec.child(list).each().for_each(|container| act(&container));
    }
}
