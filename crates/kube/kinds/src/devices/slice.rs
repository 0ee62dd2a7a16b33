//! `ResourceSlice`: a part of the devices that a driver offers.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use super::claim::{bounded, distinct};
use super::{config, taint};
use crate::rules::names::{dns1123_label, dns1123_subdomain};
use crate::rules::node_selector;
use crate::rules::table::Rule::RequiredText;
use crate::rules::value::immutable;
use crate::volume::driver_name;
use crate::{Generation, PLAIN, Place, SelectableField, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, slice, errors| validate(slice, errors),
    validate_update: |_, new, old, errors| {
        validate(new, errors);
        let (root, was) = (Place::root(new), old.at("spec"));
        let spec = root.child("spec");
        immutable(&spec.child("driver"), was.at("driver"), errors);
        let pool = spec.child("pool");
        immutable(&pool.child("name"), was.path("pool.name"), errors);
        immutable(&spec.child("nodeName"), was.at("nodeName"), errors);
    },
    generation: Generation::Spec,
    fields: &[
        SelectableField::text("spec.driver"),
        SelectableField::text("spec.nodeName"),
    ],
    resets: &[],
    ..PLAIN
};

const PLACES: [&str; 4] = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
const ONE_PLACE: &str =
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";

fn validate(slice: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(slice);
    let spec = root.child("spec");
    driver_name(&spec.child("driver"), errors);
    let pool = spec.child("pool");
    config::pool_name(&pool.child("name"), errors);
    let (count, generation) = (pool.child("resourceSliceCount"), pool.child("generation"));
    if count.int() <= 0 {
        count.invalid_value(errors, count.int(), "must be greater than zero");
    }
    if generation.int() < 0 {
        generation.invalid(errors, "must be greater than or equal to 0");
    }
    place(&spec, errors);
    devices(&spec.child("devices"), errors);
    counters(&spec.child("sharedCounters"), errors);
}

fn place(spec: &Place<'_, '_>, errors: &mut Errors) {
    let given = PLACES.iter().filter(|name| match spec.at(name).boolean() {
        Some(set) => set,
        None => !spec.at(name).is_empty() || (**name == "nodeSelector" && spec.at(name).exists()),
    });
    let given: Vec<&&str> = given.collect();
    match given.len() {
        0 => spec.required(errors, ONE_PLACE),
        1 => {}
        _ => {
            let names: Vec<String> = given.iter().map(|name| format!("`{name}`")).collect();
            let shown = format!("{{{}}}", names.join(", "));
            spec.invalid_value(errors, shown, format!("{ONE_PLACE}, but multiple fields are set"));
        }
    }
    let (name, selector) = (spec.child("nodeName"), spec.child("nodeSelector"));
    if !name.is_empty() {
        name.check(errors, dns1123_subdomain);
    }
    if selector.exists() {
        node_selector::required(&selector, true, errors);
        if selector.at("nodeSelectorTerms").len() != 1 {
            let terms = selector.child("nodeSelectorTerms");
            terms.invalid(errors, "must have exactly one node selector term");
        }
    }
}

const MAX_DEVICES: usize = 128;
const MAX_ATTRIBUTES: usize = 32;
const MAX_TAINTS: usize = 16;

fn devices(devices: &Place<'_, '_>, errors: &mut Errors) {
    bounded(devices, MAX_DEVICES, errors);
    for device in devices.each() {
        RequiredText(dns1123_label).check(&device.child("name"), errors);
        let (attributes, capacity) = (device.child("attributes"), device.child("capacity"));
        let all = attributes.entries().len() + capacity.entries().len();
        if all > MAX_ATTRIBUTES {
            let text =
                format!("the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}");
            device.invalid_value(errors, all, text);
        }
        for list in [&attributes, &capacity] {
            for (name, entry) in list.each_entry() {
                let wrong = config::attribute_faults(name, false);
                wrong
                    .into_iter()
                    .for_each(|(part, text)| entry.invalid_value(errors, part, text));
            }
        }
        attributes
            .each_entry()
            .for_each(|(_, each)| attribute(&each, errors));
        let taints = device.child("taints");
        bounded(&taints, MAX_TAINTS, errors);
        taints.each().for_each(|each| taint::taint(&each, errors));
    }
    distinct(devices, |device| device.at("name").str(), errors);
}

const KINDS: [&str; 4] = ["int", "bool", "string", "version"];
const MAX_TEXT: usize = 64;

fn attribute(attribute: &Place<'_, '_>, errors: &mut Errors) {
    let given = KINDS.iter().filter(|kind| attribute.at(kind).exists()).count();
    match given {
        0 => attribute.required(errors, "exactly one value must be specified"),
        1 => {}
        _ => attribute.invalid(errors, "exactly one value must be specified"),
    }
    for kind in ["string", "version"] {
        let text = attribute.child(kind);
        if text.len() > MAX_TEXT {
            text.too_long(errors, MAX_TEXT);
        }
    }
}

fn counters(sets: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for set in sets.each() {
        let name = set.child("name");
        RequiredText(dns1123_label).check(&name, errors);
        if !seen.insert(name.str()) {
            errors.push(Error::duplicate(&set.path(), name.str()));
        }
        let counters = set.child("counters");
        counters.require(errors, "");
        for (name, counter) in counters.each_entry() {
            let wrong = dns1123_label(name).into_iter();
            wrong.for_each(|text| counter.invalid_value(errors, name, text));
        }
    }
}
