//! Where a pod can be, must be, and must not be: affinity, anti-affinity, spreading over topologies.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::field::{Error, Errors};

use super::kept::{Fault, Kept};
use crate::Place;
use crate::rules::names::dns1123_label;
use crate::rules::node_selector;
use crate::rules::table::Rule;
use crate::rules::text::qualified_name;
use crate::rules::value::{label_selector, label_selector_of, one_of};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Where a spec says what a node must have.
pub(super) const REQUIRED_NODES: &str =
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";

/// `spec.affinity`
pub(super) fn validate(affinity: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let nodes = affinity.child("nodeAffinity");
    let required = nodes.child(REQUIRED);
    if required.exists() {
        node_selector::required(&required, !kept.has(Fault::NodeValues), errors);
    }
    for preference in nodes.child(PREFERRED).each() {
        weight(&preference, errors);
        node_selector::term(&preference.child("preference"), false, errors);
    }
    let values = !kept.has(Fault::SelectorValues);
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.child(name);
        let required = pods.child(REQUIRED);
        required.each().for_each(|each| term(&each, values, errors));
        for preference in pods.child(PREFERRED).each() {
            weight(&preference, errors);
            term(&preference.child("podAffinityTerm"), values, errors);
        }
    }
}

/// The selectors of all terms about pods.
pub(super) fn selectors(affinity: &Place<'_, '_>, errors: &mut Errors) {
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.child(name);
        let required = pods.child(REQUIRED);
        required
            .each()
            .for_each(|each| term_selectors(&each, true, errors));
        let preferred = pods.child(PREFERRED);
        for preference in preferred.each() {
            term_selectors(&preference.child("podAffinityTerm"), true, errors);
        }
    }
}

fn term_selectors(term: &Place<'_, '_>, values: bool, errors: &mut Errors) {
    for name in ["labelSelector", "namespaceSelector"] {
        label_selector_of(&term.child(name), values, errors);
    }
}

fn weight(preference: &Place<'_, '_>, errors: &mut Errors) {
    let weight = preference.child("weight");
    if !(1..=100).contains(&weight.int()) {
        weight.invalid_value(errors, weight.int(), "must be in the range 1-100");
    }
}

fn term(term: &Place<'_, '_>, values: bool, errors: &mut Errors) {
    term_selectors(term, values, errors);
    for namespace in term.at("namespaces").items() {
        // Upstream's error says `namespace`, and no index.
        term.named("namespace", namespace).check(errors, dns1123_label);
    }
    label_keys(term, errors);
    let topology = term.child("topologyKey");
    topology.require(errors, "can not be empty");
    topology.check(errors, qualified_name);
}

const NO_SELECTOR: &str = "must not be specified when labelSelector is not set";
const IN_BOTH: &str = "exists in both matchLabelKeys and labelSelector";

/// `matchLabelKeys` and `mismatchLabelKeys`: what a pod's labels say under them has been put into the selector already,
/// once each.
pub(super) fn label_keys(term: &Place<'_, '_>, errors: &mut Errors) {
    let selector = term.at("labelSelector");
    let (keys, others) = (term.child("matchLabelKeys"), term.child("mismatchLabelKeys"));
    for list in [&keys, &others] {
        if !list.is_empty() && !selector.exists() {
            list.forbidden(errors, NO_SELECTOR);
        } else {
            list.each().for_each(|key| key.check(errors, qualified_name));
        }
    }
    let mut seen: BTreeSet<&str> = selector.at("matchLabels").entries().map(|(key, _)| key).collect();
    for expression in selector.at("matchExpressions").items() {
        let key = expression.at("key").str();
        let position = keys.strings().position(|name| name == key);
        if let Some(index) = position.filter(|_| seen.contains(key)) {
            // Upstream's path leaves out the list.
            let path = term.path().index(index);
            errors.push(Error::invalid(&path, key, IN_BOTH));
        }
        seen.insert(key);
    }
    let in_others = |key: &Place<'_, '_>| others.strings().any(|other| other == key.str());
    for key in keys.each().filter(in_others) {
        key.invalid(errors, "exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

/// `spec.topologySpreadConstraints`
pub(super) fn spread(constraints: &Place<'_, '_>, kept: &Kept, errors: &mut Errors) {
    let all: Vec<Ref<'_>> = constraints.items().collect();
    for (index, constraint) in constraints.each().enumerate() {
        spread_basics(&constraint, errors);
        let pair = |constraint: Ref<'_>| {
            let [key, action] = ["topologyKey", "whenUnsatisfiable"].map(|name| constraint.at(name).str());
            format!("{{{key}, {action}}}")
        };
        let own = pair(constraint.value());
        if all[index + 1..].iter().any(|other| pair(*other) == own) {
            let path = constraint.path().child("{topologyKey, whenUnsatisfiable}");
            errors.push(Error::duplicate(&path, own));
        }
        min_domains(&constraint, errors);
        for name in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            Rule::Word(&["Honor", "Ignore"]).check(&constraint.child(name), errors);
        }
        match kept.has(Fault::SpreadKeys) {
            true => spread_keys(&constraint, errors),
            false => label_keys(&constraint, errors),
        }
        if !kept.has(Fault::SpreadSelectors) {
            label_selector(&constraint.child("labelSelector"), errors);
        }
    }
}

fn spread_basics(constraint: &Place<'_, '_>, errors: &mut Errors) {
    let skew = constraint.child("maxSkew");
    if skew.int() <= 0 {
        skew.invalid_value(errors, skew.int(), "must be greater than zero");
    }
    constraint
        .child("topologyKey")
        .require(errors, "can not be empty");
    one_of(
        &constraint.child("whenUnsatisfiable"),
        errors,
        &["DoNotSchedule", "ScheduleAnyway"],
    );
}

fn min_domains(constraint: &Place<'_, '_>, errors: &mut Errors) {
    let (domains, action) = (
        constraint.child("minDomains"),
        constraint.at("whenUnsatisfiable").str(),
    );
    if domains.exists() && domains.int() <= 0 {
        domains.invalid(errors, "must be greater than zero");
    }
    if domains.exists() && action != "DoNotSchedule" {
        let text = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        domains.invalid(errors, text);
    }
}

/// The keys as they were judged before they were put into the selector.
fn spread_keys(constraint: &Place<'_, '_>, errors: &mut Errors) {
    let (keys, selector) = (constraint.child("matchLabelKeys"), constraint.at("labelSelector"));
    if !keys.is_empty() && !selector.exists() {
        keys.forbidden(errors, NO_SELECTOR);
    }
    for key in keys.each() {
        key.check(errors, qualified_name);
        let mut expressions = selector.at("matchExpressions").items();
        let expressed = expressions.any(|expression| expression.at("key").str() == key.str());
        if expressed || selector.at("matchLabels").at(key.str()).exists() {
            key.invalid(errors, IN_BOTH);
        }
    }
}
