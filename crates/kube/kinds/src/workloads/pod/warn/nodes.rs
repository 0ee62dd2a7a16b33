//! Where a pod wants to be, said in words that are out of date, or that select nothing.

use crate::Place;

/// Labels of nodes that have new names.
const NODE_LABELS: [(&str, &str); 5] = [
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];

fn deprecated_label(label: &str) -> Option<&'static str> {
    let found = NODE_LABELS.iter().find(|(name, _)| *name == label);
    found.map(|(_, text)| *text)
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

pub(super) fn node_labels(spec: &Place<'_, '_>, found: &mut Vec<String>) {
    for (label, place) in spec.child("nodeSelector").each_entry() {
        found.extend(deprecated_label(label).map(|text| format!("{}: {text}", place.path())));
    }
    let nodes = spec.child("affinity.nodeAffinity");
    let required = nodes.child(REQUIRED);
    let required = required.child("nodeSelectorTerms");
    required.each().for_each(|each| term(&each, found));
    for preference in nodes.child(PREFERRED).each() {
        term(&preference.child("preference"), found);
    }
    for constraint in spec.child("topologySpreadConstraints").each() {
        let topology = constraint.child("topologyKey");
        if let Some(text) = deprecated_label(topology.str()) {
            found.push(format!("{}: {} is {text}", topology.path(), topology.str()));
        }
        let selector = constraint.child("labelSelector");
        if !selector.exists() {
            found.push(format!("{}: {NO_SELECTOR}", selector.path()));
        }
    }
}

fn term(term: &Place<'_, '_>, found: &mut Vec<String>) {
    for expression in term.child("matchExpressions").each() {
        let key = expression.child("key");
        if let Some(text) = deprecated_label(key.str()) {
            found.push(format!("{}: {} is {text}", key.path(), key.str()));
        }
    }
}

pub(super) fn affinity(affinity: &Place<'_, '_>, found: &mut Vec<String>) {
    for name in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.child(name);
        let mut warn = |term: &Place<'_, '_>| {
            let selector = term.child("labelSelector");
            if !selector.exists() {
                found.push(format!("{}: {NO_SELECTOR}", selector.path()));
            }
        };
        pods.child(REQUIRED).each().for_each(|term| warn(&term));
        for preference in pods.child(PREFERRED).each() {
            warn(&preference.child("podAffinityTerm"));
        }
    }
}
