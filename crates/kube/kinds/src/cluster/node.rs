//! `Node`: `ValidateNode`, `ValidateNodeUpdate`.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors};
use schema::row::Types;
use schema::tree::Struct;

use crate::rules::{ip, quantity, text, value};
use crate::{PLAIN, Place, SelectableField, Strategy};

const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "PreferNoSchedule"];

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, node, errors| {
        taints(node, errors);
        resources(node, errors);
        pod_cidrs(node, errors);
    },
    validate_update: |_, node, old, errors| update(node, old, errors),
    validate_status: |_, node, old, errors| update(node, old, errors),
    fields: &[SelectableField::boolean("spec.unschedulable")],
    ..PLAIN
};

/// What is not reserved can be allocated.
fn default(types: &Types, node: &mut Struct) {
    let status = Ref::new(types, node).at("status");
    let capacity = status.at("capacity").value().cloned();
    if let Some(capacity) = capacity.filter(|_| !status.at("allocatable").exists()) {
        cursor::set(types, node, "status.allocatable", capacity);
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
            let mut error = Error::duplicate(&taint.path(), taint.value());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn pod_cidrs(node: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(node);
    let spec = place.child("spec");
    let cidrs = spec.child("podCIDRs");
    cidrs
        .each()
        .for_each(|cidr| ip::cidr_for_legacy_field(&cidr, errors, &[]));
    let parsed = cidrs.strings().filter_map(ip::parse_cidr_sloppy);
    let v4 = parsed.filter(|(address, _)| address.is_ipv4()).count();
    if cidrs.len() > 2 || (cidrs.len() == 2 && v4 != 1) {
        cidrs.invalid(errors, "may specify no more than one CIDR for each IP family");
    }
    let mut seen = BTreeSet::new();
    cidrs
        .each()
        .filter(|cidr| !seen.insert(cidr.str()))
        .for_each(|cidr| cidr.duplicate(errors));
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
    let place = Place::root(node);
    let addresses = place.child("status.addresses");
    let mut seen = BTreeSet::new();
    for address in addresses.each() {
        if !seen.insert((address.at("type").str(), address.at("address").str())) {
            errors.push(Error::duplicate(&address.path(), address.value()));
        }
    }
    for (name, was) in [("podCIDR", "podCIDRs"), ("providerID", "providerID")] {
        let old = old.at("spec").at(was);
        if !old.is_empty() && old != node.at("spec").at(was) {
            let detail = format!("node updates may not change {name} except from \"\" to valid");
            place.child("spec").child(was).forbidden(errors, detail);
        }
    }
    taints(node, errors);
    if node.path("spec.externalID").str() != old.path("spec.externalID").str() {
        place
            .child("spec.externalID")
            .forbidden(errors, "may not be updated");
    }
}
