//! An update of a pod's status: upstream's `ValidatePodStatusUpdate`.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors};
use schema::tree::{Struct, Value};

use super::{annotations, update};
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
    let (metadata, status) = (root.child("metadata"), root.child("status"));
    annotations::validate_update(&metadata, old.at("metadata"), errors);
    conditions(&metadata, new.path("status.conditions"), errors);
    let nominated = status.child("nominatedNodeName");
    if nominated.value() != old.path("status.nominatedNodeName") && !nominated.is_empty() {
        nominated.check(errors, dns1123_subdomain);
    }
    immutable(&status.child("qosClass"), old.path("status.qosClass"), errors);
    for (list, of) in STATUSES {
        transitions(&status.child(list), old, of, errors);
    }
    claim_statuses(
        &status.child("resourceClaimStatuses"),
        new.path("spec.resourceClaims"),
        errors,
    );
    addresses(&status.child("podIPs"), errors);
    host_addresses(&status, errors);
    let windows = new.path("spec.os.name").str() == "windows";
    for (list, _) in STATUSES {
        status
            .child(list)
            .each()
            .for_each(|each| user(&each, windows, errors));
    }
    for (list, of) in STATUSES {
        allocated(&status.child(list), new.at("spec").at(of), errors);
    }
}

/// Upstream's path is below the metadata.
fn conditions(metadata: &Place<'_, '_>, conditions: Ref<'_>, errors: &mut Errors) {
    let place = metadata.named("conditions", conditions);
    for condition in place.each() {
        let kind = condition.at("type");
        if !matches!(kind.str(), "PodScheduled" | "Ready" | "Initialized") {
            condition.named("Type", kind).check(errors, qualified_name);
        }
    }
}

/// What has ended for good does not begin again.
fn transitions(statuses: &Place<'_, '_>, old: Ref<'_>, of: &str, errors: &mut Errors) {
    let policy = match of {
        "ephemeralContainers" => "Never",
        _ => old.path("spec.restartPolicy").str(),
    };
    let containers = old.at("spec").at(of);
    for (index, was) in old.at("status").at(statuses_of(of)).items().enumerate() {
        let ended = was.path("state.terminated");
        let again = policy == "OnFailure" && ended.at("exitCode").int() != 0;
        let name = was.at("name").str();
        let own = containers
            .items()
            .find(|container| container.at("name").str() == name);
        let own_policy = own.is_some_and(|container| container.at("restartPolicy").exists());
        if policy == "Always" || !ended.exists() || again || own_policy {
            continue;
        }
        let runs =
            |status: &Ref<'_>| status.at("name").str() == name && !status.path("state.terminated").exists();
        for status in statuses.items().filter(runs) {
            let text = "may not be transitioned to non-terminated state";
            statuses
                .index(index, status)
                .child("state")
                .forbidden(errors, text);
        }
    }
}

fn statuses_of(of: &str) -> &'static str {
    STATUSES
        .iter()
        .find(|(_, list)| *list == of)
        .map_or("", |(statuses, _)| statuses)
}

fn claim_statuses(statuses: &Place<'_, '_>, claims: Ref<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for status in statuses.each() {
        let (name, claim) = (status.child("name"), status.at("resourceClaimName"));
        if !claims.items().any(|claim| claim.at("name") == name.value()) {
            name.invalid(errors, "must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name.str()) {
            name.duplicate(errors);
        }
        if claim.exists() {
            name.holding(claim).check(errors, dns1123_subdomain);
        }
    }
}

/// At most one address of each family, and none twice.
fn addresses(list: &Place<'_, '_>, errors: &mut Errors) {
    for item in list.each() {
        ip::ip_for_legacy_field(&item.holding(item.at("ip")), errors, &[]);
    }
    one_of_each_family(list, errors);
}

fn one_of_each_family(list: &Place<'_, '_>, errors: &mut Errors) {
    let v6 = |item: &Ref<'_>| ip::parse_sloppy(item.at("ip").str()).is_some_and(|ip| ip.is_ipv6());
    let (all, six) = (list.len(), list.items().filter(v6).count());
    if all > 2 || (all == 2 && six != 1) {
        list.invalid(errors, "may specify no more than one IP for each IP family");
    }
    let mut seen = BTreeSet::new();
    for item in list.each().filter(|item| !seen.insert(item.at("ip").str())) {
        errors.push(Error::duplicate(&item.path(), item.value()));
    }
}

fn host_addresses(status: &Place<'_, '_>, errors: &mut Errors) {
    let list = status.child("hostIPs");
    let Some(first) = list.each().next() else {
        return;
    };
    if first.at("ip").str() != status.at("hostIP").str() {
        first.child("ip").invalid(errors, "must be equal to `hostIP`");
    }
    addresses(&list, errors);
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

/// Upstream's path leaves out `user`.
fn user(status: &Place<'_, '_>, windows: bool, errors: &mut Errors) {
    let user = status.value().path("user.linux");
    let place = status.named("linux", user);
    match (user.exists(), windows) {
        (true, true) => place.forbidden(errors, "cannot be set for a windows pod"),
        (true, false) => check(&place, USER, errors),
        (false, _) => {}
    }
}

/// The health of devices: of those that the container asked for.
fn allocated(statuses: &Place<'_, '_>, containers: Ref<'_>, errors: &mut Errors) {
    for status in statuses.each() {
        let list = status.child("allocatedResourcesStatus");
        let name = status.at("name").str();
        let Some(container) = containers
            .items()
            .find(|container| container.at("name").str() == name)
        else {
            continue;
        };
        for resource in list.each() {
            let resource_name = resource.child("name");
            if !asks(container, resource_name.str()) {
                resource_name.invalid(errors, unknown(resource_name.str()));
            }
            let mut seen = BTreeSet::new();
            for one in resource.child("resources").each() {
                let words = ["Healthy", "Unhealthy", "Unknown"];
                crate::rules::value::one_of(&one.child("health"), errors, &words);
                let id = one.child("resourceID");
                if !seen.insert(id.str()) {
                    id.duplicate(errors);
                }
            }
        }
    }
}

fn unknown(name: &str) -> &'static str {
    match name.starts_with("claim:") {
        true => {
            "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
             'claim:<claimName>' if request is empty"
        }
        false => "must match one of the container's resource requests",
    }
}

fn asks(container: Ref<'_>, name: &str) -> bool {
    let resources = container.at("resources");
    let Some(claim) = name.strip_prefix("claim:") else {
        return resources.at("requests").at(name).exists();
    };
    let (name, request) = claim.split_once('/').unwrap_or((claim, ""));
    let mut claims = resources.at("claims").items();
    claims.any(|claim| claim.at("name").str() == name && claim.at("request").str() == request)
}
