//! `Node`: `ValidateNode`, `ValidateNodeUpdate`.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors};
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::internal::bad_value;
use crate::rules::{ip, quantity, text, value};
use crate::{PLAIN, Place, SelectableField, Strategy};

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "PreferNoSchedule"];

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    prepare_create: |context, node| unconfigured(context.types, node, None, "spec.configSource"),
    prepare_update: |context, node, old| unconfigured(context.types, node, Some(old), "spec.configSource"),
    prepare_status: |context, node, old| unconfigured(context.types, node, Some(old), "status.config"),
    validate_create: |_, node, errors| create(node, errors),
    validate_update: |_, node, old, errors| {
        create(node, errors);
        update(node, old, errors);
    },
    validate_status: |_, node, old, errors| update(node, old, errors),
    fields: &[SelectableField::boolean("spec.unschedulable")],
    ..PLAIN
};

/// Kubelets are not configured by their nodes any more.
fn unconfigured(types: &Types, node: &mut Struct, old: Option<&Struct>, path: &str) {
    if !old.is_some_and(|old| Ref::new(types, old).path(path).exists()) {
        cursor::remove(types, node, path);
    }
}

/// What is not reserved can be allocated; the first range of pods stands alone and in the list.
fn default(types: &Types, node: &mut Struct) {
    one_range(types, node);
    let status = Ref::new(types, node).at("status");
    let capacity = status.at("capacity").value().cloned();
    if let Some(capacity) = capacity.filter(|_| !status.at("allocatable").exists()) {
        cursor::set(types, node, "status.allocatable", capacity);
    }
}

/// The member that is older than the list wins over it.
fn one_range(types: &Types, node: &mut Struct) {
    let spec = Ref::new(types, node).at("spec");
    let (one, first) = (spec.at("podCIDR"), spec.at("podCIDRs").items().next());
    let first = first.map_or("", |first| first.str()).to_owned();
    let one = one.str().to_owned();
    if !one.is_empty() && one != first {
        cursor::set(types, node, "spec.podCIDRs", Value::List(vec![Value::str(&one)]));
    } else if one.is_empty() && !first.is_empty() {
        cursor::set(types, node, "spec.podCIDR", Value::str(&first));
    }
}

/// Upstream says `metadata.taints`.
fn taints(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let metadata = place.child("metadata");
    let taints = metadata.named("taints", node.path("spec.taints"));
    let mut seen = BTreeSet::new();
    for taint in taints.each() {
        taint.child("key").check(errors, text::qualified_name);
        let wrong = text::label_value(taint.at("value").str());
        if !wrong.is_empty() {
            taint.child("value").invalid(errors, wrong.join(";"));
        }
        value::required_one_of(&taint.child("effect"), errors, EFFECTS);
        if !seen.insert((taint.at("key").str(), taint.at("effect").str())) {
            let mut error = Error::duplicate(&taint.path(), bad_value(taint.value()));
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

/// What holds for every node.
fn create(node: Ref<'_>, errors: &mut Errors) {
    taints(node, errors);
    resources(node, errors);
    swap(node, errors);
    features(node, errors);
    pod_cidrs(node, errors);
}

/// Upstream says `metadata.nodeSwapStatus`.
fn swap(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let metadata = place.child("metadata");
    let status = metadata.named("nodeSwapStatus", node.path("status.nodeInfo.swap"));
    let capacity = status.child("capacity");
    if capacity.integer().is_some_and(|capacity| capacity <= 0) {
        capacity.invalid(errors, "must be greater than zero");
    }
}

/// What the kubelet says that it can do: names in their order.
fn features(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let list = place.child("status.declaredFeatures");
    let mut before = "";
    for feature in list.each() {
        let name = feature.str();
        if !before.is_empty() && name == before {
            feature.duplicate(errors);
        } else if name < before {
            feature.invalid(errors, "list must be sorted alphabetically");
        }
        if let Some(wrong) = wrong_feature(name) {
            feature.invalid(errors, format!("invalid feature name {name:?}: {wrong}"));
        }
        before = name;
    }
}

fn wrong_feature(name: &str) -> Option<&'static str> {
    let plain = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    let upper = name.starts_with(|first: char| first.is_ascii_uppercase());
    match name.split('/').all(plain) && upper {
        _ if name.len() > 253 => Some("must be no more than 253 characters"),
        true => None,
        false => Some(
            "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or \
             MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
        ),
    }
}

fn pod_cidrs(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let cidrs = place.child("spec.podCIDRs");
    cidrs
        .each()
        .for_each(|cidr| ip::cidr_for_legacy_field(&cidr, errors, &[]));
    let parsed: Vec<_> = cidrs.strings().map(ip::parse_cidr_sloppy).collect();
    if parsed.len() < 2 {
        return;
    }
    if let Some(at) = parsed.iter().position(Option::is_none) {
        let text = cidrs.strings().nth(at).unwrap_or_default();
        let told = format!(
            "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{at}]: <nil> (invalid CIDR address: {text})"
        );
        errors.push(Error::internal(&cidrs.path(), told));
    }
    let v4 = parsed
        .iter()
        .flatten()
        .filter(|(address, _)| address.is_ipv4())
        .count();
    if parsed.len() > 2 || v4 != 1 || parsed.contains(&None) {
        cidrs.invalid(errors, "may specify no more than one CIDR for each IP family");
    }
}

/// What a node has, and what of it can be given out.
fn resources(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let status = place.child("status");
    for list in ["capacity", "allocatable"] {
        let amounts = status.child(list);
        for (name, amount) in amounts.entries() {
            quantity::resource_quantity(&amounts.named(name, amount), name, errors);
        }
    }
}

fn update(node: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    resources(node, errors);
    features(node, errors);
    let place = Place::root(node);
    let addresses = place.child("status.addresses");
    let mut seen = BTreeSet::new();
    for address in addresses.each() {
        if !seen.insert((address.at("type").str(), address.at("address").str())) {
            address.duplicate(errors);
        }
    }
    let spec = place.child("spec");
    for _ in 0..changed_cidrs(spec.at("podCIDRs"), old.path("spec.podCIDRs")) {
        spec.child("podCIDRs").forbidden(errors, once("podCIDR"));
    }
    let (provider, was) = (spec.child("providerID"), old.path("spec.providerID"));
    if !was.is_empty() && was != provider.value() {
        provider.forbidden(errors, once("providerID"));
    }
    taints(node, errors);
    if spec.at("externalID").str() != old.path("spec.externalID").str() {
        spec.child("externalID").forbidden(errors, "may not be updated");
    }
}

fn once(what: &str) -> String {
    format!("node updates may not change {what} except from \"\" to valid")
}

/// How often upstream says so: once for each that is another.
fn changed_cidrs(new: Ref<'_>, old: Ref<'_>) -> usize {
    match old.len() == new.len() {
        _ if old.is_empty() => 0,
        true => new
            .items()
            .zip(old.items())
            .filter(|(new, old)| new != old)
            .count(),
        false => 1,
    }
}
