//! An update of a pod's status: upstream's `ValidatePodStatusUpdate`.

mod devices;
mod transitions;

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::tree::{Struct, Value};

use super::{annotations, off, update};
use crate::rules::ip;
use crate::rules::names::dns1123_subdomain;
use crate::rules::table::{Rule, Rules, check};
use crate::rules::text::qualified_name;
use crate::rules::value::{immutable, in_range};
use crate::{Context, Place};

/// Takes over what a kubelet may not change, and what an old one forgets.
pub(super) fn prepare(context: &Context<'_>, new: &mut Struct, old: &Struct) {
    let (types, before) = (context.types, Ref::new(context.types, old));
    update::keep(types, new, before, "metadata.ownerReferences");
    if let Some(Value::Struct(status)) = cursor::get_mut(types, new, "status") {
        off::drop_status(types, status, before.at("status"));
    }
    for name in ["qosClass", "observedGeneration"] {
        let path = format!("status.{name}");
        if Ref::new(types, new).path(&path).is_empty() {
            update::keep(types, new, before, &path);
        }
    }
    let conditions = before.path("status.conditions");
    let mut generations: Vec<(&str, i64)> = conditions
        .items()
        .map(|condition| {
            (
                condition.at("type").str(),
                condition.at("observedGeneration").int(),
            )
        })
        .collect();
    cursor::each_mut(types, new, "status.conditions", |condition| {
        let kind = Ref::new(types, condition).at("type").str().to_owned();
        let old = generations.iter().position(|(name, _)| *name == kind);
        let generation = old.map_or(0, |index| generations.remove(index).1);
        let own = Ref::new(types, condition).at("observedGeneration").int();
        if own == 0 && generation != 0 {
            cursor::set(types, condition, "observedGeneration", Value::Int(generation));
        }
    });
}

/// The lists of containers' statuses, and the containers that they are of.
const STATUSES: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];

/// Validates an update of the status.
pub(super) fn validate(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(new);
    let (status, was) = (root.child("status"), old.at("status"));
    annotations::validate_update(&root.child("metadata"), old.at("metadata"), errors);
    conditions(&status.child("conditions"), errors);
    nominated(&status.child("nominatedNodeName"), old, errors);
    generation(&status.child("observedGeneration"), errors);
    immutable(&status.child("qosClass"), was.at("qosClass"), errors);
    for (list, of) in STATUSES {
        transitions::check(&status.child(list), was.at(list), old.at("spec"), of, errors);
    }
    claim_statuses(
        &status.child("resourceClaimStatuses"),
        new.path("spec.resourceClaims"),
        errors,
    );
    devices::extended_claim(
        &status.child("extendedResourceClaimStatus"),
        new.at("spec"),
        errors,
    );
    addresses(&status.child("podIPs"), was.at("podIPs"), errors);
    host_addresses(&status, was.at("hostIPs"), errors);
    for (list, _) in STATUSES {
        let statuses = status.child(list);
        statuses
            .each()
            .for_each(|each| user(&each, new.path("spec.os.name").str(), errors));
    }
    for (list, of) in STATUSES {
        devices::allocated(&status.child(list), new.at("spec"), of, errors);
    }
}

/// The kubelet's own conditions have names that are known; the others' are looked at.
fn conditions(conditions: &Place<'_, '_>, errors: &mut Errors) {
    for condition in conditions.each() {
        generation(&condition.child("observedGeneration"), errors);
        let kind = condition.at("type");
        if !matches!(kind.str(), "PodScheduled" | "Ready" | "Initialized") {
            condition.named("Type", kind).check(errors, qualified_name);
        }
    }
}

fn generation(place: &Place<'_, '_>, errors: &mut Errors) {
    if place.int() < 0 {
        place.invalid(errors, "must be a non-negative integer");
    }
}

/// A pod that has its node waits for no other.
fn nominated(name: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    if name.is_empty() || name.value() == old.path("status.nominatedNodeName") {
        return;
    }
    name.check(errors, dns1123_subdomain);
    if !old.path("spec.nodeName").is_empty() {
        name.forbidden(errors, "may not be set on pods that are already bound to a node");
    }
}

fn claim_statuses(statuses: &Place<'_, '_>, claims: Ref<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for status in statuses.each() {
        let (name, claim) = (status.child("name"), status.child("resourceClaimName"));
        if !claims.items().any(|claim| claim.at("name") == name.value()) {
            name.invalid(errors, "must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name.str()) {
            name.duplicate(errors);
        }
        if claim.exists() {
            claim.check(errors, dns1123_subdomain);
        }
    }
}

/// At most one address of each family; those that were there are not questioned.
fn addresses(list: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let known: Vec<&str> = old.items().map(|item| item.at("ip").str()).collect();
    for item in list.each() {
        ip::ip_for_legacy_field(&item.holding(item.at("ip")), errors, &known);
    }
    let v6 = |item: &Ref<'_>| ip::parse_sloppy(item.at("ip").str()).is_some_and(|ip| ip.is_ipv6());
    let (all, six) = (list.len(), list.items().filter(v6).count());
    if all > 2 || (all == 2 && six != 1) {
        list.invalid(errors, "may specify no more than one IP for each IP family");
    }
}

fn host_addresses(status: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let list = status.child("hostIPs");
    let Some(first) = list.each().next() else {
        return;
    };
    if first.at("ip").str() != status.at("hostIP").str() {
        first.child("ip").invalid(errors, "must be equal to `hostIP`");
    }
    addresses(&list, old, errors);
}

const MAX_ID: i64 = i32::MAX as i64;
const USER: Rules = &[
    ("uid", Rule::Range(0, MAX_ID)),
    ("gid", Rule::Range(0, MAX_ID)),
    ("supplementalGroups", Rule::Of(groups)),
];

fn groups(groups: &Place<'_, '_>, errors: &mut Errors) {
    groups
        .each()
        .for_each(|group| in_range(&group, errors, 0, MAX_ID));
}

fn user(status: &Place<'_, '_>, os: &str, errors: &mut Errors) {
    let user = status.child("user");
    let user = user.child("linux");
    match os {
        _ if !user.exists() => {}
        "windows" => user.forbidden(errors, "cannot be set for a windows pod"),
        _ => check(&user, USER, errors),
    }
}
