//! Members of features that are off in this version: taken out of what clients send, unless the old one has them
//! (upstream's `dropDisabledFields`).

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::Struct;

use super::defaults::CONTAINERS;

/// A feature that is off: whether a spec uses it, and how a spec loses it.
type Off = (fn(Ref<'_>) -> bool, fn(&Types, &mut Struct));

const OFF: [Off; 4] = [
    (signals, drop_signals),
    (
        |spec| projects(spec, "clusterTrustBundle"),
        |types, spec| drop_source(types, spec, "clusterTrustBundle"),
    ),
    (
        |spec| projects(spec, "podCertificate"),
        |types, spec| drop_source(types, spec, "podCertificate"),
    ),
    (
        |spec| spec.at("schedulingGroup").exists(),
        |types, spec| drop(cursor::remove(types, spec, "schedulingGroup")),
    ),
];

/// Takes them out of a `PodSpec`.
pub(in crate::workloads) fn drop_disabled(types: &Types, spec: &mut Struct, old: Option<Ref<'_>>) {
    for (uses, remove) in OFF {
        if uses(Ref::new(types, spec)) && !old.is_some_and(uses) {
            remove(types, spec);
        }
    }
}

/// Takes them out of a pod's status.
pub(super) fn drop_status(types: &Types, status: &mut Struct, old: Ref<'_>) {
    const CLAIMS: &str = "nodeAllocatableResourceClaimStatuses";
    if !old.at(CLAIMS).exists() {
        cursor::remove(types, status, CLAIMS);
    }
}

fn signals(spec: Ref<'_>) -> bool {
    let containers = CONTAINERS.into_iter().flat_map(|list| spec.at(list).items());
    let mut containers = containers;
    containers.any(|container| container.path("lifecycle.stopSignal").exists())
}

fn drop_signals(types: &Types, spec: &mut Struct) {
    for list in CONTAINERS {
        cursor::each_mut(types, spec, list, |container| {
            let signal = cursor::remove(types, container, "lifecycle.stopSignal");
            if signal.is_some() && Ref::new(types, container).at("lifecycle").is_empty() {
                cursor::remove(types, container, "lifecycle");
            }
        });
    }
}

fn projects(spec: Ref<'_>, kind: &str) -> bool {
    let volumes = spec.at("volumes").items();
    let mut sources = volumes.flat_map(|volume| volume.path("projected.sources").items());
    sources.any(|source| source.at(kind).exists())
}

/// The source stays, without anything in it.
fn drop_source(types: &Types, spec: &mut Struct, kind: &str) {
    cursor::each_mut(types, spec, "volumes", |volume| {
        cursor::each_mut(types, volume, "projected.sources", |source| {
            cursor::remove(types, source, kind);
        });
    });
}
